"""Building blocks of StyleGAN2 in plain PyTorch (Karras et al. 2020, arXiv:1912.04958).

All weights use the *equalised learning rate*: they are stored with unit variance and scaled by
1/√fan_in at run time, so that one Adam step means the same relative change in every layer.

A block may run in half precision: weights and styles stay in single precision and are converted
where they meet the picture, whose type each layer keeps.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from nsdviewer.errors import RequestError
from nsdviewer.models.lafite.config import LafiteConfig

N_HALF_RESOLUTIONS = 4
LEAK = 0.2
ACTIVATION_GAIN = math.sqrt(2)

_FIR = (1.0, 3.0, 3.0, 1.0)


def activate(x: torch.Tensor, clamp: float | None = None) -> torch.Tensor:
    """Leaky ReLU with the gain √2 that keeps the variance of its input, kept within ±clamp."""
    y = F.leaky_relu(x, LEAK) * ACTIVATION_GAIN
    return y if clamp is None else y.clamp(-clamp, clamp)


def block_types(config: LafiteConfig, half: torch.dtype | None) -> dict[int, torch.dtype]:
    """Return the number type of each resolution's block: `half` in the top four, never at 4².

    Raises
    ------
    RequestError
        Where `half` is no half-precision type, or float16 for a network whose activations are not
        clamped: they would overflow.
    """
    if half is None:
        return {}
    if half not in (torch.float16, torch.bfloat16):
        raise RequestError(
            f"Half precision is float16 or bfloat16, not {half}; choose one, or None."
        )
    if half is torch.float16 and config.clamp is None:
        raise RequestError(
            "This network does not clamp its activations, which float16 needs; choose bfloat16, or "
            "a configuration with clamp=256."
        )
    top = config.resolutions[1:][-N_HALF_RESOLUTIONS:]
    return {r: half if r in top else torch.float32 for r in config.resolutions}


class FullyConnected(nn.Module):
    """Linear layer (n, n_in) → (n, n_out) with equalised learning rate.

    `lr_multiplier` scales the layer's effective learning rate without changing what it computes
    at the start; `bias_init` is the value that the bias has at the start.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        activation: bool = False,
        lr_multiplier: float = 1.0,
        bias_init: float = 0.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((n_out,), bias_init / lr_multiplier))
        self.weight_gain = lr_multiplier / math.sqrt(n_in)
        self.bias_gain = lr_multiplier
        self.activation = activation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.linear(x, self.weight * self.weight_gain, self.bias * self.bias_gain)
        return activate(y) if self.activation else y


def fir_kernel(n_channels: int, gain: float, like: torch.Tensor) -> torch.Tensor:
    """The separable binomial low-pass (4 × 4) as a depthwise convolution weight."""
    taps = torch.tensor(_FIR, device=like.device, dtype=like.dtype)
    kernel = torch.outer(taps, taps)
    kernel = kernel * (gain / kernel.sum())
    return kernel.expand(n_channels, 1, 4, 4)


def blur(x: torch.Tensor, padding: int, stride: int = 1) -> torch.Tensor:
    """Low-pass (n, c, H, W), with `padding` zeros on every side."""
    n_channels = x.shape[1]
    kernel = fir_kernel(n_channels, 1.0, x)
    return F.conv2d(x, kernel, stride=stride, padding=padding, groups=n_channels)


def upsample(x: torch.Tensor) -> torch.Tensor:
    """Double the resolution of (n, c, H, W): zeros between the samples, then the low-pass."""
    n_channels = x.shape[1]
    # The transposed convolution inserts the zeros and filters in one pass.
    return F.conv_transpose2d(
        x, fir_kernel(n_channels, 4.0, x), stride=2, padding=1, groups=n_channels
    )


def downsample(x: torch.Tensor) -> torch.Tensor:
    """Halve the resolution of (n, c, H, W) with the low-pass."""
    return blur(x, 1, stride=2)


class Convolution(nn.Module):
    """Plain convolution with equalised learning rate; `down` halves the resolution first."""

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel_size: int,
        activation: bool = True,
        bias: bool = True,
        down: bool = False,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(n_out)) if bias else None
        self.gain = 1 / math.sqrt(n_in * kernel_size**2)
        self.activation = activation
        self.down = down
        self.clamp = clamp

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = (self.weight * self.gain).to(x.dtype)
        bias = None if self.bias is None else self.bias.to(x.dtype)
        if not self.down:
            y = F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)
        elif weight.shape[-1] == 1:
            y = F.conv2d(downsample(x), weight, bias)
        else:
            # Padding 2 keeps the blurred picture one sample larger, as the strided 3 × 3 needs.
            y = F.conv2d(blur(x, 2), weight, bias, stride=2)
        return activate(y, self.clamp) if self.activation else y


class ModulatedConvolution(nn.Module):
    """Convolution whose input channels are scaled per sample by a style, then renormalised.

    Scaling the input and the output is the same as scaling the kernel of each sample (Karras et
    al. 2020, section 2.2), and needs one ordinary convolution instead of a grouped one.

    Shapes: x (n, n_in, H, W), style (n, n_in) → (n, n_out, H or 2H, …).
    """

    def __init__(
        self, n_in: int, n_out: int, kernel_size: int, demodulate: bool = True, up: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in, kernel_size, kernel_size))
        self.gain = 1 / math.sqrt(n_in * kernel_size**2)
        self.demodulate = demodulate
        self.up = up

    def forward(self, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        weight = self.weight * self.gain
        if self.demodulate and x.dtype is torch.float16:
            weight, style = self._within_range(weight, style)
        kernel = weight.to(x.dtype)
        x = x * style[:, :, None, None].to(x.dtype)
        if self.up:
            x = F.conv_transpose2d(x, kernel.transpose(0, 1), stride=2)
            x = blur(x, 1) * 4
        else:
            x = F.conv2d(x, kernel, padding=kernel.shape[-1] // 2)
        if self.demodulate:
            energy = weight.square().sum((2, 3))
            scale = torch.rsqrt(style.square() @ energy.t() + 1e-8)
            x = x * scale[:, :, None, None].to(x.dtype)
        return x

    def _within_range(
        self, weight: torch.Tensor, style: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Scale each output channel's kernel to at most 1/√fan_in, each sample's style to 1.

        Renormalisation undoes any such factor; with it, sums over clamped inputs stay below
        float16's largest number.
        """
        weight = weight * (self.gain / weight.abs().amax((1, 2, 3), keepdim=True))
        return weight, style / style.abs().amax(1, keepdim=True)
