"""What stands beside an export: the state that makes it again, and what it was made of."""

from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from nsdviewer.errors import NsdViewerError
from nsdviewer.files import file_fingerprint
from nsdviewer.session.evidence import MapRequest, null_of
from nsdviewer.session.scenes import provenance
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
            "said": list(provenance(workspace, state)),
            "data": {
                "simulated": workspace.root.is_simulated,
                "subject": workspace.subject,
                "space": workspace.space.value,
                "betas": workspace.version.value,
                "sessions": list(workspace.sessions),
            },
            "embedding": workspace.embedding.name,
            "statistic": _statistic(workspace, state),
            "models": _models(workspace, state),
        },
    }


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
