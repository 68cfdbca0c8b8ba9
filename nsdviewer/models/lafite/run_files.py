"""What a training run writes: the state it goes on from, and sheets to look at."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from nsdviewer.errors import CheckpointError
from nsdviewer.files import atomic_path
from nsdviewer.models.checkpoints import load_checkpoint, save_checkpoint
from nsdviewer.models.lafite.generator import Generator

_KIND = "training"
# What must be the same for a run to go on as if it had never stopped.
_FIXED_PARTS = ("network", "training", "embedding")


def write_state(
    path: Path,
    modules: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer],
    header: dict[str, Any],
) -> None:
    """Write weights, optimiser moments and the random state, whole or not at all."""
    tensors = {
        f"{name}.{key}": value
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }
    tensors["rng.cpu"] = torch.get_rng_state()
    for name, optimizer in optimizers.items():
        for index, slots in optimizer.state_dict()["state"].items():
            for slot, value in slots.items():
                tensors[f"optimizer.{name}.{index}.{slot}"] = value
    save_checkpoint(path, _KIND, tensors, header)


def read_state(
    path: Path,
    modules: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer],
    wanted: dict[str, Any],
) -> dict[str, Any]:
    """Fill modules, optimisers and the random state from a file; returns its header.

    Raises
    ------
    CheckpointError
        If the file was begun with another network, training configuration or embedding.
    """
    header, tensors = load_checkpoint(path, _KIND)
    for part in _FIXED_PARTS:
        if header[part] != wanted[part]:
            raise CheckpointError(
                f"{path} was begun with another {part} than asked for now; repeat the first "
                "command's options, or train into another folder."
            )
    for name, module in modules.items():
        module.load_state_dict(_below(tensors, name))
    for name, optimizer in optimizers.items():
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in _below(tensors, f"optimizer.{name}").items():
            index, slot = key.split(".", 1)
            state.setdefault(int(index), {})[slot] = value
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    torch.set_rng_state(tensors["rng.cpu"])
    return header


@torch.no_grad()
def write_sheet(
    path: Path,
    generator: Generator,
    pixels: torch.Tensor,
    embeddings: torch.Tensor,
    n_pictures: int = 8,
) -> None:
    """Write photographs above, below them what the generator paints from their embeddings.

    Parameters
    ----------
    pixels, embeddings
        (n, 3, r, r) uint8 and (n, n_embedding): the training set, sampled evenly.
    """
    step = max(len(pixels) // n_pictures, 1)
    real = pixels[::step][:n_pictures].float() / 127.5 - 1
    # A generator of its own, so that looking does not change what is learnt next.
    z = np.random.default_rng(0).standard_normal((len(real), generator.config.n_z))
    fake = generator(
        torch.from_numpy(z).float().to(real.device), embeddings[::step][:n_pictures]
    ).clamp(-1, 1)
    sheet = torch.cat([torch.cat(list(row), 2) for row in (real, fake)], 1)
    image = (sheet.permute(1, 2, 0).cpu().numpy() * 127.5 + 127.5).round().astype(np.uint8)
    with atomic_path(path) as temporary:
        Image.fromarray(image).save(temporary)


def _below(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """Return the tensors whose names start with ``prefix.``, without it."""
    start = prefix + "."
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
