"""What decoder and encoder files share: whose voxels they speak of, and how these were scaled."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nsdviewer.data.betas.zscores import SessionStatistics
from nsdviewer.errors import CheckpointError
from nsdviewer.models.ridge import RidgeFit
from nsdviewer.state import BetaVersion, Space


@dataclass(frozen=True)
class MappingHeader:
    """Everything needed to use a fitted map, apart from its arrays.

    Attributes
    ----------
    roi
        ROI expression whose voxels were used.
    shape
        Grid of the volume.
    split
        Name of the split; its training trials gave the statistics.
    n_images, n_trials
        Size of the training set.
    scores
        Named figures measured on held-out pictures.
    """

    subject: int
    space: str
    version: str
    roi: str
    shape: tuple[int, int, int]
    embedding: str
    embedding_title: str
    split: str
    seed: int
    n_images: int
    n_trials: int
    simulated: bool
    scores: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, header: dict[str, Any], path: Path) -> "MappingHeader":
        """Read a checkpoint's header; raises `CheckpointError` if a field is missing."""
        try:
            values = {name: header[name] for name in cls.__dataclass_fields__}
        except KeyError as error:
            raise CheckpointError(f"{path} lacks {error} in its header; fit it again.") from error
        values["shape"] = tuple(values["shape"])
        return cls(**values)

    def require(self, subject: int, space: Space, version: BetaVersion, embedding: str) -> None:
        """Raise `CheckpointError` unless the map was fitted for exactly these."""
        wanted = {
            "subject": subject,
            "space": space.value,
            "version": version.value,
            "embedding": embedding,
        }
        for name, value in wanted.items():
            found = getattr(self, name)
            if found != value:
                raise CheckpointError(
                    f"The model was fitted for {name} {found}, not {value}; fit one for {name} "
                    f"{value} with 'nsdviewer fit'."
                )


def shared_tensors(
    ijk: NDArray[np.int64], statistics: SessionStatistics, ridge: RidgeFit
) -> dict[str, NDArray[Any]]:
    """Return the arrays that both kinds of file hold."""
    return {
        "ijk": ijk.astype(np.int32),
        "session_mean_psc": statistics.mean_psc,
        "session_sd_psc": statistics.sd_psc,
        "weights": ridge.weights,
        "x_mean": ridge.x_mean,
        "y_mean": ridge.y_mean,
        "alphas": ridge.alphas,
        "cv_r2": ridge.cv_r2,
    }


def read_shared_tensors(
    tensors: dict[str, torch.Tensor],
) -> tuple[NDArray[np.int64], SessionStatistics, RidgeFit]:
    """Return what `shared_tensors` was given."""
    a = {name: tensor.numpy() for name, tensor in tensors.items()}
    statistics = SessionStatistics(a["session_mean_psc"], a["session_sd_psc"])
    ridge = RidgeFit(a["weights"], a["x_mean"], a["y_mean"], a["alphas"], a["cv_r2"])
    return a["ijk"].astype(np.int64), statistics, ridge
