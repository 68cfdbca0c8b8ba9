"""Which of a map's sites belong to which ROI, and the bars of those regions."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.sites import Sites, Voxels
from nsdviewer.data.regions.rois import load_collection
from nsdviewer.errors import DataError, RequestError
from nsdviewer.mapping.maps import ConceptMap
from nsdviewer.rendering.scene import RoiBar
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import USUAL_COLLECTIONS

_FEWEST_VOXELS_IN_A_BAR = 3


@dataclass(frozen=True, eq=False)
class MapRegion:
    """A labelled region on the sites of a map.

    Attributes
    ----------
    name
        That of the label; ``collection:label`` where a collection before it has one of that name.
    label
        As the collection calls it.
    inside
        (n_sites,) whether a site belongs to it.
    """

    name: str
    collection: str
    label: str
    inside: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class RoiBars:
    """Bars of regions, and one sentence for each collection that was asked for and has none."""

    bars: tuple[RoiBar, ...] = ()
    faults: tuple[str, ...] = ()


def map_regions(
    workspace: Workspace, sites: Sites, collections: Iterable[str] = USUAL_COLLECTIONS
) -> tuple[tuple[MapRegion, ...], tuple[str, ...]]:
    """Return the regions of some collections, in their order, and what is wrong with the others.

    A subject need not have those that are usual; that is no fault.
    """
    asked = tuple(dict.fromkeys(collections))
    members: dict[str, dict[str, NDArray[np.bool_]]] = {}
    faults = []
    # In the order of `Workspace.collections` a name belongs to the first that has it, whatever
    # else is asked for.
    for collection in workspace.collections:
        if collection not in asked and collection not in USUAL_COLLECTIONS:
            continue
        try:
            members[collection] = members_of(workspace, collection, sites)
        except (DataError, RequestError) as error:
            if collection in asked:
                faults.append(f"The ROI collection '{collection}' has no bars. {error}")
    owner: dict[str, str] = {}
    for collection, labels in members.items():
        for label in labels:
            owner.setdefault(label, collection)
    found = []
    for collection in asked:
        if collection not in workspace.collections and collection not in USUAL_COLLECTIONS:
            faults.append(
                f"There is no ROI collection '{collection}' for subject {workspace.subject}, and so "
                f"it has no bars; there are: {', '.join(workspace.collections)}."
            )
        for label, inside in members.get(collection, {}).items():
            name = label if owner[label] == collection else f"{collection}:{label}"
            found.append(MapRegion(name, collection, label, inside))
    return tuple(found), tuple(faults)


def roi_bars(
    workspace: Workspace,
    shown_map: ConceptMap | None,
    collections: Iterable[str],
    measured: tuple[RoiBar, ...] = (),
) -> RoiBars:
    """Return the bars of a map by region of some collections, in their order.

    Parameters
    ----------
    measured
        Bars with intervals, of any collections and each under its label. Without any, bars are the
        map's own mean and standard error over voxels.
    """
    if shown_map is None:
        return RoiBars()
    regions, faults = map_regions(workspace, shown_map.sites, collections)
    if measured:
        known = {(bar.collection, bar.name): bar for bar in measured}
        pairs = ((region, known.get((region.collection, region.label))) for region in regions)
        return RoiBars(
            tuple(replace(bar, name=region.name) for region, bar in pairs if bar), faults
        )
    bars = (_mean_of(region, shown_map) for region in regions)
    return RoiBars(tuple(bar for bar in bars if bar is not None), faults)


def _mean_of(region: MapRegion, shown_map: ConceptMap) -> RoiBar | None:
    # What passed a test is no fair sample of a region.
    values = shown_map.values[region.inside & shown_map.reliable]
    if len(values) < _FEWEST_VOXELS_IN_A_BAR:
        return None
    sem = float(values.std(ddof=1) / np.sqrt(len(values)))
    return RoiBar(region.name, region.collection, float(values.mean()), sem, len(values))


def members_of(workspace: Workspace, collection: str, sites: Sites) -> dict[str, NDArray[np.bool_]]:
    """Return label → (n_sites,) which of some voxels or vertices belong to it.

    Raises
    ------
    DataError
        If the collection cannot be read on the grid, or the vertices, of the sites.
    """

    def make() -> tuple[Sites, dict[str, NDArray[np.bool_]]]:
        # Kept beside their members, the sites keep their identity to themselves.
        return sites, _read_members(workspace, collection, sites)

    return workspace.keep(("members", collection, id(sites)), make)[1]


def _read_members(
    workspace: Workspace, collection: str, sites: Sites
) -> dict[str, NDArray[np.bool_]]:
    if isinstance(sites, Voxels):
        loaded = load_collection(workspace.files, workspace.space, collection)
        labels = loaded.labels[tuple(sites.ijk.T)]
        found: dict[str, NDArray[np.bool_]] = {}
        for label, name in loaded.names.items():
            # Several labels may share a name.
            found[name] = found.get(name, np.zeros(len(sites), bool)) | (labels == label)
        return found
    joined: dict[str, NDArray[np.bool_]] = {}
    for hemisphere in sites.vertex:
        loaded = load_collection(workspace.files, workspace.space, collection, hemisphere)
        labels = loaded.labels[sites.vertex[hemisphere]]
        for label, name in loaded.names.items():
            inside = joined.setdefault(name, np.zeros(len(sites), bool))
            inside[sites.columns(hemisphere)] |= labels == label
    return joined
