"""Values at voxels or vertices, on the whole meshes of both hemispheres.

A vertex shows the mean of the voxels that it samples, weighted as in the transform files, over those
that are there. Where these are less than half of its weight it shows nothing.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from nsdviewer.data.betas.sites import Sites, Vertices, Voxels
from nsdviewer.errors import DataError
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import Hemisphere

_LEAST_WEIGHT = 0.5

OnMeshes = dict[Hemisphere, NDArray[np.float32]]
PassesOnMeshes = dict[Hemisphere, NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class SiteOperator:
    """Voxels of a model → vertices of one hemisphere, with only the rows that can show something.

    Attributes
    ----------
    sites
        The voxels; kept so that their identity stays theirs.
    vertex
        (n_rows,) vertices that the voxels are at least half of.
    weights
        (n_rows, n_voxels) float32.
    """

    sites: Voxels
    n_vertices: int
    vertex: NDArray[np.int64]
    weights: sp.csr_array
    _last: dict[str, tuple[bytes, NDArray[np.float32], NDArray[np.bool_]]] = field(
        default_factory=dict, repr=False
    )

    def spread(self, values: NDArray[np.float32], there: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return (n_vertices,) the values (n_voxels,) that are there, NaN elsewhere."""
        weight, shown = self._weight(there)
        total = self.weights @ np.where(there, values, np.float32(0))
        found = np.full(self.n_vertices, np.nan, np.float32)
        found[self.vertex[shown]] = (total / weight)[shown]
        return found

    def passes(self, passing: NDArray[np.bool_], there: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return (n_vertices,) where voxels that pass are at least half of those that are there."""
        weight, shown = self._weight(there)
        share = self.weights @ (passing & there).astype(np.float32)
        found = np.zeros(self.n_vertices, bool)
        found[self.vertex[shown & (share >= _LEAST_WEIGHT * weight)]] = True
        return found

    def _weight(self, there: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return (n_rows,) the weight of the voxels that are there, and where it is enough.

        One concept after another is shown on the same voxels, so the last ones' is kept.
        """
        key = there.tobytes()
        kept = self._last.get("weight")
        if kept is None or kept[0] != key:
            weight = np.asarray(self.weights @ there.astype(np.float32))
            shown = weight >= _LEAST_WEIGHT
            kept = key, np.where(shown, weight, np.float32(1)), shown
            self._last["weight"] = kept
        return kept[1], kept[2]


def operators_of(workspace: Workspace, sites: Voxels) -> dict[Hemisphere, SiteOperator]:
    """Return the operators of the hemispheres whose transform files are there."""
    return {
        hemisphere: workspace.keep(
            ("site operator", hemisphere, id(sites)),
            lambda h=hemisphere: _operator(workspace, h, sites),  # type: ignore[misc]
        )
        for hemisphere in mapped_hemispheres(workspace)
    }


def mapped_hemispheres(workspace: Workspace) -> tuple[Hemisphere, ...]:
    """Return the hemispheres that have a surface, and a transform file that fits it."""
    return tuple(h for h in _unmapped(workspace) if not _unmapped(workspace)[h])


def unmapped(workspace: Workspace) -> dict[Hemisphere, str]:
    """Return why nothing of the volume is on a hemisphere that is drawn; empty if all is there."""
    return {h: why for h, why in _unmapped(workspace).items() if why}


def require_vertices(workspace: Workspace) -> None:
    """Raise `DataError` unless voxels can be shown on at least one hemisphere."""
    if not mapped_hemispheres(workspace):
        reasons = [*workspace.missing_surfaces.values(), *unmapped(workspace).values()]
        raise DataError(reasons[0])


def _unmapped(workspace: Workspace) -> dict[Hemisphere, str]:
    def make() -> dict[Hemisphere, str]:
        found = {}
        for hemisphere, mesh in workspace.meshes.items():
            try:
                n = workspace.vertex_operator(hemisphere).matrix.shape[0]
            except DataError as error:
                found[hemisphere] = str(error)
                continue
            fits = n == mesh.n_vertices
            found[hemisphere] = "" if fits else (
                f"The transforms of {hemisphere.value} have {n} vertices and its surfaces "
                f"{mesh.n_vertices}, so no map of voxels is drawn there; download both again."
            )  # fmt: skip
        return found

    return workspace.keep("unmapped hemispheres", make)


def _operator(workspace: Workspace, hemisphere: Hemisphere, sites: Voxels) -> SiteOperator:
    operator = workspace.vertex_operator(hemisphere)
    columns = np.ravel_multi_index(tuple(sites.ijk.T), operator.shape)
    weights = sp.csr_array(operator.matrix[:, columns]).astype(np.float32)
    vertex = np.flatnonzero(np.asarray(weights.sum(axis=1)).ravel() >= _LEAST_WEIGHT)
    return SiteOperator(sites, weights.shape[0], vertex, sp.csr_array(weights[vertex]))


def sites_to_vertices(
    workspace: Workspace,
    sites: Sites,
    values: NDArray[np.float32],
    there: NDArray[np.bool_] | None = None,
) -> OnMeshes:
    """Return values (n_sites,) on whole meshes, NaN where there are none.

    Vertices are the subject's own; values on fsaverage's stay on those.

    Parameters
    ----------
    there
        (n_sites,) which of them count; those that are not NaN where None.
    """
    there = np.isfinite(values) if there is None else there & np.isfinite(values)
    if isinstance(sites, Vertices):
        return {
            hemisphere: _on_mesh(
                sites, hemisphere, np.where(there, values, np.float32(np.nan)), np.nan
            )
            for hemisphere in sites.vertex
        }
    operators = operators_of(workspace, sites)
    return {h: operator.spread(values, there) for h, operator in operators.items()}


def passes_to_vertices(
    workspace: Workspace, sites: Sites, passing: NDArray[np.bool_], there: NDArray[np.bool_]
) -> PassesOnMeshes:
    """Return on whole meshes where a test is passed, False where there is nothing.

    Parameters
    ----------
    passing, there
        (n_sites,) what passes, and what counts.
    """
    if isinstance(sites, Vertices):
        return {h: _on_mesh(sites, h, passing & there, False) for h in sites.vertex}
    return {h: o.passes(passing, there) for h, o in operators_of(workspace, sites).items()}


def _on_mesh(
    sites: Vertices, hemisphere: Hemisphere, values: NDArray[Any], elsewhere: float | bool
) -> NDArray[Any]:
    mesh = np.full(sites.n_vertices[hemisphere], elsewhere, values.dtype)
    mesh[sites.vertex[hemisphere]] = values[sites.columns(hemisphere)]
    return mesh


def volume_to_vertices(
    workspace: Workspace, volume: NDArray[np.float32], period: float = 0.0
) -> OnMeshes:
    """Return a volume X × Y × Z, NaN where it has no value, on the subject's vertices.

    Parameters
    ----------
    period
        Of an angle, the value at which it starts again: its mean is that of directions, for 359°
        and 1° are neighbours.
    """
    there = np.isfinite(volume).ravel()
    weights = there.astype(np.float32)
    flat = np.where(there, volume.ravel(), np.float32(0))
    found = {}
    for hemisphere in mapped_hemispheres(workspace):
        matrix = workspace.vertex_operator(hemisphere).matrix
        weight = matrix @ weights
        if period:
            turn = flat * np.float32(2 * np.pi / period)
            across, upwards = (matrix @ (f(turn) * weights) for f in (np.cos, np.sin))
            mean = np.mod(np.arctan2(upwards, across) * (period / (2 * np.pi)), period)
        else:
            mean = (matrix @ flat) / np.where(weight > 0, weight, 1)
        found[hemisphere] = np.where(weight >= _LEAST_WEIGHT, mean, np.nan).astype(np.float32)
    return found


def mask_to_vertices(workspace: Workspace, mask: NDArray[np.bool_]) -> PassesOnMeshes:
    """Return where at least half of what a vertex samples is in a mask X × Y × Z."""
    flat = mask.ravel().astype(np.float32)
    return {
        h: np.asarray(workspace.vertex_operator(h).matrix @ flat) >= _LEAST_WEIGHT
        for h in mapped_hemispheres(workspace)
    }
