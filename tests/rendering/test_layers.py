"""Layers become colours: scales fit the quantity, thresholds fade or hide, the topmost lies on top."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from nsdviewer.rendering.colours import (
    CYCLIC,
    DIVERGING,
    SEQUENTIAL,
    blend,
    colour_bar,
    paint_of,
    read_colours,
    usual_colours,
)
from nsdviewer.rendering.layers import LayerMap, ShownLayer
from nsdviewer.rendering.outlines import boundary_edges, outline_segments
from nsdviewer.rendering.slices import draw_slice
from nsdviewer.state import Hemisphere, LayerChoice, Theme, Thresholding

HARD, TRANSPARENT = Thresholding.HARD, Thresholding.TRANSPARENT
GREY = 120
SIGNED = LayerMap("planted", "change", "%", volume=np.zeros((1, 1, 1), np.float32))
UNSIGNED = replace(SIGNED, signed=False)
ANGLE = replace(SIGNED, signed=False, unit="deg", period=360.0)


def colours_of(
    layer_map: LayerMap,
    values: list[float] | NDArray[np.float32],
    passes: NDArray[np.bool_] | None = None,
    theme: Theme = Theme.DARK,
    **choice: object,
) -> NDArray[np.int64]:
    """Return (n, 3) what values look like over a grey cortex."""
    shown = ShownLayer(LayerChoice("planted", **{"limit": 2.0, **choice}), layer_map)
    rgb = np.full((len(values), 3), GREY, np.uint8)
    blend(rgb, paint_of(shown, theme), np.asarray(values, np.float32), passes)
    return rgb.astype(np.int64)


def strength(rgb: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (n,) how far colours are from the grey beneath."""
    return np.linalg.norm(rgb - GREY, axis=1)


@pytest.mark.parametrize("theme", list(Theme))
def test_what_is_not_there_is_not_coloured(theme: Theme) -> None:
    rgb = colours_of(SIGNED, [np.nan, 0.0, 2.0, 5.0], theme=theme)
    assert (rgb[:2] == GREY).all()
    np.testing.assert_array_equal(rgb[2], rgb[3])
    np.testing.assert_allclose(
        rgb[2] / 255, read_colours(usual_colours(SIGNED, theme))[-1], atol=0.01
    )


@pytest.mark.parametrize("theme", list(Theme))
def test_a_signed_map_is_symmetric_about_zero(theme: Theme) -> None:
    sizes = np.linspace(0.1, 2.5, 40, dtype=np.float32)
    paint = paint_of(ShownLayer(LayerChoice("planted", limit=2.0), SIGNED), theme)
    assert paint.low == -paint.high
    up, down = paint.rows(sizes, None), paint.rows(-sizes, None)
    np.testing.assert_allclose(paint.kept[up].astype(int), paint.kept[down].astype(int), atol=6)
    assert (paint.added[up] != paint.added[down]).any(1).all()


def test_scales_begin_at_zero_for_what_has_no_sign_and_close_for_angles() -> None:
    for layer_map, low, high, offered in (
        (SIGNED, -2.0, 2.0, DIVERGING), (UNSIGNED, 0.0, 2.0, SEQUENTIAL), (ANGLE, 0.0, 360.0, CYCLIC),
    ):  # fmt: skip
        for theme in Theme:
            paint = paint_of(ShownLayer(LayerChoice("planted", limit=2.0), layer_map), theme)
            assert (paint.low, paint.high) == (low, high)
            assert usual_colours(layer_map, theme).removesuffix("_r") in offered
    turned = colours_of(ANGLE, [10.0, 370.0, 200.0, -160.0, 0.0, 359.9])
    np.testing.assert_array_equal(turned[0], turned[1])
    np.testing.assert_array_equal(turned[2], turned[3])
    assert np.abs(turned[4] - turned[5]).max() < 12


@pytest.mark.parametrize("size", [1e-320, 1e-42, 1e-30, 1e30, 1e300])
@pytest.mark.filterwarnings("error")
def test_no_scale_is_too_small_or_too_large_to_be_drawn(size: float) -> None:
    most = float(np.finfo(np.float32).max)
    for layer_map in (SIGNED, UNSIGNED):
        for choice in ({"limit": size}, {"threshold": size}, {"limit": size, "threshold": size}):
            rgb = colours_of(layer_map, [0.0, most, -most, np.nan, 1e-44], **choice)
            assert (rgb[3] == GREY).all()
            assert (rgb[1] != rgb[0]).any() or size > most
    # A map of such values has a scale of its own.
    if size < most:
        tiny = replace(UNSIGNED, volume=np.full((2, 2, 2), size, np.float32))
        shown = ShownLayer(LayerChoice("planted"), tiny)
        assert colour_bar(paint_of(shown, Theme.DARK), Theme.DARK).high > 0


@pytest.mark.parametrize("layer_map", [SIGNED, UNSIGNED])
def test_below_the_threshold_a_layer_fades_or_is_hidden(layer_map: LayerMap) -> None:
    values = np.array([0.2, 0.5, 0.9, 1.0, 1.5], np.float32)
    faded = colours_of(layer_map, values, threshold=1.0)
    hidden = colours_of(layer_map, values, threshold=1.0, thresholding=HARD)
    np.testing.assert_array_equal(faded[3:], hidden[3:])
    assert (hidden[:3] == GREY).all()
    solid = colours_of(layer_map, values, thresholding=HARD)
    share = strength(faded[:3]) / strength(solid[:3])
    # Opacity falls with the square of the value.
    np.testing.assert_allclose(share, values[:3] ** 2, atol=0.04)


def test_what_fails_its_test_is_fainter_than_what_passes() -> None:
    values = np.full(4, 1.7, np.float32)
    passes = np.array([True, False, True, False])
    tested = replace(SIGNED, test="FDR ≤ .05")
    faded = colours_of(tested, values, passes)
    hidden = colours_of(tested, values, passes, thresholding=HARD)
    assert 0 < strength(faded)[1] < 0.5 * strength(faded)[0]
    assert (hidden[1] == GREY).all() and (hidden[0] != GREY).any()
    bar = colour_bar(paint_of(ShownLayer(LayerChoice("planted"), tested), Theme.DARK), Theme.DARK)
    assert bar.said == "FDR ≤ .05 outlined" and "%" in bar.title


def test_layers_lie_over_one_another_as_paint_does() -> None:
    """Whole numbers give what the slow formula gives, to two levels of 255."""
    rng = np.random.default_rng(1)
    n = 4000
    choices = [
        LayerChoice("a", limit=2.0, opacity=0.7),
        LayerChoice("b", limit=3.0, threshold=1.2, opacity=0.9, colours="crameri:batlow"),
        LayerChoice("c", limit=1.0, opacity=0.4, thresholding=HARD),
    ]
    maps = [SIGNED, UNSIGNED, SIGNED]
    values = [rng.normal(0, 1.5, n).astype(np.float32) for _ in choices]
    rgb = rng.integers(0, 256, (n, 3)).astype(np.uint8)
    slow = rgb / 255.0
    for choice, layer_map, value in zip(choices, maps, values, strict=True):
        value[rng.random(n) < 0.3] = np.nan
        paint = paint_of(ShownLayer(choice, layer_map), Theme.DARK)
        blend(rgb, paint, value, None)
        table = read_colours(choice.colours or usual_colours(layer_map, Theme.DARK))
        place = (np.nan_to_num(value) - paint.low) / (paint.high - paint.low)
        row = np.clip(np.rint(place * 255), 0, 255).astype(int)
        size = np.abs(np.linspace(paint.low, paint.high, 256))[row]
        fading = (size / (choice.threshold or paint.high / 2)) ** 2
        alpha = np.minimum(1, fading) * choice.opacity
        above = np.abs(value) >= choice.threshold if layer_map.signed else value >= choice.threshold
        if choice.thresholding is HARD or choice.threshold:
            alpha = np.where(above, choice.opacity, alpha)
        alpha = np.where(np.isfinite(value), alpha, 0)[:, None]
        slow = (1 - alpha) * slow + alpha * table[row]
    np.testing.assert_allclose(rgb / 255.0, slow, atol=2.5 / 255)


def test_slices_show_what_the_cortex_shows() -> None:
    """The same layers over the same grey come out the same in both."""
    rng = np.random.default_rng(2)
    shape = (6, 7, 8)
    layers = []
    for k in range(3):
        volume = rng.normal(0, 1, shape).astype(np.float32)
        volume[rng.random(shape) < 0.4] = np.nan
        choice = LayerChoice(f"m{k}", limit=2.0, opacity=(1.0, 0.5, 0.8)[k])
        layers.append(ShownLayer(choice, LayerMap(f"m{k}", "", volume=volume)))
    paints = tuple(paint_of(shown, Theme.LIGHT) for shown in layers)
    under = np.full(shape, 0.5)
    picture = draw_slice(under, paints, (2, 3, 4), 0)
    flat = np.full((7 * 8, 3), round(0.5 * 255), np.uint8)
    for paint in paints:
        blend(flat, paint, paint.shown.map.volume[2].ravel(), None)
    expected = flat.reshape(7, 8, 3).transpose(1, 0, 2)[::-1]
    drawn = picture.rgb[2 :: picture.zoom, 2 :: picture.zoom].astype(int)
    assert np.abs(drawn - expected).max() <= 3


def test_a_border_separates_what_is_above_from_the_rest() -> None:
    """On a grid of triangles each line crosses edges of which one end is above, and closes."""
    n = 24
    index = np.arange(n * n).reshape(n, n)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    faces = np.concatenate(
        [np.stack([p.ravel() for p in t], 1) for t in ((a, b, c), (b, d, c))]
    ).astype(np.int32)
    x, y = np.meshgrid(np.arange(n), np.arange(n))
    values = np.exp(-((x - 11) ** 2 + (y - 12) ** 2) / 30).astype(np.float32).ravel()
    layer_map = LayerMap("bump", "", vertices={Hemisphere.LEFT: values}, signed=False)
    shown = ShownLayer(LayerChoice("bump", threshold=0.5), layer_map)
    above = shown.above_vertices(Hemisphere.LEFT)
    edges = boundary_edges(faces, above)
    assert (above[edges[..., 0]] != above[edges[..., 1]]).all()
    points = np.column_stack([x.ravel(), y.ravel(), np.zeros(n * n)]).astype(np.float32)
    segments = outline_segments(edges, points, np.zeros_like(points))
    _, visits = np.unique(segments.reshape(-1, 3), axis=0, return_counts=True)
    assert (visits == 2).all()
    centre = np.linalg.norm(segments.mean(1)[:, :2] - (11, 12), axis=1)
    np.testing.assert_allclose(centre, np.sqrt(30 * np.log(2)), atol=1.0)


def test_borders_are_drawn_only_where_something_is_told_apart() -> None:
    vertices = {Hemisphere.LEFT: np.linspace(-1, 1, 9, dtype=np.float32)}
    layer_map = LayerMap("m", "", vertices=vertices)
    assert not ShownLayer(LayerChoice("m"), layer_map).is_outlined
    assert ShownLayer(LayerChoice("m", threshold=0.5), layer_map).is_outlined
    assert not ShownLayer(LayerChoice("m", threshold=0.5, thresholding=HARD), layer_map).is_outlined
    assert ShownLayer(LayerChoice("m"), replace(layer_map, test="p ≤ .01")).is_outlined


def test_a_colour_map_that_does_not_exist_gives_way_to_the_usual_one() -> None:
    shown = ShownLayer(LayerChoice("m", limit=1.0, colours="no such map"), SIGNED)
    usual = ShownLayer(LayerChoice("m", limit=1.0), SIGNED)
    np.testing.assert_array_equal(
        paint_of(shown, Theme.DARK).added, paint_of(usual, Theme.DARK).added
    )


@pytest.mark.parametrize("name", [*DIVERGING, *SEQUENTIAL, *CYCLIC])
def test_the_colour_maps_to_offer_exist(name: str) -> None:
    assert read_colours(name).shape == (256, 3)
