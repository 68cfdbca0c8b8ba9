"""The words that a direction of the embedding is named with.

They are common words and short phrases for what natural pictures show, in categories, one a line
of ``resources/vocabulary.txt``. Their text vectors are computed once an embedding and kept.
"""

import hashlib
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import DataError, DataWarning
from nsdviewer.files import atomic_path
from nsdviewer.jobs import Progress
from nsdviewer.models.embeddings import Embedding
from nsdviewer.resources import resource_path

_BLOCK = 256


@dataclass(frozen=True)
class Vocabulary:
    """Words and, side by side with them, the category of each."""

    words: tuple[str, ...]
    categories: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.words)

    @property
    def digest(self) -> str:
        """What tells this list of words from any other."""
        return hashlib.sha256("\n".join(self.words).encode()).hexdigest()[:12]


def load_vocabulary(path: Path | None = None) -> Vocabulary:
    """Read a vocabulary: words one a line, below lines ``# category``.

    Parameters
    ----------
    path
        A list of one's own; the one that is shipped where None.

    Raises
    ------
    DataError
        If the file is missing or no text, holds no word or a word twice, or begins without a
        category.
    """
    path = path or resource_path("vocabulary.txt")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The vocabulary {path} cannot be read ({error}); name another.") from error
    category = ""
    found: dict[str, str] = {}
    for number, line in enumerate((line.strip() for line in lines), start=1):
        if line.startswith("#"):
            category = line.removeprefix("#").strip()
        elif line and not category:
            raise DataError(
                f"Line {number} of {path} stands above the first '# category'; add one."
            )
        elif line in found:
            raise DataError(f"'{line}' stands twice in {path}, again in line {number}; remove one.")
        elif line:
            found[line] = category
    if not found:
        raise DataError(f"The vocabulary {path} holds no word; write one a line.")
    return Vocabulary(tuple(found), tuple(found.values()))


def vocabulary_vectors(
    embedding: Embedding,
    cache_folder: Path,
    progress: Progress,
    vocabulary: Vocabulary | None = None,
) -> NDArray[np.float32]:
    """Return (n_words, dimension) unit text vectors, computed once and kept in `cache_folder`.

    Parameters
    ----------
    vocabulary
        The one that is shipped where None.

    Raises
    ------
    ModelUnavailableError
        If the embedding's text network is not on this machine.
    """
    vocabulary = vocabulary or load_vocabulary()
    readable = re.sub(r"[^A-Za-z0-9]+", "_", embedding.name)
    # Two names may read alike once their signs are gone.
    key = hashlib.sha256(f"{embedding.name}\n{vocabulary.digest}".encode()).hexdigest()[:12]
    path = cache_folder / f"vocabulary_{readable}_{key}.safetensors"
    kept = _read(path, (len(vocabulary), embedding.dimension))
    if kept is not None:
        return kept
    rows = []
    for start in range(0, len(vocabulary), _BLOCK):
        progress.report(start / len(vocabulary), f"embedding words ({embedding.name})")
        rows.append(embedding.encode_texts(vocabulary.words[start : start + _BLOCK]))
    vectors = np.concatenate(rows).astype(np.float32)
    _write(path, vectors)
    progress.report(1.0, f"{len(vocabulary)} words embedded")
    return vectors


def _read(path: Path, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    """Return the vectors that are kept; None where there are none of that shape, or damaged ones."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not path.exists():
        return None
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError, ValueError):
        return None
    vectors = tensors.get("vectors")
    if vectors is None or vectors.shape != shape or vectors.dtype != np.float32:
        return None
    # A file whose middle was lost reads as zeros.
    if not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3):
        return None
    return np.asarray(vectors)


def _write(path: Path, vectors: NDArray[np.float32]) -> None:
    from safetensors.numpy import save_file

    try:
        with atomic_path(path) as temporary:
            save_file({"vectors": np.ascontiguousarray(vectors)}, temporary)
    except OSError as error:
        # They are as good unwritten, only not for the next start.
        warnings.warn(
            f"Word vectors cannot be kept in {path.parent} ({error.strerror or error}); set "
            "NSDVIEWER_CACHE to a folder that can be written.",
            DataWarning,
            stacklevel=3,
        )
