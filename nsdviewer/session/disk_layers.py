"""Layers that are NSD's own maps of the subject."""

import re
import textwrap
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.regions.map_meanings import MapKind, meaning_of
from nsdviewer.data.regions.maps import HemisphereMissingError, list_maps, read_map
from nsdviewer.data.spaces.places import Place
from nsdviewer.rendering.layers import LayerMap
from nsdviewer.session.vertex_maps import OnMeshes, mask_to_vertices, volume_to_vertices
from nsdviewer.session.voxels import LEAST_PRF_R2_PCT
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import BetaVersion, Space

# What slices are drawn on is no map to lay over them.
_UNDERLAYS = re.compile(r"mean(FIRST5)?|(T1|T2|SWI|TOF)_to_.+|.*_?meanvol|signaldropout.*")
_ANGLE = re.compile(r"prf_?angle")
_RECEPTIVE_FIELD = re.compile(r"prf_?(angle|eccentricity|size)")
_TITLE_CHARACTERS, _TITLE_LINES = 24, 3


def list_disk_layers(workspace: Workspace) -> tuple[tuple[str, str], ...]:
    """Return (source, title) of NSD's own scalar maps for the subject."""
    files, space, version = workspace.files, workspace.space, workspace.version
    names = [n for n in list_maps(files, space) if _is_scalar(n, None)]
    if workspace.is_volume:
        known = {_plain(n) for n in names}
        on_vertices = list_maps(files, Space.NATIVESURFACE)
        names += [n for n in on_vertices if _is_scalar(n, None) and _plain(n) not in known]
    found = [(f"map:{n}", _title_to_offer(n, None)) for n in names]
    for name in list_maps(files, space, None, version):
        if _is_scalar(name, version) and not re.search(r"_session\d\d$", name):
            source = f"map:{version.short}/{name}"
            found.append((source, f"{version.short}: {_title_to_offer(name, version)}"))
    return tuple(found)


def _is_scalar(name: str, version: BetaVersion | None) -> bool:
    kind = meaning_of(name, version).kind
    return kind not in (MapKind.LABELS, MapKind.INDEX) and not _UNDERLAYS.fullmatch(name)


def _plain(name: str) -> str:
    """Return the name that a map has on voxels and on vertices alike."""
    return name.replace("_", "").lower()


def _title_to_offer(name: str, version: BetaVersion | None) -> str:
    return f"{name}: {meaning_of(name, version).description}"


def disk_layer(workspace: Workspace, name: str) -> LayerMap:
    """Return a map of `list_disk_layers`, by its name without ``map:``.

    Raises
    ------
    RequestError
        If there is no such map.
    DataError
        If its file is damaged, or of another grid or mesh.
    """
    return workspace.keep(("layer", "map", name), lambda: _read_disk(workspace, name))


def _read_disk(workspace: Workspace, name: str) -> LayerMap:
    text, _, base = name.rpartition("/")
    version = BetaVersion.parse(text) if text else None
    files, space = workspace.files, workspace.space
    meaning = meaning_of(base, version)
    found = LayerMap(
        source=f"map:{name}",
        title=_bar_title(meaning.description),
        unit=meaning.unit,
        period=360.0 if _ANGLE.fullmatch(base) else 0.0,
        subject=workspace.subject,
    )
    if workspace.is_volume and (base in list_maps(files, space, None, version) or version):
        volume = np.asarray(read_map(files, space, base, None, version).values, np.float32)
        found = replace(
            found,
            volume=without_infinities(volume),
            vertices=volume_to_vertices(workspace, volume, found.period),
            place=Place.of(space),
        )
        found = _only_where_fitted(workspace, found, base)
    else:
        on = Space.NATIVESURFACE if workspace.is_volume else space
        found = replace(found, vertices=_on_vertices(workspace, on, base, version))
    return replace(found, signed=is_signed(found))


def _on_vertices(
    workspace: Workspace, space: Space, name: str, version: BetaVersion | None
) -> OnMeshes:
    vertices = {}
    for hemisphere in workspace.meshes:
        try:
            read = read_map(workspace.files, space, name, hemisphere, version)
        except HemisphereMissingError:
            continue
        vertices[hemisphere] = without_infinities(np.asarray(read.values, np.float32))
    return vertices


def _only_where_fitted(workspace: Workspace, found: LayerMap, name: str) -> LayerMap:
    """Mark where the receptive field model explains enough for its parameters to mean something."""
    files, space = workspace.files, workspace.space
    if not _RECEPTIVE_FIELD.fullmatch(name) or "prf_R2" not in list_maps(files, space):
        return found
    explained = read_map(files, space, "prf_R2").values
    passes = np.nan_to_num(explained) >= LEAST_PRF_R2_PCT
    return replace(
        found,
        passes_volume=passes,
        passes_vertices=mask_to_vertices(workspace, passes),
        test=f"pRF R² ≥ {LEAST_PRF_R2_PCT:g} %",
    )


def _bar_title(description: str) -> str:
    """Break a description into lines for a colour bar, what stands after a comma left out."""
    short = description.split(",")[0]
    lines = textwrap.wrap(short, _TITLE_CHARACTERS)
    if len(lines) > _TITLE_LINES:
        lines = [*lines[: _TITLE_LINES - 1], lines[_TITLE_LINES - 1] + " …"]
    return "\n".join(lines)


def is_signed(found: LayerMap) -> bool:
    """Whether values below zero mean something; of a share explained they are estimation noise."""
    if found.unit == "%" or found.period:
        return False
    arrays = [*found.vertices.values(), *([] if found.volume is None else [found.volume])]
    return any(bool((a < 0).any()) for a in arrays)


def without_infinities(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return values with NaN in place of infinities."""
    return np.where(np.isfinite(values), values, np.float32(np.nan))
