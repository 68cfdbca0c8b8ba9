"""The maps that can be laid over cortex and slices, by the names that a layer is chosen by.

concept                           the concept map with its test
noise-ceiling, encoder-r          how reliable responses are, and how well they are predicted
measured, predicted, agreement    the round trip of the first selected trial's reconstruction
map:NAME                          a map of the space on disk, else one on the subject's vertices
map:VERSION/NAME                  one that accompanies the betas, as map:b3/ncsnr
file:PATH                         a NIfTI, GIFTI or MGH file, in the space that it states
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.reliability import noise_ceiling
from nsdviewer.data.betas.sites import Sites, Vertices, Voxels
from nsdviewer.data.spaces.places import Place
from nsdviewer.errors import NsdViewerError, RequestError, suggestion
from nsdviewer.mapping.maps import ConceptMap
from nsdviewer.mapping.statistics.thresholds import Control, Threshold
from nsdviewer.rendering.layers import LayerMap
from nsdviewer.session.bench_trials import group_trials
from nsdviewer.session.disk_layers import disk_layer, list_disk_layers
from nsdviewer.session.file_layers import file_layer
from nsdviewer.session.round_trip import RoundTrip, measured_response
from nsdviewer.session.vertex_maps import passes_to_vertices, sites_to_vertices
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import CONCEPT, Reading, ViewState

__all__ = [
    "AGREEMENT",
    "ENCODER_R",
    "FILE_PREFIX",
    "MAP_PREFIX",
    "MEASURED",
    "NOISE_CEILING",
    "PREDICTED",
    "ROUND_TRIP_SOURCES",
    "LayerMap",
    "available_layers",
    "concept_layer",
    "layer_map",
    "layer_maps",
]

NOISE_CEILING = "noise-ceiling"
ENCODER_R = "encoder-r"
MEASURED = "measured"
PREDICTED = "predicted"
AGREEMENT = "agreement"
ROUND_TRIP_SOURCES = frozenset({MEASURED, PREDICTED, AGREEMENT})
MAP_PREFIX = "map:"
FILE_PREFIX = "file:"

_TITLES = {
    CONCEPT: "concept map",
    NOISE_CEILING: "noise ceiling",
    ENCODER_R: "encoder: correlation with held-out responses",
    MEASURED: "measured response to the selected trial",
    PREDICTED: "response predicted from its reconstruction",
    AGREEMENT: "agreement, measured × predicted",
}
# What the colour bar of a reading says besides the unit.
_QUANTITIES = {
    Reading.ENCODER: ("predicted change", "% signal per unit"),
    Reading.DECODER: ("decoder weight", "units per SD"),
    Reading.PATTERN: ("pattern", "% signal per SD"),
}
_TESTS = {
    Control.FDR: "FDR ≤ {}",
    Control.FWE: "FWE ≤ {}",
    Control.UNCORRECTED: "p ≤ {}",
}
# Where the encoder has not measured the ceiling of its test pictures, that of three repetitions.
_USUAL_REPEATS = 3


def available_layers(workspace: Workspace) -> tuple[tuple[str, str], ...]:
    """Return (source, title) of what can be shown for the subject; files of a person come besides."""
    found = [CONCEPT]
    fitted = {kind: workspace.model_path(kind).exists() for kind in ("encoder", "decoder")}
    disk = list_disk_layers(workspace)
    if fitted["encoder"] or any(source.endswith("/ncsnr") for source, _ in disk):
        found.append(NOISE_CEILING)
    if fitted["encoder"]:
        found += [ENCODER_R, MEASURED]
        if fitted["decoder"] and workspace.can_paint():
            found += [PREDICTED, AGREEMENT]
    return (*((source, _TITLES[source]) for source in found), *disk)


def layer_maps(
    workspace: Workspace, state: ViewState, trip: RoundTrip | None = None
) -> tuple[LayerMap, ...]:
    """Return the maps of all visible layers but the concept's, the lowest first.

    What cannot be shown comes as an empty map whose `note` says why.
    """
    found = []
    for choice in state.layers:
        if not choice.visible or choice.source == CONCEPT:
            continue
        try:
            found.append(layer_map(workspace, state, choice.source, trip))
        except NsdViewerError as error:
            found.append(LayerMap(choice.source, choice.source, note=str(error)))
    return tuple(found)


def layer_map(
    workspace: Workspace,
    state: ViewState,
    source: str,
    trip: RoundTrip | None = None,
    shown_map: ConceptMap | None = None,
) -> LayerMap:
    """Return one map; the same object as long as nothing that it is made of changes.

    Parameters
    ----------
    trip
        The round trip of the state's first trial, which `predicted` and `agreement` show.
    shown_map
        The state's concept map, which `concept` shows.

    Raises
    ------
    RequestError
        If there is no such map, or what it is made of has not been computed.
    DataError
        If a file is missing, damaged, or of another shape or space than the subject's.
    CheckpointError
        If it needs a model that has not been fitted.
    """
    if source == CONCEPT:
        if shown_map is None:
            raise RequestError("There is no concept map; type a concept.")
        return concept_layer(workspace, state, shown_map)
    if source.startswith(MAP_PREFIX):
        found = disk_layer(workspace, source.removeprefix(MAP_PREFIX))
    elif source.startswith(FILE_PREFIX):
        found = file_layer(workspace, source.removeprefix(FILE_PREFIX))
    else:
        makers: dict[str, Callable[[], LayerMap]] = {
            NOISE_CEILING: lambda: _noise_ceiling(workspace, state),
            ENCODER_R: lambda: _encoder_r(workspace, state),
            MEASURED: lambda: _measured(workspace, state, trip),
            PREDICTED: lambda: _of_round_trip(workspace, PREDICTED, trip),
            AGREEMENT: lambda: _of_round_trip(workspace, AGREEMENT, trip),
        }
        if source not in makers:
            raise RequestError(
                f"There is no map '{source}'.{suggestion(source, tuple(makers))} Choose "
                f"{', '.join(makers)}, map:NAME or file:PATH."
            )
        found = makers[source]()
    return found if found.note else or_note(found)


def or_note(found: LayerMap) -> LayerMap:
    """Return a map that says so where it holds no value at all."""
    arrays = [*found.vertices.values(), *([] if found.volume is None else [found.volume])]
    if any(np.isfinite(a).any() for a in arrays):
        return found
    name = " ".join(found.title.split())
    return LayerMap(
        found.source, found.title, found.unit,
        note=f"The map '{name}' holds no value anywhere, so there is nothing to see of it.",
    )  # fmt: skip


def concept_layer(workspace: Workspace, state: ViewState, shown_map: ConceptMap) -> LayerMap:
    """Return a concept map with its test; what its noise ceiling leaves out is no part of it."""
    title, unit = _QUANTITIES[shown_map.reading]
    there = shown_map.reliable
    tested = shown_map.evidence is not None
    found = site_layer(
        workspace, CONCEPT, title, unit, shown_map.sites, np.where(there, shown_map.values, np.nan)
    )
    if not tested:
        return found
    passing = shown_map.shown
    return replace(
        found,
        passes_volume=_on_grid(shown_map.sites, passing, False),
        passes_vertices=passes_to_vertices(workspace, shown_map.sites, passing, there),
        test=test_in_short(state.statistic),
    )


def test_in_short(statistic: str) -> str:
    """Return a test as the field writes it, ``FDR ≤ .05``; empty for none."""
    threshold = Threshold.parse(statistic)
    if threshold.control is Control.NONE:
        return ""
    if threshold.control is Control.INTERVAL:
        return f"{threshold.level:.0%} interval excludes 0".replace("%", " %")
    return _TESTS[threshold.control].format(f"{threshold.level:g}".removeprefix("0"))


def site_layer(
    workspace: Workspace,
    source: str,
    title: str,
    unit: str,
    sites: Sites,
    values: NDArray[np.floating],
    signed: bool = True,
) -> LayerMap:
    """Return the map of values (n_sites,), NaN where there are none."""
    values = np.asarray(values, np.float32)
    return LayerMap(
        source=source,
        title=title,
        unit=unit,
        volume=_on_grid(sites, values, np.nan),
        vertices=sites_to_vertices(workspace, sites, values),
        signed=signed,
        place=Place.of(workspace.space) if isinstance(sites, Voxels) else None,
        subject=workspace.subject,
    )


def _on_grid(sites: Sites, values: NDArray[Any], elsewhere: float | bool) -> NDArray[Any] | None:
    if isinstance(sites, Vertices):
        return None
    grid = np.full(sites.shape, elsewhere, values.dtype)
    grid.reshape(-1)[sites.flat] = values
    return grid


def _noise_ceiling(workspace: Workspace, state: ViewState) -> LayerMap:
    if state.encoder or workspace.model_path("encoder").exists():
        encoder = workspace.encoder(state.encoder)
        return workspace.keep(
            ("layer", NOISE_CEILING, state.encoder, id(encoder)),
            lambda: site_layer(
                workspace, NOISE_CEILING, "noise ceiling", "%", encoder.sites,
                encoder.noise_ceiling * 100, signed=False,
            ),
        )  # fmt: skip
    return workspace.keep(("layer", NOISE_CEILING), lambda: _ceiling_on_disk(workspace))


def _ceiling_on_disk(workspace: Workspace) -> LayerMap:
    ncsnr = disk_layer(workspace, f"{workspace.version.short}/ncsnr")
    repeats = np.array([_USUAL_REPEATS])

    def percent(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(noise_ceiling(values, repeats) * 100, np.float32)

    return replace(
        ncsnr,
        source=NOISE_CEILING,
        title=f"noise ceiling of\n{_USUAL_REPEATS} repetitions",
        unit="%",
        volume=None if ncsnr.volume is None else percent(ncsnr.volume),
        vertices={h: percent(v) for h, v in ncsnr.vertices.items()},
    )


def _encoder_r(workspace: Workspace, state: ViewState) -> LayerMap:
    encoder = workspace.encoder(state.encoder)
    return workspace.keep(
        ("layer", ENCODER_R, state.encoder, id(encoder)),
        lambda: site_layer(
            workspace, ENCODER_R, "encoder: correlation\nwith held-out responses", "r",
            encoder.sites, encoder.test_r,
        ),
    )  # fmt: skip


def _measured(workspace: Workspace, state: ViewState, trip: RoundTrip | None) -> LayerMap:
    if trip is not None:
        return _of_round_trip(workspace, MEASURED, trip)
    if not state.trials:
        raise RequestError("No trial is selected, so there is no measured response; select one.")
    encoder = workspace.encoder(state.encoder)
    groups = [
        tuple(group.tolist())
        for group in group_trials(workspace.table, state.trials, state.average_repeats)
    ]
    key = ("layer", MEASURED)
    made_of = (state.encoder, id(encoder), tuple(groups))
    kept: dict[object, LayerMap] = workspace.keep(key, dict)
    if made_of not in kept:
        values = measured_response(workspace, encoder, groups)
        kept.clear()
        kept[made_of] = _responses(workspace, MEASURED, encoder.sites, values)
    return kept[made_of]


def _of_round_trip(workspace: Workspace, source: str, trip: RoundTrip | None) -> LayerMap:
    if trip is None:
        raise RequestError(
            "Nothing has been sent through the round trip; select a trial, with a decoder, a "
            "generator and an encoder there."
        )
    values = {MEASURED: trip.measured, PREDICTED: trip.predicted, AGREEMENT: trip.agreement}[source]
    kept: dict[object, tuple[RoundTrip, LayerMap]] = workspace.keep(("layer", "round trip"), dict)
    if source not in kept or kept[source][0] is not trip:
        kept[source] = trip, _responses(workspace, source, trip.sites, values)
    return kept[source][1]


def _responses(
    workspace: Workspace, source: str, sites: Sites, values: NDArray[np.floating]
) -> LayerMap:
    title, unit = {
        MEASURED: ("measured response", "SD"),
        PREDICTED: ("predicted response", "SD"),
        AGREEMENT: ("agreement,\nz measured × z predicted", ""),
    }[source]
    return site_layer(workspace, source, title, unit, sites, values)
