"""A decoder loss that looks at the picture: what the decoded embedding paints, not where it lies.

Two embeddings at the same distance from the truth can paint very different pictures. The term
paints both with one z, compares the pictures, and reads the painted one back into the embedding.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

PIXEL = "generator_pixel"
EMBEDDING = "generator_embedding"


@dataclass(frozen=True)
class GeneratorTerm:
    """A differentiable loss through a frozen generator.

    Attributes
    ----------
    generator
        (z (n, n_z), unit embedding (n, d)) → pictures (n, 3, r, r) about [−1, 1].
    embed
        Pictures in [0, 1] → unit embeddings, differentiably; None leaves that part out.
    """

    generator: nn.Module
    n_z: int
    embed: Callable[[torch.Tensor], torch.Tensor] | None
    pixel_weight: float
    embedding_weight: float

    def __call__(
        self, decoded: torch.Tensor, true: torch.Tensor, z: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Return the weighted parts by name; those of weight 0 are left out.

        Parameters
        ----------
        decoded, true
            (n, d) embeddings, brought to unit norm here; gradients flow to `decoded`.
        z
            (n, n_z) noise, the same for both paintings.
        """
        true = F.normalize(true, dim=1)
        painted = self.generator(z, F.normalize(decoded, dim=1))
        parts = {}
        if self.pixel_weight:
            with torch.no_grad():
                wanted = self.generator(z, true)
            parts[PIXEL] = self.pixel_weight * F.mse_loss(painted, wanted)
        if self.embed is not None and self.embedding_weight:
            again = self.embed(((painted + 1) / 2).clamp(0, 1))
            parts[EMBEDDING] = self.embedding_weight * (1 - (again * true).sum(1)).mean()
        return parts
