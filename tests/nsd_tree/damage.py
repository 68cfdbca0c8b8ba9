"""What happens to files on their way: downloads that break off, and disks that forget."""

from pathlib import Path


def truncate(path: Path, *, keep: float = 0.5) -> None:
    """Cut a file off, as an interrupted download does."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])


def scribble(path: Path, *, at: float = 0.5, n_bytes: int = 64) -> None:
    """Overwrite bytes in the middle of a file; its size stays."""
    content = bytearray(path.read_bytes())
    start = min(int(len(content) * at), max(0, len(content) - n_bytes))
    end = min(start + n_bytes, len(content))
    content[start:end] = b"\xa5" * (end - start)
    path.write_bytes(bytes(content))
