"""From a state to the scene that window, figure and command line draw."""

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.spaces.layers import Layer
from nsdviewer.data.spaces.places import Place
from nsdviewer.errors import DataError
from nsdviewer.jobs import SilentProgress
from nsdviewer.mapping.maps import ConceptMap
from nsdviewer.rendering.scene import RoiBar, Scene, SceneArrays, resolve
from nsdviewer.scheduling import InProcess
from nsdviewer.session.concepts import roi_bars, to_vertices
from nsdviewer.session.decoding import Reconstruction, reconstruct
from nsdviewer.session.evidence import MapRequest, null_of, tested_map
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import Hemisphere, ViewState

BAR_COLLECTIONS = ("floc-faces", "floc-bodies", "floc-places", "floc-words", "prf-visualrois")


def map_of(workspace: Workspace, state: ViewState) -> ConceptMap | None:
    """Return the state's concept map, tested as it asks; None without a concept."""
    if not state.concept:
        return None
    return tested_map(workspace, MapRequest.of(state), InProcess(), SilentProgress())


def reconstruction_of(workspace: Workspace, state: ViewState) -> Reconstruction | None:
    """Return what is decoded from the state's first trial; None without one, or a generator."""
    if not state.trials or not workspace.can_paint(state.generator):
        return None
    return reconstruct(
        workspace,
        state.trials[0],
        state.average_repeats,
        state.seed,
        state.decoder,
        state.generator,
    )


def collect(
    workspace: Workspace,
    state: ViewState,
    shown_map: ConceptMap | None,
    reconstruction: Reconstruction | None,
) -> SceneArrays:
    """Gather the arrays of a scene from results that were computed already."""
    try:
        hemispheres = workspace.hemispheres
        values = to_vertices(workspace, shown_map) if shown_map is not None else {}
        outlines = {
            h: {c: o[h] for c in state.roi_collections if h in (o := workspace.outlines(c))}
            for h in Hemisphere
        }
    except DataError:
        # Surfaces are optional: without them slices and pictures still show.
        hemispheres, values, outlines = (), {}, {}
    return SceneArrays(
        hemispheres=hemispheres,
        vertex_values=values,
        outlines=outlines,
        underlay=workspace.underlay,
        overlay=map_layer(workspace, state, shown_map) if shown_map is not None else None,
        concept_map=shown_map,
        roi_bars=bars_of(workspace, shown_map),
        seen=reconstruction.seen if reconstruction else None,
        reconstructed=reconstruction.painted if reconstruction else None,
        trial_title=trial_title(workspace, state, reconstruction),
        trial_scores=trial_scores(reconstruction),
        provenance=provenance(workspace, state),
        simulated=workspace.root.is_simulated,
    )


def map_layer(workspace: Workspace, state: ViewState, shown_map: ConceptMap) -> Layer:
    """Return a map's volume in the space of the workspace, for which its model was fitted."""
    place = Place.of(workspace.space)
    return Layer(
        shown_map.volume(), place, workspace.subject, f"map of {state.concept}", shown_map.unit
    )


def scene_of(workspace: Workspace, state: ViewState) -> Scene:
    """Compute everything that a state shows, and resolve it."""
    return scene_of_map(workspace, state, map_of(workspace, state))


def scene_of_map(workspace: Workspace, state: ViewState, shown_map: ConceptMap | None) -> Scene:
    """Resolve a state whose map was computed already."""
    reconstruction = reconstruction_of(workspace, state)
    return resolve(state, collect(workspace, state, shown_map, reconstruction))


def bars_of(workspace: Workspace, shown_map: ConceptMap | None) -> tuple[RoiBar, ...]:
    """Return the regions' bars of a map; none without a map."""
    return roi_bars(workspace, shown_map, BAR_COLLECTIONS) if shown_map is not None else ()


def trial_title(
    workspace: Workspace, state: ViewState, reconstruction: Reconstruction | None
) -> str:
    """Say which trials a reconstruction stands on."""
    if reconstruction is None:
        fitting = workspace.can_paint(state.generator)
        return "no trial selected" if fitting else "no generator for this embedding"
    n = len(reconstruction.trials)
    what = f"mean of {n} repetitions" if n > 1 else "single trial"
    label = workspace.stimuli.labels.get(reconstruction.nsd_id)
    name = f" · {label[1]}" if label else ""
    seen = " · TRAINING picture" if reconstruction.in_training else " · held out"
    return f"trial {state.trials[0]:,}{name} · {what}{seen}"


def trial_scores(reconstruction: Reconstruction | None) -> tuple[tuple[str, str], ...]:
    """Return (value, meaning) pairs of a reconstruction."""
    if reconstruction is None:
        return ()
    return (
        (f"{reconstruction.rank} / {reconstruction.n_candidates}", "rank among test"),
        (_short(reconstruction.cosine), "cosine"),
        (_short(reconstruction.pixel_r), "PixCorr"),
    )


def provenance(workspace: Workspace, state: ViewState) -> tuple[str, ...]:
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
    if state.trials and workspace.can_paint(state.generator):
        painter = workspace.painter(state.generator)
        header = workspace.decoder(state.decoder).header
        lines.append(
            f"decoder: {header.model}, {header.roi} · generator: {painter.name}, seed {state.seed}"
        )
    return tuple(lines)


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


def _short(value: float) -> str:
    """``.81``, as the field writes correlations."""
    return f"{value:.2f}".replace("0.", ".", 1).replace("-", "−")
