"""resolve(state, arrays) → Scene: everything a view needs, computed before anything is drawn."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.spaces.layers import Layer, require_same_space
from nsdviewer.data.surfaces.meshes import Hemimesh
from nsdviewer.mapping.maps import TITLES, ConceptMap
from nsdviewer.rendering.cortex import (
    OutlineTopology,
    default_camera,
    outline_segments,
    shape_hemisphere,
    shown_faces,
    vertex_colours,
    vertex_normals,
)
from nsdviewer.rendering.slices import SlicePicture, draw_slice
from nsdviewer.state import CONCEPT, Camera, Hemisphere, ViewState


@dataclass(frozen=True)
class RoiBar:
    """Mean of the map over one region, with the number of voxels it stands on."""

    name: str
    mean_psc: float
    sem_psc: float
    n_voxels: int


@dataclass(frozen=True)
class SceneArrays:
    """Loaded and computed data that a state refers to.

    Attributes
    ----------
    vertex_values
        Per hemisphere (n_vertices,) map values, NaN where nothing is shown.
    outlines
        Per hemisphere, by collection.
    underlay
        X × Y × Z, 0..1: what the slices are drawn on.
    overlay
        X × Y × Z: the map's volume, NaN where it is not shown; None without a map.
    seen, reconstructed
        (r, r, 3) uint8, None before a trial is chosen.
    provenance
        Lines that say where the picture comes from.
    """

    hemispheres: tuple[Hemimesh, ...]
    vertex_values: dict[Hemisphere, NDArray[np.float32]]
    outlines: dict[Hemisphere, dict[str, OutlineTopology]]
    underlay: Layer
    overlay: Layer | None
    concept_map: ConceptMap | None
    roi_bars: tuple[RoiBar, ...]
    seen: NDArray[np.uint8] | None
    reconstructed: NDArray[np.uint8] | None
    trial_title: str
    trial_scores: tuple[tuple[str, str], ...]
    provenance: tuple[str, ...]
    simulated: bool


@dataclass(frozen=True)
class HemisphereScene:
    """One hemisphere, ready to draw.

    Attributes
    ----------
    vertices, normals
        (n_vertices, 3).
    rgb
        (n_vertices, 3) uint8.
    outlines
        (n_segments, 2, 3) line ends.
    labels
        Region name → position (3,).
    """

    hemisphere: Hemisphere
    vertices: NDArray[np.float32]
    normals: NDArray[np.float32]
    faces: NDArray[np.int32]
    rgb: NDArray[np.uint8]
    outlines: NDArray[np.float32]
    labels: dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Scene:
    """A frozen picture: window, figure and export draw the same one."""

    state: ViewState
    hemispheres: tuple[HemisphereScene, ...]
    camera: Camera
    limit_psc: float
    slices: tuple[SlicePicture, ...]
    roi_bars: tuple[RoiBar, ...]
    seen: NDArray[np.uint8] | None
    reconstructed: NDArray[np.uint8] | None
    trial_title: str
    trial_scores: tuple[tuple[str, str], ...]
    colour_bar_title: str
    provenance: tuple[str, ...]
    simulated: bool


def resolve(state: ViewState, arrays: SceneArrays) -> Scene:
    """Turn a state and its data into what is drawn; pure."""
    limit = colour_limit(state, arrays.concept_map)
    hemispheres = tuple(
        resolve_hemisphere(state, arrays, mesh, limit) for mesh in arrays.hemispheres
    )
    camera = state.camera or default_camera([h.vertices for h in hemispheres])
    return Scene(
        state=state,
        hemispheres=hemispheres,
        camera=camera,
        limit_psc=limit,
        slices=resolve_slices(state, arrays, limit),
        roi_bars=arrays.roi_bars,
        seen=arrays.seen,
        reconstructed=arrays.reconstructed,
        trial_title=arrays.trial_title,
        trial_scores=arrays.trial_scores,
        colour_bar_title=TITLES[state.reading],
        provenance=arrays.provenance,
        simulated=arrays.simulated,
    )


def colour_limit(state: ViewState, concept_map: ConceptMap | None) -> float:
    """Return the end of the colour bar: the state's, else one that suits the map."""
    layer = state.layer(CONCEPT)
    if layer is not None and layer.limit is not None:
        return layer.limit
    return concept_map.symmetric_limit() if concept_map is not None else 1.0


def resolve_hemisphere(
    state: ViewState, arrays: SceneArrays, mesh: Hemimesh, limit: float
) -> HemisphereScene:
    """Return one hemisphere at the state's shape and colours."""
    vertices = shape_hemisphere(mesh, state.morph)
    faces = shown_faces(mesh, state.morph)
    normals = vertex_normals(vertices, faces)
    topologies = [
        topology
        for name, topology in arrays.outlines.get(mesh.hemisphere, {}).items()
        if name in state.roi_collections
    ]
    segments = [outline_segments(t, vertices, normals) for t in topologies]
    labels = {
        name: _middle(vertices, members)
        for topology in topologies
        for name, members in topology.names.items()
    }
    return HemisphereScene(
        mesh.hemisphere,
        vertices,
        normals,
        faces,
        vertex_colours(mesh, arrays.vertex_values.get(mesh.hemisphere), limit, state.theme),
        np.concatenate([np.zeros((0, 2, 3), np.float32), *segments]),
        {name: at for name, at in labels.items() if np.isfinite(at).all()},
    )


def resolve_slices(state: ViewState, arrays: SceneArrays, limit: float) -> tuple[SlicePicture, ...]:
    """Return the three slices through the cursor, or through the map's peak before a click.

    Raises
    ------
    SpaceError
        If the map lies in another space than what it is drawn on.
    """
    layers = (arrays.underlay,) if arrays.overlay is None else (arrays.underlay, arrays.overlay)
    require_same_space(*layers)
    overlay = arrays.overlay.values if arrays.overlay is not None else None
    voxel = state.voxel or peak_voxel(arrays)
    return tuple(
        draw_slice(arrays.underlay.values, overlay, voxel, axis, limit, state.theme)
        for axis in range(3)
    )


def peak_voxel(arrays: SceneArrays) -> tuple[int, int, int]:
    """Return the voxel with the largest shown value, else the centre of the grid."""
    if arrays.concept_map is not None and arrays.concept_map.shown.any():
        best = int(np.nanargmax(np.abs(arrays.concept_map.masked())))
        i, j, k = (int(v) for v in arrays.concept_map.ijk[best])
        return i, j, k
    x, y, z = arrays.underlay.values.shape
    return x // 2, y // 2, z // 2


def _middle(vertices: NDArray[np.float32], members: NDArray[np.int64]) -> NDArray[np.float32]:
    """The member nearest to the members' centre: a label must sit on the surface."""
    points = vertices[members]
    points = points[np.isfinite(points).all(1)]
    if len(points) == 0:
        return np.full(3, np.nan, np.float32)
    centre = points.mean(0)
    return np.asarray(points[np.linalg.norm(points - centre, axis=1).argmin()], np.float32)
