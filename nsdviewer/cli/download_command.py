"""`nsdviewer download`: weights from where their authors publish them, checked by their SHA-256."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from nsdviewer.cli.options import Commands, when_asked

if TYPE_CHECKING:
    from nsdviewer.models.catalogue import CatalogueEntry


def add_download(commands: Commands) -> None:
    """Register ``download``."""
    parser = commands.add_parser(
        "download", help="fetch published weights, resumed and checked; --list names them"
    )
    parser.add_argument("name", nargs="?", default="", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="what there is, and what is here")
    parser.add_argument(
        "--to", type=Path, default=None, metavar="FOLDER", help="instead of the user's cache folder"
    )
    parser.set_defaults(run=when_asked("download_command", "run_download"))


def run_download(arguments: argparse.Namespace) -> int:
    """List what can be downloaded, or download it; prints the file's place."""
    from nsdviewer.errors import RequestError
    from nsdviewer.jobs import StreamProgress
    from nsdviewer.models.catalogue import catalogue, find_entry
    from nsdviewer.models.downloading import download

    if arguments.list:
        for entry in catalogue():
            print(_described(entry, arguments.to))
        return 0
    if not arguments.name:
        raise RequestError("Name what to download; nsdviewer download --list says what there is.")
    entry = find_entry(arguments.name)
    print(f"{entry.title}, licence {entry.licence} ({entry.licence_address})")
    print(f"from {entry.remote.address}", flush=True)
    print(download(entry.remote, entry.place(arguments.to), StreamProgress()))
    return 0


def _described(entry: CatalogueEntry, folder: Path | None) -> str:
    from nsdviewer.models.partial_file import part_path

    place = entry.place(folder) if folder is not None else entry.find() or entry.place()
    if place.is_file():
        state = f"here: {place}"
    elif part_path(place).is_file():
        state = f"begun: {part_path(place).stat().st_size / 1e6:,.1f} MB are here"
    else:
        state = "not here"
    size = entry.remote.n_bytes
    said = f"{size / 1e6:,.0f} MB" if size is not None else "size unknown until the server says"
    return (
        f"{entry.name}\n    {entry.title} · {entry.purpose}\n    {entry.embedding}\n"
        f"    {said} · licence {entry.licence} ({entry.licence_address})\n"
        f"    {entry.remote.address}\n    {state}"
    )
