"""Whether every view of a window draws the cursor where the linked cursor is."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.window import MainWindow


def views_agree(window: MainWindow, n_points: int, seed: int = 0) -> dict[str, Any]:
    """Move the cursor to random voxels and read it back from what the views have drawn.

    Returns
    -------
    dict
        How many points were tried, how many had a vertex, and the first disagreements.
    """
    rng = np.random.default_rng(seed)
    inside = np.argwhere(window.controller.view.workspace.brain_mask)
    wrong: list[str] = []
    n_vertices = 0
    for voxel in inside[rng.integers(len(inside), size=n_points)]:
        wanted = tuple(int(v) for v in voxel)
        window.request(voxel=wanted)
        window.wait_idle()
        cursor = window.controller.view.cursor
        for view in window.slices.views:
            if view.cursor_voxel() != wanted:
                wrong.append(f"slice {view.cursor_voxel()} for {wanted}")
        drawn = window.cortex.view3d.cursor_position()
        if (drawn is None) != (cursor.vertex is None):
            wrong.append(f"cortex {drawn} for {cursor.vertex}")
        elif drawn is not None:
            n_vertices += 1
            if (drawn.hemisphere, drawn.vertex) != cursor.vertex:
                wrong.append(f"cortex {drawn} for {cursor.vertex}")
        if window.controller.view.card.ijk != wanted:
            wrong.append(f"card {window.controller.view.card.ijk} for {wanted}")
        if "{}, {}, {}".format(*wanted) not in window.status.readout.full_text():
            wrong.append(f"read-out '{window.status.readout.full_text()}' for {wanted}")
    return {
        "n_points": n_points,
        "n_with_vertex": n_vertices,
        "wrong": wrong[:5],
        "holds": not wrong,
    }
