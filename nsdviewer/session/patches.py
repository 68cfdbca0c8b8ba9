"""Regions drawn by hand on the cortex, as voxels or vertices.

A patch is a set of vertices; responses are on voxels that vertices sample through the subject's
transform files. Vertex t sees voxel v with the weight W[t, v] of the vertex operator (trilinear,
averaged over depths). A voxel belongs to a patch P if more than half of the weight with which all
vertices of both hemispheres see it is the patch's:

    Σ_{t ∈ P} W[t, v]  >  ½ Σ_t W[t, v]

so that no voxel belongs to two patches that share no vertex, and a voxel that no vertex sees (white
matter, a gap of the mesh) belongs to none.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.sites import Sites, Vertices, Voxels
from nsdviewer.data.spaces.transforms import VertexOperator
from nsdviewer.data.surfaces.meshes import count_vertices
from nsdviewer.errors import DataError, RequestError
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import Hemisphere, Patch

_LEAST_SHARE = 0.5


def patch_sites(workspace: Workspace, patch: Patch, sites: Sites) -> NDArray[np.bool_]:
    """Return (n_sites,) which of some voxels or vertices belong to a patch; see the module's text.

    In a surface space the patch's vertices are that surface's own.

    Raises
    ------
    RequestError
        If the patch names a vertex that the mesh does not have.
    DataError
        If the hemisphere's transform files are missing or damaged.
    """
    require_patch(workspace, patch)
    if isinstance(sites, Vertices):
        return _vertices_inside(patch, sites)
    return workspace.keep(
        ("patch sites", patch, sites_digest(sites)),
        lambda: _voxels_inside(workspace, patch, sites),
    )


def require_patch(workspace: Workspace, patch: Patch) -> None:
    """Raise `RequestError` unless the subject's mesh has all of a patch's vertices."""
    hemisphere = patch.hemisphere

    def count() -> int:
        counted = count_vertices(workspace.files.freesurfer_of(workspace.space), hemisphere)
        if counted is None:
            # Not to be kept: the folder may come back.
            raise RequestError(
                f"The region '{patch.name}' lies on the {hemisphere.value} surface, which subject "
                f"{workspace.subject} lacks here; download its FreeSurfer folder, or remove the "
                "region."
            )
        return counted[1]

    n_vertices = workspace.keep(("mesh size", hemisphere), count)
    if patch.vertices[-1] >= n_vertices:
        raise RequestError(
            f"The region '{patch.name}' names vertex {patch.vertices[-1]:,} of {hemisphere.value}, "
            f"whose mesh has {n_vertices:,}; draw it again on this subject's cortex."
        )


def sites_digest(sites: Sites) -> str:
    """Return what tells these voxels or vertices from any others."""
    digest = hashlib.blake2b(digest_size=16)
    if isinstance(sites, Voxels):
        digest.update(repr(sites.shape).encode() + np.ascontiguousarray(sites.ijk).tobytes())
    else:
        for hemisphere, vertices in sites.vertex.items():
            digest.update(f"{hemisphere.value} {sites.n_vertices[hemisphere]} ".encode())
            digest.update(np.ascontiguousarray(vertices).tobytes())
    return digest.hexdigest()


def _vertices_inside(patch: Patch, sites: Vertices) -> NDArray[np.bool_]:
    inside = np.zeros(len(sites), bool)
    if patch.hemisphere in sites.vertex:
        there = sites.vertex[patch.hemisphere]
        inside[sites.columns(patch.hemisphere)] = np.isin(there, patch.vertices)
    return inside


def _voxels_inside(workspace: Workspace, patch: Patch, sites: Voxels) -> NDArray[np.bool_]:
    own = workspace.vertex_operator(patch.hemisphere)
    if patch.vertices[-1] >= own.matrix.shape[0]:
        raise DataError(
            f"The transform files of {patch.hemisphere.value} have {own.matrix.shape[0]:,} vertices "
            f"and the region '{patch.name}' names {patch.vertices[-1]:,}; download the transforms "
            "and the surfaces of one version."
        )
    # One row times the matrix: the weight from the patch with which each voxel is seen.
    drawn = np.zeros(own.matrix.shape[0], own.matrix.dtype)
    drawn[list(patch.vertices)] = 1
    from_patch = (drawn @ own.matrix)[sites.flat]
    from_all = np.sum([_seen(workspace, h)[sites.flat] for h in _hemispheres_seen(workspace)], 0)
    return np.asarray(from_patch > _LEAST_SHARE * from_all)


def _hemispheres_seen(workspace: Workspace) -> tuple[Hemisphere, ...]:
    """Return the hemispheres whose transform files are there."""
    return tuple(h for h in Hemisphere if _operator(workspace, h) is not None)


def _operator(workspace: Workspace, hemisphere: Hemisphere) -> VertexOperator | None:
    try:
        return workspace.vertex_operator(hemisphere)
    except DataError:
        # A subject of one hemisphere has patches on that one.
        return None


def _seen(workspace: Workspace, hemisphere: Hemisphere) -> NDArray[np.float64]:
    """Return (n_grid_voxels,) the weight with which a hemisphere's vertices see each voxel."""

    def add_up() -> NDArray[np.float64]:
        matrix = workspace.vertex_operator(hemisphere).matrix
        return np.asarray(matrix.sum(axis=0), np.float64).ravel()

    return workspace.keep(("seen weight", hemisphere), add_up)
