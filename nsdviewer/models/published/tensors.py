"""Tensors in a pickle: views on the bytes of the file, whose bounds are checked before any is read.

torch writes a storage into a pickle as one byte string that `torch.save` made in its older format:
four small pickles one after another (a magic number, the format's version, the machine's word
sizes, and what was saved, which points to a storage by key), the list of keys, and then each
storage's number of elements and its bytes.
"""

import io
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from nsdviewer.models.published.machine import Machine
from nsdviewer.models.published.terms import Budget, Name, Names, Refused, Source

_MAGIC = 0x1950A86A20F9469CFC6C
_FORMAT_VERSION = 1001
_MAX_AXES = 8
_MAX_COUNT = 1 << 40

STORAGE_TYPES = {
    "torch.FloatStorage": "<f4", "torch.HalfStorage": "<f2", "torch.DoubleStorage": "<f8",
    "torch.LongStorage": "<i8", "torch.IntStorage": "<i4", "torch.ShortStorage": "<i2",
    "torch.CharStorage": "i1", "torch.ByteStorage": "u1", "torch.BoolStorage": "?",
}  # fmt: skip
_STORAGE_NAMES: Names = dict.fromkeys(STORAGE_TYPES)


@dataclass(frozen=True, slots=True)
class Storage:
    """The elements that tensors are views of, still in the bytes they were read in."""

    values: NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A view on a storage, within its bounds.

    Attributes
    ----------
    offset, stride
        In elements.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def __post_init__(self) -> None:
        n_elements = prod(self.shape)
        last = self.offset + sum(
            (n - 1) * step for n, step in zip(self.shape, self.stride, strict=True)
        )
        n_stored = self.storage.values.size
        # Strides of 0 would unfold a few bytes into gigabytes.
        if n_elements > n_stored or (n_elements and last >= n_stored):
            raise Refused(f"has a tensor of shape {self.shape} in a storage of {n_stored} elements")

    @property
    def n_bytes(self) -> int:
        """Bytes of all elements."""
        return prod(self.shape) * self.storage.values.itemsize

    def array(self) -> NDArray[np.float32]:
        """Return the values, copied.

        Raises
        ------
        Refused
            If they are no floating-point numbers.
        """
        values = self.storage.values
        if values.dtype.kind != "f":
            raise Refused(f"has {values.dtype.name} numbers where weights belong")
        steps = tuple(step * values.itemsize for step in self.stride)
        view = as_strided(values[self.offset :], self.shape, steps, writeable=False)
        return np.array(view, np.float32)


def rebuild_tensor(budget: Budget, arguments: tuple[object, ...]) -> StoredTensor:
    """Record (storage, offset, shape, stride, …) as torch writes them."""
    match arguments:
        case (Storage() as storage, int() as offset, tuple() as shape, tuple() as stride, *_):
            lengths, steps = _counts(shape), _counts(stride)
            if len(lengths) != len(steps):
                raise Refused(f"has a tensor of {len(lengths)} axes with {len(steps)} strides")
            return StoredTensor(storage, _counts((offset,))[0], lengths, steps)
    raise Refused("builds a tensor of something that is none")


def rebuild_parameter(budget: Budget, arguments: tuple[object, ...]) -> StoredTensor:
    """A parameter is its tensor; whether it wants a gradient does not matter here."""
    if arguments and isinstance(arguments[0], StoredTensor):
        return arguments[0]
    raise Refused("builds a parameter of something that is no tensor")


def load_storage(budget: Budget, arguments: tuple[object, ...]) -> Storage:
    """Read the byte string of one storage, with the same machine and a shorter list of names."""
    if len(arguments) != 1 or not isinstance(arguments[0], bytes):
        raise Refused("builds a storage of something that is no byte string")
    raw = arguments[0]
    source = Source(io.BytesIO(raw), len(raw))
    heading = [Machine(source, {}, budget).run() for _ in range(3)]
    if heading[:2] != [_MAGIC, _FORMAT_VERSION] or not isinstance(heading[2], dict):
        raise Refused("has a storage in another format than torch's older one")
    if heading[2].get("little_endian") is not True:
        raise Refused("was written on a machine with another byte order")
    promised = Machine(source, _STORAGE_NAMES, budget, _promise).run()
    if not isinstance(promised, _Promise):
        raise Refused("has something else where a storage belongs")
    if Machine(source, {}, budget).run() != [promised.key]:
        raise Refused("has a storage with other keys than its own")
    n_elements = int.from_bytes(source.read(8), "little")
    values = memoryview(raw)[source.tell() :]
    dtype = np.dtype(promised.dtype)
    if n_elements != promised.n_elements or len(values) != n_elements * dtype.itemsize:
        raise Refused(
            f"has a storage of {len(values)} bytes for {promised.n_elements} {dtype.name} numbers"
        )
    return Storage(np.frombuffer(values, dtype))


@dataclass(frozen=True, slots=True)
class _Promise:
    key: str
    dtype: str
    n_elements: int


def _promise(reference: object) -> _Promise:
    match reference:
        case ("storage", Name() as kind, str() as key, str(), int() as n_elements, None):
            return _Promise(key, STORAGE_TYPES[kind.full], n_elements)
    raise Refused("refers to something else than a storage (instruction BINPERSID)")


def _counts(values: tuple[object, ...]) -> tuple[int, ...]:
    counts = tuple(v for v in values if isinstance(v, int) and 0 <= v < _MAX_COUNT)
    if len(counts) != len(values) or len(counts) > _MAX_AXES:
        raise Refused("has a tensor whose shape is no short row of counts")
    return counts
