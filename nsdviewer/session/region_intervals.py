"""The bars of a concept by region, with intervals over resampled pictures."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.sites import Voxels
from nsdviewer.errors import DataError, RequestError
from nsdviewer.jobs import Progress
from nsdviewer.mapping.maps import ConceptMap
from nsdviewer.mapping.statistics.bootstrap import Intervals, bootstrap_intervals
from nsdviewer.mapping.statistics.selected import SelectedResponses
from nsdviewer.rendering.scene import RoiBar
from nsdviewer.scheduling import Scheduler
from nsdviewer.session.evidence import (
    MapRequest,
    in_psc,
    tested_alphas,
    what_is_tested,
)
from nsdviewer.session.map_regions import MapRegion, map_regions
from nsdviewer.session.map_report import INTERVAL_LEVEL
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import Null, Reading, ViewState

_N_DRAWS = 100
_FEWEST_SITES = 3


@dataclass(frozen=True)
class RegionPlace:
    """Where a region of a map is found.

    Attributes
    ----------
    peak
        0-based voxel of the largest |value| of those that are reliable; None on surfaces.
    """

    name: str
    collection: str
    peak: tuple[int, int, int] | None


@dataclass(frozen=True)
class MapIntervals:
    """What is known of the regions of one concept map.

    Attributes
    ----------
    collections
        Those whose regions were measured.
    bars
        Regions, under their labels, with the interval of their mean at `level`. The mean is that
        of the change which no penalty shrinks, and so is its standard error: the map's own mean is
        shrunk, and may lie outside of the interval. Empty where there are no intervals.
    why
        Why there are none; "" where there are, or where they are still being computed.
    """

    request: MapRequest
    places: tuple[RegionPlace, ...]
    collections: tuple[str, ...] = ()
    bars: tuple[RoiBar, ...] = ()
    why: str = ""
    level: float = INTERVAL_LEVEL

    def belongs_to(self, state: ViewState) -> bool:
        """Return whether it speaks of the map of a state, tested or not, and of all of its bars."""
        is_same = self.request == untested(MapRequest.of(state))
        return is_same and set(state.bar_collections) <= set(self.collections)


def untested(request: MapRequest) -> MapRequest:
    """Return the request for the same map without a test."""
    return replace(request, statistic="none", null=Null.USUAL)


def region_places(
    workspace: Workspace, shown: ConceptMap, collections: tuple[str, ...]
) -> tuple[RegionPlace, ...]:
    """Return where the regions of some collections are that have a reliable site of a map."""
    places = []
    for region in map_regions(workspace, shown.sites, collections)[0]:
        sites = np.flatnonzero(region.inside & shown.reliable & np.isfinite(shown.values))
        if len(sites):
            best = sites[np.abs(shown.values[sites]).argmax()]
            places.append(RegionPlace(region.name, region.collection, _voxel(shown, int(best))))
    return tuple(places)


def _voxel(shown: ConceptMap, site: int) -> tuple[int, int, int] | None:
    if not isinstance(shown.sites, Voxels):
        return None
    i, j, k = (int(v) for v in shown.ijk[site])
    return i, j, k


def intervals_of(
    workspace: Workspace,
    state: ViewState,
    shown: ConceptMap,
    scheduler: Scheduler,
    progress: Progress,
    known: MapIntervals | None = None,
) -> MapIntervals:
    """Return the regions of a state's bars with bootstrap intervals of their means.

    It raises nothing of its own: where there are no intervals, the result says why.

    Parameters
    ----------
    shown
        The state's map, tested or not.
    known
        What was found before; of the same map, its collections are not measured again.
    """
    request, asked = untested(MapRequest.of(state)), state.bar_collections
    places = region_places(workspace, shown, asked)
    if known is None or known.request != request:
        known = MapIntervals(request, places)
    lacking = tuple(name for name in asked if name not in known.collections)
    try:
        why = _why_none(workspace, request)
        bars = () if why else _bars(workspace, request, shown, lacking, scheduler, progress)
    except (RequestError, DataError) as error:
        return MapIntervals(request, places, asked, why=str(error))
    bars = (*known.bars, *bars)
    if not why and not bars:
        why = f"No region has {_FEWEST_SITES} voxels above the noise ceiling's floor."
    return MapIntervals(request, places, (*known.collections, *lacking), bars, why)


def _why_none(workspace: Workspace, request: MapRequest) -> str:
    if request.reading is not Reading.ENCODER:
        return (
            f"The bootstrap is of the encoder reading; the {request.reading.value} reading shows "
            "the standard error over voxels."
        )
    if workspace.encoder(request.encoder_path).contrast is not None:
        return (
            "The bootstrap is of a ridge encoder; this banded one shows the standard error over "
            "voxels."
        )
    return ""


def _bars(
    workspace: Workspace,
    request: MapRequest,
    shown: ConceptMap,
    collections: tuple[str, ...],
    scheduler: Scheduler,
    progress: Progress,
) -> tuple[RoiBar, ...]:
    regions, _ = map_regions(workspace, shown.sites, collections)
    if not regions:
        return ()
    # Sites of no region need no interval.
    somewhere = np.any([region.inside for region in regions], axis=0) & shown.reliable
    columns = np.flatnonzero(somewhere)
    sets = {
        region.name: sites
        for region in regions
        if len(sites := np.flatnonzero(region.inside[columns])) >= _FEWEST_SITES
    }
    if not sets:
        return ()
    encoder = workspace.encoder(request.encoder_path)
    whole = what_is_tested(workspace, request, shown)
    tested = replace(whole, columns=columns, responses=SelectedResponses(whole.data.train, columns))
    found = bootstrap_intervals(
        in_psc(tested, encoder), tested.embeddings, tested.direction,
        tested_alphas(encoder, columns), tested.n_repeats, request.seed, scheduler, progress,
        INTERVAL_LEVEL, _N_DRAWS, sets,
    )  # fmt: skip
    bars = (_bar(region, sets[region.name], found) for region in regions if region.name in sets)
    return tuple(bar for bar in bars if bar is not None)


def _bar(region: MapRegion, sites: NDArray[np.int64], found: Intervals) -> RoiBar | None:
    roi = found.rois[region.name]
    if roi.n_sites < _FEWEST_SITES:
        return None
    sem = float(np.nanstd(found.estimate[sites], ddof=1) / np.sqrt(roi.n_sites))
    ends = roi.lower, roi.upper
    return RoiBar(region.label, region.collection, roi.estimate, sem, roi.n_sites, ends)
