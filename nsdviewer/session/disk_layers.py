"""Layers that are read from files: NSD's own maps, and whatever a person names."""

import re
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from nsdviewer.data.formats.volumes import read_volume
from nsdviewer.data.regions.map_meanings import MapKind, meaning_of
from nsdviewer.data.regions.maps import HemisphereMissingError, list_maps, read_map
from nsdviewer.data.spaces.places import Place
from nsdviewer.data.surfaces.meshes import count_vertices, read_scalars
from nsdviewer.errors import DataError, NsdViewerError, RequestError
from nsdviewer.rendering.layers import LayerMap
from nsdviewer.session.vertex_maps import OnMeshes, mask_to_vertices, volume_to_vertices
from nsdviewer.session.voxels import LEAST_PRF_R2_PCT
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import BetaVersion, Hemisphere, Space

# What slices are drawn on is no map to lay over them.
_UNDERLAYS = re.compile(r"mean(FIRST5)?|(T1|T2|SWI|TOF)_to_.+|.*_?meanvol|signaldropout.*")
_ANGLE = re.compile(r"prf_?angle")
_RECEPTIVE_FIELD = re.compile(r"prf_?(angle|eccentricity|size)")
_TITLE_CHARACTERS, _TITLE_LINES = 24, 3
_SIDES = {
    Hemisphere.LEFT: re.compile(r"(^|[._-])(lh|l|left|hemi-l)([._-]|$)", re.IGNORECASE),
    Hemisphere.RIGHT: re.compile(r"(^|[._-])(rh|r|right|hemi-r)([._-]|$)", re.IGNORECASE),
}
_FSAVERAGE_VERTICES = 163_842
_GIFTI, _VOLUMES = (".gii",), (".nii", ".nii.gz", ".mgh", ".mgz")


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
            volume=_without_infinities(volume),
            vertices=volume_to_vertices(workspace, volume, found.period),
            place=Place.of(space),
        )
        found = _only_where_fitted(workspace, found, base)
    else:
        on = Space.NATIVESURFACE if workspace.is_volume else space
        found = replace(found, vertices=_on_vertices(workspace, on, base, version))
    return replace(found, signed=_is_signed(found))


def _on_vertices(
    workspace: Workspace, space: Space, name: str, version: BetaVersion | None
) -> OnMeshes:
    vertices = {}
    for hemisphere in workspace.meshes:
        try:
            read = read_map(workspace.files, space, name, hemisphere, version)
        except HemisphereMissingError:
            continue
        vertices[hemisphere] = _without_infinities(np.asarray(read.values, np.float32))
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


def _is_signed(found: LayerMap) -> bool:
    """Whether values below zero mean something; of a share explained they are estimation noise."""
    if found.unit == "%" or found.period:
        return False
    arrays = [*found.vertices.values(), *([] if found.volume is None else [found.volume])]
    return any(bool((a < 0).any()) for a in arrays)


def file_layer(workspace: Workspace, text: str) -> LayerMap:
    """Return the map in a NIfTI, GIFTI or MGH file; its shape says where it lies.

    X × Y × Z of the functional grid is a volume; one value a vertex of the left, the right, or
    first the left and then the right hemisphere is on the cortex. Where both hemispheres have as
    many vertices the file's name has to say which it is, and the other's, if it lies beside it, is
    shown with it.

    Raises
    ------
    RequestError
        If it has another shape, or it cannot be told which hemisphere it is of.
    DataError
        If it is missing or damaged.
    """
    path = Path(text).expanduser()
    stamp = path.stat().st_mtime_ns if path.exists() else 0
    return workspace.keep(
        ("layer", "file", text, stamp), lambda: _read_file(workspace, path, f"file:{text}")
    )


def _read_file(workspace: Workspace, path: Path, source: str) -> LayerMap:
    values = _read_numbers(path)
    found = LayerMap(source, textwrap.shorten(path.name, 40), subject=workspace.subject)
    if values.ndim == 3:
        _require_grid(workspace, path, values)
        found = replace(
            found,
            volume=values,
            vertices=volume_to_vertices(workspace, values),
            place=Place.of(workspace.space),
        )
    else:
        found = replace(found, vertices=_assign(workspace, path, values))
    return replace(found, signed=_is_signed(found))


def _read_numbers(path: Path) -> NDArray[np.float32]:
    """Return X × Y × Z or (n_values,) float32; infinities count as missing."""
    name = path.name.lower()
    if not path.exists():
        raise DataError(f"There is no file {path}; add the layer again from where it is now.")
    if name.endswith(_GIFTI):
        values = _read_gifti(path)
    elif name.endswith(_VOLUMES):
        values = read_volume(path)
    else:
        values = read_scalars(path)
    if values.dtype.kind not in "iufb":
        raise RequestError(f"{path} holds {values.dtype}, no numbers; choose another file.")
    # NIfTI files keep vertices as n × 1 × 1, and one volume as X × Y × Z × 1.
    shape = tuple(n for k, n in enumerate(values.shape) if n != 1 or k == 0)
    if len(shape) not in (1, 3):
        raise RequestError(
            f"{path} has the shape {values.shape}; a layer needs one value a voxel or vertex, so "
            "choose one of its maps and save that alone."
        )
    return _without_infinities(np.asarray(values, np.float32).reshape(shape))


def _read_gifti(path: Path) -> NDArray[Any]:
    try:
        image = nib.load(path)
        arrays = [np.asarray(a.data) for a in image.darrays]
    except (OSError, ValueError, ImageFileError, SyntaxError) as error:
        raise DataError(f"{path} is damaged or no GIFTI file ({error}).") from error
    if len(arrays) != 1:
        raise RequestError(
            f"{path} holds {len(arrays)} arrays where a layer needs one; save one map alone."
        )
    return arrays[0]


def _without_infinities(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(np.isfinite(values), values, np.float32(np.nan))


def _require_grid(workspace: Workspace, path: Path, values: NDArray[np.float32]) -> None:
    if workspace.is_volume and values.shape == workspace.grid:
        return
    raise RequestError(
        f"{path} has the grid {_said(values.shape)}; here {_needed(workspace)} is needed: move it "
        "with 'nsdviewer transform' first."
    )


def _assign(workspace: Workspace, path: Path, values: NDArray[np.float32]) -> OnMeshes:
    """Return values by hemisphere."""
    counts = {h: mesh.n_vertices for h, mesh in workspace.meshes.items()}
    n = len(values)
    fitting = [h for h, count in counts.items() if count == n]
    named = _side_of(path)
    if named is not None and named in fitting:
        return {named: values, **_beside(path, named, counts)}
    if len(fitting) == 1 and named is None:
        return {fitting[0]: values}
    if len(counts) == 2 and n == sum(counts.values()) and named is None:
        left = counts[Hemisphere.LEFT]
        return {Hemisphere.LEFT: values[:left], Hemisphere.RIGHT: values[left:]}
    if len(fitting) == 2:
        raise RequestError(
            f"{path} has {n:,} vertices, as both hemispheres have; begin its name with 'lh.' or "
            "'rh.' to say which it is."
        )
    fsaverage = count_vertices(workspace.root.fsaverage, Hemisphere.LEFT)
    of_fsaverage = {_FSAVERAGE_VERTICES, fsaverage[1] if fsaverage else 0}
    shared = " (as many as fsaverage)" if n in of_fsaverage else ""
    raise RequestError(
        f"{path} has {n:,} values{shared}; here {_needed(workspace)} is needed: move it with "
        "'nsdviewer transform' first."
    )


def _beside(path: Path, named: Hemisphere, counts: dict[Hemisphere, int]) -> OnMeshes:
    """Return the other hemisphere's values, if its file lies beside this one and fits."""
    other = Hemisphere.RIGHT if named is Hemisphere.LEFT else Hemisphere.LEFT
    if not path.name.startswith(f"{named.value}.") or other not in counts:
        return {}
    sibling = path.with_name(f"{other.value}.{path.name[3:]}")
    try:
        values = _read_numbers(sibling)
    except NsdViewerError:
        return {}
    return {other: values} if values.shape == (counts[other],) else {}


def _side_of(path: Path) -> Hemisphere | None:
    found = [h for h, pattern in _SIDES.items() if pattern.search(path.name)]
    return found[0] if len(found) == 1 else None


def _needed(workspace: Workspace) -> str:
    """Say which shapes fit."""
    grid = f"the grid {_said(workspace.grid)} of {workspace.space.value}"
    parts = [grid] if workspace.is_volume else []
    parts += [f"{m.n_vertices:,} vertices of {h.value}" for h, m in workspace.meshes.items()]
    return " or ".join(parts)


def _said(shape: tuple[int, ...]) -> str:
    return " × ".join(str(n) for n in shape)
