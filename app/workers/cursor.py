"""What is known of the place under the cursor, computed on worker threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nsdviewer.errors import DataError, NsdViewerError
from nsdviewer.jobs import Ticket
from nsdviewer.session.cursor import cursor_at
from nsdviewer.session.voxel_words import words_of_voxel
from nsdviewer.session.voxels import VoxelCard, voxel_card

if TYPE_CHECKING:
    from app.view import View

Fields = dict[str, Any]
Show = Callable[[Fields], None]


def link_cursor(view: View, ticket: Ticket, show: Show) -> Fields:
    """Return the cursor in all spaces."""
    # The vertex is the state's, and so must be the voxel that it belongs to.
    voxel = view.state.voxel or view.voxel
    if voxel is None:
        return {"cursor": None}
    found = cursor_at(view.workspace, voxel, view.state.vertex)
    return {"cursor": view.cursor if view.cursor == found else found}


def describe_voxel(view: View, ticket: Ticket, show: Show) -> Fields:
    """Return the voxel's card, and (73k id, thumbnail) of its best pictures."""
    if view.voxel is None:
        return {"card": None, "card_pictures": ()}
    workspace, encoder = view.workspace, view.state.encoder
    card = voxel_card(workspace, view.voxel, encoder_path=encoder)
    fields = {"card": card, "card_pictures": _best_pictures(view, card)}
    if view.card is None or view.card.words is None:
        # Words may have to wait for the vocabulary to be embedded; the rest does not.
        show(fields)
    return {**fields, "card": _with_words(view, card, ticket)}


def _best_pictures(view: View, card: VoxelCard) -> tuple[tuple[int, Any], ...]:
    try:
        pictures = view.workspace.stimuli.thumbnails(card.best_nsd_ids)
    except DataError:
        # Without stimuli on disk a voxel still has responses.
        return ()
    return tuple(zip(card.best_nsd_ids.tolist(), pictures, strict=True))


def _with_words(view: View, card: VoxelCard, ticket: Ticket) -> VoxelCard:
    try:
        words = words_of_voxel(view.workspace, card.ijk, ticket, encoder_path=view.state.encoder)
    except NsdViewerError as error:
        # Words need the encoder, the text network and the training pictures.
        return replace(card, notes={**card.notes, "words": str(error)})
    note = "unknown: no encoder weights here"
    return replace(card, words=words, notes=card.notes if words else {**card.notes, "words": note})
