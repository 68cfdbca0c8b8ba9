"""What was decoded from some trials, beside what was seen in them: the value the bench shows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.session.bench_scores import Rgb, Scores, mosaic
from nsdviewer.state import ViewState

MOST_SEEN = 9
# What of a state a reconstruction depends on.
_STATE_FIELDS = (
    "trials", "average_repeats", "seed", "decoder", "generator", "scaling", "patches",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """What was decoded from some trials' responses, beside what was seen in them.

    Attributes
    ----------
    state
        What it was computed for.
    groups
        Trials that entered, a group a picture where repetitions were averaged first. The groups
        weigh equally.
    nsd_ids
        The pictures seen, each once, in the order of the trials.
    seen_pictures
        (425, 425, 3) uint8, the first `MOST_SEEN` of them; none where `seen_missing` says why.
    painted
        (r, r, 3) uint8; None where `painted_missing` says why.
    painted_by
        The generator's name; empty where there is none.
    decoded, true
        (n_embedding,) unit vectors: decoded, and of the pictures' mean; `true` is None where the
        pictures cannot be embedded.
    scaling
        ``responses scaled: FFA-1 × 0``; empty where they are as measured.
    n_in_training
        Pictures that the decoder was fitted on, so that the result proves nothing.
    """

    state: ViewState
    groups: tuple[tuple[int, ...], ...]
    nsd_ids: tuple[int, ...]
    seen_pictures: tuple[Rgb, ...]
    seen_missing: str
    painted: Rgb | None
    painted_missing: str
    painted_by: str
    decoded: NDArray[np.float32]
    true: NDArray[np.float32] | None
    scores: Scores
    scaling: str
    label: str
    n_in_training: int

    @property
    def trials(self) -> tuple[int, ...]:
        """All trials that entered."""
        return tuple(t for group in self.groups for t in group)

    @property
    def nsd_id(self) -> int:
        """The first picture."""
        return self.nsd_ids[0]

    @property
    def seen(self) -> Rgb | None:
        """(425, 425, 3): the picture, or the first of them in a mosaic; None without any."""
        return mosaic(self.seen_pictures)

    @property
    def rank(self) -> float:
        """Of the seen picture among the test pictures; see `Scores`."""
        return int(self.scores.rank) if self.scores.n_ranked == 1 else self.scores.rank

    @property
    def n_candidates(self) -> int:
        """Pictures that the rank is among."""
        return self.scores.n_candidates

    @property
    def cosine(self) -> float:
        """Between what was decoded and the seen picture's own vector."""
        return self.scores.cosine

    @property
    def pixel_r(self) -> float:
        """PixCorr."""
        return self.scores.pixel_r

    @property
    def in_training(self) -> bool:
        """Whether the decoder was fitted on any of the pictures."""
        return self.n_in_training > 0

    @property
    def title(self) -> str:
        """Which trials it stands on."""
        n, n_pictures = len(self.trials), len(self.nsd_ids)
        if n_pictures > 1:
            return f"{n_pictures:,} pictures · mean of {n:,} trials"
        what = f"mean of {n} repetitions" if n > 1 else "single trial"
        name = f" · {self.label}" if self.label else ""
        return f"trial {self.state.trials[0]:,}{name} · {what}"

    @property
    def training_note(self) -> str:
        """``held out``, or how many of its pictures the decoder was fitted on."""
        if not self.in_training:
            return "held out"
        n = len(self.nsd_ids)
        return "TRAINING picture" if n == 1 else f"{self.n_in_training} of {n} TRAINING pictures"

    def is_of(self, state: ViewState) -> bool:
        """Whether `state` asks for just this."""
        return all(getattr(self.state, name) == getattr(state, name) for name in _STATE_FIELDS)
