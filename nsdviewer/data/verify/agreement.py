"""Reliability recomputed from a sample of the betas, against the file that came with them.

If betas, sessions and trials are in order, both are the same numbers: nothing else looks at the
betas themselves so closely. Nothing is cached; the sample is small enough for memory.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nsdviewer.data.betas.matrix import BetaMatrix
from nsdviewer.data.betas.reliability import compute_reliability, read_ncsnr
from nsdviewer.data.betas.sites import MaskOrMasks, Sites, Vertices, Voxels, sites_of
from nsdviewer.data.betas.sources import BetaSource
from nsdviewer.data.formats.volumes import read_mgh, read_volume
from nsdviewer.data.layout import STORED_PER_PSC, SURFACE_SPACES, BetaFile, Storage, SubjectFiles
from nsdviewer.data.trials.design import SESSIONS_OF_SUBJECT, TRIALS_PER_SESSION, Design
from nsdviewer.data.trials.table import TrialTable
from nsdviewer.data.verify.findings import Level, Notebook, Topic, ranges
from nsdviewer.data.verify.report import Agreement, BetasHere
from nsdviewer.errors import DataError, RequestError
from nsdviewer.jobs import PartProgress, Progress, SilentProgress
from nsdviewer.state import Experiment, Hemisphere, Space

_N_SITES = 300
_LEAST_R = 0.99
_LEAST_SITES = 10
# Read past the library without unpacking everything; the others are left to the thorough check.
_QUICK_STORAGES = (Storage.HDF5.value, Storage.NIFTI.value)
_STEP = "see that betas, ncsnr and design are of one release, and download them again"


@dataclass(frozen=True)
class _Sample:
    """Betas of some sites, and whether the masks promise data where all are zero."""

    betas: BetaMatrix
    empty_sessions: tuple[int, ...]


def check_reliability(
    book: Notebook,
    files: SubjectFiles,
    betas: tuple[BetasHere, ...],
    design: Design,
    n_rows: int | None,
    quick: bool,
    progress: Progress,
) -> tuple[Agreement, ...]:
    """Recompute the reliability of every space and version of the core betas.

    Parameters
    ----------
    n_rows
        Trials that the response table speaks of; None without one.
    """
    wanted = [
        b
        for b in betas
        if b.version.experiment is Experiment.CORE
        and b.space is not Space.MNI
        and not (quick and not set(b.storages) <= set(_QUICK_STORAGES))
    ]
    found = []
    for number, here in enumerate(wanted):
        part = PartProgress(progress, number / len(wanted), (number + 1) / len(wanted))
        folder = files.betas_folder(here.space, here.version)
        with book.guard(Topic.RELIABILITY, folder, files.number):
            agreement = _check_one(book, files, here, design, n_rows, part)
            if agreement is not None:
                found.append(agreement)
    return tuple(found)


def _check_one(
    book: Notebook,
    files: SubjectFiles,
    here: BetasHere,
    design: Design,
    n_rows: int | None,
    progress: Progress,
) -> Agreement | None:
    sources = [f for f in files.beta_files(here.space, here.version) if f.path.exists()]
    sides = tuple(Hemisphere) if here.space in SURFACE_SPACES else (None,)
    maps = [files.ncsnr(here.space, here.version, side) for side in sides]
    if any(book.relative(path) in book.damaged for path in (*maps, *(f.path for f in sources))):
        what = "reliability is not recomputed, because files that it needs are damaged"
        folder = files.betas_folder(here.space, here.version)
        book.add(Level.NOTE, Topic.RELIABILITY, what, path=folder, subject=files.number)
        return None
    mask = _mask(book, files, here.space)
    if mask is None:
        return None
    sites = sites_of(_thinned(mask))
    folder = files.betas_folder(here.space, here.version)
    published = read_ncsnr(files, here.space, here.version, sites)
    sample = _read(book, files, here, sources, sites, progress)
    if sample.empty_sessions:
        what = (
            f"betas of session {ranges(list(sample.empty_sessions))} are zero where the valid masks "
            "say that there are data"
        )
        step = "download these sessions again"
        book.add(Level.WARNING, Topic.RELIABILITY, what, step, path=folder, subject=files.number)
    if published is None:
        return None
    table = _trials(files.number, here.sessions, design)
    try:
        computed = compute_reliability(sample.betas, table, SilentProgress()).ncsnr
    except RequestError:
        what = "reliability cannot be recomputed: no picture has three repetitions yet"
        book.add(Level.NOTE, Topic.RELIABILITY, what, path=folder, subject=files.number)
        return None
    agreement = _compare(here, published, computed, _is_complete(files.number, here, n_rows))
    if agreement is not None:
        _note(book, files, agreement)
    return agreement


def _trials(subject: int, sessions: tuple[int, ...], design: Design) -> TrialTable:
    """Return what reliability asks of a trial table; behaviour, whole or not, does not matter."""
    images = design.image_10k[: TRIALS_PER_SESSION * max(sessions)]
    has_betas = np.isin(np.arange(len(images)) // TRIALS_PER_SESSION + 1, sessions)
    frame = pd.DataFrame({"image_10k": images, "has_betas": has_betas})
    return TrialTable(subject, frame, np.zeros(0, np.int64))


def _is_complete(subject: int, here: BetasHere, n_rows: int | None) -> bool:
    """Whether all sessions are here: of the response table, or that NSD published."""
    n_done = SESSIONS_OF_SUBJECT.get(subject, 0)
    if n_rows is not None:
        n_done = n_rows // TRIALS_PER_SESSION
    return set(range(1, n_done + 1)) <= set(here.sessions)


# --- the sample --------------------------------------------------------------------------------


def _mask(book: Notebook, files: SubjectFiles, space: Space) -> MaskOrMasks | None:
    """Return nsdgeneral, or without it the brain or all vertices; None where nothing says it."""
    if space in SURFACE_SPACES:
        return _vertex_masks(book, files, space)
    brain_path, roi_path = files.volume(space, "brainmask"), files.roi(space, "nsdgeneral")
    brain = read_volume(brain_path, n_axes=3) > 0 if _is_usable(book, brain_path) else None
    if _is_usable(book, roi_path):
        roi = read_volume(roi_path, n_axes=3) > 0
        both = roi if brain is None or brain.shape != roi.shape else roi & brain
        if both.any():
            return np.asarray(both)
    return brain if brain is not None and brain.any() else None


def _is_usable(book: Notebook, path: Path) -> bool:
    return path.exists() and book.relative(path) not in book.damaged


def _vertex_masks(book: Notebook, files: SubjectFiles, space: Space) -> MaskOrMasks | None:
    paths = {side: files.label(space, side, "nsdgeneral") for side in Hemisphere}
    if not all(_is_usable(book, path) for path in paths.values()):
        return None
    masks = {side: np.asarray(read_mgh(path) > 0) for side, path in paths.items()}
    return masks if any(mask.any() for mask in masks.values()) else None


def _thinned(mask: MaskOrMasks) -> MaskOrMasks:
    """Keep at most `_N_SITES` places, spread evenly; half of them on each side of a surface."""
    if not isinstance(mask, np.ndarray):
        return {side: _thin(one, _N_SITES // 2) for side, one in mask.items()}
    return _thin(mask, _N_SITES)


def _thin(mask: NDArray[np.bool_], most: int) -> NDArray[np.bool_]:
    places = np.flatnonzero(mask)
    kept = np.unique(np.linspace(0, len(places) - 1, min(most, len(places))).astype(np.int64))
    thinned = np.zeros(mask.size, bool)
    thinned[places[kept]] = True
    return thinned.reshape(mask.shape)


def _read(
    book: Notebook,
    files: SubjectFiles,
    here: BetasHere,
    sources: list[BetaFile],
    sites: Sites,
    progress: Progress,
) -> _Sample:
    """Read the sample's betas of all sessions into memory."""
    is_percent = here.space is Space.FSAVERAGE
    shape = (max(here.sessions), len(sites), TRIALS_PER_SESSION)
    by_site = np.zeros(shape, np.float32 if is_percent else np.int16)
    promised = np.zeros(shape[:2], bool)
    for number, file in enumerate(sources):
        part = PartProgress(progress, number / len(sources), (number + 1) / len(sources))
        source, columns = _source(file, sites)
        source.check(TRIALS_PER_SESSION)
        rows = by_site[file.session - 1, columns]
        for block in source.blocks(part):
            rows[block.columns, block.trials] = block.by_site
        promised[file.session - 1] |= _promised(book, files, here.space, file.session, sites)
    by_trial = by_site.transpose(0, 2, 1).reshape(-1, len(sites))
    has_data = np.nan_to_num(by_site).any(axis=2)
    empty = np.flatnonzero((promised & ~has_data).any(axis=1)) + 1
    scale = 1.0 if is_percent else STORED_PER_PSC
    matrix = BetaMatrix(by_trial, by_site, np.asarray(has_data), sites, scale)
    return _Sample(matrix, tuple(int(s) for s in empty))


def _source(file: BetaFile, sites: Sites) -> tuple[BetaSource, slice]:
    if isinstance(sites, Vertices):
        assert file.hemisphere is not None
        vertices = sites.vertex[file.hemisphere]
        shape = (sites.n_vertices[file.hemisphere],)
        return BetaSource(file, shape, vertices), sites.columns(file.hemisphere)
    return BetaSource(file, sites.shape, sites.flat), slice(0, len(sites))


def _promised(
    book: Notebook, files: SubjectFiles, space: Space, session: int, sites: Sites
) -> NDArray[np.bool_]:
    """Return where a session's mask says that there are data."""
    nowhere = np.zeros(len(sites), bool)
    if not isinstance(sites, Voxels):
        return nowhere
    path = files.valid_mask(space, session)
    if not _is_usable(book, path):
        return nowhere
    try:
        mask = read_volume(path, n_axes=3)
    except DataError:
        return nowhere
    return np.asarray(mask[tuple(sites.ijk.T)] > 0) if mask.shape == sites.shape else nowhere


# --- the comparison ----------------------------------------------------------------------------


def _compare(
    here: BetasHere,
    published: NDArray[np.float32],
    computed: NDArray[np.float32],
    is_complete: bool,
) -> Agreement | None:
    both = np.isfinite(published) & np.isfinite(computed)
    a, b = published[both].astype(np.float64), computed[both].astype(np.float64)
    if len(a) < _LEAST_SITES:
        return None
    varies = a.std() > 0 and b.std() > 0
    r = float(np.corrcoef(a, b)[0, 1]) if varies else float("nan")
    difference = np.abs(a - b)
    return Agreement(
        here.space,
        here.version,
        len(here.sessions),
        is_complete,
        len(a),
        r,
        float(np.median(difference)),
        float(difference.max()),
    )


def _note(book: Notebook, files: SubjectFiles, agreement: Agreement) -> None:
    path = files.ncsnr(agreement.space, agreement.version)
    if agreement.space in SURFACE_SPACES:
        path = path.parent
    what = (
        f"reliability recomputed from {agreement.n_sessions} sessions at {agreement.n_sites} "
        f"places agrees with r = {agreement.pearson_r:.4f}, median difference "
        f"{agreement.median_difference:.4f}, largest {agreement.max_difference:.4f}"
    )
    if agreement.pearson_r >= _LEAST_R:
        book.add(Level.OK, Topic.RELIABILITY, what, path=path, subject=files.number)
    elif agreement.is_complete:
        args = (Level.WARNING, Topic.RELIABILITY, what, _STEP)
        book.add(*args, path=path, subject=files.number)
    else:
        what += ", though not all sessions that it was computed from are here"
        book.add(Level.NOTE, Topic.RELIABILITY, what, path=path, subject=files.number)
