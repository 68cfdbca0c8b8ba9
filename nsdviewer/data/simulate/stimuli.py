"""Photographs in the place of NSD's pictures: which, how cropped, and what they contain.

Shared images are crops of held-out photographs, all others are crops of training photographs, so
that a decoder trained on subject-unique images never saw the photograph of a test image.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nsdviewer.data.pictures.contrast import contrast_energy
from nsdviewer.data.pictures.photographs import (
    STIMULUS_SIZE_PX,
    Crop,
    Photograph,
    apply_crop,
    choose_crop,
    load_catalogue,
)
from nsdviewer.data.simulate.design import N_IMAGES, N_SHARED, Design
from nsdviewer.jobs import Progress

_BLOCK = 32
_N_THREADS = 4


class JointEmbedding(Protocol):
    """What the simulator asks of an embedding: unit vectors of pictures and of texts."""

    @property
    def name(self) -> str:
        """The name that goes into the tree's flag file."""
        ...

    @property
    def dimension(self) -> int:
        """Length d of a vector."""
        ...

    def encode_images(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return (n, d) unit rows for H × W × 3 pictures."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, d) unit rows for words such as "animal"."""
        ...


@dataclass(frozen=True)
class Stimulus:
    """One shown image: its 0-based 73k ID and the crop of a photograph that it is."""

    nsd_id: int
    photograph: Photograph
    crop: Crop


@dataclass(frozen=True)
class StimulusSet:
    """All shown images and what the simulated cortex sees of them.

    Attributes
    ----------
    stimuli
        n images, ascending by 73k ID.
    embeddings
        (n, d) float32 unit rows.
    energy
        (n, n_channels, n_cells) float16 contrast energy on a grid over the picture.
    """

    stimuli: tuple[Stimulus, ...]
    embeddings: NDArray[np.float32]
    energy: NDArray[np.float16]

    def rows_of(self, nsd_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows that hold the given 0-based 73k IDs."""
        known = np.array([s.nsd_id for s in self.stimuli])
        return np.searchsorted(known, nsd_ids)


def plan_stimuli(design: Design, n_subjects: int, seed: int) -> tuple[Stimulus, ...]:
    """Choose a photograph and a crop for every image that any subject was shown."""
    rng = np.random.default_rng([seed, 4])
    held_out = [p for p in load_catalogue() if p.held_out]
    training = [p for p in load_catalogue() if not p.held_out]
    ids = design.shown_ids
    shared = design.sharedix[ids[ids <= N_SHARED] - 1] - 1
    # The first round over the held-out photographs shows each whole.
    plan = _deal(shared, held_out, rng, n_central=len(held_out))
    for subject in range(n_subjects):
        own = design.subjectim[subject, ids[ids > N_SHARED] - 1] - 1
        plan += _deal(own, training, rng, n_central=0)
    return tuple(sorted(plan, key=lambda stimulus: stimulus.nsd_id))


def _deal(
    nsd_ids: NDArray[np.int64],
    photographs: Sequence[Photograph],
    rng: np.random.Generator,
    n_central: int,
) -> list[Stimulus]:
    """Deal the photographs out evenly, in a new order each round."""
    n_rounds = -(-len(nsd_ids) // len(photographs))
    order = np.concatenate([rng.permutation(len(photographs)) for _ in range(n_rounds)])
    plan = []
    for k, nsd_id in enumerate(nsd_ids.tolist()):
        photograph = photographs[order[k]]
        width, height = _size_px(photograph.path)
        crop = choose_crop(width, height, None if k < n_central else rng)
        plan.append(Stimulus(nsd_id, photograph, crop))
    return plan


@lru_cache(maxsize=256)
def _size_px(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def _open(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def write_stimuli(
    path: Path, plan: Sequence[Stimulus], embedding: JointEmbedding, progress: Progress
) -> StimulusSet:
    """Render the planned crops into ``nsd_stimuli.hdf5`` and describe them.

    Only shown images are written: the others' chunks stay unallocated and read as black.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    embeddings, energy = [], []
    shape = (N_IMAGES, STIMULUS_SIZE_PX, STIMULUS_SIZE_PX, 3)
    with h5py.File(path, "w") as file:
        brick = file.create_dataset("imgBrick", shape, np.uint8, chunks=(1, *shape[1:]))
        for start, pictures in _render_blocks(plan):
            for stimulus, picture in zip(plan[start:], pictures, strict=False):
                brick.id.write_direct_chunk((stimulus.nsd_id, 0, 0, 0), picture.tobytes())
            embeddings.append(embedding.encode_images(pictures))
            energy.append(contrast_energy(pictures).astype(np.float16))
            done = start + len(pictures)
            progress.report(done / len(plan), f"Image {done} of {len(plan)}")
    return StimulusSet(
        tuple(plan), np.concatenate(embeddings).astype(np.float32), np.concatenate(energy)
    )


def _render_blocks(plan: Sequence[Stimulus]) -> Iterator[tuple[int, list[NDArray[np.uint8]]]]:
    # Kept for as long as pictures are rendered: all photographs are 70 MiB.
    kept = lru_cache(maxsize=256)(_open)
    render: Callable[[Stimulus], NDArray[np.uint8]] = lambda s: np.asarray(  # noqa: E731
        apply_crop(kept(s.photograph.path), s.crop, STIMULUS_SIZE_PX)
    )
    with ThreadPoolExecutor(_N_THREADS) as pool:
        for start in range(0, len(plan), _BLOCK):
            yield start, list(pool.map(render, plan[start : start + _BLOCK]))
