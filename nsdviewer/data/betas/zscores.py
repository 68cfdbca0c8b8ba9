"""Responses made comparable: z-scored per session with training trials only."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import DataError


@dataclass(frozen=True)
class SessionStatistics:
    """Mean and deviation of each voxel over each session's training trials.

    Attributes
    ----------
    mean_psc, sd_psc
        (n_sessions, n_voxels) float32; NaN for sessions without data, session 1 in row 0.
    """

    mean_psc: NDArray[np.float32]
    sd_psc: NDArray[np.float32]

    @cached_property
    def mean_sd_psc(self) -> NDArray[np.float32]:
        """(n_voxels,) deviation averaged over sessions; 0 where no session has one."""
        n_sessions = np.isfinite(self.sd_psc).sum(axis=0)
        return np.asarray(
            np.nansum(self.sd_psc, axis=0) / np.maximum(n_sessions, 1), dtype=np.float32
        )

    def zscore(self, psc: NDArray[np.float32], sessions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return z-scores of (n_trials, n_voxels) responses; `sessions` (n_trials,) from 1.

        Raises
        ------
        DataError
            If a session has no statistics.
        """
        if sessions.max(initial=0) > len(self.mean_psc):
            raise DataError(
                f"There are no training statistics for session {int(sessions.max())}; fit the model "
                "again with that session on disk."
            )
        row = sessions - 1
        return (psc - self.mean_psc[row]) / self.sd_psc[row]
