"""What lies at the cursor and under the mouse, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nsdviewer.errors import DataError
from nsdviewer.state import CONCEPT, Hemisphere, Reading

if TYPE_CHECKING:
    from app.view import View
    from nsdviewer.rendering.layers import LayerMap

_SEPARATOR = "   ·   "
# The concept's own unit, short enough for a line that says much else.
_UNITS = {
    Reading.ENCODER: "% / unit",
    Reading.DECODER: "units / SD",
    Reading.PATTERN: "% / SD",
}


@dataclass(frozen=True)
class LayerValue:
    """One layer's value at a place.

    Attributes
    ----------
    passes
        Whether it passes the test or the noise-ceiling floor; None where nothing is asked of it.
    why_not
        What is said of a value that does not pass.
    """

    title: str
    value: float
    unit: str
    passes: bool | None
    signed: bool = True
    why_not: str = "does not pass"

    def __str__(self) -> str:
        if not np.isfinite(self.value):
            return f"{self.title}: no value here"
        sign = "+" if self.signed else ""
        # Of a percentage nobody reads the third decimal.
        form = ".2f" if self.unit.startswith("%") and abs(self.value) < 1 else ".3g"
        said = f"{self.title} {self.value:{sign}{form}} {self.unit}".rstrip().replace("-", "−")
        return f"{said} ({self.why_not})" if self.passes is False else said


def read_out(view: View) -> str:
    """Return what is known of the cursor: voxel, millimetres, vertex, regions, layers."""
    if view.voxel is None:
        return ""
    parts = ["vx {}, {}, {}".format(*view.voxel)]
    cursor = view.cursor if view.cursor is not None and view.cursor.voxel == view.voxel else None
    if cursor is not None and cursor.anatomy_mm is not None:
        parts.append("anat {:.1f} {:.1f} {:.1f} mm".format(*cursor.anatomy_mm).replace("-", "−"))
    if cursor is not None and cursor.vertex is not None:
        parts.append(f"{cursor.vertex[0].value} vertex {cursor.vertex[1]:,}")
    card = view.card if view.card is not None and view.card.ijk == view.voxel else None
    if card is not None and card.rois:
        parts.append(", ".join(card.rois))
    parts.extend(str(value) for value in values_at_voxel(view, view.voxel))
    if card is not None and np.isfinite(card.noise_ceiling):
        parts.append(f"NC {100 * card.noise_ceiling:.0f} %")
    return _SEPARATOR.join(parts)


def vertex_read_out(view: View, hemisphere: Hemisphere, vertex: int) -> str:
    """Return a vertex with its regions and the topmost layer's value."""
    parts = [f"{hemisphere.value} {vertex:,}"]
    parts.extend(regions_at(view, hemisphere, vertex))
    value = _value_at_vertex(view, hemisphere, vertex)
    if value is not None:
        parts.append(str(value))
    return "  ·  ".join(parts)


def values_at_voxel(view: View, voxel: tuple[int, int, int]) -> tuple[LayerValue, ...]:
    """Return the visible layers' values, the topmost first; layers that are on their way have none."""
    maps = {each.source: each for each in view.layer_maps}
    found = []
    for layer in reversed(view.state.layers):
        if not layer.visible:
            continue
        if layer.source == CONCEPT:
            value = _concept_at(view, voxel)
        else:
            value = _layer_at_voxel(maps.get(layer.source), voxel)
        if value is not None:
            found.append(value)
    return tuple(found)


def regions_at(view: View, hemisphere: Hemisphere, vertex: int) -> tuple[str, ...]:
    """Return the names of the drawn regions that hold a vertex."""
    names: list[str] = []
    for collection in view.scene.state.roi_collections if view.scene is not None else ():
        try:
            topology = view.workspace.outlines(collection).get(hemisphere)
        except DataError:
            continue
        members = topology.names if topology is not None else {}
        names.extend(name for name, vertices in members.items() if vertex in vertices)
    names.extend(
        patch.name
        for patch in view.state.patches
        if patch.hemisphere is hemisphere and vertex in patch.vertices
    )
    return tuple(dict.fromkeys(names))


def _value_at_vertex(view: View, hemisphere: Hemisphere, vertex: int) -> LayerValue | None:
    layer = next((each for each in reversed(view.state.layers) if each.visible), None)
    if layer is None:
        return None
    if layer.source == CONCEPT:
        try:
            voxel = view.workspace.vertex_operator(hemisphere).nearest_voxel(vertex)
        except DataError:
            return None
        return None if voxel is None else _concept_at(view, voxel)
    found = next((each for each in view.layer_maps if each.source == layer.source), None)
    values = found.vertices.get(hemisphere) if found is not None else None
    if found is None or values is None or vertex >= len(values):
        return None
    passes = found.passes_vertices.get(hemisphere)
    passed = None if passes is None else bool(passes[vertex])
    return LayerValue(_title(found), float(values[vertex]), found.unit, passed, found.signed)


def _concept_at(view: View, voxel: tuple[int, int, int]) -> LayerValue | None:
    shown_map = view.concept_map
    if shown_map is None:
        return None
    title, unit = f"‘{view.state.concept}’", _UNITS[shown_map.reading]
    here = np.flatnonzero((shown_map.ijk == np.array(voxel)).all(1))
    if len(here) == 0:
        return LayerValue(title, float("nan"), unit, None)
    at = here[0]
    is_reliable = bool(shown_map.reliable[at]) and shown_map.evidence is not None
    why_not = LayerValue.why_not if is_reliable else "below the noise-ceiling floor"
    return LayerValue(
        title, float(shown_map.values[at]), unit, bool(shown_map.shown[at]), why_not=why_not
    )


def _layer_at_voxel(found: LayerMap | None, voxel: tuple[int, int, int]) -> LayerValue | None:
    if found is None or found.volume is None:
        return None
    passes = found.passes_volume
    passed = None if passes is None else bool(passes[voxel])
    return LayerValue(_title(found), float(found.volume[voxel]), found.unit, passed, found.signed)


def _title(found: LayerMap) -> str:
    return " ".join(found.title.split())
