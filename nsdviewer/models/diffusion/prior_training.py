"""Training of a prior from pairs of decoded and true embeddings; on the CPU, in about a minute.

First the closed form (`prior_calibration`), then a flow for what it leaves. The flow is watched on
pictures that it does not learn from; where it does not pay there, the closed form stands alone.
"""

import copy
import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from nsdviewer.jobs import PartProgress, Progress, SilentProgress
from nsdviewer.models.diffusion.prior import Prior, PriorHeader
from nsdviewer.models.diffusion.prior_calibration import calibrate
from nsdviewer.models.diffusion.prior_flow import END, PriorFlow, on_path
from nsdviewer.models.diffusion.prior_pairs import DecodedPairs, Floats, Ints

_HELD_OUT_SHARE = 0.1
_CHECK_EVERY = 20
_ANGLES_PER_PICTURE = 4
_MOST_HELD_OUT = 1000
_WARM_UP_STEPS = 20


@dataclass(frozen=True)
class PriorPlan:
    """How large the flow is, and how it is trained.

    Attributes
    ----------
    n_steps
        Steps at most; 0 leaves the closed form alone.
    patience
        Checks on held-out pictures, one every 20 steps, without a better score before the end.
    ema_decay
        Of the running mean of the weights, which is what is kept.
    """

    width: int = 256
    n_blocks: int = 3
    n_steps: int = 600
    batch_size: int = 512
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    ema_decay: float = 0.97
    patience: int = 6
    seed: int = 0


@dataclass(frozen=True)
class _Rows:
    """Rows of the pairs as the flow sees them.

    Attributes
    ----------
    white
        (n, d) whitened residuals.
    condition
        (n, n_condition).
    """

    white: torch.Tensor
    condition: torch.Tensor

    def take(self, rows: Ints) -> "_Rows":
        at = torch.from_numpy(rows)
        return _Rows(self.white[at], self.condition[at])


def train_prior(
    pairs: DecodedPairs,
    header: PriorHeader,
    plan: PriorPlan | None = None,
    progress: Progress | None = None,
) -> Prior:
    """Train a prior.

    The global random state is left as it was; one seed gives one prior on one machine.

    Parameters
    ----------
    header
        Whose it is. The counts, and the score ``flow_gain``, are filled in: the share of the flow's
        loss on held-out pictures that it takes off the closed form's; 0 where it was left out.
    progress
        May raise `Cancelled` between steps.

    Raises
    ------
    RequestError
        If the pictures' embeddings do not vary.
    """
    plan, told = plan or PriorPlan(), progress or SilentProgress()
    told.report(0, "calibrating the prior")
    calibration, centre, white = calibrate(pairs, plan.seed)
    condition = calibration.condition(centre, pairs.n_repeats)
    # An error counts for what it is in the embedding.
    importance = torch.from_numpy(calibration.variance / calibration.variance.mean())
    flow, gain = _train_flow(
        pairs, _tensors(white, condition), importance, plan, PartProgress(told, 0.2, 1)
    )
    told.report(1, "prior trained")
    scores = {**header.scores, "flow_gain": gain}
    filled = replace(
        header, n_pictures=len(pairs.true), n_rows=len(pairs.decoded), seed=plan.seed, scores=scores
    )
    return Prior(filled, calibration, flow)


def _tensors(white: Floats, condition: Floats) -> _Rows:
    return _Rows(torch.from_numpy(white), torch.from_numpy(condition))


def _train_flow(
    pairs: DecodedPairs,
    rows: _Rows,
    importance: torch.Tensor,
    plan: PriorPlan,
    progress: Progress,
) -> tuple[PriorFlow | None, float]:
    """Return the flow that did best on held-out pictures, and its gain; None where it has none."""
    rng = np.random.default_rng([plan.seed, 41])
    noise = torch.Generator().manual_seed(int(rng.integers(2**31)))
    pictures = rng.permutation(np.unique(pairs.picture))
    n_held_out = max(round(_HELD_OUT_SHARE * len(pictures)), 2)
    watched = _Watched(pairs, rows, pictures[: min(n_held_out, _MOST_HELD_OUT)], importance, noise)
    learnt = np.flatnonzero(~np.isin(pairs.picture, pictures[:n_held_out]))
    chance = torch.from_numpy(pairs.weights[learnt])
    flow = _make_flow(rows, plan)
    mean = copy.deepcopy(flow)
    best, best_gain, n_stale = None, 0.0, 0
    optimizer = torch.optim.AdamW(
        flow.parameters(), plan.learning_rate, betas=(0.9, 0.99), weight_decay=plan.weight_decay
    )
    for step in range(plan.n_steps):
        progress.report(step / plan.n_steps, f"training the prior, step {step} of {plan.n_steps}")
        drawn = torch.multinomial(chance, plan.batch_size, replacement=True, generator=noise)
        _take_step(flow, optimizer, rows.take(learnt[drawn.numpy()]), importance, step, plan, noise)
        _follow(mean, flow, min(plan.ema_decay, (1 + step) / (10 + step)))
        if (step + 1) % _CHECK_EVERY and step + 1 < plan.n_steps:
            continue
        gain, is_sure = watched.gain(mean)
        n_stale += 1
        if gain > best_gain and is_sure:
            best, best_gain, n_stale = copy.deepcopy(mean), gain, 0
        if n_stale > plan.patience:
            break
    return best, best_gain


def _make_flow(rows: _Rows, plan: PriorPlan) -> PriorFlow:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        return PriorFlow(rows.white.shape[1], rows.condition.shape[1], plan.width, plan.n_blocks)


def _take_step(
    flow: PriorFlow,
    optimizer: torch.optim.Optimizer,
    batch: _Rows,
    importance: torch.Tensor,
    step: int,
    plan: PriorPlan,
    generator: torch.Generator,
) -> None:
    n = len(batch.white)
    angle = END * torch.rand(n, generator=generator)
    noise = torch.randn(batch.white.shape, generator=generator)
    place, velocity = on_path(noise, batch.white, angle)
    error = (flow(place, angle, batch.condition) - velocity).square()
    optimizer.zero_grad(set_to_none=True)
    (error * importance).mean().backward()
    torch.nn.utils.clip_grad_norm_(flow.parameters(), 1.0)
    warm = min(1.0, (step + 1) / _WARM_UP_STEPS)
    for group in optimizer.param_groups:
        group["lr"] = (
            plan.learning_rate * warm * (0.5 + 0.5 * math.cos(math.pi * step / plan.n_steps))
        )
    optimizer.step()


@torch.no_grad()
def _follow(mean: PriorFlow, flow: PriorFlow, decay: float) -> None:
    for kept, current in zip(mean.parameters(), flow.parameters(), strict=True):
        kept.lerp_(current, 1 - decay)


class _Watched:
    """Held-out pictures, with noise and angles drawn once so that scores can be compared."""

    def __init__(
        self,
        pairs: DecodedPairs,
        rows: _Rows,
        pictures: Ints,
        importance: torch.Tensor,
        generator: torch.Generator,
    ) -> None:
        best = pairs.most_repeated()
        at = np.repeat(best[np.isin(pairs.picture[best], pictures)], _ANGLES_PER_PICTURE)
        held_out = rows.take(at)
        strata = torch.arange(len(at)) % _ANGLES_PER_PICTURE
        jitter = torch.rand(len(at), generator=generator)
        self._angle = END * (strata + jitter) / _ANGLES_PER_PICTURE
        noise = torch.randn(held_out.white.shape, generator=generator)
        self._place, self._velocity = on_path(noise, held_out.white, self._angle)
        self._condition, self._importance = held_out.condition, importance
        self._without = self._losses(torch.zeros(()))

    @torch.no_grad()
    def gain(self, flow: PriorFlow) -> tuple[float, bool]:
        """Return the share of the loss that a flow takes off, and if that is beyond chance."""
        told = flow(self._place, self._angle, self._condition)
        taken_off = self._without - self._losses(told)  # (n_pictures,)
        mean = float(taken_off.mean())
        error = float(taken_off.std()) / len(taken_off) ** 0.5
        return mean / float(self._without.mean()), mean > 2 * error

    def _losses(self, told: torch.Tensor) -> torch.Tensor:
        """Return the (n_pictures,) mean squared error of velocities."""
        losses = ((told - self._velocity).square() * self._importance).mean(1)
        return losses.view(-1, _ANGLES_PER_PICTURE).mean(1)
