"""LAFITE's generator: StyleGAN2 whose every layer is conditioned on a joint embedding.

Zhou et al. (2022), "Towards language-free training for text-to-image generation",
arXiv:2111.13792. Written from the paper's description.

    z ──► mapping ──► w ─┐
                         ├─ concatenate ─► affine ─► style of one layer
    e ──► 2 layers ──────┘
"""

from itertools import pairwise

import torch
from torch import nn

from nsdviewer.models.lafite.config import LafiteConfig
from nsdviewer.models.lafite.layers import (
    FullyConnected,
    ModulatedConvolution,
    activate,
    upsample,
)


class Mapping(nn.Module):
    """z (n, n_z) → w (n, n_w): normalise, then fully connected layers."""

    def __init__(self, config: LafiteConfig) -> None:
        super().__init__()
        sizes = [config.n_z] + [config.n_w] * config.n_mapping_layers
        self.layers = nn.Sequential(
            *(
                FullyConnected(a, b, activation=True, lr_multiplier=config.mapping_lr_multiplier)
                for a, b in pairwise(sizes)
            )
        )

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        z = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        w: torch.Tensor = self.layers(z)
        return w


class LayerStyle(nn.Module):
    """(w, embedding) → the style (n, n_channels) of one layer."""

    def __init__(self, config: LafiteConfig, n_channels: int) -> None:
        super().__init__()
        multiplier = config.condition_lr_multiplier
        self.condition = nn.Sequential(
            FullyConnected(config.n_embedding, config.n_condition, True, multiplier),
            FullyConnected(config.n_condition, config.n_condition, True, multiplier),
        )
        self.affine = FullyConnected(config.n_w + config.n_condition, n_channels, bias_init=1.0)
        # Unit vectors have components of size 1/√d; the layers expect components of size 1.
        self.embedding_gain = config.n_embedding**0.5

    def forward(self, w: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        condition = self.condition(embedding * self.embedding_gain)
        style: torch.Tensor = self.affine(torch.cat([w, condition], 1))
        return style


class SynthesisLayer(nn.Module):
    """Styled 3 × 3 convolution, noise, bias, leaky ReLU; `up` doubles the resolution."""

    noise_image: torch.Tensor

    def __init__(
        self, config: LafiteConfig, n_in: int, n_out: int, resolution: int, up: bool
    ) -> None:
        super().__init__()
        self.style = LayerStyle(config, n_in)
        self.convolution = ModulatedConvolution(n_in, n_out, 3, up=up)
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.register_buffer("noise_image", torch.randn(resolution, resolution))

    def forward(
        self, x: torch.Tensor, w: torch.Tensor, embedding: torch.Tensor, random_noise: bool
    ) -> torch.Tensor:
        x = self.convolution(x, self.style(w, embedding))
        noise = (
            torch.randn(x.shape[0], 1, *x.shape[2:], device=x.device)
            if random_noise
            else self.noise_image
        )
        return activate(x + noise * self.noise_strength + self.bias[:, None, None])


class ToRGB(nn.Module):
    """Styled 1 × 1 convolution to three colours, without demodulation."""

    def __init__(self, config: LafiteConfig, n_in: int) -> None:
        super().__init__()
        self.style = LayerStyle(config, n_in)
        self.convolution = ModulatedConvolution(n_in, 3, 1, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: torch.Tensor, w: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.convolution(x, self.style(w, embedding))
        return y + self.bias[:, None, None]


class Generator(nn.Module):
    """z (n, n_z) and embedding (n, n_embedding, unit norm) → picture (n, 3, r, r) about [−1, 1]."""

    def __init__(self, config: LafiteConfig) -> None:
        super().__init__()
        self.config = config
        self.mapping = Mapping(config)
        n_first = config.n_channels(4)
        self.constant = nn.Parameter(torch.randn(n_first, 4, 4))
        self.layers = nn.ModuleList([SynthesisLayer(config, n_first, n_first, 4, up=False)])
        self.to_rgb = nn.ModuleList([ToRGB(config, n_first)])
        n_in = n_first
        for resolution in config.resolutions[1:]:
            n_out = config.n_channels(resolution)
            self.layers.append(SynthesisLayer(config, n_in, n_out, resolution, up=True))
            self.layers.append(SynthesisLayer(config, n_out, n_out, resolution, up=False))
            self.to_rgb.append(ToRGB(config, n_out))
            n_in = n_out

    @property
    def n_styles(self) -> int:
        """Number of w vectors that `synthesise` takes: one a convolution, one for the last toRGB."""
        return len(self.layers) + 1

    def synthesise(
        self, w: torch.Tensor, embedding: torch.Tensor, random_noise: bool = False
    ) -> torch.Tensor:
        """Paint from w (n, n_styles, n_w); each toRGB shares the w of the layer after it."""
        x = self.constant.expand(w.shape[0], -1, -1, -1)
        x = self.layers[0](x, w[:, 0], embedding, random_noise)
        image: torch.Tensor = self.to_rgb[0](x, w[:, 1], embedding)
        for block in range(1, len(self.to_rgb)):
            first = 2 * block - 1
            x = self.layers[first](x, w[:, first], embedding, random_noise)
            x = self.layers[first + 1](x, w[:, first + 1], embedding, random_noise)
            colours = self.to_rgb[block](x, w[:, first + 2], embedding)
            image = upsample(image) + colours
        return image

    def forward(
        self, z: torch.Tensor, embedding: torch.Tensor, random_noise: bool = False
    ) -> torch.Tensor:
        w = self.mapping(z).unsqueeze(1).expand(-1, self.n_styles, -1)
        return self.synthesise(w, embedding, random_noise)
