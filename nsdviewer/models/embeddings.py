"""Joint image-text embeddings behind one protocol.

An *embedding* maps pictures and texts to unit vectors of one space, so that a text names a
direction along which pictures, and brain responses to pictures, can be compared.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from nsdviewer.errors import RequestError

ImageLike = NDArray[np.uint8] | Image.Image

DEFAULT_OPEN_CLIP = "open_clip:ViT-B-32-quickgelu/openai"


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
        """Return (n_texts, dimension) unit vectors."""
        ...

    def unknown_words(self, text: str) -> list[str]:
        """Return the words of `text` that the text network has hardly a notion of."""
        ...

    def encode_tensor(self, images: torch.Tensor) -> torch.Tensor:
        """Return (n, dimension) unit vectors of (n, 3, H, W) images in [0, 1], differentiably."""
        ...


_FACTORIES: dict[str, Callable[[str], Embedding]] = {}


def register_embedding(prefix: str, factory: Callable[[str], Embedding]) -> None:
    """Make `factory` answer for names that start with ``prefix`` (``prefix`` or ``prefix:rest``).

    `factory` receives what follows the colon.
    """
    _FACTORIES[prefix] = factory


def load_embedding(name: str) -> Embedding:
    """Load the embedding called `name`.

    Parameters
    ----------
    name
        ``conse``; ``open_clip:MODEL/TAG``, with a pretrained tag of open_clip; or
        ``open_clip:MODEL@FILE``, with local weights.

    Raises
    ------
    RequestError
        If no registered embedding answers to `name`.
    ModelUnavailableError
        If its weights are not on this machine.
    """
    prefix, _, rest = name.partition(":")
    if prefix not in _FACTORIES:
        known = ", ".join(sorted(_FACTORIES))
        raise RequestError(f"There is no embedding called '{name}'; choose one of: {known}.")
    return _FACTORIES[prefix](rest)


def embedding_names() -> tuple[str, ...]:
    """Return the prefixes that `load_embedding` knows."""
    return tuple(sorted(_FACTORIES))


def as_pil(image: ImageLike) -> Image.Image:
    """Return `image` as an RGB PIL picture."""
    picture = image if isinstance(image, Image.Image) else Image.fromarray(np.asarray(image))
    return picture.convert("RGB")


def unit_rows(x: NDArray[np.floating]) -> NDArray[np.float32]:
    """Scale each row to length 1; a zero row stays zero."""
    norm = np.linalg.norm(x, axis=-1, keepdims=True)
    return np.asarray(x / np.where(norm > 0, norm, 1), dtype=np.float32)


def _load_conse(rest: str) -> Embedding:
    from nsdviewer.models.conse import ConseEmbedding

    if rest:
        raise RequestError(f"The embedding 'conse' takes no options; got 'conse:{rest}'.")
    return ConseEmbedding()


def _load_open_clip(rest: str) -> Embedding:
    from nsdviewer.models.clip import OpenClipEmbedding

    rest = rest or DEFAULT_OPEN_CLIP.partition(":")[2]
    if "@" in rest:
        model, _, file = rest.partition("@")
        return OpenClipEmbedding(model, weights=Path(file))
    model, _, tag = rest.partition("/")
    if not tag:
        raise RequestError(
            f"'open_clip:{rest}' names no weights; write open_clip:MODEL/TAG or "
            "open_clip:MODEL@FILE."
        )
    return OpenClipEmbedding(model, tag=tag)


register_embedding("conse", _load_conse)
register_embedding("open_clip", _load_open_clip)
