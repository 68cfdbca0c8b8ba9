"""How alike two pictures look to a network, and what a painted picture's embedding is.

Pairs of embedding and photograph let a generator start from a picture loss before the adversarial
game begins, as Mind Reader (Lin et al. 2022) does with its own feature term. The maps are those of
EfficientNet-Lite0, which the ConSE embedding shares; other embeddings read the picture themselves.
"""

import torch
import torch.nn.functional as F

from nsdviewer.models.conse import ConseEmbedding
from nsdviewer.models.embeddings import Embedding

# The last block at each of four resolutions, from edges to object parts.
_BLOCKS = (2, 4, 10, 14)


class PictureReader:
    """Feature maps and embedding of pictures, differentiably.

    Parameters
    ----------
    embedding
        The joint embedding that the generator paints from.
    size_px
        Side that pictures are read at for the maps, and for a ConSE embedding.
    """

    def __init__(self, embedding: Embedding, size_px: int = 96) -> None:
        self.embedding = embedding
        self.size_px = size_px
        self._conse = embedding if isinstance(embedding, ConseEmbedding) else ConseEmbedding()

    def to(self, device: torch.device) -> None:
        """Move the networks to `device`."""
        self._conse.to(device)
        self.embedding.to(device)

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        """Return unit embeddings (n, d) of (n, 3, H, W) images in [0, 1]."""
        if self._conse is self.embedding:
            return self.read(images)[1]
        return self.embedding.encode_tensor(images)

    def read(self, images: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Return (feature maps, unit embeddings (n, d)) of (n, 3, H, W) images in [0, 1]."""
        if self._conse is not self.embedding:
            return self.maps(images), self.embedding.encode_tensor(images)
        network = self._conse.network
        kept, x = self._walk(images, len(network._blocks))
        x = network._swish(network._bn1(network._conv_head(x)))
        logits = network._fc(x.mean((2, 3)))
        return kept, self._conse.embed_logits(logits)

    def maps(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return the feature maps alone."""
        return self._walk(images, _BLOCKS[-1] + 1)[0]

    def _walk(self, images: torch.Tensor, n_blocks: int) -> tuple[list[torch.Tensor], torch.Tensor]:
        network = self._conse.network
        x = self._conse.prepare(images, self.size_px)
        x = network._swish(network._bn0(network._conv_stem(x)))
        kept = []
        for index, block in enumerate(network._blocks[:n_blocks]):
            x = block(x)
            if index in _BLOCKS:
                kept.append(F.normalize(x, dim=1))
        return kept, x


def feature_distance(first: list[torch.Tensor], second: list[torch.Tensor]) -> torch.Tensor:
    """Return (n,) mean over maps of the squared distance of unit-norm feature columns."""
    terms = [(a - b).square().sum(1).mean((1, 2)) for a, b in zip(first, second, strict=True)]
    return torch.stack(terms).mean(0)


def random_window(size_px: int, smallest: float) -> tuple[slice, slice, slice, slice]:
    """Return the index of a square crop with `smallest` to 1 of the side, of (n, c, H, W)."""
    side = int(torch.randint(max(int(smallest * size_px), 1), size_px + 1, ()))
    top, left = (int(torch.randint(size_px - side + 1, ())) for _ in range(2))
    return slice(None), slice(None), slice(top, top + side), slice(left, left + side)
