"""Single-trial responses in percent signal change, read through a cache made for the purpose.

NSD's HDF5 files hold one chunk a voxel, all 750 trials in it: a voxel is quick to read, a trial
touches every chunk. See `nsdviewer.data.betas.cache` for what is kept, and
`nsdviewer.data.betas.sources` for the formats that are read.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.cache import open_cache
from nsdviewer.data.betas.cache_files import CachePlan, SessionParts, fingerprints
from nsdviewer.data.betas.sites import Mask, MaskOrMasks, Sites, Vertices, Voxels, sites_of
from nsdviewer.data.betas.sources import BetaSource, read_header
from nsdviewer.data.formats.volumes import read_volume
from nsdviewer.data.layout import STORED_PER_PSC, BetaFile, SubjectFiles
from nsdviewer.data.trials.design import TRIALS_PER_SESSION
from nsdviewer.errors import DataError, SpaceError
from nsdviewer.jobs import Progress
from nsdviewer.state import BetaVersion, Experiment, Hemisphere, Space


@dataclass(frozen=True)
class BetaMatrix:
    """Responses of some voxels or vertices, memory-mapped.

    Attributes
    ----------
    by_trial
        (n_sessions · n_trials, n_sites) stored values; row t is trial t of the experiment.
    by_site
        (n_sessions, n_sites, n_trials) the same values, one site's trials side by side.
    valid
        (n_sessions, n_sites) whether the site has data in the session; session 1 in row 0.
    sites
        The voxels or vertices of the columns.
    stored_per_psc
        What 1 % signal change is stored as: 300 in integer files, 1 on fsaverage.
    """

    by_trial: NDArray[Any]
    by_site: NDArray[Any]
    valid: NDArray[np.bool_]
    sites: Sites
    stored_per_psc: float

    @property
    def n_voxels(self) -> int:
        """Number of columns: voxels, or vertices."""
        return len(self.sites)

    @property
    def n_trials_per_session(self) -> int:
        """Number of trials of each session."""
        return int(self.by_site.shape[2])

    @property
    def ijk(self) -> NDArray[np.int64]:
        """(n_voxels, 3) 0-based voxel indices in C order; raises `SpaceError` on surfaces."""
        return self._voxels.ijk

    @property
    def shape(self) -> tuple[int, int, int]:
        """Grid of the volume; raises `SpaceError` on surfaces."""
        return self._voxels.shape

    @property
    def _voxels(self) -> Voxels:
        if not isinstance(self.sites, Voxels):
            raise SpaceError("These responses are on vertices; they have no voxel indices.")
        return self.sites

    def columns_of(self, ijk: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the columns of the voxels `ijk` (n, 3), −1 for those outside the mask."""
        return self._voxels.columns_of(ijk)

    def psc(
        self, trials: NDArray[np.int64], columns: NDArray[np.int64] | None = None
    ) -> NDArray[np.float32]:
        """Return (n_trials, n_sites) percent signal change; NaN where a session has no data.

        Parameters
        ----------
        trials
            0-based over the whole experiment, in any order.
        columns
            Which sites; all where None.
        """
        trials = np.asarray(trials, np.int64)
        if columns is None:
            psc = np.empty((len(trials), self.n_voxels), np.float32)
            # A row at a time stays in the processor's cache.
            for row, trial in zip(psc, trials.tolist(), strict=True):
                np.divide(self.by_trial[trial], self._divisor, out=row)
        else:
            columns = np.asarray(columns, np.int64)
            if len(columns) * 8 < len(trials):
                return self._psc_by_site(trials, columns)
            psc = self._scaled(self.by_trial[np.ix_(trials, columns)])
        self._blank(psc, trials, columns)
        return psc

    def _blank(
        self,
        psc: NDArray[np.float32],
        trials: NDArray[np.int64],
        columns: NDArray[np.int64] | None,
    ) -> None:
        """Put NaN where a session has no data."""
        session = trials // self.n_trials_per_session
        for number in np.unique(session):
            invalid = self._invalid[number]
            if columns is not None:
                invalid = np.flatnonzero(np.isin(columns, invalid)) if len(invalid) else invalid
            if len(invalid):
                psc[np.ix_(session == number, invalid)] = np.nan

    def site_psc(self, column: int) -> NDArray[np.float32]:
        """Return (n_sessions · n_trials,) responses of one site; NaN where it has no data."""
        psc = self._scaled(self.by_site[:, column])
        if not self._always_valid[column]:
            psc[~self.valid[:, column]] = np.nan
        return psc.reshape(-1)

    def sites_psc(self, columns: slice) -> NDArray[np.float32]:
        """Return (n_columns, n_sessions, n_trials) responses; NaN where a session has no data.

        What is computed voxel by voxel over all trials reads the responses this way.
        """
        psc = np.ascontiguousarray(self._scaled(self.by_site[:, columns]).transpose(1, 0, 2))
        psc[~self.valid[:, columns].T] = np.nan
        return psc

    def _psc_by_site(
        self, trials: NDArray[np.int64], columns: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        psc = np.empty((len(trials), len(columns)), np.float32)
        for k, column in enumerate(columns.tolist()):
            psc[:, k] = self.site_psc(column)[trials]
        return psc

    def _scaled(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        return np.asarray(np.divide(stored, self._divisor, dtype=np.float32))

    @cached_property
    def _divisor(self) -> np.float32:
        return np.float32(self.stored_per_psc)

    @cached_property
    def _invalid(self) -> tuple[NDArray[np.int64], ...]:
        """Per session, the columns without data."""
        return tuple(np.flatnonzero(~row) for row in self.valid)

    @cached_property
    def _always_valid(self) -> NDArray[np.bool_]:
        return np.asarray(self.valid.all(axis=0))


def open_betas(
    files: SubjectFiles,
    space: Space,
    version: BetaVersion,
    mask: MaskOrMasks,
    progress: Progress,
    cache: Path | None = None,
) -> BetaMatrix:
    """Return the responses of the sites in `mask`, building the cache if it is not there.

    Parameters
    ----------
    mask
        X × Y × Z, or one (n_vertices,) mask a hemisphere; the columns follow its true places in C
        order, the left hemisphere first.
    cache
        Folder for the cache; the subject's own where None.

    Raises
    ------
    RequestError
        If the mask is empty.
    DataError
        If there are no betas, or a file is damaged or of another grid.
    """
    sites = sites_of(mask)
    digest = hashlib.sha256(_mask_bytes(mask)).hexdigest()
    plan = _plan(files, space, version, sites, digest)
    folder = (cache or files.cache) / f"betas_{space.value}_{version.short}_{digest[:12]}"
    arrays = open_cache(folder, plan, progress)
    scale = 1.0 if plan.dtype.kind == "f" else STORED_PER_PSC
    return BetaMatrix(arrays.by_trial, arrays.by_site, arrays.valid, sites, scale)


def _mask_bytes(mask: MaskOrMasks) -> bytes:
    if isinstance(mask, Mapping):
        return b"".join(h.value.encode() + _mask_bytes(mask[h]) for h in Hemisphere if h in mask)
    return np.packbits(mask).tobytes() + str(mask.shape).encode()


def _plan(
    files: SubjectFiles, space: Space, version: BetaVersion, sites: Sites, digest: str
) -> CachePlan:
    numbers = files.sessions(space, version)
    by_session: dict[int, list[BetaFile]] = {number: [] for number in numbers}
    for file in files.beta_files(space, version):
        by_session[file.session].append(file)
    sessions = {s: _parts(files, space, version, s, by_session[s], sites) for s in numbers}
    sources = [source for parts in sessions.values() for source in parts.sources]
    return CachePlan(
        sessions,
        len(sites),
        _count_trials(sources, version),
        sources[0].dtype,
        {"subject": files.number, "space": space.value, "version": version.value, "mask": digest},
    )


def _parts(
    files: SubjectFiles,
    space: Space,
    version: BetaVersion,
    session: int,
    beta_files: list[BetaFile],
    sites: Sites,
) -> SessionParts:
    sources, columns = [], []
    paths = [file.path for file in beta_files]
    valid_file = None
    if isinstance(sites, Vertices):
        here = {file.hemisphere: file for file in beta_files}
        for hemisphere, vertices in sites.vertex.items():
            if hemisphere not in here:
                raise DataError(
                    f"Session {session} has no betas of the {hemisphere.name.lower()} hemisphere "
                    f"in {files.betas_folder(space, version)}; download "
                    f"'{hemisphere.value}.betas_session{session:02d}', or choose a mask of the "
                    "other one."
                )
            shape = (sites.n_vertices[hemisphere],)
            sources.append(BetaSource(here[hemisphere], shape, vertices))
            columns.append(sites.columns(hemisphere))
    else:
        sources.append(BetaSource(beta_files[0], sites.shape, sites.flat))
        columns.append(slice(0, len(sites)))
        valid_file = _valid_file(files, space, version, session)
        paths += [valid_file] if valid_file.exists() else []
    allowed = partial(_allowed, sites, valid_file)
    return SessionParts(tuple(sources), tuple(columns), allowed, fingerprints(paths))


def _allowed(sites: Sites, valid_file: Path | None) -> Mask:
    """Return (n_sites,) which sites a session's mask allows: all, where there is none."""
    if not isinstance(sites, Voxels) or valid_file is None or not valid_file.exists():
        return np.ones(len(sites), bool)
    return np.asarray(_read_valid(valid_file, sites.shape)[tuple(sites.ijk.T)])


def _valid_file(files: SubjectFiles, space: Space, version: BetaVersion, session: int) -> Path:
    experiment = version.experiment
    if experiment in (Experiment.SYNTHETIC, Experiment.IMAGERY):
        return files.volume(space, f"valid_{experiment.value}")
    return files.valid_mask(space, session)


def _read_valid(path: Path, shape: tuple[int, int, int]) -> Mask:
    volume = read_volume(path)
    if volume.shape != shape:
        raise DataError(
            f"{path} has the grid {volume.shape} where {shape} is expected; the files are of "
            "different subjects or spaces: download it again."
        )
    return np.asarray(volume > 0)


def _count_trials(sources: list[BetaSource], version: BetaVersion) -> int:
    """Return the trials of a session: 750 in the core experiment, else what the file says."""
    core = version.experiment is Experiment.CORE
    return TRIALS_PER_SESSION if core else read_header(sources[0].file).n_trials
