"""From a state to the scene that window, figure and command line draw."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import CheckpointError, DataError, NsdViewerError
from nsdviewer.jobs import SilentProgress
from nsdviewer.mapping.maps import ConceptMap
from nsdviewer.rendering.layers import LayerMap
from nsdviewer.rendering.scene import Scene, SceneArrays, resolve
from nsdviewer.scheduling import InProcess
from nsdviewer.session.decoding import reconstruction_of
from nsdviewer.session.evidence import MapRequest, null_of, tested_map
from nsdviewer.session.file_layers import described_files
from nsdviewer.session.layers import ROUND_TRIP_SOURCES, concept_layer, layer_maps, or_note
from nsdviewer.session.map_regions import RoiBars, roi_bars
from nsdviewer.session.notices import notices_of, outlines_of
from nsdviewer.session.reconstruction import Reconstruction
from nsdviewer.session.region_intervals import intervals_of
from nsdviewer.session.round_trip import RoundTrip, round_trip
from nsdviewer.session.scaling import lesion_sign
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import ViewState

__all__ = [
    "arrays_of",
    "collect",
    "drawn_bars",
    "in_ranges",
    "map_of",
    "provenance",
    "reconstruction_of",
    "scene_of",
    "scene_of_map",
    "seen_and_painted",
    "trial_scores",
    "trial_title",
]


def map_of(workspace: Workspace, state: ViewState) -> ConceptMap | None:
    """Return the state's concept map, tested as it asks; None without a concept."""
    if not state.concept:
        return None
    return tested_map(workspace, MapRequest.of(state), InProcess(), SilentProgress())


def collect(
    workspace: Workspace,
    state: ViewState,
    shown_map: ConceptMap | None,
    reconstruction: Reconstruction | None,
    maps: tuple[LayerMap, ...] = (),
    bars: RoiBars | None = None,
) -> SceneArrays:
    """Gather the arrays of a scene from results that were computed already.

    Parameters
    ----------
    maps
        Those of the layers, as of `layer_maps`; the concept's is made here.
    bars
        The regions' bars; computed from the map where None.
    """
    if shown_map is not None:
        maps = (*maps, or_note(concept_layer(workspace, state, shown_map)))
    notices = notices_of(workspace, state, maps)
    if bars is None:
        bars = roi_bars(workspace, shown_map, state.bar_collections)
    return SceneArrays(
        hemispheres=tuple(workspace.meshes.values()),
        outlines=outlines_of(workspace, state),
        maps=maps,
        underlay=workspace.underlay_of(state.underlay) if workspace.is_volume else None,
        concept_map=shown_map,
        roi_bars=bars.bars,
        seen=reconstruction.seen if reconstruction else None,
        reconstructed=reconstruction.painted if reconstruction else None,
        trial_title=trial_title(workspace, state, reconstruction),
        trial_scores=trial_scores(reconstruction),
        provenance=provenance(workspace, state, reconstruction),
        simulated=workspace.root.is_simulated,
        notices=(*notices, *bars.faults),
    )


def scene_of(workspace: Workspace, state: ViewState) -> Scene:
    """Compute everything that a state shows, and resolve it.

    Raises
    ------
    NsdViewerError
        If its concept, its map or its reconstruction cannot be computed.
    """
    return scene_of_map(workspace, state, map_of(workspace, state))


def scene_of_map(workspace: Workspace, state: ViewState, shown_map: ConceptMap | None) -> Scene:
    """Resolve a state whose map was computed already."""
    return resolve(state, arrays_of(workspace, state, shown_map))


def arrays_of(
    workspace: Workspace, state: ViewState, shown_map: ConceptMap | None, with_bars: bool = True
) -> SceneArrays:
    """Compute what a state's scene is made of, but for its map; what cannot be is a notice.

    Parameters
    ----------
    with_bars
        Whether anybody looks at the regions' bars; their intervals take longest of all.
    """
    reconstruction: Reconstruction | None = None
    trip: RoundTrip | None = None
    faults: tuple[str, ...] = ()
    try:
        reconstruction = reconstruction_of(workspace, state)
    except (CheckpointError, DataError) as error:
        # A map needs no decoder of trials.
        faults = (f"The selected trials are not decoded. {error}",)
    if reconstruction is not None and asks_for_round_trip(state):
        try:
            trip = round_trip(workspace, state, reconstruction)
        except NsdViewerError as error:
            faults = (*faults, str(error))
    maps = layer_maps(workspace, state, trip)
    bars = drawn_bars(workspace, state, shown_map) if with_bars else RoiBars()
    arrays = collect(workspace, state, shown_map, reconstruction, maps, bars)
    return replace(arrays, notices=(*arrays.notices, *faults))


def asks_for_round_trip(state: ViewState) -> bool:
    """Whether a visible layer shows a part of the round trip."""
    return any(layer.visible and layer.source in ROUND_TRIP_SOURCES for layer in state.layers)


def drawn_bars(workspace: Workspace, state: ViewState, shown_map: ConceptMap | None) -> RoiBars:
    """Return the regions' bars of a state's map, with bootstrap intervals where there are any."""
    if shown_map is None:
        return RoiBars()
    found = intervals_of(workspace, state, shown_map, InProcess(), SilentProgress())
    return roi_bars(workspace, shown_map, state.bar_collections, found.bars)


def trial_title(
    workspace: Workspace, state: ViewState, reconstruction: Reconstruction | None
) -> str:
    """Say which trials a reconstruction stands on."""
    if reconstruction is None:
        return "the selected trials are not decoded" if state.trials else "no trial selected"
    parts = (reconstruction.title, lesion_sign(reconstruction.state), reconstruction.training_note)
    return " · ".join(part for part in parts if part)


def trial_scores(reconstruction: Reconstruction | None) -> tuple[tuple[str, str], ...]:
    """Return (value, meaning) pairs of a reconstruction."""
    return reconstruction.scores.said() if reconstruction is not None else ()


def provenance(
    workspace: Workspace, state: ViewState, reconstruction: Reconstruction | None = None
) -> tuple[str, ...]:
    """Say where a picture comes from: data, embedding, reading, models."""
    data = "SIMULATED data" if workspace.root.is_simulated else "NSD"
    lines = [
        f"{data}: subject {state.subject} · {state.space.value} · {state.version.short} · "
        f"sessions {in_ranges(workspace.sessions)}",
        f"embedding: {workspace.embedding.title}",
    ]
    if state.concept:
        test = "not tested" if state.statistic == "none" else tested_words(workspace, state)
        lines.append(
            f"concept '{state.concept}' · reading: {state.reading.value} · {test} · noise ceiling ≥ "
            f"{state.noise_ceiling_floor_pct:g} %"
        )
    if reconstruction is not None:
        header = workspace.decoder(reconstruction.state.decoder).header
        painted_by = reconstruction.painted_by
        seed = reconstruction.state.seed
        by = f"generator: {painted_by}, seed {seed}" if painted_by else "not painted"
        lines.append(f"decoder: {header.model}, {header.roi} · {by}")
        if reconstruction.scaling:
            lines.append(reconstruction.scaling)
    return (*lines, *described_files(workspace, state))


def tested_words(workspace: Workspace, state: ViewState) -> str:
    """Return a state's test in short, with its null hypothesis where it has one."""
    if state.statistic.startswith("ci"):
        return state.statistic
    return f"{state.statistic}, null: {null_of(workspace, MapRequest.of(state)).value}"


def in_ranges(numbers: tuple[int, ...]) -> str:
    """Write ascending numbers as ``1–3, 5``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)


def seen_and_painted(
    workspace: Workspace, groups: list[NDArray[np.int64]], painted: NDArray[np.uint8]
) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Pair the seen picture of each group of trials with its painted one."""
    nsd_ids = workspace.table.column("nsd_id")[[int(g[0]) for g in groups]]
    return list(zip(workspace.stimuli.read(nsd_ids), painted, strict=True))
