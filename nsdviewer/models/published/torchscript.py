"""A TorchScript archive's weights, read as data: nothing of the program in it is loaded or run.

OpenAI publishes CLIP as TorchScript: a zip archive whose ``data.pkl`` describes the modules and
points to one member of ``data/`` a storage. torch itself reads such a file only by loading its
program (``torch.jit.load``), and refuses to read it as weights alone.
"""

import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from nsdviewer.errors import CheckpointError
from nsdviewer.models.published.machine import Machine
from nsdviewer.models.published.tensors import STORAGE_TYPES, Storage, StoredTensor, rebuild_tensor
from nsdviewer.models.published.terms import Budget, Call, Name, Opaque, Refused, Source, shown

_MODULES = "__torch__."
_PICKLE, _CODE = "data.pkl", "constants.pkl"
_ALLOWANCE_BYTES = 1 << 20
_MAX_DEPTH = 64


class _Part(Opaque):
    """A module: its attributes by name."""

    def __init__(self) -> None:
        self.state: dict[object, object] = {}

    def set_state(self, state: object) -> None:
        """Take the attributes."""
        if not isinstance(state, dict):
            raise Refused("has a module whose attributes are no dictionary")
        self.state = state


def is_torchscript(path: Path) -> bool:
    """Whether a file is a whole archive of TorchScript; False for one that is cut off."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.rpartition("/")[2] for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile, ValueError, struct.error):
        return False
    return {_PICKLE, _CODE} <= names


def read_torchscript(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a TorchScript archive by their dotted names.

    Half precision becomes single precision; integers stay.

    Raises
    ------
    CheckpointError
        If the file is damaged, or its description asks for anything but tensors in modules.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            root = _read_description(archive, path.stat().st_size)
    except Refused as error:
        raise CheckpointError(
            f"{path} {error}, which no weights need; nothing in it was executed. Download it again."
        ) from None
    except (OSError, ValueError, struct.error, zipfile.BadZipFile, NotImplementedError) as error:
        raise CheckpointError(
            f"{path} cannot be read as TorchScript ({shown(str(error))}); it is cut off or damaged: "
            "download it again."
        ) from error
    try:
        return {name: _tensor(stored) for name, stored in _flatten(root, "", 0)}
    except Refused as error:
        raise CheckpointError(f"{path} {error}; download it again.") from None


def _read_description(archive: zipfile.ZipFile, n_bytes: int) -> _Part:
    members = {info.filename: info for info in archive.infolist()}
    names = [name for name in members if name.count("/") == 1 and name.endswith(f"/{_PICKLE}")]
    if len(names) != 1:
        raise ValueError(f"it has no {_PICKLE}")
    folder = names[0].removesuffix(_PICKLE)
    known: dict[str, Storage] = {}

    def storage(reference: object) -> Storage:
        match reference:
            case ("storage", Name() as kind, str() as key, str(), int() as n_elements, *_):
                if key not in known:
                    info = members.get(f"{folder}data/{key}")
                    # Packed members could unfold into any size.
                    if info is None or info.compress_type != zipfile.ZIP_STORED:
                        raise Refused(f"lacks its storage {shown(key)}, or has it packed")
                    values = np.frombuffer(archive.read(info), np.dtype(STORAGE_TYPES[kind.full]))
                    known[key] = Storage(values)
                if known[key].values.size != n_elements:
                    raise Refused(f"has a storage of {known[key].values.size} for {n_elements}")
                return known[key]
        raise Refused("refers to something else than a storage")

    info = members[names[0]]
    if info.file_size > n_bytes:
        raise Refused("has a description longer than the file")
    with archive.open(info) as stream:
        source = Source(stream, info.file_size)  # type: ignore[arg-type]
        root = Machine(source, _Names(), Budget(n_bytes + _ALLOWANCE_BYTES), storage).run()
    if not isinstance(root, _Part):
        raise Refused("describes no module")
    return root


class _Names(Mapping[str, Call | None]):
    """What may be named: modules, whose classes all become records, and what tensors are made of."""

    def __getitem__(self, name: str) -> Call | None:
        return _module if name.startswith(_MODULES) else _KNOWN[name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name.startswith(_MODULES) or name in _KNOWN)

    def __iter__(self) -> Iterator[str]:
        return iter(_KNOWN)

    def __len__(self) -> int:
        return len(_KNOWN)


def _module(budget: Budget, arguments: tuple[object, ...]) -> _Part:
    if arguments:
        raise Refused("builds a module of something")
    return _Part()


def _empty(budget: Budget, arguments: tuple[object, ...]) -> dict[object, object]:
    if arguments:
        raise Refused("has hooks of a tensor")
    return {}


def _first(budget: Budget, arguments: tuple[object, ...]) -> object:
    """A list of numbers or texts, or something with the name of its type beside it."""
    if not arguments:
        raise Refused("has a list of nothing")
    return arguments[0]


_KNOWN: dict[str, Call | None] = {
    "torch._utils._rebuild_tensor_v2": rebuild_tensor,
    "collections.OrderedDict": _empty,
    **dict.fromkeys(STORAGE_TYPES),
    **{
        f"torch.jit._pickle.{name}": _first
        for name in (
            "build_intlist", "build_doublelist", "build_boollist", "build_tensorlist",
            "restore_type_tag",
        )
    },
}  # fmt: skip


def _flatten(part: _Part, prefix: str, depth: int) -> Iterator[tuple[str, StoredTensor]]:
    if depth > _MAX_DEPTH:
        raise Refused(f"is nested deeper than {_MAX_DEPTH} levels")
    for name, value in part.state.items():
        if isinstance(value, StoredTensor):
            yield f"{prefix}{name}", value
        elif isinstance(value, _Part):
            yield from _flatten(value, f"{prefix}{name}.", depth + 1)


def _tensor(stored: StoredTensor) -> torch.Tensor:
    values = stored.storage.values
    if values.dtype.kind == "f":
        return torch.from_numpy(stored.array())
    steps = tuple(step * values.itemsize for step in stored.stride)
    view: NDArray[np.generic] = as_strided(
        values[stored.offset :], stored.shape, steps, writeable=False
    )
    return torch.from_numpy(np.array(view))
