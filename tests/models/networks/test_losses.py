"""The losses equal their formulas, written out with loops, forward and in their gradients."""

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from nsdviewer.models.conse import ConseEmbedding
from nsdviewer.models.lafite.config import LafiteConfig
from nsdviewer.models.lafite.generator import Generator
from nsdviewer.models.networks import losses
from nsdviewer.models.networks.generator_term import EMBEDDING, PIXEL, GeneratorTerm
from nsdviewer.models.networks.objective import Objective, prepare_targets
from nsdviewer.models.networks.plan import preset

N, D = 5, 4
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
PARTNER = torch.tensor([2, 1, 0, 4, 3])
SHARE = torch.tensor([0.9, 0.3, 0.5, 0.0, 1.0], dtype=torch.double)


def cos(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a * b).sum() / a.square().sum().sqrt() / b.square().sum().sqrt()


def share_of(logits: list[torch.Tensor], j: int) -> torch.Tensor:
    """Softmax, element j."""
    return logits[j].exp() / sum(x.exp() for x in logits)


def slow_nce(p: torch.Tensor, t: torch.Tensor, tau: float) -> torch.Tensor:
    total = torch.zeros((), dtype=torch.double)
    for i in range(N):
        total = total - share_of([cos(p[i], t[j]) / tau for j in range(N)], i).log()
        total = total - share_of([cos(p[j], t[i]) / tau for j in range(N)], i).log()
    return total / (2 * N)


def slow_mindreader(p: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    mse = sum((p[i, k] - t[i, k]) ** 2 for i in range(N) for k in range(D)) / (N * D)
    distance = sum(1 - cos(p[i], t[i]) for i in range(N)) / N
    return 0.5 * (0.4 * mse + 0.6 * distance) + 0.5 * slow_nce(p, t, 0.5)


def slow_soft_clip(p: torch.Tensor, t: torch.Tensor, tau: float = 0.2) -> torch.Tensor:
    total = torch.zeros((), dtype=torch.double)
    for i in range(N):
        alike = [cos(t[i], t[j]) / tau for j in range(N)]
        forth = [cos(p[i], t[j]) / tau for j in range(N)]
        back = [cos(p[j], t[i]) / tau for j in range(N)]
        for j in range(N):
            total = total - share_of(alike, j) * (share_of(forth, j) * share_of(back, j)).log()
    return total / (2 * N)


def slow_mixco(p: torch.Tensor, t: torch.Tensor, tau: float = 0.2) -> torch.Tensor:
    total = torch.zeros((), dtype=torch.double)
    for i in range(N):
        k, own = int(PARTNER[i]), SHARE[i]
        forth = [cos(p[i], t[j]) / tau for j in range(N)]
        total = total - own * share_of(forth, i).log() - (1 - own) * share_of(forth, k).log()
    for j in range(N):
        back = [cos(p[i], t[j]) / tau for i in range(N)]
        total = total - SHARE[j] * share_of(back, j).log()
        for i in range(N):
            if PARTNER[i] == j:
                total = total - (1 - SHARE[i]) * share_of(back, i).log()
    return total / (2 * N)


def mindreader_plan(p: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """What the plan of Mind Reader's mapper is trained with, for unit targets."""
    terms = Objective(preset("mindreader").losses).terms(p, t)
    return torch.stack(list(terms.values())).sum()


PAIRS: dict[str, tuple[Loss, Loss]] = {
    "mindreader": (mindreader_plan, slow_mindreader),
    "info_nce": (lambda p, t: losses.symmetric_info_nce(p, t, 0.2), lambda p, t: slow_nce(p, t, 0.2)),
    "soft_clip": (lambda p, t: losses.soft_clip(p, t, 0.2), slow_soft_clip),
    "mixco": (lambda p, t: losses.mixco(p, t, PARTNER, SHARE, 0.2), slow_mixco),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_losses_equal_slow_references(name: str) -> None:
    fast, slow = PAIRS[name]
    torch.manual_seed(0)
    p = torch.randn(N, D, dtype=torch.double, requires_grad=True)
    t = torch.randn(N, D, dtype=torch.double)
    torch.testing.assert_close(fast(p, t), slow(p, t))
    (by_fast,), (by_slow,) = (torch.autograd.grad(loss(p, t), p) for loss in (fast, slow))
    torch.testing.assert_close(by_fast, by_slow)


def test_unmixed_mixco_is_info_nce_and_distinct_targets_make_soft_clip_hard() -> None:
    torch.manual_seed(0)
    p = torch.randn(N, D, dtype=torch.double)
    ones = torch.ones(N, dtype=torch.double)
    t = torch.eye(N, dtype=torch.double)[:, :D] + 0.01
    mixed = losses.mixco(p, t, PARTNER, ones, 0.3)
    torch.testing.assert_close(mixed, losses.symmetric_info_nce(p, t, 0.3))
    # At a temperature far below the targets' distances, their own softmax is one-hot.
    t = F.normalize(torch.randn(N, D, dtype=torch.double), dim=1)
    soft, hard = losses.soft_clip(p, t, 1e-3), losses.symmetric_info_nce(p, t, 1e-3)
    torch.testing.assert_close(soft, hard)


def test_mixing_keeps_the_ends() -> None:
    a, b = torch.randn(2, 3), torch.randn(2, 3)
    torch.testing.assert_close(
        losses.mix(a, b, torch.tensor([1.0, 0.0])), torch.stack([a[0], b[1]])
    )
    torch.testing.assert_close(losses.mix(a, b, torch.tensor([0.25, 0.25])), 0.25 * a + 0.75 * b)


def test_targets_are_clamped_before_they_are_brought_to_length_one() -> None:
    raw = torch.tensor([[9.0, 1.5, -1.0], [0.1, -3.0, 0.0]])
    bounded = torch.tensor([[1.5, 1.5, -1.0], [0.1, -1.5, 0.0]])
    torch.testing.assert_close(prepare_targets(raw, 1.5), bounded / bounded.norm(dim=1)[:, None])
    torch.testing.assert_close(prepare_targets(raw, None), raw / raw.norm(dim=1)[:, None])


TINY_GENERATOR = LafiteConfig(
    resolution=8, n_embedding=D, n_z=3, n_w=4, n_mapping_layers=1, channel_base=32, channel_max=4,
    n_condition=4,
)  # fmt: skip


def tiny_term(embed: bool) -> GeneratorTerm:
    torch.manual_seed(0)
    generator = Generator(TINY_GENERATOR).double().eval().requires_grad_(False)
    reader = torch.randn(3, D, dtype=torch.double)

    def embed_mean_colour(image: torch.Tensor) -> torch.Tensor:
        return F.normalize(image.square().mean((2, 3)) @ reader, dim=1)

    return GeneratorTerm(generator, 3, embed_mean_colour if embed else None, 2.0, 0.7)


def test_the_generator_term_compares_paintings() -> None:
    term = tiny_term(embed=True)
    decoded = torch.randn(2, D, dtype=torch.double, requires_grad=True)
    true, z = torch.randn(2, D, dtype=torch.double), torch.randn(2, 3, dtype=torch.double)
    parts = term(decoded, true, z)
    pictures = [
        term.generator(z[i : i + 1], F.normalize(e[i : i + 1], dim=1))
        for e in (decoded, true)
        for i in range(2)
    ]
    pixel = sum((pictures[i] - pictures[2 + i]).square().mean() for i in range(2)) / 2
    torch.testing.assert_close(parts[PIXEL], 2.0 * pixel)
    assert term.embed is not None
    again = [term.embed(((pictures[i] + 1) / 2).clamp(0, 1))[0] for i in range(2)]
    torch.testing.assert_close(
        parts[EMBEDDING], 0.7 * sum(1 - cos(again[i], true[i]) for i in range(2)) / 2
    )
    assert torch.autograd.gradcheck(lambda e: sum(term(e, true, z).values()), (decoded,))


def test_the_generator_term_is_least_at_the_truth_and_pulls_towards_it() -> None:
    term = tiny_term(embed=False)
    true, z = torch.randn(3, D, dtype=torch.double), torch.randn(3, 3, dtype=torch.double)
    assert float(term(5 * true, true, z)[PIXEL]) < 1e-20
    decoded = (true + 0.3 * torch.randn_like(true)).requires_grad_()
    descent = torch.optim.Adam([decoded], 0.02)
    before = float(term(decoded, true, z)[PIXEL].detach())
    for _ in range(60):
        descent.zero_grad()
        term(decoded, true, z)[PIXEL].backward()
        descent.step()
    assert float(term(decoded, true, z)[PIXEL].detach()) < 0.1 * before


def test_the_shipped_embedding_reads_paintings_back_with_a_gradient() -> None:
    config = LafiteConfig(
        resolution=16, n_embedding=384, n_z=4, n_w=8, n_mapping_layers=1, channel_base=64,
        channel_max=8, n_condition=8,
    )  # fmt: skip
    torch.manual_seed(0)
    generator = Generator(config).eval().requires_grad_(False)
    term = GeneratorTerm(generator, 4, ConseEmbedding().encode_tensor, 0.0, 1.0)
    decoded = torch.randn(1, 384, requires_grad=True)
    parts = term(decoded, torch.randn(1, 384), torch.randn(1, 4))
    assert parts.keys() == {EMBEDDING}
    parts[EMBEDDING].backward()
    assert decoded.grad is not None
    assert math.isfinite(float(decoded.grad.norm()))
    assert float(decoded.grad.norm()) > 0
