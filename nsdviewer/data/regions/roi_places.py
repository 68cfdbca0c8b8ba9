"""What the names of a ROI expression stand for, on voxels and on vertices."""

import textwrap
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.layout import SubjectFiles
from nsdviewer.data.regions.ctab import SUBCORTICAL
from nsdviewer.data.regions.maps import (
    HemisphereMissingError,
    VoxelMap,
    as_labels,
    list_maps,
    read_map,
    read_on_grid,
    session_mask_paths,
)
from nsdviewer.data.regions.roi_collections import (
    RoiCollection,
    find_label,
    list_collections,
    load_collection,
    roi_names,
)
from nsdviewer.data.regions.roi_expression import Mask
from nsdviewer.data.surfaces.meshes import count_vertices, nothing_here, read_label
from nsdviewer.errors import DataError, RequestError, suggestion
from nsdviewer.state import Hemisphere, Space

_FIXED_NAMES = ("all", "brainmask", "cortex", "valid")
# The mean of many ones, in single precision.
_ALWAYS = 0.9999


class Places(ABC):
    """What names stand for; see `nsdviewer.data.regions.roi_expression.Names`."""

    def __init__(self, files: SubjectFiles, space: Space) -> None:
        self.files = files
        self.space = space

    def mask(self, name: str) -> Mask:
        """Return the region `name`."""
        side, rest = _split_side(name)
        if rest in _FIXED_NAMES:
            return self._fixed(rest, side)
        owner, _, label = rest.partition(":")
        if self._has_collection(owner):
            return self._of_collection(owner, label, side)
        if owner in list_maps(self.files, self.space):
            return self._of_map(owner, label, side)
        found = None if label else find_label(self.files, self.space, owner)
        if found:
            return self._of_collection(found[0], str(found[1]), side)
        raise self._unknown(name, owner)

    def values(self, name: str) -> NDArray[Any]:
        """Return the map `name`."""
        side, rest = _split_side(name)
        if rest not in list_maps(self.files, self.space):
            raise self._unknown(name, rest)
        return self._map(rest, side).values

    def _of_map(self, name: str, label: str, side: Hemisphere | None) -> Mask:
        shown = self._map(name, side)
        if not shown.is_labels:
            raise RequestError(f"'{name}' is a map, and no region; compare it, as in {name} > 10.")
        if not label:
            return np.asarray(shown.values > 0)
        if not label.isdecimal():
            raise RequestError(f"'{name}' is labelled by number; write for example {name}:17.")
        return np.asarray(shown.values == int(label))

    def _unknown(self, name: str, near: str) -> RequestError:
        collections = list_collections(self.files, self.space)
        maps = list_maps(self.files, self.space)
        known = (*_FIXED_NAMES, *collections, *maps, *roi_names(self.files, self.space))
        return RequestError(
            f"There is no ROI or map '{name}' for {self.files.name} in {self.space.value}."
            f"{suggestion(near, known)} Collections: {', '.join(collections) or 'none'}; maps: "
            f"{textwrap.shorten(', '.join(maps), 300, placeholder=' …') or 'none'}; also "
            f"{', '.join(_FIXED_NAMES)}. Write COLLECTION, COLLECTION:LABEL or MAP > NUMBER."
        )

    def _lacks_valid(self, path: Path) -> DataError:
        return DataError(f"The map {path} is missing; download it to know which data are valid.")

    def _has_collection(self, name: str) -> bool:
        return name in list_collections(self.files, self.space)

    @abstractmethod
    def _fixed(self, name: str, side: Hemisphere | None) -> Mask: ...

    @abstractmethod
    def _of_collection(self, name: str, label: str, side: Hemisphere | None) -> Mask: ...

    @abstractmethod
    def _map(self, name: str, side: Hemisphere | None) -> VoxelMap: ...


class VoxelPlaces(Places):
    """Names on the voxels of a volume space."""

    def _has_collection(self, name: str) -> bool:
        # One hemisphere alone is not listed, but can be named.
        sides = (None, *Hemisphere)
        return any(self.files.roi(self.space, name, side).exists() for side in sides)

    def _of_collection(self, name: str, label: str, side: Hemisphere | None) -> Mask:
        here = load_collection(self.files, self.space, name, side)
        whole = [load_collection(self.files, self.space, name)] if side and label else []
        return _mask_of(here, label, whole)

    def _map(self, name: str, side: Hemisphere | None) -> VoxelMap:
        if side is not None:
            raise RequestError(
                f"The volume '{name}' does not know the hemispheres; write for example "
                f"{side.value}.cortex beside it, joined with &."
            )
        return read_map(self.files, self.space, name)

    def _fixed(self, name: str, side: Hemisphere | None) -> Mask:
        if name == "cortex":
            return self._cortex(side)
        if side is not None:
            raise RequestError(
                f"'{name}' does not know the hemispheres; write {side.value}.cortex & {name}."
            )
        if name == "valid":
            return self._always_valid()
        brain = self._brain()
        return np.ones_like(brain) if name == "all" else brain

    def _brain(self) -> Mask:
        path = self.files.volume(self.space, "brainmask")
        sessions = session_mask_paths(self.files, self.space)
        if path.exists() or self.space is not Space.MNI or not sessions:
            return np.asarray(as_labels(read_on_grid(self.files, self.space, path), path) > 0)
        # NSD has no brain mask in MNI; data in any session stands for it.
        return np.asarray(np.any([self._flag(p.name.split(".")[0]) for p in sessions], axis=0))

    def _always_valid(self) -> Mask:
        if self.files.volume(self.space, "valid").exists():
            return np.asarray(self._map("valid", None).values >= _ALWAYS)
        sessions = session_mask_paths(self.files, self.space)
        if not sessions:
            raise self._lacks_valid(self.files.volume(self.space, "valid"))
        return np.asarray(np.all([self._flag(p.name.split(".")[0]) for p in sessions], axis=0))

    def _flag(self, name: str) -> Mask:
        return np.asarray(self._map(name, None).values > 0)

    def _cortex(self, side: Hemisphere | None) -> Mask:
        # Every set that comes from surfaces marks the same ribbon.
        drawn = [n for n in list_collections(self.files, self.space) if n not in SUBCORTICAL]
        name = "nsdgeneral" if "nsdgeneral" in drawn else next(iter(drawn), "nsdgeneral")
        labels = load_collection(self.files, self.space, name, side).labels
        return np.asarray(labels >= 0)


class VertexPlaces(Places):
    """Names on the vertices of one hemisphere.

    A file that is there for the other hemisphere only raises `HemisphereMissingError`.
    """

    def __init__(self, files: SubjectFiles, space: Space, hemisphere: Hemisphere) -> None:
        super().__init__(files, space)
        self.hemisphere = hemisphere

    def _of_collection(self, name: str, label: str, side: Hemisphere | None) -> Mask:
        here = load_collection(self.files, self.space, name, self.hemisphere)
        if side not in (None, self.hemisphere):
            return np.zeros(here.labels.shape, bool)
        others = [h for h in Hemisphere if self.files.label(self.space, h, name).exists()]
        return _mask_of(here, label, [self._load(name, other) for other in others])

    def _load(self, name: str, side: Hemisphere) -> RoiCollection:
        return load_collection(self.files, self.space, name, side)

    def _map(self, name: str, side: Hemisphere | None) -> VoxelMap:
        shown = read_map(self.files, self.space, name, self.hemisphere)
        if side in (None, self.hemisphere):
            return shown
        nothing = np.full_like(shown.values, 0 if shown.is_labels else np.nan)
        return replace(shown, values=nothing)

    def _fixed(self, name: str, side: Hemisphere | None) -> Mask:
        if name == "brainmask":
            raise RequestError("Vertices have no brain mask; write cortex, or all.")
        if side not in (None, self.hemisphere):
            return np.zeros(self._n_vertices(), bool)
        if name == "all":
            return np.ones(self._n_vertices(), bool)
        if name == "cortex":
            return self._cortex()
        if "valid" not in list_maps(self.files, self.space):
            raise self._lacks_valid(self.files.label(self.space, self.hemisphere, "valid"))
        return np.asarray(self._map("valid", None).values >= _ALWAYS)

    def _cortex(self) -> Mask:
        folder = self.files.freesurfer_of(self.space) / "label"
        path = folder / f"{self.hemisphere.value}.cortex.label"
        if not path.exists():
            # Labels on vertices have no −1: without FreeSurfer's label, all is cortex.
            return self._of_collection("nsdgeneral", "", None) | np.ones(self._n_vertices(), bool)
        inside, indices = np.zeros(self._n_vertices(), bool), read_label(path)
        if len(indices) and indices.max() >= len(inside):
            raise DataError(
                f"{path} names vertex {indices.max()}, but the hemisphere has {len(inside)}; the "
                "files are of different subjects: download them again."
            )
        inside[indices] = True
        return inside

    def _n_vertices(self) -> int:
        folder = self.files.freesurfer_of(self.space)
        counted = count_vertices(folder, self.hemisphere)
        if counted:
            return counted[1]
        for name in list_collections(self.files, self.space):
            if self.files.label(self.space, self.hemisphere, name).exists():
                return len(self._load(name, self.hemisphere).labels)
        raise HemisphereMissingError(nothing_here(folder, self.hemisphere))


def _split_side(name: str) -> tuple[Hemisphere | None, str]:
    prefix, _, rest = name.partition(".")
    return (Hemisphere(prefix), rest) if rest and prefix in ("lh", "rh") else (None, name)


def _mask_of(here: RoiCollection, label: str, others: Sequence[RoiCollection]) -> Mask:
    """Return a label's mask; empty if only another hemisphere has the label."""
    if label and not here.numbers_of(label) and any(o.numbers_of(label) for o in others):
        return np.zeros(here.labels.shape, bool)
    return here.mask(label)
