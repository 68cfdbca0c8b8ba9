"""Losses equal their formulas: loops, and Jacobians built column by column in forward mode."""

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call, jacfwd

from nsdviewer.models.lafite import losses
from nsdviewer.models.lafite.config import LafiteConfig
from nsdviewer.models.lafite.discriminator import Discriminator
from nsdviewer.models.lafite.generator import Generator

TINY = LafiteConfig(
    resolution=8, n_embedding=4, n_z=4, n_w=3, n_mapping_layers=1, channel_base=32, channel_max=4,
    n_condition=3,
)  # fmt: skip
N, D = 5, 4


def randn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.double, requires_grad=True)


def unit(*shape: int) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, dtype=torch.double), dim=-1)


def cos(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a * b).sum() / a.square().sum().sqrt() / b.square().sum().sqrt()


def slow_nce(features: torch.Tensor, conditions: torch.Tensor, tau: float = 0.5) -> torch.Tensor:
    total = torch.zeros((), dtype=torch.double)
    for i in range(len(features)):
        alike = [(cos(f, conditions[i]) / tau).exp() for f in features]
        total = total - (alike[i] / sum(alike)).log() / len(features)
    return total


def slow_both_branches(features: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
    return slow_nce(features[:, 0], conditions[:, 0]) + slow_nce(features[:, 1], conditions[:, 1])


def slow_perturbation(drawn: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (slow_nce(drawn, target, 0.1) + slow_nce(target, drawn, 0.1)) / 2


@pytest.mark.parametrize(
    ("fast", "slow", "shape"),
    [
        (losses.info_nce, slow_nce, (N, D)),
        (losses.contrastive_loss, slow_nce, (N, D)),
        (losses.contrastive_loss, slow_both_branches, (N, 2, D)),
        (losses.perturbation_loss, slow_perturbation, (N, D)),
    ],
)
def test_contrastive_losses_equal_their_definitions(
    fast: Callable[..., torch.Tensor], slow: Callable[..., torch.Tensor], shape: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    inputs = (randn(*shape), randn(*shape))
    torch.testing.assert_close(fast(*inputs), slow(*inputs), atol=1e-5, rtol=0)
    for a, b in zip(
        torch.autograd.grad(fast(*inputs), inputs),
        torch.autograd.grad(slow(*inputs), inputs),
        strict=True,
    ):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)


def test_contrastive_loss_of_matches_and_of_chance() -> None:
    """Equal similarities say nothing: log n. Perfect and orthogonal matches have a closed form."""
    same = torch.ones(N, D, dtype=torch.double)
    assert float(losses.info_nce(same, same)) == pytest.approx(math.log(N))
    matches = torch.eye(N, dtype=torch.double)
    expected = math.log(math.exp(2) + N - 1) - 2
    assert float(losses.info_nce(matches, matches)) == pytest.approx(expected)


def test_the_game_is_logistic() -> None:
    real, fake = randn(N), randn(N)
    own = sum(-torch.log(1 / (1 + torch.exp(-x))) for x in fake) / N
    torch.testing.assert_close(losses.generator_loss(fake), own)
    judged = sum(
        -torch.log(1 / (1 + torch.exp(-r))) - torch.log(1 - 1 / (1 + torch.exp(-f)))
        for r, f in zip(real, fake, strict=True)
    )
    torch.testing.assert_close(losses.discriminator_loss(real, fake), judged / N)


def test_r1_equals_the_slope_along_every_pixel() -> None:
    """Through the whole discriminator, and so in the gradients that its weights get."""
    torch.manual_seed(0)
    network = Discriminator(TINY).double()
    image, condition = randn(2, 3, 8, 8), unit(2, D)
    names = ["from_rgb.weight", "blocks.0.second.weight", "semantic.weight"]
    weights = {name: network.get_parameter(name) for name in names}
    penalty = losses.r1_penalty(network(image, condition)[0], image)

    def slow(*chosen: torch.Tensor) -> torch.Tensor:
        parameters = dict(zip(names, chosen, strict=True))
        # Row i of this Jacobian: the slopes of logit i along all pixels of all samples.
        slopes = jacfwd(lambda x: functional_call(network, parameters, (x, condition))[0])(
            image.detach()
        )
        return slopes.sum(0).square().sum() / (2 * len(image))

    expected = slow(*weights.values())
    torch.testing.assert_close(penalty, expected, atol=1e-5, rtol=0)
    chosen = tuple(weights.values())
    for a, b in zip(
        torch.autograd.grad(penalty, chosen), torch.autograd.grad(expected, chosen), strict=True
    ):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def test_r1_of_a_known_function() -> None:
    image = torch.randn(3, 2, 4, 4, requires_grad=True)
    penalty = losses.r1_penalty(image.square().sum((1, 2, 3)), image)
    expected = (2 * image).square().sum((1, 2, 3)).mean() / 2
    torch.testing.assert_close(penalty, expected)


def test_path_lengths_equal_those_of_the_whole_jacobian() -> None:
    """Penalty, running mean, and the gradients that the generator's weights get."""
    torch.manual_seed(0)
    network = Generator(TINY).double()
    embedding = unit(2, D)
    w = randn(2, network.n_styles, TINY.n_w)
    weight = network.get_parameter("layers.1.convolution.weight")
    mean = torch.tensor(0.3, dtype=torch.double)

    image = network.synthesise(w, embedding)
    lengths = losses.path_lengths(image, w, torch.Generator().manual_seed(7))
    penalty, moved = losses.path_length_penalty(lengths, mean, decay=0.1)

    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(7), dtype=torch.double)
    jacobian = jacfwd(lambda x: network.synthesise(x, embedding))(w.detach())
    expected = []
    for i in range(2):
        total = torch.zeros((), dtype=torch.double)
        for layer in range(network.n_styles):
            for k in range(TINY.n_w):
                product = (jacobian[i, ..., i, layer, k] * noise[i] / 8).sum()
                total = total + product**2
        expected.append(torch.sqrt(total / network.n_styles))
    torch.testing.assert_close(lengths, torch.stack(expected), atol=1e-5, rtol=0)
    target = 0.9 * mean + 0.1 * sum(expected) / 2
    slow = sum((length - target) ** 2 for length in expected) / 2
    torch.testing.assert_close(penalty, slow, atol=1e-5, rtol=0)
    torch.testing.assert_close(moved, target.detach(), atol=1e-5, rtol=0)
    assert not moved.requires_grad
    torch.testing.assert_close(
        torch.autograd.grad(penalty, weight)[0], torch.autograd.grad(slow, weight)[0],
        atol=1e-5, rtol=1e-5,
    )  # fmt: skip


def test_the_running_mean_reaches_the_lengths() -> None:
    mean = torch.zeros(())
    for _ in range(1000):
        penalty, mean = losses.path_length_penalty(torch.tensor([2.0, 4.0]), mean)
    assert float(mean) == pytest.approx(3.0, abs=1e-3)
    assert float(penalty) == pytest.approx(1.0, abs=1e-3)


def test_styles_are_mixed_from_one_layer_on() -> None:
    n_styles, n_draws = 6, 600
    w, other = torch.zeros(2, n_styles, 3), torch.ones(2, n_styles, 3)
    generator = torch.Generator().manual_seed(0)
    counts = [0] * (n_styles + 1)
    for _ in range(n_draws):
        mixed = losses.mix_styles(w, other, 0.9, generator)
        crossover = int((mixed[0, :, 0] == 0).sum())
        expected = torch.cat([w[:, :crossover], other[:, crossover:]], 1)
        torch.testing.assert_close(mixed, expected, rtol=0, atol=0)
        counts[crossover] += 1
    assert counts[0] == 0
    # Six standard deviations of a binomial count.
    for count, share in [(counts[n_styles], 0.1), *((c, 0.18) for c in counts[1:n_styles])]:
        assert abs(count - n_draws * share) < 6 * math.sqrt(n_draws * share * (1 - share))


def test_mixing_never_and_always_use_equally_many_random_numbers() -> None:
    w, other = torch.zeros(1, 4, 2), torch.ones(1, 4, 2)
    after = []
    for probability in (0.0, 1.0):
        generator = torch.Generator().manual_seed(3)
        mixed = losses.mix_styles(w, other, probability, generator)
        assert bool(mixed.any()) == (probability == 1.0)
        after.append(float(torch.rand((), generator=generator)))
    assert after[0] == after[1]
