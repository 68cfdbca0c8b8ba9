"""Each change equals a slow reference, flows backwards, and comes up as often as it should."""

import math
from dataclasses import fields

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from scipy.spatial.transform import Rotation

from nsdviewer.errors import RequestError
from nsdviewer.models.generators.augmentation import Augmentation, Change
from nsdviewer.models.generators.image_changes import Drawn, augment

FACTORS = {"scale", "stretch", "contrast", "saturation"}
NAMES = [f.name for f in fields(Drawn)]
GEOMETRIC, COLOURS = NAMES[: NAMES.index("brightness")], NAMES[NAMES.index("brightness") :]


def some_images(n: int, height: int = 12, width: int = 12, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, 3, height, width, dtype=torch.float64, generator=generator) * 2 - 1


def done(images: torch.Tensor, **changes: float) -> np.ndarray:
    """`images` with the same done to all of them."""
    n = len(images)
    tensors = {k: torch.full((n,), v, dtype=torch.float64) for k, v in changes.items()}
    return augment(images, Drawn.nothing(n, **tensors)).numpy()


# Slow references. Matrices act on (down, right) of the middle of the picture.


def forward_matrix(d: dict[str, float]) -> np.ndarray:
    """(3, 3): where a point of the picture goes to, one step after the other."""

    def turn(angle: float) -> np.ndarray:
        c, s = math.cos(angle), math.sin(angle)
        # Counter-clockwise as it is seen: what is right goes up.
        return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])

    def move(down: float, right: float) -> np.ndarray:
        return np.array([[1, 0, down], [0, 1, right], [0, 0, 1.0]])

    s, t = d["scale"], d["stretch"]
    return (
        move(d["down_fraction_px"], d["right_fraction_px"])
        @ turn(d["turn_after"])
        @ np.diag([1 / t, t, 1])
        @ turn(d["turn_before"])
        @ np.diag([s, s, 1])
        @ move(d["down_px"], d["right_px"])
        @ turn(d["quarter_turns"] * math.pi / 2)
        @ np.diag([1, 1 - 2 * d["mirror"], 1])
    )


def slow_geometry(image: np.ndarray, d: dict[str, float]) -> np.ndarray:
    """SciPy's bilinear interpolation; its 'reflect' mirrors at the edges of pixels."""
    back = np.linalg.inv(forward_matrix(d))
    middle = (np.array(image.shape[1:]) - 1) / 2
    offset = back[:2, :2] @ -middle + back[:2, 2] + middle
    return np.stack(
        [ndimage.affine_transform(c, back[:2, :2], offset, order=1, mode="reflect") for c in image]
    )


def slow_colour(image: np.ndarray, d: dict[str, float]) -> np.ndarray:
    """Pixel by pixel, by words: luma is the part along the grey axis, chroma the rest."""
    axis = np.ones(3) / math.sqrt(3)
    turn = Rotation.from_rotvec(d["hue"] * axis)
    result = np.empty_like(image)
    for row, column in np.ndindex(image.shape[1:]):
        pixel = (image[:, row, column] + d["brightness"]) * d["contrast"]
        luma = (pixel @ axis) * axis
        chroma = pixel - luma
        if d["luma_flip"]:
            luma = -luma
        pixel = turn.apply(luma + chroma)
        luma = (pixel @ axis) * axis
        result[:, row, column] = luma + d["saturation"] * (pixel - luma)
    return result


def neutral(**changes: float) -> dict[str, float]:
    return {name: float(name in FACTORS) for name in NAMES} | changes


# Changes.


@pytest.mark.parametrize(("height", "width"), [(12, 12), (8, 13)])
def test_mirrors_turns_and_whole_shifts_move_pixels_exactly(height: int, width: int) -> None:
    images = some_images(2, height, width)
    x = images.numpy()
    np.testing.assert_array_equal(done(images, mirror=1), x[..., ::-1])
    np.testing.assert_array_equal(done(images, quarter_turns=2), x[..., ::-1, ::-1])
    if height == width:
        for k in range(4):
            np.testing.assert_array_equal(
                done(images, quarter_turns=k), np.rot90(x, k, axes=(2, 3))
            )
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (3, 3)), mode="symmetric")
    shifted = done(images, right_px=3, down_px=-2)
    np.testing.assert_array_equal(shifted, padded[..., 4 : 4 + height, :width])


def test_a_picture_is_mirrored_at_its_edges_however_far_it_goes() -> None:
    images = some_images(1, 5, 4)
    x = images.numpy()
    tiled = np.concatenate([x, x[..., ::-1]] * 6, -1)
    for right in (1, 4, 7, 8, 19):
        expected = tiled[..., 24 - right : 28 - right]
        np.testing.assert_array_equal(done(images, right_px=right), expected)


CASES = {
    "scale": (0.6, 1.7),
    "turn_before": (0.4, -2.9),
    "stretch": (0.7, 1.3),
    "turn_after": (1.1, -0.2),
    "right_fraction_px": (2.3, -1.75),
    "down_fraction_px": (0.5, -3.1),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("size", [(12, 12), (9, 14)])
def test_each_geometric_change_equals_scipys(name: str, size: tuple[int, int]) -> None:
    (image,) = some_images(1, *size).numpy()
    for value in CASES[name]:
        expected = slow_geometry(image, neutral(**{name: value}))
        found = done(some_images(1, *size), **{name: value})[0]
        np.testing.assert_allclose(found, expected, atol=1e-9)
        assert np.abs(found - image).max() > 0.1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("brightness", 0.3),
        ("contrast", 1.8),
        ("luma_flip", 1.0),
        ("hue", 2.1),
        ("hue", -0.4),
        ("saturation", 0.0),
        ("saturation", 2.5),
    ],
)
def test_each_change_of_colour_equals_its_words(name: str, value: float) -> None:
    images = some_images(1, 4, 5)
    expected = slow_colour(images[0].numpy(), neutral(**{name: value}))
    np.testing.assert_allclose(done(images, **{name: value})[0], expected, atol=1e-12)


def test_everything_drawn_at_once_is_one_change_after_the_other() -> None:
    augmentation = Augmentation(p=1.0)
    images = some_images(12, 10, 10)
    torch.manual_seed(5)
    drawn = augmentation.draw(12, 10, 10)
    found = augment(images, drawn).numpy()
    for k in range(12):
        d = {name: float(getattr(drawn, name)[k]) for name in NAMES}
        expected = slow_colour(slow_geometry(images[k].numpy(), d), d)
        # Angles and factors are drawn in single precision.
        np.testing.assert_allclose(found[k], expected, atol=2e-5)


# Nothing to do.


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_at_strength_zero_every_bit_stays(dtype: torch.dtype) -> None:
    images = torch.randn(5, 3, 9, 8).to(dtype)
    images[0, 0, 0, 0] = -0.0
    found = Augmentation(p=0.0)(images)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found.view(torch.uint8).numpy(), images.view(torch.uint8).numpy())


def test_at_a_low_strength_most_pictures_stay_and_some_change() -> None:
    torch.manual_seed(0)
    images = some_images(400, 6, 6).float()
    is_same = (Augmentation(p=0.01)(images) == images).flatten(1).all(1)
    assert 0.75 < is_same.double().mean() < 0.97


def test_half_precision_is_changed_in_single_precision() -> None:
    images = some_images(8).half()
    torch.manual_seed(1)
    half = Augmentation(p=1.0)(images)
    torch.manual_seed(1)
    single = Augmentation(p=1.0)(images.float())
    assert half.dtype == torch.float16
    torch.testing.assert_close(half, single.half())


def test_what_is_drawn_follows_the_seed() -> None:
    images, augmentation = some_images(6).float(), Augmentation(p=0.7)
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(augmentation(images))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    own = [augmentation(images, torch.Generator().manual_seed(4)) for _ in range(2)]
    assert torch.equal(*own)


# Gradients.


def test_gradients_of_both_orders_flow() -> None:
    augmentation = Augmentation(p=1.0)
    torch.manual_seed(3)
    drawn = augmentation.draw(2, 5, 4)
    images = some_images(2, 5, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: augment(x, drawn), (images,))
    # R1 takes the gradient of a gradient.
    assert torch.autograd.gradgradcheck(lambda x: (augment(x, drawn) ** 3).sum(), (images,))


def test_an_unchanged_picture_passes_its_gradient_on() -> None:
    images = some_images(3).requires_grad_()
    weights = some_images(3, seed=1)
    (Augmentation(p=0.0)(images) * weights).sum().backward()
    assert images.grad is not None
    assert torch.equal(images.grad, weights)


# How often, and how much.

N_DRAWN = 20_000
P = 0.4


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    torch.manual_seed(0)
    return Augmentation(p=P).draw(N_DRAWN, 64, 32)


def assert_share(is_so: torch.Tensor, expected: float) -> None:
    sd = math.sqrt(expected * (1 - expected) / N_DRAWN)
    assert abs(float(is_so.double().mean()) - expected) < 4 * sd


def test_each_change_comes_up_with_its_probability(drawn: Drawn) -> None:
    # A mirror and a flip of luma are no change half the time, a quarter turn a fourth of it.
    shares = {"mirror": P / 2, "luma_flip": P / 2, "quarter_turns": P * 3 / 4}
    turn = 1 - math.sqrt(1 - P)
    shares |= {"turn_before": turn, "turn_after": turn}
    # Of 64 rows, shifts of −8..8 are drawn: half as likely at both ends, and 0 once in 16.
    shares |= {"down_px": P * 15 / 16, "right_px": P * 7 / 8}
    for name in NAMES:
        neutral_value = float(name in FACTORS)
        assert_share(getattr(drawn, name) != neutral_value, shares.get(name, P))
    assert_share((drawn.turn_before != 0) | (drawn.turn_after != 0), P)
    # Both ways at once, or neither.
    is_right, is_down = drawn.right_fraction_px != 0, drawn.down_fraction_px != 0
    assert torch.equal(is_right, is_down)


@pytest.mark.parametrize(
    ("name", "distribution"),
    [
        ("scale", stats.norm(0, 0.2)),
        ("stretch", stats.norm(0, 0.2)),
        ("contrast", stats.norm(0, 0.5)),
        ("saturation", stats.norm(0, 1)),
        ("brightness", stats.norm(0, 0.2)),
        ("hue", stats.uniform(-math.pi, 2 * math.pi)),
        ("turn_before", stats.uniform(-math.pi, 2 * math.pi)),
        ("turn_after", stats.uniform(-math.pi, 2 * math.pi)),
        ("down_fraction_px", stats.norm(0, 0.125 * 64)),
        ("right_fraction_px", stats.norm(0, 0.125 * 32)),
    ],
)
def test_changes_have_the_published_distributions(drawn: Drawn, name: str, distribution) -> None:
    values = getattr(drawn, name)
    values = values[values != float(name in FACTORS)].double().numpy()
    if name in FACTORS:
        values = np.log2(values)
    assert stats.kstest(values, distribution.cdf).pvalue > 1e-3


def test_whole_shifts_and_turns_are_even(drawn: Drawn) -> None:
    assert torch.equal(drawn.down_px, drawn.down_px.round())
    assert drawn.down_px.abs().max() == 8 and drawn.right_px.abs().max() == 4
    turns = torch.bincount(drawn.quarter_turns.long())
    assert len(turns) == 4
    assert stats.chisquare(turns[1:].numpy()).pvalue > 1e-3


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Change.BLIT, {"mirror", "quarter_turns", "right_px", "down_px"}),
        (Change.GEOMETRY, set(GEOMETRIC[4:])),
        (Change.COLOUR, set(COLOURS)),
    ],
)
def test_only_the_groups_that_are_asked_for_are_drawn(change: Change, expected: set[str]) -> None:
    torch.manual_seed(0)
    found = Augmentation(p=1.0, changes=[change]).draw(64, 32, 32)
    nothing = Drawn.nothing(64)
    is_drawn = {k for k in NAMES if not torch.equal(getattr(found, k), getattr(nothing, k))}
    assert is_drawn == expected


# Adapting.


def test_strength_moves_at_the_published_speed_and_stays_a_probability() -> None:
    augmentation = Augmentation()
    for _ in range(100):
        augmentation.adapt(1.0, 2_500)
    assert float(augmentation.p) == pytest.approx(0.5, abs=1e-5)
    augmentation.adapt(0.2, 50_000)
    assert float(augmentation.p) == pytest.approx(0.4, abs=1e-5)
    augmentation.adapt(0.6, 50_000)
    augmentation.adapt(float("nan"), 50_000)
    assert float(augmentation.p) == pytest.approx(0.4, abs=1e-5)
    augmentation.adapt(-1.0, 400_000)
    assert float(augmentation.p) == 0
    augmentation.adapt(0.9, 900_000)
    assert float(augmentation.p) == 1


def overfit_signs(p: float, rng: np.random.Generator) -> np.ndarray:
    """Signs of a discriminator that knows its pictures by heart, and fewer the more they change."""
    return np.where(rng.random(64) < 1 - 0.35 * p, 1.0, -1.0)


def test_strength_settles_where_the_discriminator_is_as_sure_as_it_should_be() -> None:
    """The mean sign is 1 − .7 p, which is .6 at p = 4/7; it gets there from either side."""
    rng = np.random.default_rng(0)
    for start in (0.0, 1.0):
        augmentation = Augmentation(p=start)
        for _ in range(400):
            augmentation.adapt(float(overfit_signs(float(augmentation.p), rng).mean()), 2_000)
        assert abs(float(augmentation.p) - 4 / 7) < 0.12


def test_strength_is_part_of_the_state() -> None:
    first, second = Augmentation(p=0.25), Augmentation()
    second.load_state_dict(first.state_dict())
    assert float(second.p) == 0.25


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_what_is_no_probability_is_refused(p: float) -> None:
    with pytest.raises(RequestError, match="0 to 1"):
        Augmentation(p=p)


@pytest.mark.parametrize("shape", [(2, 1, 4, 4), (3, 4, 4), (2, 4, 4, 3)])
def test_what_is_no_rgb_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(RequestError, match="RGB"):
        augment(torch.zeros(shape), Drawn.nothing(2))
    if len(shape) == 4:
        with pytest.raises(RequestError, match="RGB"):
            Augmentation(p=0.5)(torch.zeros(shape))
