"""The feature networks that generators are judged with, whichever are on the machine, by name."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import ModelUnavailableError
from nsdviewer.evaluation.catalogue import Metric
from nsdviewer.evaluation.distances import PictureFeatures
from nsdviewer.evaluation.features import FeatureExtractor, TorchvisionNetwork
from nsdviewer.evaluation.networks import feature_networks
from nsdviewer.evaluation.pictures import resized
from nsdviewer.evaluation.scores import NotComputed

if TYPE_CHECKING:
    import torch

_BATCH = 32
# The size that FID is defined at (Heusel et al. 2017).
_INCEPTION_SIDE_PX = 299
_N_INCEPTION = 2048
_N_POOLED = 1280

# Copies are looked for in what is left of a picture at this size, seen by the network at that one.
_COARSE_SIDE_PX, _COPY_SIDE_PX = 32, 96
# EfficientNet-Lite0's eleventh block: 6 × 6 columns of 112 numbers at 96 pixels.
_PLACE_BLOCK, _N_PLACES = 10, 6 * 6 * 112


@dataclass(frozen=True)
class InceptionFeatures:
    """Inception-v3's pooled features, from torchvision's weights."""

    extractor: FeatureExtractor
    title: str = "Inception-v3's pooled 2048-D features"
    # Published FIDs come from a TensorFlow graph with weights of its own.
    caution: str = "torchvision's weights and not those of published FIDs: near them, not equal"
    n_features: int = _N_INCEPTION

    def extract(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (n, 2048) rows of (n, h, w, 3) pictures."""

        def rows(images: "torch.Tensor") -> NDArray[np.float32]:
            return self.extractor.extract(images)[Metric.INCEPTION]

        return _in_batches(pictures, rows, self.n_features)


class EfficientNetFeatures:
    """EfficientNet-Lite0's pooled features, from the weights that the installation brings.

    Parameters
    ----------
    device
        Where the network runs.
    """

    title = "EfficientNet-Lite0's pooled 1280-D features"
    caution = "not Inception: not comparable with published figures"
    n_features = _N_POOLED

    def __init__(self, device: str = "cpu") -> None:
        self._layers = _LiteLayers(device)

    def extract(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (n, 1280) rows of (n, h, w, 3) pictures, seen at 224²."""

        def rows(images: "torch.Tensor") -> NDArray[np.float32]:
            return np.asarray(self._layers.read(images, 224)[1].cpu().numpy())

        return _in_batches(pictures, rows, self.n_features)


class CopyFeatures:
    """Features in which two crops of one photograph are near and two photographs are not.

    Half of the squared distance is that of EfficientNet-Lite0's pooled features scaled to length
    1 (what is there), half that of the columns of its eleventh block scaled likewise (where it
    is). Both look at what a picture keeps at 32²: a painted copy is blurred, and detail would set it
    apart. Distances lie in 0..2.

    Notes
    -----
    Chosen on 140 photographs at 64², six crops (0.8 to 1 of the shorter side) and their mirror
    images, with a threshold that finds 95 % of further crops of the same photographs. The share of
    crops that another photograph's crops come nearer to than that, and the share found of the
    same crops blurred by σ = 1 and 2 pixels: pixels at 32², 90 %, 96 %, 99 %, so most things
    are a copy of something; pooled features at full detail 0 %, 45 %, 4 %, blind to a blurred
    copy; the eleventh block 22 %, 95 %, 88 %; these two together at 32² 2 %, 94 %, 54 %.
    """

    title = "EfficientNet-Lite0, pooled features and columns of block 11, pictures at 32²"
    caution = ""
    n_features = _N_POOLED + _N_PLACES

    def __init__(self, device: str = "cpu") -> None:
        self._layers = _LiteLayers(device)

    def extract(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (n, 5312) rows of (n, h, w, 3) pictures; distances of rows are Euclidean."""
        import torch
        import torch.nn.functional as F

        def rows(images: "torch.Tensor") -> NDArray[np.float32]:
            coarse = resized(images, _COARSE_SIDE_PX)
            columns, pooled = self._layers.read(coarse, _COPY_SIDE_PX)
            places = F.normalize(columns, dim=1).flatten(1) / 6
            both = torch.cat([F.normalize(pooled, dim=1), places], 1) / 2**0.5
            return np.asarray(both.cpu().numpy())

        return _in_batches(pictures, rows, self.n_features)


class _LiteLayers:
    """EfficientNet-Lite0 of the ConSE embedding, an instance of its own: others stay on the CPU."""

    def __init__(self, device: str) -> None:
        from nsdviewer.models.conse import ConseEmbedding

        self._embedding = ConseEmbedding()
        self._device = device
        self._embedding.network.to(device)

    def read(self, images: "torch.Tensor", side_px: int) -> tuple["torch.Tensor", "torch.Tensor"]:
        """Return block 11 (n, 112, h, w) and pooled features (n, 1280) of images in 0..1."""
        import torch

        network = self._embedding.network
        with torch.inference_mode():
            x = self._embedding.prepare(images.to(self._device), side_px)
            x = network._swish(network._bn0(network._conv_stem(x)))
            places = x
            for index, block in enumerate(network._blocks):
                x = block(x)
                if index == _PLACE_BLOCK:
                    places = x
            x = network._swish(network._bn1(network._conv_head(x)))
        return places, x.mean((2, 3))


def _in_batches(
    pictures: NDArray[np.uint8],
    rows: Callable[["torch.Tensor"], NDArray[np.float32]],
    n_features: int,
) -> NDArray[np.float32]:
    import torch

    found = [np.zeros((0, n_features), np.float32)]
    for start in range(0, len(pictures), _BATCH):
        batch = np.ascontiguousarray(pictures[start : start + _BATCH])
        found.append(rows(torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 255))
    return np.concatenate(found)


@dataclass(frozen=True)
class AssessmentFeatures:
    """The networks that pictures are judged with.

    Attributes
    ----------
    distances
        For FID and KID.
    copies
        For the nearest training photograph; Euclidean distances.
    """

    distances: PictureFeatures
    copies: PictureFeatures

    @classmethod
    def on_this_machine(cls, device: str = "cpu") -> "AssessmentFeatures":
        """Return the networks that there are here; errors as `distance_network`."""
        return cls(distance_network(device=device), CopyFeatures(device))


def distance_network(folder: Path | None = None, device: str = "cpu") -> PictureFeatures:
    """Return the network that FID and KID are measured with on this machine.

    Inception-v3 where its weights are, else EfficientNet-Lite0, which comes with the installation;
    the result says which.

    Parameters
    ----------
    folder
        Where Inception's weights are looked for, instead of torch hub's folder.

    Raises
    ------
    ModelUnavailableError
        If a file of Inception's weights is there and cannot be read: the other network's figures
        would then stand where this one's are expected.
    """
    source = next(s for s in feature_networks(folder, device) if Metric.INCEPTION in s.metrics)
    if isinstance(source, TorchvisionNetwork) and _weights_of(source).is_file():
        network: Any = replace(source, side_px=_INCEPTION_SIDE_PX).load()
        if isinstance(network, NotComputed):
            raise ModelUnavailableError(network.reason)
        return InceptionFeatures(network)
    return EfficientNetFeatures(device)


def _weights_of(source: TorchvisionNetwork) -> Path:
    from nsdviewer.evaluation.features import hub_folder

    return (source.folder or hub_folder()) / source.file_name
