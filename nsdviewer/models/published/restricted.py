"""Reads the pickle of a published network as records: which names may occur in it, and as what."""

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from nsdviewer.errors import CheckpointError
from nsdviewer.models.published.machine import Machine
from nsdviewer.models.published.tensors import load_storage, rebuild_parameter, rebuild_tensor
from nsdviewer.models.published.terms import (
    Budget,
    Name,
    Names,
    Opaque,
    Refused,
    Source,
    require_key,
    shown,
)

# The layer that pickles whole modules (torch_utils.persistence) numbers its own format.
_PERSISTENCE_VERSION = 6
_ZIP = b"PK\x03\x04"
# Binary pickles start with it; older ones with a printable character.
_PROTOCOL = 0x80
# Beside the file's own size, so that the small containers of a short file are no burden.
_ALLOWANCE_BYTES = 1 << 20
_TENSORFLOW = "dnnlib.tflib.network"
_NUMBERS = frozenset(("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"))


@dataclass(frozen=True, slots=True)
class Module:
    """A pickled network or part of one: the name of its class, and its attributes.

    The source code that travels with it is dropped unread.
    """

    class_name: str
    state: dict[object, object]


@dataclass(frozen=True)
class PublishedFile:
    """What was read from a pickle.

    Attributes
    ----------
    content
        Containers, numbers, texts, `Module` and `StoredTensor`.
    n_bytes
        The file's size.
    sha256
        Of the whole file.
    """

    path: Path
    content: object
    n_bytes: int
    sha256: str


class _NumberType(Opaque):
    """A numpy dtype of one of the plain kinds of number."""

    def __init__(self, code: str) -> None:
        self.code = code
        self._order = "<"

    def set_state(self, state: object) -> None:
        """Take the byte order, which numpy hands over after the kind."""
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", ">", "|", "="):
            raise Refused("has a number of unknown byte order")
        self._order = str(state[1])

    def value(self, raw: bytes) -> int | float | bool:
        dtype = np.dtype(self._order + self.code)
        if len(raw) != dtype.itemsize:
            raise Refused(f"has a {dtype.name} number of {len(raw)} bytes")
        number: int | float | bool = np.frombuffer(raw, dtype)[0].item()
        return number


def read_published(path: Path) -> PublishedFile:
    """Read a pickle without executing anything in it.

    Raises
    ------
    CheckpointError
        If it is missing, no pickle, damaged, or names or does anything that a checkpoint of
        StyleGAN2-ADA-PyTorch's kind has no need of.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"There is no file at {path}; name a published .pkl.")
    try:
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            n_bytes = stream.tell()
            stream.seek(0)
            _require_pickle(path, stream.read(len(_ZIP)))
            stream.seek(0)
            content = _interpret(stream, n_bytes)
    except Refused as error:
        raise refusal(path, str(error)) from None
    except (ValueError, OverflowError, struct.error) as error:
        raise CheckpointError(
            f"{path} cannot be read as a pickle ({shown(str(error))}); it is cut off, damaged, or "
            "of another kind: download it again."
        ) from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error}); check the disk.") from error
    return PublishedFile(path, content, n_bytes, sha256)


def refusal(path: Path, what: str) -> CheckpointError:
    """Return the error of a file that wants `what`, a sentence's second half."""
    if _TENSORFLOW in what:
        return CheckpointError(
            f"{path} is a pickle of the TensorFlow StyleGAN2, which is not read here; convert it "
            "with legacy.py of StyleGAN2-ADA-PyTorch, and import what that writes."
        )
    return CheckpointError(
        f"{path} {what}, which no checkpoint of a generator needs; nothing in it was executed. "
        "Name a .pkl as LAFITE or StyleGAN2-ADA-PyTorch publish them."
    )


def _require_pickle(path: Path, start: bytes) -> None:
    if not start:
        raise CheckpointError(f"{path} is empty; download it again.")
    if start[0] != _PROTOCOL and not chr(start[0]).isprintable():
        raise CheckpointError(f"{path} is no pickle; name another file, or download it again.")
    if start == _ZIP:
        raise CheckpointError(
            f"{path} is a zip archive, such as torch.save writes, not a published .pkl; name "
            "another file."
        )


def _interpret(stream: BinaryIO, n_bytes: int) -> object:
    source = Source(stream, n_bytes)
    content = Machine(source, NAMES, Budget(n_bytes + _ALLOWANCE_BYTES)).run()
    if source.tell() != n_bytes:
        raise Refused(f"goes on for {n_bytes - source.tell()} bytes after its end")
    return content


def _module(budget: Budget, arguments: tuple[object, ...]) -> Module:
    match arguments:
        case ({"type": "class", "version": version, "class_name": str() as name, "state": state},):
            if version != _PERSISTENCE_VERSION:
                raise Refused("has a module in another format than torch_utils.persistence 6")
            if isinstance(state, dict):
                return Module(name, state)
    raise Refused("has a module without class and state")


def _dictionary(budget: Budget, arguments: tuple[object, ...]) -> dict[object, object]:
    match arguments:
        case ():
            return {}
        case (list() as pairs,):
            budget.spend(8 * len(pairs))
            result = {}
            for pair in pairs:
                if not isinstance(pair, list | tuple) or len(pair) != 2:
                    raise Refused("has a dictionary of something that is no pair")
                result[require_key(pair[0])] = pair[1]
            return result
    raise Refused("has a dictionary of something else than pairs")


def _set(budget: Budget, arguments: tuple[object, ...]) -> set[object]:
    match arguments:
        case ():
            return set()
        case (list() as members,):
            budget.spend(8 * len(members))
            return {require_key(member) for member in members}
    raise Refused("has a set of something else than a list")


def _size(budget: Budget, arguments: tuple[object, ...]) -> tuple[object, ...]:
    match arguments:
        case (tuple() as lengths,):
            return lengths
    raise Refused("has a size of something else than lengths")


def _bytes(budget: Budget, arguments: tuple[object, ...]) -> bytes:
    """Bytes of protocol 2, which knows texts only: each character is one byte."""
    match arguments:
        case (str() as text, "latin1"):
            budget.spend(len(text))
            return text.encode("latin1")
        case ():
            return b""
    raise Refused("has bytes of something else than Latin-1 text")


def _number_type(budget: Budget, arguments: tuple[object, ...]) -> _NumberType:
    match arguments:
        case (str() as code, *_) if code in _NUMBERS:
            return _NumberType(code)
    raise Refused("has numbers of a kind that is no plain number")


def _number(budget: Budget, arguments: tuple[object, ...]) -> int | float | bool:
    match arguments:
        case (_NumberType() as kind, bytes() as raw):
            return kind.value(raw)
    raise Refused("has a numpy number of something else than a kind and bytes")


def _array(budget: Budget, arguments: tuple[object, ...]) -> Opaque:
    """An array of numpy, whose content no generator needs and which is passed over."""
    match arguments:
        case (Name(module="numpy", name="ndarray"), *_):
            return Opaque()
    raise Refused("has a numpy array of another class")


def _opaque(budget: Budget, arguments: tuple[object, ...]) -> Opaque:
    return Opaque()


_TORCH_DTYPES = (
    "float32", "float64", "float16", "bfloat16", "uint8", "int8", "int16", "int32", "int64", "bool",
)  # fmt: skip

NAMES: Names = {
    "torch_utils.persistence._reconstruct_persistent_obj": _module,
    "dnnlib.util.EasyDict": _dictionary,
    "collections.OrderedDict": _dictionary,
    "builtins.set": _set,
    "__builtin__.set": _set,
    "_codecs.encode": _bytes,
    "__builtin__.bytes": _bytes,
    "torch._utils._rebuild_tensor_v2": rebuild_tensor,
    "torch._utils._rebuild_parameter": rebuild_parameter,
    "torch.storage._load_from_bytes": load_storage,
    "torch.Size": _size,
    "torch.device": _opaque,
    **{
        f"numpy.{core}.{name}": call
        for core in ("core", "_core")
        for name, call in (
            ("multiarray._reconstruct", _array),
            ("numeric._frombuffer", _opaque),
            ("multiarray.scalar", _number),
        )
    },
    "numpy.dtype": _number_type,
    # Mentioned as a value, never called.
    "numpy.ndarray": None,
    **dict.fromkeys(f"torch.{name}" for name in _TORCH_DTYPES),
}
