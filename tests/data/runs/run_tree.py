"""Time series and their companions on disk, written from section 5.2 of the format alone."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np

from nsdviewer.data.layout import NsdRoot, SubjectFiles
from nsdviewer.state import Space

LOW, HIGH = Space.FUNC1PT8MM, Space.FUNC1MM
SHAPE = (5, 4, 3)
# By space: seconds a volume, volumes, rows from one 4-s slot to the next.
GRID = {LOW: (4 / 3, 226, 3), HIGH: (1.0, 301, 4)}
SCAN_S = 188 * 1.606425


def files_of(root: Path, subject: int = 1) -> SubjectFiles:
    return SubjectFiles(NsdRoot(root), subject)


def write_nifti(path: Path, data: np.ndarray, tr_s: float) -> None:
    """NSD's header: sform 1, qform 0, no units, slope 0."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = nib.Nifti1Header()
    header.set_data_dtype(data.dtype)
    header.set_data_shape(data.shape)
    header["pixdim"][4] = tr_s
    header["sform_code"], header["qform_code"], header["vox_offset"] = 1, 0, 352
    content = header.binaryblock + bytes(4) + data.tobytes(order="F")
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)


def write_rows(path: Path, rows: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = np.atleast_2d(rows.T).T
    path.write_text("".join("\t".join(f"{x:.9g}" for x in row) + "\n" for row in rows))


def volumes_of(file_run: int, space: Space = LOW) -> np.ndarray:
    """Every voxel, volume and run has values of its own; the first layer has no data."""
    n = GRID[space][1]
    values = np.random.default_rng(file_run).integers(1, 3000, (*SHAPE, n)).astype(np.int16)
    values[0] = 0
    return values


def write_run(
    files: SubjectFiles, name: str, file_run: int, slots: np.ndarray, ids: np.ndarray, space: Space
) -> None:
    """Volumes, motion and design as in section 5.2 of the format; 73k ids count from 1."""
    tr_s, n, step = GRID[space]
    folder = files.timeseries / space.value
    run = f"{name}_run{file_run:02d}"
    write_nifti(folder / f"timeseries/timeseries_{run}.nii.gz", volumes_of(file_run, space), tr_s)
    write_rows(folder / f"motion/motion_{run}.tsv", np.arange(n * 6).reshape(n, 6) / 7 + file_run)
    design = np.zeros(n - 1)
    design[slots * step] = ids
    write_rows(folder / f"design/design_{run}.tsv", design)


def plan_of(nsd_run: int) -> tuple[np.ndarray, np.ndarray]:
    """Slots and 1-based ids of a run: 63 trials in odd runs, 62 in even ones."""
    rng = np.random.default_rng(nsd_run)
    n = 63 if nsd_run % 2 else 62
    return np.sort(rng.choice(np.arange(3, 72), n, replace=False)), rng.integers(1, 73_001, n)


def write_session(files: SubjectFiles, session: int, rest: bool, space: Space = LOW) -> None:
    nothing = np.zeros(0, int)
    for run in range(1, 13):
        write_run(files, f"session{session:02d}", run + rest, *plan_of(run), space)
    for run in (1, 14) if rest else ():
        write_run(files, f"session{session:02d}", run, nothing, nothing, space)


def touch(files: SubjectFiles, *names: str) -> None:
    for name in names:
        path = files.timeseries / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
