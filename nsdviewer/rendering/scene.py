"""resolve(state, arrays) → Scene: everything a view needs, computed before anything is drawn."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.spaces.layers import Layer, require_same_space
from nsdviewer.data.surfaces.meshes import Hemimesh
from nsdviewer.mapping.maps import ConceptMap
from nsdviewer.rendering.colours import ColourBar, Paint, colour_bar, paint_of
from nsdviewer.rendering.cortex import (
    curvature_rgb,
    default_camera,
    is_cut_open,
    shape_hemisphere,
    shown_faces,
    vertex_normals,
    vertex_rgb,
)
from nsdviewer.rendering.labels import RegionLabel, region_labels
from nsdviewer.rendering.layers import LayerMap, ShownLayer
from nsdviewer.rendering.outlines import OutlineTopology, boundary_edges, outline_segments
from nsdviewer.rendering.slices import SlicePicture, draw_slice
from nsdviewer.state import Camera, Hemisphere, Sides, ViewState

NO_SEGMENTS = np.zeros((0, 2, 3), np.float32)


@dataclass(frozen=True)
class RoiBar:
    """Mean of the map over one region, with the number of voxels it stands on.

    Attributes
    ----------
    collection
        The ROI collection that the region is of.
    interval_psc
        Ends of the mean's bootstrap interval, None where none was computed.
    """

    name: str
    collection: str
    mean_psc: float
    sem_psc: float
    n_voxels: int
    interval_psc: tuple[float, float] | None = None


@dataclass(frozen=True)
class SceneArrays:
    """Loaded and computed data that a state refers to.

    Attributes
    ----------
    hemispheres
        Those on disk.
    outlines
        Per hemisphere, by collection; regions drawn by hand stand under their own names.
    maps
        Those that layers of the state show, in any order.
    underlay
        X × Y × Z, 0..1: what the slices are drawn on; None for data that lie in no volume.
    seen, reconstructed
        (r, r, 3) uint8, None before a trial is chosen.
    provenance
        Lines that say where the picture comes from.
    notices
        Sentences that say what is not shown, and why.
    """

    hemispheres: tuple[Hemimesh, ...]
    outlines: dict[Hemisphere, dict[str, OutlineTopology]]
    maps: tuple[LayerMap, ...]
    underlay: Layer | None
    concept_map: ConceptMap | None
    roi_bars: tuple[RoiBar, ...]
    seen: NDArray[np.uint8] | None
    reconstructed: NDArray[np.uint8] | None
    trial_title: str
    trial_scores: tuple[tuple[str, str], ...]
    provenance: tuple[str, ...]
    simulated: bool
    notices: tuple[str, ...] = ()


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
        (n_segments, 2, 3) line ends of regions.
    borders
        (n_segments, 2, 3) line ends around what lies above a layer's threshold.
    labels
        Names of the regions with the vertices they stand at.
    """

    hemisphere: Hemisphere
    vertices: NDArray[np.float32]
    normals: NDArray[np.float32]
    faces: NDArray[np.int32]
    rgb: NDArray[np.uint8]
    outlines: NDArray[np.float32]
    borders: NDArray[np.float32]
    labels: tuple[RegionLabel, ...]


@dataclass(frozen=True)
class Scene:
    """A frozen picture: window, figure and export draw the same one.

    Attributes
    ----------
    camera
        See `ViewState.camera`; empty without a cortex.
    slices
        Sagittal, coronal, axial; none for data that lie in no volume.
    colour_bars
        Of the visible layers, the topmost first.
    notices
        One sentence each: what is not shown, and why.
    """

    state: ViewState
    hemispheres: tuple[HemisphereScene, ...]
    camera: Camera
    slices: tuple[SlicePicture, ...]
    colour_bars: tuple[ColourBar, ...]
    roi_bars: tuple[RoiBar, ...]
    seen: NDArray[np.uint8] | None
    reconstructed: NDArray[np.uint8] | None
    trial_title: str
    trial_scores: tuple[tuple[str, str], ...]
    provenance: tuple[str, ...]
    simulated: bool
    notices: tuple[str, ...] = ()


def resolve(state: ViewState, arrays: SceneArrays) -> Scene:
    """Turn a state and its data into what is drawn; pure.

    Raises
    ------
    SpaceError
        If a map lies in another space than what it is drawn on.
    """
    paints = paints_of(state, arrays.maps)
    hemispheres = tuple(
        resolve_hemisphere(state, arrays, mesh, paints)
        for mesh in shown_hemispheres(state, arrays.hemispheres)
    )
    camera = state.camera or default_camera([h.vertices for h in hemispheres])
    return Scene(
        state=state,
        hemispheres=hemispheres,
        camera=camera,
        slices=resolve_slices(state, arrays, paints),
        colour_bars=tuple(colour_bar(paint, state.theme) for paint in reversed(paints)),
        roi_bars=arrays.roi_bars,
        seen=arrays.seen,
        reconstructed=arrays.reconstructed,
        trial_title=arrays.trial_title,
        trial_scores=arrays.trial_scores,
        provenance=arrays.provenance,
        simulated=arrays.simulated,
        notices=arrays.notices,
    )


def shown_layers(state: ViewState, maps: tuple[LayerMap, ...]) -> tuple[ShownLayer, ...]:
    """Return the visible layers, the lowest first; those without data are left out."""
    known = {m.source: m for m in maps if not m.is_empty}
    return tuple(
        ShownLayer(choice, known[choice.source])
        for choice in state.layers
        if choice.visible and choice.opacity > 0 and choice.source in known
    )


def paints_of(state: ViewState, maps: tuple[LayerMap, ...]) -> tuple[Paint, ...]:
    """Return how the layers of `shown_layers` are coloured."""
    return tuple(paint_of(shown, state.theme) for shown in shown_layers(state, maps))


def shown_hemispheres(state: ViewState, hemispheres: tuple[Hemimesh, ...]) -> tuple[Hemimesh, ...]:
    """Return the meshes that the state draws, of those on disk."""
    wanted = tuple(Hemisphere) if state.hemispheres is Sides.BOTH else (
        Hemisphere(state.hemispheres.value),
    )  # fmt: skip
    return tuple(mesh for mesh in hemispheres if mesh.hemisphere in wanted)


def resolve_hemisphere(
    state: ViewState, arrays: SceneArrays, mesh: Hemimesh, paints: tuple[Paint, ...]
) -> HemisphereScene:
    """Return one hemisphere at the state's shape and colours."""
    shape = shape_of_hemisphere(state, arrays, mesh)
    return paint_hemisphere(state, shape, mesh, paints)


def shape_of_hemisphere(state: ViewState, arrays: SceneArrays, mesh: Hemimesh) -> HemisphereScene:
    """Return one hemisphere at the state's shape with its outlines, bare of colours and borders."""
    vertices = shape_hemisphere(mesh, state.morph, state.unfolding)
    cut_open = is_cut_open(mesh, state.morph, state.unfolding)
    normals = vertex_normals(mesh, vertices, cut_open)
    wanted = (*state.roi_collections, *(patch.name for patch in state.patches))
    found = arrays.outlines.get(mesh.hemisphere, {})
    topologies = [found[name] for name in dict.fromkeys(wanted) if name in found]
    segments = [outline_segments(t.edges, vertices, normals) for t in topologies]
    return HemisphereScene(
        mesh.hemisphere,
        vertices,
        normals,
        shown_faces(mesh, state.morph, state.unfolding),
        np.zeros((0, 3), np.uint8),
        np.concatenate([NO_SEGMENTS, *segments]),
        NO_SEGMENTS,
        region_labels(topologies, vertices) if state.roi_labels else (),
    )


def paint_hemisphere(
    state: ViewState, shape: HemisphereScene, mesh: Hemimesh, paints: tuple[Paint, ...]
) -> HemisphereScene:
    """Return a shaped hemisphere with the layers' colours, and borders around what they outline."""
    rgb = vertex_rgb(mesh, paints, curvature_rgb(mesh, state.theme))
    return coloured(shape, rgb, [borders_of(shape, paint) for paint in paints])


def borders_of(shape: HemisphereScene, paint: Paint) -> NDArray[np.float32]:
    """Return (n_segments, 2, 3) line ends around what lies above a layer's threshold."""
    above = paint.shown.above_vertices(shape.hemisphere) if paint.shown.is_outlined else None
    if above is None:
        return NO_SEGMENTS
    edges = boundary_edges(shape.faces, above)
    return outline_segments(edges, shape.vertices, shape.normals)


def coloured(
    shape: HemisphereScene, rgb: NDArray[np.uint8], borders: list[NDArray[np.float32]]
) -> HemisphereScene:
    """Return a shaped hemisphere with colours and borders; without any, the same empty array."""
    some = [each for each in borders if len(each)]
    return replace(shape, rgb=rgb, borders=np.concatenate(some) if some else NO_SEGMENTS)


def resolve_slices(
    state: ViewState,
    arrays: SceneArrays,
    paints: tuple[Paint, ...],
    outlines_in_picture: bool = True,
) -> tuple[SlicePicture, ...]:
    """Return the three slices through the cursor, or through the map's peak before a click.

    Parameters
    ----------
    outlines_in_picture
        See `draw_slice`.

    Raises
    ------
    SpaceError
        If a map lies in another space than what it is drawn on.
    """
    if arrays.underlay is None:
        return ()
    require_maps_fit(arrays.underlay, paints)
    voxel = state.voxel or peak_voxel(arrays)
    return tuple(
        draw_slice(
            arrays.underlay.values, paints, voxel, axis, state.slice_zoom, outlines_in_picture
        )
        for axis in range(3)
    )


def require_maps_fit(underlay: Layer, paints: tuple[Paint, ...]) -> None:
    """Raise `SpaceError` unless all maps have the voxels of what they are drawn on."""
    for paint in paints:
        layer = paint.shown.map.layer()
        if layer is not None:
            require_same_space(underlay, layer)


def peak_voxel(arrays: SceneArrays) -> tuple[int, int, int]:
    """Return the voxel with the largest shown value, else the centre of the grid."""
    found = arrays.concept_map
    if found is not None and found.shown.any() and arrays.underlay is not None:
        values = np.abs(found.masked())
        if np.isfinite(values).any():
            i, j, k = (int(v) for v in found.ijk[int(np.nanargmax(values))])
            return i, j, k
    if arrays.underlay is None:
        return 0, 0, 0
    x, y, z = arrays.underlay.values.shape
    return x // 2, y // 2, z // 2
