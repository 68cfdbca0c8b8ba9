"""Virtual lesion and boost: by how much the responses of a model's sites are scaled.

The z-scored response of a site, its deviation from the training mean, is multiplied with the
factors of all regions that it lies in, before it is decoded: 0 sets it to its training mean, 1
leaves it as measured, 2 doubles it. Where regions overlap their factors multiply, so that their
order does not matter and a silenced site stays silent.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.sites import Sites
from nsdviewer.errors import RequestError
from nsdviewer.session.patches import patch_sites, require_patch, sites_digest
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import Patch, ViewState


def site_factors(
    workspace: Workspace, state: ViewState, sites: Sites
) -> NDArray[np.float32] | None:
    """Return (n_sites,) what the z-scored responses of a decoder's sites are multiplied with.

    None where nothing is scaled, or every factor is exactly 1: decoding then need not touch them.

    Raises
    ------
    RequestError
        If a region is unknown, or none of `sites` lies in it.
    """
    scaled = [(name, factor) for name, factor in state.scaling if factor != 1]
    if not scaled:
        return None
    factors = np.ones(len(sites), np.float64)
    # A fixed order: the product of three numbers rounds differently in another one.
    for name, factor in sorted(scaled):
        inside = region_sites(workspace, state, name, sites)
        if not inside.any():
            raise RequestError(_nothing_heard(workspace, state, name))
        factors[inside] *= factor
    if (factors == 1).all():
        return None
    return factors.astype(np.float32)


def region_sites(
    workspace: Workspace, state: ViewState, name: str, sites: Sites
) -> NDArray[np.bool_]:
    """Return (n_sites,) which of some voxels or vertices a region holds.

    A patch's name comes before a ROI's.

    Raises
    ------
    RequestError
        If there is neither a patch nor a ROI of this name.
    """
    patch = _patch_of(state, name)
    if patch is not None:
        return patch_sites(workspace, patch, sites)
    return workspace.keep(
        ("region sites", name, sites_digest(sites)), lambda: workspace.inside(name, sites)
    )


def require_regions(workspace: Workspace, state: ViewState) -> None:
    """Check what a state says of patches and scaled regions.

    Raises
    ------
    RequestError
        If a patch names a vertex that is not there, or a scaled region is neither a patch nor a
        ROI expression that can be read.
    """
    for patch in state.patches:
        require_patch(workspace, patch)
    for name, _ in state.scaling:
        if _patch_of(state, name) is None:
            workspace.keep(_known(name), lambda n=name: _require_roi(workspace, n))  # type: ignore[misc]


def are_regions_known(
    workspace: Workspace, scaling: Iterable[tuple[str, float]], patches: Iterable[Patch]
) -> bool:
    """Whether `require_regions` has no file to read for scaled regions."""
    drawn = {patch.name for patch in patches}
    return all(name in drawn or workspace.has_kept(_known(name)) for name, _ in scaling)


def know_region(workspace: Workspace, name: str) -> None:
    """Note that a ROI expression can be read, so that `require_regions` need not try."""
    workspace.keep(_known(name), lambda: True)


def scaling_words(state: ViewState) -> str:
    """Return ``responses scaled: FFA-1 × 0, hV4 × 1.5`` for provenance; "" where nothing is."""
    said = [f"{name} × {factor:g}" for name, factor in state.scaling if factor != 1]
    return f"responses scaled: {', '.join(said)}" if said else ""


def lesion_sign(state: ViewState) -> str:
    """Return ``virtual lesion``, ``virtual boost`` or both, for titles; "" where nothing is scaled."""
    factors = [factor for _, factor in state.scaling if factor != 1]
    if not factors:
        return ""
    if min(factors) > 1:
        return "virtual boost"
    return "virtual lesion and boost" if max(factors) > 1 else "virtual lesion"


def _patch_of(state: ViewState, name: str) -> Patch | None:
    return next((patch for patch in state.patches if patch.name == name), None)


def _known(name: str) -> tuple[str, str]:
    return "known region", name


def _require_roi(workspace: Workspace, name: str) -> bool:
    try:
        workspace.reader.mask(name, workspace.space)
    except RequestError as error:
        raise RequestError(f"The region '{name}' cannot be scaled: {error}") from error
    return True


def _nothing_heard(workspace: Workspace, state: ViewState, name: str) -> str:
    heard = workspace.decoder(state.decoder).header.roi
    if _patch_of(state, name) is not None:
        return (
            f"The decoder listens to no voxel of the region '{name}'; draw a larger one within "
            f"'{heard}'."
        )
    return f"The decoder listens to no voxel of '{name}'; choose a region within '{heard}'."
