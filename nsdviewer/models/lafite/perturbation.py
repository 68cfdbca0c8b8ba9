"""From a picture's embedding to one that a text about it could have had (Zhou et al. 2022).

With it no captions are needed to train a generator. *Fixed*: noise of one length for all.
*Trainable*: two networks say where the noise is centred and how far it spreads.

All functions take embeddings (..., n_embedding) of unit norm and return such.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

# Share of noise where there are no captions.
XI_LANGUAGE_FREE = 0.75


def pseudo_text(
    embedding: torch.Tensor, xi: float | torch.Tensor, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Perturb picture embeddings into pseudo text ones: unit((1 − ξ)·f + ξ·ε/‖ε‖).

    ξ is one for all, or one for each embedding, (..., 1).
    """
    noise = _noise_like(embedding, generator)
    return F.normalize((1 - xi) * embedding + xi * F.normalize(noise, dim=-1), dim=-1)


class TrainablePerturbation(nn.Module):
    """h = unit(f + μ(f) + exp(s(f)) · ε), μ and s being networks d-1024-1024-1024-d.

    At the start μ = 0 and s is constant, such that h spreads about f as the fixed perturbation with
    `xi` does. Train it with `losses.perturbation_loss`.
    """

    def __init__(
        self, n_embedding: int = 512, n_hidden: int = 1024, xi: float = XI_LANGUAGE_FREE
    ) -> None:
        super().__init__()
        self.shift = _network(n_embedding, n_hidden, 0.0)
        # ε has about the length √n_embedding.
        spread = xi / (1 - xi) / math.sqrt(n_embedding)
        self.log_spread = _network(n_embedding, n_hidden, math.log(spread))

    def moments(self, embedding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return f + μ(f) and exp(s(f)): centre and spread of what is drawn."""
        return embedding + self.shift(embedding), self.log_spread(embedding).exp()

    def forward(
        self, embedding: torch.Tensor, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        return draw(*self.moments(embedding), generator)


def draw(
    centre: torch.Tensor, spread: torch.Tensor, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Return unit(centre + spread · ε)."""
    return F.normalize(centre + spread * _noise_like(centre, generator), dim=-1)


def _network(n: int, n_hidden: int, last_bias: float) -> nn.Sequential:
    """Four layers whose last gives `last_bias` everywhere at the start."""
    sizes = [n, n_hidden, n_hidden, n_hidden]
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.LeakyReLU(0.01)]
    last = nn.Linear(n_hidden, n)
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, last_bias)
    return nn.Sequential(*layers, last)


def _noise_like(x: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    return torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
