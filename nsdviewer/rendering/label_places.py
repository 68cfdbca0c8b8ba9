"""Where in a picture the names of regions can be read.

Neighbouring regions crowd. Names of larger regions are placed first; where a name would lie on
another it moves aside a little, and where there is no room near its region it is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nsdviewer.rendering.scene import HemisphereScene
    from nsdviewer.state import Camera

# A surface that turns away further than this does not show its name.
_LEAST_FACING = 0.1
# What lies this much nearer to the camera and no further beside it hides a name.
_HIDING_DEPTH_MM, _HIDING_REACH_MM = 12.0, 4.0
_MOST_HIDING_VERTICES = 8000
# Size of a name in parts of its font's size: widths of a capital and of any other letter, and the
# height of a line.
_CAPITAL_WIDTH, _LETTER_WIDTH, _LINE_HEIGHT = 0.74, 0.6, 1.4
_MARGIN = 0.35
# Where a name may move, in its own widths and heights, the nearest places first. A name further from
# its region would name another one.
_MOVES = (
    (0.0, 0.0), (0.0, 0.8), (0.0, -0.8), (0.5, 0.0), (-0.5, 0.0), (0.5, 0.7), (-0.5, 0.7),
    (0.5, -0.7), (-0.5, -0.7), (0.0, 1.2), (0.0, -1.2),
)  # fmt: skip


@dataclass(frozen=True)
class PlacedLabel:
    """A name in a picture.

    Attributes
    ----------
    x_px, y_px
        Its middle, from the bottom left.
    """

    name: str
    x_px: float
    y_px: float


@dataclass(frozen=True)
class _Anchor:
    name: str
    n_vertices: int
    x_px: float
    y_px: float


def place_labels(
    hemispheres: tuple[HemisphereScene, ...],
    camera: Camera,
    width_px: int,
    height_px: int,
    font_px: float,
) -> tuple[PlacedLabel, ...]:
    """Return the names that can be read without lying on one another.

    Parameters
    ----------
    camera
        See `ViewState.camera`; the projection is parallel.
    font_px
        Height of the letters with their air, as fonts are measured.
    """
    anchors = _anchors(hemispheres, camera, width_px, height_px)
    boxes: list[tuple[float, float, float, float]] = []
    placed = []
    for anchor in sorted(anchors, key=lambda a: (-a.n_vertices, a.name)):
        half_width = _half_width(anchor.name) * font_px
        half_height = _LINE_HEIGHT / 2 * font_px
        for across, upwards in _MOVES:
            x = anchor.x_px + across * 2 * half_width
            y = anchor.y_px + upwards * 2 * half_height
            inside = half_width <= x <= width_px - half_width
            inside &= half_height <= y <= height_px - half_height
            free = all(
                abs(x - a) >= half_width + w or abs(y - b) >= half_height + h
                for a, b, w, h in boxes
            )
            if inside and free:
                boxes.append((x, y, half_width, half_height))
                placed.append(PlacedLabel(anchor.name, x, y))
                break
    return tuple(placed)


def _half_width(name: str) -> float:
    widths = (_CAPITAL_WIDTH if letter.isupper() else _LETTER_WIDTH for letter in name)
    return sum(widths) / 2 + _MARGIN


def _anchors(
    hemispheres: tuple[HemisphereScene, ...], camera: Camera, width_px: int, height_px: int
) -> list[_Anchor]:
    """Return the names whose place on the surface is seen."""
    right, up, forward = camera_axes(camera)
    focal = np.array(camera[3:6])
    px_per_mm = height_px / (2 * camera[9])
    axes = np.stack([right, up, forward]).astype(np.float32)
    hiding = _hiding_points(hemispheres, axes)
    found = []
    for one in hemispheres:
        for label in one.labels:
            at = axes @ one.vertices[label.vertex]
            facing = -float(one.normals[label.vertex] @ axes[2])
            if not np.isfinite(at).all() or facing < _LEAST_FACING or _is_hidden(at, hiding):
                continue
            x, y = ((float(at[k]) - float(axes[k] @ focal)) * px_per_mm for k in range(2))
            found.append(_Anchor(label.name, label.n_vertices, x + width_px / 2, y + height_px / 2))
    return found


def _hiding_points(
    hemispheres: tuple[HemisphereScene, ...], axes: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return (n, 3) some of the surface: to the right, upwards, away from the camera."""
    parts = []
    for one in hemispheres:
        step = max(len(one.vertices) // _MOST_HIDING_VERTICES, 1)
        parts.append(one.vertices[::step] @ axes.T)
    return np.concatenate(parts) if parts else np.zeros((0, 3), np.float32)


def _is_hidden(at: NDArray[np.float32], points: NDArray[np.float32]) -> bool:
    beside = np.abs(points[:, :2] - at[:2])
    near = (beside < _HIDING_REACH_MM).all(1)
    return bool((points[near, 2] < at[2] - _HIDING_DEPTH_MM).any())


def camera_axes(camera: Camera) -> tuple[NDArray[np.float64], ...]:
    """Return the unit vectors to the right, upwards and forwards of a camera."""
    position, focal, up = (np.array(camera[i : i + 3], np.float64) for i in (0, 3, 6))
    forward = (focal - position) / np.linalg.norm(focal - position)
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    return right, np.cross(right, forward), forward
