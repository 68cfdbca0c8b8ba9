"""Whether values from a file are of the kinds that a view holds: files are edited by hand."""

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

from nsdviewer.errors import RequestError
from nsdviewer.state.layers import LayerChoice, Patch

MOST_CHARACTERS = 20_000
# Of NSD's eight subjects none saw more than 30,000 trials.
MOST_TRIALS, MOST_NAMES = 100_000, 256
MOST_VERTICES = 2_000_000
_FARTHEST_MM, _LEAST_SINE = 1e6, 1e-6


def check_kinds(values: Mapping[str, Any]) -> None:
    """Raise `RequestError` for the first value that cannot be what its field holds."""
    for name, value in values.items():
        wanted, fits = _KINDS.get(name, ("", _anything))
        if not fits(value):
            raise RequestError(
                f"The saved view holds no {wanted} as its '{name}'; mend the file, or save the view "
                "again."
            )


def limited(values: Any, most: int = MOST_NAMES) -> list[Any]:
    """Return a list from a file; raises `ValueError` where it is none, or longer than any of ours."""
    if not isinstance(values, list | tuple) or len(values) > most:
        raise ValueError(f"there is no list of at most {most:,} entries")
    return list(values)


def read_patches(values: Any) -> tuple[Patch, ...]:
    """Read regions, as long as all of them together have no more vertices than cortices have."""
    found: list[Patch] = []
    n_vertices = 0
    for each in limited(values):
        found.append(Patch.from_dict(each))
        n_vertices += len(found[-1].vertices)
        if n_vertices > MOST_VERTICES:
            raise ValueError("its regions have more vertices than a cortex")
    return tuple(found)


def _anything(_: Any) -> bool:
    return True


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether `value` is a finite number that is no more than any float."""
    # JSON's whole numbers have no end: `math.isfinite` cannot take those of 400 digits.
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) <= sys.float_info.max
    )


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MOST_CHARACTERS


def _each(fits: Callable[[Any], bool], most: int) -> Callable[[Any], bool]:
    return lambda v: isinstance(v, tuple) and len(v) <= most and all(fits(each) for each in v)


def _is_voxel(value: Any) -> bool:
    return value is None or (_each(_is_whole, 3)(value) and len(value) == 3)


def _is_layer(value: Any) -> bool:
    return (
        isinstance(value, LayerChoice)
        and _is_text(value.source)
        and _is_text(value.colours)
        and _is_truth(value.visible)
        and all(is_number(n) for n in (value.opacity, value.threshold))
        and (value.limit is None or is_number(value.limit))
    )


def is_camera(value: object) -> bool:
    """Whether `value` is the default camera, or ten numbers of one that sees something.

    See `ViewState.camera`: it looks from one place to another, upwards is not along that line, and
    its numbers are millimetres that a drawing can hold.
    """
    if not isinstance(value, list | tuple) or not value:
        return isinstance(value, list | tuple)
    if len(value) != 10 or not all(is_number(n) and abs(n) <= _FARTHEST_MM for n in value):
        return False
    ahead = [to - at for at, to in zip(value[:3], value[3:6], strict=True)]
    (a, b, c), (u, v, w) = ahead, value[6:9]
    across = math.hypot(b * w - c * v, c * u - a * w, a * v - b * u)
    return bool(across > _LEAST_SINE * math.hypot(*ahead) * math.hypot(u, v, w) and value[9] >= 0)


_TEXT = ("text", _is_text)
_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(
        ("root", "concept", "statistic", "search", "subset", "embedding", "decoder", "encoder",
         "generator"),
        _TEXT,
    ),
    **dict.fromkeys(("subject", "seed"), ("whole number", _is_whole)),
    **dict.fromkeys(("noise_ceiling_floor_pct", "morph", "slice_zoom"), ("number", is_number)),
    **dict.fromkeys(("average_repeats", "roi_labels"), ("true or false", _is_truth)),
    "trials": ("list of trials", _each(_is_whole, MOST_TRIALS)),
    **dict.fromkeys(
        ("roi_collections", "bar_collections"), ("list of names", _each(_is_text, MOST_NAMES))
    ),
    "layers": ("list of layers", _each(_is_layer, MOST_NAMES)),
    "camera": ("ten numbers of a camera that sees something", is_camera),
    "voxel": ("three whole numbers", _is_voxel),
}  # fmt: skip
