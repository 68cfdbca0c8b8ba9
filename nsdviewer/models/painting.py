"""Finding and reading a generator: the shipped ones by name, others by file or folder."""

from collections.abc import Callable
from pathlib import Path

import torch

from nsdviewer.errors import CheckpointError
from nsdviewer.models.checkpoints import read_header
from nsdviewer.models.diffusion.painter import KIND as FLOW
from nsdviewer.models.diffusion.painter import load_flow
from nsdviewer.models.lafite.painter import KIND as LAFITE
from nsdviewer.models.lafite.painter import load_lafite
from nsdviewer.models.painter import Painter
from nsdviewer.models.runs.distribution import resolve_device
from nsdviewer.resources import resource_path

# What a person may write instead of a file, the usual one first.
SHIPPED = {"lafite": "lafite64-conse.safetensors", "flow": "flow64-conse.safetensors"}

_LOADERS: dict[str, Callable[[Path, torch.device], Painter]] = {
    LAFITE: load_lafite,
    FLOW: load_flow,
}
# What the header of a file says that holds a generator.
GENERATOR_KINDS = tuple(_LOADERS)


def shipped_generator(name: str = "lafite") -> Path:
    """Return the file of a shipped generator, called by its name in `SHIPPED`."""
    return resource_path("weights", SHIPPED[name])


def shipped_embedding() -> str:
    """Return the name of the embedding that the shipped generators paint from."""
    return str(read_header(shipped_generator(), LAFITE)["embedding"])


def load_painter(path: Path | None = None, device: str = "auto", offload: str = "none") -> Painter:
    """Read a generator, ready to use.

    Parameters
    ----------
    path
        A file of ours, a folder of a `diffusers` pipeline, or the name of a shipped generator
        (``lafite``, ``flow``); the shipped LAFITE where None.
    device
        ``cpu``, ``cuda``, ``mps``, or ``auto`` for the best there is.
    offload
        Of a pipeline: ``none``, or what waits in main memory, ``model`` or ``sequential``.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, no generator, or its tensors do not fit its header.
    RequestError
        If this machine has no such device.
    """
    path = path or Path(next(iter(SHIPPED)))
    if str(path) in SHIPPED and not path.exists():
        path = shipped_generator(str(path))
    target = resolve_device(device)
    if path.is_dir():
        from nsdviewer.models.diffusion.pipelines import Offload, open_pipeline

        return open_pipeline(path, device=target.type, offload=Offload(offload))
    if path.suffix == ".pkl":
        raise CheckpointError(
            f"{path} is a pickle, which is a program and is not run; write its weights into a file "
            f"of ours first: nsdviewer import {path} --embedding NAME --out "
            f"{path.with_suffix('.safetensors').name}."
        )
    kind = str(read_header(path).get("kind"))
    if kind not in _LOADERS:
        raise CheckpointError(
            f"{path} holds a {kind}, no generator; name a file that 'nsdviewer train generator' wrote."
        )
    return _LOADERS[kind](path, target)
