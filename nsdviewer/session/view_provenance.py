"""What stands beside an export: the state that makes it again, and what it was made of."""

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from nsdviewer.errors import NsdViewerError
from nsdviewer.files import file_fingerprint
from nsdviewer.session.evidence import MapRequest, null_of
from nsdviewer.session.file_layers import described_files
from nsdviewer.session.scenes import in_ranges, provenance, tested_words
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import ViewState


def describe_export(
    workspace: Workspace, state: ViewState, exported: dict[str, Any]
) -> dict[str, Any]:
    """Return a saved view with where its numbers come from.

    It opens as any saved view does, because what it holds besides the state is passed over.

    Parameters
    ----------
    exported
        What was written: view, files, layer, scale.
    """
    return {
        **state.to_dict(),
        "exported": exported,
        "provenance": {
            "nsdviewer": installed_version(),
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            **state_provenance(workspace, state),
        },
    }


def page_provenance(panels: Sequence[tuple[str, Workspace, ViewState]]) -> dict[str, Any]:
    """Return where the numbers of a page come from, without a date: the same page is the same file.

    Parameters
    ----------
    panels
        Name of each panel with its workspace and its state.
    """
    found: list[dict[str, Any]] = []
    for name, workspace, state in panels:
        described = state_provenance(workspace, state)
        same = next((each for each in found if each["of"] == described), None)
        if same is None:
            found.append({"panels": [name], "of": described})
        else:
            same["panels"].append(name)
    return {"nsdviewer": installed_version(), "sources": found}


def state_provenance(workspace: Workspace, state: ViewState) -> dict[str, Any]:
    """Return what a state's numbers are made of: data, embedding, statistics, models, files."""
    return {
        "said": list(provenance(workspace, state)),
        "data": {
            "root": workspace.root.path.name,
            "simulated": workspace.root.is_simulated,
            "subject": workspace.subject,
            "space": workspace.space.value,
            "betas": workspace.version.value,
            "sessions": list(workspace.sessions),
            "fingerprints": _data_fingerprints(workspace),
        },
        "embedding": workspace.embedding.name,
        "reading": state.reading.value,
        "statistic": _statistic(workspace, state),
        "seed": state.seed,
        "models": _models(workspace, state),
        "layers": _layer_files(state),
    }


def provenance_in_words(workspace: Workspace, state: ViewState) -> tuple[tuple[str, str], ...]:
    """Return (what, which) of all that a state's numbers are made of, as a person reads it."""
    data = "SIMULATED data" if workspace.root.is_simulated else "NSD"
    said = [
        ("data", f"{data}, {workspace.root.path}"),
        ("subject", f"{state.subject}, sessions {in_ranges(workspace.sessions)}"),
        ("responses", f"{state.space.value} · {state.version.short} · {state.version.value}"),
        ("embedding", workspace.embedding.title),
    ]
    if state.concept:
        is_tested = state.statistic != "none"
        said += [
            ("concept", f"{state.concept} · reading: {state.reading.value}"),
            ("test", tested_words(workspace, state) if is_tested else "not tested"),
            ("noise ceiling", f"≥ {state.noise_ceiling_floor_pct:g} %"),
        ]
    models = _models(workspace, state)
    for kind in ("encoder", "decoder"):
        if kind in models:
            header, print_ = models[kind]["header"], models[kind]["fingerprint"]
            said.append((kind, f"{header['model']}, {header['roi']} · fingerprint {print_}"))
        else:
            said.append((kind, "none"))
    if "generator" in models:
        said += [("generator", models["generator"]["name"]), ("seed", f"{state.seed}")]
    layers = (line.removeprefix("layer: ") for line in described_files(workspace, state))
    said += [("layer", line) for line in layers]
    return (*said, ("nsdviewer", installed_version()))


def _data_fingerprints(workspace: Workspace) -> dict[str, str]:
    """Return the fingerprint of each file of betas, and of the design."""

    def make() -> dict[str, str]:
        files = workspace.files.beta_files(workspace.space, workspace.version)
        paths = [*(file.path for file in files), workspace.root.design_file]
        return {path.name: _fingerprint(path) for path in paths if path.is_file()}

    return workspace.keep("data fingerprints", make)


def _layer_files(state: ViewState) -> dict[str, str]:
    """Return the fingerprint of each file that a visible layer shows."""
    sources = [layer.source for layer in state.layers if layer.visible]
    paths = [Path(source.removeprefix("file:")) for source in sources if source.startswith("file:")]
    return {path.name: _fingerprint(path) for path in paths}


def _fingerprint(path: Path) -> str:
    """Return a file's fingerprint; empty where the file has gone since it was loaded."""
    return file_fingerprint(path) if path.is_file() else ""


def installed_version() -> str:
    """Return the version of nsdviewer."""
    try:
        return version("nsdviewer")
    except PackageNotFoundError:
        return "(not installed)"


def _statistic(workspace: Workspace, state: ViewState) -> dict[str, str]:
    if not state.concept or state.statistic == "none":
        return {"test": "none"}
    found = {"test": state.statistic}
    if not state.statistic.startswith("ci"):
        found["null"] = null_of(workspace, MapRequest.of(state)).value
    return found


def _models(workspace: Workspace, state: ViewState) -> dict[str, Any]:
    """Return file, fingerprint and header of each model that there is."""
    found: dict[str, Any] = {}
    for kind, named in (("encoder", state.encoder), ("decoder", state.decoder)):
        path = Path(named) if named else workspace.model_path(kind)
        try:
            model = workspace.encoder(named) if kind == "encoder" else workspace.decoder(named)
            header = model.header.to_dict()
        except NsdViewerError:
            # A view without this model stands on the others.
            continue
        found[kind] = {"file": str(path), "fingerprint": _fingerprint(path), "header": header}
    if state.trials and workspace.can_paint(state.generator):
        painter = workspace.painter(state.generator)
        found["generator"] = {"name": painter.name, "seed": state.seed}
        path = Path(state.generator)
        if state.generator and path.is_file():
            found["generator"]["fingerprint"] = file_fingerprint(path)
    return found
