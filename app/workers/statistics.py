"""What stands beside the concept and its map, computed on worker threads; only workers import it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from app.concept.choices import STATISTICS, UNTESTED, Offered
from nsdviewer.errors import DataError
from nsdviewer.jobs import Progress, Ticket
from nsdviewer.mapping.concepts import parse_concept
from nsdviewer.scheduling import InProcess
from nsdviewer.session.concept_help import concept_words
from nsdviewer.session.evidence import MapRequest
from nsdviewer.session.possible import why_not
from nsdviewer.session.region_intervals import MapIntervals, intervals_of, region_places, untested
from nsdviewer.session.tested_maps import kept_test, testing_words
from nsdviewer.state import Null, Reading

if TYPE_CHECKING:
    from app.composing import Composer
    from app.view import View
    from nsdviewer.mapping.maps import ConceptMap
    from nsdviewer.rendering.scene import RoiBar
    from nsdviewer.state import ViewState

Fields = dict[str, Any]
Show = Callable[[Fields], None]

# While a person types, maps follow each other faster than intervals are worth computing.
_CALM_S = 0.3
_LOOK_S = 0.02


class _Saying:
    """Progress that says the same all along."""

    def __init__(self, whole: Progress, message: str) -> None:
        self._whole = whole
        self._message = message

    def report(self, fraction: float, message: str = "") -> None:
        self._whole.report(fraction, self._message)


def try_concept(composer: Composer, state: ViewState) -> None:
    """Raise unless a concept names a direction and its map can be made."""
    parse_concept(state.concept)
    composer.concept_map(state)


def list_words(view: View, ticket: Ticket, show: Show) -> Fields:
    """Return what a concept can be completed with."""
    return {"concept_words": concept_words(view.workspace)}


def list_offers(view: View, ticket: Ticket, show: Show) -> Fields:
    """Return why some of the readings, tests and null hypotheses cannot be chosen."""
    asked = MapRequest.of(view.state)

    def why(**changes: Any) -> str:
        return why_not(view.workspace, replace(asked, **changes))

    return {
        "offered": Offered(
            {r: why(reading=r, statistic=UNTESTED, null=Null.USUAL) for r in Reading},
            {s: why(statistic=s) for s in STATISTICS},
            {n: why(null=n) for n in Null},
        )
    }


def test_map(view: View, ticket: Ticket, show: Show) -> Fields:
    """Test the state's map."""
    request = MapRequest.of(view.state)
    if not request.concept or request.statistic == UNTESTED:
        return {"tested": None}
    progress = _Saying(ticket, testing_words(view.workspace, request))
    progress.report(0.0)
    return {"tested": kept_test(view.workspace, request, InProcess(), progress)}


def measure_regions(view: View, ticket: Ticket, show: Show) -> Fields:
    """Return the regions of the map: where they are first, then their intervals."""
    workspace, shown, known = view.workspace, view.concept_map, view.intervals
    if shown is None or view.scene is None:
        return {"intervals": None}
    # The map is the scene's; the view's state may be ahead of it.
    state = view.scene.state.replace(bar_collections=view.state.bar_collections)
    request, asked = untested(MapRequest.of(state)), state.bar_collections
    places = region_places(workspace, shown, asked)
    if known is not None and known.request == request and (known.bars or known.why):
        known = replace(known, places=places)
        if set(asked) <= set(known.collections):
            return {"intervals": known}
        show({"intervals": known})
    else:
        if known is not None:
            _wait_for_calm(ticket)
        show({"intervals": MapIntervals(request, places)})
    progress = _Saying(ticket, "resampling pictures for the bars")
    try:
        found = intervals_of(workspace, state, shown, InProcess(), progress, known)
    except DataError as error:
        found = MapIntervals(request, (), why=str(error))
    return {"intervals": found}


def shown_test(view: View) -> ConceptMap | None:
    """Return the tested map that the state asks for; None until it is there, or without a test."""
    found = view.tested
    return found.map if found is not None and found.belongs_to(view.state) else None


def shown_bars(view: View) -> tuple[RoiBar, ...]:
    """Return the bars with intervals that belong to the state's map; none until all are there."""
    found = view.intervals
    return found.bars if found is not None and found.belongs_to(view.state) else ()


def _wait_for_calm(ticket: Ticket) -> None:
    until_s = time.monotonic() + _CALM_S
    while time.monotonic() < until_s:
        ticket.report(0.0)
        time.sleep(_LOOK_S)
