"""Pseudo text: how far it moves, and that what is planted between pictures and texts is learnt."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nsdviewer.models.lafite import losses
from nsdviewer.models.lafite.perturbation import TrainablePerturbation, draw, pseudo_text

D = 8


def unit(*shape: int) -> torch.Tensor:
    return F.normalize(torch.randn(*shape), dim=-1)


def test_fixed_noise_moves_as_far_as_asked() -> None:
    torch.manual_seed(0)
    f = unit(2000, 384)
    for xi in (0.0, 0.25, 0.5, 0.75):
        h = losses.pseudo_text(f, xi)
        torch.testing.assert_close(h.norm(dim=1), torch.ones(2000))
        expected = (1 - xi) / np.hypot(1 - xi, xi)
        assert float((f * h).sum(1).mean()) == pytest.approx(expected, abs=0.01)


def test_fixed_noise_by_row_and_by_branch() -> None:
    torch.manual_seed(0)
    f = unit(3, 384)
    h = pseudo_text(f, torch.tensor([[0.0], [0.5], [1.0]]))
    cosine = (f * h).sum(1)
    torch.testing.assert_close(cosine[0], torch.tensor(1.0))
    assert float(cosine[1]) == pytest.approx(0.5**0.5, abs=0.15)
    assert float(cosine[2]) == pytest.approx(0, abs=0.2)
    both = pseudo_text(unit(4, 2, 8), 0.5)
    torch.testing.assert_close(both.norm(dim=-1), torch.ones(4, 2))


def test_a_seed_gives_the_same_noise() -> None:
    f = unit(4, D)
    module = TrainablePerturbation(D, 8)
    for call in (lambda g: pseudo_text(f, 0.5, g), lambda g: module(f, g)):
        first, second = (call(torch.Generator().manual_seed(5)) for _ in range(2))
        torch.testing.assert_close(first, second, rtol=0, atol=0)
        assert not torch.allclose(first, call(torch.Generator().manual_seed(6)))


@pytest.mark.parametrize("xi", [0.1, 0.5, 0.75])
def test_trainable_noise_starts_as_the_fixed_one(xi: float) -> None:
    torch.manual_seed(0)
    f = unit(1000, 384)
    module = TrainablePerturbation(384, 8, xi)
    h = module(f)
    torch.testing.assert_close(h.norm(dim=1), torch.ones(1000))
    expected = (1 - xi) / math.hypot(1 - xi, xi)
    assert float((f * h).sum(1).detach().mean()) == pytest.approx(expected, abs=0.01)
    floor = losses.noise_floor_penalty(*module.moments(f), xi)
    assert float(floor.detach()) == pytest.approx(0, abs=1e-9)


def test_the_floor_asks_for_noise_beside_the_centre() -> None:
    centre = unit(5, D)
    spread = torch.full((5, D), 3 / math.sqrt(D))
    assert float(losses.noise_floor_penalty(centre, spread * 1.1)) == 0
    for c, s in ((centre, spread / 2), (centre * 2, spread)):
        assert float(losses.noise_floor_penalty(c, s)) == pytest.approx(math.log(2) ** 2, rel=1e-4)


def train(module: TrainablePerturbation, has_captions: bool, has_floor: bool) -> None:
    """Texts say what their pictures show, in another order of the dimensions."""
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    for _ in range(150):
        f = unit(32, D)
        centre, spread = module.moments(f)
        target = f.flip(1) if has_captions else f
        loss = losses.perturbation_loss(draw(centre, spread), target)
        if has_floor:
            loss = loss + losses.noise_floor_penalty(centre, spread, 0.5)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test_captions_teach_where_texts_lie() -> None:
    torch.manual_seed(0)
    module = TrainablePerturbation(D, 32, 0.5)
    f = unit(200, D)

    def cosine() -> float:
        centre, _ = module.moments(f)
        return float(F.cosine_similarity(centre, f.flip(1)).detach().mean())

    before = cosine()
    train(module, has_captions=True, has_floor=False)
    assert abs(before) < 0.1
    assert cosine() > 0.7


def test_without_captions_only_the_floor_keeps_the_noise() -> None:
    shares = []
    for has_floor in (False, True):
        torch.manual_seed(0)
        module = TrainablePerturbation(D, 32, 0.5)
        train(module, has_captions=False, has_floor=has_floor)
        centre, spread = module.moments(unit(200, D))
        shares.append(float((spread.norm(dim=1) / centre.norm(dim=1)).detach().mean()))
    assert shares[0] < 0.3
    assert shares[1] > 0.6
