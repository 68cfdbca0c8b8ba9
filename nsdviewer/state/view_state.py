"""`ViewState`: ids and choices, never arrays.

Every gesture makes a `ViewState` out of the last one. Undo, saved sessions, "copy as command" and
headless figures are then one thing: a list of states.
"""

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Self

from nsdviewer.errors import RequestError, shortened
from nsdviewer.files import write_json
from nsdviewer.state.checking import check_kinds, limited, read_patches
from nsdviewer.state.choices import (
    BenchRow,
    BetaVersion,
    Hemisphere,
    Null,
    Reading,
    Sides,
    Space,
    Theme,
    TrialsAs,
    Underlay,
    Unfolding,
)
from nsdviewer.state.documents import read_document, require_version
from nsdviewer.state.layers import CONCEPT, LayerChoice, Patch

FORMAT = "nsdviewer-state"
# 1 had one end of one colour bar in place of layers.
FORMAT_VERSION = 2
MOST_SCALED = 2.0

PIAL, INFLATED, UNFOLDED = 0.0, 1.0, 2.0
# A subject's own localisers and visual areas: what is said by region is usually said of these.
USUAL_COLLECTIONS = ("floc-faces", "floc-bodies", "floc-places", "floc-words", "prf-visualrois")

Camera = tuple[float, ...]


@dataclass(frozen=True)
class ViewState:
    """What is shown.

    Attributes
    ----------
    root
        Folder laid out as NSD's bucket.
    trials
        Selected trials, 0-based over the whole experiment.
    average_repeats
        Whether each selected picture's responses are averaged over all of its repetitions.
    concept
        Concept expression, as typed.
    statistic
        Test that the map's voxels have to pass: ``none``, ``fdr:0.05``, ``fwe:0.05``, ``p:0.001``
        or ``ci:0.9``.
    null
        What the test compares with.
    noise_ceiling_floor_pct
        Voxels with a lower noise ceiling are not shown in the map.
    layers
        Maps on the cortex and in the slices, from the lowest to the topmost.
    morph
        Shape of the cortex: 0 pial, 1 inflated, 2 unfolded, continuous between.
    unfolding
        What 2 is.
    hemispheres
        Which of them are drawn.
    roi_collections
        Collections whose outlines are drawn.
    roi_labels
        Whether the outlines bear their names.
    bar_collections
        Collections whose regions have bars, in their order; those that a subject lacks have none.
    underlay, slice_zoom
        What the slices are drawn on, and how much of it: 1 all, 4 a quarter of its width.
    voxel
        The linked cursor, 0-based (i, j, k) in `space`; None before the first click.
    vertex
        The 0-based vertex that was clicked to get to `voxel`; None where it was no vertex.
    patches
        Regions drawn by hand; a patch is drawn as an outline, and can be scaled.
    scaling
        (region, factor) pairs: what the responses of a region's voxels, as deviations from their
        training mean, are multiplied with before they are decoded. 0 silences, 2 doubles. A
        region is a ROI expression, or the name of a patch.
    camera
        Position, focal point and view-up (nine numbers) and the parallel scale; empty for the
        default view.
    search
        Text that orders the trial list by likeness in the joint embedding.
    subset
        Which trials the list shows; see `TrialTable.select`.
    trials_as, bench
        What the list of trials looks like, and what stands below the reconstruction.
    seed
        Seed of the generator's z.
    embedding
        Name of the joint embedding; empty for ConSE on simulated subjects and CLIP on real ones.
    decoder, encoder, generator
        Model files; empty for those fitted for this root, and for the shipped generator.
    """

    root: str
    subject: int = 1
    space: Space = Space.FUNC1PT8MM
    version: BetaVersion = BetaVersion.B3
    trials: tuple[int, ...] = ()
    average_repeats: bool = True
    concept: str = "animal - tool"
    reading: Reading = Reading.ENCODER
    statistic: str = "none"
    null: Null = Null.USUAL
    noise_ceiling_floor_pct: float = 10.0
    layers: tuple[LayerChoice, ...] = (LayerChoice(CONCEPT),)
    morph: float = INFLATED
    unfolding: Unfolding = Unfolding.FLAT
    hemispheres: Sides = Sides.BOTH
    roi_collections: tuple[str, ...] = ("floc-faces", "floc-places", "floc-bodies")
    roi_labels: bool = True
    bar_collections: tuple[str, ...] = USUAL_COLLECTIONS
    underlay: Underlay = Underlay.ANATOMY
    slice_zoom: float = 1.0
    voxel: tuple[int, int, int] | None = None
    vertex: tuple[Hemisphere, int] | None = None
    patches: tuple[Patch, ...] = ()
    scaling: tuple[tuple[str, float], ...] = ()
    camera: Camera = ()
    search: str = ""
    subset: str = "all"
    trials_as: TrialsAs = TrialsAs.GRID
    bench: BenchRow = BenchRow.SEEDS
    seed: int = 0
    embedding: str = ""
    decoder: str = ""
    encoder: str = ""
    generator: str = ""
    theme: Theme = Theme.DARK

    def __post_init__(self) -> None:
        if not 0.0 <= self.morph <= UNFOLDED:
            raise RequestError(
                f"The cortex's shape runs from 0 (pial) to 2 (unfolded), not {self.morph}."
            )
        if not 1.0 <= self.slice_zoom <= 16.0:
            raise RequestError(f"Slices are enlarged 1 to 16 times, not {self.slice_zoom}.")
        _require_once("layer", [layer.source for layer in self.layers])
        _require_once("region drawn by hand", [patch.name for patch in self.patches])
        _require_once("scaled region", [name for name, _ in self.scaling])
        for name, factor in self.scaling:
            if not 0.0 <= factor <= MOST_SCALED:
                raise RequestError(
                    f"A region is scaled by 0 (silenced) to {MOST_SCALED:g}; '{name}' cannot be "
                    f"scaled by {factor}."
                )
        if not 0.0 <= self.noise_ceiling_floor_pct < 100.0:
            raise RequestError(
                f"The noise ceiling's floor is a percentage from 0 to below 100, not "
                f"{self.noise_ceiling_floor_pct}."
            )
        if len(self.camera) not in (0, 10):
            raise RequestError(f"A camera is 10 numbers, not {len(self.camera)}.")
        if self.subject < 1:
            raise RequestError(f"Subjects are numbered from 1; there is no subject {self.subject}.")
        if any(trial < 0 for trial in self.trials):
            raise RequestError("Trials are numbered from 0; a negative one does not exist.")

    def replace(self, **changes: Any) -> Self:
        """Return a copy with `changes`; raises `RequestError` for a field that does not exist.

        The vertex belongs to the voxel: another voxel without one leaves it.
        """
        unknown = set(changes) - {f.name for f in dataclasses.fields(self)}
        if unknown:
            raise RequestError(f"A view has no '{sorted(unknown)[0]}'.")
        if "voxel" in changes and changes["voxel"] != self.voxel:
            changes.setdefault("vertex", None)
        return dataclasses.replace(self, **changes)

    def layer(self, source: str) -> LayerChoice | None:
        """Return the layer that shows `source`, None where there is none."""
        return next((layer for layer in self.layers if layer.source == source), None)

    def with_layer(self, layer: LayerChoice) -> tuple[LayerChoice, ...]:
        """Return the layers with `layer` in the place of that of its source, else on top."""
        if self.layer(layer.source) is None:
            return (*self.layers, layer)
        return tuple(layer if each.source == layer.source else each for each in self.layers)

    def with_bars_turned(self, collection: str) -> tuple[str, ...]:
        """Return `bar_collections` without one of them, or with one more: usual ones come first."""
        if collection in self.bar_collections:
            return tuple(name for name in self.bar_collections if name != collection)
        usual = [name for name in USUAL_COLLECTIONS if name in (*self.bar_collections, collection)]
        return tuple(dict.fromkeys((*usual, *self.bar_collections, collection)))

    def to_dict(self) -> dict[str, Any]:
        """Return the state as JSON-serialisable values."""
        values = self.values_of(f.name for f in dataclasses.fields(self))
        return {"format": FORMAT, "format_version": FORMAT_VERSION, **values}

    def values_of(self, names: Iterable[str]) -> dict[str, Any]:
        """Return some fields as JSON-serialisable values."""
        return {name: _plain(getattr(self, name)) for name in names}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Self:
        """Read what `to_dict` wrote; raises `RequestError` for anything else."""
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise RequestError(
                "This is not a saved nsdviewer view; name a file that nsdviewer wrote."
            )
        require_version(document, FORMAT_VERSION, "view")
        values = {f.name: document[f.name] for f in dataclasses.fields(cls) if f.name in document}
        if "limit_psc" in document and "layers" not in document:
            values["layers"] = [{"source": CONCEPT, "limit": document["limit_psc"]}]
        try:
            for name, read in _READERS.items():
                if values.get(name) is not None:
                    values[name] = read(values[name])
            check_kinds(values)
            return cls(**values)
        except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
            raise RequestError(
                f"The saved view cannot be read ({shortened(error)}); save it again."
            ) from error

    def save(self, path: Path) -> None:
        """Write the state as JSON, whole or not at all."""
        write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a saved state; raises `RequestError` when the file is none."""
        return cls.from_dict(read_document(path)[1])


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, LayerChoice | Patch):
        return value.to_dict()
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


# How fields that JSON has no type for are read.
_READERS: dict[str, Callable[[Any], Any]] = {
    "space": Space,
    "version": BetaVersion,
    "reading": Reading,
    "null": Null,
    "theme": Theme,
    "unfolding": Unfolding,
    "hemispheres": Sides,
    "underlay": Underlay,
    "trials_as": TrialsAs,
    "bench": BenchRow,
    "trials": tuple,
    "roi_collections": tuple,
    "bar_collections": tuple,
    "camera": tuple,
    "voxel": tuple,
    "vertex": lambda v: (Hemisphere(v[0]), int(v[1])),
    "layers": lambda v: tuple(LayerChoice.from_dict(each) for each in limited(v)),
    "patches": read_patches,
    "scaling": lambda v: tuple((str(name), float(factor)) for name, factor in limited(v)),
}


def _require_once(what: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise RequestError(f"There are two of the {what} '{name}'; each has a name of its own.")
