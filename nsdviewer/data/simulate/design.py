"""The experimental design: which image is shown on which trial, and NSD's files about it.

Sizes are NSD's own in every preset (30,000 planned trials, 73,000 images, 8 subjects). What is
ours: the trials of the sessions that were *run* consist of whole triples, so that every image
shown at all was shown three times and the noise ceiling is defined with two sessions as with 40.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.io
from numpy.typing import NDArray

from nsdviewer.data.pictures.photographs import Crop
from nsdviewer.files import atomic_path

N_IMAGES = 73_000
N_IDS = 10_000
N_SHARED = 1_000
N_SUBJECTS = 8
N_SESSIONS = 40
N_TRIALS = 750
N_REPETITIONS = 3
# Shared images of a partial experiment: one per held-out photograph.
N_SHARED_SHOWN = 45
TRIALS_PER_RUN = (63, 62) * 6
SLOTS_PER_RUN = 75
# Image ids are drawn above every COCO id, so that a join with COCO's annotations finds nothing.
FIRST_FAKE_COCO_ID = 9_000_000

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Design:
    """The planned experiment and how much of it was run.

    Attributes
    ----------
    masterordering
        (30000,) 1-based 10k ID of every planned trial.
    subjectim
        (8, 10000) 1-based 73k ID of every subject's images.
    sharedix
        (1000,) ascending 1-based 73k IDs of the shared images.
    stimpattern
        (40, 12, 75) 0/1: which 4-s slots of a run hold an image.
    n_sessions
        Sessions that were run, the same for all subjects.
    """

    masterordering: Ints
    subjectim: Ints
    sharedix: Ints
    stimpattern: NDArray[np.uint8]
    n_sessions: int

    @property
    def shown_ids(self) -> Ints:
        """The 10k IDs of the sessions that were run, ascending."""
        return np.array(sorted(set(self.masterordering[: N_TRIALS * self.n_sessions].tolist())))

    def nsd_ids(self, subject: int) -> Ints:
        """Return (n_trials,) 0-based 73k IDs of the trials that `subject` (1–8) did."""
        run = self.masterordering[: N_TRIALS * self.n_sessions]
        return np.asarray(self.subjectim[subject - 1, run - 1] - 1)

    def repetitions(self) -> Ints:
        """Return (30000,) 0-based repetition of every planned trial."""
        order = np.argsort(self.masterordering, kind="stable")
        repetition = np.empty_like(order)
        repetition[order] = np.tile(np.arange(N_REPETITIONS), N_IDS)
        return repetition


def make_design(n_sessions: int, seed: int) -> Design:
    """Draw a design of which `n_sessions` (1–40) are run."""
    rng = np.random.default_rng([seed, 1])
    n_shown = N_TRIALS * n_sessions // N_REPETITIONS
    n_shared = N_SHARED if n_sessions == N_SESSIONS else N_SHARED_SHOWN
    shown = np.r_[1 : n_shared + 1, N_SHARED + 1 : N_SHARED + 1 + n_shown - n_shared]
    planned = np.setdiff1d(np.arange(1, N_IDS + 1), shown)
    shared = np.r_[2951, rng.choice(np.arange(2952, 72949), N_SHARED - 2, replace=False), 72949]
    shared.sort()
    own = rng.permutation(np.setdiff1d(np.arange(1, N_IMAGES + 1), shared))
    subjectim = np.hstack(
        [np.tile(shared, (N_SUBJECTS, 1)), own.reshape(N_SUBJECTS, N_IDS - N_SHARED)]
    )
    return Design(
        masterordering=np.r_[_schedule(shown, rng), _schedule(planned, rng)].astype(np.int64),
        subjectim=subjectim.astype(np.int64),
        sharedix=shared.astype(np.int64),
        stimpattern=_draw_stimpattern(rng),
        n_sessions=n_sessions,
    )


def _schedule(ids: Ints, rng: np.random.Generator) -> Ints:
    """Place each id three times: a first showing, then lags that are short or long."""
    n = N_REPETITIONS * len(ids)
    order = np.zeros(n, np.int64)
    following = list(range(n + 1))  # next free slot at or after a slot; n means none

    def take(slot: int, image: int) -> int:
        slot = _next_free(following, slot)
        if slot == n:
            slot = _next_free(following, 0)
        order[slot] = image
        following[slot] = slot + 1
        return slot

    for image in rng.permutation(ids):
        slot = take(0, image)
        for _ in range(N_REPETITIONS - 1):
            short = rng.uniform() < 0.35
            lag = rng.geometric(1 / 25) if short else rng.integers(1, max(n - slot, 2))
            slot = take(min(slot + int(lag), n - 1), image)
    return order


def _next_free(following: list[int], slot: int) -> int:
    root = slot
    while following[root] != root:
        root = following[root]
    while following[slot] != root:
        following[slot], slot = root, following[slot]
    return root


def _draw_stimpattern(rng: np.random.Generator) -> NDArray[np.uint8]:
    pattern = np.ones((N_SESSIONS, len(TRIALS_PER_RUN), SLOTS_PER_RUN), np.uint8)
    pattern[..., :3] = pattern[..., -4:] = 0
    for session in range(N_SESSIONS):
        for run, n_trials in enumerate(TRIALS_PER_RUN):
            blank = rng.choice(np.arange(5, 70), SLOTS_PER_RUN - 7 - n_trials, replace=False)
            pattern[session, run, blank] = 0
    return pattern


def write_design(folder: Path, design: Design) -> None:
    """Write ``nsd_expdesign.mat`` in the integer types MATLAB would have used."""
    with atomic_path(folder / "nsd_expdesign.mat") as path:
        scipy.io.savemat(
            path,
            {
                "masterordering": design.masterordering[None].astype(np.uint16),
                "subjectim": design.subjectim.astype(np.int32),
                "sharedix": design.sharedix[None].astype(np.int32),
                "stimpattern": design.stimpattern,
                "basiccnt": np.zeros((3, N_SESSIONS), np.uint16),
            },
            do_compression=True,
        )


def write_stim_info(folder: Path, design: Design, crops: Mapping[int, Crop], seed: int) -> None:
    """Write ``nsd_stim_info_merged.csv``: 73,000 rows; `crops` by 0-based 73k ID."""
    rng = np.random.default_rng([seed, 2])
    margin = np.round(rng.uniform(0, 0.25, N_IMAGES), 4)
    boxes = [f"(0.0, 0.0, {m}, {m})" for m in margin.tolist()]
    for nsd_id, crop in crops.items():
        boxes[nsd_id] = f"({crop.top!r}, {crop.bottom!r}, {crop.left!r}, {crop.right!r})"
    columns: dict[str, object] = {
        "cocoId": FIRST_FAKE_COCO_ID + np.sort(rng.choice(10 * N_IMAGES, N_IMAGES, replace=False)),
        "cocoSplit": np.where(rng.uniform(size=N_IMAGES) < 0.05, "val2017", "train2017"),
        "cropBox": boxes,
        "loss": np.round(rng.uniform(0, 0.5, N_IMAGES), 6),
        "nsdId": np.arange(N_IMAGES),
        "flagged": np.zeros(N_IMAGES, bool),
        "BOLD5000": np.zeros(N_IMAGES, bool),
        "shared1000": np.isin(np.arange(N_IMAGES), design.sharedix - 1),
    }
    columns |= _subject_columns(design)
    with atomic_path(folder / "nsd_stim_info_merged.csv") as path:
        pd.DataFrame(columns).to_csv(path)


def _subject_columns(design: Design) -> dict[str, Ints]:
    """Membership and 1-based trial numbers, unrun trials included, as in NSD."""
    trials = np.zeros((N_IDS, N_REPETITIONS), np.int64)
    trials[design.masterordering - 1, design.repetitions()] = np.arange(
        1, len(design.masterordering) + 1
    )
    members: dict[str, Ints] = {}
    repetitions: dict[str, Ints] = {}
    for s in range(N_SUBJECTS):
        column = np.zeros((N_IMAGES, N_REPETITIONS), np.int64)
        column[design.subjectim[s] - 1] = trials
        members[f"subject{s + 1}"] = (column[:, 0] > 0).astype(np.int64)
        for r in range(N_REPETITIONS):
            repetitions[f"subject{s + 1}_rep{r}"] = column[:, r]
    return members | repetitions


def write_image_lists(folder: Path, design: Design, shown: Ints) -> None:
    """Write ``shared1000.tsv`` and ``notshown.tsv`` (1-based 73k IDs; `shown` is 0-based)."""
    unseen = np.setdiff1d(np.arange(N_IMAGES), shown) + 1
    for name, ids in (("shared1000", design.sharedix), ("notshown", unseen)):
        with atomic_path(folder / f"{name}.tsv") as path:
            path.write_text("\n".join(map(str, ids.tolist())) + "\n", encoding="ascii")
