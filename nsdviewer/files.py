"""Files that are written whole or not at all."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target` and move it there when the block succeeds.

    The suffix is kept, because many writers choose their format by it. When the block raises,
    the temporary file goes and `target` stays as it was.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    # The whole run of suffixes (.nii.gz) stays at the end of the temporary name.
    handle, name = tempfile.mkstemp(
        dir=target.parent, prefix=".writing-", suffix="".join(target.suffixes[-2:])
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(target: Path, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all; numbers that are not finite are null."""
    # JSON knows no NaN, and programs that read it stop there.
    plain = json.loads(json.dumps(value), parse_constant=lambda _: None)
    with atomic_path(target) as path:
        path.write_text(json.dumps(plain, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def beside(path: Path, suffixes: Iterable[str]) -> Path:
    """Return the JSON file beside `path`: its name without the longest of `suffixes` that it has."""
    for suffix in sorted(suffixes, key=len, reverse=True):
        if suffix and path.name.lower().endswith(suffix.lower()):
            return path.with_name(path.name[: -len(suffix)] + ".json")
    return path.with_name(path.name + ".json")


def expanded(path: Path | str) -> Path:
    """Return a path with its ~ as a home folder; as it is where that is nobody's home."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 (`Path.expanduser` raises there)


def is_there(path: Path | str) -> bool:
    """Whether something is at `path`; not where it is no path at all, or may not be looked at."""
    return os.path.exists(path)  # noqa: PTH110 (`Path.exists` raises for a name that is too long)


def file_fingerprint(path: Path) -> str:
    """Return a short fingerprint of a file: its size and the SHA-256 of its first and last MiB.

    Beta files have a gigabyte each; their headers, first and last voxels and length tell two
    downloads apart without reading all of it.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as stream:
        digest.update(stream.read(1 << 20))
        if size > 1 << 21:
            stream.seek(-(1 << 20), os.SEEK_END)
            digest.update(stream.read())
    return digest.hexdigest()[:16]
