"""Model files: tensors in safetensors, everything else in one JSON header. Nothing is executed."""

import errno
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from nsdviewer.errors import CheckpointError
from nsdviewer.files import atomic_path

FORMAT_VERSION = 1
_HEADER_KEY = "nsdviewer"


def save_checkpoint(
    path: Path,
    kind: str,
    tensors: dict[str, torch.Tensor] | dict[str, NDArray[Any]],
    header: dict[str, Any],
) -> None:
    """Write a model file, whole or not at all.

    Parameters
    ----------
    kind
        What the file is: ``decoder``, ``encoder``, ``prior``, ``lafite``, ``flow`` or ``training``.
    header
        JSON-serialisable description: everything needed to use the tensors.

    Raises
    ------
    OSError
        If it cannot be written, for example because the disk is full.
    """
    document = {"kind": kind, "format": FORMAT_VERSION, **header}
    converted = {
        key: torch.from_numpy(np.ascontiguousarray(value))
        if isinstance(value, np.ndarray)
        else value.detach().cpu().contiguous()
        for key, value in tensors.items()
    }
    if path.suffix != ".safetensors":
        raise CheckpointError(f"A model file ends in .safetensors; {path.name} does not.")
    with atomic_path(path) as temporary:
        try:
            save_file(converted, temporary, metadata={_HEADER_KEY: json.dumps(document)})
        except SafetensorError as error:
            found = re.search(r"os error (\d+)", str(error))
            number = int(found[1]) if found else errno.EIO
            raise OSError(number, os.strerror(number), str(path)) from error


def read_header(path: Path, kind: str | None = None) -> dict[str, Any]:
    """Return the JSON header of a model file without reading its tensors.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, not ours, or not of `kind`.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"There is no model file at {path}; fit one or name another.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        header: dict[str, Any] = json.loads(metadata[_HEADER_KEY])
    except KeyError:
        raise CheckpointError(
            f"{path} is a safetensors file without nsdviewer's header; name a file written by "
            "'nsdviewer fit' or 'nsdviewer train'."
        ) from None
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise CheckpointError(
            f"{path} cannot be read as a model file ({error}); it is damaged or of another kind: "
            "fit or download it again."
        ) from error
    if header.get("format", 0) > FORMAT_VERSION:
        raise CheckpointError(
            f"{path} was written by a later nsdviewer (format {header['format']}); update this one."
        )
    if kind is not None and header.get("kind") != kind:
        raise CheckpointError(
            f"{path} holds a {header.get('kind', 'model of unknown kind')}, not a {kind}; "
            "name another file."
        )
    return header


def load_checkpoint(
    path: Path, kind: str | None = None
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Return (header, tensors) of a model file; errors as `read_header`."""
    header = read_header(path, kind)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); fit or download it again.") from error
    return header, tensors
