"""LAFITE's discriminator: StyleGAN2's residual network with a semantic head.

The realness logit adds ⟨h, f_D(x)⟩ sample by sample, h being the condition (Zhou et al. 2022).
"""

import math
from itertools import pairwise

import torch
from torch import nn

from nsdviewer.models.lafite.config import LafiteConfig
from nsdviewer.models.lafite.layers import Convolution, FullyConnected


class ResidualBlock(nn.Module):
    """Two convolutions that halve the resolution, beside a 1 × 1 short cut."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.first = Convolution(n_in, n_in, 3)
        self.second = Convolution(n_in, n_out, 3, down=True)
        self.shortcut = Convolution(n_in, n_out, 1, activation=False, bias=False, down=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.second(self.first(x)) + self.shortcut(x)
        return y / math.sqrt(2)


def minibatch_deviation(x: torch.Tensor, group_size: int = 4) -> torch.Tensor:
    """Append one channel: how much the samples of a group differ (Karras et al. 2018).

    x (n, c, H, W) → (n, c + 1, H, W). A batch that `group_size` does not divide is one group.
    """
    n, _, height, width = x.shape
    group = group_size if n % group_size == 0 else n
    grouped = x.view(group, -1, *x.shape[1:])
    deviation = (grouped.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    channel = deviation.view(1, -1).expand(group, -1).reshape(n, 1, 1, 1)
    return torch.cat([x, channel.expand(n, 1, height, width)], 1)


class Discriminator(nn.Module):
    """Picture (n, 3, r, r) and condition h (n, n_embedding) → (logit (n,), f_D (n, n_embedding))."""

    def __init__(self, config: LafiteConfig) -> None:
        super().__init__()
        self.config = config
        sizes = [config.n_channels(r) for r in reversed(config.resolutions)]
        self.from_rgb = Convolution(3, sizes[0], 1)
        self.blocks = nn.Sequential(*(ResidualBlock(a, b) for a, b in pairwise(sizes)))
        self.last = Convolution(sizes[-1] + 1, sizes[-1], 3)
        self.vector = FullyConnected(sizes[-1] * 16, config.n_w, activation=True)
        self.realness = FullyConnected(config.n_w, 1)
        self.semantic = FullyConnected(config.n_w, config.n_embedding)

    def forward(
        self, image: torch.Tensor, condition: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.blocks(self.from_rgb(image))
        x = self.last(minibatch_deviation(x))
        vector = self.vector(x.flatten(1))
        semantic = self.semantic(vector)
        logit = self.realness(vector).squeeze(1) + (condition * semantic).sum(1)
        return logit, semantic
