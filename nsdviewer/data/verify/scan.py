"""Every file of a tree: which there are, whether each is whole, and what its header says."""

import os
import re
import stat
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.sources import read_header
from nsdviewer.data.formats.number_tables import read_numbers
from nsdviewer.data.formats.volumes import open_image
from nsdviewer.data.layout import BetaFile, Storage, is_mac_companion
from nsdviewer.data.surfaces.surface_files import read_mesh_size, read_scalars
from nsdviewer.data.verify.findings import Level, Notebook, Topic, listed
from nsdviewer.data.verify.integrity import FileKind, cost_bytes, kinds_in, require_whole
from nsdviewer.data.verify.places import Location, locate
from nsdviewer.errors import Cancelled, DataWarning, NsdViewerError
from nsdviewer.jobs import PartProgress, Progress
from nsdviewer.state import Hemisphere

_OWNER = re.compile(r"(?:^|/)(?:subj|sub-)(\d\d)(?:/|$)")
_LEFTOVER = re.compile(
    r".*\.(?:part|partial|crdownload|download|tmp|aria2|s3tmp)$|.* \(\d+\)\.|\.writing-|"
    r".*\.(?:hdf5|nii\.gz|mgh|mgz|mat)\.[0-9a-fA-F]{8}$",
)  # what the last one names are the AWS client's unfinished downloads
# Whose folders may be links to another disk: the layout names them itself.
_MAY_BE_LINK = re.compile(
    r"nsddata\w*|nsddata\w*/ppdata(?:/subj\d\d)?|nsddata/freesurfer(?:/(?:subj\d\d|fsaverage))?"
)


@dataclass(frozen=True)
class NiftiCodes:
    """What section 1.4's rules are about."""

    sform: int
    qform: int
    scaling: tuple[float | None, float | None]
    affine: NDArray[np.float64]


@dataclass(frozen=True)
class FileFacts:
    """One file that is whole.

    Attributes
    ----------
    shape
        (X, Y, Z[, n]), (n_vertices[, n]), or rows and columns of a table of numbers; else empty.
    dtype
        Stored type, None where there is no array.
    codes
        Of NIfTI files.
    is_odd
        Whether its reader warned of something.
    """

    path: Path
    relative: str
    subject: int | None
    n_bytes: int
    kind: FileKind
    location: Location | None = None
    shape: tuple[int, ...] = ()
    dtype: np.dtype[Any] | None = None
    codes: NiftiCodes | None = None
    is_odd: bool = False


@dataclass
class Scan:
    """What is on disk.

    Attributes
    ----------
    facts
        The whole files, by path relative to the root.
    n_unknown
        Files that are not opened.
    """

    facts: dict[str, FileFacts] = field(default_factory=dict)
    n_unknown: int = 0

    def below(self, folder: str) -> list[FileFacts]:
        """Return the files in a folder and the folders in it."""
        return [f for name, f in self.facts.items() if name.startswith(f"{folder}/")]


def scan_tree(book: Notebook, subjects: tuple[int, ...], quick: bool, progress: Progress) -> Scan:
    """Check every file of `subjects` and of what belongs to no subject."""
    scan = Scan()
    known: list[tuple[Path, FileKind, int]] = []
    for folder, names in _folders(book, subjects):
        kinds = kinds_in(folder, names)
        _note_leftovers(book, folder, names)
        for name in names:
            path = folder / name
            size = _size(book, path)
            if size is None or _LEFTOVER.match(name):
                continue
            if name not in kinds:
                scan.n_unknown += 1
                continue
            known.append((path, kinds[name], size))
    total = sum(cost_bytes(kind, size, quick) for _, kind, size in known) or 1
    done = 0
    for path, kind, size in known:
        cost = cost_bytes(kind, size, quick)
        part = PartProgress(progress, done / total, (done + cost) / total)
        part.report(0.0, f"checking {path.name}")
        facts = _check(book, path, kind, size, quick, part)
        if facts:
            scan.facts[facts.relative] = facts
        done += cost
    _summarise(book, scan, len(known))
    return scan


def _summarise(book: Notebook, scan: Scan, n_known: int) -> None:
    if n_known and len(scan.facts) == n_known:
        book.add(Level.OK, Topic.FILES, f"all {n_known} files that are read here are whole")
    elif n_known:
        book.add(Level.NOTE, Topic.FILES, f"{len(scan.facts)} of {n_known} files are whole")
    if scan.n_unknown:
        what = f"files of kinds that are not opened here, and are not checked: {scan.n_unknown}"
        book.add(Level.NOTE, Topic.FILES, what)


def subject_of(relative: str) -> int | None:
    """Return the subject that a path belongs to; None for what all share."""
    match = _OWNER.search(relative)
    return int(match[1]) if match else None


# --- walking -----------------------------------------------------------------------------------


def _folders(book: Notebook, subjects: tuple[int, ...]) -> Iterator[tuple[Path, list[str]]]:
    """Yield folders and the names of their files, in order.

    Links to folders are followed where the layout itself has a folder, never twice to one place.
    """
    tops = sorted(p for p in book.root.iterdir() if p.name.startswith("nsddata"))
    waiting = [p for p in tops if p.is_dir()]
    seen: set[str] = set()
    while waiting:
        start = waiting.pop(0)
        place = os.path.realpath(start)
        if any(place == s or place.startswith(f"{s}{os.sep}") for s in seen):
            _note_link(book, start, "leads to a folder that was checked already")
            continue
        seen.add(place)
        walk = os.walk(start, onerror=lambda e: _note_unread(book, e), followlinks=False)
        for name, folders, files in walk:
            folder = Path(name)
            kept = []
            for child in sorted(folders):
                path = folder / child
                relative = book.relative(path)
                if not _is_wanted(relative, subjects):
                    continue
                if not path.is_symlink():
                    kept.append(child)
                elif _MAY_BE_LINK.fullmatch(relative):
                    waiting.append(path)
                else:
                    _note_link(book, path, "leads to a folder and is not followed")
            folders[:] = kept
            if _is_wanted(book.relative(folder), subjects):
                yield folder, sorted(f for f in files if not is_mac_companion(f))


def _is_wanted(relative: str, subjects: tuple[int, ...]) -> bool:
    owner = subject_of(relative)
    return owner is None or owner in subjects


def _note_link(book: Notebook, path: Path, what: str) -> None:
    step = "put the folder itself there if its files are to be checked"
    number = subject_of(book.relative(path))
    book.add(Level.NOTE, Topic.FILES, f"this link {what}", step, path=path, subject=number)


def _note_unread(book: Notebook, error: OSError) -> None:
    path = Path(error.filename or book.root)
    number = subject_of(book.relative(path))
    what = f"this folder cannot be read ({error.strerror})"
    book.add(Level.WARNING, Topic.FILES, what, "check its rights", path=path, subject=number)


def _size(book: Notebook, path: Path) -> int | None:
    """Return a regular file's length, None for anything else, which is noted."""
    number = subject_of(book.relative(path))
    try:
        status = path.stat()
    except OSError as error:
        what = "this link leads nowhere" if path.is_symlink() else "this file cannot be looked at"
        what, step = f"{what} ({error.strerror})", "download the file to this place"
        book.add(Level.WARNING, Topic.FILES, what, step, path=path, subject=number)
        return None
    if stat.S_ISREG(status.st_mode):
        return status.st_size
    what = "this is no regular file and is not opened"
    book.add(Level.WARNING, Topic.FILES, what, "remove it", path=path, subject=number)
    return None


def _note_leftovers(book: Notebook, folder: Path, names: list[str]) -> None:
    found = [name for name in names if _LEFTOVER.match(name)]
    if not found:
        return
    path = folder / found[0] if len(found) == 1 else folder
    what = f"unfinished or repeated downloads are lying here: {listed(found)}"
    if len(found) == 1:
        what = "this is left of an unfinished or repeated download, and is not read"
    step = "see that the whole file is beside it, then remove it"
    number = subject_of(book.relative(folder))
    book.add(Level.WARNING, Topic.FILES, what, step, path=path, subject=number)


# --- one file ----------------------------------------------------------------------------------


def _check(
    book: Notebook, path: Path, kind: FileKind, size: int, quick: bool, progress: Progress
) -> FileFacts | None:
    """Return what a file says of itself; None, with a finding, if it is damaged or unreadable."""
    relative = book.relative(path)
    subject = subject_of(relative)
    try:
        oddities = require_whole(path, kind, quick, progress)
        facts = _facts(path, relative, subject, size, kind)
    except Cancelled:
        raise
    except (NsdViewerError, OSError) as error:
        if isinstance(error, OSError):
            what = f"this file cannot be read ({error.strerror})"
            step = "check its rights"
            book.add(Level.WARNING, Topic.FILES, what, step, path=path, subject=subject)
        else:
            book.add_error(Topic.FILES, error, path, subject)
        return None
    if oddities:
        facts = replace(facts, is_odd=True)
    for text in oddities:
        what, _, step = text.removesuffix(".").replace(f"{path} ", "").rpartition("; ")
        book.add(Level.WARNING, Topic.FILES, what or step, path=path, subject=subject)
    return facts


def _facts(path: Path, relative: str, subject: int | None, size: int, kind: FileKind) -> FileFacts:
    location = locate(relative)
    if location is not None and location.is_betas:
        header = read_header(_beta_file(path))
        shape = (*header.shape, header.n_trials)
        codes = _codes(path) if ".nii" in path.name else None
        return FileFacts(path, relative, subject, size, kind, location, shape, header.dtype, codes)
    if kind is FileKind.IMAGE:
        image = open_image(path)
        shape = _plain_shape(tuple(int(n) for n in image.shape), location)
        dtype = image.get_data_dtype().newbyteorder("=")
        codes = _codes(path) if ".nii" in path.name else None
        return FileFacts(path, relative, subject, size, kind, location, shape, dtype, codes)
    shape = ()
    if kind is FileKind.MESH and ".nofix" not in path.name:
        shape = (read_mesh_size(path)[0],)
    elif kind is FileKind.VERTEX_MAP:
        shape = (len(read_scalars(path)),)
    elif kind is FileKind.NUMBERS:
        with warnings.catch_warnings():
            # What it warns of was noted when the file was checked.
            warnings.simplefilter("ignore", DataWarning)
            shape = read_numbers(path).values.shape
    return FileFacts(path, relative, subject, size, kind, location if shape else None, shape)


def _beta_file(path: Path) -> BetaFile:
    """Return a beta file as its readers know it; the session does not matter to them here."""
    side = Hemisphere(path.name[:2]) if path.name[:3] in ("lh.", "rh.") else None
    suffix = path.name.partition(".")[2] if side is None else path.name.split(".", 2)[2]
    return BetaFile(path, 1, side, Storage(suffix))


def _plain_shape(shape: tuple[int, ...], location: Location | None) -> tuple[int, ...]:
    """Drop the singleton axes of values on vertices, and a single volume's fourth axis."""
    if location is not None and not location.is_volume:
        return shape[0], *(n for n in shape[1:] if n != 1)
    if len(shape) == 4 and shape[3] == 1 and location is not None and location.n_axes == 3:
        return shape[:3]
    return shape


def _codes(path: Path) -> NiftiCodes:
    image = open_image(path)
    header = image.header
    scaling = tuple(None if v is None else float(v) for v in header.get_slope_inter())
    affine = np.asarray(image.affine, np.float64)
    return NiftiCodes(
        int(header["sform_code"]), int(header["qform_code"]), (scaling[0], scaling[1]), affine
    )
