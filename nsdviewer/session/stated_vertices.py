"""On which vertices a map lies, by what it states before how many values it has."""

from dataclasses import dataclass

from nsdviewer.data.layout import SubjectFiles
from nsdviewer.data.spaces.places import Place, Sampling, shape_of
from nsdviewer.errors import NsdViewerError, RequestError
from nsdviewer.session.map_files import MapFile
from nsdviewer.state import Hemisphere


@dataclass(frozen=True)
class PlacedVertices:
    """Where values on vertices lie.

    Attributes
    ----------
    kind
        NATIVESURFACE or FSAVERAGE.
    parts
        Per hemisphere, which of the values are its own.
    n_coarse
        Of a coarser fsaverage, the vertices that it has; 0 for the whole.
    """

    kind: Sampling
    parts: dict[Hemisphere, slice]
    n_coarse: int = 0
    cautions: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The space as people write it, ``fsaverage5``."""
        if not self.n_coarse:
            return self.kind.value
        return f"fsaverage{order_of(self.n_coarse)}"


def place_vertices(files: SubjectFiles, file: MapFile, here: Sampling) -> PlacedVertices:
    """Return on which vertices values (n,) lie: by a stated space, else by how many they are.

    Of one hemisphere, or first of the left and then of the right. Where several spaces have as
    many, `here` counts before the others, and a caution says so.

    Raises
    ------
    RequestError
        If no surface here has as many, or it cannot be told which hemisphere it is.
    """
    n, stated = len(file.values), file.space_name.lower()
    if stated.startswith("fslr"):
        raise RequestError(
            f"{file.path} is on fsLR, from which no transform of NSD leads; resample it to "
            "fsaverage with Workbench first."
        )
    options = {
        kind: found
        for kind in dict.fromkeys((here, Sampling.NATIVESURFACE, Sampling.FSAVERAGE))
        if (found := _fits(_counts(files, kind), n, file.hemisphere))
    }
    wanted = {"fsaverage": Sampling.FSAVERAGE, "fsnative": Sampling.NATIVESURFACE}.get(stated)
    if wanted in options:
        options = {wanted: options[wanted]}
    elif wanted is not None and options:
        kind = next(iter(options))
        raise RequestError(
            f"{file.path} says that it is on {stated}, but {n:,} values fit {kind.value} only; "
            "name it after the space that it is in."
        )
    cautions = file.cautions
    if len(options) > 1:
        names = [kind.value for kind in options]
        cautions = (
            *cautions,
            f"{file.path.name} does not say whether its {n:,} vertices are of {' or '.join(names)}; "
            f"{names[0]} is assumed.",
        )
    for kind, parts in options.items():
        return PlacedVertices(kind, _sure(file, parts), 0, cautions)
    return _coarser(files, file)


def _coarser(files: SubjectFiles, file: MapFile) -> PlacedVertices:
    """Place values on an fsaverage with fewer vertices, the first ones of the whole."""
    n, counts = len(file.values), _counts(files, Sampling.FSAVERAGE)
    for total in (n, n // 2 if n % 2 == 0 else 0):
        if order_of(total) is None or not counts or total >= min(counts.values()):
            continue
        coarse = dict.fromkeys(counts, total)
        parts = _fits(coarse, n, file.hemisphere)
        if parts:
            return PlacedVertices(Sampling.FSAVERAGE, _sure(file, parts), total, file.cautions)
    shared = " (as many as fsaverage)" if n in (163_842, *counts.values()) else ""
    native = _counts(files, Sampling.NATIVESURFACE)
    needed = [f"{c:,} vertices of {h.value}" for h, c in native.items()]
    needed += [f"{c:,} of fsaverage" for c in sorted(set(counts.values()))]
    raise RequestError(
        f"{file.path} has {n:,} values{shared}; here {' or '.join(needed) or 'a surface'} is "
        "needed: move it with 'nsdviewer transform' first."
    )


def order_of(n_vertices: int) -> int | None:
    """Return how often an icosahedron was divided to have so many vertices, None if it was not."""
    return next((k for k in range(1, 8) if 10 * 4**k + 2 == n_vertices), None)


def _counts(files: SubjectFiles, kind: Sampling) -> dict[Hemisphere, int]:
    found = {}
    for hemisphere in Hemisphere:
        try:
            shape = shape_of(files, Place(kind, hemisphere))
        except NsdViewerError:
            continue
        if shape is not None:
            found[hemisphere] = shape[0]
    return found


def _fits(
    counts: dict[Hemisphere, int], n: int, stated: Hemisphere | None
) -> dict[Hemisphere, slice]:
    """Return what `n` values may be of: one or both hemispheres; both, each whole, if it is open."""
    single = {h: slice(0, n) for h, count in counts.items() if count == n}
    if stated is not None:
        return {stated: single[stated]} if stated in single else {}
    if not single and len(counts) == 2 and n == sum(counts.values()):
        left = counts[Hemisphere.LEFT]
        return {Hemisphere.LEFT: slice(0, left), Hemisphere.RIGHT: slice(left, n)}
    return single


def _sure(file: MapFile, parts: dict[Hemisphere, slice]) -> dict[Hemisphere, slice]:
    whole = slice(0, len(file.values))
    if len(parts) == 2 and all(part == whole for part in parts.values()):
        raise RequestError(
            f"{file.path} has {len(file.values):,} vertices, as both hemispheres have; begin its "
            "name with 'lh.' or 'rh.' to say which it is."
        )
    return parts
