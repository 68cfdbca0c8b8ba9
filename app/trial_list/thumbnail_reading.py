"""Thumbnails off the disk, where some of them may not be there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import NsdViewerError

if TYPE_CHECKING:
    from nsdviewer.data.pictures.stimuli import Stimuli


@dataclass(frozen=True, eq=False)
class FoundThumbnails:
    """What came of asking for some thumbnails.

    Attributes
    ----------
    asked
        0-based 73k ids.
    pictures
        Those that are there: 73k id → RGB picture.
    fault
        Why the others are not; empty where all are.
    """

    asked: NDArray[np.int64]
    pictures: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    fault: str = ""


def read_thumbnails(stimuli: Stimuli, nsd_ids: NDArray[np.int64]) -> FoundThumbnails:
    """Read thumbnails; one that is missing or damaged does not keep the others away."""
    pictures: dict[int, NDArray[np.uint8]] = {}
    fault = ""
    waiting = [nsd_ids]
    while waiting:
        part = waiting.pop()
        try:
            pictures.update(zip(part.tolist(), stimuli.thumbnails(part), strict=True))
        except NsdViewerError as error:
            fault = fault or str(error)
            # Without the brick and the folder there is nothing to be found by asking for fewer.
            if len(part) > 1 and _some_are_there(stimuli):
                waiting.extend(np.array_split(part, 2))
    return FoundThumbnails(nsd_ids, pictures, fault)


def _some_are_there(stimuli: Stimuli) -> bool:
    brick = stimuli.root.stimuli_file
    return brick.exists() or (brick.parent / "shared1000").is_dir()
