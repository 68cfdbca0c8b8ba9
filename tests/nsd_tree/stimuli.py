"""The pictures: `nsd_stimuli.hdf5`, and the PNG copies of a few shared ones."""

import zlib
from functools import lru_cache
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from .design import N_STIMULI
from .formats import Array, seeded

SIDE = 425
# A prime number, so that pictures repeat at no step that an indexing mistake would make.
N_COLOURS = 251
MARK = (slice(10, 70), slice(15, 200))
DOT = (slice(330, 400), slice(20, 60))


def picture(nsd_id: int) -> Array:
    """The picture (425, 425, 3) of a 0-based 73k ID.

    A flat colour with a white bar at the top left and a black dot at the bottom left: it differs
    from each of its flips and rotations, and from the pictures of its neighbours.
    """
    palette = seeded("palette").permutation(N_COLOURS)
    step = nsd_id % N_COLOURS
    pixels = np.empty((SIDE, SIDE, 3), np.uint8)
    pixels[:] = (palette[step], 250 - step, 60 + palette[step - 1] // 2)
    pixels[MARK] = 255
    pixels[DOT] = 0
    return pixels


@lru_cache(maxsize=N_COLOURS)
def _compressed(step: int) -> bytes:
    return zlib.compress(picture(step).tobytes(), 1)


def write_stimuli(root: Path, nsd_ids: Array, *, reduced: bool = False) -> None:
    """Write `imgBrick` with the pictures of some 0-based 73k IDs.

    The brick has all 73,000 rows, and those of other pictures take no space and read as black.
    A reduced brick has one row for each given ID, in ascending order.
    """
    wanted = np.unique(nsd_ids)
    rows = np.arange(len(wanted)) if reduced else wanted
    path = root / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        brick = file.create_dataset(
            "imgBrick",
            shape=(len(rows) if reduced else N_STIMULI, SIDE, SIDE, 3),
            dtype=np.uint8,
            chunks=(1, SIDE, SIDE, 3),
            compression="gzip",
        )
        for row, nsd_id in zip(rows, wanted, strict=True):
            brick.id.write_direct_chunk((int(row), 0, 0, 0), _compressed(int(nsd_id) % N_COLOURS))


def write_shared_pngs(root: Path, sharedix: Array, n_pictures: int) -> None:
    """Write the first pictures of `shared1000/`, named by their place and 1-based 73k ID."""
    folder = root / "nsddata_stimuli/stimuli/nsd/shared1000"
    folder.mkdir(parents=True, exist_ok=True)
    for place, nsd_id in enumerate(sharedix[:n_pictures], start=1):
        name = f"shared{place:04d}_nsd{nsd_id + 1:05d}.png"
        Image.fromarray(picture(int(nsd_id))).save(folder / name)
