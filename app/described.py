"""What painted views show, in words: for people who hear the window instead of seeing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.cortex.colour_bars import in_words
from app.read_out import values_at_voxel
from nsdviewer.state import INFLATED, PIAL, UNFOLDED, Sides, Underlay, Unfolding

if TYPE_CHECKING:
    from app.view import View

_SIDES = {Sides.BOTH: "both hemispheres", Sides.LEFT: "left hemisphere",
          Sides.RIGHT: "right hemisphere"}  # fmt: skip
_UNFOLDED = {Unfolding.FLAT: "flat map", Unfolding.SPHERE: "sphere"}
_UNDERLAYS = {Underlay.ANATOMY: "anatomy", Underlay.EPI: "mean EPI"}


def cortex_in_words(view: View) -> str:
    """Return the shape of the cortex, what its colours mean, its outlines, and the cursor."""
    state = view.state
    parts = [f"{shape_in_words(state.morph, state.unfolding)}, {_SIDES[state.hemispheres]}"]
    if view.scene is not None:
        parts += [in_words(bar) for bar in view.scene.colour_bars]
    regions = [*state.roi_collections, *(patch.name for patch in state.patches)]
    parts.append(f"outlines of {', '.join(regions)}" if regions else "no outlines")
    if view.cursor is not None and view.cursor.vertex is not None:
        hemisphere, vertex = view.cursor.vertex
        parts.append(f"cursor at vertex {vertex:,} of {hemisphere.value}")
    return "; ".join(parts)


def shape_in_words(morph: float, unfolding: Unfolding) -> str:
    """Return what shape a morph stands for."""
    shapes = {PIAL: "pial cortex", INFLATED: "inflated cortex", UNFOLDED: _UNFOLDED[unfolding]}
    if morph in shapes:
        return shapes[morph]
    between = ("pial", "inflated") if morph < INFLATED else ("inflated", _UNFOLDED[unfolding])
    return f"cortex between {between[0]} and {between[1]}"


def slices_in_words(view: View) -> str:
    """Return what the slices are drawn on, how large, and the layers' values at the cursor."""
    state = view.state
    parts = [f"on the {_UNDERLAYS[state.underlay]}"]
    if state.slice_zoom > 1:
        parts.append(f"enlarged {state.slice_zoom:.1f} times")
    if view.voxel is not None:
        parts.append("cursor at voxel {}, {}, {}".format(*view.voxel))
        parts += [str(value) for value in values_at_voxel(view, view.voxel)]
    return "; ".join(parts)
