"""Which trials enter a reconstruction together."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.trials.table import TrialTable

Trials = NDArray[np.int64]


def group_trials(table: TrialTable, trials: Sequence[int], average_repeats: bool) -> list[Trials]:
    """Return the trials that are averaged first, a group a picture, in the order asked for.

    With `average_repeats` a group holds all repetitions of its picture, else each trial that was
    asked for is a group of its own. Nothing enters twice.

    Raises
    ------
    RequestError
        If a trial does not exist or has no betas.
    """
    asked = tuple(dict.fromkeys(int(t) for t in trials))
    table.require(asked)
    if not average_repeats:
        return [np.array([t], np.int64) for t in asked]
    nsd_ids = table.column("nsd_id")
    first = {int(nsd_ids[t]): t for t in reversed(asked)}
    return [table.repeats_of(first[i]) for i in dict.fromkeys(int(nsd_ids[t]) for t in asked)]
