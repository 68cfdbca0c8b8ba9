"""Work of the worker threads for the list of trials: which, in what order, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from app.trial_list.facets import Category, TrialFacets
from nsdviewer.errors import DataError
from nsdviewer.session.searching import rank_trials

if TYPE_CHECKING:
    from app.view import View
    from nsdviewer.data.pictures.categories import PictureCategories
    from nsdviewer.data.trials.table import TrialTable
    from nsdviewer.jobs import Ticket

Fields = dict[str, Any]
Show = Callable[[Fields], None]


def list_trials(view: View, ticket: Ticket, show: Show) -> Fields:
    """Return the list's trials in its order, and their likeness to what is searched for."""
    state = view.state
    trials = view.workspace.table.find(state.subset)
    if not state.search:
        return {"listed": trials, "likeness": None}
    ranking = rank_trials(view.workspace, state.search, trials, state.decoder, ticket)
    return {"listed": ranking.trials, "likeness": ranking.likeness}


def describe_trials(view: View, ticket: Ticket, show: Show) -> Fields:
    """Return what the trials can be filtered by."""
    table = view.workspace.table
    all_sessions = set(np.unique(table.column("session")).tolist())
    here = table.values_of("session").tolist()
    facets: Fields = {
        "sessions": tuple(here),
        "sessions_without_betas": tuple(sorted(all_sessions - set(here))),
        "runs": tuple(table.values_of("run").tolist()),
        "repetitions": tuple(table.values_of("repetition").tolist()),
    }
    if "rt_ms" not in table:
        file = view.workspace.files.responses_file
        facets["why_no_behaviour"] = f"What was pressed is not known: {file} is missing or damaged."
    # Reading COCO takes long; the rest need not wait for it.
    show({"facets": TrialFacets(**facets)})
    try:
        known = view.workspace.picture_categories
        facets["categories"] = _count(known, table)
        facets["shows"] = _shows(known)
        if not known.shown:
            facets["why_no_categories"] = (
                "What the pictures show is not known: unpack COCO's annotations_trainval2017.zip in "
                f"{view.workspace.root.path}."
            )
    except DataError as error:
        facets["why_no_categories"] = str(error)
    return {"facets": TrialFacets(**facets)}


def _count(known: PictureCategories, table: TrialTable) -> tuple[Category, ...]:
    nsd_ids = table.column("nsd_id")[table.column("has_betas").astype(bool)]
    n_shown = np.bincount(nsd_ids[nsd_ids >= 0])
    found = []
    for name, ids in known.pictures_of.items():
        n_trials = int(n_shown[ids[ids < len(n_shown)]].sum())
        if n_trials:
            found.append(Category(name, name in known.wide, n_trials))
    return tuple(sorted(found, key=lambda c: (not c.is_wide, -c.n_trials, c.name)))


def _shows(known: PictureCategories) -> dict[int, str]:
    shows = {}
    for nsd_id, pairs in known.shown.items():
        # One name says little of a picture; with several, their wider categories say less.
        names = [name for name, _ in pairs] if len(pairs) > 1 else list(reversed(pairs[0]))
        shows[nsd_id] = " · ".join(dict.fromkeys(name for name in names if name))
    return shows
