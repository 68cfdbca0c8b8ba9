"""A flow from white noise to whitened embeddings, given what was decoded.

Flow matching (Lipman et al. 2023, "Flow matching for generative modeling", arXiv:2210.02747) on the
trigonometric path of stochastic interpolants (Albergo & Vanden-Eijnden 2023, arXiv:2209.15571):
x_φ = cos φ · noise + sin φ · white, φ from 0 to π/2, with velocity cos φ · white − sin φ · noise.
Where `white` is Gaussian white noise itself, the mean velocity at every place is 0. A network that
tells 0 is then right, and one that starts there learns only what is not Gaussian.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from nsdviewer.models.diffusion.network import time_features

END = math.pi / 2


class ModulatedBlock(nn.Module):
    """x + gate · MLP(norm(x)), scaled, shifted and gated by the condition (Peebles & Xie 2023)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(width, 3 * width)
        self.layers = nn.Sequential(
            nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width)
        )
        # A gate of 0 at the start: the block adds nothing yet.
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        scale, shift, gate = self.modulation(condition).chunk(3, 1)
        y: torch.Tensor = x + gate * self.layers(self.norm(x) * (1 + scale) + shift)
        return y


class PriorFlow(nn.Module):
    """x (n, d), angle (n,), condition (n, n_condition) → mean velocity (n, d)."""

    def __init__(self, n_embedding: int, n_condition: int, width: int, n_blocks: int) -> None:
        super().__init__()
        self.width, self.n_blocks, self.n_condition = width, n_blocks, n_condition
        self.first = nn.Linear(n_embedding, width)
        self.told = nn.Linear(n_condition, width)
        n_time = time_features(torch.zeros(1)).shape[1]
        self.time = nn.Sequential(nn.Linear(n_time, width), nn.SiLU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(ModulatedBlock(width) for _ in range(n_blocks))
        self.last_norm = nn.LayerNorm(width, elementwise_affine=False)
        self.last_modulation = nn.Linear(width, 2 * width)
        self.last = nn.Linear(width, n_embedding)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(
        self, x: torch.Tensor, angle: torch.Tensor, condition: torch.Tensor
    ) -> torch.Tensor:
        told = self.told(condition)  # (n, width)
        modulation = F.silu(told + self.time(time_features(angle / END)))
        y = self.first(x) + told
        for block in self.blocks:
            y = block(y, modulation)
        scale, shift = self.last_modulation(modulation).chunk(2, 1)
        velocity: torch.Tensor = self.last(self.last_norm(y) * (1 + scale) + shift)
        return velocity


def on_path(
    noise: torch.Tensor, white: torch.Tensor, angle: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return places and velocities (n, d) of the path from noise to white (n, d) at angles (n,)."""
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    return cos * noise + sin * white, cos * white - sin * noise


@torch.no_grad()
def flow_to_end(
    flow: PriorFlow, noise: torch.Tensor, condition: torch.Tensor, n_steps: int
) -> torch.Tensor:
    """Return (n, d) where noise (n, d) ends, in `n_steps` steps of Heun's second order."""
    x, step = noise, END / n_steps
    for i in range(n_steps):
        here = flow(x, x.new_full((len(x),), i * step), condition)
        ahead = flow(x + step * here, x.new_full((len(x),), (i + 1) * step), condition)
        x = x + step * (here + ahead) / 2
    return x
