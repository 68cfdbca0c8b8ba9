"""Where a scene is seen from: fitted, from a standard direction, or where a person went."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.cortex.views import StandardView, camera_from, fitted, following, shown_points
from nsdviewer.state.history import AMENDS

if TYPE_CHECKING:
    from nsdviewer.rendering.scene import Scene
    from nsdviewer.state import Camera

Place = NDArray[np.floating]


@dataclass(frozen=True)
class Placed:
    """A camera, and the gesture that it is said with; None where it is nothing to say.

    It amends the change of the shape that it goes along with, and is a step of its own where a person
    asked for it alone.
    """

    camera: Camera
    gesture: str | None = None


class Viewpoint:
    """Chooses the camera of each scene.

    Parameters
    ----------
    size
        Returns how wide and high the view is, in pixels.

    Attributes
    ----------
    is_default
        Whether the scene is seen from its own default camera, which fits the view at any size.
    """

    def __init__(self, size: Callable[[], tuple[int, int]]) -> None:
        self.is_default = True
        self._size = size
        # What was asked for and is not drawn yet: a direction, the shape it is for, the gesture.
        self._asked: tuple[StandardView, float, str] | None = None
        # The standard view that is shown, as long as nobody turns it.
        self._standing: StandardView | None = None

    def ask(self, view: StandardView, morph: float, gesture: str) -> None:
        """Look from a standard direction once the cortex has this shape."""
        self._asked = (view, morph, gesture)

    def is_asked_for(self, scene: Scene) -> bool:
        """Whether this is the scene that a standard view was asked for."""
        if self._asked is None:
            return False
        view, morph, _ = self._asked
        return scene.state.hemispheres is view.value.sides and scene.state.morph == morph

    def leave(self) -> None:
        """Note that a person turns the cortex: no standard view is shown any more."""
        self._standing = None

    def forget(self) -> None:
        """Give up a standard view whose shape is not drawn yet, and that was shown last."""
        self._asked = self._standing = None

    def standard(self, scene: Scene, now: Camera) -> Placed:
        """Return the camera that was asked for; `now` where the scene is empty."""
        asked, self._asked = self._asked, None
        if asked is None or not scene.hemispheres:
            return Placed(now)
        view, _, gesture = asked
        self._standing = view
        return Placed(self.fitted(camera_from(view, scene.hemispheres), scene), gesture)

    def of(
        self,
        scene: Scene,
        before: Scene | None,
        chosen: Camera,
        now: Camera,
        marked: tuple[Place | None, Place | None],
    ) -> Placed:
        """Return the camera for a scene of another shape.

        Parameters
        ----------
        before
            The scene with which the camera goes along; None where it does not.
        chosen
            Where a person has put it; empty for the default camera of the scene.
        now
            Where it is.
        marked
            Where the cursor was drawn in `before`, and where it is in `scene`.
        """
        if self.is_asked_for(scene):
            self.is_default = False
            return self.standard(scene, now)
        self.is_default = not chosen
        if self.is_default:
            return Placed(self.fitted(scene.camera, scene))
        if before is None or not before.hemispheres or not scene.hemispheres:
            return Placed(chosen)
        if self._standing is not None:
            along = camera_from(self._standing, scene.hemispheres)
            return Placed(self.fitted(along, scene), AMENDS)
        # Along with the cursor, else with the middle of the cortex.
        was, at = marked
        if was is None or at is None:
            was, at = (shown_points(each.hemispheres).mean(0) for each in (before, scene))
        return Placed(following(now, was, at), AMENDS)

    def fitted(self, camera: Camera, scene: Scene | None) -> Camera:
        """Return the camera as near as the view allows; see `views.fitted`."""
        return camera if scene is None else fitted(camera, scene.hemispheres, *self._size())
