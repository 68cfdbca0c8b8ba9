"""From a published pickle to a generator file of ours."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from nsdviewer.errors import CheckpointError
from nsdviewer.jobs import Progress, SilentProgress
from nsdviewer.models.checkpoints import save_checkpoint
from nsdviewer.models.lafite.config import LafiteConfig
from nsdviewer.models.lafite.generator import Generator
from nsdviewer.models.lafite.painter import KIND
from nsdviewer.models.published.lafite import Floats
from nsdviewer.models.published.modules import Unfit, flatten
from nsdviewer.models.published.restricted import Module, PublishedFile, read_published, refusal
from nsdviewer.models.published.stylegan2 import PublishedGenerator, our_tensors, recognise
from nsdviewer.models.published.terms import Refused

# The averaged weights paint better, so they come first.
_NETWORKS = ("G_ema", "G")


@dataclass(frozen=True)
class Imported:
    """What was taken over.

    Attributes
    ----------
    source
        The network in the pickle: ``G_ema``, or ``G`` where that is all there is.
    ignores_embedding
        Whether no layer uses the embedding, as in plain StyleGAN2.
    """

    config: LafiteConfig
    source: str
    ignores_embedding: bool

    @property
    def title(self) -> str:
        """What it is, for people."""
        kind = "StyleGAN2-ADA" if self.ignores_embedding else "LAFITE"
        return f"{kind} {self.config.resolution}², the network {self.source}"


def import_published(
    path: Path,
    out: Path,
    embedding: str,
    n_embedding: int,
    progress: Progress | None = None,
) -> Imported:
    """Take over the generator of a LAFITE or StyleGAN2-ADA-PyTorch pickle.

    Nothing in the pickle is executed, imported or compiled. The generator paints the same pictures
    from the same noise and feature, to rounding, computed in single precision throughout (the
    authors' code paints the upper resolutions in half precision on a GPU).

    Parameters
    ----------
    path
        A dict with ``G_ema`` or ``G``, as their training loops pickle it.
    out
        Ends in ``.safetensors``; written whole or not at all.
    embedding, n_embedding
        Name and dimension of the embedding it paints from. The pickle does not say which CLIP it
        was trained with: the authors publish ViT-B/32 and ViT-B/16, both of 512 dimensions.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, wants anything but data, or holds no such generator.
    """
    progress = progress or SilentProgress()
    progress.report(0.0, f"reading {path.name}")
    file = read_published(path)
    try:
        name, module = _generator_of(file.content)
        generator = recognise(flatten(module), n_embedding)
        progress.report(0.5, f"taking over {len(generator.layers)} layers")
        tensors = _collect(generator, file)
    except Refused as error:
        raise refusal(path, str(error)) from None
    except Unfit as error:
        raise CheckpointError(
            f"{path} holds no generator that can be taken over: {error}. Name a LAFITE generator, "
            "or a StyleGAN2-ADA generator without class labels."
        ) from None
    header = {
        "network": generator.config.to_dict(),
        "embedding": embedding,
        "ignores_embedding": generator.ignores_embedding,
        "imported_from": {
            "file": path.name,
            "sha256": file.sha256,
            "network": name,
            "structures": sorted({layer.style.value for layer in generator.layers}),
        },
    }
    progress.report(0.9, f"writing {out.name}")
    save_checkpoint(out, KIND, tensors, header)
    return Imported(generator.config, name, generator.ignores_embedding)


def _generator_of(content: object) -> tuple[str, Module]:
    if not isinstance(content, dict):
        raise Unfit("it is no table of networks with a G_ema")
    for name in _NETWORKS:
        module = content.get(name)
        if isinstance(module, Module):
            return name, module
    raise Unfit("it has neither a G_ema nor a G")


def _collect(generator: PublishedGenerator, file: PublishedFile) -> dict[str, Floats]:
    """All our tensors, whose names and shapes are those of our network, and which are finite."""
    n_bytes = sum(tensor.n_bytes for tensor in generator.network.tensors.values())
    if n_bytes > file.n_bytes:
        # Tensors may share a storage, and then a short file unfolds into a long one.
        raise Refused(f"has {n_bytes} bytes of tensors in {file.n_bytes} bytes")
    shapes = _our_shapes(generator.config)
    tensors: dict[str, Floats] = {}
    for name, values in our_tensors(generator):
        if shapes.get(name) != values.shape:
            raise Unfit(f"{name} has the shape {values.shape}, and ours {shapes.get(name)}")
        if not np.isfinite(values).all():
            raise Unfit(f"{name} holds values that are no finite numbers")
        tensors[name] = values
    missing = sorted(set(shapes) - set(tensors))
    if missing:
        raise Unfit(f"nothing in it becomes our {missing[0]}")
    return tensors


def _our_shapes(config: LafiteConfig) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        network = Generator(config)
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
