"""Scenes for the window, of which each change recomputes only what it touches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from nsdviewer.errors import NsdViewerError
from nsdviewer.jobs import SilentProgress
from nsdviewer.rendering.colours import colour_bar, paint_of
from nsdviewer.rendering.cortex import curvature_rgb, default_camera, vertex_rgb
from nsdviewer.rendering.scene import (
    HemisphereScene,
    Scene,
    SceneArrays,
    borders_of,
    coloured,
    peak_voxel,
    require_maps_fit,
    shape_of_hemisphere,
    shown_hemispheres,
    shown_layers,
)
from nsdviewer.rendering.slices import cursor_in_slice, draw_slice, window_around
from nsdviewer.scheduling import InProcess
from nsdviewer.session.evidence import MapRequest, tested_map
from nsdviewer.session.layers import concept_layer, or_note
from nsdviewer.session.map_regions import RoiBars, roi_bars
from nsdviewer.session.notices import notices_of, outlines_of
from nsdviewer.session.scenes import provenance, trial_scores, trial_title

if TYPE_CHECKING:
    from nsdviewer.data.surfaces.meshes import Hemimesh
    from nsdviewer.mapping.maps import ConceptMap
    from nsdviewer.rendering.colours import Paint
    from nsdviewer.rendering.layers import LayerMap
    from nsdviewer.rendering.scene import RoiBar
    from nsdviewer.rendering.slices import SlicePicture
    from nsdviewer.session.reconstruction import Reconstruction
    from nsdviewer.session.workspace import Workspace
    from nsdviewer.state import ViewState

T = TypeVar("T")
Voxel = tuple[int, int, int]
_UNTESTED = "none"


@dataclass(frozen=True)
class Composed:
    """A scene with the two results that panels want besides it."""

    scene: Scene
    concept_map: ConceptMap | None
    voxel: Voxel


@dataclass(frozen=True)
class Made:
    """Results that other workers have made for a scene.

    Attributes
    ----------
    tested
        The state's concept map with its test; None where it is not there yet, or not asked for.
    maps
        Those of the layers besides the concept's.
    bars
        Bars with intervals, of any collections; without any they are computed of the map.
    """

    reconstruction: Reconstruction | None = None
    tested: ConceptMap | None = None
    maps: tuple[LayerMap, ...] = ()
    bars: tuple[RoiBar, ...] = ()


@dataclass(frozen=True, eq=False)
class _Same:
    """Equal to itself alone, and to another hold on the very same object."""

    held: object

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.held is self.held

    def __hash__(self) -> int:
        return id(self.held)


class Composer:
    """Makes scenes of one workspace on one worker thread, keeping the parts of the last one.

    Parts are told apart by what they depend on; a part that is the same object as in the scene
    before needs no drawing.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._kept: dict[str, tuple[tuple[Any, ...], Any]] = {}

    def concept_map(self, state: ViewState) -> ConceptMap | None:
        """Return the state's map, untested; raises `ConceptError` if its concept has no direction."""
        if not state.concept:
            return None
        request = replace(MapRequest.of(state), statistic=_UNTESTED)
        return self._part(
            "map",
            (request,),
            lambda: tested_map(self._workspace, request, InProcess(), SilentProgress()),
        )

    def compose(self, state: ViewState, made: Made | None = None) -> Composed:
        """Return the scene of `state`; what nobody has made yet is not in it."""
        made = made or Made()
        shown_map, why_not = made.tested, ""
        if shown_map is None:
            try:
                shown_map = self.concept_map(state)
            except NsdViewerError as error:
                # The cortex and the slices stand without it.
                why_not = f"The concept map is not shown. {error}"
        maps = self._maps(state, shown_map, made.maps)
        paints = self._paints(state, maps)
        arrays = self._arrays(state, shown_map, maps)
        bars = self._bars(state.bar_collections, shown_map, made.bars)
        voxel = state.voxel or peak_voxel(arrays)
        hemispheres = self._hemispheres(state, arrays, paints)
        scene = Scene(
            state=state,
            hemispheres=hemispheres,
            camera=state.camera or self._camera(hemispheres),
            slices=self._slices(state, arrays, paints, voxel),
            colour_bars=self._part(
                "colour bars",
                (_Same(paints),),
                lambda: tuple(colour_bar(paint, state.theme) for paint in reversed(paints)),
            ),
            roi_bars=bars.bars,
            **self._trial(_as_shown(state, shown_map), made.reconstruction),
            simulated=arrays.simulated,
            notices=(*arrays.notices, *bars.faults, *((why_not,) if why_not else ())),
        )
        return Composed(scene, shown_map, voxel)

    def _maps(
        self, state: ViewState, shown_map: ConceptMap | None, maps: tuple[LayerMap, ...]
    ) -> tuple[LayerMap, ...]:
        concept = self._part(
            "concept layer",
            (_Same(shown_map), state.statistic),
            lambda: (
                None
                if shown_map is None
                else or_note(concept_layer(self._workspace, state, shown_map))
            ),
        )
        everything = maps if concept is None else (*maps, concept)
        return self._part("maps", tuple(map(_Same, everything)), lambda: everything)

    def _paints(self, state: ViewState, maps: tuple[LayerMap, ...]) -> tuple[Paint, ...]:
        """Return how layers are coloured; the same objects as before for those that are as before."""
        paints = tuple(
            self._part(
                f"paint {shown.choice.source}",
                (shown.choice, _Same(shown.map), state.theme),
                partial(paint_of, shown, state.theme),
            )
            for shown in shown_layers(state, maps)
        )
        return self._part("paints", tuple(map(_Same, paints)), lambda: paints)

    def _bars(
        self,
        collections: tuple[str, ...],
        shown_map: ConceptMap | None,
        bars: tuple[RoiBar, ...],
    ) -> RoiBars:
        return self._part(
            "bars",
            (collections, _Same(shown_map), _Same(bars)),
            lambda: roi_bars(self._workspace, shown_map, collections, bars),
        )

    def _trial(self, state: ViewState, reconstruction: Reconstruction | None) -> dict[str, Any]:
        """Return the fields of a scene that tell of the trials."""
        w = self._workspace
        return {
            "seen": reconstruction.seen if reconstruction else None,
            "reconstructed": reconstruction.painted if reconstruction else None,
            "trial_title": trial_title(w, state, reconstruction),
            "trial_scores": trial_scores(reconstruction),
            "provenance": provenance(w, state, reconstruction),
        }

    def _arrays(
        self, state: ViewState, shown_map: ConceptMap | None, maps: tuple[LayerMap, ...]
    ) -> SceneArrays:
        """Return what a scene stands on, without the trials."""
        w = self._workspace
        outlines = self._part(
            "outlines", (state.roi_collections, state.patches), lambda: outlines_of(w, state)
        )
        notice_key = (
            _Same(maps), state.layers, state.roi_collections, state.patches, state.hemispheres,
            state.underlay, state.unfolding, state.morph > 1,
        )  # fmt: skip
        return SceneArrays(
            hemispheres=tuple(w.meshes.values()),
            outlines=outlines,
            maps=maps,
            underlay=w.underlay_of(state.underlay) if w.is_volume else None,
            concept_map=shown_map,
            roi_bars=(),
            seen=None,
            reconstructed=None,
            trial_title="",
            trial_scores=(),
            provenance=(),
            simulated=w.root.is_simulated,
            notices=self._part("notices", notice_key, lambda: notices_of(w, state, maps)),
        )

    def _hemispheres(
        self, state: ViewState, arrays: SceneArrays, paints: tuple[Paint, ...]
    ) -> tuple[HemisphereScene, ...]:
        meshes = shown_hemispheres(state, arrays.hemispheres)
        shape_key = (
            state.morph, state.unfolding, state.hemispheres, state.roi_labels,
            _Same(arrays.outlines),
        )  # fmt: skip

        def shape() -> tuple[HemisphereScene, ...]:
            return tuple(shape_of_hemisphere(state, arrays, mesh) for mesh in meshes)

        shaped = self._part("shape", shape_key, shape)

        def paint() -> tuple[HemisphereScene, ...]:
            pairs = zip(shaped, meshes, strict=True)
            return tuple(self._painted(state, one, mesh, paints) for one, mesh in pairs)

        return self._part("colour", (_Same(shaped), _Same(paints), state.theme), paint)

    def _painted(
        self, state: ViewState, shape: HemisphereScene, mesh: Hemimesh, paints: tuple[Paint, ...]
    ) -> HemisphereScene:
        """Return a hemisphere in colours; what lies under the topmost layer is kept."""
        side = mesh.hemisphere.value
        lower, top = paints[:-1], paints[-1:]
        under = self._part(
            f"under {side}",
            (_Same(mesh), tuple(map(_Same, lower)), state.theme),
            lambda: vertex_rgb(mesh, lower, curvature_rgb(mesh, state.theme)),
        )
        borders = [
            self._part(
                f"border {side} {paint.shown.choice.source}",
                (_Same(shape), _Same(paint)),
                partial(borders_of, shape, paint),
            )
            for paint in paints
        ]
        return coloured(shape, vertex_rgb(mesh, top, under), borders)

    def _camera(self, hemispheres: tuple[HemisphereScene, ...]) -> tuple[float, ...]:
        if not hemispheres:
            return ()
        return self._part(
            "camera",
            tuple(_Same(one.vertices) for one in hemispheres),
            lambda: default_camera([one.vertices for one in hemispheres]),
        )

    def _slices(
        self, state: ViewState, arrays: SceneArrays, paints: tuple[Paint, ...], voxel: Voxel
    ) -> tuple[SlicePicture, ...]:
        underlay = arrays.underlay
        if underlay is None:
            return ()
        self._part(
            "fit", (_Same(underlay), _Same(paints)), lambda: require_maps_fit(underlay, paints)
        )
        found = []
        for axis in range(3):
            window = window_around(underlay.values.shape, voxel, axis, state.slice_zoom)
            key = (voxel[axis], window, state.slice_zoom, _Same(underlay), _Same(paints))
            draw = partial(draw_slice, underlay.values, paints, voxel, axis, state.slice_zoom)
            picture = self._part(f"slice {axis}", key, draw)
            # A cursor that moved within the slice leaves its colours as they are.
            cursor = cursor_in_slice(underlay.values.shape, voxel, axis)
            found.append(picture if picture.cursor == cursor else replace(picture, cursor=cursor))
        return tuple(found)

    def _part(self, name: str, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        kept = self._kept.get(name)
        if kept is not None and kept[0] == key:
            found: T = kept[1]
            return found
        value = make()
        self._kept[name] = (key, value)
        return value


def _as_shown(state: ViewState, shown_map: ConceptMap | None) -> ViewState:
    """Return what a scene says of its map: no test while the untested map is shown."""
    is_tested = shown_map is not None and shown_map.evidence is not None
    return state if is_tested else state.replace(statistic=_UNTESTED)
