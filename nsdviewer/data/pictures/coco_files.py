"""COCO's annotation files, item by item: they have up to 450 MB, and as objects ten times that."""

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from nsdviewer.errors import DataError

_BLANKS = re.compile(r"[ \t\n\r]*")


def read_sections(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, Any]]:
    """Yield (section, item) for each item of the lists in `wanted`, in the file's order.

    Parameters
    ----------
    wanted
        Keys of the outermost object; others are skipped.

    Raises
    ------
    DataError
        If the file is missing, is no JSON, or its outermost value is no object.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        yield from _Scanner(text).sections(wanted)
    except (OSError, UnicodeDecodeError, MemoryError, RecursionError) as error:
        raise DataError(f"{path} cannot be read ({error}); download it again.") from error
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path} is broken or cut off at character {error.pos} ({error.msg}); download it again."
        ) from error


class _Scanner:
    """Walks over one JSON object without building it whole."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.decode = json.JSONDecoder().raw_decode

    def sections(self, wanted: Collection[str]) -> Iterator[tuple[str, Any]]:
        self._expect("{")
        for _ in self._members("}"):
            key = self._value()
            self._expect(":")
            if key in wanted:
                self._expect("[")
                for _ in self._members("]"):
                    yield key, self._value()
            else:
                self._value()
        if self._peek():
            raise json.JSONDecodeError("more text than one object", self.text, self.position)

    def _members(self, end: str) -> Iterator[None]:
        """Yield before each member, and take the commas between and the bracket behind."""
        if self._peek() == end:
            self.position += 1
            return
        while True:
            yield
            if self._peek() == end:
                self.position += 1
                return
            self._expect(",")

    def _value(self) -> Any:
        self._skip_blanks()
        value, self.position = self.decode(self.text, self.position)
        return value

    def _expect(self, sign: str) -> None:
        if self._peek() != sign:
            raise json.JSONDecodeError(f"'{sign}' is missing", self.text, self.position)
        self.position += 1

    def _peek(self) -> str:
        self._skip_blanks()
        return self.text[self.position : self.position + 1]

    def _skip_blanks(self) -> None:
        blanks = _BLANKS.match(self.text, self.position)
        self.position = blanks.end() if blanks else self.position
