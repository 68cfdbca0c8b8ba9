"""The planted truth of a simulated subject, kept beside the tree and never inside it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.simulate.tuning import Floats32, Ints, Kind, Tuning
from nsdviewer.errors import DataError
from nsdviewer.files import atomic_path


@dataclass(frozen=True)
class PlantedTruth:
    """What a simulated subject's n voxels (all of the brain mask) respond to.

    Attributes
    ----------
    embedding
        Name of the joint embedding that the weights belong to.
    ijk
        (n, 3) 0-based voxel indices on the functional grid.
    kind
        (n,) int8: 0 answers to nothing, 1 to contrast, 2 to the embedding.
    weights
        (n_embedding, d) float32 PSC per unit, one row for every voxel of kind 2, in their order.
    embedding_mean
        (d,) mean embedding of the images shown: a response is w · (e − mean).
    ncsnr
        (n,) float32 planted signal SD over noise SD.
    rf_x_deg, rf_y_deg, rf_size_deg
        (n,) float32 receptive fields (x right, y up); NaN outside V1–hV4.
    """

    subject: int
    embedding: str
    ijk: Ints
    kind: NDArray[np.int8]
    weights: Floats32
    embedding_mean: Floats32
    ncsnr: Floats32
    rf_x_deg: Floats32
    rf_y_deg: Floats32
    rf_size_deg: Floats32

    def concept_map(self, direction: NDArray[np.floating]) -> Floats32:
        """Return (n,) planted map w · direction; 0 for voxels not tuned to the embedding."""
        planted = np.zeros(len(self.kind), np.float32)
        planted[self.kind == Kind.EMBEDDING] = self.weights @ np.asarray(direction, np.float32)
        return planted


def truth_folder(root: Path) -> Path:
    """Return the folder beside `root` that holds its planted truth."""
    return root.with_name(root.name + ".truth")


def truth_path(folder: Path, subject: int) -> Path:
    """Return a subject's file in a truth folder."""
    return folder / f"subj{subject:02d}.npz"


def save_truth(folder: Path, subject: int, embedding: str, tuning: Tuning) -> None:
    """Write the planted truth of `subject` (1–8)."""
    with atomic_path(truth_path(folder, subject)) as path, path.open("wb") as stream:
        np.savez(
            stream,
            embedding=np.array(embedding),
            ijk=tuning.ijk,
            kind=tuning.kind,
            weights=tuning.weights,
            embedding_mean=tuning.embedding_mean,
            ncsnr=tuning.ncsnr.astype(np.float32),
            rf_x_deg=tuning.x_deg.astype(np.float32),
            rf_y_deg=tuning.y_deg.astype(np.float32),
            rf_size_deg=tuning.size_deg.astype(np.float32),
        )


def load_truth(root: Path, subject: int) -> PlantedTruth:
    """Read the planted truth of `subject` (1–8) of the simulated tree `root`.

    Raises
    ------
    DataError
        If there is none: real data, or the folder beside the tree was not copied along.
    """
    path = truth_path(truth_folder(Path(root)), subject)
    if not path.is_file():
        raise DataError(
            f"There is no planted truth of subject {subject} at {path}; only simulated data have "
            "one, and its folder has to lie beside the tree."
        )
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return PlantedTruth(subject=subject, embedding=str(arrays.pop("embedding")), **arrays)
