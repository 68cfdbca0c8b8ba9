"""The laws of the linked cursor, on random voxels of the brain."""

from dataclasses import dataclass

import numpy as np

from nsdviewer.session.cursor import cursor_at, voxel_of_anatomy, voxel_of_vertex
from nsdviewer.session.workspace import Workspace


@dataclass
class _Way:
    """How one way there and back went."""

    n_there: int = 0
    n_lost: int = 0
    farthest_voxels: int = 0

    def note(self, start: np.ndarray, back: tuple[int, int, int] | None) -> None:
        self.n_there += 1
        if back is None:
            self.n_lost += 1
        else:
            self.farthest_voxels = max(self.farthest_voxels, int(np.abs(start - back).max()))


def cursor_laws(workspace: Workspace, n: int = 1000, seed: int = 0) -> dict[str, int | bool]:
    """Return how far the ways voxel → vertex → voxel and voxel → anatomy → voxel end from home.

    Half of the voxels are drawn from the brain mask, half from the voxels that vertices lie in.
    Distances are the largest of the three axes', in voxels.
    """
    rng = np.random.default_rng(seed)
    inside = np.argwhere(workspace.brain_mask)
    on_cortex = np.concatenate(
        [workspace.vertex_operator(mesh.hemisphere).centre_ijk for mesh in workspace.hemispheres]
    )
    on_cortex = np.rint(on_cortex[np.isfinite(on_cortex).all(axis=1)]).astype(np.int64)
    on_cortex = on_cortex[((on_cortex >= 0) & (on_cortex < workspace.grid)).all(axis=1)]
    points = np.concatenate(
        [
            inside[rng.integers(len(inside), size=n // 2)],
            on_cortex[rng.integers(len(on_cortex), size=n - n // 2)],
        ]
    )
    vertex, anatomy = _Way(), _Way()
    for point in points:
        cursor = cursor_at(workspace, (int(point[0]), int(point[1]), int(point[2])))
        if cursor.vertex is not None:
            vertex.note(point, voxel_of_vertex(workspace, *cursor.vertex))
        if cursor.anatomy_mm is not None:
            anatomy.note(point, voxel_of_anatomy(workspace, cursor.anatomy_mm))
    return {
        "n_points": n,
        "n_with_vertex": vertex.n_there,
        "n_with_anatomy": anatomy.n_there,
        "vertex_farthest_voxels": vertex.farthest_voxels,
        "anatomy_farthest_voxels": anatomy.farthest_voxels,
        "holds": not (vertex.n_lost or anatomy.n_lost)
        and max(vertex.farthest_voxels, anatomy.farthest_voxels) <= 1,
    }
