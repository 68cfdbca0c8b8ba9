"""Composed figures: from a page to what is drawn, and to files from which it can be made again."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import NsdViewerError, RequestError
from nsdviewer.files import write_json
from nsdviewer.jobs import PartProgress, Progress, SilentProgress
from nsdviewer.rendering.page import (
    PageDrawing,
    PanelDrawing,
    draw_panel,
    require_writable,
    write_page,
)
from nsdviewer.rendering.page_bars import Bars
from nsdviewer.rendering.page_panels import Content, Pictures, notices_in, said_panel
from nsdviewer.rendering.scene import Scene, SceneArrays, paints_of, resolve, resolve_slices
from nsdviewer.rendering.view_kinds import sidecar_of
from nsdviewer.session.bench_sheets import SheetRequest, SheetTrials, paint_sheet
from nsdviewer.session.notices import warn_of
from nsdviewer.session.page_presets import first_page, presets
from nsdviewer.session.scenes import (
    arrays_of,
    drawn_bars,
    map_of,
    provenance,
    reconstruction_of,
    trial_scores,
    trial_title,
)
from nsdviewer.session.session import open_workspace
from nsdviewer.session.view_export import plate_of, unwritable
from nsdviewer.session.view_provenance import page_provenance
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import (
    CONCEPT,
    INFLATED,
    DocumentKind,
    Page,
    Panel,
    PanelKind,
    Sides,
    Unfolding,
    ViewState,
)
from nsdviewer.state.documents import require_replaceable

__all__ = [
    "Workspaces",
    "draw_panel_picture",
    "drawing_of_page",
    "drawing_of_panel",
    "export_page",
    "first_page",
    "presets",
]

_SILENT = SilentProgress()
_OF_THE_MAP = (PanelKind.CORTEX, PanelKind.SLICES, PanelKind.COLOUR_BAR)


class Workspaces:
    """Opens the workspaces that states speak of, and keeps them.

    What several panels of one state share is computed once.
    """

    def __init__(self, open_one: Callable[[ViewState], Workspace] = open_workspace) -> None:
        self._open = open_one
        self._found: dict[tuple[object, ...], Workspace] = {}

    def __call__(self, state: ViewState) -> Workspace:
        """Return the workspace of a state; raises `NsdViewerError` if there is none."""
        key = (state.root, state.subject, state.space, state.version, state.embedding)
        if key not in self._found:
            self._found[key] = self._open(state)
        return self._found[key]


def drawing_of_page(
    workspace_of: Callable[[ViewState], Workspace], page: Page, progress: Progress = _SILENT
) -> PageDrawing:
    """Compute what is needed to draw a page; it can be sent to another process.

    Parameters
    ----------
    workspace_of
        Returns the workspace of a state, as `Workspaces` does.

    Raises
    ------
    RequestError
        If a panel shows what cannot be computed; says which.
    Cancelled
        If `progress` does.
    """
    known: dict[object, Any] = {}
    drawings = []
    for k, panel in enumerate(page.panels):
        part = PartProgress(progress, k / len(page.panels), (k + 1) / len(page.panels))
        said = said_panel(panel)
        part.report(0.0, f"computing {said[0].lower()}{said[1:]}")
        drawings.append(_drawing(workspace_of, page, panel, part, known))
    states = [drawing.state for drawing in drawings]
    shown = [k for k, panel in enumerate(page.panels) if panel.kind is not PanelKind.TEXT]
    workspaces = {k: workspace_of(states[k]) for k in shown}
    return PageDrawing(
        page=page,
        panels=tuple(drawings),
        said=_said(page, drawings, workspaces),
        simulated=any(one.root.is_simulated for one in workspaces.values()),
        provenance=page_provenance(
            [(panel_name(page, k), workspaces[k], states[k]) for k in shown]
        ),
    )


def drawing_of_panel(
    workspace_of: Callable[[ViewState], Workspace],
    page: Page,
    index: int,
    progress: Progress = _SILENT,
) -> PanelDrawing:
    """Compute what is needed to draw one panel of a page; errors are those of `drawing_of_page`."""
    return _drawing(workspace_of, page, page.panels[index], progress, {})


def draw_panel_picture(
    drawing: PageDrawing | Page,
    index: int,
    dpi: float,
    workspace_of: Callable[[ViewState], Workspace] | None = None,
    progress: Progress = _SILENT,
) -> NDArray[np.uint8]:
    """Return one panel as (height, width, 4) RGBA on a transparent ground, for looking at.

    It uses OpenGL: on the thread and in the process that may.

    Parameters
    ----------
    drawing
        A page, or what was computed for it.
    workspace_of
        Where a page is given; each call opens its own where it is left out.

    Raises
    ------
    RequestError
        If the panel cannot be computed or drawn; says why.
    """
    if isinstance(drawing, PageDrawing):
        return draw_panel(drawing.panels[index], drawing.page, dpi)
    one = drawing_of_panel(workspace_of or Workspaces(), drawing, index, progress)
    return draw_panel(one, drawing, dpi)


def export_page(
    page: Page,
    path: Path,
    progress: Progress = _SILENT,
    workspace_of: Callable[[ViewState], Workspace] | None = None,
) -> tuple[Path, ...]:
    """Write a page by the path's suffix; returns the file and the JSON that makes it again.

    What its panels are asked for and do not show is a `DataWarning`.

    Raises
    ------
    RequestError
        If the suffix is another, memory does not suffice, a panel cannot be drawn, or nothing can be
        written.
    """
    path = Path(path)
    require_writable(page, path)
    require_replaceable(sidecar_of(path), DocumentKind.PAGE)
    drawing = drawing_of_page(workspace_of or Workspaces(), page, PartProgress(progress, 0.0, 0.5))
    warn_of(n for p in drawing.panels for n in notices_in(p.content))
    progress.report(0.5, "drawing the page")
    try:
        write_page(drawing, path)
        return finish_page(drawing, path)
    except OSError as error:
        raise unwritable(path, error) from error


def finish_page(drawing: PageDrawing, path: Path) -> tuple[Path, ...]:
    """Write the JSON beside a page that was drawn; returns both files."""
    sidecar = sidecar_of(path)
    try:
        write_json(sidecar, drawing.document())
    except OSError as error:
        raise unwritable(sidecar, error) from error
    return path, sidecar


def panel_name(page: Page, index: int) -> str:
    """Return what a panel is called: its letter, else its number from 1."""
    return page.panels[index].letter or f"{index + 1}"


def _drawing(
    workspace_of: Callable[[ViewState], Workspace],
    page: Page,
    panel: Panel,
    progress: Progress,
    known: dict[object, Any],
) -> PanelDrawing:
    state = panel.state_of(page)
    if panel.kind is PanelKind.TEXT:
        return PanelDrawing(panel, state, None)
    try:
        content = _content(workspace_of(state), panel, state, progress, known)
    except NsdViewerError as error:
        raise RequestError(f"{said_panel(panel)}: {error}") from error
    return PanelDrawing(panel, state, content)


def _content(
    workspace: Workspace,
    panel: Panel,
    state: ViewState,
    progress: Progress,
    known: dict[object, Any],
) -> Content:
    if panel.kind in _OF_THE_MAP:
        return _of_the_map(workspace, panel.kind, state, known)
    if panel.kind is PanelKind.PICTURES:
        found = reconstruction_of(workspace, state)
        if found is None:
            raise RequestError("Nothing is reconstructed; choose a trial in the list.")
        title = trial_title(workspace, state, found)
        return Pictures(found.seen, found.painted, title, trial_scores(found))
    if panel.kind is PanelKind.SHEET:
        which = SheetTrials.SELECTED if len(state.trials) > 1 else SheetTrials.TEST
        return paint_sheet(workspace, state, SheetRequest(which), progress)
    if panel.kind is PanelKind.BARS:
        drawn = drawn_bars(workspace, state, map_of(workspace, state))
        return Bars(drawn.bars, state.reading, drawn.faults)
    return plate_of(workspace, state, progress)


def _of_the_map(
    workspace: Workspace, kind: PanelKind, state: ViewState, known: dict[object, Any]
) -> Content:
    arrays = _arrays(workspace, state, known)
    scene = replace(resolve(state, arrays), hemispheres=()) if kind is PanelKind.SLICES else (
        resolve(state, arrays)
    )  # fmt: skip
    if kind is PanelKind.COLOUR_BAR:
        if not scene.colour_bars:
            raise RequestError("No layer is visible that could have a colour bar; show one.")
        return scene.colour_bars[0]
    slices = scene.slices
    if kind is PanelKind.SLICES:
        paints = paints_of(state, arrays.maps)
        slices = resolve_slices(state, arrays, paints, outlines_in_picture=False)
    return _light(scene, slices if kind is PanelKind.SLICES else ())


def _light(scene: Scene, slices: Any) -> Scene:
    """Return a scene without what its panel does not draw; it travels between processes."""
    return replace(scene, slices=slices, roi_bars=(), seen=None, reconstructed=None)


def _arrays(workspace: Workspace, state: ViewState, known: dict[object, Any]) -> SceneArrays:
    """Return what a state's maps are made of; computed once for all shapes and cameras."""
    needs_trials = any(
        layer.visible and layer.source in ("measured", "predicted", "agreement")
        for layer in state.layers
    )
    asked = state.replace(
        camera=(), morph=INFLATED, unfolding=Unfolding.FLAT, hemispheres=Sides.BOTH, slice_zoom=1.0,
        voxel=None, vertex=None, trials=state.trials if needs_trials else (),
    )  # fmt: skip
    if asked not in known:
        known[asked] = arrays_of(workspace, asked, map_of(workspace, asked), with_bars=False)
    arrays: SceneArrays = known[asked]
    return arrays


def _said(
    page: Page, drawings: list[PanelDrawing], workspaces: dict[int, Workspace]
) -> tuple[str, ...]:
    """Return the lines of the foot."""
    lines = {k: lines_of_panel(workspace, drawings[k]) for k, workspace in workspaces.items()}
    return foot_of(page, lines)


def foot_of(page: Page, lines_of: dict[int, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the lines of a page's foot, with the letters of their panels where not of all.

    Parameters
    ----------
    lines_of
        Those of `lines_of_panel`, by the number of the panel; of all panels but text.
    """
    of_line: dict[str, list[str]] = {}
    for k, lines in lines_of.items():
        for line in lines:
            of_line.setdefault(line, []).append(page.panels[k].letter)
    # A colour bar without a letter is no panel to a reader.
    everyone = {page.panels[k].letter for k in lines_of} - {""}
    found = []
    for line, letters in of_line.items():
        named = [letter for letter in dict.fromkeys(letters) if letter]
        found.append(f"{', '.join(named)}: {line}" if named and set(named) != everyone else line)
    return tuple(found)


def lines_of_panel(workspace: Workspace, drawing: PanelDrawing) -> tuple[str, ...]:
    """Say where a panel's numbers come from, and what it does not show."""
    state, kind = drawing.state, drawing.panel.kind
    if kind in (PanelKind.PICTURES, PanelKind.SHEET):
        if kind is PanelKind.SHEET:
            return tuple(drawing.content.caption.split(" | "))  # type: ignore[union-attr]
        return provenance(workspace, state.replace(concept=""), reconstruction_of(workspace, state))
    layer = state.layer(CONCEPT)
    shows_concept = kind is PanelKind.BARS or (
        kind in _OF_THE_MAP and layer is not None and layer.visible
    )
    lines = provenance(workspace, state if shows_concept else state.replace(concept=""))
    return (*lines, *notices_in(drawing.content))
