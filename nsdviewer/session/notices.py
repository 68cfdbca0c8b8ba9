"""What of a view is not shown, and why; and the outlines, which are often what is missing."""

import warnings
from collections.abc import Iterable

from nsdviewer.errors import DataError, DataWarning, RequestError
from nsdviewer.rendering.colours import read_colours
from nsdviewer.rendering.cortex import can_unfold
from nsdviewer.rendering.layers import LayerMap
from nsdviewer.rendering.outlines import OutlineTopology, patch_topology
from nsdviewer.session.vertex_maps import unmapped
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import (
    INFLATED,
    Hemisphere,
    Patch,
    Sides,
    Underlay,
    Unfolding,
    ViewState,
)

_WORDS = {Hemisphere.LEFT: "left", Hemisphere.RIGHT: "right"}
_UNFOLDED = {Unfolding.FLAT: "flat patch", Unfolding.SPHERE: "sphere"}
_UNDERLAYS = {Underlay.EPI: ("mean", "mean EPI"), Underlay.ANATOMY: ("T1_to_", "anatomy")}


def outlines_of(
    workspace: Workspace, state: ViewState
) -> dict[Hemisphere, dict[str, OutlineTopology]]:
    """Return the outlines that a state draws: ROI collections, then regions drawn by hand."""
    found: dict[Hemisphere, dict[str, OutlineTopology]] = {h: {} for h in workspace.meshes}
    for name in state.roi_collections:
        for hemisphere, topology in _outlines(workspace, name)[0].items():
            found[hemisphere][name] = topology
    for patch in state.patches:
        mesh = workspace.meshes.get(patch.hemisphere)
        if mesh is not None and patch.vertices[-1] < mesh.n_vertices:
            found[patch.hemisphere][patch.name] = workspace.keep(
                ("patch outline", patch),
                lambda m=mesh, p=patch: patch_topology(m.faces, m.n_vertices, p),  # type: ignore[misc]
            )
    return found


def notices_of(
    workspace: Workspace, state: ViewState, maps: tuple[LayerMap, ...]
) -> tuple[str, ...]:
    """Return one sentence for each thing that is not shown as a state asks, or on an assumption."""
    found = [
        *_about_surfaces(workspace, state),
        *_about_layers(state, maps),
        *_about_underlay(workspace, state),
    ]
    if workspace.meshes:
        for name in state.roi_collections:
            _, why = _outlines(workspace, name)
            found += [why] if why else []
        found += [why for patch in state.patches if (why := _about_patch(workspace, patch))]
    return tuple(dict.fromkeys(found))


def warn_of(notices: Iterable[str]) -> None:
    """Issue a `DataWarning` for each: who writes a picture in a script may never look at it."""
    for notice in dict.fromkeys(notices):
        warnings.warn(notice, DataWarning, stacklevel=3)


def _outlines(
    workspace: Workspace, collection: str
) -> tuple[dict[Hemisphere, OutlineTopology], str]:
    """Return the outlines of a collection, and why there are none."""
    try:
        found = workspace.outlines(collection)
    except DataError as error:
        return {}, f"The outlines of '{collection}' are not drawn: {error}"
    if not found:
        return (
            {},
            f"The outlines of '{collection}' are not drawn: it has no labels on vertices here.",
        )
    return found, ""


def _about_surfaces(workspace: Workspace, state: ViewState) -> list[str]:
    if not workspace.meshes:
        why = next(iter(workspace.missing_surfaces.values()))
        return [f"The cortex is not drawn. {why}"]
    wanted = tuple(Hemisphere) if state.hemispheres is Sides.BOTH else (
        Hemisphere(state.hemispheres.value),
    )  # fmt: skip
    found = [
        f"The {_WORDS[h]} hemisphere is not drawn. {why}"
        for h, why in workspace.missing_surfaces.items()
        if h in wanted
    ]
    if workspace.is_volume:
        found += [
            f"Nothing of the volume is on the {_WORDS[h]} hemisphere. {why}"
            for h, why in unmapped(workspace).items()
            if h in wanted
        ]
    if state.morph > INFLATED:
        found += [
            f"There is no {_UNFOLDED[state.unfolding]} of the {_WORDS[h]} hemisphere on disk, so "
            "it stays inflated."
            for h, mesh in workspace.meshes.items()
            if h in wanted and not can_unfold(mesh, state.unfolding)
        ]
    return found


def _about_layers(state: ViewState, maps: tuple[LayerMap, ...]) -> list[str]:
    known = {each.source: each for each in maps}
    found = []
    for choice in state.layers:
        layer_map = known.get(choice.source)
        if not choice.visible or layer_map is None:
            continue
        if layer_map.note:
            found.append(layer_map.note)
        elif layer_map.volume is None:
            name = " ".join(layer_map.title.split())
            found.append(f"The map '{name}' is on vertices only, so the slices do not show it.")
        found += [layer_map.caution] if layer_map.caution else []
        if choice.colours:
            try:
                read_colours(choice.colours)
            except RequestError as error:
                found.append(f"{error} The usual colours are drawn.")
    return found


def _about_underlay(workspace: Workspace, state: ViewState) -> list[str]:
    if not workspace.is_volume:
        return [f"{workspace.space.value} has vertices and no voxels, so there are no slices."]
    start, name = _UNDERLAYS[state.underlay]
    drawn = workspace.underlay_of(state.underlay).name
    if drawn.startswith(start):
        return []
    instead = {"mean": "the mean EPI", "brainmask": "the brain mask"}.get(drawn, "the anatomy")
    return [f"There is no {name} in {workspace.space.value} on disk; slices show {instead}."]


def _about_patch(workspace: Workspace, patch: Patch) -> str:
    mesh = workspace.meshes.get(patch.hemisphere)
    if mesh is None or patch.vertices[-1] < mesh.n_vertices:
        return ""
    return (
        f"The region '{patch.name}' has vertex {patch.vertices[-1]:,}, and this subject's "
        f"{_WORDS[patch.hemisphere]} hemisphere {mesh.n_vertices:,} vertices, so it is not drawn; "
        "it was drawn on another subject."
    )
