"""Training pictures with their embeddings, cached beside the training run."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from nsdviewer.data.pictures.photographs import apply_crop, choose_crop
from nsdviewer.errors import DataError
from nsdviewer.files import atomic_path
from nsdviewer.jobs import Progress
from nsdviewer.models.embeddings import Embedding

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_EMBEDDED_SIZE_PX = 256
# Crops much smaller than their photograph would ask for many pictures from one embedding.
_SMALLEST_CROP = 0.8


@dataclass(frozen=True)
class ImageSet:
    """Crops of the training pictures.

    Attributes
    ----------
    pixels
        (n, resolution, resolution, 3) uint8.
    embeddings
        (n, n_embedding) float32, unit norm, of the same crops at full size.
    source
        (n,) index of the picture each crop comes from.
    """

    pixels: NDArray[np.uint8]
    embeddings: NDArray[np.float32]
    source: NDArray[np.int64]


def list_training_files(folder: Path) -> list[Path]:
    """Return the picture files of `folder`, less those that its ``held_out.txt`` names."""
    if not folder.is_dir():
        raise DataError(f"There is no folder of pictures at {folder}; name another with --images.")
    held_out_file = folder / "held_out.txt"
    held_out = set(held_out_file.read_text().split()) if held_out_file.exists() else set()
    files = sorted(
        p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES and p.name not in held_out
    )
    if not files:
        raise DataError(f"{folder} holds no picture ({', '.join(_SUFFIXES)}); name another folder.")
    return files


def build_image_set(
    folder: Path,
    embedding: Embedding,
    resolution: int,
    n_crops_each: int,
    seed: int,
    cache_file: Path,
    progress: Progress,
) -> ImageSet:
    """Crop and embed the pictures of `folder`, or read both from `cache_file` if it fits."""
    files = list_training_files(folder)
    key = f"{embedding.name}|{resolution}|{n_crops_each}|{seed}|{[f.name for f in files]}"
    if cache_file.exists():
        with np.load(cache_file) as stored:
            if str(stored["key"]) == key:
                return ImageSet(stored["pixels"], stored["embeddings"], stored["source"])
    rng = np.random.default_rng(seed)
    pixels, embeddings, source = [], [], []
    for index, file in enumerate(files):
        progress.report(index / len(files), f"embedding {file.name}")
        try:
            with Image.open(file) as image:
                crops = [
                    apply_crop(
                        image,
                        choose_crop(
                            image.width, image.height, None if k == 0 else rng, _SMALLEST_CROP
                        ),
                        _EMBEDDED_SIZE_PX,
                    )
                    for k in range(n_crops_each)
                ]
        except (UnidentifiedImageError, OSError) as error:
            raise DataError(f"{file} cannot be read as a picture; remove or replace it.") from error
        embeddings.append(embedding.encode_images(crops))
        small = (resolution, resolution)
        pixels.append(
            np.stack([np.asarray(c.resize(small, Image.Resampling.LANCZOS)) for c in crops])
        )
        source += [index] * n_crops_each
    result = ImageSet(np.concatenate(pixels), np.concatenate(embeddings), np.array(source))
    with atomic_path(cache_file) as temporary, temporary.open("wb") as stream:
        np.savez(stream, key=key, **vars(result))
    return result
