"""The table of what a view shows besides its state: each result, and what it is computed from.

One line here, a field of `View` and a function on a worker's thread make a result; the controller
computes it when something that it depends on has changed, and panels draw it when it arrives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.tasks import Lane
from app.view import View
from nsdviewer.state import BenchRow


@dataclass(frozen=True)
class Result:
    """One result, or some that are computed together.

    Attributes
    ----------
    name
        Kind of its task, and what `View.pending` holds while it is under way.
    compute
        ``module:function``, called on the lane's thread as ``function(view, ticket, show)``. It
        returns a dict of fields of `View`; ``show(fields)`` shows some of them before the end.
    state
        Fields of the state that it depends on.
    follows
        Fields of `View` that it depends on; it is computed again when they arrive.
    waits_for
        Results that have to be there before.
    is_wanted
        Whether anything shows it; what nobody looks at is not computed.
    fault
        Field of `View` that says what is wrong with a person's request; empty for the message bar.
    """

    name: str
    lane: Lane
    compute: str
    state: frozenset[str] = frozenset()
    follows: frozenset[str] = frozenset()
    waits_for: frozenset[str] = frozenset()
    is_wanted: Callable[[View], bool] = lambda view: True
    fault: str = ""


MAP_FIELDS = frozenset(
    {"concept", "reading", "noise_ceiling_floor_pct", "statistic", "null", "encoder", "decoder"}
)
_SCENE_FIELDS = MAP_FIELDS | {
    "layers", "morph", "unfolding", "hemispheres", "roi_collections", "roi_labels", "underlay",
    "slice_zoom", "voxel", "patches", "theme",
}  # fmt: skip
_TRIAL_FIELDS = frozenset(
    {"trials", "average_repeats", "seed", "decoder", "generator", "scaling", "patches"}
)
_DECODED = frozenset({"reconstruction"})

RESULTS: tuple[Result, ...] = (
    Result(
        "scene", Lane.QUICK, "app.work:compose", _SCENE_FIELDS,
        follows=frozenset({"reconstruction", "tested", "intervals", "layer_maps"}),
    ),
    Result("reconstruction", Lane.LONG, "app.work:decode", _TRIAL_FIELDS),
    Result(
        "gallery", Lane.LONG, "app.work:paint_gallery", follows=_DECODED, waits_for=_DECODED,
        is_wanted=lambda view: view.state.bench is BenchRow.SEEDS,
    ),
    Result("list", Lane.DATA, "app.work:list_trials", frozenset({"search", "subset"}),
           fault="search_error"),
    Result("card", Lane.DATA, "app.work:describe_voxel", follows=frozenset({"voxel"})),
)  # fmt: skip
