"""The one frozen value that all panels draw: the state and every result that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from app.bench.generators import GeneratorChoice
    from app.bench.samples import PaintingPreview
    from app.composing import Composer
    from app.concept.choices import Offered
    from app.trial_list.facets import TrialFacets
    from nsdviewer.mapping.completion import ConceptWords
    from nsdviewer.mapping.maps import ConceptMap
    from nsdviewer.rendering.layers import LayerMap
    from nsdviewer.rendering.scene import Scene
    from nsdviewer.session.bench_concepts import ConceptBar
    from nsdviewer.session.bench_controls import ControlPicture
    from nsdviewer.session.bench_nearest import NearPicture
    from nsdviewer.session.cursor import Cursor
    from nsdviewer.session.lesions import LesionEffect, Region
    from nsdviewer.session.reconstruction import Reconstruction
    from nsdviewer.session.region_intervals import MapIntervals
    from nsdviewer.session.round_trip import RoundTrip
    from nsdviewer.session.tested_maps import TestedMap
    from nsdviewer.session.voxels import VoxelCard
    from nsdviewer.session.workspace import Workspace
    from nsdviewer.state import ViewState


@dataclass(frozen=True)
class Choices:
    """What can be chosen in this root besides what is shown.

    Attributes
    ----------
    variants
        (space, version) pairs whose betas are on disk.
    sessions
        Sessions with betas.
    generators
        The shipped ones.
    layers
        (source, title) of the maps that can be laid over the cortex.
    """

    subjects: tuple[int, ...] = ()
    variants: tuple[tuple[Any, Any], ...] = ()
    sessions: tuple[int, ...] = ()
    collections: tuple[str, ...] = ()
    has_flat: bool = False
    has_sphere: bool = False
    layers: tuple[tuple[str, str], ...] = ()
    generators: tuple[GeneratorChoice, ...] = ()


@dataclass(frozen=True)
class View:
    """What the window shows. Results lag behind `state` while they are computed.

    Attributes
    ----------
    pending
        Names of the results that are under way; see `app.results`.
    is_whole
        Whether the state came as a whole, by undo, redo or out of a document, and nothing of it is
        to be adapted to the rest, as the camera is to a changed shape.
    voxel_mm
        Edge of a voxel, 0 where there are none.
    voxel
        The cursor, the map's peak before the first click.
    layer_maps
        Those of the visible layers besides the concept's, the lowest first.
    cursor
        The same place in all spaces, once they are there.
    watched
        Names of panels in sight whose results nobody else shows.
    regions
        What the decoder listens to and can be scaled; None until it is looked up.
    lesion, lesion_error
        What the scaled regions change, or why they cannot be scaled.
    round_trip, round_trip_error
        What the encoder predicts from the reconstruction, or why it cannot.
    concept_words
        What a concept is completed with; None until it is looked up.
    offered
        Which readings, tests and null hypotheses can be chosen; None until it is looked up.
    tested, test_error
        The last map that was tested, of the request it names, or why the state's cannot be.
    intervals
        Regions of the concept's map, and how sure their means are.
    listed, likeness
        Trials of the list, in its order, and their cosine to what is searched for.
    facets
        What the trials can be filtered by; None until it is looked up.
    gallery
        (label, RGB picture): other paintings of the selected trial.
    reconstruction_fault
        Why the last reconstruction failed, and `reconstruction` still is the one before.
    preview
        The reconstruction as far as it is painted, while it is.
    controls, nearest, concept_bars
        What stands beside the reconstruction.
    card_pictures
        (73k id, RGB thumbnail) of the voxel card's best pictures.
    """

    workspace: Workspace
    state: ViewState
    choices: Choices
    composer: Composer
    embedding_title: str = ""
    voxel_mm: float = 0.0
    pending: frozenset[str] = frozenset()
    is_whole: bool = True
    scene: Scene | None = None
    concept_map: ConceptMap | None = None
    voxel: tuple[int, int, int] | None = None
    reconstruction: Reconstruction | None = None
    reconstruction_fault: str = ""
    preview: PaintingPreview | None = None
    gallery: tuple[tuple[str, NDArray[np.uint8]], ...] = ()
    controls: tuple[ControlPicture, ...] = ()
    nearest: tuple[NearPicture, ...] = ()
    nearest_fault: str = ""
    concept_bars: tuple[ConceptBar, ...] = ()
    listed: NDArray[np.int64] | None = None
    likeness: NDArray[np.float32] | None = None
    facets: TrialFacets | None = None
    search_error: str = ""
    concept_error: str = ""
    concept_words: ConceptWords | None = None
    offered: Offered | None = None
    tested: TestedMap | None = None
    test_error: str = ""
    intervals: MapIntervals | None = None
    cursor: Cursor | None = None
    watched: frozenset[str] = frozenset()
    regions: tuple[Region, ...] | None = None
    lesion: LesionEffect | None = None
    lesion_error: str = ""
    round_trip: RoundTrip | None = None
    round_trip_error: str = ""
    layer_maps: tuple[LayerMap, ...] = ()
    card: VoxelCard | None = None
    card_pictures: tuple[tuple[int, NDArray[np.uint8]], ...] = ()

    @property
    def decoding(self) -> bool:
        """Whether a reconstruction is on its way."""
        return "reconstruction" in self.pending

    def replace(self, **changes: Any) -> View:
        return replace(self, **changes)


def differs(before: View | None, after: View, *names: str) -> bool:
    """Return whether any of the named fields is another object; a panel's test for redrawing."""
    if before is None:
        return True
    return any(getattr(before, name) is not getattr(after, name) for name in names)


def state_differs(before: View | None, after: View, *names: str) -> bool:
    """Return whether any of the named fields of the state has another value."""
    if before is None:
        return True
    return any(getattr(before.state, name) != getattr(after.state, name) for name in names)
