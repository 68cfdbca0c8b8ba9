"""From an embedding to a picture, with whichever generator file is at hand."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nsdviewer.errors import CheckpointError
from nsdviewer.models.checkpoints import load_checkpoint, read_header
from nsdviewer.models.lafite.config import LafiteConfig
from nsdviewer.models.lafite.generator import Generator
from nsdviewer.resources import resource_path

_BATCH = 16


@dataclass(frozen=True)
class Painter:
    """A generator ready to use.

    Attributes
    ----------
    path
        The file it was read from.
    """

    network: Generator
    header: dict[str, Any]
    path: Path

    @property
    def resolution(self) -> int:
        """Side of the picture in pixels."""
        return self.network.config.resolution

    @property
    def name(self) -> str:
        """What figures say of it."""
        return f"LAFITE {self.resolution}²"

    @property
    def embedding(self) -> str:
        """Name of the embedding it paints from."""
        return str(self.header["embedding"])

    def require(self, embedding: str) -> None:
        """Raise `CheckpointError` unless the generator paints from `embedding`."""
        if self.embedding != embedding:
            raise CheckpointError(
                f"The generator paints from the embedding '{self.embedding}', the decoder speaks "
                f"'{embedding}'; choose a generator trained with '{embedding}'."
            )

    def paint(self, embeddings: NDArray[np.float32], seed: int) -> NDArray[np.uint8]:
        """Return (n, r, r, 3) pictures of (n, n_embedding) unit vectors.

        All share one z, drawn from `seed`: what differs between them is the embedding's doing.
        """
        n_z = self.network.config.n_z
        z = torch.from_numpy(np.random.default_rng(seed).standard_normal((1, n_z))).float()
        rows = [np.zeros((0, self.resolution, self.resolution, 3), np.uint8)]
        for start in range(0, len(embeddings), _BATCH):
            batch = torch.from_numpy(np.ascontiguousarray(embeddings[start : start + _BATCH]))
            with torch.inference_mode():
                image = self.network(z.expand(len(batch), -1), batch)
            pixels = (image.clamp(-1, 1) * 127.5 + 127.5).round().to(torch.uint8)
            rows.append(pixels.permute(0, 2, 3, 1).numpy())
        return np.concatenate(rows)


def shipped_embedding() -> str:
    """Return the name of the embedding that the shipped generator paints from."""
    return str(read_header(_shipped(), "lafite")["embedding"])


def _shipped() -> Path:
    return resource_path("weights", "lafite64-conse.safetensors")


def load_painter(path: Path | None = None) -> Painter:
    """Read a generator file; the shipped one where `path` is None.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or its tensors do not fit its header.
    """
    path = path or _shipped()
    header, tensors = load_checkpoint(path, "lafite")
    try:
        network = Generator(LafiteConfig(**header["network"]))
        network.load_state_dict({k: v.float() for k, v in tensors.items()})
    except (KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(
            f"The tensors of {path} do not fit its header ({str(error).splitlines()[0]}); train or "
            "download it again."
        ) from error
    return Painter(network.eval().requires_grad_(False), header, path)
