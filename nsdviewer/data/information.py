"""Numbers about the dataset as a whole, from ``nsddata/information``."""

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.formats.number_tables import read_numbers
from nsdviewer.data.layout import NsdRoot
from nsdviewer.errors import RequestError
from nsdviewer.state import Space

_SPACES = (Space.FUNC1PT8MM, Space.FUNC1MM)


def read_n_noise_components(root: NsdRoot, space: Space) -> NDArray[np.float64]:
    """Return how many noise components GLMdenoise took out, (n_sessions, n_subjects).

    Session 1 in row 0 and subject 1 in column 0; NaN where a subject has no such session.

    Raises
    ------
    RequestError
        If b3 was not fitted in `space`.
    DataError
        If the file is missing or damaged.
    """
    if space not in _SPACES:
        here = " and ".join(s.value for s in _SPACES)
        raise RequestError(f"b3 was not fitted in {space.value}; choose {here}.")
    return read_numbers(root.path / "nsddata" / "information" / f"b3pcnum_{space.value}.tsv").values
