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
    "layers", "morph", "unfolding", "hemispheres", "roi_collections", "roi_labels", "bar_collections",
    "underlay", "slice_zoom", "voxel", "patches", "theme",
}  # fmt: skip
_TRIAL_FIELDS = frozenset(
    {"trials", "average_repeats", "seed", "decoder", "generator", "scaling", "patches"}
)
_DECODED = frozenset({"reconstruction"})
_ROUND_TRIP_LAYERS = frozenset({"measured", "predicted", "agreement"})


def _shows_round_trip(view: View) -> bool:
    layers = {layer.source for layer in view.state.layers if layer.visible}
    return "lesion" in view.watched or bool(layers & _ROUND_TRIP_LAYERS)


# What a subject that was just opened shows first, and what next: one interpreter runs all threads,
# and what is looked at must not wait for what may be looked at later.
OPENING: tuple[frozenset[str], ...] = (
    frozenset({"scene"}),
    frozenset({"scene", "cursor", "list", "reconstruction"}),
)

RESULTS: tuple[Result, ...] = (
    Result(
        "scene", Lane.QUICK, "app.workers.views:compose", _SCENE_FIELDS,
        follows=frozenset({"reconstruction", "tested", "intervals", "layer_maps"}),
    ),
    Result("concept_words", Lane.DATA, "app.workers.statistics:list_words"),
    Result(
        "offered", Lane.DATA, "app.workers.statistics:list_offers",
        frozenset({"reading", "statistic", "null", "encoder", "decoder"}),
    ),
    Result(
        "tested", Lane.STATISTICS, "app.workers.statistics:test_map", MAP_FIELDS,
        is_wanted=lambda view: bool(view.state.concept) and view.state.statistic != "none",
        fault="test_error",
    ),
    Result(
        "intervals", Lane.STATISTICS, "app.workers.statistics:measure_regions",
        frozenset({"bar_collections"}), follows=frozenset({"concept_map"}),
        waits_for=frozenset({"tested"}),
    ),
    Result("reconstruction", Lane.LONG, "app.workers.bench:decode", _TRIAL_FIELDS),
    Result(
        "concept_bars", Lane.DETAIL, "app.workers.bench:name_concepts", follows=_DECODED,
        waits_for=_DECODED,
    ),
    # Thousands of pictures on first use: not on the thread that decodes.
    Result(
        "training_vectors", Lane.STATISTICS, "app.workers.bench:embed_training",
        frozenset({"decoder"}), waits_for=_DECODED,
        is_wanted=lambda view: view.state.bench is not BenchRow.SEEDS,
    ),
    Result(
        "nearest", Lane.DETAIL, "app.workers.bench:find_nearest", follows=_DECODED,
        waits_for=_DECODED | {"training_vectors"},
        is_wanted=lambda view: view.state.bench is BenchRow.NEAREST,
    ),
    Result(
        "controls", Lane.LONG, "app.workers.bench:paint_controls", follows=_DECODED,
        waits_for=_DECODED | {"training_vectors"},
        is_wanted=lambda view: view.state.bench is BenchRow.CONTROLS,
    ),
    Result(
        "round_trip", Lane.LONG, "app.workers.lesion:go_round",
        frozenset({"noise_ceiling_floor_pct", "encoder"}), follows=_DECODED, waits_for=_DECODED,
        is_wanted=_shows_round_trip, fault="round_trip_error",
    ),
    Result(
        "lesion", Lane.DETAIL, "app.workers.lesion:measure_lesion",
        frozenset({"trials", "average_repeats", "concept", "scaling", "patches", "decoder"}),
        is_wanted=lambda view: any(factor != 1 for _, factor in view.state.scaling),
        fault="lesion_error",
    ),
    Result(
        "gallery", Lane.LONG, "app.workers.bench:paint_gallery", follows=_DECODED, waits_for=_DECODED,
        is_wanted=lambda view: view.state.bench is BenchRow.SEEDS,
    ),
    Result("list", Lane.DATA, "app.workers.trials:list_trials",
           frozenset({"search", "subset", "decoder"}), fault="search_error"),
    Result("facets", Lane.STATISTICS, "app.workers.trials:describe_trials"),
    Result(
        "cursor", Lane.QUICK, "app.workers.cursor:link_cursor", frozenset({"vertex"}),
        follows=frozenset({"voxel"}),
    ),
    Result(
        "layer_maps", Lane.DATA, "app.workers.layers:make_layers",
        frozenset({"layers", "trials", "average_repeats", "encoder"}),
        follows=frozenset({"round_trip", "round_trip_error"}),
    ),
    Result("regions", Lane.DATA, "app.workers.lesion:list_regions", frozenset({"decoder", "patches"})),
    Result(
        "card", Lane.DATA, "app.workers.cursor:describe_voxel", frozenset({"encoder"}),
        follows=frozenset({"voxel"}),
    ),
)  # fmt: skip
