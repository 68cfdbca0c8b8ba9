"""The words that the readers of a published pickle share: names, limits, and what is refused."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

MAX_INSTRUCTIONS = 4_000_000
_MAX_LINE = 1024
_SHOWN = 80
_KEYS = (str, int, float, bool, type(None))


class Refused(Exception):
    """The pickle wants something that no checkpoint needs; the text is a sentence's second half."""


@dataclass(frozen=True, slots=True)
class Name:
    """A name that the pickle mentions, such as ``torch.float32``; it stands for nothing."""

    module: str
    name: str

    @property
    def full(self) -> str:
        """Module and name, joined by a dot."""
        return f"{self.module}.{self.name}"


class Opaque:
    """Something that may be there and is never looked at, such as a numpy array."""

    def set_state(self, state: object) -> None:
        """Take the state that the instruction BUILD hands over: here, pass over it."""


@dataclass(slots=True)
class Budget:
    """What one file may cost, shared by all pickles within it.

    Attributes
    ----------
    n_instructions
        Instructions that may still be interpreted.
    n_bytes
        Bytes that calls may still write anew.
    """

    n_bytes: int
    n_instructions: int = MAX_INSTRUCTIONS

    def spend(self, n_bytes: int) -> None:
        """Raise `Refused` where more bytes are asked for than the file has."""
        self.n_bytes -= n_bytes
        if self.n_bytes < 0:
            raise Refused("unpacks to more bytes than the file has")


Call: TypeAlias = Callable[[Budget, tuple[object, ...]], object]
Names: TypeAlias = Mapping[str, Call | None]


class Source:
    """What is left of a file: a request for more than that costs no memory."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._size = size

    def read(self, n_bytes: int) -> bytes:
        """Return up to `n_bytes`."""
        return self._stream.read(max(0, min(n_bytes, self._size - self.tell())))

    def readline(self) -> bytes:
        """Return up to the next line's end, at most 1024 bytes."""
        return self._stream.readline(_MAX_LINE)

    def tell(self) -> int:
        """Return the position."""
        return self._stream.tell()


def shown(text: str) -> str:
    """Return `text` as a message may show it: printable, and not longer than a line."""
    plain = text.encode("unicode_escape").decode("ascii")
    return plain if len(plain) <= _SHOWN else plain[:_SHOWN] + "…"


def require_key(value: object) -> object:
    """Return `value` if it may be a dictionary's key or a set's member: a number or a text."""
    if not isinstance(value, _KEYS):
        raise Refused(f"has a key of the kind {type(value).__name__}")
    return value
