"""What of a download is there, what is missing, and what is damaged.

A file is damaged if it is there and cannot be right: truncated, corrupt, of another type or shape
than its place demands, or contradicting the design. What differs from published numbers is worth a
warning only, for releases differ and simulated subjects are of any size. What is missing is never
damage. Nothing is written into the tree.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nsdviewer.data.layout import NsdRoot
from nsdviewer.data.trials.design import Design
from nsdviewer.data.verify.agreement import check_reliability
from nsdviewer.data.verify.counts import check_counts, check_masks
from nsdviewer.data.verify.design import (
    check_behaviour,
    check_design,
    check_lists,
    check_picture_table,
    check_pictures,
)
from nsdviewer.data.verify.extent import check_surfaces, check_transforms, count_timeseries
from nsdviewer.data.verify.findings import Finding, Level, Notebook, Topic
from nsdviewer.data.verify.grids import Grids, check_grids, check_headers, check_transform_sources
from nsdviewer.data.verify.report import (
    Agreement,
    BetasHere,
    Report,
    SubjectHere,
)
from nsdviewer.data.verify.rois import check_rois
from nsdviewer.data.verify.runs import check_runs
from nsdviewer.data.verify.scan import Scan, scan_tree
from nsdviewer.data.verify.sessions import check_sessions
from nsdviewer.jobs import PartProgress, Progress

__all__ = [
    "Agreement",
    "BetasHere",
    "Finding",
    "Level",
    "Report",
    "SubjectHere",
    "Topic",
    "verify",
]

# How much of the work is reading all files, and following transforms.
_SCANNED, _FOLLOWED = 0.7, 0.8
_GRAVITY = (Level.DAMAGED, Level.WARNING, Level.MISSING, Level.NOTE, Level.OK)


def verify(
    root: Path | str,
    progress: Progress,
    quick: bool = False,
    subjects: Sequence[int] | None = None,
) -> Report:
    """Check a tree laid out as NSD's bucket.

    Parameters
    ----------
    quick
        Compare compressed files by their lengths instead of unpacking them, look at a part of the
        index of HDF5 files, and recompute reliability only where that is quick.
    subjects
        Whom to check; all that are here where None. What all subjects share is always checked.

    Raises
    ------
    DataError
        If `root` is no such tree.
    RequestError
        If a subject is not in it.
    Cancelled
        If `progress` says so.
    """
    tree = NsdRoot.open(root)
    numbers = tuple(sorted(set(subjects))) if subjects else tree.subjects
    for number in numbers:
        tree.subject(number)
    book = Notebook(tree.path, tree.is_simulated)
    if not numbers:
        what, step = "there is no subject, without whom nothing can be shown", "download one"
        folder = tree.path / "nsddata" / "ppdata"
        book.add(Level.MISSING, Topic.FILES, what, step, path=folder, is_required=True)
    scan = scan_tree(book, numbers, quick, PartProgress(progress, 0.0, _SCANNED))
    grids = check_grids(book, scan)
    check_headers(book, scan)
    check_runs(book, scan)
    part = PartProgress(progress, _SCANNED, _FOLLOWED)
    check_transform_sources(book, scan, grids, quick, part)
    found = _compare(book, tree, numbers, scan, grids, quick, progress)
    progress.report(1.0, "checked")
    return replace(found, findings=_in_order(book.findings))


def _compare(
    book: Notebook,
    tree: NsdRoot,
    numbers: tuple[int, ...],
    scan: Scan,
    grids: Grids,
    quick: bool,
    progress: Progress,
) -> Report:
    """Check what files say against each other, and return what is there, findings left out."""
    design = check_design(book, tree)
    check_picture_table(book, tree, design)
    check_lists(book, tree, scan, design)
    n_pictures = check_pictures(book, tree, scan)
    found = []
    for k, number in enumerate(numbers):
        span = (1 - _FOLLOWED) / len(numbers)
        part = PartProgress(progress, _FOLLOWED + k * span, _FOLLOWED + (k + 1) * span)
        found.append(_subject(book, tree, number, scan, grids, design, quick, part))
    has_design = design is not None
    return Report(tree.path, tree.is_simulated, quick, has_design, n_pictures, tuple(found), ())


def _subject(
    book: Notebook,
    tree: NsdRoot,
    number: int,
    scan: Scan,
    grids: Grids,
    design: Design | None,
    quick: bool,
    progress: Progress,
) -> SubjectHere:
    files = tree.subject(number)
    progress.report(0.0, f"comparing the files of {files.name}")
    n_rows = check_behaviour(book, files, design)
    betas = check_sessions(book, files, scan, n_rows)
    check_masks(book, files, scan)
    collections = check_rois(book, files, scan)
    check_counts(book, files, scan, grids)
    agreement: tuple[Agreement, ...] = ()
    if design is not None:
        agreement = check_reliability(book, files, betas, design, n_rows, quick, progress)
    return SubjectHere(
        number,
        betas,
        collections,
        check_surfaces(book, files),
        check_transforms(book, files, scan),
        n_rows,
        count_timeseries(book, files, scan),
        agreement,
    )


def _in_order(findings: list[Finding]) -> tuple[Finding, ...]:
    """Return the gravest first, then by subject and path; what nothing works without comes first."""

    def key(finding: Finding) -> tuple[bool, int, int, str, str]:
        gravity = _GRAVITY.index(finding.level)
        return not finding.is_required, gravity, finding.subject or 0, finding.path, finding.what

    return tuple(sorted(findings, key=key))
