"""A perceptual distance in the feature maps of the ConSE embedding's image network.

Pairs of embedding and photograph let the generator start from a picture loss before the
adversarial game begins, as Mind Reader (Lin et al. 2022) does with its own feature term.
"""

import torch
import torch.nn.functional as F

from nsdviewer.models.conse import ConseEmbedding

# The last block at each of four resolutions, from edges to object parts.
_BLOCKS = (2, 4, 10, 14)


class FeatureLoss:
    """Feature maps and embedding of pictures, at `size_px` pixels."""

    def __init__(self, embedding: ConseEmbedding, size_px: int = 96) -> None:
        self.embedding = embedding
        self.size_px = size_px

    def maps(self, images: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Return (feature maps, embedding (n, d)) of (n, 3, H, W) images in [0, 1]."""
        network = self.embedding.network
        x = network._swish(
            network._bn0(network._conv_stem(self.embedding.prepare(images, self.size_px)))
        )
        kept = []
        for index, block in enumerate(network._blocks):
            x = block(x)
            if index in _BLOCKS:
                kept.append(F.normalize(x, dim=1))
        x = network._swish(network._bn1(network._conv_head(x)))
        logits = network._fc(x.mean((2, 3)))
        return kept, self.embedding.embed_logits(logits)

    @staticmethod
    def distance(first: list[torch.Tensor], second: list[torch.Tensor]) -> torch.Tensor:
        """Mean over maps of the squared distance of unit-norm feature columns."""
        terms = [(a - b).square().sum(1).mean() for a, b in zip(first, second, strict=True)]
        return torch.stack(terms).mean()
