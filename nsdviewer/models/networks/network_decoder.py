"""What a finished training becomes: a network that decodes one subject's responses."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from nsdviewer.errors import CheckpointError
from nsdviewer.models.checkpoints import load_checkpoint
from nsdviewer.models.networks.joint import JointSpace
from nsdviewer.models.networks.plan import TrainingPlan
from nsdviewer.models.networks.registry import build_network
from nsdviewer.models.networks.run import subject_number
from nsdviewer.models.runs.run_files import BEST_FILE, BEST_KIND, read_log

_ROWS_AT_ONCE = 256
_HEADER = "network"
_PREFIX = "network."


@dataclass(frozen=True)
class NetworkDecoder:
    """A trained network with one subject's input.

    Attributes
    ----------
    summary
        Of its training: epoch and figures of the best weights, number of epochs, seconds, batch
        size and device.
    """

    plan: TrainingPlan
    network: nn.Module
    n_voxels: int
    n_embedding: int
    summary: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the network in its registry; what a file's header calls ``model``."""
        return self.plan.network

    def decode(self, z: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, n_embedding) unit vectors for z-scored responses (n, n_voxels).

        NaN counts as 0, the mean of a z-score.
        """
        device = next(self.network.parameters()).device
        rows = [np.zeros((0, self.n_embedding), np.float32)]
        for start in range(0, len(z), _ROWS_AT_ONCE):
            batch = _clean(z[start : start + _ROWS_AT_ONCE]).to(device)
            with torch.inference_mode():
                rows.append(F.normalize(self.network(batch), dim=1).cpu().numpy())
        return np.concatenate(rows)

    def sensitivity(
        self, direction: NDArray[np.float32], z: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Return (n_voxels,) the gradient of direction · ê with respect to a response.

        The nonlinear counterpart of a decoder's weights: what the decoder listens to, which is no
        map of activation.

        Parameters
        ----------
        direction
            (n_embedding,).
        z
            (n, n_voxels) responses at which the gradient is taken, and averaged; the mean response,
            0 everywhere, where None.
        """
        points = np.zeros((1, self.n_voxels), np.float32) if z is None else z
        device = next(self.network.parameters()).device
        along = torch.from_numpy(np.ascontiguousarray(direction, np.float32)).to(device)
        total = torch.zeros(self.n_voxels, dtype=torch.float64)
        for start in range(0, len(points), _ROWS_AT_ONCE):
            batch = _clean(points[start : start + _ROWS_AT_ONCE]).to(device).requires_grad_()
            projected = (F.normalize(self.network(batch), dim=1) @ along).sum()
            (gradient,) = torch.autograd.grad(projected, batch)
            total += gradient.sum(0).double().cpu()
        return (total / len(points)).float().numpy()

    def header(self) -> dict[str, Any]:
        """Return the part of a file's header that describes the network."""
        return {
            _HEADER: {
                "plan": self.plan.to_dict(),
                "n_voxels": self.n_voxels,
                "n_embedding": self.n_embedding,
                "summary": self.summary,
            }
        }

    def to_tensors(self) -> dict[str, torch.Tensor]:
        """Return the weights under names that no other part of a decoder's file has."""
        return {_PREFIX + key: value for key, value in self.network.state_dict().items()}

    @classmethod
    def from_tensors(cls, header: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Self:
        """Return the decoder of a file's header and tensors; parts of others are passed over.

        Raises
        ------
        CheckpointError
            If the tensors do not fit the header.
        """
        own = {
            key.removeprefix(_PREFIX): value
            for key, value in tensors.items()
            if key.startswith(_PREFIX)
        }
        try:
            part = header[_HEADER]
            plan = TrainingPlan.from_dict(part["plan"], "The decoder's file")
            sizes = (part["n_voxels"], part["n_embedding"])
            network = _filled(plan, [sizes[0]], sizes[1], own)
            return cls(plan, network, *sizes, part["summary"])
        except (KeyError, TypeError, RuntimeError) as error:
            raise CheckpointError(
                f"The network's tensors do not fit their header ({str(error).splitlines()[0]}); "
                "fit the decoder again."
            ) from error

    @classmethod
    def from_run(cls, folder: Path, subject: str | None = None) -> Self:
        """Return the decoder with the best weights of a run folder, finished or not.

        Parameters
        ----------
        subject
            Whose responses it decodes; the first subject of the training where None.

        Raises
        ------
        CheckpointError
            If there are no weights yet, or they are damaged.
        RequestError
            If the training knows no such subject.
        """
        path = folder / BEST_FILE
        header, tensors = load_checkpoint(path, BEST_KIND)
        plan = TrainingPlan.from_dict(header["plan"], str(path))
        number = subject_number(header["subjects"], subject, f"The training in {folder}")
        try:
            network = _filled(plan, header["n_voxels"], header["n_embedding"], tensors)
        except RuntimeError as error:
            raise CheckpointError(
                f"The tensors of {path} do not fit its header; train again."
            ) from error
        if isinstance(network, JointSpace):
            network.keep_subject(number)
        lines = [line for line in read_log(folder) if "held_out_loss" in line]
        summary = {
            **header["best"],
            "n_epochs": round(lines[-1]["epoch"]) if lines else 0,
            **{key: header[key] for key in ("seconds", "batch_size", "device", "finished")},
        }
        return cls(plan, network, header["n_voxels"][number], header["n_embedding"], summary)

    def to(self, device: torch.device) -> Self:
        """Return the decoder on another device."""
        network = copy.deepcopy(self.network).to(device)
        return type(self)(self.plan, network, self.n_voxels, self.n_embedding, self.summary)


def _filled(
    plan: TrainingPlan, n_voxels: list[int], n_embedding: int, tensors: dict[str, torch.Tensor]
) -> nn.Module:
    with torch.device("meta"):  # no random weights for what is overwritten
        network = build_network(plan.network, n_voxels, n_embedding, plan.sizes)
    network.load_state_dict(tensors, assign=True)
    return network.eval().requires_grad_(False)


def _clean(z: NDArray[np.float32]) -> torch.Tensor:
    return torch.from_numpy(np.nan_to_num(np.asarray(z, np.float32), nan=0.0))
