"""Flow matching: the path from noise to picture, its loss, and the way along it.

Lipman et al. (2023), "Flow matching for generative modeling", arXiv:2210.02747, with the straight
path of Liu et al. (2023), arXiv:2209.03003: x_t = (1 − t)·noise + t·picture, t from 0 (noise) to 1
(picture). The network tells the clean picture x̂; the velocity along the path is
(x̂ − x_t)/(1 − t). Guidance without a classifier: Ho & Salimans (2022), arXiv:2207.12598.
"""

from collections.abc import Callable

import torch

# Near t = 1 the velocity divides by almost nothing; the loss stops growing there.
SMALLEST_REST = 0.1

Predict = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Watch = Callable[[float, torch.Tensor], None]


def between(noise: torch.Tensor, picture: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Return x_t (n, …) of the straight path from `noise` to `picture` (n, …) at times t (n,)."""
    t = t.view(-1, *[1] * (picture.ndim - 1))
    return torch.lerp(noise, picture, t)


def draw_times(
    n: int, device: torch.device, mean: float = -0.6, deviation: float = 1.2
) -> torch.Tensor:
    """Draw n training times, logit-normal (Esser et al. 2024, arXiv:2403.03206).

    The mean below 0 asks more often for what only the embedding can tell: the picture in noise.
    """
    return torch.sigmoid(mean + deviation * torch.randn(n, device=device))


def velocity_loss(told: torch.Tensor, picture: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Mean squared error (n,) of the velocity that a told picture implies.

    The velocities differ by (told − picture)/(1 − t); 1 − t is taken as at least `SMALLEST_REST`.
    """
    rest = (1 - t).clamp(min=SMALLEST_REST)
    return (told - picture).square().flatten(1).mean(1) / rest.square()


def sample_path(
    predict: Predict,
    noise: torch.Tensor,
    n_steps: int,
    watch: Watch | None = None,
    order: int = 2,
    n_taken: int | None = None,
) -> torch.Tensor:
    """Go from noise (t = 0) to a picture (t = 1) in `n_steps` equal steps.

    Parameters
    ----------
    predict
        (x_t (n, …), t (n,)) → clean picture x̂ (n, …).
    watch
        Called after each step with the fraction done and the clean picture told there; what it
        raises ends the sampling.
    order
        1 is Euler's step, which looks once; 2 is Heun's, which looks twice, but for the last.
    n_taken
        Stop after so many steps, at the noisy picture of time n_taken / n_steps.
    """
    x = noise
    times = step_times(n_steps)
    for i in range(n_steps if n_taken is None else n_taken):
        t, following = times[i], times[i + 1]
        told = predict(x, x.new_full((len(x),), t))
        velocity = (told - x) / (1 - t)
        ahead = x + (following - t) * velocity
        if order == 2 and i + 1 < n_steps:
            told_ahead = predict(ahead, x.new_full((len(x),), following))
            velocity = (velocity + (told_ahead - ahead) / (1 - following)) / 2
            ahead = x + (following - t) * velocity
        x = ahead
        if watch is not None:
            watch((i + 1) / n_steps, told)
    return x


def step_times(n_steps: int) -> list[float]:
    """Return n_steps + 1 times from 0 to 1."""
    return [i / n_steps for i in range(n_steps + 1)]


def guided(
    network: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor],
    embedding: torch.Tensor,
    guidance: float,
) -> Predict:
    """Return what tells the clean picture, pushed away from the one told without an embedding.

    Parameters
    ----------
    embedding
        (n, d), one a picture.
    guidance
        1 leaves the prediction as it is; larger values exaggerate what the embedding changes.
    """
    if guidance == 1:
        return lambda x, t: network(x, t, embedding)
    both = torch.cat([embedding, torch.zeros_like(embedding)])

    def predict(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        with_it, without = network(torch.cat([x, x]), torch.cat([t, t]), both).chunk(2)
        return without + guidance * (with_it - without)

    return predict
