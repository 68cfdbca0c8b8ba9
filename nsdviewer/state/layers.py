"""Maps laid over the cortex and the slices, and regions drawn by hand."""

import re
from dataclasses import dataclass
from typing import Any, Self

from nsdviewer.errors import RequestError, shortened
from nsdviewer.state.choices import Hemisphere, Thresholding

CONCEPT = "concept"


@dataclass(frozen=True)
class LayerChoice:
    """One map on the cortex and in the slices.

    Attributes
    ----------
    source
        What is shown; `nsdviewer.session.layers` knows the names. ``file:PATH`` is a file.
    limit
        End of the colour scale in the map's unit; None chooses it from the map.
    threshold
        Smaller absolute values count as below the threshold, in the map's unit.
    colours
        Name of a colour map of the library ``cmap``; empty for the usual one of the quantity.
    opacity
        0 to 1, of what lies above the threshold.
    """

    source: str
    visible: bool = True
    opacity: float = 1.0
    limit: float | None = None
    threshold: float = 0.0
    thresholding: Thresholding = Thresholding.TRANSPARENT
    colours: str = ""

    def __post_init__(self) -> None:
        if not self.source:
            raise RequestError("A layer without a source shows nothing; name a map.")
        if not 0 <= self.opacity <= 1:
            raise RequestError(
                f"A layer's opacity runs from 0 to 1, not {shortened(self.opacity, 40)}."
            )
        if self.limit is not None and not 0 < self.limit < float("inf"):
            raise RequestError("The end of a colour scale is a positive number.")
        if not 0 <= self.threshold < float("inf"):
            raise RequestError("A layer's threshold is a number from 0 on.")

    def to_dict(self) -> dict[str, Any]:
        """Return the choice as JSON-serialisable values."""
        return {**self.__dict__, "thresholding": self.thresholding.value}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read what `to_dict` wrote; raises `TypeError` or `ValueError` for anything else."""
        known = dict(values)
        if "thresholding" in known:
            known["thresholding"] = Thresholding(known["thresholding"])
        return cls(**known)


@dataclass(frozen=True)
class Patch:
    """A region drawn by hand on one hemisphere.

    Attributes
    ----------
    vertices
        Its 0-based vertices, ascending.
    """

    name: str
    hemisphere: Hemisphere
    vertices: tuple[int, ...]

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w-]+", self.name):
            raise RequestError(
                f"'{self.name}' cannot name a region; use letters, digits, '-' and '_'."
            )
        rising = all(a < b for a, b in zip(self.vertices, self.vertices[1:], strict=False))
        if not self.vertices or not rising or self.vertices[0] < 0:
            raise RequestError(
                f"The region '{self.name}' needs ascending vertex numbers from 0 on; draw it again."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the region as JSON-serialisable values, vertices as ``3-17,20``."""
        runs: list[list[int]] = []
        for vertex in self.vertices:
            if runs and vertex == runs[-1][1] + 1:
                runs[-1][1] = vertex
            else:
                runs.append([vertex, vertex])
        said = ",".join(f"{a}-{b}" if b > a else f"{a}" for a, b in runs)
        return {"name": self.name, "hemisphere": self.hemisphere.value, "vertices": said}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read what `to_dict` wrote; raises `TypeError` or `ValueError` for anything else."""
        vertices: list[int] = []
        for part in str(values["vertices"]).split(","):
            first, _, last = part.partition("-")
            start, stop = int(first), int(last or first)
            # A file is not to ask for more numbers than any cortex has vertices.
            if not 0 <= stop - start < 1_000_000 or len(vertices) > 1_000_000:
                raise ValueError(f"'{part}' is no range of vertices")
            vertices.extend(range(start, stop + 1))
        return cls(values["name"], Hemisphere(values["hemisphere"]), tuple(vertices))
