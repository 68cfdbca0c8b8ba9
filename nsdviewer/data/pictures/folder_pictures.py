"""Training pictures from a folder."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from nsdviewer.data.pictures.opening import SUFFIXES, open_picture
from nsdviewer.errors import DataError

HELD_OUT_FILE = "held_out.txt"


@dataclass(frozen=True)
class FolderPictures:
    """The pictures of a folder; a `PictureSource` without captions."""

    title: str
    names: tuple[str, ...]
    held_out: str
    fingerprint: str
    files: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.files)

    def open(self, index: int) -> Image.Image:
        """Return picture `index` in RGB; the errors are those of `open_picture`."""
        return open_picture(self.files[index], self.names[index])

    def captions(self, index: int) -> tuple[str, ...]:
        """Return nothing: a folder says nothing of its pictures."""
        return ()


def open_folder_pictures(folder: Path) -> FolderPictures:
    """List the pictures of `folder` and the folders in it, less those that ``held_out.txt`` names.

    Raises
    ------
    DataError
        If there is no such folder, it holds no picture, or ``held_out.txt`` is no text.
    """
    files, n_held_out = list_picture_files(folder)
    if not files:
        raise DataError(
            f"{folder} holds no picture to train on ({', '.join(SUFFIXES)}); name another folder."
        )
    held_out = f"Nothing is held out: {folder} has no {HELD_OUT_FILE}."
    if (folder / HELD_OUT_FILE).exists():
        held_out = f"{n_held_out} pictures that {HELD_OUT_FILE} names are held out."
    return FolderPictures(
        title=f"{len(files)} pictures of {folder}",
        names=tuple(relative_name(file, folder) for file in files),
        held_out=held_out,
        fingerprint=fingerprint_files(files, folder),
        files=tuple(files),
    )


def list_picture_files(folder: Path) -> tuple[list[Path], int]:
    """Return the picture files below `folder` in order, and how many ``held_out.txt`` keeps out.

    Raises
    ------
    DataError
        If there is no such folder, or ``held_out.txt`` is no text.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder of pictures at {folder}; name another.")
    held_out = _read_held_out(folder / HELD_OUT_FILE)
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    files = [file for file in found if file.name not in held_out]
    return files, len(found) - len(files)


def relative_name(file: Path, folder: Path) -> str:
    """Return the path of `file` below `folder`, in letters that can be printed."""
    return os.fsencode(file.relative_to(folder).as_posix()).decode("utf-8", "replace")


def fingerprint_files(files: Iterable[Path], folder: Path) -> str:
    """Return a fingerprint of the files' names and sizes.

    Not of their contents, which for COCO are 19 GB; and not of their dates, which a copy changes.
    """
    digest = hashlib.sha256()
    for file in files:
        digest.update(os.fsencode(file.relative_to(folder)) + b"\0%d\0" % file.stat().st_size)
    return digest.hexdigest()[:16]


def _read_held_out(path: Path) -> set[str]:
    if not path.exists():
        return set()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read ({error}); write the names of held-out pictures into it as plain "
            "text."
        ) from error
    # One name a line, or several: names with blanks need a line of their own.
    return {*text.split(), *(line.strip() for line in text.splitlines())}
