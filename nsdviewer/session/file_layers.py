"""Layers that a person names by file, moved from the space that the file states into the one shown."""

import textwrap
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from nsdviewer.data.spaces.places import Place, Sampling, grid_of
from nsdviewer.data.spaces.resampling import Interpolation, Shape, resample
from nsdviewer.data.spaces.routes import Route, route
from nsdviewer.data.surfaces.meshes import read_mesh
from nsdviewer.errors import DataError, NsdViewerError
from nsdviewer.files import expanded
from nsdviewer.rendering.layers import LayerMap
from nsdviewer.session.disk_layers import is_signed, without_infinities
from nsdviewer.session.map_files import MapFile, read_map_file, side_of
from nsdviewer.session.stated_spaces import MNI_GRID, place_volume
from nsdviewer.session.stated_vertices import PlacedVertices, place_vertices
from nsdviewer.session.vertex_maps import volume_to_vertices
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import CONCEPT, Hemisphere, ViewState

_LEAST_WEIGHT = 0.5
_TITLE_CHARACTERS = 40
# A coarse sphere's vertices lie this far apart at most, as a share of what even ones would.
_EVEN = 1.6
_SAID = ("file layers", "provenance")


@dataclass(frozen=True)
class AffinePullBack:
    """A pull-back between two grids whose axes need not be parallel.

    Attributes
    ----------
    shape
        Of the target.
    matrix
        (4, 4) from the target's 0-based indices to the source's.
    """

    shape: Shape
    matrix: NDArray[np.float64]

    def block(self, start: int, stop: int) -> NDArray[np.float64]:
        """Return (stop − start, 3) 0-based coordinates in the source."""
        index = np.stack(np.unravel_index(np.arange(start, stop), self.shape, order="F"), axis=1)
        # The outermost centres must not fall out by rounding.
        found = np.round(index @ self.matrix[:3, :3].T + self.matrix[:3, 3], 6)
        return np.asarray(found, np.float64)


def file_layer(workspace: Workspace, text: str) -> LayerMap:
    """Return the map in a NIfTI, GIFTI, MGH or FreeSurfer file.

    A volume lies where its header says: on one of the subject's own grids, in MNI, or by its affine
    beside one of them. Values on vertices are the subject's own or fsaverage's, by metadata, name
    and number. Whatever lies elsewhere is moved with NSD's transforms, labels by vote and other
    values linearly; `LayerMap.provenance` says how, and `LayerMap.caution` what was assumed.

    Raises
    ------
    RequestError
        If nothing leads here from where it lies, or it cannot be told where that is.
    DataError
        If it, or a transform that it needs, is missing or damaged.
    """
    path = expanded(text)
    stamp = path.stat().st_mtime_ns if path.exists() else 0
    found: LayerMap = workspace.keep(
        ("layer", "file", text, stamp), lambda: _read(workspace, path, f"file:{text}")
    )
    workspace.keep(_SAID, dict[str, str])[found.source] = found.provenance
    return found


def described_files(workspace: Workspace, state: ViewState) -> tuple[str, ...]:
    """Return a line of provenance for each visible layer from a file that has been read."""
    said = workspace.keep(_SAID, dict[str, str])
    sources = (c.source for c in state.layers if c.visible and c.source != CONCEPT)
    return tuple(f"layer: {said[source]}" for source in sources if said.get(source))


def _read(workspace: Workspace, path: Path, source: str) -> LayerMap:
    file = read_map_file(path)
    name = textwrap.shorten(path.name, _TITLE_CHARACTERS, placeholder=" …")
    found = LayerMap(source, name[:_TITLE_CHARACTERS], subject=workspace.subject)
    placed = (_with_volume if file.is_volume else _with_vertices)(workspace, file, found)
    return replace(placed, signed=is_signed(placed))


def _with_volume(workspace: Workspace, file: MapFile, found: LayerMap) -> LayerMap:
    here = Place.of(workspace.space) if workspace.is_volume else Place(Sampling.FUNC1PT8)
    placed = place_volume(workspace.files, file, here)
    values, how = file.values, ""
    if placed.to_file is not None:
        grid = grid_of(workspace.files, placed.place) or MNI_GRID
        values = _onto_grid(file, AffinePullBack(grid, placed.to_file))
        how = f"{placed.place} by its affine, {_word(file)}"
    found = _told(found, (*file.cautions, *placed.cautions))
    if not workspace.is_volume:
        meshes = {
            h: _moved(
                route(workspace.files, placed.place, Place.of(workspace.space, h)), file, values
            )
            for h in workspace.meshes
        }
        return _titled(replace(found, vertices=meshes), file, placed.place, workspace)
    target = Place.of(workspace.space)
    if placed.place == target:
        volume = without_infinities(np.asarray(values, np.float32))
    else:
        volume = _moved(route(workspace.files, placed.place, target), file, values)
    found = replace(
        found, volume=volume, vertices=volume_to_vertices(workspace, volume), place=target
    )
    return _titled(found, file, placed.place, workspace, how)


def _with_vertices(workspace: Workspace, file: MapFile, found: LayerMap) -> LayerMap:
    on_fsaverage = not workspace.is_volume and Place.of(
        workspace.space, Hemisphere.LEFT
    ).kind is Sampling.FSAVERAGE  # fmt: skip
    target = Sampling.FSAVERAGE if on_fsaverage else Sampling.NATIVESURFACE
    placed = place_vertices(workspace.files, file, target)
    values = {h: file.values[part] for h, part in placed.parts.items()}
    values.update(_beside(workspace, file, placed, target))
    vertices = {
        h: _onto_mesh(workspace, part, placed, target, h)
        for h, part in values.items()
        if h in workspace.meshes
    }
    found = _told(replace(found, vertices=vertices), placed.cautions)
    if placed.kind is target and not placed.n_coarse:
        return replace(found, provenance=_provenance(found, file, placed.name))
    how = f"{placed.name} → {target.value}, nearest"
    title = f"{found.title}\n{how}"
    return replace(found, title=title, provenance=_provenance(found, file, how))


def _onto_mesh(
    workspace: Workspace,
    values: NDArray[np.generic],
    placed: PlacedVertices,
    target: Sampling,
    hemisphere: Hemisphere,
) -> NDArray[np.float32]:
    if placed.n_coarse:
        values = values[_nearest_coarse(workspace, placed.n_coarse, hemisphere)]
    way = route(workspace.files, Place(placed.kind, hemisphere), Place(target, hemisphere))
    moved = way.apply(values, Interpolation.NEAREST) if way.transforms else values
    return without_infinities(np.asarray(moved, np.float32))


def _nearest_coarse(
    workspace: Workspace, n_coarse: int, hemisphere: Hemisphere
) -> NDArray[np.int64]:
    """Return (n_fsaverage,) the nearest of fsaverage's first vertices, which the coarse one has."""

    def make() -> NDArray[np.int64]:
        folder = workspace.root.fsaverage / "surf"
        names = [folder / f"{hemisphere.value}.{name}" for name in ("sphere.reg", "sphere")]
        sphere, _ = read_mesh(next((p for p in names if p.exists()), names[0]))
        on_unit = sphere / np.linalg.norm(sphere, axis=1, keepdims=True)
        distance, nearest = KDTree(on_unit[:n_coarse]).query(on_unit)
        # Even vertices on a unit sphere are about √(4π / n) apart.
        if float(np.max(distance)) > _EVEN * np.sqrt(4 * np.pi / n_coarse):
            raise DataError(
                f"The first {n_coarse:,} vertices of {names[0]} do not cover the sphere, so it is "
                "no fsaverage that coarser ones are part of; move the map with FreeSurfer first."
            )
        return np.asarray(nearest, np.int64)

    return workspace.keep(("coarse fsaverage", n_coarse, hemisphere), make)


def _beside(
    workspace: Workspace, file: MapFile, placed: PlacedVertices, target: Sampling
) -> dict[Hemisphere, NDArray[np.generic]]:
    """Return the other hemisphere's values, if its file lies beside this one and fits."""
    named = side_of(file.path)
    if named is None or len(placed.parts) != 1 or not file.path.name.startswith(f"{named.value}."):
        return {}
    other = Hemisphere.RIGHT if named is Hemisphere.LEFT else Hemisphere.LEFT
    try:
        sibling = read_map_file(file.path.with_name(f"{other.value}.{file.path.name[3:]}"))
        if sibling.is_volume:
            return {}
        there = place_vertices(workspace.files, sibling, target)
    except NsdViewerError:
        return {}
    if (there.kind, there.n_coarse) != (placed.kind, placed.n_coarse) or other not in there.parts:
        return {}
    return {other: sibling.values[there.parts[other]]}


def _onto_grid(file: MapFile, where: AffinePullBack) -> NDArray[np.generic]:
    if file.is_labels:
        return resample(_whole(file.values), where, Interpolation.WTA, 0)
    values = without_infinities(np.asarray(file.values, np.float32))
    return resample(values, where, Interpolation.LINEAR, over_holes=True)


def _moved(way: Route, file: MapFile, values: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return a volume moved; where less than half of what a place sees has a value it has none."""
    if file.is_labels:
        return np.asarray(way.apply(_whole(values), Interpolation.WTA), np.float32)
    known = without_infinities(np.asarray(values, np.float32))
    there = np.isfinite(known)
    move = partial(way.apply, interpolation=Interpolation.LINEAR)
    if there.all():
        return np.asarray(move(known), np.float32)
    weight = np.nan_to_num(move(there.astype(np.float32)))
    moved = move(np.where(there, known, np.float32(0)))
    enough = weight >= _LEAST_WEIGHT
    return np.where(enough, moved / np.where(enough, weight, 1), np.nan).astype(np.float32)


def _whole(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return labels without missing values, which are no region."""
    return np.nan_to_num(values) if values.dtype.kind == "f" else values


def _word(file: MapFile) -> str:
    return "wta" if file.is_labels else "linear"


def _told(found: LayerMap, cautions: tuple[str, ...]) -> LayerMap:
    return replace(found, caution=" ".join(dict.fromkeys(cautions)))


def _titled(
    found: LayerMap, file: MapFile, place: Place, workspace: Workspace, how: str = ""
) -> LayerMap:
    """Return a map whose title and provenance say how it came here, where it was moved."""
    if str(place) != str(
        Place.of(workspace.space, Hemisphere.LEFT if not workspace.is_volume else None)
    ):
        how = f"{place} → {workspace.space.value}, {_word(file)}"
    if not how:
        return replace(found, provenance=_provenance(found, file, str(place)))
    title = f"{found.title}\n{how}"
    return replace(found, title=title, provenance=_provenance(found, file, how))


def _provenance(found: LayerMap, file: MapFile, how: str) -> str:
    return f"{file.path.name}: {how}" + (f" ({found.caution})" if found.caution else "")
