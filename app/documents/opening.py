"""Opening a subject on a worker thread: data, fits that are missing, and the first scene."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.bench.generators import shipped_choices
from app.composing import Composed, Composer, Made
from app.view import Choices
from nsdviewer.data.surfaces.meshes import Hemimesh
from nsdviewer.files import is_there
from nsdviewer.jobs import Progress
from nsdviewer.rendering.cortex import can_unfold
from nsdviewer.rendering.figure_notes import NOTED_SUFFIXES
from nsdviewer.session import Session, Workspace, open_workspace
from nsdviewer.session.demo import first_state, fit_missing, make_demo
from nsdviewer.session.layers import available_layers
from nsdviewer.session.session_data import data_of, difference_in_words, differences
from nsdviewer.session.session_file import SessionDocument
from nsdviewer.state import Experiment, Space, Theme, Unfolding, ViewState
from nsdviewer.state.named_paths import NamedPath, paths_of


@dataclass(frozen=True)
class Missing:
    """Paths that a document names, and that are not there."""

    paths: tuple[NamedPath, ...]


# Slices and the linked cursor need voxels of the subject's own.
WINDOW_SPACES = (Space.FUNC1PT8MM, Space.FUNC1MM)


@dataclass(frozen=True)
class Opened:
    """A session ready to show.

    Attributes
    ----------
    why_not
        Why not everything can be decoded and mapped; empty where nothing is missing.
    """

    session: Session
    composer: Composer
    composed: Composed
    choices: Choices
    embedding_title: str
    voxel_mm: float
    why_not: str = ""


def open_demo(theme: Theme, progress: Progress) -> Opened:
    """Make the demo subject if it is not there, and open it."""
    return open_view(make_demo(progress).replace(theme=theme), progress)


def open_path(path: Path, theme: Theme, progress: Progress) -> Opened:
    """Open an NSD root in `theme`."""
    return open_view(first_state(path, progress).replace(theme=theme), progress)


def read(path: Path, theme: Theme, progress: Progress) -> Opened | SessionDocument:
    """Open a folder; of a document only read what it says, and open nothing that it names."""
    is_document = path.suffix.lower() in (".json", *NOTED_SUFFIXES)
    if path.is_dir() or (not is_there(path) and not is_document):
        return open_path(path, theme, progress)
    return SessionDocument.load(path)


def open_document(document: SessionDocument, progress: Progress) -> Opened | Missing:
    """Open what a document speaks of, or return what of it is not where it says."""
    missing = tuple(each for each in paths_of([document.state]) if not is_there(each.path))
    if missing:
        return Missing(missing)
    return open_session(Session(document.state, document.history), progress)


def compare(document: SessionDocument, workspace: Workspace, progress: Progress) -> tuple[str, str]:
    """Return what differs from the files that a session was made of; see `difference_in_words`."""
    if not document.data:
        return "", ""
    found = differences(document.data, data_of(workspace, document.state, progress))
    return difference_in_words(found, len(document.data))


def open_view(state: ViewState, progress: Progress) -> Opened:
    """Open the subject that `state` speaks of, fitting what is missing."""
    return open_session(Session(state), progress)


def open_home(state: ViewState, changes: dict[str, Any], progress: Progress) -> Opened:
    """Open another subject, space or version, without what belongs to the old one."""
    fresh: dict[str, Any] = {
        "trials": (), "voxel": None, "camera": (), "subset": "all", "search": "", "decoder": "",
        "encoder": "", "patches": (), "scaling": (), "vertex": None,
    }  # fmt: skip
    moved = state.replace(**{**fresh, **changes})
    here = open_workspace(moved)
    outlines = tuple(c for c in moved.roi_collections if c in here.collections)
    return open_view(moved.replace(roi_collections=outlines), progress)


def open_session(session: Session, progress: Progress) -> Opened:
    """Compose the first scene of a session."""
    workspace = session.workspace
    why_not = fit_missing(workspace, progress)
    progress.report(0.9, "opening the subject")
    composer = Composer(workspace)
    # The map needs the text network, which loads for seconds: the brain comes first, bare.
    composed = composer.compose(session.state.replace(concept=""), Made())
    return Opened(
        session, composer, composed, choices_of(workspace), workspace.embedding.title,
        workspace.voxel_mm, why_not,
    )  # fmt: skip


def _all_unfold(meshes: tuple[Hemimesh, ...], unfolding: Unfolding) -> bool:
    return bool(meshes) and all(can_unfold(mesh, unfolding) for mesh in meshes)


def choices_of(workspace: Workspace) -> Choices:
    """Look up what else this root offers."""
    files = workspace.files
    variants = tuple(
        (space, version)
        for space, version in files.available_betas()
        if space in WINDOW_SPACES and version.experiment is Experiment.CORE
    )
    meshes = tuple(workspace.meshes.values())
    return Choices(
        subjects=workspace.root.subjects,
        variants=variants,
        sessions=files.sessions(workspace.space, workspace.version),
        collections=workspace.collections,
        has_flat=_all_unfold(meshes, Unfolding.FLAT),
        has_sphere=_all_unfold(meshes, Unfolding.SPHERE),
        layers=available_layers(workspace),
        generators=shipped_choices(),
    )
