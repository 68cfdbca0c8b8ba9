"""Standard views of the cortex: from where it is looked at, and how near."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.cortex.picking import camera_axes
from nsdviewer.state import Camera, Sides

if TYPE_CHECKING:
    from nsdviewer.rendering.scene import HemisphereScene

# Above the brain stand the chips, below it the slider of its shape; around it there is some air.
_HEAD_PX, _FOOT_PX = 40, 64
_MARGIN = 1.08
_AWAY_MM = 500.0


@dataclass(frozen=True)
class Direction:
    """Where a standard view looks from.

    Attributes
    ----------
    title
        As menus say it.
    outward, up
        Unit vectors in tkr-RAS: from the brain to the camera, and upwards in the picture.
    sides
        Which hemispheres it shows: from the side, one hides the other.
    """

    title: str
    outward: tuple[float, float, float]
    up: tuple[float, float, float]
    sides: Sides


class StandardView(Enum):
    """The views a menu offers besides the default one, which is from behind and below."""

    LEFT_LATERAL = Direction("left lateral", (-1, 0, 0), (0, 0, 1), Sides.LEFT)
    LEFT_MEDIAL = Direction("left medial", (1, 0, 0), (0, 0, 1), Sides.LEFT)
    RIGHT_LATERAL = Direction("right lateral", (1, 0, 0), (0, 0, 1), Sides.RIGHT)
    RIGHT_MEDIAL = Direction("right medial", (-1, 0, 0), (0, 0, 1), Sides.RIGHT)
    TOP = Direction("top", (0, 0, 1), (0, 1, 0), Sides.BOTH)
    FRONT = Direction("front", (0, 1, 0), (0, 0, 1), Sides.BOTH)


def camera_from(view: StandardView, hemispheres: tuple[HemisphereScene, ...]) -> Camera:
    """Return a camera that looks at the middle of the hemispheres; its scale is still to be fitted.

    Raises
    ------
    ValueError
        If there is no hemisphere.
    """
    points = shown_points(hemispheres)
    middle = (points.min(0) + points.max(0)) / 2
    position = middle + _AWAY_MM * np.array(view.value.outward)
    return (*map(float, position), *map(float, middle), *view.value.up, 100.0)


def fitted(
    camera: Camera, hemispheres: tuple[HemisphereScene, ...], width_px: int, height_px: int
) -> Camera:
    """Return the camera as near as a view of this size allows, clear of the controls over it."""
    if not hemispheres:
        return camera
    points = shown_points(hemispheres)
    right, up, _ = camera_axes(camera)
    focal = np.array(camera[3:6])
    height = max(height_px, 1)
    across, upwards = points @ right, points @ up
    head, foot = _HEAD_PX / height, _FOOT_PX / height
    free = max(1 - head - foot, 1 / height)
    scale = _MARGIN * max(
        np.ptp(upwards) / 2 / free, np.ptp(across) / 2 * height / max(width_px, 1)
    )
    lift = (upwards.max() + upwards.min()) / 2 - focal @ up - scale * (foot - head)
    shift = lift * up + ((across.max() + across.min()) / 2 - focal @ right) * right
    return _shifted(camera, shift, float(scale))


def following(camera: Camera, before: NDArray[np.floating], after: NDArray[np.floating]) -> Camera:
    """Return the camera moved as a point of the cortex moved, so that it stays where it was seen."""
    return _shifted(camera, np.asarray(after - before, np.float64), camera[9])


def shown_points(hemispheres: tuple[HemisphereScene, ...]) -> NDArray[np.float32]:
    """Return (n, 3) the vertices that are part of the shape."""
    points = np.concatenate([one.vertices for one in hemispheres])
    return np.asarray(points[np.isfinite(points).all(1)])


def _shifted(camera: Camera, shift: NDArray[np.float64], scale: float) -> Camera:
    position, focal = np.array(camera[0:3]) + shift, np.array(camera[3:6]) + shift
    return (*map(float, position), *map(float, focal), *camera[6:9], scale)
