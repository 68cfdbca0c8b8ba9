"""What decoder and encoder files share: whose voxels they speak of, and how these were scaled."""

from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nsdviewer.data.betas.sites import Sites, Vertices, Voxels
from nsdviewer.data.betas.zscores import SessionStatistics
from nsdviewer.errors import CheckpointError
from nsdviewer.models.regression.ridge import RidgeFit
from nsdviewer.state import BetaVersion, Hemisphere, Space


@dataclass(frozen=True)
class MappingHeader:
    """Everything needed to use a fitted map, apart from its arrays.

    Attributes
    ----------
    roi
        ROI expression whose voxels were used.
    shape
        Grid of the volume; empty for vertices.
    model
        Name of the model in its registry.
    run_folder
        Where a network was trained; a joint training's folder serves as a backbone.
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
    shape: tuple[int, ...]
    embedding: str
    embedding_title: str
    split: str
    seed: int
    n_images: int
    n_trials: int
    simulated: bool
    scores: dict[str, float]
    model: str = "ridge"
    run_folder: str = ""
    n_vertices: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, header: dict[str, Any], path: Path) -> "MappingHeader":
        """Read a checkpoint's header; raises `CheckpointError` if a field is missing."""
        names = {f.name: f for f in fields(cls)}
        values = {name: header[name] for name in names if name in header}
        for name, described in names.items():
            optional = described.default is not MISSING or described.default_factory is not MISSING
            if name not in values and not optional:
                raise CheckpointError(f"{path} lacks '{name}' in its header; fit it again.")
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


def site_fields(sites: Sites) -> dict[str, Any]:
    """Return the header's fields that say what grid or mesh `sites` are of."""
    if isinstance(sites, Voxels):
        return {"shape": sites.shape, "n_vertices": {}}
    return {"shape": (), "n_vertices": {h.value: n for h, n in sites.n_vertices.items()}}


def site_tensors(sites: Sites) -> dict[str, NDArray[Any]]:
    """Return the arrays that say which voxels or vertices a map speaks of."""
    if isinstance(sites, Voxels):
        return {"ijk": sites.ijk.astype(np.int32)}
    return {f"vertex.{h.value}": v.astype(np.int32) for h, v in sites.vertex.items()}


def read_sites(header: MappingHeader, tensors: dict[str, torch.Tensor], path: Path) -> Sites:
    """Return the sites that `site_fields` and `site_tensors` describe."""
    try:
        if header.shape:
            x, y, z = header.shape
            return Voxels((x, y, z), tensors["ijk"].numpy().astype(np.int64))
        here = [h for h in Hemisphere if h.value in header.n_vertices]
        return Vertices(
            {h: header.n_vertices[h.value] for h in here},
            {h: tensors[f"vertex.{h.value}"].numpy().astype(np.int64) for h in here},
        )
    except (KeyError, ValueError) as error:
        raise CheckpointError(
            f"{path} does not say which voxels it speaks of ({error}); fit it again."
        ) from error


def statistics_tensors(
    statistics: SessionStatistics, train_ids: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    """Return the arrays that say how responses are made comparable, and what was learnt from."""
    return {
        "session_mean_psc": statistics.mean_psc,
        "session_sd_psc": statistics.sd_psc,
        "train_ids": train_ids.astype(np.int32),
    }


def read_statistics(tensors: dict[str, torch.Tensor]) -> SessionStatistics:
    """Return what `statistics_tensors` was given."""
    return SessionStatistics(tensors["session_mean_psc"].numpy(), tensors["session_sd_psc"].numpy())


def read_train_ids(tensors: dict[str, torch.Tensor]) -> NDArray[np.int64]:
    """Return the 73k ids of the pictures that a model was fitted on; empty where it is not said."""
    if "train_ids" not in tensors:
        return np.zeros(0, np.int64)
    return np.asarray(tensors["train_ids"].numpy(), np.int64)


def ridge_tensors(ridge: RidgeFit) -> dict[str, NDArray[Any]]:
    """Return the arrays of a ridge fit."""
    return {
        "weights": ridge.weights,
        "x_mean": ridge.x_mean,
        "y_mean": ridge.y_mean,
        "alphas": ridge.alphas,
        "cv_r2": ridge.cv_r2,
    }


def read_ridge(tensors: dict[str, torch.Tensor]) -> RidgeFit:
    """Return what `ridge_tensors` was given."""
    names = ("weights", "x_mean", "y_mean", "alphas", "cv_r2")
    return RidgeFit(*(tensors[name].numpy() for name in names))
