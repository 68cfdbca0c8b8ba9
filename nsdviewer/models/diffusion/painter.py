"""The flow-matching decoder ready to use."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from nsdviewer.errors import CheckpointError, RequestError
from nsdviewer.jobs import Progress, SilentProgress
from nsdviewer.models.checkpoints import load_checkpoint
from nsdviewer.models.diffusion.config import FlowConfig
from nsdviewer.models.diffusion.flow import guided, sample_path
from nsdviewer.models.diffusion.network import FlowNetwork
from nsdviewer.models.painter import (
    FilePainter,
    Preview,
    Seeds,
    checked_embeddings,
    noise_of_each,
    seed_of_each,
    to_pixels,
)

KIND = "flow"
_BATCH = 16


@dataclass(frozen=True)
class FlowPainter(FilePainter):
    """A flow-matching decoder; see `nsdviewer.models.painter.Painter`.

    Attributes
    ----------
    n_steps
        Steps from noise to picture.
    order
        Of the steps; see `sample_path`.
    guidance
        How far beyond the picture without an embedding towards the one with it; 1 is no guidance.
    """

    network: FlowNetwork
    n_steps: int
    guidance: float
    order: int = 2

    @property
    def name(self) -> str:
        """What figures say of it."""
        return f"flow-matching decoder {self.resolution}²"

    def paint(
        self,
        embeddings: NDArray[np.float32],
        seed: Seeds,
        progress: Progress | None = None,
        preview: Preview | None = None,
    ) -> NDArray[np.uint8]:
        """Return (n, r, r, 3) pictures of (n, n_embedding) unit vectors; see `Painter.paint`."""
        progress = progress or SilentProgress()
        vectors = checked_embeddings(embeddings, self.n_embedding)
        side = self.resolution
        noise = noise_of_each(seed_of_each(seed, len(vectors)), (3, side, side))
        device = next(self.network.parameters()).device
        pictures = np.zeros((len(vectors), side, side, 3), np.uint8)
        for start in range(0, len(vectors), _BATCH):
            part = slice(start, start + _BATCH)
            watch = _Watch(pictures, part, progress, preview)
            predict = guided(self.network, vectors[part].to(device), self.guidance)
            with torch.inference_mode():
                painted = sample_path(
                    predict, noise[part].to(device), self.n_steps, watch, self.order
                )
            pictures[part] = to_pixels(painted)
        return pictures


@dataclass(frozen=True)
class _Watch:
    """Tells a person of a batch on its way, among all pictures."""

    pictures: NDArray[np.uint8]
    part: slice
    progress: Progress
    preview: Preview | None

    def __call__(self, fraction: float, told: torch.Tensor) -> None:
        """Report a fraction of the batch, and show the pictures as they stand."""
        share = (self.part.start + fraction * len(told)) / len(self.pictures)
        self.progress.report(share, "painting")
        if self.preview is not None:
            self.pictures[self.part] = to_pixels(told)
            self.preview(share, self.pictures.copy())


def load_flow(path: Path, device: torch.device | None = None) -> FlowPainter:
    """Read a flow-matching decoder.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or its tensors do not fit its header.
    """
    header, tensors = load_checkpoint(path, KIND)
    try:
        network = FlowNetwork(FlowConfig(**header["network"]))
        network.load_state_dict({k: v.float() for k, v in tensors.items()})
        n_steps = int(header["sampling"]["n_steps"])
        guidance = float(header["sampling"]["guidance"])
        order = int(header["sampling"]["order"])
    except (KeyError, TypeError, ValueError, RuntimeError, RequestError) as error:
        raise CheckpointError(
            f"The tensors of {path} do not fit its header ({str(error).splitlines()[0]}); train or "
            "download it again."
        ) from error
    network = network.eval().requires_grad_(False)
    network = network.to(device or torch.device("cpu"))
    return FlowPainter(header, path, network, n_steps, guidance, order)
