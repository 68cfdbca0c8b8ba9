"""Tested concept maps, the last ones of which are kept."""

from collections import OrderedDict
from dataclasses import dataclass

from nsdviewer.jobs import Progress
from nsdviewer.mapping.maps import ConceptMap
from nsdviewer.mapping.statistics.thresholds import Control, Threshold
from nsdviewer.scheduling import Scheduler
from nsdviewer.session.evidence import MapRequest, null_of, tested_map
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import Null, ViewState

# A map of 300,000 sites with its evidence holds 12 MB.
_MOST_KEPT = 8


@dataclass(frozen=True)
class TestedMap:
    """A concept map with its evidence, and what it answers."""

    # pytest collects classes by this name.
    __test__ = False

    request: MapRequest
    map: ConceptMap

    def belongs_to(self, state: ViewState) -> bool:
        """Return whether it is what a state asks for."""
        return self.request == MapRequest.of(state)


def kept_test(
    workspace: Workspace, request: MapRequest, scheduler: Scheduler, progress: Progress
) -> TestedMap:
    """Return `tested_map` of a request, at once where it is among the last ones asked for."""
    kept: OrderedDict[MapRequest, TestedMap] = workspace.keep("tested maps", OrderedDict)
    found = kept.get(request)
    if found is None:
        found = TestedMap(request, tested_map(workspace, request, scheduler, progress))
    kept[request] = found
    kept.move_to_end(request)
    while len(kept) > _MOST_KEPT:
        kept.popitem(last=False)
    return found


def testing_words(workspace: Workspace, request: MapRequest) -> str:
    """Say what a test of `request` is busy with."""
    if Threshold.parse(request.statistic).control is Control.INTERVAL:
        return f"drawing {request.n_draws:,} bootstrap samples"
    if null_of(workspace, request) is Null.DIRECTIONS:
        return f"comparing with {request.n_draws:,} directions"
    return f"testing {request.n_draws:,} permutations"
