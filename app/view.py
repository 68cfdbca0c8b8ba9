"""The one frozen value that all panels draw: the state and every result that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from app.composing import Composer
    from app.generators import GeneratorChoice
    from nsdviewer.mapping.maps import ConceptMap
    from nsdviewer.rendering.scene import Scene
    from nsdviewer.session.decoding import Reconstruction
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
    """

    subjects: tuple[int, ...] = ()
    variants: tuple[tuple[Any, Any], ...] = ()
    sessions: tuple[int, ...] = ()
    collections: tuple[str, ...] = ()
    has_flat: bool = False
    generators: tuple[GeneratorChoice, ...] = ()


@dataclass(frozen=True)
class View:
    """What the window shows. Results lag behind `state` while they are computed.

    Attributes
    ----------
    pending
        Names of the results that are under way; see `app.results`.
    voxel
        The cursor, the map's peak before the first click.
    listed
        Trials of the list, in its order.
    gallery
        (label, RGB picture): other paintings of the selected trial.
    card_pictures
        (73k id, RGB thumbnail) of the voxel card's best pictures.
    """

    workspace: Workspace
    state: ViewState
    choices: Choices
    composer: Composer
    embedding_title: str = ""
    pending: frozenset[str] = frozenset()
    scene: Scene | None = None
    concept_map: ConceptMap | None = None
    voxel: tuple[int, int, int] | None = None
    reconstruction: Reconstruction | None = None
    gallery: tuple[tuple[str, NDArray[np.uint8]], ...] = ()
    listed: NDArray[np.int64] | None = None
    search_error: str = ""
    concept_error: str = ""
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
