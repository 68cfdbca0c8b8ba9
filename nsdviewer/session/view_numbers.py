"""The numbers of a view as files: maps on voxels and vertices, and tables."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nsdviewer.data.formats.volumes import write_mgh, write_volume
from nsdviewer.errors import RequestError
from nsdviewer.files import atomic_path
from nsdviewer.rendering.layers import LayerMap
from nsdviewer.rendering.scene import RoiBar
from nsdviewer.rendering.view_kinds import TITLES, ExportedView
from nsdviewer.session.decoding import reconstruction_of
from nsdviewer.session.layers import concept_layer, layer_maps
from nsdviewer.session.notices import warn_of
from nsdviewer.session.reconstruction import Reconstruction
from nsdviewer.session.round_trip import round_trip
from nsdviewer.session.scenes import asks_for_round_trip, drawn_bars, map_of
from nsdviewer.session.searching import rank_trials
from nsdviewer.session.voxels import VoxelCard
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import CONCEPT, Hemisphere, ViewState

# Of 32-bit numbers, so that what is read is what was written.
_DIGITS = "%.9g"
_STRUCTURES = {Hemisphere.LEFT: "CortexLeft", Hemisphere.RIGHT: "CortexRight"}


def exported_layers(workspace: Workspace, state: ViewState) -> tuple[LayerMap, ...]:
    """Return the visible layers that hold anything, the topmost first.

    Raises
    ------
    RequestError
        If there is none.
    """
    trip = None
    if asks_for_round_trip(state):
        reconstruction = reconstruction_of(workspace, state)
        trip = round_trip(workspace, state, reconstruction) if reconstruction else None
    found = {each.source: each for each in layer_maps(workspace, state, trip)}
    concept = state.layer(CONCEPT)
    shown_map = map_of(workspace, state) if concept is not None and concept.visible else None
    if shown_map is not None:
        found[CONCEPT] = concept_layer(workspace, state, shown_map)
    there = [
        found[choice.source]
        for choice in reversed(state.layers)
        if choice.source in found and not found[choice.source].is_empty
    ]
    if not there:
        notes = " ".join(each.note for each in found.values() if each.note)
        raise RequestError(notes or "No layer is shown that holds numbers; type a concept first.")
    return tuple(there)


def choose_layer(layers: tuple[LayerMap, ...], source: str) -> LayerMap:
    """Return the layer of a name, the topmost where it is empty.

    Raises
    ------
    RequestError
        If it is not shown.
    """
    for each in layers:
        if not source or each.source == source:
            return each
    known = ", ".join(each.source for each in layers)
    raise RequestError(f"The layer '{source}' is not shown; choose one of {known}.")


def write_layer_volume(workspace: Workspace, layer: LayerMap, path: Path, note: str) -> None:
    """Write a layer on the grid of the responses as NIfTI, NaN outside, `note` in its header.

    Raises
    ------
    RequestError
        If the layer is on vertices only.
    """
    if layer.volume is None:
        raise RequestError(
            f"The layer '{layer.source}' lies on vertices only; write it as .func.gii."
        )
    with atomic_path(path) as temporary:
        write_volume(temporary, layer.volume, workspace.reader.affine(workspace.space))
        written = nib.load(temporary)
        image = nib.Nifti1Image(np.asarray(layer.volume), written.affine, written.header)
        image.header["descrip"] = f"nsdviewer: {layer.source}, {layer.unit}".encode()[:79]
        # 6 is the code of plain comments.
        image.header.extensions.append(nib.nifti1.Nifti1Extension(6, note.encode()))
        nib.save(image, temporary)


def write_layer_meshes(layer: LayerMap, path: Path, note: str) -> tuple[Path, ...]:
    """Write a layer on vertices as GIFTI or MGH, one file a hemisphere: ``lh.NAME``, ``rh.NAME``.

    Raises
    ------
    RequestError
        If the layer is on voxels only.
    """
    if not layer.vertices:
        raise RequestError(
            f"The layer '{layer.source}' lies on no vertices: the subject's surfaces or transforms "
            "are not on disk; write it as .nii.gz."
        )
    written = []
    for hemisphere, values in layer.vertices.items():
        target = path.with_name(f"{hemisphere.value}.{path.name}")
        if not path.name.lower().endswith(".gii"):
            write_mgh(target, values)
        else:
            with atomic_path(target) as temporary:
                nib.save(_gifti(layer, hemisphere, values, note), temporary)
        written.append(target)
    return tuple(written)


def _gifti(layer: LayerMap, hemisphere: Hemisphere, values: NDArray[Any], note: str) -> Any:
    name = {"Name": f"{layer.source}, {layer.unit}" if layer.unit else layer.source}
    array = nib.gifti.GiftiDataArray(
        np.asarray(values, np.float32), intent="NIFTI_INTENT_NONE",
        datatype="NIFTI_TYPE_FLOAT32", meta=nib.gifti.GiftiMetaData(name),
    )  # fmt: skip
    about = {"AnatomicalStructurePrimary": _STRUCTURES[hemisphere], "nsdviewer": note}
    return nib.gifti.GiftiImage(darrays=[array], meta=nib.gifti.GiftiMetaData(about))


def voxel_table(layers: tuple[LayerMap, ...]) -> pd.DataFrame:
    """Return i, j, k (0-based) and the layers' values, a row a voxel where any has one.

    Raises
    ------
    RequestError
        If none of the layers is on voxels.
    """
    volumes = {each.source: each.volume for each in layers if each.volume is not None}
    if not volumes:
        raise RequestError("None of the shown layers lies on voxels; export the cortex instead.")
    there = np.any([np.isfinite(volume) for volume in volumes.values()], axis=0)
    index = np.argwhere(there)
    frame = pd.DataFrame(index, columns=["i", "j", "k"])
    for each in layers:
        if each.volume is not None:
            frame[each.source] = each.volume[there]
        if each.passes_volume is not None:
            frame[f"{each.source} passes"] = each.passes_volume[there].astype(int)
    return frame


def vertex_table(layers: tuple[LayerMap, ...]) -> pd.DataFrame:
    """Return hemisphere, vertex (0-based) and the layers' values, a row a vertex where any has one.

    Raises
    ------
    RequestError
        If none of the layers is on vertices.
    """
    sides = [h for h in Hemisphere if any(h in each.vertices for each in layers)]
    if not sides:
        raise RequestError("None of the shown layers lies on vertices; export the slices instead.")
    return pd.concat([_side_table(layers, side) for side in sides], ignore_index=True)


def _side_table(layers: tuple[LayerMap, ...], side: Hemisphere) -> pd.DataFrame:
    here = {each.source: each for each in layers if side in each.vertices}
    there = np.any([np.isfinite(each.vertices[side]) for each in here.values()], axis=0)
    vertices = np.flatnonzero(there)
    frame = pd.DataFrame({"hemisphere": side.value, "vertex": vertices})
    for source, each in here.items():
        frame[source] = each.vertices[side][vertices]
        if side in each.passes_vertices:
            frame[f"{source} passes"] = each.passes_vertices[side][vertices].astype(int)
    return frame


def bar_table(bars: tuple[RoiBar, ...], unit: str) -> pd.DataFrame:
    """Return one row a region; raises `RequestError` without any."""
    if not bars:
        raise RequestError(
            "No region has a bar; type a concept or lower the noise ceiling's floor."
        )
    rows = []
    for bar in bars:
        low, high = bar.interval_psc or (np.nan, np.nan)
        numbers = bar.mean_psc, bar.sem_psc, low, high, bar.n_voxels
        rows.append((bar.name, bar.collection, *numbers, unit))
    return pd.DataFrame(
        rows,
        columns=[
            "region", "collection", "mean", "sem", "interval_low", "interval_high", "n_voxels",
            "unit",
        ],
    )  # fmt: skip


def beta_table(workspace: Workspace, card: VoxelCard) -> pd.DataFrame:
    """Return one row a trial with the voxel's response; raises `RequestError` without any."""
    if not np.isfinite(card.psc).any():
        raise RequestError(
            f"The voxel {card.ijk} has no numbers to write: "
            f"{card.notes.get('responses', 'it has no responses')}."
        )
    table = workspace.table
    frame = pd.DataFrame({"trial": card.trials})
    for name in ("session", "run", "repetition", "nsd_id"):
        frame[name] = table.column(name)[card.trials]
    frame["psc"] = card.psc
    z = np.full(len(table) + 1, np.nan, np.float32)
    z[card.repetitions.trials] = card.repetitions.z
    frame["z_within_session"] = z[card.trials]
    return frame


def score_table(reconstruction: Reconstruction | None) -> pd.DataFrame:
    """Return one row a score; raises `RequestError` where nothing is reconstructed."""
    if reconstruction is None:
        raise RequestError("Nothing is reconstructed; choose a trial in the list.")
    scores = reconstruction.scores
    rows = [
        ("rank", scores.rank), ("n_candidates", scores.n_candidates), ("cosine", scores.cosine),
        ("cosine_others", scores.cosine_others), ("pixel_r", scores.pixel_r),
        ("ssim", scores.ssim), ("n_in_training", reconstruction.n_in_training),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["score", "value"])
    frame["trials"] = " ".join(map(str, reconstruction.trials))
    frame["nsd_ids"] = " ".join(map(str, reconstruction.nsd_ids))
    return frame


def trial_rows(workspace: Workspace, state: ViewState) -> pd.DataFrame:
    """Return the list of trials in its order, with the likeness where it was searched."""
    trials = workspace.table.find(state.subset)
    likeness = None
    if state.search:
        ranking = rank_trials(workspace, state.search, trials, state.decoder)
        trials, likeness = ranking.trials, ranking.likeness
    frame = workspace.table.frame.iloc[trials].reset_index(drop=True)
    if likeness is not None:
        frame["likeness"] = likeness
    return frame


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, whole or not at all; numbers are read back as they were."""
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False, float_format=_DIGITS, na_rep="nan")


def table_of(
    workspace: Workspace, state: ViewState, view: ExportedView, card: VoxelCard | None
) -> pd.DataFrame:
    """Return the table of a view.

    Raises
    ------
    RequestError
        If the view has no table, or there is nothing in it.
    """
    if view is ExportedView.CORTEX:
        return vertex_table(exported_layers(workspace, state))
    if view is ExportedView.SLICES:
        return voxel_table(exported_layers(workspace, state))
    if view is ExportedView.BARS:
        shown_map = map_of(workspace, state)
        unit = shown_map.unit if shown_map is not None else ""
        drawn = drawn_bars(workspace, state, shown_map)
        warn_of(drawn.faults)
        return bar_table(drawn.bars, unit)
    if view is ExportedView.BENCH:
        return score_table(reconstruction_of(workspace, state))
    if view is ExportedView.TRIALS:
        return trial_rows(workspace, state)
    if view is ExportedView.VOXEL and card is not None:
        return beta_table(workspace, card)
    raise RequestError(f"The view '{TITLES[view]}' has no table.")


def describe_layers(layers: tuple[LayerMap, ...]) -> Iterator[dict[str, Any]]:
    """Yield what is said of each layer beside its numbers."""
    for each in layers:
        yield {
            "source": each.source,
            "quantity": " ".join(each.title.split()),
            "unit": each.unit,
            "test": each.test,
        }


def note_of(document: dict[str, Any]) -> str:
    """Return what goes into a file's own metadata: the state that makes it again."""
    return json.dumps(document)
