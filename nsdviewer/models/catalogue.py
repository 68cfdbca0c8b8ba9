"""What can be downloaded: name, purpose, size, licence, address and SHA-256, from one JSON file.

Every address and sum in it can be proved on the machine: OpenAI's are those in open_clip's own
table, which names the sum within the address. What nobody has stated, such as a size, is None.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs

from nsdviewer.errors import RequestError, suggestion
from nsdviewer.models.remote import RemoteFile
from nsdviewer.resources import resource_path


@dataclass(frozen=True)
class CatalogueEntry:
    """One file to download.

    Attributes
    ----------
    name
        For ``nsdviewer download NAME``.
    purpose
        What it is for, in a sentence.
    model, tag
        Architecture and pretrained tag of open_clip whose weights it holds.
    hub
        Repository of the hub that holds the same weights in another form.
    licence, licence_address
        Name and text of the licence.
    """

    name: str
    title: str
    purpose: str
    model: str
    tag: str
    hub: str
    remote: RemoteFile
    licence: str
    licence_address: str

    @property
    def embedding(self) -> str:
        """Name of the embedding, as `load_embedding` takes it."""
        return f"open_clip:{self.model}/{self.tag}"

    @property
    def file_name(self) -> str:
        """What the file is called, on the server and here."""
        return urlsplit(self.remote.address).path.rpartition("/")[2]

    def place(self, folder: Path | None = None) -> Path:
        """Return where the file goes: into `folder`, or among our own weights."""
        return (folder or weights_folder()) / self.file_name

    def find(self) -> Path | None:
        """Return the file where it is on this machine, ours first; None where it is not."""
        for folder in (weights_folder(), *shared_folders()):
            path = folder / self.file_name
            if path.is_file():
                return path
        return None


def weights_folder() -> Path:
    """Return where downloaded weights are kept: the user's cache folder."""
    return platformdirs.user_cache_path("nsdviewer", appauthor=False) / "weights"


def shared_folders() -> tuple[Path, ...]:
    """Return where other programs keep the same files: OpenAI's CLIP and earlier open_clip."""
    return (Path(os.path.expanduser("~")) / ".cache" / "clip",)  # noqa: PTH111 (never raises)


@cache
def catalogue() -> tuple[CatalogueEntry, ...]:
    """Return all that can be downloaded, the usual one first."""
    rows = json.loads(resource_path("models.json").read_text(encoding="utf-8"))
    return tuple(_entry(row) for row in rows)


def find_entry(name: str) -> CatalogueEntry:
    """Return the entry called `name`, or that holds the embedding of that name.

    Raises
    ------
    RequestError
        If there is none.
    """
    entries = catalogue()
    for entry in entries:
        if name in (entry.name, entry.embedding):
            return entry
    names = [entry.name for entry in entries]
    raise RequestError(
        f"There is nothing called '{name}' to download; choose one of {', '.join(names)}."
        f"{suggestion(name, names)}"
    )


def entry_of(model: str, tag: str) -> CatalogueEntry | None:
    """Return the entry of an open_clip model's weights; None where there is none."""
    return next((e for e in catalogue() if (e.model, e.tag) == (model, tag)), None)


def _entry(row: Mapping[str, object]) -> CatalogueEntry:
    texts = {
        key: str(row[key])
        for key in ("name", "title", "purpose", "model", "tag", "hub", "licence", "licence_address")
    }
    size = row["n_bytes"]
    remote = RemoteFile(
        str(row["address"]), str(row["sha256"]), int(size) if isinstance(size, int) else None
    )
    return CatalogueEntry(remote=remote, **texts)
