"""Feature networks that the published metrics are defined on, from weights already on the machine.

Nothing is ever downloaded, and no network stands in for another: where weights are missing or
damaged the answer is a `NotComputed` that says which file belongs where.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nsdviewer.evaluation.catalogue import Metric
from nsdviewer.evaluation.pictures import resized
from nsdviewer.evaluation.scores import NotComputed

if TYPE_CHECKING:
    import torch

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_SD = (0.229, 0.224, 0.225)

Features = dict[Metric, NDArray[np.float32]]


@dataclass(frozen=True)
class Origin:
    """Which weights a network runs on.

    Attributes
    ----------
    is_published
        Whether they are the published ones; None where a file's name does not tell.
    """

    text: str
    is_published: bool | None


class FeatureExtractor(Protocol):
    """A network ready to use."""

    @property
    def origin(self) -> Origin:
        """Which weights these are."""
        ...

    def extract(self, images: "torch.Tensor") -> Features:
        """Return (n, n_features) rows by metric for (n, 3, 256, 256) images in 0..1."""
        ...


class NetworkSource(Protocol):
    """A network that is loaded when its turn comes, so that one at a time is in memory."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What it serves."""
        ...

    def load(self) -> "FeatureExtractor | NotComputed":
        """Return the network, or why there is none."""
        ...


@dataclass(frozen=True)
class TorchvisionNetwork:
    """A network of torchvision and the file that holds its weights.

    Attributes
    ----------
    file_name
        As published; where it ends in eight hexadecimal digits, they start the file's SHA-256.
    layers
        Module whose output is a metric's features, flattened.
    spare
        Beginnings of tensor names that the file has and the network does not use.
    absent
        Beginnings of tensor names that the network has and the file lacks.
    head
        Module behind all layers that are read, which is dropped: AlexNet's has 230 MB.
    folder
        Where the file lies; torch hub's folder of checkpoints where it is None.
    """

    title: str
    file_name: str
    side_px: int
    build: Callable[[], Any]
    layers: tuple[tuple[Metric, str], ...]
    spare: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    head: str = "fc"
    folder: Path | None = None
    device: str = "cpu"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What it serves."""
        return tuple(metric for metric, _ in self.layers)

    def load(self) -> "FeatureExtractor | NotComputed":
        """Return the network, or why there is none."""
        path = (self.folder or hub_folder()) / self.file_name
        if not path.is_file():
            return NotComputed(
                f"The weights of {self.title} are not on this machine; put {self.file_name} into "
                f"{path.parent}."
            )
        try:
            network = self._read(path)
        except Exception as error:  # zipfile, pickle and torch raise many kinds for damaged files
            said = str(error).strip().splitlines()
            return NotComputed(
                f"{path} cannot be read as the weights of {self.title} "
                f"({said[0].rstrip('.:') if said else type(error).__name__}); put the published "
                "file there again."
            )
        return HookedNetwork(self, network, origin_of(path))

    def _read(self, path: Path) -> Any:
        import torch

        # As tensors only: these files are pickles, and a pickle can be a program.
        stored = torch.load(path, map_location="cpu", weights_only=True)
        state = {name.removeprefix("module."): value for name, value in stored.items()}
        kept = {name: v for name, v in state.items() if not name.startswith(self.spare or ("\0",))}
        network = self.build()
        missing, unexpected = network.load_state_dict(kept, strict=False)
        missing = [name for name in missing if not name.startswith(self.absent or ("\0",))]
        # Early files lack the counters that batch normalisation keeps for training only.
        missing = [name for name in missing if not name.endswith("num_batches_tracked")]
        if missing or unexpected:
            raise ValueError(
                f"{len(missing)} tensors are missing and {len(unexpected)} belong to another "
                "network"
            )
        setattr(network, self.head, torch.nn.Identity())
        return network.eval().requires_grad_(False).to(self.device)


@dataclass(frozen=True)
class HookedNetwork:
    """A torchvision network whose layers are read while it runs."""

    spec: TorchvisionNetwork
    network: Any
    origin: Origin

    def extract(self, images: "torch.Tensor") -> Features:
        """Return (n, n_features) rows by metric for (n, 3, 256, 256) images in 0..1."""
        import torch

        x = normalised(resized(images, self.spec.side_px), _IMAGENET_MEAN, _IMAGENET_SD)
        with torch.inference_mode(), self._recording() as seen:
            self.network(x.to(self.spec.device))
        return {m: v.flatten(1).float().cpu().numpy() for m, v in seen.items()}

    @contextmanager
    def _recording(self) -> Iterator[dict[Metric, Any]]:
        seen: dict[Metric, Any] = {}

        def keep(metric: Metric) -> Callable[[Any, Any, Any], None]:
            def hook(_module: Any, _inputs: Any, output: Any) -> None:
                # A later layer may work in place.
                seen[metric] = output.clone()

            return hook

        handles = [
            self.network.get_submodule(name).register_forward_hook(keep(metric))
            for metric, name in self.spec.layers
        ]
        try:
            yield seen
        finally:
            for handle in handles:
                handle.remove()


def normalised(
    images: "torch.Tensor", mean: tuple[float, ...], sd: tuple[float, ...]
) -> "torch.Tensor":
    """Return (n, 3, h, w) images less a colour mean, divided by a colour deviation."""
    import torch

    return (images - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(sd).view(1, 3, 1, 1)


def hub_folder() -> Path:
    """Return the folder in which torch hub keeps checkpoints; TORCH_HOME moves it."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"


def origin_of(path: Path) -> Origin:
    """Say whether a weights file is the published one, as far as its name tells."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    promised = path.name.partition(".")[0].rpartition("-")[2]
    if len(promised) != 8 or any(c not in "0123456789abcdef" for c in promised):
        return Origin(f"{path.name}, of unverified origin (SHA-256 {digest[:12]})", None)
    if digest.startswith(promised):
        return Origin(f"{path.name}, checksum as published", True)
    return Origin(f"{path.name}, which are NOT the published ones (SHA-256 {digest[:12]})", False)
