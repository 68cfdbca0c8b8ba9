"""Which embeddings, decoders, encoders, priors and generators there are for a subject, and which not.

Headers are read, never tensors, and nothing in a file is executed. An entry says whether its model is
in use, here, missing (and which command makes it), for somebody else's brain or another embedding, or
damaged.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from nsdviewer.errors import CheckpointError, DataError, NsdViewerError, RequestError
from nsdviewer.files import file_fingerprint
from nsdviewer.models.catalogue import weights_folder
from nsdviewer.models.diffusion.prior import PriorHeader
from nsdviewer.models.mapping_file import MappingHeader
from nsdviewer.models.painter import FilePainter
from nsdviewer.models.painting import SHIPPED, shipped_generator
from nsdviewer.models.registry import DEFAULT_OPEN_CLIP
from nsdviewer.session.embedding_inventory import list_embeddings
from nsdviewer.session.model_entries import ModelEntry, Standing
from nsdviewer.session.model_files import ModelFile, ModelKind, Origin, describe_model
from nsdviewer.session.workspace import DEFAULT_EMBEDDING_SIMULATED, Workspace
from nsdviewer.state import ViewState

__all__ = ["ModelEntry", "Standing", "list_models", "remove_model"]

_MAPPINGS = (ModelKind.DECODER, ModelKind.ENCODER, ModelKind.PRIOR)
_ORDER = {kind: k for k, kind in enumerate(ModelKind)}


def list_models(
    workspace: Workspace | None, state: ViewState | None, chosen: Sequence[Path] = ()
) -> tuple[ModelEntry, ...]:
    """Return every model that is there or could be, by kind, what is in use first.

    Parameters
    ----------
    workspace, state
        The subject that is shown; None before one is open, when there are no maps of a brain.
    chosen
        Files and folders that the person chose before.
    """
    entries = [_shipped(name, workspace, state) for name in SHIPPED]
    known: set[Path] = set()
    if workspace is not None and state is not None:
        known = {path.absolute() for path in _own_files(workspace)}
        entries += [_judge(describe_model(path), workspace, state) for path in sorted(known)]
        used = {Path(p) for p in (state.decoder, state.encoder, state.generator) if p}
        chosen = [*chosen, *(path for path in used if str(path) not in SHIPPED)]
    for path in dict.fromkeys(chosen):
        if path.absolute() not in known:
            entries.append(_judge(describe_model(path), workspace, state))
    if workspace is not None:
        entries += _missing_maps(workspace, entries)
    entries += _embeddings(workspace, state, [e.embedding for e in entries])
    standings = list(Standing)
    return tuple(sorted(entries, key=lambda e: (_ORDER[e.kind], standings.index(e.standing))))


def remove_model(entry: ModelEntry, workspace: Workspace | None) -> None:
    """Delete a model's file, which must lie in a cache of ours and not be in use.

    Raises
    ------
    RequestError
        If it is in use, or anywhere else.
    DataError
        If the disk does not let it go.
    """
    path = entry.path
    if entry.standing is Standing.IN_USE:
        raise RequestError(f"{entry.title} is in use; choose another one before it is removed.")
    if path is None or not _is_ours(path, workspace) or not path.is_file():
        raise RequestError(
            f"{path or entry.title} is no file in nsdviewer's own caches; remove it yourself."
        )
    try:
        path.unlink()
    except OSError as error:
        raise DataError(
            f"{path} cannot be removed ({error.strerror}); check who may write there."
        ) from error


def _own_files(workspace: Workspace) -> Iterator[Path]:
    """All that fits and trainings left in the root's cache, this subject's first."""
    root = workspace.root
    for subject in dict.fromkeys((workspace.subject, *root.subjects)):
        cache = root.subject(subject).cache
        yield from (cache / "models").glob("*.safetensors")
    for folder in (workspace.files.cache / "runs").glob("*"):
        if folder.is_dir():
            yield folder


def _judge(found: ModelFile, workspace: Workspace | None, state: ViewState | None) -> ModelEntry:
    """Say how a file stands to what is shown."""
    entry = _entry_of(found, workspace)
    if found.fault:
        standing = Standing.DAMAGED if found.is_damaged else Standing.UNFIT
        if not found.path.exists():
            standing = Standing.MISSING
        return replace(entry, standing=standing, why=found.fault)
    if workspace is None or state is None:
        return entry
    try:
        _require(found, workspace, state)
    except CheckpointError as error:
        return replace(entry, standing=Standing.ELSEWHERE, why=str(error))
    except (NsdViewerError, TypeError, ValueError) as error:
        return replace(entry, standing=Standing.DAMAGED, why=str(error))
    if found.kind in _MAPPINGS and found.path == _usual(workspace, found.kind):
        command = fit_command(workspace, entry.kind)
        entry = replace(entry, value="", title=f"{entry.title} (usual)", command=command)
    if entry.kind is not ModelKind.PRIOR and entry.value == getattr(state, entry.kind.value):
        return replace(entry, standing=Standing.IN_USE)
    return entry


def _entry_of(found: ModelFile, workspace: Workspace | None) -> ModelEntry:
    n_bytes, written_s = _size(found.path)
    return ModelEntry(
        found.kind or ModelKind.GENERATOR,
        found.title,
        Standing.HERE,
        value=str(found.path),
        path=found.path,
        n_bytes=n_bytes,
        written_s=written_s,
        origin=found.origin,
        embedding=found.embedding,
        simulated=found.simulated,
        facts=found.facts,
        scores=found.scores,
        is_ours=_is_ours(found.path, workspace) and found.path.is_file(),
    )


def _require(found: ModelFile, workspace: Workspace, state: ViewState) -> None:
    """Raise `CheckpointError` unless a model belongs to the subject that is shown."""
    header, name = dict(found.header), workspace.embedding.name
    if found.kind in (ModelKind.DECODER, ModelKind.ENCODER):
        mapping = MappingHeader.from_dict(header, found.path)
        mapping.require(workspace.subject, workspace.space, workspace.version, name)
        if (
            found.kind is ModelKind.ENCODER
            and workspace.is_volume
            and mapping.shape != workspace.grid
        ):
            raise CheckpointError(
                f"The encoder's grid {mapping.shape} is not this subject's {workspace.grid}; fit it "
                "again."
            )
    elif found.kind is ModelKind.PRIOR:
        decoder = Path(state.decoder) if state.decoder else _usual(workspace, ModelKind.DECODER)
        fingerprint = file_fingerprint(decoder) if decoder.is_file() else "no decoder"
        PriorHeader.from_dict(header, found.path).require(workspace.subject, name, fingerprint)
    else:
        FilePainter({"embedding": found.embedding}, found.path).require(name)


def _shipped(name: str, workspace: Workspace | None, state: ViewState | None) -> ModelEntry:
    value = "" if name == next(iter(SHIPPED)) else name
    try:
        entry = _judge(describe_model(shipped_generator(name)), workspace, state)
    except DataError as error:
        return ModelEntry(
            ModelKind.GENERATOR, SHIPPED[name], Standing.MISSING, str(error), value=value,
            origin=Origin.SHIPPED,
        )  # fmt: skip
    entry = replace(
        entry, value=value, title=f"{entry.title} (shipped)", origin=Origin.SHIPPED, is_ours=False,
        licence="BSD-3-Clause, as nsdviewer",
    )  # fmt: skip
    if entry.standing is Standing.HERE and state is not None and state.generator in (value, name):
        return replace(entry, standing=Standing.IN_USE)
    return entry


def _missing_maps(workspace: Workspace, entries: Sequence[ModelEntry]) -> list[ModelEntry]:
    """Return an entry for each usual map that is not there, with the command that fits it."""
    usual = {kind: _usual(workspace, kind) for kind in _MAPPINGS}
    there = {entry.path for entry in entries}
    return [
        ModelEntry(
            kind,
            f"{kind.value} (usual)",
            Standing.MISSING,
            f"No {kind.value} has been fitted for subject {workspace.subject}, "
            f"{workspace.space.value}, {workspace.version.short} and this embedding yet.",
            embedding=workspace.embedding.name,
            command=fit_command(workspace, kind),
        )
        for kind, path in usual.items()
        if path not in there
    ]


def fit_command(workspace: Workspace, kind: ModelKind) -> tuple[str, ...]:
    """Return the words of the command that fits the usual map of a kind for a workspace."""
    return (
        "fit", kind.value, str(workspace.root.path),
        "--subject", str(workspace.subject),
        "--space", workspace.space.value,
        "--version", workspace.version.short,
        "--embedding", workspace.embedding_name,
    )  # fmt: skip


def _embeddings(
    workspace: Workspace | None, state: ViewState | None, named: Sequence[str]
) -> list[ModelEntry]:
    usual = ""
    if workspace is not None:
        simulated = workspace.root.is_simulated
        usual = DEFAULT_EMBEDDING_SIMULATED if simulated else DEFAULT_OPEN_CLIP
    return list_embeddings(state.embedding if state is not None else "", usual, named)


def _usual(workspace: Workspace, kind: ModelKind) -> Path:
    return workspace.model_path(kind.value)


def _is_ours(path: Path, workspace: Workspace | None) -> bool:
    folders = [weights_folder()]
    if workspace is not None:
        folders.append(workspace.root.cache_folder)
    place = _resolved(path)
    return any(place.is_relative_to(_resolved(folder)) for folder in folders)


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path.absolute()


def _size(path: Path) -> tuple[int | None, float | None]:
    try:
        status = path.stat()
    except OSError:
        return None, None
    return (status.st_size if path.is_file() else None), status.st_mtime
