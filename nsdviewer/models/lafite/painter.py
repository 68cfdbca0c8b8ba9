"""LAFITE ready to use."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from nsdviewer.errors import CheckpointError, RequestError
from nsdviewer.jobs import Progress, SilentProgress
from nsdviewer.models.checkpoints import load_checkpoint
from nsdviewer.models.lafite.config import LafiteConfig
from nsdviewer.models.lafite.generator import Generator
from nsdviewer.models.painter import (
    FilePainter,
    Preview,
    Seeds,
    checked_embeddings,
    noise_of_each,
    seed_of_each,
    to_pixels,
)

KIND = "lafite"
_BATCH = 16


@dataclass(frozen=True)
class LafitePainter(FilePainter):
    """A LAFITE generator; see `nsdviewer.models.painter.Painter`."""

    network: Generator

    @property
    def name(self) -> str:
        """What figures say of it."""
        return f"LAFITE {self.resolution}²"

    def paint(
        self,
        embeddings: NDArray[np.float32],
        seed: Seeds,
        progress: Progress | None = None,
        preview: Preview | None = None,
    ) -> NDArray[np.uint8]:
        """Return (n, r, r, 3) pictures of (n, n_embedding) unit vectors; see `Painter.paint`.

        A network of two branches takes (n, 2, n_embedding) as well: image, then caption.
        """
        progress = progress or SilentProgress()
        vectors = self._checked(embeddings)
        z = noise_of_each(seed_of_each(seed, len(vectors)), (self.network.config.n_z,))
        device = next(self.network.parameters()).device
        rows = [np.zeros((0, self.resolution, self.resolution, 3), np.uint8)]
        for start in range(0, len(vectors), _BATCH):
            progress.report(start / len(vectors), f"painting {start + 1} of {len(vectors)}")
            part = slice(start, start + _BATCH)
            with torch.inference_mode():
                rows.append(to_pixels(self.network(z[part].to(device), vectors[part].to(device))))
        return np.concatenate(rows)

    def _checked(self, embeddings: NDArray[np.float32]) -> torch.Tensor:
        config, values = self.network.config, np.asarray(embeddings)
        if config.n_branches == 2 and values.ndim == 3 and values.shape[1] == 2:
            flat = checked_embeddings(values.reshape(-1, values.shape[2]), self.n_embedding)
            return flat.view(values.shape)
        return both_branches(config, checked_embeddings(values, self.n_embedding))


def both_branches(config: LafiteConfig, embeddings: torch.Tensor) -> torch.Tensor:
    """Return embeddings as a network of `config` takes them.

    With two branches, (n, d) serve as image and caption alike.
    """
    if config.n_branches == 1 or embeddings.ndim == 3:
        return embeddings
    return embeddings[:, None].expand(-1, config.n_branches, -1)


def load_lafite(path: Path, device: torch.device | None = None) -> LafitePainter:
    """Read a LAFITE generator.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or its tensors do not fit its header.
    """
    header, tensors = load_checkpoint(path, KIND)
    try:
        network = Generator(LafiteConfig.from_dict(header["network"]))
        network.load_state_dict({k: v.float() for k, v in tensors.items()})
    except (KeyError, TypeError, RuntimeError, RequestError) as error:
        raise CheckpointError(
            f"The tensors of {path} do not fit its header ({str(error).splitlines()[0]}); train or "
            "download it again."
        ) from error
    network = network.eval().requires_grad_(False)
    return LafitePainter(header, path, network.to(device or torch.device("cpu")))
