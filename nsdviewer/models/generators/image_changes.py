"""What augmentation can do to pictures, differentiably and on any device.

A picture is mirrored, turned by right angles, shifted, scaled, rotated, stretched, rotated and shifted
again, then its colours are changed: the order of Karras et al. (2020), appendix B.
"""

import math
from dataclasses import dataclass, fields
from typing import Self

import torch

from nsdviewer.errors import RequestError


@dataclass(frozen=True)
class Drawn:
    """What is done to each of n pictures, in this order; every field is (n,).

    Attributes
    ----------
    mirror
        1 where left and right change places, else 0.
    quarter_turns
        Times 90° counter-clockwise, 0 to 3.
    right_px, down_px
        Shift by whole pixels.
    scale
        Enlargement, all ways alike.
    turn_before, turn_after
        Rotation before and after stretching, radians counter-clockwise.
    stretch
        Enlargement from left to right; from top to bottom its inverse.
    right_fraction_px, down_fraction_px
        Shift by any distance.
    brightness
        What is added to pixels in −1..1.
    contrast
        Factor of pixels.
    luma_flip
        1 where dark and bright change places and hues stay, else 0.
    hue
        Rotation about the grey axis, radians.
    saturation
        Factor of the distance from grey.
    """

    mirror: torch.Tensor
    quarter_turns: torch.Tensor
    right_px: torch.Tensor
    down_px: torch.Tensor
    scale: torch.Tensor
    turn_before: torch.Tensor
    stretch: torch.Tensor
    turn_after: torch.Tensor
    right_fraction_px: torch.Tensor
    down_fraction_px: torch.Tensor
    brightness: torch.Tensor
    contrast: torch.Tensor
    luma_flip: torch.Tensor
    hue: torch.Tensor
    saturation: torch.Tensor

    @classmethod
    def nothing(cls, n: int, device: torch.device | None = None, **changes: torch.Tensor) -> Self:
        """Return what changes none of n pictures, but for `changes`."""
        factors = {"scale", "stretch", "contrast", "saturation"}
        neutral = {
            f.name: torch.full((n,), float(f.name in factors), device=device) for f in fields(cls)
        }
        return cls(**(neutral | changes))


def augment(images: torch.Tensor, drawn: Drawn) -> torch.Tensor:
    """Return (n, 3, H, W) images in −1..1 with what was drawn done to them.

    Half-precision pictures are changed in single precision and returned in half.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise RequestError(
            f"Augmentation changes RGB pictures (n, 3, height, width), not {tuple(images.shape)}."
        )
    is_exact = images.dtype in (torch.float32, torch.float64)
    precise = images if is_exact else images.float()
    values = {f.name: getattr(drawn, f.name).to(precise.dtype) for f in fields(drawn)}
    # Everything in one go, also what moves nothing: choosing rows would wait for the device.
    moved = _sample(precise, _trace_back(Drawn(**values)))
    coloured = _colour(moved, Drawn(**values))
    return torch.where(_is_changed(drawn)[:, None, None, None], coloured.to(images.dtype), images)


def _is_changed(drawn: Drawn) -> torch.Tensor:
    """Return (n,) whether anything is done to a picture."""
    n = len(drawn.mirror)
    nothing = Drawn.nothing(n, drawn.mirror.device)
    names = [f.name for f in fields(drawn)]
    return torch.stack([getattr(drawn, k) != getattr(nothing, k) for k in names]).any(dim=0)


def _trace_back(d: Drawn) -> torch.Tensor:
    """Return (n, 2, 3): where in the picture each pixel of the result comes from.

    Points are (right, down) of the picture's middle, in pixels. Undone in reverse: what was done
    last comes first.
    """
    zero, one = torch.zeros_like(d.scale), torch.ones_like(d.scale)
    quarter = d.quarter_turns
    # Exact, where a cosine would not be.
    cosine = torch.where(quarter == 0, one, torch.where(quarter == 2, -one, zero))
    sine = torch.where(quarter == 1, one, torch.where(quarter == 3, -one, zero))
    steps = (
        (1 - 2 * d.mirror, zero, zero, one, zero, zero),
        (cosine, -sine, sine, cosine, zero, zero),
        (one, zero, zero, one, -d.right_px, -d.down_px),
        (1 / d.scale, zero, zero, 1 / d.scale, zero, zero),
        _turn_back(d.turn_before),
        (1 / d.stretch, zero, zero, d.stretch, zero, zero),
        _turn_back(d.turn_after),
        (one, zero, zero, one, -d.right_fraction_px, -d.down_fraction_px),
    )
    a, b, c, e, x, y = steps[0]
    # Written out: a matrix product may be rounded to ten bits on a GPU, a tenth of a pixel.
    for f, g, h, k, u, v in steps[1:]:
        x, y = a * u + b * v + x, c * u + e * v + y
        a, b, c, e = a * f + b * h, a * g + b * k, c * f + e * h, c * g + e * k
    return torch.stack([torch.stack([a, b, x], 1), torch.stack([c, e, y], 1)], 1)


def _turn_back(angle: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the step that undoes a rotation; y points down, so counter-clockwise is (c, s; −s, c)."""
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    return cosine, -sine, sine, cosine, zero, zero


def _sample(images: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
    """Return (n, 3, H, W): each pixel from where `back` (n, 2, 3) says, bilinearly.

    Indexing and not `grid_sample`, whose backward pass has no derivative in some versions of torch
    and no deterministic form on a GPU.
    """
    n, _, height, width = images.shape
    down = torch.arange(height, device=images.device)[:, None] - (height - 1) / 2
    right = torch.arange(width, device=images.device) - (width - 1) / 2
    m = back[..., None, None]
    x = m[:, 0, 0] * right + m[:, 0, 1] * down + m[:, 0, 2] + (width - 1) / 2
    y = m[:, 1, 0] * right + m[:, 1, 1] * down + m[:, 1, 2] + (height - 1) / 2
    x0, y0 = x.floor(), y.floor()
    flat: torch.Tensor = images.flatten(2)

    def at(row: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
        index = _mirror(row.long(), height) * width + _mirror(column.long(), width)
        picked = flat.gather(2, index.flatten(1)[:, None].expand(-1, 3, -1))
        return picked.reshape(n, 3, height, width)

    wx, wy = (x - x0)[:, None], (y - y0)[:, None]
    above = at(y0, x0) * (1 - wx) + at(y0, x0 + 1) * wx
    below = at(y0 + 1, x0) * (1 - wx) + at(y0 + 1, x0 + 1) * wx
    return above * (1 - wy) + below * wy


def _mirror(index: torch.Tensor, size: int) -> torch.Tensor:
    """Fold indices back at the edges: −1 is 0, and `size` is the last."""
    folded = index.remainder(2 * size)
    return torch.where(folded < size, folded, 2 * size - 1 - folded)


def _colour(images: torch.Tensor, d: Drawn) -> torch.Tensor:
    """Return images with their colours changed; a pixel is a column of three."""
    identity = torch.eye(3, dtype=images.dtype, device=images.device)
    grey = torch.full_like(identity, 1 / 3)
    # The cross product with the unit vector along the grey axis.
    cross = (torch.roll(identity, 1, 0) - torch.roll(identity, -1, 0)) / math.sqrt(3)

    def each(x: torch.Tensor) -> torch.Tensor:
        return x[:, None, None]

    flip = identity - 2 * each(d.luma_flip) * grey
    cosine = each(d.hue.cos())
    turn = cosine * identity + (1 - cosine) * grey + each(d.hue.sin()) * cross
    saturate = each(d.saturation) * identity + (1 - each(d.saturation)) * grey
    matrix = each(d.contrast) * _product(saturate, _product(turn, flip))
    bright = images + d.brightness[:, None, None, None]
    return (matrix[..., None, None] * bright[:, None]).sum(2)


def _product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return (n, 3, 3) a · b, exact to the last bits on every device."""
    return (a[..., None] * b[..., None, :, :]).sum(-2)
