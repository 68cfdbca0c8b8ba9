"""Embeddings on disk, keyed by what a picture or text holds and which model embedded it."""

import hashlib
import re
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import DataError, DataWarning
from nsdviewer.files import atomic_path
from nsdviewer.jobs import Progress
from nsdviewer.models.embeddings import Embedding, ImageLike, as_pil

_BLOCK = 256
# Content keys are hexadecimal; a text's key cannot be one.
_TEXT_PREFIX = "text:"
# What the file holds beside keys and vectors.
_NAMED = ("names", "keys_of_names")


def content_key(image: ImageLike) -> str:
    """Return the key of a picture: the SHA-256 of its size and pixels."""
    pixels = np.asarray(as_pil(image))
    return hashlib.sha256(str(pixels.shape).encode() + pixels.tobytes()).hexdigest()


class CachedEmbedding:
    """An embedding whose vectors are remembered in a folder.

    It is an `Embedding` itself. Vectors are written block by block, so that a killed run goes on
    where it stood.
    """

    def __init__(self, embedding: Embedding, folder: Path) -> None:
        self._embedding = embedding
        self._known: dict[str, NDArray[np.float32]] = {}
        # Content keys of pictures that have a name.
        self._named: dict[str, str] = {}
        self._writing = threading.Lock()
        self.name = embedding.name
        self.title = embedding.title
        self.dimension = embedding.dimension
        self.encode_tensor = embedding.encode_tensor
        self.encode_sentences = embedding.encode_sentences
        self.to = embedding.to
        self.unknown_words = embedding.unknown_words
        self._was_there = folder.is_dir()
        self._file = folder / f"embeddings_{re.sub(r'[^A-Za-z0-9]+', '_', embedding.name)}.npz"
        self._read()

    def encode_images(self, images: Sequence[ImageLike]) -> NDArray[np.float32]:
        """Return (n, dimension) unit vectors; pictures seen before are not embedded again."""
        return self._vectors_of(self._encode(images))

    def _encode(self, images: Sequence[ImageLike]) -> list[str]:
        """Embed pictures that are not known; returns the content keys of all."""
        keys = [content_key(image) for image in images]
        missing = {k: image for k, image in zip(keys, images, strict=True) if k not in self._known}
        if missing:
            vectors = self._embedding.encode_images(list(missing.values()))
            self._known.update(zip(missing, vectors, strict=True))
            self._write()
        return keys

    def _vectors_of(self, keys: Sequence[str]) -> NDArray[np.float32]:
        if not keys:
            return np.zeros((0, self.dimension), np.float32)
        return np.stack([self._known[k] for k in keys])

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, dimension) unit vectors; known texts do not load the text network."""
        keys = [_TEXT_PREFIX + text for text in texts]
        missing = [t for t, k in zip(texts, keys, strict=True) if k not in self._known]
        if missing:
            vectors = self._embedding.encode_texts(missing)
            self._known.update(zip([_TEXT_PREFIX + t for t in missing], vectors, strict=True))
            self._write()
        return np.stack([self._known[k] for k in keys])

    def encode_stream(
        self,
        n_images: int,
        read: Callable[[NDArray[np.int64]], Sequence[ImageLike] | NDArray[np.uint8]],
        progress: Progress,
        names: Sequence[str] = (),
    ) -> NDArray[np.float32]:
        """Embed `n_images` pictures that `read` returns by position, a block at a time.

        Parameters
        ----------
        names
            A name of each picture that no other pixels ever have. What was embedded under it
            before is not read again. Empty where there are none.
        """
        keys = [self._named.get(name, "") for name in names] or [""] * n_images
        unread = np.array([k for k, key in enumerate(keys) if key not in self._known], np.int64)
        for start in range(0, len(unread), _BLOCK):
            progress.report(start / len(unread), f"embedding pictures ({self.name})")
            positions = unread[start : start + _BLOCK]
            found = self._encode(list(read(positions)))
            for position, key in zip(positions.tolist(), found, strict=True):
                keys[position] = key
        if names and len(unread):
            self._named.update({names[k]: keys[k] for k in unread.tolist()})
            self._write()
        progress.report(1.0, f"{n_images} pictures embedded")
        return self._vectors_of(keys)

    def _read(self) -> None:
        if not self._file.exists():
            return
        try:
            with np.load(self._file) as stored:
                keys, vectors = stored["keys"], stored["vectors"]
                named = {name: stored[name] for name in _NAMED if name in stored}
            if len(keys) != len(vectors):
                raise ValueError(f"{len(keys)} names for {len(vectors)} vectors")
            pairs = [each.tolist() for each in named.values()]
            names = dict(zip(*pairs, strict=True)) if len(pairs) == len(_NAMED) else {}
        except Exception as error:  # numpy and zipfile raise many kinds for damaged files
            raise DataError(
                f"The embedding cache {self._file} is damaged ({error}); delete it to make it again."
            ) from error
        if vectors.ndim == 2 and vectors.shape[1] == self.dimension:
            self._known = dict(zip(keys.tolist(), vectors, strict=True))
            self._named = names

    def _write(self) -> None:
        folder = self._file.parent
        try:
            if self._was_there and not folder.is_dir():
                # A root that was moved away must not be made anew in its old place.
                raise FileNotFoundError(None, "the folder is gone")
            with self._writing, atomic_path(self._file) as path, path.open("wb") as stream:
                # One copy of both: other threads add to them meanwhile.
                known, named = self._known.copy(), self._named.copy()
                np.savez(
                    stream,
                    keys=np.array(list(known)),
                    vectors=np.stack(list(known.values())),
                    names=np.array(list(named), np.str_),
                    keys_of_names=np.array(list(named.values()), np.str_),
                )
            self._was_there = True
        except OSError as error:
            # They are as good unwritten, only not for the next start.
            warnings.warn(
                f"Embeddings cannot be kept in {self._file.parent} ({error.strerror or error}); set "
                "NSDVIEWER_CACHE to a folder that can be written.",
                DataWarning,
                stacklevel=2,
            )
