"""What is known of one voxel."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.sites import Voxels, columns_in
from nsdviewer.data.regions.rois import load_collection
from nsdviewer.errors import DataError, RequestError
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import Hemisphere

_NEAR_VOXELS = 2.0


@dataclass(frozen=True)
class VoxelCard:
    """What is known of one voxel.

    Attributes
    ----------
    trials, psc
        (n_trials,) all its responses in percent signal change, NaN where it has none.
    noise_ceiling, test_r
        Ceiling on r² (0..1) and correlation of the encoder on repeat-averaged test responses; NaN
        where undefined.
    best_nsd_ids
        Pictures with the largest repeat-averaged responses, best first.
    vertex
        (hemisphere, vertex) nearest to the voxel, None away from the cortex.
    """

    ijk: tuple[int, int, int]
    trials: NDArray[np.int64]
    psc: NDArray[np.float32]
    rois: tuple[str, ...]
    noise_ceiling: float
    test_r: float
    best_nsd_ids: NDArray[np.int64]
    vertex: tuple[Hemisphere, int] | None


def voxel_card(workspace: Workspace, ijk: tuple[int, int, int], n_best: int = 6) -> VoxelCard:
    """Return what is known of the voxel `ijk` (0-based).

    Raises
    ------
    RequestError
        If it lies outside the grid.
    """
    if any(not 0 <= v < n for v, n in zip(ijk, workspace.grid, strict=True)):
        raise RequestError(
            f"Voxel {ijk} lies outside the grid {workspace.grid}; choose one inside."
        )
    encoder = workspace.encoder()
    betas = workspace.betas(encoder.header.roi)
    column = int(betas.columns_of(np.array([ijk]))[0])
    trials = workspace.table.select("all")
    psc = np.full(len(trials), np.nan, np.float32)
    if column >= 0:
        psc = betas.psc(trials, np.array([column]))[:, 0]
    own = Voxels(workspace.grid, np.array([ijk]))
    at = int(columns_in(encoder.sites, own)[0])
    return VoxelCard(
        ijk=ijk,
        trials=trials,
        psc=psc,
        rois=rois_at(workspace, ijk),
        noise_ceiling=float(encoder.noise_ceiling[at]) if at >= 0 else float("nan"),
        test_r=float(encoder.test_r[at]) if at >= 0 else float("nan"),
        best_nsd_ids=_best_pictures(workspace, trials, psc, n_best),
        vertex=vertex_near(workspace, ijk),
    )


def vertex_near(workspace: Workspace, ijk: tuple[int, int, int]) -> tuple[Hemisphere, int] | None:
    """Return the vertex whose middle depth lies within two voxels of `ijk`."""
    found = []
    for hemisphere in Hemisphere:
        try:
            operator = workspace.vertex_operator(hemisphere)
        except DataError:
            # Without transform files the cursor stays in the volume.
            return None
        vertex, distance = operator.nearest_vertex(ijk)
        found.append((distance, hemisphere, vertex))
    distance, hemisphere, vertex = min(found, key=lambda f: f[0])
    return (hemisphere, vertex) if distance <= _NEAR_VOXELS else None


def rois_at(workspace: Workspace, ijk: tuple[int, int, int]) -> tuple[str, ...]:
    """Return the names of the regions that hold the voxel."""
    names = []
    for name in workspace.collections:
        collection = load_collection(workspace.files, workspace.space, name)
        label = int(collection.labels[ijk])
        if label > 0:
            names.append(collection.names.get(label, f"{name} {label}"))
    return tuple(dict.fromkeys(names))


def _best_pictures(
    workspace: Workspace, trials: NDArray[np.int64], psc: NDArray[np.float32], n_best: int
) -> NDArray[np.int64]:
    nsd_ids, image = np.unique(workspace.table.column("nsd_id")[trials], return_inverse=True)
    valid = np.isfinite(psc)
    if not valid.any():
        return np.zeros(0, np.int64)
    total = np.bincount(image[valid], psc[valid], minlength=len(nsd_ids))
    count = np.bincount(image[valid], minlength=len(nsd_ids))
    mean = np.divide(total, count, out=np.full(len(nsd_ids), -np.inf), where=count > 0)
    return np.asarray(nsd_ids[np.argsort(-mean)[:n_best]])
