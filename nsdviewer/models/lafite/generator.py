"""LAFITE's generator: StyleGAN2 whose every layer is conditioned on a joint embedding.

Zhou et al. (2022), "Towards language-free training for text-to-image generation",
arXiv:2111.13792. Written from the paper's description.

    z ──► mapping ──► w ─┐
                         ├─ concatenate ─► affine ─► style of one layer
    e ──► 2 layers ──────┘

With two branches (Lin et al. 2022, "Mind Reader") the embeddings of an image and of its caption
each pass through two layers of their own, and the larger of both results goes on, element by element.
"""

from collections.abc import Mapping as Dictionary
from itertools import pairwise

import torch
from torch import nn

from nsdviewer.errors import RequestError
from nsdviewer.models.lafite import fast_synthesis
from nsdviewer.models.lafite.config import LafiteConfig
from nsdviewer.models.lafite.layers import (
    FullyConnected,
    ModulatedConvolution,
    activate,
    block_types,
    upsample,
)


class Mapping(nn.Module):
    """z (n, n_z) → w (n, n_w): normalise, then fully connected layers.

    Where the configuration asks for it, the buffer `w_avg` (n_w,) follows the mean of w.
    """

    w_avg: torch.Tensor

    def __init__(self, config: LafiteConfig) -> None:
        super().__init__()
        sizes = [config.n_z] + [config.n_w] * config.n_mapping_layers
        self.layers = nn.Sequential(
            *(
                FullyConnected(a, b, activation=True, lr_multiplier=config.mapping_lr_multiplier)
                for a, b in pairwise(sizes)
            )
        )
        self.decay = config.w_avg_decay
        if self.decay is not None:
            self.register_buffer("w_avg", torch.zeros(config.n_w))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        z = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        w: torch.Tensor = self.layers(z)
        return w

    @torch.no_grad()
    def track(self, w: torch.Tensor) -> None:
        """Move the average towards the mean of a training batch w (n, n_w), if there is one."""
        if self.decay is not None:
            self.w_avg.lerp_(w.mean(0).to(self.w_avg.dtype), 1 - self.decay)

    def truncate(self, w: torch.Tensor, psi: float, n_truncated: int | None = None) -> torch.Tensor:
        """Draw w (n, n_styles, n_w) towards the average: average + psi · (w − average).

        Parameters
        ----------
        n_truncated
            Only so many of the styles, from the coarsest on; None means all.

        Raises
        ------
        RequestError
            If psi is not 1 and this generator keeps no average.
        """
        if psi == 1:
            return w
        if self.decay is None:
            raise RequestError(
                f"This generator keeps no average of w, so psi = {psi} has nothing to draw towards; "
                "paint with psi = 1, or train with w_avg_decay."
            )
        n = w.shape[1] if n_truncated is None else n_truncated
        return torch.cat([torch.lerp(self.w_avg.expand_as(w[:, :n]), w[:, :n], psi), w[:, n:]], 1)


class LayerStyle(nn.Module):
    """(w, embedding) → the style (n, n_channels) of one layer."""

    def __init__(self, config: LafiteConfig, n_channels: int) -> None:
        super().__init__()
        self.condition = _condition_network(config)
        self.affine = FullyConnected(config.n_w + config.n_condition, n_channels, bias_init=1.0)
        self.embedding_gain = config.embedding_factor
        self.caption_condition = _condition_network(config) if config.n_branches == 2 else None

    def forward(self, w: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        scaled = embedding * self.embedding_gain
        if self.caption_condition is None:
            condition = self.condition(scaled)
        else:
            image, caption = scaled.unbind(1)
            condition = torch.maximum(self.condition(image), self.caption_condition(caption))
        style: torch.Tensor = self.affine(torch.cat([w, condition], 1))
        return style


def _condition_network(config: LafiteConfig) -> nn.Sequential:
    """Two layers of one branch: (n, n_embedding) → (n, n_condition)."""
    n, multiplier = config.n_condition, config.condition_lr_multiplier
    return nn.Sequential(
        FullyConnected(config.n_embedding, n, True, multiplier),
        FullyConnected(n, n, True, multiplier),
    )


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
        self.clamp = config.clamp

    def forward(
        self, x: torch.Tensor, w: torch.Tensor, embedding: torch.Tensor, random_noise: bool
    ) -> torch.Tensor:
        dtype = x.dtype
        x = self.convolution(x, self.style(w, embedding))
        noise = self.noise(x, random_noise) * self.noise_strength
        return activate(x + noise.to(dtype) + self.bias[:, None, None].to(dtype), self.clamp)

    def noise(self, x: torch.Tensor, random_noise: bool) -> torch.Tensor:
        """Return noise for pictures x (n, c, H, W): one image for all, or (n, 1, H, W) drawn."""
        if random_noise:
            return torch.randn(x.shape[0], 1, *x.shape[2:], device=x.device)
        return self.noise_image


class ToRGB(nn.Module):
    """Styled 1 × 1 convolution to three colours, without demodulation."""

    def __init__(self, config: LafiteConfig, n_in: int) -> None:
        super().__init__()
        self.style = LayerStyle(config, n_in)
        self.convolution = ModulatedConvolution(n_in, 3, 1, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(3))
        self.clamp = config.clamp

    def forward(self, x: torch.Tensor, w: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.convolution(x, self.style(w, embedding))
        y = y + self.bias[:, None, None]
        return y if self.clamp is None else y.clamp(-self.clamp, self.clamp)


class Generator(nn.Module):
    """z (n, n_z) and embedding (unit norm) → picture (n, 3, r, r) about [−1, 1].

    Embeddings are (n, n_embedding), or (n, 2, n_embedding) with two branches: image, then caption.

    Attributes
    ----------
    half_dtype
        Number type of the blocks of the top four resolutions (float16 or bfloat16), set from
        outside and part of no file; None runs everything in the parameters' own type.
    """

    def __init__(self, config: LafiteConfig) -> None:
        super().__init__()
        self.config = config
        self._half: torch.dtype | None = None
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

    @property
    def half_dtype(self) -> torch.dtype | None:
        return self._half

    @half_dtype.setter
    def half_dtype(self, value: torch.dtype | None) -> None:
        block_types(self.config, value)
        self._half = value

    def synthesise(
        self, w: torch.Tensor, embedding: torch.Tensor, random_noise: bool = False
    ) -> torch.Tensor:
        """Paint from w (n, n_styles, n_w); each toRGB shares the w of the layer after it.

        Raises
        ------
        RequestError
            If an embedding has another shape than the network was made for.
        """
        if embedding.shape[1:] != self.config.embedding_shape:
            raise RequestError(
                f"This generator paints from embeddings of shape {self.config.embedding_shape}, not "
                f"{tuple(embedding.shape[1:])}; choose the embedding it was trained with."
            )
        if self._half is None and fast_synthesis.applies(self.constant):
            return fast_synthesis.synthesise(self, w, embedding, random_noise)
        types = block_types(self.config, self._half)
        x = self.constant.expand(w.shape[0], -1, -1, -1)
        x = self.layers[0](x, w[:, 0], embedding, random_noise)
        image: torch.Tensor = self.to_rgb[0](x, w[:, 1], embedding)
        for block, resolution in enumerate(self.config.resolutions[1:], 1):
            first = 2 * block - 1
            x = x.to(types.get(resolution, x.dtype))
            x = self.layers[first](x, w[:, first], embedding, random_noise)
            x = self.layers[first + 1](x, w[:, first + 1], embedding, random_noise)
            colours = self.to_rgb[block](x, w[:, first + 2], embedding)
            image = upsample(image) + colours
        return image

    def forward(
        self,
        z: torch.Tensor,
        embedding: torch.Tensor,
        random_noise: bool = False,
        psi: float = 1.0,
        n_truncated: int | None = None,
    ) -> torch.Tensor:
        """Paint; psi and n_truncated as in `Mapping.truncate`."""
        w = self.mapping(z).unsqueeze(1).expand(-1, self.n_styles, -1)
        return self.synthesise(self.mapping.truncate(w, psi, n_truncated), embedding, random_noise)


def two_branch_state(state: Dictionary[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return weights of a two-branch network that does what a one-branch one does.

    The caption's networks start as copies of the image's, so that fine-tuning begins where the
    one-branch training ended. Takes the state of a `Generator` or a `Discriminator`.
    """
    copies = {}
    for key, value in state.items():
        for own, other in (("condition", "caption_condition"), ("semantic", "caption_semantic")):
            parts = key.split(".")
            if own in parts:
                parts[parts.index(own)] = other
                copies[".".join(parts)] = value.clone()
    return {**state, **copies}
