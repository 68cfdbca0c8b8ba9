"""Which files a session was made of, and which of them are others today."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePath

from nsdviewer.errors import NsdViewerError
from nsdviewer.files import file_fingerprint
from nsdviewer.jobs import Progress, SilentProgress
from nsdviewer.session.session_file import DataFile
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import ViewState
from nsdviewer.state.named_paths import PathUse, paths_of

_MOST_SAID = 3


@dataclass(frozen=True)
class DataDifference:
    """One file that is not what a session was made of.

    Attributes
    ----------
    how
        ``differs``, ``gone`` or ``added``.
    """

    file: DataFile
    how: str


def data_of(
    workspace: Workspace, state: ViewState, progress: Progress | None = None
) -> tuple[DataFile, ...]:
    """Return the files that a view is made of: design, responses, transforms, models and maps.

    Up to 2 MiB of each are read; files that have not changed since are not read again.
    """
    progress = progress or SilentProgress()
    named = list(dict.fromkeys(_files(workspace, state)))
    found = []
    for k, (what, path) in enumerate(named):
        progress.report(k / len(named), f"looking at {path.name}")
        found.append(DataFile(what, _said(path, workspace.root.path), _fingerprint(path)))
    return tuple(found)


def differences(
    recorded: Iterable[DataFile], present: Iterable[DataFile]
) -> tuple[DataDifference, ...]:
    """Compare what a session names with what is here; files that it names are never opened."""
    before = {_key(file): file for file in recorded}
    now = {_key(file): file for file in present}
    found = []
    for key, file in before.items():
        if key not in now or not now[key].fingerprint:
            if file.fingerprint:
                found.append(DataDifference(file, "gone"))
        elif now[key].fingerprint != file.fingerprint:
            found.append(DataDifference(file, "differs" if file.fingerprint else "added"))
    # Of kinds that the session does not speak of nothing can be said.
    kinds = {file.what for file in before.values()}
    found += [
        DataDifference(file, "added")
        for key, file in now.items()
        if key not in before and file.what in kinds
    ]
    return tuple(found)


def difference_in_words(found: tuple[DataDifference, ...], n_files: int) -> tuple[str, str]:
    """Return a sentence about what differs, and the list of all of it; empty where nothing does."""
    if not found:
        return "", ""
    names = list(dict.fromkeys(_name(each) for each in found))
    more = f" and {len(names) - _MOST_SAID} more" if len(names) > _MOST_SAID else ""
    said = ", ".join(names[:_MOST_SAID])
    n_others = sum(each.how != "added" for each in found)
    what = (
        f"{n_others} of the {n_files} files that this session was made of are not what they were"
        if n_others
        else f"{len(found)} files were added to what this session was made of"
    )
    sentence = f"{what} ({said}{more}), so it may look different."
    details = "\n".join(f"{each.how}: {each.file.what}, {each.file.path}" for each in found)
    return sentence, details


def _name(difference: DataDifference) -> str:
    file = difference.file
    return f"{file.what} {PurePath(file.path).name} {difference.how}"


def _files(workspace: Workspace, state: ViewState) -> Iterator[tuple[str, Path]]:
    files = workspace.files
    yield "experimental design", workspace.root.design_file
    for beta in files.beta_files(workspace.space, workspace.version):
        yield "responses", beta.path
    folder = files.transform("")
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_file():
            yield "transform", path
    for kind, named in (("decoder", state.decoder), ("encoder", state.encoder)):
        try:
            yield kind, Path(named) if named else workspace.model_path(kind)
        except NsdViewerError:
            # Without the embedding no model is looked for either.
            continue
    for each in paths_of([state]):
        if each.use in (PathUse.GENERATOR, PathUse.EMBEDDING, PathUse.LAYER):
            yield each.use.value, Path(each.path)


def _said(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _key(file: DataFile) -> tuple[str, str]:
    path = PurePath(file.path)
    # What lies outside of the data folder may have moved along with it.
    return file.what, path.name if path.is_absolute() or "\\" in file.path else file.path


def _fingerprint(path: Path) -> str:
    """Return a file's fingerprint; empty where there is no such file, or it cannot be read."""
    try:
        # A pipe would wait for somebody to write into it.
        if not path.is_file():
            return ""
        known = path.stat()
        return _fingerprint_of(str(path), known.st_size, known.st_mtime_ns)
    except OSError:
        return ""


@lru_cache(maxsize=4096)
def _fingerprint_of(path: str, n_bytes: int, written_ns: int) -> str:
    return file_fingerprint(Path(path))
