"""The network that tells a noisy picture's clean one, given the embedding it is to show.

A U-Net (Ronneberger et al. 2015) of residual blocks whose group normalisation is scaled and shifted
by time and embedding (Dhariwal & Nichol 2021). Beside that, the embedding is laid out into a small
map at the coarsest level: where things are in a picture is then a linear reading away.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from nsdviewer.models.diffusion.config import FlowConfig

_N_FREQUENCIES = 32


def time_features(t: torch.Tensor) -> torch.Tensor:
    """Return (n, 2 · 32) sines and cosines of times (n,) in [0, 1]."""
    frequencies = torch.exp(
        torch.linspace(0, math.log(200), _N_FREQUENCIES, device=t.device, dtype=t.dtype)
    )
    angles = t[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], 1)


def _norm(n_channels: int, affine: bool = True) -> nn.GroupNorm:
    """Group normalisation in eight groups, or as many as have four channels each."""
    n_groups = next(
        n for n in (8, 4, 2, 1) if (n_channels % n == 0 and n_channels >= 4 * n) or n == 1
    )
    return nn.GroupNorm(n_groups, n_channels, affine=affine)


class ResidualBlock(nn.Module):
    """x (n, n_in, H, W) and condition (n, n_condition) → (n, n_out, H, W)."""

    def __init__(self, n_in: int, n_out: int, n_condition: int) -> None:
        super().__init__()
        self.first_norm = _norm(n_in)
        self.first = nn.Conv2d(n_in, n_out, 3, padding=1)
        self.modulation = nn.Linear(n_condition, 2 * n_out)
        self.second_norm = _norm(n_out, False)
        self.second = nn.Conv2d(n_out, n_out, 3, padding=1)
        self.shortcut = nn.Identity() if n_in == n_out else nn.Conv2d(n_in, n_out, 1)
        # A block that adds nothing at the start lets a deep network learn from the first step.
        nn.init.zeros_(self.second.weight)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        y = self.first(F.silu(self.first_norm(x)))
        scale, shift = self.modulation(condition)[:, :, None, None].chunk(2, 1)
        y = self.second(F.silu(self.second_norm(y) * (1 + scale) + shift))
        z: torch.Tensor = self.shortcut(x) + y
        return z


class Blocks(nn.ModuleList):
    """Residual blocks one after the other, all with the same condition."""

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        for block in self:
            x = block(x, condition)
        return x


class FlowNetwork(nn.Module):
    """Noisy picture (n, 3, r, r), time (n,), embedding (n, d) → clean picture (n, 3, r, r).

    A row of zeros for an embedding means that none is given.
    """

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.config = config
        n, widths, blocks = config.n_condition, config.widths, config.n_blocks
        self.time = nn.Sequential(nn.Linear(2 * _N_FREQUENCIES, n), nn.SiLU(), nn.Linear(n, n))
        self.embedding = nn.Sequential(nn.Linear(config.n_embedding, n), nn.SiLU(), nn.Linear(n, n))
        self.seed = nn.Linear(config.n_embedding, config.n_seed * config.coarsest**2)
        n_pixels = 3 * config.patch**2
        self.stem = nn.Conv2d(n_pixels, widths[0], 3, padding=1)
        self.down = nn.ModuleList()
        self.coarsen = nn.ModuleList()
        for level, width in enumerate(widths):
            self.down.append(Blocks(ResidualBlock(width, width, n) for _ in range(blocks)))
            if level + 1 < len(widths):
                self.coarsen.append(nn.Conv2d(width, widths[level + 1], 3, stride=2, padding=1))
        last = widths[-1]
        self.middle_in = ResidualBlock(last + config.n_seed, last, n)
        self.attention = Attention(last)
        self.middle_out = ResidualBlock(last, last, n)
        self.up = nn.ModuleList()
        self.refine = nn.ModuleList()
        for width in reversed(widths):
            sizes = [2 * width] + [width] * blocks
            self.up.append(Blocks(ResidualBlock(a, b, n) for a, b in pairwise(sizes)))
        for wide, narrow in pairwise(reversed(widths)):
            self.refine.append(nn.Conv2d(wide, narrow, 3, padding=1))
        self.last_norm = _norm(widths[0])
        self.last = nn.Conv2d(widths[0], n_pixels, 3, padding=1)
        nn.init.normal_(self.last.weight, std=1e-3)
        # Unit vectors have components of size 1/√d; the layers expect components of size 1.
        self.embedding_gain = config.n_embedding**0.5

    def forward(self, x: torch.Tensor, t: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        config = self.config
        e = embedding * self.embedding_gain
        condition = F.silu(self.time(time_features(t)) + self.embedding(e))
        x = self.stem(F.pixel_unshuffle(x, config.patch))
        kept = []
        for level, blocks in enumerate(self.down):
            x = blocks(x, condition)
            kept.append(x)
            if level < len(self.coarsen):
                x = self.coarsen[level](x)
        seed = self.seed(e).view(len(x), config.n_seed, config.coarsest, config.coarsest)
        x = self.middle_in(torch.cat([x, seed], 1), condition)
        x = self.middle_out(self.attention(x), condition)
        for level, blocks in enumerate(self.up):
            x = blocks(torch.cat([x, kept.pop()], 1), condition)
            if level < len(self.refine):
                x = self.refine[level](F.interpolate(x, scale_factor=2.0, mode="nearest"))
        x = self.last(F.silu(self.last_norm(x)))
        return F.pixel_shuffle(x, config.patch)


class Attention(nn.Module):
    """Self-attention over the positions of (n, c, H, W), four heads, added to its input."""

    n_heads = 4

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.norm = _norm(n_channels)
        self.query_key_value = nn.Conv2d(n_channels, 3 * n_channels, 1)
        self.out = nn.Conv2d(n_channels, n_channels, 1)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, c, height, width = x.shape
        parts = self.query_key_value(self.norm(x)).view(n, 3, self.n_heads, c // self.n_heads, -1)
        query, key, value = parts.transpose(3, 4).unbind(1)
        y = F.scaled_dot_product_attention(query, key, value)
        y = self.out(y.transpose(2, 3).reshape(n, c, height, width))
        z: torch.Tensor = x + y
        return z
