"""The cortex of a panel: a camera that fits, and outlines as lines with what is hidden removed."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from nsdviewer.rendering.label_places import camera_axes
from nsdviewer.rendering.scene import HemisphereScene, Scene
from nsdviewer.state import Camera

# Air around a fitted cortex, and how wide the window's view is that cameras are made in.
_AIR = 1.04
_WINDOW_ASPECT = 1.6
_AWAY_MM = 500.0
# A line lies on the surface; its depth and that of a pixel's middle differ by this much.
_TOLERANCE_MM = 0.05
Lines = list[NDArray[np.float64]]


def scene_in(scene: Scene, aspect: float) -> Scene:
    """Return the scene with a camera that suits a picture `aspect` times as wide as high.

    A camera without a scale, or none, is fitted around all that is drawn. Any other shows at least
    what it shows in a window.
    """
    if not scene.camera:
        return scene
    if not scene.state.camera or scene.state.camera[9] <= 0:
        return replace(scene, camera=fitted_camera(scene.hemispheres, scene.camera, aspect))
    scale = scene.camera[9] * max(1.0, _WINDOW_ASPECT / aspect)
    return replace(scene, camera=(*scene.camera[:9], scale))


def fitted_camera(
    hemispheres: tuple[HemisphereScene, ...], camera: Camera, aspect: float
) -> Camera:
    """Return the camera that looks from where `camera` does, at all hemispheres, as near as can be."""
    points = np.concatenate([one.vertices[one.faces.ravel()] for one in hemispheres])
    points = points[np.isfinite(points).all(1)].astype(np.float64)
    if not len(points):
        return camera
    axes = np.stack(camera_axes(camera))
    seen = points @ axes.T
    low, high = seen.min(0), seen.max(0)
    middle = (low + high) / 2 @ axes
    scale = _AIR / 2 * max(high[1] - low[1], (high[0] - low[0]) / aspect)
    position = middle - _AWAY_MM * axes[2]
    return (*map(float, position), *map(float, middle), *map(float, axes[1]), float(scale))


def visible_lines(
    segments: NDArray[np.floating],
    camera: Camera,
    size_px: tuple[int, int],
    depth_mm: NDArray[np.float32],
) -> Lines:
    """Return lines of the cortex as they are seen, each (n, 2) points in pixels from the top left.

    Parameters
    ----------
    segments
        (n_segments, 2, 3) line ends on the surface.
    size_px
        Width and height of the picture.
    depth_mm
        Its depth, as of `render_depth`.
    """
    if not len(segments):
        return []
    ends = _project(segments, camera, size_px)
    length = np.linalg.norm(ends[:, 1, :2] - ends[:, 0, :2], axis=1)
    pieces = np.clip(np.ceil(length), 1, 4096).astype(np.int64)
    which = np.repeat(np.arange(len(ends)), pieces)
    first = np.concatenate([[0], np.cumsum(pieces)[:-1]])
    step = np.arange(len(which)) - first[which]
    share = (step + 0.5) / pieces[which]
    middle = ends[which, 0] + share[:, None] * (ends[which, 1] - ends[which, 0])
    seen = _is_seen(middle, size_px, _reach(depth_mm))
    return join_lines(_runs(ends, which, step, pieces, seen))


def _project(
    segments: NDArray[np.floating], camera: Camera, size_px: tuple[int, int]
) -> NDArray[np.float64]:
    """Return (n, 2, 3): column and row in pixels, and mm behind the focal plane."""
    width, height = size_px
    px_per_mm = height / (2 * camera[9])
    axes = np.stack(camera_axes(camera))
    from_focal = (segments.astype(np.float64) - np.array(camera[3:6])) @ axes.T
    found: NDArray[np.float64] = np.empty_like(from_focal)
    found[..., 0] = width / 2 + from_focal[..., 0] * px_per_mm
    found[..., 1] = height / 2 - from_focal[..., 1] * px_per_mm
    found[..., 2] = from_focal[..., 2]
    return found


def _is_seen(
    points: NDArray[np.float64], size_px: tuple[int, int], depth_mm: NDArray[np.float32]
) -> NDArray[np.bool_]:
    column, row = (np.floor(points[:, k]).astype(np.int64) for k in range(2))
    inside = (column >= 0) & (column < size_px[0]) & (row >= 0) & (row < size_px[1])
    seen = np.zeros(len(points), bool)
    behind = depth_mm[row[inside], column[inside]]
    seen[inside] = points[inside, 2] <= behind + _TOLERANCE_MM
    return seen


def _reach(depth_mm: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how deep a line may lie in each pixel to be seen there.

    A steep surface changes by more within a pixel than a line is lifted off it, so that the deepest
    pixel around counts; but not what is seen past the edge of the cortex, behind which lines end.
    """
    there = np.isfinite(depth_mm)
    deepest = maximum_filter(np.where(there, depth_mm, -np.inf), size=3)
    return np.where(there, deepest, np.inf).astype(np.float32)


def _runs(
    ends: NDArray[np.float64],
    which: NDArray[np.int64],
    step: NDArray[np.int64],
    pieces: NDArray[np.int64],
    seen: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return (n, 2, 2) the longest seen parts of each segment."""
    same = np.concatenate([[False], which[1:] == which[:-1]])
    starts = np.flatnonzero(seen & ~(same & np.concatenate([[False], seen[:-1]])))
    follows = np.concatenate([same[1:] & seen[1:], [False]])
    stops = np.flatnonzero(seen & ~follows)
    found = np.empty((len(starts), 2, 2))
    for k, (at, plus) in enumerate(((starts, 0), (stops, 1))):
        segment = which[at]
        share = ((step[at] + plus) / pieces[segment])[:, None]
        a, b = ends[segment, 0, :2], ends[segment, 1, :2]
        # The exact ends, so that neighbours share them.
        found[:, k] = np.where(share == 0, a, np.where(share == 1, b, a + share * (b - a)))
    return found


def join_lines(pieces: NDArray[np.floating]) -> Lines:
    """Return pieces (n, 2, 2) that share ends as lines of many points."""
    keys = np.rint(np.asarray(pieces, np.float64) * 100).astype(np.int64)
    at: dict[tuple[int, int], list[int]] = {}
    nodes = [(tuple(a), tuple(b)) for a, b in keys.tolist()]
    for k, (a, b) in enumerate(nodes):
        if a != b:
            at.setdefault(a, []).append(k)
            at.setdefault(b, []).append(k)
    used = [a == b for a, b in nodes]
    # Open ends and junctions first: a closed line may begin anywhere.
    begin = sorted(at, key=lambda node: (len(at[node]) == 2, node))
    lines: Lines = []
    for node in begin:
        for first in at[node]:
            if not used[first]:
                walked = _walk(node, first, nodes, at, used)
                lines.append(np.array(walked, np.float64) / 100)
    return lines


def _walk(
    node: tuple[int, int],
    piece: int,
    nodes: list[tuple[tuple[int, ...], tuple[int, ...]]],
    at: dict[tuple[int, int], list[int]],
    used: list[bool],
) -> list[tuple[int, ...]]:
    """Return the nodes from `node` along `piece` to the next open end or junction."""
    walked: list[tuple[int, ...]] = [node]
    while True:
        used[piece] = True
        a, b = nodes[piece]
        here = b if walked[-1] == a else a
        walked.append(here)
        ways = at[here]  # type: ignore[index]
        onward = [k for k in ways if not used[k]]
        if len(ways) != 2 or not onward:
            return walked
        piece = onward[0]


def edge_lines(mask: NDArray[np.bool_]) -> Lines:
    """Return the outlines of a mask (rows, columns) as lines along the edges of its cells.

    Points are (column, row) from the top left.
    """
    padded = np.pad(mask, 1)
    rows, columns = np.nonzero(padded[:, 1:] != padded[:, :-1])
    upright = np.stack([columns, rows - 1, columns, rows], axis=1)
    rows, columns = np.nonzero(padded[1:] != padded[:-1])
    level = np.stack([columns - 1, rows, columns, rows], axis=1)
    return join_lines(np.concatenate([upright, level]).reshape(-1, 2, 2))
