"""What a joint image-text embedding is: one protocol.

An *embedding* maps pictures and texts to unit vectors of one space, so that a text names a
direction along which pictures, and brain responses to pictures, can be compared.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

ImageLike = NDArray[np.uint8] | Image.Image


@runtime_checkable
class Embedding(Protocol):
    """What every joint embedding offers.

    `name` goes into every file, figure and cache key; `title` is what a person reads.
    """

    name: str
    title: str
    dimension: int

    def encode_images(self, images: Sequence[ImageLike]) -> NDArray[np.float32]:
        """Return (n_images, dimension) unit vectors of RGB pictures."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (n_texts, dimension) unit vectors of "a photo of a TEXT"."""
        ...

    def encode_sentences(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Return (n_sentences, dimension) unit vectors of whole sentences, such as captions."""
        ...

    def unknown_words(self, text: str) -> list[str]:
        """Return the words of `text` that the text network has hardly a notion of."""
        ...

    def encode_tensor(self, images: torch.Tensor) -> torch.Tensor:
        """Return (n, dimension) unit vectors of (n, 3, H, W) images in [0, 1], differentiably."""
        ...

    def to(self, device: torch.device) -> None:
        """Move the image network to `device`, for `encode_tensor`."""
        ...


def as_pil(image: ImageLike) -> Image.Image:
    """Return `image` as an RGB PIL picture."""
    picture = image if isinstance(image, Image.Image) else Image.fromarray(np.asarray(image))
    return picture.convert("RGB")


def unit_rows(x: NDArray[np.floating]) -> NDArray[np.float32]:
    """Scale each row to length 1; a zero row stays zero."""
    norm = np.linalg.norm(x, axis=-1, keepdims=True)
    return np.asarray(x / np.where(norm > 0, norm, 1), dtype=np.float32)
