"""Collections of labelled regions, on voxels and on vertices.

In a volume −1 means "not cortex", 0 "cortex without a label", 1..N a label; on vertices there is
no −1. Only the lh./rh. volumes know the hemisphere. MTL and thalamus have no −1.
"""

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.layout import SURFACE_SPACES, SubjectFiles
from nsdviewer.data.regions.ctab import label_names
from nsdviewer.data.regions.maps import (
    MGH_SUFFIXES,
    HemisphereMissingError,
    as_labels,
    is_surface_collection,
    read_on_grid,
    read_on_vertices,
)
from nsdviewer.errors import DataError, DataWarning, RequestError, suggestion
from nsdviewer.state import Hemisphere, Space

# Where a label stands in several collections, the subject's own localisers come before atlases.
_OWN_FIRST = ("prf-", "floc-", "nsdgeneral", "streams")


@dataclass(frozen=True)
class RoiCollection:
    """One collection on one grid, or on the vertices of one hemisphere.

    Attributes
    ----------
    labels
        X × Y × Z, or (n_vertices,), int32, read-only: −1, 0, 1..N.
    names
        Label → name, 0 excluded; a name without voxels is legal.
    present
        The labels that have voxels or vertices.
    """

    name: str
    labels: NDArray[np.int32]
    names: dict[int, str]
    present: frozenset[int]

    def numbers_of(self, label: str) -> tuple[int, ...]:
        """Return the numbers of a label that is given by name or number; empty if unknown."""
        named = tuple(number for number, name in self.names.items() if name == label)
        if not named and label.isdecimal() and int(label) in self.names:
            return (int(label),)
        return named

    def mask(self, label: str = "") -> NDArray[np.bool_]:
        """Return where one label is, by name or number; where any is, if none is named.

        Raises
        ------
        RequestError
            If there is no such label.
        """
        if not label:
            return np.asarray(self.labels > 0)
        numbers = self.numbers_of(label)
        if not numbers:
            known = self.names.values()
            raise RequestError(
                f"'{self.name}' has no label '{label}'.{suggestion(label, known)} It has: "
                f"{', '.join(known) or 'none'}."
            )
        return np.isin(self.labels, numbers)


def list_collections(files: SubjectFiles, space: Space) -> tuple[str, ...]:
    """Return the names of the collections on disk, the subject's own localisers first.

    A volume counts if it is there for both hemispheres, in one file or in two; labels on vertices
    count if they are there for either.
    """
    if space in SURFACE_SPACES:
        folder = files.freesurfer_of(space) / "label"
        stems = {p.name[:-4] for s in MGH_SUFFIXES for p in folder.glob(f"[lr]h.*{s}")}
        names = {n for n in {s[3:] for s in stems} if is_surface_collection(files, space, n)}
    else:
        folder = files.ppdata / space.value / "roi"
        stems = {p.name.removesuffix(".gz").removesuffix(".nii") for p in folder.glob("*.nii*")}
        left, right = ({s[3:] for s in stems if s.startswith(f"{h.value}.")} for h in Hemisphere)
        whole = {s for s in stems if not re.match(r"[lr]h\.|\.", s)}
        names = whole | (left & right)
    return tuple(sorted(names, key=lambda n: (not n.startswith(_OWN_FIRST), n)))


def load_collection(
    files: SubjectFiles, space: Space, name: str, hemisphere: Hemisphere | None = None
) -> RoiCollection:
    """Read one ROI collection.

    A combined volume that is missing is made of the two hemispheres': left where it is cortex,
    else right.

    Parameters
    ----------
    hemisphere
        Needed in a surface space; in a volume, both where None.

    Raises
    ------
    RequestError
        If nothing of that name is on disk.
    DataError
        If a file is damaged, of another grid or holds no labels, or if it is missing while others
        of the collection are there.
    """
    paths = _require_files(files, space, name, hemisphere)
    stamps = tuple((p.stat().st_mtime_ns, p.stat().st_size) for p in paths)
    labels, present = _read_labels(files, space, hemisphere, paths, stamps)
    names = {k: f"{name} {k}" for k in present} | label_names(files, name)
    return RoiCollection(name, labels, dict(sorted(names.items())), present)


def roi_names(files: SubjectFiles, space: Space) -> dict[str, tuple[str, int]]:
    """Return label name → (collection, label) for every label that has voxels or vertices."""
    found: dict[str, tuple[str, int]] = {}
    for collection in _readable(files, space):
        for label, name in collection.names.items():
            if label in collection.present:
                found.setdefault(name, (collection.name, label))
    return found


def find_label(files: SubjectFiles, space: Space, name: str) -> tuple[str, int] | None:
    """Return (collection, label) of a label name, which need not have voxels; None if unknown."""
    found = roi_names(files, space).get(name)
    if found:
        return found
    for collection in _readable(files, space):
        for label, known in collection.names.items():
            if known == name:
                return collection.name, label
    return None


def _readable(files: SubjectFiles, space: Space) -> Iterator[RoiCollection]:
    """Yield the collections that can be read, of each hemisphere in a surface space."""
    sides = tuple(Hemisphere) if space in SURFACE_SPACES else (None,)
    for name in list_collections(files, space):
        for side in sides:
            try:
                yield load_collection(files, space, name, side)
            except HemisphereMissingError:
                continue
            except DataError as error:
                warnings.warn(f"The ROI collection '{name}' is left out: {error}", DataWarning, 2)


def _require_files(
    files: SubjectFiles, space: Space, name: str, hemisphere: Hemisphere | None
) -> tuple[Path, ...]:
    """Return the file of the collection, or the two that it is made of."""
    if space in SURFACE_SPACES:
        if hemisphere is None:
            raise RequestError(
                f"'{name}' in {space.value} has one file a hemisphere; ask for one of the two."
            )
        path = files.label(space, hemisphere, name)
        others = tuple(files.label(space, side, name) for side in Hemisphere)
    else:
        path = files.roi(space, name, hemisphere)
        others = tuple(files.roi(space, name, side) for side in (None, *Hemisphere))
    if path.exists():
        return (path,)
    halves = others[-2:]
    if hemisphere is None and all(half.exists() for half in halves):
        return halves
    here = [other for other in others if other.exists()]
    if here:
        raise HemisphereMissingError(
            f"The ROI file {path} is missing, though {here[0].name} is there; download it."
        )
    known = list_collections(files, space)
    raise RequestError(
        f"There is no ROI collection '{name}' in {path.parent}.{suggestion(name, known)} There "
        f"are: {', '.join(known) or 'none'}."
    )


@lru_cache(maxsize=32)
def _read_labels(
    files: SubjectFiles,
    space: Space,
    hemisphere: Hemisphere | None,
    paths: tuple[Path, ...],
    stamps: tuple[tuple[int, int], ...],
) -> tuple[NDArray[np.int32], frozenset[int]]:
    """Read labels once for as long as their files stay as they are (`stamps`)."""
    parts = [_read_one(files, space, hemisphere, path) for path in paths]
    labels = parts[0]
    if len(parts) == 2:
        left, right = parts
        # Where neither has cortex, MTL and thalamus say 0: there a label must win over none.
        is_left = (left >= 0) if (left < 0).any() else (left > 0)
        labels = np.where(is_left, left, right)
    labels.setflags(write=False)
    return labels, frozenset(np.unique(labels[labels > 0]).tolist())


def _read_one(
    files: SubjectFiles, space: Space, hemisphere: Hemisphere | None, path: Path
) -> NDArray[np.int32]:
    if space in SURFACE_SPACES and hemisphere is not None:
        labels = as_labels(read_on_vertices(files, space, hemisphere, path), path)
    else:
        labels = as_labels(read_on_grid(files, space, path), path)
    if labels.size and labels.min() < -1:
        raise DataError(f"{path} holds labels below −1, which mean nothing; download it again.")
    return labels
