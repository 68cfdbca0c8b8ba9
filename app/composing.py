"""Scenes for the window, of which each change recomputes only what it touches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nsdviewer.mapping.maps import TITLES
from nsdviewer.rendering.cortex import default_camera, vertex_colours
from nsdviewer.rendering.scene import (
    HemisphereScene,
    Scene,
    SceneArrays,
    colour_limit,
    peak_voxel,
    resolve_hemisphere,
    resolve_slices,
)
from nsdviewer.session.scenes import collect, map_of

if TYPE_CHECKING:
    from nsdviewer.mapping.maps import ConceptMap
    from nsdviewer.rendering.slices import SlicePicture
    from nsdviewer.session.decoding import Reconstruction
    from nsdviewer.session.workspace import Workspace
    from nsdviewer.state import ViewState


@dataclass(frozen=True)
class Composed:
    """A scene with the two results that panels want besides it."""

    scene: Scene
    concept_map: ConceptMap | None
    voxel: tuple[int, int, int]


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
        """Return the state's map; raises `ConceptError` when its concept has no direction."""
        key = (
            state.concept, state.noise_ceiling_floor_pct, state.reading, state.encoder,
            state.decoder, state.statistic, state.null,
        )  # fmt: skip
        return self._part("map", key, lambda: map_of(self._workspace, state))

    def compose(self, state: ViewState, reconstruction: Reconstruction | None) -> Composed:
        """Return the scene of `state`."""
        shown_map = self.concept_map(state)
        arrays = self._arrays(state, shown_map, reconstruction)
        limit = colour_limit(state, shown_map)
        voxel = state.voxel or peak_voxel(arrays)
        hemispheres = self._hemispheres(state, arrays, limit)
        scene = Scene(
            state=state,
            hemispheres=hemispheres,
            camera=state.camera or self._camera(hemispheres),
            limit_psc=limit,
            slices=self._slices(state, arrays, limit, voxel),
            roi_bars=arrays.roi_bars,
            seen=arrays.seen,
            reconstructed=arrays.reconstructed,
            trial_title=arrays.trial_title,
            trial_scores=arrays.trial_scores,
            colour_bar_title=TITLES[state.reading],
            provenance=arrays.provenance,
            simulated=arrays.simulated,
        )
        return Composed(scene, shown_map, voxel)

    def _arrays(
        self, state: ViewState, shown_map: ConceptMap | None, reconstruction: Reconstruction | None
    ) -> SceneArrays:
        key = (
            _Same(shown_map),
            _Same(reconstruction),
            state.roi_collections,
            state.trials,
            state.seed,
            state.concept,
        )
        # Until something is decoded, no decoder or generator need be there.
        said = state if reconstruction is not None else state.replace(trials=())
        return self._part(
            "arrays", key, lambda: collect(self._workspace, said, shown_map, reconstruction)
        )

    def _hemispheres(
        self, state: ViewState, arrays: SceneArrays, limit: float
    ) -> tuple[HemisphereScene, ...]:
        shape_key = (state.morph, state.roi_collections)
        colour_key = (_Same(arrays.concept_map), limit, state.theme)
        made: list[HemisphereScene] = []

        def shape() -> tuple[HemisphereScene, ...]:
            made.extend(resolve_hemisphere(state, arrays, m, limit) for m in arrays.hemispheres)
            return tuple(made)

        def colour() -> tuple[HemisphereScene, ...]:
            if made:
                return shaped
            return tuple(
                replace(one, rgb=vertex_colours(mesh, arrays.vertex_values.get(mesh.hemisphere),
                                                limit, state.theme))
                for one, mesh in zip(shaped, arrays.hemispheres, strict=True)
            )  # fmt: skip

        shaped = self._part("shape", shape_key, shape)
        return self._part("colour", (_Same(shaped), *colour_key), colour)

    def _camera(self, hemispheres: tuple[HemisphereScene, ...]) -> tuple[float, ...]:
        if not hemispheres:
            return ()
        return self._part(
            "camera",
            (_Same(hemispheres[0].vertices),),
            lambda: default_camera([h.vertices for h in hemispheres]),
        )

    def _slices(
        self,
        state: ViewState,
        arrays: SceneArrays,
        limit: float,
        voxel: tuple[int, int, int],
    ) -> tuple[SlicePicture, ...]:
        key = (voxel, _Same(arrays.concept_map), limit, state.theme)
        return self._part(
            "slices", key, lambda: resolve_slices(state.replace(voxel=voxel), arrays, limit)
        )

    def _part(self, name: str, key: tuple[Any, ...], make: Any) -> Any:
        kept = self._kept.get(name)
        if kept is not None and kept[0] == key:
            return kept[1]
        value = make()
        self._kept[name] = (key, value)
        return value
