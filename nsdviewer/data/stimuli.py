"""The pictures that were shown: random access by id, without loading the brick."""

import json
from dataclasses import dataclass
from functools import cached_property

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nsdviewer.data.layout import SIMULATED_FLAG, NsdRoot
from nsdviewer.errors import DataError, RequestError
from nsdviewer.files import atomic_path

THUMBNAIL_SIZE_PX = 96


@dataclass(frozen=True)
class Stimuli:
    """The stimulus brick of a root."""

    root: NsdRoot

    def read(self, nsd_ids: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return (n, 425, 425, 3) RGB pictures by 0-based 73k id, in the order asked for.

        Raises
        ------
        RequestError
            If an id is outside the brick.
        DataError
            If the brick is missing or damaged.
        """
        path = self.root.stimuli_file
        if not path.exists():
            raise DataError(f"The pictures {path} are missing; download them to see stimuli.")
        ids, inverse = np.unique(np.asarray(nsd_ids, dtype=np.int64), return_inverse=True)
        try:
            with h5py.File(path, "r") as file:
                brick = file["imgBrick"]
                if len(ids) and (ids[0] < 0 or ids[-1] >= brick.shape[0]):
                    wrong = int(ids[0] if ids[0] < 0 else ids[-1])
                    raise RequestError(
                        f"Picture {wrong} does not exist: ids run from 0 to {brick.shape[0] - 1}."
                    )
                pictures = np.stack([brick[i] for i in ids]) if len(ids) else brick[0:0]
        except (OSError, KeyError) as error:
            raise DataError(f"{path} is damaged ({error}); download it again.") from error
        return np.asarray(pictures[inverse])

    def thumbnails(self, nsd_ids: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return (n, 96, 96, 3) small pictures by 0-based 73k id; made once and kept on disk."""
        size = THUMBNAIL_SIZE_PX
        pictures = np.zeros((len(nsd_ids), size, size, 3), np.uint8)
        for row, nsd_id in enumerate(nsd_ids):
            pictures[row] = self._thumbnail(int(nsd_id))
        return pictures

    def _thumbnail(self, nsd_id: int) -> NDArray[np.uint8]:
        path = self.root.cache_folder / "thumbnails" / f"{nsd_id:05d}.png"
        if path.exists():
            with Image.open(path) as kept:
                return np.asarray(kept.convert("RGB"))
        size = (THUMBNAIL_SIZE_PX, THUMBNAIL_SIZE_PX)
        picture = Image.fromarray(self.read(np.array([nsd_id]))[0])
        small = picture.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
        with atomic_path(path) as temporary:
            small.save(temporary, compress_level=1)
        return np.asarray(small)

    @cached_property
    def labels(self) -> dict[int, tuple[str, str]]:
        """(category, label) by 0-based 73k id, where the tree says (simulated subjects do)."""
        path = self.root.path / SIMULATED_FLAG
        if not path.exists():
            return {}
        images = json.loads(path.read_text(encoding="utf-8")).get("photographs", {})
        return {int(k): (v["category"], v["label"]) for k, v in images.items()}
