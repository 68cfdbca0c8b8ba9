"""Which vertex lies under the mouse: geometry alone, no drawing needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nsdviewer.rendering.scene import HemisphereScene
    from nsdviewer.state import Camera, Hemisphere

# A click this far beside every vertex, in mm, is beside the brain.
_REACH_MM = 4.0


def vertex_under(
    hemispheres: tuple[HemisphereScene, ...], camera: Camera, x: float, y: float, aspect: float
) -> tuple[Hemisphere, int] | None:
    """Return (hemisphere, vertex) in front at (x, y), 0..1 from the bottom left of the view.

    Parameters
    ----------
    camera
        See `ViewState.camera`; the projection is parallel.
    aspect
        Width of the view over its height.
    """
    position, focal, up = (np.array(camera[i : i + 3]) for i in (0, 3, 6))
    forward = (focal - position) / np.linalg.norm(focal - position)
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    across, upwards = (x - 0.5) * 2 * camera[9] * aspect, (y - 0.5) * 2 * camera[9]
    best: tuple[float, Hemisphere, int] | None = None
    for one in hemispheres:
        offset = one.vertices - focal.astype(np.float32)
        beside = np.hypot(offset @ right - across, offset @ up - upwards)
        facing = one.normals @ forward < 0
        near = np.flatnonzero((beside < _REACH_MM) & facing)
        if len(near) == 0:
            continue
        depth = offset[near] @ forward
        # In front counts most; among vertices of one sheet the closest to the click.
        front = near[depth < depth.min() + _REACH_MM]
        vertex = int(front[beside[front].argmin()])
        score = float(offset[vertex] @ forward)
        if best is None or score < best[0]:
            best = (score, one.hemisphere, vertex)
    return None if best is None else best[1:]
