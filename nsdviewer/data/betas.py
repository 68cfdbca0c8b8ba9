"""Single-trial responses in percent signal change, read through a cache made for the purpose.

NSD's HDF5 files hold one chunk a voxel, all 750 trials in it: a voxel is quick to read, a trial
touches every chunk. The cache holds the masked voxels trial by trial, in NSD's own int16
encoding, and is mapped into memory.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.layout import SubjectFiles
from nsdviewer.data.trials import TRIALS_PER_SESSION
from nsdviewer.data.volumes import read_volume
from nsdviewer.errors import DataError, RequestError
from nsdviewer.files import atomic_path, file_fingerprint, write_json
from nsdviewer.jobs import PartProgress, Progress
from nsdviewer.state import BetaVersion, Space

# Volume betas are stored as int16 of 300 × percent signal change.
STORED_PER_PSC = 300.0
_SLAB_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class BetaMatrix:
    """Responses of masked voxels, memory-mapped.

    Attributes
    ----------
    stored
        (n_trials, n_voxels) int16; row t is trial t of the experiment, NSD's encoding.
    valid
        (n_sessions, n_voxels) whether the voxel has data in the session; session 1 in row 0.
    ijk
        (n_voxels, 3) 0-based voxel indices in C order.
    shape
        Grid of the volume.
    """

    stored: NDArray[np.int16]
    valid: NDArray[np.bool_]
    ijk: NDArray[np.int64]
    shape: tuple[int, int, int]

    @property
    def n_voxels(self) -> int:
        """Number of voxels in the mask."""
        return len(self.ijk)

    def psc(
        self, trials: NDArray[np.int64], columns: NDArray[np.int64] | None = None
    ) -> NDArray[np.float32]:
        """Return (n_trials, n_voxels) percent signal change; NaN where a session has no data."""
        block, valid = self.stored[trials], self.valid
        if columns is not None:
            block, valid = block[:, columns], valid[:, columns]
        psc = block.astype(np.float32)
        psc /= STORED_PER_PSC
        psc[~valid[np.asarray(trials) // TRIALS_PER_SESSION]] = np.nan
        return psc

    def columns_of(self, ijk: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the columns of the voxels `ijk` (n, 3), −1 for those outside the mask."""
        flat = np.ravel_multi_index(tuple(self.ijk.T), self.shape)
        wanted = np.ravel_multi_index(tuple(np.asarray(ijk).T), self.shape)
        position = np.searchsorted(flat, wanted).clip(max=len(flat) - 1)
        return np.where(flat[position] == wanted, position, -1)


def open_betas(
    files: SubjectFiles,
    space: Space,
    version: BetaVersion,
    mask: NDArray[np.bool_],
    progress: Progress,
) -> BetaMatrix:
    """Return the responses of the voxels in `mask`, building the cache if it is not there.

    Parameters
    ----------
    mask
        X × Y × Z; the columns follow its true voxels in C order.

    Raises
    ------
    RequestError
        If the space has no volumes, or the mask is empty.
    DataError
        If a file is damaged or of another grid.
    """
    if space not in (Space.FUNC1PT8MM, Space.FUNC1MM):
        raise RequestError(f"Betas in {space.value} are not yet read; choose func1pt8mm.")
    if not mask.any():
        raise RequestError("The mask holds no voxel; choose another ROI.")
    sessions = files.sessions(space, version)
    sources = [files.betas(space, version, s) for s in sessions]
    digest = hashlib.sha256(np.packbits(mask).tobytes() + str(mask.shape).encode())
    folder = files.cache / f"betas_{space.value}_{version.short}_{digest.hexdigest()[:12]}"
    ledger = {
        "shape": list(mask.shape),
        "sources": {p.name: file_fingerprint(p) for p in sources},
        "valid": _valid_fingerprints(files, space, sessions),
        "n_voxels": int(mask.sum()),
    }
    data_file, valid_file = folder / "stored.npy", folder / "valid.npy"
    ledger_file = folder / "source.json"
    if not (data_file.exists() and valid_file.exists() and _read_json(ledger_file) == ledger):
        ledger_file.unlink(missing_ok=True)
        valid = _build(files, space, version, mask, sessions, data_file, progress)
        with atomic_path(valid_file) as temporary:
            np.save(temporary, valid)
        # The ledger comes last: without it the cache counts as absent.
        write_json(ledger_file, ledger)
    stored = np.load(data_file, mmap_mode="r")
    shape = (mask.shape[0], mask.shape[1], mask.shape[2])
    return BetaMatrix(stored, np.load(valid_file), np.argwhere(mask), shape)


def _valid_fingerprints(
    files: SubjectFiles, space: Space, sessions: tuple[int, ...]
) -> dict[str, str]:
    paths = [files.valid_mask(space, s) for s in sessions]
    return {p.name: file_fingerprint(p) for p in paths if p.exists()}


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None


def _build(
    files: SubjectFiles,
    space: Space,
    version: BetaVersion,
    mask: NDArray[np.bool_],
    sessions: tuple[int, ...],
    target: Path,
    progress: Progress,
) -> NDArray[np.bool_]:
    """Write the cache's data; returns which voxels have data in which session."""
    n_trials = TRIALS_PER_SESSION * max(sessions)
    has_data = np.zeros((max(sessions), int(mask.sum())), bool)
    with atomic_path(target) as temporary:
        stored = np.lib.format.open_memmap(
            temporary, mode="w+", dtype=np.int16, shape=(n_trials, int(mask.sum()))
        )
        for index, session in enumerate(range(1, max(sessions) + 1)):
            rows = stored[index * TRIALS_PER_SESSION : (index + 1) * TRIALS_PER_SESSION]
            if session not in sessions:
                continue
            part = PartProgress(progress, index / max(sessions), (index + 1) / max(sessions))
            _read_session(files.betas(space, version, session), mask, rows, part)
            # A voxel that is zero in every trial has no data, whatever the valid mask says.
            has_data[index] = _session_validity(files, space, session, mask) & rows.any(axis=0)
        stored.flush()
        del stored
    progress.report(1.0, "betas cached")
    return has_data


def _session_validity(
    files: SubjectFiles, space: Space, session: int, mask: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which voxels of the mask have data in this session (n_voxels,); all, where no file says."""
    path = files.valid_mask(space, session)
    if not path.exists():
        return np.ones(int(mask.sum()), bool)
    volume = read_volume(path)
    _require_shape(volume.shape, mask.shape, path)
    return np.asarray(volume[mask] > 0)


def _require_shape(found: tuple[int, ...], wanted: tuple[int, ...], path: Path) -> None:
    if tuple(found) != tuple(wanted):
        raise DataError(
            f"{path} has the grid {found} where {wanted} is expected; the files are of different "
            "subjects or spaces: download it again."
        )


def _read_session(
    path: Path,
    mask: NDArray[np.bool_],
    rows: NDArray[np.int16],
    progress: Progress,
) -> None:
    """Fill `rows` (750, n_voxels) from one HDF5 file, slab by slab along the first axis of disk."""
    try:
        with h5py.File(path, "r") as file:
            if "betas" not in file:
                raise DataError(f"{path} holds no dataset 'betas'; download it again.")
            dataset = file["betas"]
            # Python sees MATLAB's axes reversed: (trial, Z, Y, X).
            _require_shape(dataset.shape[:0:-1], mask.shape, path)
            if dataset.shape[0] != len(rows):
                raise DataError(
                    f"{path} holds {dataset.shape[0]} trials where a session has {len(rows)}; "
                    "download it again."
                )
            _copy_slabs(dataset, mask, rows, progress, path.name)
    except OSError as error:
        raise DataError(f"{path} is damaged or truncated ({error}); download it again.") from error


def _copy_slabs(
    dataset: h5py.Dataset,
    mask: NDArray[np.bool_],
    rows: NDArray[np.int16],
    progress: Progress,
    name: str,
) -> None:
    n_trials, n_z, n_y, n_x = dataset.shape
    column = np.full(mask.shape, -1, dtype=np.int64)
    column[mask] = np.arange(int(mask.sum()))
    depth = max(1, _SLAB_BYTES // (n_trials * n_y * n_x * 2))
    for z in range(0, n_z, depth):
        progress.report(z / n_z, f"reading {name}")
        inside = column[:, :, z : z + depth]
        if not (inside >= 0).any():
            continue
        x = np.flatnonzero(np.any(inside >= 0, axis=(1, 2)))
        y = np.flatnonzero(np.any(inside >= 0, axis=(0, 2)))
        box = np.s_[x[0] : x[-1] + 1, y[0] : y[-1] + 1]
        slab = dataset[:, z : z + depth, box[1], box[0]].transpose(0, 3, 2, 1)
        chosen = inside[box]
        rows[:, chosen[chosen >= 0]] = slab[:, chosen >= 0]
