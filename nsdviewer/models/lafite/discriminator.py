"""LAFITE's discriminator: StyleGAN2's residual network with a semantic head.

The realness logit adds ⟨h, f_D(x)⟩ sample by sample, h being the condition (Zhou et al. 2022); with
two branches, as in Mind Reader (Lin et al. 2022), each has a head of its own and adds its product.
"""

import math
from itertools import pairwise

import torch
from torch import nn

from nsdviewer.errors import RequestError
from nsdviewer.models.lafite.config import LafiteConfig
from nsdviewer.models.lafite.layers import Convolution, FullyConnected, block_types


class ResidualBlock(nn.Module):
    """Two convolutions that halve the resolution, beside a 1 × 1 short cut."""

    def __init__(self, n_in: int, n_out: int, clamp: float | None = None) -> None:
        super().__init__()
        self.first = Convolution(n_in, n_in, 3, clamp=clamp)
        self.second = Convolution(n_in, n_out, 3, down=True, clamp=clamp)
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
    """Picture (n, 3, r, r) and condition h → (logit (n,), f_D of the shape of h).

    h is (n, n_embedding), or (n, 2, n_embedding) with two branches: image, then caption.

    Attributes
    ----------
    half_dtype
        As in `Generator`.
    """

    def __init__(self, config: LafiteConfig) -> None:
        super().__init__()
        self.config = config
        self._half: torch.dtype | None = None
        sizes = [config.n_channels(r) for r in reversed(config.resolutions)]
        self.from_rgb = Convolution(3, sizes[0], 1, clamp=config.clamp)
        self.blocks = nn.Sequential(
            *(ResidualBlock(a, b, config.clamp) for a, b in pairwise(sizes))
        )
        self.last = Convolution(sizes[-1] + 1, sizes[-1], 3, clamp=config.clamp)
        self.vector = FullyConnected(sizes[-1] * 16, config.n_w, activation=True)
        self.realness = FullyConnected(config.n_w, 1)
        self.semantic = FullyConnected(config.n_w, config.n_embedding)
        self.caption_semantic = (
            FullyConnected(config.n_w, config.n_embedding) if config.n_branches == 2 else None
        )

    @property
    def half_dtype(self) -> torch.dtype | None:
        return self._half

    @half_dtype.setter
    def half_dtype(self, value: torch.dtype | None) -> None:
        block_types(self.config, value)
        self._half = value

    def forward(
        self, image: torch.Tensor, condition: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Judge pictures.

        Raises
        ------
        RequestError
            If a condition has another shape than the network was made for.
        """
        if condition.shape[1:] != self.config.embedding_shape:
            raise RequestError(
                f"This discriminator judges by embeddings of shape {self.config.embedding_shape}, "
                f"not {tuple(condition.shape[1:])}; choose the embedding it was made for."
            )
        x = self.last(minibatch_deviation(self._features(image)))
        vector = self.vector(x.flatten(1))
        semantic = self.semantic(vector)
        if self.caption_semantic is not None:
            semantic = torch.stack([semantic, self.caption_semantic(vector)], 1)
        products = (condition * semantic).flatten(1).sum(1)
        return self.realness(vector).squeeze(1) + products, semantic

    def _features(self, image: torch.Tensor) -> torch.Tensor:
        """Picture → (n, c, 4, 4)."""
        if self._half is None:
            features: torch.Tensor = self.blocks(self.from_rgb(image))
            return features
        types = block_types(self.config, self._half)
        x: torch.Tensor = self.from_rgb(image.to(types[self.config.resolution]))
        for block, resolution in zip(
            self.blocks, reversed(self.config.resolutions[1:]), strict=True
        ):
            x = block(x.to(types[resolution]))
        return x.to(torch.float32)
