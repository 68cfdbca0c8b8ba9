"""Maps of the layers, computed on a worker's thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nsdviewer.session.layers import ROUND_TRIP_SOURCES, layer_maps

if TYPE_CHECKING:
    from app.view import View
    from nsdviewer.jobs import Ticket

Fields = dict[str, Any]


def make_layers(view: View, ticket: Ticket, show: Callable[[Fields], None]) -> Fields:
    """Return the maps of the visible layers besides the concept's."""
    trip = view.round_trip
    state = view.state
    if (
        trip is not None
        and view.reconstruction is not None
        and not view.reconstruction.is_of(state)
    ):
        trip = None
    if "round_trip" in view.pending or "reconstruction" in view.pending:
        # What is on its way is no reason to say that it is missing.
        computed = tuple(each for each in state.layers if each.source not in ROUND_TRIP_SOURCES)
        if trip is None:
            state = state.replace(layers=computed)
    found = layer_maps(view.workspace, state, trip)
    same = len(found) == len(view.layer_maps) and all(
        a is b for a, b in zip(found, view.layer_maps, strict=True)
    )
    return {"layer_maps": view.layer_maps if same else found}
