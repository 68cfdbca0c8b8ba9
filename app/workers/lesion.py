"""What the lesion panel has computed on worker threads; only workers import it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nsdviewer.errors import CheckpointError, ModelUnavailableError, NsdViewerError
from nsdviewer.jobs import Ticket
from nsdviewer.session.lesions import heard_regions, lesion_effect, words_of_change
from nsdviewer.session.round_trip import round_trip

if TYPE_CHECKING:
    from app.view import View

Fields = dict[str, Any]
Show = Callable[[Fields], None]


def list_regions(view: View, ticket: Ticket, show: Show) -> Fields:
    """Return the regions that the decoder listens to."""
    try:
        sites = view.workspace.decoder(view.state.decoder).sites
    except CheckpointError:
        # Whoever decodes says what is missing; without a decoder nothing can be scaled.
        return {"regions": ()}
    return {"regions": heard_regions(view.workspace, sites, view.state.patches)}


def measure_lesion(view: View, ticket: Ticket, show: Show) -> Fields:
    """Return what the scaled regions change; the numbers first, then the words."""
    workspace, state = view.workspace, view.state
    if not state.trials:
        return {"lesion": None}
    found = lesion_effect(workspace, state)
    show({"lesion": found})
    try:
        gained, lost = words_of_change(workspace, found.before, found.after, ticket)
    except ModelUnavailableError:
        # An embedding without a text network still has numbers.
        return {"lesion": found}
    return {"lesion": replace(found, words_gained=gained, words_lost=lost)}


def go_round(view: View, ticket: Ticket, show: Show) -> Fields:
    """Send the reconstruction through the encoder."""
    if view.reconstruction is None or view.reconstruction.painted is None:
        return {"round_trip": None}
    try:
        found = round_trip(view.workspace, view.state, view.reconstruction, ticket)
    except NsdViewerError:
        # That of another reconstruction is none of this one.
        show({"round_trip": None})
        raise
    return {"round_trip": found}
