"""ROI collections: which files are there, what their labels are, whether the sides agree."""

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.formats.volumes import read_mgh, read_volume
from nsdviewer.data.layout import SubjectFiles
from nsdviewer.data.regions.ctab import PUBLISHED_NAMES, SUBCORTICAL, read_ctab, table_paths
from nsdviewer.data.regions.maps import as_labels, is_surface_collection
from nsdviewer.data.regions.rois import list_collections
from nsdviewer.data.verify.findings import Level, Notebook, Topic, listed
from nsdviewer.data.verify.published import ROI_COLLECTIONS
from nsdviewer.data.verify.scan import FileFacts, Scan
from nsdviewer.state import Hemisphere, Space

Labels = NDArray[np.int32]
_SPACES = (Space.FUNC1PT8MM, Space.FUNC1MM)
_AGAIN = "the files are of different releases: download all three again"


def check_rois(book: Notebook, files: SubjectFiles, scan: Scan) -> dict[Space, tuple[str, ...]]:
    """Check the ROIs of a subject and return the collections by space."""
    found: dict[Space, tuple[str, ...]] = {}
    for space in _SPACES:
        if (files.ppdata / space.value).is_dir():
            found[space] = list_collections(files, space)
            _note_missing(book, files, space)
            for name in found[space]:
                _check_collection(book, files, scan, space, name)
    if (files.freesurfer / "label").is_dir():
        found[Space.NATIVESURFACE] = list_collections(files, Space.NATIVESURFACE)
        _check_vertex_labels(book, files, scan)
    _check_tables(book, files, {name for names in found.values() for name in names})
    return found


def _note_missing(book: Notebook, files: SubjectFiles, space: Space) -> None:
    lacking = []
    for name in ROI_COLLECTIONS:
        paths = [files.roi(space, name, side) for side in (None, *Hemisphere)]
        names = [path.name.split(".nii")[0] for path in paths if not path.exists()]
        lacking += [name] if len(names) == len(paths) else names
    if lacking:
        folder = files.roi(space, ROI_COLLECTIONS[0]).parent
        what = f"of {len(ROI_COLLECTIONS)} ROI collections, these are missing: {listed(lacking)}"
        args = (Level.MISSING, Topic.ROIS, what, "download them to select by these ROIs")
        book.add(*args, path=folder, subject=files.number)


def _check_collection(
    book: Notebook, files: SubjectFiles, scan: Scan, space: Space, name: str
) -> None:
    """Check labels, and that the combined file is made of the hemispheres'."""
    parts: dict[Hemisphere | None, Labels] = {}
    for side in (None, *Hemisphere):
        facts = scan.facts.get(book.relative(files.roi(space, name, side)))
        if facts is None or len(facts.shape) != 3:
            continue
        with book.guard(Topic.ROIS, facts.path, files.number):
            parts[side] = as_labels(read_volume(facts.path), facts.path)
            _check_labels(book, files, facts, name, parts[side])
    shapes = {labels.shape for labels in parts.values()}
    if not {Hemisphere.LEFT, Hemisphere.RIGHT} <= set(parts) or len(shapes) > 1:
        return
    left, right = parts[Hemisphere.LEFT], parts[Hemisphere.RIGHT]
    path = files.roi(space, name)
    both = int(((left > 0) & (right > 0)).sum())
    if both:
        what = f"{both} voxels have a label in both hemispheres' files"
        book.add(Level.WARNING, Topic.ROIS, what, _AGAIN, path=path, subject=files.number)
    if None in parts:
        is_left = (left > 0) if name in SUBCORTICAL else (left >= 0)
        n_other = int((np.where(is_left, left, right) != parts[None]).sum())
        if n_other:
            what = f"it differs from lh.{name} and rh.{name} put together in {n_other} voxels"
            book.add(Level.WARNING, Topic.ROIS, what, _AGAIN, path=path, subject=files.number)


def _check_labels(
    book: Notebook, files: SubjectFiles, facts: FileFacts, name: str, labels: Labels
) -> None:
    if labels.size and labels.min() < -1:
        what = f"it holds labels down to {labels.min()}, where −1 is the least that means anything"
        step = "download it again"
        book.add(Level.DAMAGED, Topic.ROIS, what, step, path=facts.path, subject=facts.subject)
        return
    names = _names(files, name)
    unknown = sorted({int(k) for k in np.unique(labels[labels > 0])} - set(names))
    if names and unknown:
        what = f"its labels {listed(tuple(unknown))} have no name in the table of '{name}'"
        step = "download the table and this file again"
        book.add(Level.WARNING, Topic.ROIS, what, step, path=facts.path, subject=facts.subject)


def _names(files: SubjectFiles, collection: str) -> dict[int, str]:
    """Return label → name of the table on disk, else as published, else empty."""
    for path in table_paths(files, collection):
        if path.is_file():
            return read_ctab(path.read_bytes().decode("latin-1"))
    return PUBLISHED_NAMES.get(collection, {})


def _check_vertex_labels(book: Notebook, files: SubjectFiles, scan: Scan) -> None:
    for facts in scan.below(book.relative(files.freesurfer / "label")):
        name = facts.path.name[3:].rsplit(".", 1)[0]
        if facts.location is None or len(facts.shape) != 1:
            continue
        if is_surface_collection(files, Space.NATIVESURFACE, name):
            with book.guard(Topic.ROIS, facts.path, files.number):
                labels = as_labels(read_mgh(facts.path), facts.path)
                _check_labels(book, files, facts, name, labels)


def _check_tables(book: Notebook, files: SubjectFiles, collections: set[str]) -> None:
    """Note collections without a table of names, and tables that are not as published."""
    lacking = []
    for name in sorted(collections):
        path = next((p for p in table_paths(files, name) if p.is_file()), None)
        if path is None:
            lacking += [name] if name not in PUBLISHED_NAMES else []
            continue
        with book.guard(Topic.ROIS, path, files.number):
            published, found = PUBLISHED_NAMES.get(name), _names(files, name)
            if published and found != published:
                other = sorted(set(found.items()) ^ set(published.items()))
                what = f"it differs from the published names at {listed([n for _, n in other])}"
                step = "see that it is NSD's own file"
                book.differs(what, step, path=path, subject=files.number)
    if lacking:
        what = f"the label names of {listed(lacking)} are missing; labels go by number"
        args = (Level.MISSING, Topic.ROIS, what, "download the '.ctab' files")
        book.add(*args, path=files.freesurfer / "label", subject=files.number)
