"""What a prior learns from: pairs of decoded and true embeddings."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

FEWEST_PICTURES = 20


@dataclass(frozen=True)
class DecodedPairs:
    """What was decoded, beside what was seen.

    Attributes
    ----------
    decoded
        (n_rows, d) unit vectors, decoded by a map that has not learnt from that row's picture.
    n_repeats
        (n_rows,) repetitions whose mean was decoded.
    picture
        (n_rows,) row of `true`.
    true
        (n_pictures, d) unit embeddings of the pictures.

    Raises
    ------
    RequestError
        If the parts do not fit each other, a value is not finite, or there are too few pictures.
    """

    decoded: Floats
    n_repeats: Ints
    picture: Ints
    true: Floats

    def __post_init__(self) -> None:
        n = len(self.decoded)
        if self.decoded.ndim != 2 or self.decoded.shape[1:] != self.true.shape[1:]:
            raise RequestError(
                f"Decoded embeddings of shape {self.decoded.shape} and true ones of shape "
                f"{self.true.shape} are no pairs; take both from one embedding."
            )
        if len(self.n_repeats) != n or len(self.picture) != n or np.any(self.n_repeats < 1):
            raise RequestError(
                f"{n} decoded embeddings need one picture and a number of repetitions from 1 each."
            )
        if len(np.unique(self.picture)) < FEWEST_PICTURES:
            raise RequestError(
                f"A prior needs {FEWEST_PICTURES} training pictures, and there are "
                f"{len(np.unique(self.picture))}; take more sessions."
            )
        require_finite(self.decoded, "decoded")
        require_finite(self.true, "true")

    @property
    def weights(self) -> NDArray[np.float64]:
        """(n_rows,) every picture counts 1, shared evenly between its numbers of repetitions."""
        keys = np.stack([self.picture, self.n_repeats], 1)
        groups, of_row, n_rows = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
        _, of_group, n_groups = np.unique(groups[:, 0], return_inverse=True, return_counts=True)
        return np.asarray(1 / (n_rows * n_groups[of_group])[of_row.reshape(-1)], np.float64)

    def most_repeated(self) -> Ints:
        """Return (n_pictures,) for each picture the first row with most repetitions."""
        order = np.lexsort((-self.n_repeats, self.picture))
        _, first = np.unique(self.picture[order], return_index=True)
        return np.asarray(order[first])


def require_finite(embeddings: NDArray[np.floating], what: str) -> None:
    """Raise `RequestError` if an embedding has a value that is not finite."""
    bad = ~np.isfinite(embeddings).all(axis=1)
    if bad.any():
        raise RequestError(
            f"{int(bad.sum())} of {len(bad)} {what} embeddings have a value that is not finite, the "
            f"first in row {int(bad.argmax())}; leave them out."
        )
