"""How well a network does on the pictures that it does not learn from."""

from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from nsdviewer.models.networks.batches import read_rows
from nsdviewer.models.networks.data import SubjectTrials, TrainingData
from nsdviewer.models.networks.objective import Objective

_ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class HeldOutScore:
    """Figures on held-out pictures, each picture's trials averaged before decoding.

    Attributes
    ----------
    loss
        The plan's loss without mixing and generator, over all of them at once.
    cosine
        Mean cosine between decoded and true embedding.
    two_way
        Two-way identification: how often a decoded embedding correlates more with its own picture's
        than with another's; chance 0.5.
    """

    loss: float
    cosine: float
    two_way: float

    def to_dict(self) -> dict[str, float]:
        """Return the figures by name, as the log has them."""
        return {f"held_out_{name}": value for name, value in asdict(self).items()}


class HeldOut:
    """The held-out pictures of a training run, ready to be decoded again and again."""

    def __init__(
        self, data: TrainingData, is_held_out: NDArray[np.bool_], targets: torch.Tensor
    ) -> None:
        averaged = [average_by_picture(s, is_held_out) for s in data.subjects]
        self._z = [z for z, _ in averaged]
        images = np.concatenate([image for _, image in averaged])
        self._targets = targets[torch.from_numpy(images).to(targets.device)]

    def score(self, network: nn.Module, objective: Objective) -> HeldOutScore:
        """Return the figures; the network is left in the mode that it was in."""
        was_training = network.training
        network.eval()
        with torch.no_grad():
            parts = [
                predict_rows(network, z, number, len(self._z), self._targets.device)
                for number, z in enumerate(self._z)
            ]
            prediction = torch.cat(parts)
            terms = objective.terms(prediction, self._targets)
            loss = float(torch.stack(list(terms.values())).sum())
            cosine = float(F.cosine_similarity(prediction, self._targets, dim=1).mean())
            two_way = two_way_identification(prediction, self._targets)
        network.train(was_training)
        return HeldOutScore(loss, cosine, two_way)


def predict_rows(
    network: nn.Module, z: torch.Tensor, number: int, n_subjects: int, device: torch.device
) -> torch.Tensor:
    """Return (n, d) predictions, in pieces, for rows of subject `number` among `n_subjects`."""
    first = next(network.parameters())
    pieces = []
    for start in range(0, max(len(z), 1), _ROWS_AT_ONCE):
        piece = z[start : start + _ROWS_AT_ONCE].to(device, first.dtype)
        if n_subjects == 1:
            pieces.append(network(piece))
            continue
        layers = list(network.subjects)  # type: ignore[arg-type]  # only a JointSpace has several
        pieces.append(network.backbone(layers[number](piece)))  # type: ignore[operator]
    return torch.cat(pieces).float()


def average_by_picture(
    trials: SubjectTrials, is_wanted: NDArray[np.bool_]
) -> tuple[torch.Tensor, NDArray[np.int64]]:
    """Return (n, n_voxels) mean responses to the wanted pictures a subject saw, and which they are.

    NaN counts as 0, the mean of a z-score.
    """
    image = np.asarray(trials.image)
    rows = np.flatnonzero(is_wanted[image])
    images, place = np.unique(image[rows], return_inverse=True)
    total = torch.zeros(len(images), trials.z.shape[1])
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        total.index_add_(0, torch.from_numpy(place[part]), read_rows(trials.z, rows[part]))
    counts = torch.from_numpy(np.bincount(place, minlength=len(images))).float()
    return total / counts[:, None], images


def two_way_identification(prediction: torch.Tensor, target: torch.Tensor) -> float:
    """Return the mean over j of the share of i ≠ j with r(target_i, p_j) < r(target_j, p_j)."""
    p, t = (F.normalize(x - x.mean(1, keepdim=True), dim=1) for x in (prediction, target))
    r = t @ p.T  # (i, j)
    wins = (r < r.diagonal()).sum().item()
    return wins / (len(r) * (len(r) - 1))
