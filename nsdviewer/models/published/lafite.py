"""How the layers of published LAFITE generators get their styles, and the same in our terms.

The authors' networks come in four *structures*. With c the feature after its two layers (`pre_0`,
`pre_1`), a layer's style is

    0   A w + a + B c + b                  two affine maps (`affine`, `affine_0`), added
    1   (A w + a) · s(feature) + t(feature)  a product, which no affine map of (w, c) gives
    2   A [c, w] + a                       one affine map (`affine_0`): the published checkpoints
    3   A w + a                            the feature is not used: plain StyleGAN2

Ours is A [w, c] + a: structure 2 with its columns in another order, and 0 and 3 with gains that
differ by a constant, because the equalised learning rate divides by the root of the inputs' number.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from nsdviewer.models.published.modules import Network, Unfit

Floats = NDArray[np.float32]


class Style(Enum):
    """How a layer's style follows from w and the condition; the values are LAFITE's numbers."""

    ADDED = 0
    JOINED = 2
    PLAIN = 3


@dataclass(frozen=True)
class StyleSizes:
    """Widths of w, of the feature, and of the condition that two layers make of it."""

    n_w: int
    n_feature: int
    n_condition: int


def style_of(network: Network, layer: str) -> Style:
    """Return how `layer` gets its style.

    Raises
    ------
    Unfit
        If it is LAFITE's structure 1, or none of the four.
    """
    has = {
        part: f"{layer}.{part}.weight" in network.tensors
        for part in ("affine", "affine_0", "pre_0", "scale_layer_0")
    }
    if has["scale_layer_0"]:
        raise Unfit(
            f"{layer} multiplies its style by the feature (LAFITE's structure 1), and ours adds"
        )
    if has["pre_0"] and has["affine_0"]:
        return Style.ADDED if has["affine"] else Style.JOINED
    if has["affine"]:
        return Style.PLAIN
    raise Unfit(f"{layer} has no layer that makes its style")


def style_shapes(style: Style, sizes: StyleSizes, n_in: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors that give a layer of `n_in` channels its style."""
    n_w, n_c = sizes.n_w, sizes.n_condition
    shapes: dict[str, tuple[int, ...]] = {}
    if style is not Style.JOINED:
        shapes |= {"affine.weight": (n_in, n_w), "affine.bias": (n_in,)}
    if style is not Style.PLAIN:
        n_both = n_c if style is Style.ADDED else n_w + n_c
        shapes |= {"pre_0.weight": (n_c, sizes.n_feature), "pre_0.bias": (n_c,)}
        shapes |= {"pre_1.weight": (n_c, n_c), "pre_1.bias": (n_c,)}
        shapes |= {"affine_0.weight": (n_in, n_both), "affine_0.bias": (n_in,)}
    return shapes


def check_style(network: Network, layer: str, style: Style, multiplier: float) -> None:
    """Raise `Unfit` where activations or gains of a layer's style differ from ours."""
    parts = {Style.ADDED: ("affine", "affine_0"), Style.JOINED: ("affine_0",)}
    for part in parts.get(style, ("affine",)):
        _check_connected(network, f"{layer}.{part}", "linear", 1.0)
    if style is not Style.PLAIN:
        for part in ("pre_0", "pre_1"):
            _check_connected(network, f"{layer}.{part}", "lrelu", multiplier)


def check_mapping(network: Network, n_layers: int, multiplier: float) -> None:
    """Raise `Unfit` where activations or gains of the mapping differ from ours."""
    for k in range(n_layers):
        _check_connected(network, f"mapping.fc{k}", "lrelu", multiplier)


def _check_connected(network: Network, name: str, activation: str, multiplier: float) -> None:
    n_in = network.tensors[f"{name}.weight"].shape[1]
    network.expect(name, "activation", activation)
    network.expect_gain(name, "bias_gain", multiplier)
    network.expect_gain(name, "weight_gain", multiplier / sqrt(n_in))


def our_style(
    style: Style, tensors: Mapping[str, Floats], sizes: StyleSizes, n_in: int
) -> dict[str, Floats]:
    """Return the tensors of our `LayerStyle` that give the same style.

    Parameters
    ----------
    tensors
        Of the published layer, by the names of `style_shapes`.
    """
    n_w, n_c = sizes.n_w, sizes.n_condition
    n_both = n_w + n_c
    if style is Style.JOINED:
        joined = tensors["affine_0.weight"]
        weight = np.concatenate([joined[:, n_c:], joined[:, :n_c]], 1)
        bias = tensors["affine_0.bias"]
    else:
        of_w = tensors["affine.weight"] * np.float32(sqrt(n_both / n_w))
        of_condition = np.zeros((n_in, n_c), np.float32)
        bias = tensors["affine.bias"]
        if style is Style.ADDED:
            of_condition = tensors["affine_0.weight"] * np.float32(sqrt(n_both / n_c))
            bias = bias + tensors["affine_0.bias"]
        weight = np.concatenate([of_w, of_condition], 1)
    blank = style_shapes(Style.JOINED, sizes, n_in)
    ours = {"affine.weight": weight, "affine.bias": bias}
    for k in (0, 1):
        for part in ("weight", "bias"):
            name = f"pre_{k}.{part}"
            # A layer without a feature has a condition of zeros, which its affine map passes over.
            ours[f"condition.{k}.{part}"] = (
                np.zeros(blank[name], np.float32) if style is Style.PLAIN else tensors[name]
            )
    return ours
