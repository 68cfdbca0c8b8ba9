"""StyleGAN2-ADA's generator as its PyTorch edition pickles it: what is where, and what of it is ours.

Names in the pickle: `mapping.fc0` …; `synthesis.b4` to `synthesis.b256`, one block a resolution,
with `conv0` (from 8 upwards), `conv1` and `torgb`; `noise_const`, `noise_strength`, `weight`, `bias`
of each layer; and low-pass filters that are the same everywhere (Karras et al. 2020,
arXiv:2006.06676).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt

import numpy as np

from nsdviewer.errors import RequestError
from nsdviewer.models.lafite.config import LafiteConfig
from nsdviewer.models.published.lafite import (
    Floats,
    Style,
    StyleSizes,
    check_mapping,
    check_style,
    our_style,
    style_of,
    style_shapes,
)
from nsdviewer.models.published.modules import Network, Unfit

_MAX_RESOLUTION = 1024
_LOW_PASS = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64


@dataclass(frozen=True)
class Layer:
    """One convolution or toRGB: what it is called there and here, and its input channels."""

    published: str
    ours: str
    style: Style
    n_in: int
    is_colour: bool
    resolution: int


@dataclass(frozen=True)
class PublishedGenerator:
    """A generator that ours can stand for.

    Attributes
    ----------
    ignores_embedding
        Whether no layer uses the feature: plain StyleGAN2.
    """

    network: Network
    config: LafiteConfig
    layers: tuple[Layer, ...]
    sizes: StyleSizes

    @property
    def ignores_embedding(self) -> bool:
        return all(layer.style is Style.PLAIN for layer in self.layers)


def recognise(network: Network, n_embedding: int) -> PublishedGenerator:
    """Find out what a pickled network is, and that ours can stand for it.

    Parameters
    ----------
    n_embedding
        Dimension of the embedding that the generator is to paint from.

    Raises
    ------
    Unfit
        If it is another architecture, has class labels, paints from features of another dimension,
        or any tensor is missing, left over, or of another shape.
    """
    network.expect("", "c_dim", 0)
    network.expect("", "img_channels", 3)
    resolution = network.count("", "img_resolution")
    if not 8 <= resolution <= _MAX_RESOLUTION or resolution & (resolution - 1):
        raise Unfit(f"it paints {resolution} pixels, and ours a power of two from 8 to 1024")
    blocks = [2**k for k in range(2, resolution.bit_length())]
    n_channels = {r: _length(network, f"synthesis.b{r}.conv1.weight", 0) for r in blocks}
    layers = tuple(_layers(network, n_channels))
    sizes = _sizes(network, layers, n_embedding)
    config = _config(network, n_channels, layers, sizes)
    generator = PublishedGenerator(network, config, layers, sizes)
    network.require(_shapes(generator))
    _check_gains(generator)
    return generator


def our_tensors(generator: PublishedGenerator) -> Iterator[tuple[str, Floats]]:
    """Yield name and values of every tensor of our `Generator`, in no order."""
    read = generator.network.tensors
    for k in range(generator.config.n_mapping_layers):
        for part in ("weight", "bias"):
            yield f"mapping.layers.{k}.{part}", read[f"mapping.fc{k}.{part}"].array()
    yield "mapping.w_avg", read["mapping.w_avg"].array()
    yield "constant", read["synthesis.b4.const"].array()
    for layer in generator.layers:
        there, here = layer.published, layer.ours
        yield f"{here}.convolution.weight", read[f"{there}.weight"].array()
        yield f"{here}.bias", read[f"{there}.bias"].array()
        if not layer.is_colour:
            yield f"{here}.noise_image", read[f"{there}.noise_const"].array()
            yield f"{here}.noise_strength", read[f"{there}.noise_strength"].array()
        names = style_shapes(layer.style, generator.sizes, layer.n_in)
        tensors = {name: read[f"{there}.{name}"].array() for name in names}
        for name, values in our_style(layer.style, tensors, generator.sizes, layer.n_in).items():
            yield f"{here}.style.{name}", values


def _length(network: Network, tensor: str, axis: int) -> int:
    if tensor not in network.tensors or len(network.tensors[tensor].shape) <= axis:
        raise Unfit(f"it has no {tensor}, and is another architecture")
    return network.tensors[tensor].shape[axis]


def _layers(network: Network, n_channels: dict[int, int]) -> Iterator[Layer]:
    n_convolutions = 0
    for block, (resolution, n_out) in enumerate(n_channels.items()):
        prefix = f"synthesis.b{resolution}"
        network.expect(prefix, "architecture", "skip")
        parts = [("conv1", n_out), ("torgb", n_out)]
        if block:
            parts.insert(0, ("conv0", n_channels[resolution // 2]))
        for part, n_in in parts:
            name = f"{prefix}.{part}"
            is_colour = part == "torgb"
            ours = f"to_rgb.{block}" if is_colour else f"layers.{n_convolutions}"
            n_convolutions += not is_colour
            yield Layer(name, ours, style_of(network, name), n_in, is_colour, resolution)


def _sizes(network: Network, layers: tuple[Layer, ...], n_embedding: int) -> StyleSizes:
    n_w = network.count("", "w_dim")
    conditioned = [layer for layer in layers if layer.style is not Style.PLAIN]
    if not conditioned:
        return StyleSizes(n_w, n_embedding, 1)
    first = conditioned[0].published
    n_feature = _length(network, f"{first}.pre_0.weight", 1)
    if n_feature != n_embedding:
        raise Unfit(
            f"it paints from features of {n_feature} dimensions, and the embedding has {n_embedding}"
        )
    return StyleSizes(n_w, n_feature, _length(network, f"{first}.pre_1.weight", 0))


def _config(
    network: Network, n_channels: dict[int, int], layers: tuple[Layer, ...], sizes: StyleSizes
) -> LafiteConfig:
    conditioned = [layer.published for layer in layers if layer.style is not Style.PLAIN]
    n_mapping_layers = sum(
        name.startswith("mapping.fc") and name.endswith(".weight") for name in network.tensors
    )
    try:
        config = LafiteConfig(
            resolution=max(n_channels),
            n_embedding=sizes.n_feature,
            n_z=network.count("", "z_dim"),
            n_w=sizes.n_w,
            n_mapping_layers=n_mapping_layers,
            channel_base=max(r * n for r, n in n_channels.items()),
            channel_max=max(n_channels.values()),
            n_condition=sizes.n_condition,
            condition_lr_multiplier=(
                network.number(f"{conditioned[0]}.pre_0", "bias_gain") if conditioned else 1.0
            ),
            mapping_lr_multiplier=network.number("mapping.fc0", "bias_gain"),
            embedding_gain=1.0,
            clamp=_clamp(network, layers),
            w_avg_decay=network.number("mapping", "w_avg_beta"),
        )
    except RequestError as error:
        raise Unfit(str(error)) from error
    if any(config.n_channels(r) != n for r, n in n_channels.items()):
        raise Unfit(f"its numbers of channels {tuple(n_channels.values())} follow another rule")
    return config


def _clamp(network: Network, layers: tuple[Layer, ...]) -> float | None:
    """At which size all layers cut their output off, or None."""
    found = [network.attribute(layer.published, "conv_clamp") for layer in layers]
    if any(value != found[0] for value in found):
        raise Unfit("its layers are clamped at different values")
    return None if found[0] is None else network.number(layers[0].published, "conv_clamp")


def _shapes(generator: PublishedGenerator) -> dict[str, tuple[int, ...]]:
    """Every tensor that the pickled network has, with its shape."""
    config, sizes = generator.config, generator.sizes
    shapes: dict[str, tuple[int, ...]] = {"mapping.w_avg": (sizes.n_w,)}
    for k in range(config.n_mapping_layers):
        shapes[f"mapping.fc{k}.weight"] = (sizes.n_w, sizes.n_w if k else config.n_z)
        shapes[f"mapping.fc{k}.bias"] = (sizes.n_w,)
    shapes["synthesis.b4.const"] = (config.n_channels(4), 4, 4)
    for layer in generator.layers:
        name = layer.published
        n_out, size = (3, 1) if layer.is_colour else (config.n_channels(layer.resolution), 3)
        shapes[f"{name}.weight"] = (n_out, layer.n_in, size, size)
        shapes[f"{name}.bias"] = (n_out,)
        if not layer.is_colour:
            shapes[f"{name}.noise_const"] = (layer.resolution, layer.resolution)
            shapes[f"{name}.noise_strength"] = ()
            shapes[f"{name}.resample_filter"] = _LOW_PASS.shape
        shapes[f"synthesis.b{layer.resolution}.resample_filter"] = _LOW_PASS.shape
        shapes |= {
            f"{name}.{part}": shape
            for part, shape in style_shapes(layer.style, sizes, layer.n_in).items()
        }
    return shapes


def _check_gains(generator: PublishedGenerator) -> None:
    """Raise `Unfit` where what is no tensor differs from our layers: gains, filters, activations."""
    network, config = generator.network, generator.config
    network.expect("mapping", "num_layers", config.n_mapping_layers)
    check_mapping(network, config.n_mapping_layers, config.mapping_lr_multiplier)
    for layer in generator.layers:
        name = layer.published
        check_style(network, name, layer.style, config.condition_lr_multiplier)
        if layer.is_colour:
            network.expect_gain(name, "weight_gain", 1 / sqrt(layer.n_in))
            continue
        network.expect(name, "activation", "lrelu")
        network.expect(name, "up", 2 if name.endswith("conv0") else 1)
        network.expect(name, "use_noise", True)
        network.expect_gain(name, "act_gain", sqrt(2))
    for name, tensor in network.tensors.items():
        if name.endswith("resample_filter") and not np.allclose(tensor.array(), _LOW_PASS):
            raise Unfit(f"{name} is another low-pass filter than [1, 3, 3, 1]")
