"""Counts of voxels and medians of reliability, against the published ones."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.formats.volumes import read_mgh, read_volume
from nsdviewer.data.layout import SubjectFiles
from nsdviewer.data.regions.maps import as_labels
from nsdviewer.data.verify.findings import Level, Notebook, Topic
from nsdviewer.data.verify.grids import Grids
from nsdviewer.data.verify.published import (
    N_FSAVERAGE_VERTICES,
    ROI_TOLERANCE,
    SUBJECTS,
    PublishedSubject,
)
from nsdviewer.data.verify.scan import Scan
from nsdviewer.state import BetaVersion, Hemisphere, Space

# Medians are published with three digits; a ROI of another release moves them a little.
_MEDIAN_TOLERANCE = 0.01
_SPACES = (Space.FUNC1PT8MM, Space.FUNC1MM)
_STEP = "see that the files are the subject's own, and of the current release"
# Labels of prf-visualrois by area.
_AREAS = {"V1": (1, 2), "V2": (3, 4), "hV4": (7,)}


def check_masks(book: Notebook, files: SubjectFiles, scan: Scan) -> None:
    """Check that masks of 0 and 1 are such, and that the brain mask is there and not empty."""
    spaces = {space for space, _ in files.available_betas()}
    for space in _SPACES:
        folder = files.ppdata / space.value
        mask = files.volume(space, "brainmask")
        if space in spaces and not mask.exists():
            what = f"the brain mask of {space.value} is missing, without which nothing can be shown"
            args = (Level.MISSING, Topic.SESSIONS, what, "download it")
            book.add(*args, path=mask, subject=files.number, is_required=True)
        for facts in scan.below(book.relative(folder)):
            stem = facts.path.name.split(".")[0]
            if facts.path.parent != folder or len(facts.shape) != 3:
                continue
            if stem == "brainmask" or stem.startswith("valid_"):
                with book.guard(Topic.GRIDS, facts.path, files.number):
                    _check_mask(book, facts.path, files.number, stem == "brainmask")


def _check_mask(book: Notebook, path: Path, subject: int, is_brain: bool) -> None:
    values = read_volume(path)
    other = np.setdiff1d(np.unique(values), (0, 1))
    if len(other):
        what = f"it holds {other[0]}, where a mask is 0 or 1"
        book.add(Level.WARNING, Topic.GRIDS, what, "download it again", path=path, subject=subject)
    if is_brain and not (values > 0).any():
        what = "it holds no voxel, so that there is no brain"
        book.add(Level.DAMAGED, Topic.GRIDS, what, "download it again", path=path, subject=subject)


def check_counts(book: Notebook, files: SubjectFiles, scan: Scan, grids: Grids) -> None:
    """Compare counts of a subject that has the published grid; others have no published counts."""
    known = SUBJECTS.get(files.number)
    if known is None or book.is_simulated:
        return
    if grids.get((Space.FUNC1PT8MM.value, files.name)) == known.func1pt8mm:
        _check_voxels(book, files, scan, known)
        _check_median(book, files, scan, known)
    sizes = {grids.get((f"{side.value}.{Space.FSAVERAGE.value}", "")) for side in Hemisphere}
    if sizes == {(N_FSAVERAGE_VERTICES,)}:
        _check_fsaverage_median(book, files, scan, known)


def _check_voxels(book: Notebook, files: SubjectFiles, scan: Scan, known: PublishedSubject) -> None:
    found = {**_brain_count(book, files, scan), **_roi_counts(book, files, scan)}
    other = []
    for name, n in found.items():
        expected = known.n_voxels.get(name)
        tolerance = 0.0 if name == "brainmask" else ROI_TOLERANCE
        if expected is not None and abs(n - expected) > tolerance * expected:
            other.append(f"{name} {n} ({expected})")
    folder = files.ppdata / Space.FUNC1PT8MM.value
    if other:
        what = f"numbers of voxels are not as published (in brackets): {', '.join(other)}"
        book.differs(what, _STEP, path=folder, subject=files.number)
    elif found:
        what = f"numbers of voxels are as published: {', '.join(found)}"
        book.add(Level.OK, Topic.PUBLISHED, what, path=folder, subject=files.number)


def _labels(
    book: Notebook, files: SubjectFiles, scan: Scan, path: Path
) -> NDArray[np.int32] | None:
    """Return a volume of whole numbers; None where it is missing or damaged."""
    relative = book.relative(path)
    if relative not in scan.facts or relative in book.damaged:
        return None
    with book.guard(Topic.PUBLISHED, path, files.number):
        return as_labels(read_volume(path), path)
    return None


def _brain_count(book: Notebook, files: SubjectFiles, scan: Scan) -> Mapping[str, int]:
    mask = _labels(book, files, scan, files.volume(Space.FUNC1PT8MM, "brainmask"))
    return {} if mask is None else {"brainmask": int((mask == 1).sum())}


def _roi_counts(book: Notebook, files: SubjectFiles, scan: Scan) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    names = ("nsdgeneral", "HCP_MMP1", "prf-visualrois")
    rois = {n: _labels(book, files, scan, files.roi(Space.FUNC1PT8MM, n)) for n in names}
    if (general := rois["nsdgeneral"]) is not None:
        counts["nsdgeneral"] = int((general == 1).sum())
        counts["ribbon"] = int((general != -1).sum())
    if (atlas := rois["HCP_MMP1"]) is not None:
        counts["HCP_MMP1"] = int((atlas > 0).sum())
    if (areas := rois["prf-visualrois"]) is not None:
        for name, numbers in _AREAS.items():
            counts[name] = int(np.isin(areas, numbers).sum())
    return counts


def _check_median(book: Notebook, files: SubjectFiles, scan: Scan, known: PublishedSubject) -> None:
    path = files.ncsnr(Space.FUNC1PT8MM, BetaVersion.B3)
    roi = _labels(book, files, scan, files.roi(Space.FUNC1PT8MM, "nsdgeneral"))
    if roi is None or book.relative(path) not in scan.facts:
        return
    with book.guard(Topic.PUBLISHED, path, files.number):
        values = read_volume(path, n_axes=3)
        if values.shape == roi.shape:
            _compare_median(book, files, path, values[roi == 1], known.median_ncsnr)


def _check_fsaverage_median(
    book: Notebook, files: SubjectFiles, scan: Scan, known: PublishedSubject
) -> None:
    parts = []
    for side in Hemisphere:
        path = files.ncsnr(Space.FSAVERAGE, BetaVersion.B3, side)
        label = files.label(Space.FSAVERAGE, side, "nsdgeneral")
        if not {book.relative(path), book.relative(label)} <= set(scan.facts):
            return
        with book.guard(Topic.PUBLISHED, path, files.number):
            values, inside = read_mgh(path), read_mgh(label) == 1
            if values.shape != inside.shape:
                return
            parts.append(values[inside])
    if len(parts) == 2:
        values = np.concatenate(parts)
        _compare_median(book, files, path, values, known.median_ncsnr_fsaverage)


def _compare_median(
    book: Notebook, files: SubjectFiles, path: Path, values: NDArray[np.float32], expected: float
) -> None:
    median = float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")
    if abs(median - expected) <= _MEDIAN_TOLERANCE:
        what = f"the median ncsnr in nsdgeneral is {median:.3f}, as published"
        book.add(Level.OK, Topic.PUBLISHED, what, path=path, subject=files.number)
    else:
        what = f"the median ncsnr in nsdgeneral is {median:.3f}, where {expected} is published"
        book.differs(what, _STEP, path=path, subject=files.number)
