"""OpenAI's CLIP and its kin through open_clip: the default embedding for real data."""

import hashlib
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from nsdviewer.errors import CheckpointError, ModelUnavailableError, RequestError
from nsdviewer.models.catalogue import catalogue
from nsdviewer.models.clip_weights import find_weights
from nsdviewer.models.embeddings import ImageLike, as_pil
from nsdviewer.models.offline import is_offline
from nsdviewer.models.published.torchscript import is_torchscript, read_torchscript
from nsdviewer.models.words import is_scrap

_BATCH = 32


class OpenClipEmbedding:
    """One open_clip model.

    Parameters
    ----------
    model
        Architecture, for example ``ViT-B-32-quickgelu``. OpenAI's weights need a ``-quickgelu``
        architecture: with another activation they load without a word and embed wrongly.
    tag
        Pretrained tag, for example ``openai``. Weights that ``nsdviewer download`` fetched come first,
        then what the hub's cache holds; what is nowhere is downloaded by open_clip at first use,
        unless the environment says ``HF_HUB_OFFLINE``, as the window does.
    weights
        Local weights file, instead of a tag. Read as tensors only.

    Raises
    ------
    RequestError
        If the architecture is unknown, or does not fit the tag's activation.
    ModelUnavailableError
        If the weights are not on this machine and cannot be fetched.
    """

    def __init__(self, model: str, tag: str = "", weights: Path | None = None) -> None:
        import open_clip

        if model not in open_clip.list_models():
            raise RequestError(f"open_clip knows no model '{model}'; see open_clip.list_models().")
        _require_activation(model, tag)
        if weights is not None and not weights.is_file():
            raise ModelUnavailableError(f"There is no weights file at {weights}; name another.")
        self._model = model
        self._tag = tag
        self._weights = weights
        suffix = tag or f"file-{_digest(weights)}"
        self.name = f"open_clip:{model}/{suffix}"
        self.title = f"CLIP {model} ({tag or (weights.name if weights else '')})"
        config: dict[str, Any] = open_clip.get_model_config(model) or {}
        self.dimension = int(config["embed_dim"])

    def encode_images(self, images: Sequence[ImageLike]) -> NDArray[np.float32]:
        """Return (n_images, dimension) unit vectors of RGB pictures."""
        network, preprocess, _ = self._parts
        rows = [np.zeros((0, self.dimension), np.float32)]
        for start in range(0, len(images), _BATCH):
            batch = torch.stack([preprocess(as_pil(im)) for im in images[start : start + _BATCH]])
            with torch.no_grad():
                features = network.encode_image(batch.to(self._device)).float()
                rows.append(F.normalize(features, dim=1).cpu().numpy())
        return np.concatenate(rows)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (n_texts, dimension) unit vectors of "a photo of a TEXT"."""
        return self.encode_sentences([f"a photo of a {t}" for t in texts])

    def encode_sentences(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Return (n_sentences, dimension) unit vectors."""
        network, _, tokenizer = self._parts
        with torch.no_grad():
            tokens = tokenizer(list(sentences)).to(self._device)
            features = network.encode_text(tokens)
        return np.asarray(F.normalize(features.float(), dim=1).cpu().numpy())

    def unknown_words(self, text: str) -> list[str]:
        """Return the words of `text` that CLIP cuts into scraps."""
        tokenizer = self._parts[2]
        words = re.findall(r"[^\W\d_]+", text)
        return [w for w in words if is_scrap(_pieces(tokenizer, w), w)]

    def encode_tensor(self, images: torch.Tensor) -> torch.Tensor:
        """Return (n, dimension) unit vectors of (n, 3, H, W) images in [0, 1], differentiably."""
        network = self._parts[0]
        size = network.visual.image_size
        side = (size, size) if isinstance(size, int) else tuple(size)
        x = F.interpolate(images, side, mode="bicubic", antialias=True).clamp(0, 1)
        mean = torch.tensor(network.visual.image_mean, device=x.device).view(1, 3, 1, 1)
        sd = torch.tensor(network.visual.image_std, device=x.device).view(1, 3, 1, 1)
        features: torch.Tensor = network.encode_image((x - mean) / sd)
        return F.normalize(features.float(), dim=1)

    @property
    def _device(self) -> torch.device:
        device: torch.device = next(self._parts[0].parameters()).device
        return device

    def to(self, device: torch.device) -> None:
        """Move both networks to `device`."""
        self._parts[0].to(device)

    @cached_property
    def _parts(self) -> tuple[Any, Any, Any]:
        import open_clip

        file = self._weights or find_weights(self._model, self._tag)
        if file is None and is_offline():
            raise ModelUnavailableError(_unavailable(self.title, self.name))
        try:
            # What torch cannot read as data is read by us.
            tensors = read_torchscript(file) if file and is_torchscript(file) else None
            source = "" if tensors is not None else str(file or self._tag)
            with _without_a_word():
                network, _, preprocess = open_clip.create_model_and_transforms(
                    self._model, pretrained=source
                )
            if tensors is not None:
                own = network.state_dict()
                network.load_state_dict({k: v for k, v in tensors.items() if k in own})
        except CheckpointError:
            raise
        except Exception as error:  # the hub client raises many kinds
            raise ModelUnavailableError(_unavailable(self.title, self.name, file, error)) from error
        network.eval().requires_grad_(False)
        return network, preprocess, open_clip.get_tokenizer(self._model)


@contextmanager
def _without_a_word() -> Iterator[None]:
    """Keep open_clip from saying that a network has no weights yet."""
    root, before = logging.getLogger(), logging.getLogger().level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(before)


def _unavailable(
    title: str, name: str, file: Path | None = None, error: Exception | None = None
) -> str:
    """Return why weights cannot be had, and the next step."""
    if file is not None:
        return (
            f"{file} cannot be read as the weights of {title} ({type(error).__name__}); download "
            "them again, or name another file."
        )
    entry = next((e for e in catalogue() if e.embedding == name), None)
    fetch = f"fetch them with 'nsdviewer download {entry.name}'" if entry else "connect once"
    tried = f" and could not be fetched ({type(error).__name__})" if error is not None else ""
    return (
        f"The weights of {title} are not on this machine{tried}; {fetch}, or name a local file as "
        "open_clip:MODEL@FILE."
    )


def _require_activation(model: str, tag: str) -> None:
    """OpenAI trained with QuickGELU; the plain architectures use GELU."""
    import open_clip

    if tag == "openai" and f"{model}-quickgelu" in open_clip.list_models():
        raise RequestError(
            f"OpenAI's weights belong to '{model}-quickgelu', not '{model}': the activation "
            f"differs; write open_clip:{model}-quickgelu/openai."
        )


def _pieces(tokenizer: Any, word: str) -> list[str]:
    decoder = getattr(tokenizer, "decoder", None)
    if decoder is None:
        return [word]
    return [decoder[token] for token in tokenizer.encode(word)]


def _digest(weights: Path | None) -> str:
    if weights is None:
        return "none"
    with weights.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:12]
