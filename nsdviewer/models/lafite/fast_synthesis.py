"""Painting on a CPU without gradients: what `Generator.synthesise` computes, in fewer passes.

Most of what a picture costs beside its convolutions is memory that is asked for and touched once.
So here activations are written in place, gains are joined with the factors that are applied anyway,
channels lie last in memory, and what depends on the weights alone is kept from call to call:

- the energies Σ weight² that renormalisation needs;
- the kernels as oneDNN reads them best;
- of each convolution that doubles the resolution, the four smaller kernels that make the samples at
  even and odd rows and columns, which it handles faster than the transposed convolution.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from torch import nn

from nsdviewer.models.lafite.layers import (
    ACTIVATION_GAIN,
    LEAK,
    FullyConnected,
    ModulatedConvolution,
    fir_kernel,
    upsample,
)

if TYPE_CHECKING:
    from nsdviewer.models.lafite.generator import Generator, LayerStyle, SynthesisLayer, ToRGB

_LAST = torch.channels_last
# The C library hands blocks above 32 MiB back to the system: there, the pages of one more buffer
# cost more than the four kernels save.
_LARGEST_KEPT_BYTES = 32 * 2**20


@dataclass(frozen=True)
class _Prepared:
    """What stays the same between pictures.

    Attributes
    ----------
    version
        Says of which weights this is made.
    energy
        (n_in, n_out).
    kernels
        One; or, for the up-sampling, the transposed one and those of the four phases.
    """

    version: tuple[object, ...]
    energy: torch.Tensor
    kernels: tuple[torch.Tensor, ...]


_prepared: weakref.WeakKeyDictionary[nn.Module, _Prepared] = weakref.WeakKeyDictionary()


def applies(parameter: torch.Tensor) -> bool:
    """Whether a network with such parameters paints here: on a CPU, and nobody asks for gradients."""
    return (
        parameter.device.type == "cpu"
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
    )


def synthesise(
    generator: Generator, w: torch.Tensor, embedding: torch.Tensor, random_noise: bool
) -> torch.Tensor:
    """Paint as `Generator.synthesise` does."""
    layers = cast("list[SynthesisLayer]", list(generator.layers))
    to_rgb = cast("list[ToRGB]", list(generator.to_rgb))
    x = generator.constant.expand(w.shape[0], -1, -1, -1).clone(memory_format=_LAST)
    x = _layer(layers[0], x, w[:, 0], embedding, random_noise)
    image = _colours(to_rgb[0], x, w[:, 1], embedding)
    for block in range(1, len(to_rgb)):
        first = 2 * block - 1
        x = _layer(layers[first], x, w[:, first], embedding, random_noise)
        x = _layer(layers[first + 1], x, w[:, first + 1], embedding, random_noise)
        colours = _colours(to_rgb[block], x, w[:, first + 2], embedding)
        image = upsample(image).add_(colours)
    return image


def _layer(
    layer: SynthesisLayer,
    x: torch.Tensor,
    w: torch.Tensor,
    embedding: torch.Tensor,
    random_noise: bool,
) -> torch.Tensor:
    """`SynthesisLayer`; x is overwritten."""
    prepared = _prepare(layer.convolution)
    style = _style(layer.style, w, embedding)
    x.mul_(style[:, :, None, None])
    y = _up(x, prepared) if layer.convolution.up else F.conv2d(x, prepared.kernels[0], padding=1)
    # The activation's gain may be applied before it: leaky ReLU keeps positive factors.
    scale = torch.rsqrt(style.square() @ prepared.energy + 1e-8).mul_(ACTIVATION_GAIN)
    noise = layer.noise(y, random_noise) * (layer.noise_strength * ACTIVATION_GAIN)
    torch.addcmul(noise.to(y.dtype), y, scale[:, :, None, None], out=y)
    y.add_((layer.bias * ACTIVATION_GAIN)[:, None, None])
    F.leaky_relu_(y, LEAK)
    return y if layer.clamp is None else y.clamp_(-layer.clamp, layer.clamp)


def _up(x: torch.Tensor, prepared: _Prepared) -> torch.Tensor:
    """Transposed 3 × 3 convolution with stride 2, then the low-pass."""
    whole, even_even, even_odd, odd_even, odd_odd = prepared.kernels
    n, _, height, width = x.shape
    n_out = even_even.shape[0]
    shape = (n, n_out, 2 * height + 1, 2 * width + 1)
    if n_out * shape[2] * shape[3] * n * x.element_size() > _LARGEST_KEPT_BYTES:
        y = F.conv_transpose2d(x, whole, stride=2)
    else:
        y = torch.empty(shape, dtype=x.dtype, memory_format=_LAST)
        y[:, :, ::2, ::2] = F.conv2d(x, even_even, padding=1)
        y[:, :, ::2, 1::2] = F.conv2d(x, even_odd, padding=(1, 0))
        y[:, :, 1::2, ::2] = F.conv2d(x, odd_even, padding=(0, 1))
        y[:, :, 1::2, 1::2] = F.conv2d(x, odd_odd)
    return F.conv2d(y, fir_kernel(n_out, 4.0, y), padding=1, groups=n_out)


def _colours(
    to_rgb: ToRGB, x: torch.Tensor, w: torch.Tensor, embedding: torch.Tensor
) -> torch.Tensor:
    """`ToRGB`, the style multiplied into its few weights instead of the picture."""
    n, n_channels, height, width = x.shape
    style = _style(to_rgb.style, w, embedding) * to_rgb.convolution.gain
    weight = to_rgb.convolution.weight.view(3, n_channels) * style[:, None, :]
    pixels = x.permute(0, 2, 3, 1).reshape(n, height * width, n_channels)
    y = torch.bmm(weight, pixels.transpose(1, 2)).view(n, 3, height, width)
    y.add_(to_rgb.bias[:, None, None])
    return y if to_rgb.clamp is None else y.clamp_(-to_rgb.clamp, to_rgb.clamp)


def _style(style: LayerStyle, w: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
    """`LayerStyle`."""
    scaled = embedding * style.embedding_gain
    if style.caption_condition is None:
        condition = _network(style.condition, scaled)
    else:
        image, caption = scaled.unbind(1)
        condition = torch.maximum(
            _network(style.condition, image), _network(style.caption_condition, caption)
        )
    return _connected(style.affine, torch.cat([w, condition], 1))


def _network(layers: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
    for layer in layers:
        x = _connected(cast("FullyConnected", layer), x)
    return x


def _connected(layer: FullyConnected, x: torch.Tensor) -> torch.Tensor:
    """`FullyConnected`, its gain applied to the few results instead of the many weights."""
    bias = layer.bias * layer.bias_gain
    y = torch.addmm(bias, x, layer.weight.t(), alpha=layer.weight_gain)
    return F.leaky_relu_(y, LEAK).mul_(ACTIVATION_GAIN) if layer.activation else y


def _prepare(convolution: ModulatedConvolution) -> _Prepared:
    """Return what is kept of a convolution, made anew where its weights have changed."""
    weight = convolution.weight
    if weight.is_inference():
        return _make(convolution, ())
    version = (weight._version, weight.data_ptr(), weight.dtype)
    kept = _prepared.get(convolution)
    if kept is None or kept.version != version:
        kept = _prepared[convolution] = _make(convolution, version)
    return kept


@torch.inference_mode(False)
def _make(convolution: ModulatedConvolution, version: tuple[object, ...]) -> _Prepared:
    # What inference mode makes could not be used outside it later.
    weight = convolution.weight.detach() * convolution.gain
    energy = weight.square().sum((2, 3)).t().contiguous()
    kernels: tuple[torch.Tensor, ...] = (weight,)
    if convolution.up:
        # Sample 2i of a transposed convolution with stride 2 sees taps 0 and 2, sample 2i + 1 tap 1.
        kernels = (
            weight.transpose(0, 1),
            weight[:, :, ::2, ::2].flip(2, 3),
            weight[:, :, ::2, 1:2].flip(2),
            weight[:, :, 1:2, ::2].flip(3),
            weight[:, :, 1:2, 1:2],
        )
    return _Prepared(version, energy, tuple(k.contiguous(memory_format=_LAST) for k in kernels))
