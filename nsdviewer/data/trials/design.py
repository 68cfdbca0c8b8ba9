"""The experiment's plan, and the sets of pictures that follow from it by rule.

Identifiers leave this module 0-based: the files' 1-based 73k and 10k numbers are shifted here,
once.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.io
from numpy.typing import NDArray

from nsdviewer.data.layout import NsdRoot
from nsdviewer.errors import DataError

TRIALS_PER_SESSION = 750
# Odd runs have 63 stimulus trials, even ones 62.
TRIALS_PER_RUN = (63, 62) * 6
RUN_OF_POSITION = np.repeat(np.arange(1, 13), TRIALS_PER_RUN)
TRIAL_OF_POSITION = np.concatenate([np.arange(1, n + 1) for n in TRIALS_PER_RUN])
# How many sessions each subject did, and how many of them decoders used before the last three were
# released in August 2023.
SESSIONS_OF_SUBJECT = {1: 40, 2: 40, 3: 32, 4: 30, 5: 40, 6: 32, 7: 40, 8: 30}
_WITHHELD_SESSIONS = 3


@dataclass(frozen=True)
class Design:
    """The experiment's plan, 0-based.

    Attributes
    ----------
    image_10k
        (n_planned,) 10k id of each planned trial.
    nsd_id
        (n_subjects, n_10k) 73k id of each subject's 10k ids.
    shared
        73k ids of the pictures that all subjects were to see, ascending.
    stimpattern
        (40, 12, 75) 0/1: which 4-s slots of a run hold a stimulus; None where the file lacks it.
    """

    image_10k: NDArray[np.int64]
    nsd_id: NDArray[np.int64]
    shared: NDArray[np.int64]
    stimpattern: NDArray[np.int64] | None

    def count_repetitions(self, n_sessions: int) -> NDArray[np.int64]:
        """Return (n_10k,) how often each 10k id was shown in the first `n_sessions` sessions."""
        done = self.image_10k[: TRIALS_PER_SESSION * n_sessions]
        return np.bincount(done, minlength=self.nsd_id.shape[1])

    def shared_seen_by_all(self, at_least: int, n_sessions: Mapping[int, int]) -> NDArray[np.int64]:
        """Return 73k ids of the shared pictures that each subject saw at least so often.

        Parameters
        ----------
        n_sessions
            Sessions that each subject did, for example `SESSIONS_OF_SUBJECT`: with these, three
            times gives the "special 515".
        """
        seen = np.ones(len(self.shared), bool)
        for n in n_sessions.values():
            seen &= self.count_repetitions(n)[: len(self.shared)] >= at_least
        return self.shared[seen]


def legacy_sessions(subject: int) -> int:
    """Return how many of a subject's sessions the ``legacy-37`` split uses: 37, 29 or 27."""
    return SESSIONS_OF_SUBJECT.get(subject, max(SESSIONS_OF_SUBJECT.values())) - _WITHHELD_SESSIONS


def read_design(root: NsdRoot) -> Design:
    """Read ``nsd_expdesign.mat``; raises `DataError` if it is missing, damaged or inconsistent."""
    path = root.design_file
    if not path.exists():
        raise DataError(f"The design {path} is missing; download it: nothing can be shown without.")
    try:
        content = scipy.io.loadmat(path)
        ordering, images, shared = (
            _whole_numbers(content[key]) - 1 for key in ("masterordering", "subjectim", "sharedix")
        )
        pattern = _whole_numbers(content["stimpattern"]) if "stimpattern" in content else None
    except KeyError as error:
        raise DataError(f"The design {path} lacks {error}; download it again.") from error
    except Exception as error:  # scipy raises many kinds for damaged files
        raise DataError(f"The design {path} is damaged ({error}); download it again.") from error
    design = Design(ordering.ravel(), images, shared.ravel(), pattern)
    fault = _fault(design)
    if fault:
        raise DataError(f"The design {path} is damaged: {fault}; download it again.")
    return design


def _whole_numbers(values: NDArray[np.generic]) -> NDArray[np.int64]:
    # MATLAB chose small unsigned types; they would wrap when 1 is subtracted.
    with np.errstate(invalid="ignore"):
        whole = np.asarray(values).astype(np.int64)
    if not np.array_equal(whole, values):
        raise ValueError("numbers that are not whole")
    return whole


def _fault(design: Design) -> str:
    """Say what contradicts itself in a design; empty if nothing does."""
    if design.nsd_id.ndim != 2:
        return "'subjectim' is no table of subjects by pictures"
    n_10k = design.nsd_id.shape[1]
    if len(design.image_10k) == 0 or not design.image_10k.min() >= 0:
        return "'masterordering' holds numbers below 1"
    if design.image_10k.max() >= n_10k:
        return "'masterordering' names pictures that 'subjectim' has not"
    if design.nsd_id.min() < 0:
        return "'subjectim' holds numbers below 1"
    n_shared = len(design.shared)
    if n_shared > n_10k or not (design.nsd_id[:, :n_shared] == design.shared).all():
        return "the first pictures of each subject are not those of 'sharedix'"
    return ""
