"""Which test pictures a report shows: the best, those in the middle, and the worst."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nsdviewer.evaluation.catalogue import ConditionKind, Metric, MetricInfo
from nsdviewer.evaluation.conditions import Condition, TestPictures
from nsdviewer.evaluation.pictures import Picture, as_bytes
from nsdviewer.evaluation.report import Cell, Figure, Sample
from nsdviewer.evaluation.scores import Values

N_EACH = 4
_SIDE_PX = 200
_JPEG_QUALITY = 88
# The first of these that was computed and tells pictures apart chooses; meaning before looks.
_CHOOSERS = (Metric.CLIP, Metric.OWN_PICTURES, Metric.ALEXNET_5, Metric.PIXCORR, Metric.OWN_DECODED)
# A metric that gives more pictures than this its best value cannot say which is in the middle.
_MOST_AT_BEST = 0.4


def choose_samples(
    test: TestPictures,
    conditions: Sequence[Condition],
    cells: dict[ConditionKind, dict[str, Cell]],
    metrics: Sequence[MetricInfo],
    n_each: int = N_EACH,
) -> tuple[str, tuple[Sample, ...]]:
    """Return the rule in a sentence, and the samples; neither where nothing was painted.

    Pictures are ranked by the condition that the report is about; ties are broken by pixel
    correlation, then by nsd_id, so that the choice follows from the figures alone.
    """
    painted = [c for c in conditions if c.pictures is not None]
    ranked = _ranked(cells, painted, metrics)
    if ranked is None:
        return "", ()
    condition, info, values, order = ranked
    groups = _groups(len(order), n_each)
    samples = [
        _sample(test, painted, int(order[rank]), place, float(values[order[rank]]))
        for place, ranks in groups.items()
        for rank in ranks
    ]
    ties = "" if info.key == Metric.PIXCORR.value else ", ties broken by PixCorr"
    rule = (
        f"Best, median and worst of {len(order)} by {info.title} of '{condition.kind.title}'{ties}."
    )
    return rule, tuple(samples)


def _ranked(
    cells: dict[ConditionKind, dict[str, Cell]],
    painted: Sequence[Condition],
    metrics: Sequence[MetricInfo],
) -> tuple[Condition, MetricInfo, Values, NDArray[np.int64]] | None:
    by_key = {m.key: m for m in metrics}
    for condition in painted:
        row = cells[condition.kind]
        found = [(m, row[m.value]) for m in _CHOOSERS if isinstance(row[m.value], Figure)]
        if not found:
            continue
        telling = [pair for pair in found if not _is_saturated(_array(pair[1]))]
        metric, cell = (telling or found)[0]
        values = _array(cell)
        tie = _array(row[Metric.PIXCORR.value])
        if tie.shape != values.shape:
            tie = np.zeros(len(values))
        order = np.lexsort((np.arange(len(values)), -np.nan_to_num(tie), -values))
        return condition, by_key[metric.value], values, order[np.isfinite(values[order])]
    return None


def _is_saturated(values: Values) -> bool:
    finite = values[np.isfinite(values)]
    return bool((finite == finite.max()).mean() > _MOST_AT_BEST)


def _array(cell: Cell) -> Values:
    """(n,) values of a figure; none where it was not computed."""
    per_item = cell.per_item if isinstance(cell, Figure) else ()
    return np.array([np.nan if v is None else v for v in per_item], np.float64)


def _groups(n: int, n_each: int) -> dict[str, range]:
    """Ranks of each group, no picture twice."""
    each = min(n_each, max(n // 3, 1))
    if n < 3:
        return {"best": range(min(n, 1)), "worst": range(1, n)}
    middle = (n - each) // 2
    return {
        "best": range(each),
        "median": range(middle, middle + each),
        "worst": range(n - each, n),
    }


def _sample(
    test: TestPictures, painted: Sequence[Condition], row: int, place: str, value: float
) -> Sample:
    at = np.array([row])
    made = {c.kind: _jpeg(c.pictures.read(at)[0]) for c in painted if c.pictures is not None}
    seen = _jpeg(test.pictures.read(at)[0])
    return Sample(int(test.nsd_ids[row]), place, value, seen, made)


def _jpeg(picture: Picture) -> str:
    """Encode a picture, at most 200 pixels a side."""
    image = Image.fromarray(as_bytes(picture))
    image.thumbnail((_SIDE_PX, _SIDE_PX), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=_JPEG_QUALITY)
    return base64.b64encode(stream.getvalue()).decode("ascii")
