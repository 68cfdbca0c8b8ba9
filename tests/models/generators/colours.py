"""A tiny embedding of pictures and texts, and a process that builds a set with it.

``python -m tests.models.generators.colours PICTURES FOLDER N`` builds, and hangs at the Nth call.
"""

import sys
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from nsdviewer.data.pictures.training_sources import open_picture_source
from nsdviewer.jobs import SilentProgress
from nsdviewer.models.embeddings import ImageLike, as_pil, unit_rows
from nsdviewer.models.generators.image_set import ImageSet, build_image_set


class Colours:
    """Mean colours of the four quarters, and a number more, at length 1."""

    name = "colours"
    title = "Colours"
    dimension = 13

    def __init__(self, hang_at_call: int | None = None) -> None:
        self.n_calls = 0
        self.n_pictures = 0
        self._hang_at_call = hang_at_call

    def encode_images(self, images: Sequence[ImageLike]) -> NDArray[np.float32]:
        self.n_calls += 1
        if self.n_calls == self._hang_at_call:
            time.sleep(600)
        self.n_pictures += len(images)
        small = [np.asarray(as_pil(im).resize((2, 2), 4)).reshape(12) / 255 for im in images]
        return unit_rows(np.stack([np.append(row, 0.5) for row in small]))

    def encode_sentences(self, texts: Sequence[str]) -> NDArray[np.float32]:
        seeds = [zlib.crc32(text.encode()) for text in texts]
        rows = [np.random.default_rng(seed).normal(size=self.dimension) for seed in seeds]
        return unit_rows(np.stack(rows))

    def unknown_words(self, text: str) -> list[str]:
        return []

    def encode_tensor(self, images: torch.Tensor) -> torch.Tensor:
        small = F.adaptive_avg_pool2d(images, 2).permute(0, 2, 3, 1).flatten(1)
        return F.normalize(F.pad(small, (0, 1), value=0.5), dim=1)

    def to(self, device: torch.device) -> None:
        return None


def build(pictures: Path, folder: Path, embedding: Colours, **options) -> ImageSet:
    """A set of 32 px, seven crops a picture: nine pictures a block."""
    asked = {"resolution": 32, "n_crops_each": 7, "seed": 3, "with_captions": False} | options
    return build_image_set(
        open_picture_source(pictures),
        embedding,
        folder=folder,
        progress=asked.pop("progress", SilentProgress()),
        **asked,
    )


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]), Colours(int(sys.argv[3])), with_captions=True)
