"""Any view taken home: a picture, a drawing or its numbers, each with how it was made beside it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nsdviewer.errors import DataError, NsdViewerError, RequestError
from nsdviewer.files import write_json
from nsdviewer.jobs import Progress, SilentProgress
from nsdviewer.rendering.montage import Sheet, SheetRow
from nsdviewer.rendering.view_figures import ViewDrawing, write_view
from nsdviewer.rendering.view_kinds import ExportedView, ExportRequest, format_for, sidecar_of
from nsdviewer.rendering.view_voxel import PairPlot, VoxelPlate
from nsdviewer.session.notices import warn_of
from nsdviewer.session.scenes import map_of, scene_of
from nsdviewer.session.view_numbers import (
    choose_layer,
    describe_layers,
    exported_layers,
    note_of,
    table_of,
    trial_rows,
    write_layer_meshes,
    write_layer_volume,
    write_table,
)
from nsdviewer.session.view_provenance import describe_export
from nsdviewer.session.voxel_words import words_of_voxel
from nsdviewer.session.voxels import VoxelCard, voxel_card
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import DocumentKind, ViewState
from nsdviewer.state.documents import require_replaceable

_SILENT = SilentProgress()
MOST_TRIALS_DRAWN = 60
_SAYS_NOTICES = (ExportedView.FIGURE, ExportedView.CORTEX, ExportedView.SLICES)


def export_view(
    workspace: Workspace,
    state: ViewState,
    request: ExportRequest,
    progress: Progress = _SILENT,
) -> tuple[Path, ...]:
    """Write a view by the suffix of the request's path; returns the files, the JSON beside last.

    The JSON opens as a saved view, of which the same export can be made again. What the state asks
    for and the picture does not show, a layer whose file is gone, is a `DataWarning`.

    Raises
    ------
    RequestError
        If the suffix is none of the view's, there is nothing to write, or nothing can be written.
    NsdViewerError
        If what the state shows cannot be computed.
    """
    is_picture = format_for(request.view, request.path, workspace.is_volume).is_picture
    require_replaceable(sidecar_of(request.path), DocumentKind.VIEW)
    try:
        if is_picture:
            progress.report(0.1, "computing the view")
            drawing = drawing_of(workspace, state, request.view, progress)
            if request.view in _SAYS_NOTICES:
                warn_of(drawing.scene.notices)
            progress.report(0.5, "drawing the view")
            write_view(drawing, request.path, request.scale, note_of(state.to_dict()))
            return finish_picture(workspace, state, request)
        return export_numbers(workspace, state, request, progress)
    except OSError as error:
        raise unwritable(request.path, error) from error


def unwritable(path: Path, error: OSError) -> RequestError:
    """Return the error that says that nothing can be written there."""
    return RequestError(
        f"{path.name} cannot be written to {path.parent} ({error.strerror or error}); choose "
        "another folder."
    )


def finish_picture(
    workspace: Workspace, state: ViewState, request: ExportRequest
) -> tuple[Path, ...]:
    """Write the JSON beside a picture that was drawn; returns both files."""
    exported = {"scale": request.scale}
    return _with_sidecar(workspace, state, request, (request.path,), exported)


def drawing_of(
    workspace: Workspace, state: ViewState, view: ExportedView, progress: Progress = _SILENT
) -> ViewDrawing:
    """Compute what is needed to draw a view.

    Raises
    ------
    NsdViewerError
        If what the state shows cannot be computed.
    """
    # A list, a card or a map is drawn without painting a picture for it.
    needs_trials = view in (ExportedView.FIGURE, ExportedView.BENCH) or any(
        layer.visible and layer.source in ("measured", "predicted", "agreement")
        for layer in state.layers
    )
    shown = state if needs_trials else state.replace(trials=())
    scene = replace(scene_of(workspace, shown), state=state)
    if view is ExportedView.VOXEL:
        return ViewDrawing(view, scene, voxel=plate_of(workspace, state, progress))
    if view is ExportedView.TRIALS:
        return ViewDrawing(view, scene, sheet=_sheet(workspace, state, scene.provenance))
    return ViewDrawing(view, scene)


def export_numbers(
    workspace: Workspace, state: ViewState, request: ExportRequest, progress: Progress = _SILENT
) -> tuple[Path, ...]:
    """Write a map or a table, and the JSON beside it; errors are those of `export_view`."""
    progress.report(0.2, "computing the numbers")
    path, exported = request.path, dict[str, Any]()
    note = note_of(state.to_dict())
    try:
        if path.name.lower().endswith(".csv"):
            card = _card(workspace, state) if request.view is ExportedView.VOXEL else None
            write_table(table_of(workspace, state, request.view, card), path)
            written: tuple[Path, ...] = (path,)
        else:
            layer = choose_layer(exported_layers(workspace, state), request.source)
            exported["layers"] = list(describe_layers((layer,)))
            if path.name.lower().endswith((".nii", ".nii.gz")):
                write_layer_volume(workspace, layer, path, note)
                written = (path,)
            else:
                written = write_layer_meshes(layer, path, note)
        return _with_sidecar(workspace, state, request, written, exported)
    except OSError as error:
        raise unwritable(path, error) from error


def exported_voxel(workspace: Workspace, state: ViewState) -> tuple[int, int, int]:
    """Return the voxel whose card is exported: the cursor, or the map's peak before a click.

    Raises
    ------
    RequestError
        If there is neither.
    """
    if state.voxel is not None:
        return state.voxel
    shown_map = map_of(workspace, state)
    if shown_map is None or not workspace.is_volume or not shown_map.shown.any():
        raise RequestError("No voxel is chosen; click one in a slice or on the cortex.")
    i, j, k = (int(v) for v in shown_map.ijk[int(np.nanargmax(np.abs(shown_map.masked())))])
    return i, j, k


def _with_sidecar(
    workspace: Workspace,
    state: ViewState,
    request: ExportRequest,
    written: tuple[Path, ...],
    exported: dict[str, Any],
) -> tuple[Path, ...]:
    sidecar = sidecar_of(request.path)
    said = {"view": request.view.value, "files": [path.name for path in written], **exported}
    try:
        write_json(sidecar, describe_export(workspace, state, said))
    except OSError as error:
        raise unwritable(sidecar, error) from error
    return (*written, sidecar)


def _card(workspace: Workspace, state: ViewState) -> VoxelCard:
    voxel = exported_voxel(workspace, state)
    return voxel_card(workspace, voxel, encoder_path=state.encoder)


def plate_of(workspace: Workspace, state: ViewState, progress: Progress) -> VoxelPlate:
    """Return what is drawn of the voxel at the cursor, or at the map's peak.

    Raises
    ------
    RequestError
        If there is neither.
    """
    card = _card(workspace, state)
    there = np.isfinite(card.psc)
    nsd_ids = workspace.table.column("nsd_id")
    marked = np.zeros(0, np.int64)
    if state.trials:
        marked = card.trials[nsd_ids[card.trials] == nsd_ids[state.trials[0]]]
    field = card.prf
    said = card.notes.get("prf", "")
    if field is not None:
        where = f"{field.eccentricity_deg:.1f}°" if field.is_trusted else "no fit"
        said = f"pRF · {where} · R² {field.r2_pct:.0f} %".replace("-", "−")
    return VoxelPlate(
        title="Voxel {}, {}, {}".format(*card.ijk),
        facts=_facts(card),
        trials=card.trials[there],
        psc=card.psc[there],
        marked=marked,
        pairs=_pairs(card),
        field_deg=(*field.centre_deg, field.size_deg) if field is not None else None,
        field_said=said,
        words=_words(workspace, state, card, progress),
        pictures=_pictures(workspace, card),
        why_empty=card.notes.get("responses", ""),
        is_field_trusted=field is not None and field.is_trusted,
    )


def _facts(card: VoxelCard) -> tuple[str, ...]:
    parts = []
    if np.isfinite(card.noise_ceiling):
        parts.append(f"noise ceiling {100 * card.noise_ceiling:.0f} %")
    if np.isfinite(card.test_r):
        parts.append(f"encoder r {card.test_r:.2f} on held-out pictures")
    found = card.repetitions
    if np.isfinite(found.split_half_r):
        parts.append(
            f"split-half r {found.split_half_r:.2f}, mean of {found.most_repetitions}: "
            f"{found.mean_reliability:.2f}"
        )
    return (
        ", ".join(card.rois[:8]) or "in no region",
        " · ".join(parts).replace("-0", "−0") or card.notes.get("encoder", ""),
    )


def _pairs(card: VoxelCard) -> tuple[PairPlot, ...]:
    found = []
    for pair in card.repetitions.pairs:
        x, y = (card.repetitions.z[:, n - 1] for n in (pair.first, pair.second))
        both = np.isfinite(x) & np.isfinite(y)
        title = f"repetition {pair.first} × {pair.second}: r {pair.r:.2f}".replace("-", "−")
        found.append(PairPlot(title, x[both], y[both]))
    return tuple(found)


def _words(workspace: Workspace, state: ViewState, card: VoxelCard, progress: Progress) -> str:
    try:
        words = words_of_voxel(workspace, card.ijk, progress, 5, state.encoder)
    except NsdViewerError:
        return "words: not known"
    if words is None:
        return "words: none"
    head = (
        "words it likes"
        if words.is_better_than_chance
        else "nearest words\n(no nearer than chance)"
    )
    return "\n".join([head, *words.words])


def _pictures(workspace: Workspace, card: VoxelCard) -> tuple[Any, ...]:
    try:
        return tuple(workspace.stimuli.read(card.best_nsd_ids))
    except DataError:
        # Without stimuli on disk a voxel still has responses.
        return ()


def _sheet(workspace: Workspace, state: ViewState, provenance: tuple[str, ...]) -> Sheet:
    """Return the pictures of the selected trials, or of the list's first ones."""
    if len(state.trials) > 1:
        frame = workspace.table.frame.iloc[list(state.trials)]
    else:
        frame = trial_rows(workspace, state)
    if not len(frame):
        raise RequestError("The list holds no trial; widen its filter.")
    shown = frame.iloc[:MOST_TRIALS_DRAWN]
    pictures = workspace.stimuli.read(shown["nsd_id"].to_numpy())
    rows = tuple(
        SheetRow(f"{trial:,} · {repetition}/{n}", (picture,))
        for trial, repetition, n, picture in zip(
            shown["trial"], shown["repetition"], shown["n_repetitions"], pictures, strict=True
        )
    )
    more = f"the first {len(shown)} of {len(frame):,} trials" if len(frame) > len(shown) else ""
    asked = f"search: {state.search}" if state.search else ""
    lines = (*provenance, f"filter: {state.subset}", asked, more)
    return Sheet(("seen",), rows, " | ".join(line for line in lines if line))
