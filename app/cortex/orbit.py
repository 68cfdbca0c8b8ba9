"""How dragging moves the camera: around what it looks at, beside it, and nearer to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nsdviewer.state import Camera

# A drag over the whole height of the picture turns the cortex half around.
_HALF_TURN_DEG = 180.0
_SCALES_MM = (2.0, 2000.0)


def turned(camera: Camera, right_share: float, down_share: float) -> Camera:
    """Return the camera gone around its focal point, so that the cortex follows the drag.

    Parameters
    ----------
    right_share, down_share
        The drag, as a share of the picture's height.
    """
    position, focal, up = _parts(camera)
    across = np.cross(focal - position, up)
    turn = _rotation(across, -np.radians(_HALF_TURN_DEG * down_share)) @ _rotation(
        up, -np.radians(_HALF_TURN_DEG * right_share)
    )
    return _camera(focal + turn @ (position - focal), focal, turn @ up, camera[9])


def shifted(camera: Camera, right_share: float, down_share: float) -> Camera:
    """Return the camera moved beside its focal point, so that the cortex follows the drag."""
    position, focal, up = _parts(camera)
    across = np.cross(focal - position, up)
    across /= np.linalg.norm(across)
    # The picture is two parallel scales high.
    by = 2 * camera[9] * (down_share * up / np.linalg.norm(up) - right_share * across)
    return _camera(position + by, focal + by, up, camera[9])


def enlarged(camera: Camera, factor: float) -> Camera:
    """Return the camera so near that the cortex is `factor` times as large."""
    return (*camera[:9], float(np.clip(camera[9] / factor, *_SCALES_MM)))


def _parts(camera: Camera) -> tuple[NDArray[np.float64], ...]:
    values = np.asarray(camera, np.float64)
    return values[0:3], values[3:6], values[6:9]


def _camera(
    position: NDArray[np.float64], focal: NDArray[np.float64], up: NDArray[np.float64], scale: float
) -> Camera:
    forward = focal - position
    forward = forward / np.linalg.norm(forward)
    upright = up - (up @ forward) * forward
    upright /= np.linalg.norm(upright)
    return (*position.tolist(), *focal.tolist(), *upright.tolist(), scale)


def _rotation(axis: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """Return the matrix (3, 3) that turns by an angle about an axis (Rodrigues 1840)."""
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)
