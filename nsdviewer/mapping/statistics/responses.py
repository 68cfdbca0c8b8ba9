"""The response matrix, read a block of sites at a time so that the whole is never held.

Rows are pictures, repetitions averaged; columns are sites (voxels or vertices), z-scored.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Numbers = NDArray[np.int64]

_BLOCK_BYTES = 64 * 2**20


class Responses(Protocol):
    """Where responses come from; picklable, for work that leaves this process."""

    @property
    def n_images(self) -> int:
        """Number of pictures."""
        ...

    @property
    def n_sites(self) -> int:
        """Number of voxels or vertices."""
        ...

    def block(self, columns: slice) -> Floats:
        """Return (n_images, n) responses of some sites, which the caller does not change."""
        ...


@dataclass(frozen=True)
class ArrayResponses:
    """Responses that are in memory.

    Attributes
    ----------
    z
        (n_images, n_sites) float32.
    """

    z: Floats

    @property
    def n_images(self) -> int:
        """Number of pictures."""
        return len(self.z)

    @property
    def n_sites(self) -> int:
        """Number of sites."""
        return int(self.z.shape[1])

    def block(self, columns: slice) -> Floats:
        """Return a view of some columns."""
        return np.asarray(self.z[:, columns], np.float32)


def site_blocks(responses: Responses, n_sites_block: int | None = None) -> list[slice]:
    """Return slices that cover the sites; by default of about 64 MB each."""
    width = n_sites_block or max(512, _BLOCK_BYTES // (4 * max(responses.n_images, 1)))
    return [slice(i, min(i + width, responses.n_sites)) for i in range(0, responses.n_sites, width)]


def require_same_images(responses: Responses, n_rows: int, what: str) -> None:
    """Raise `RequestError` unless `what` has one row a picture."""
    if n_rows != responses.n_images:
        raise RequestError(
            f"There are responses to {responses.n_images} pictures but {n_rows} {what}; give one "
            "row for each picture, in the same order."
        )


def is_usable(block: Floats) -> NDArray[np.bool_]:
    """Return (n,) whether a site is finite throughout and varies."""
    finite = np.isfinite(block).all(0)
    spread = np.ptp(np.where(finite, block, 0), axis=0)
    return np.asarray(finite & (spread > 1e-6 * np.abs(np.where(finite, block, 0)).max(0)))
