"""The feature networks by name: which file, which layer, which size; CLIP among them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nsdviewer.errors import ModelUnavailableError
from nsdviewer.evaluation.catalogue import Metric
from nsdviewer.evaluation.features import (
    FeatureExtractor,
    Features,
    NetworkSource,
    Origin,
    TorchvisionNetwork,
    hub_folder,
    origin_of,
)
from nsdviewer.evaluation.pictures import resized
from nsdviewer.evaluation.scores import NotComputed

if TYPE_CHECKING:
    import torch

# Parts of a published file that the pooled features do without.
_SWAV_HEADS = ("projection_head.", "prototypes.")


@dataclass(frozen=True)
class ClipNetwork:
    """CLIP's image embedding through open_clip, from a local file.

    Attributes
    ----------
    file_name
        In `folder`; else the file is looked for in the Hugging Face cache under `repository`.
    """

    folder: Path | None = None
    title: str = "CLIP ViT-L/14"
    model: str = "ViT-L-14-quickgelu"
    side_px: int = 224
    file_name: str = "ViT-L-14-openai.safetensors"
    repository: str = "timm/vit_large_patch14_clip_224.openai"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What it serves."""
        return (Metric.CLIP,)

    def load(self) -> "FeatureExtractor | NotComputed":
        """Return the network, or why there is none."""
        from nsdviewer.models.clip import OpenClipEmbedding

        path, is_cached = self._find()
        if path is None:
            return NotComputed(
                f"The weights of {self.title} are not on this machine; put OpenAI's, as open_clip "
                f"publishes them in {self.repository} (open_clip_model.safetensors), into "
                f"{self.folder or hub_folder()} as {self.file_name}."
            )
        try:
            embedding = OpenClipEmbedding(self.model, weights=path)
            # The network is read at first use; a damaged file must be known of now.
            embedding.encode_images([np.zeros((8, 8, 3), np.uint8)])
        except ModelUnavailableError:
            return NotComputed(
                f"{path} cannot be read as the weights of {self.title}; put the published file "
                "there again."
            )
        origin = origin_of(path)
        if is_cached:
            origin = Origin(f"{path.name}, from the cache of {self.repository}", True)
        return EmbeddedPictures(embedding.encode_tensor, self.side_px, origin)

    def _find(self) -> tuple[Path | None, bool]:
        local = (self.folder or hub_folder()) / self.file_name
        if local.is_file():
            return local, False
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(self.repository, "open_clip_model.safetensors")
        return (Path(cached), True) if isinstance(cached, str) else (None, False)


@dataclass(frozen=True)
class EmbeddedPictures:
    """A joint embedding's picture side as a feature network."""

    encode: Callable[["torch.Tensor"], "torch.Tensor"]
    side_px: int
    origin: Origin

    def extract(self, images: "torch.Tensor") -> Features:
        """Return (n, n_features) rows by metric for (n, 3, 256, 256) images in 0..1."""
        import torch

        with torch.inference_mode():
            rows = self.encode(resized(images, self.side_px))
        return {Metric.CLIP: rows.float().cpu().numpy()}


def feature_networks(folder: Path | None = None, device: str = "cpu") -> tuple[NetworkSource, ...]:
    """Return the networks of the published metrics, none of them loaded.

    Parameters
    ----------
    folder
        Where weight files lie, instead of torch hub's folder.
    device
        Where the torchvision networks run, for example ``cuda``.
    """
    return (
        TorchvisionNetwork(
            "AlexNet",
            "alexnet-owt-7be5be79.pth",
            256,
            _build("alexnet"),
            ((Metric.ALEXNET_2, "features.4"), (Metric.ALEXNET_5, "features.11")),
            head="classifier",
            folder=folder,
            device=device,
        ),
        TorchvisionNetwork(
            "Inception-v3",
            "inception_v3_google-0cc3c7bd.pth",
            342,
            # The published weights were trained on inputs in −1..1, hence the second scaling.
            _build("inception_v3", transform_input=True, init_weights=False),
            ((Metric.INCEPTION, "avgpool"),),
            folder=folder,
            device=device,
        ),
        ClipNetwork(folder),
        TorchvisionNetwork(
            "EfficientNet-B1",
            "efficientnet_b1-c27df63c.pth",
            255,
            _build("efficientnet_b1"),
            ((Metric.EFFNET, "avgpool"),),
            head="classifier",
            folder=folder,
            device=device,
        ),
        TorchvisionNetwork(
            "SwAV ResNet-50",
            "swav_800ep_pretrain.pth.tar",
            224,
            _build("resnet50"),
            ((Metric.SWAV, "avgpool"),),
            spare=_SWAV_HEADS,
            absent=("fc.",),
            folder=folder,
            device=device,
        ),
    )


def _build(name: str, **options: Any) -> Callable[[], Any]:
    def build() -> Any:
        from torchvision import models

        return models.get_model(name, weights=None, **options)

    return build
