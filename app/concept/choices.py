"""What can be chosen beside the concept: readings, tests, null hypotheses, and what each means."""

from __future__ import annotations

from dataclasses import dataclass, field

from nsdviewer.mapping.maps import UNITS
from nsdviewer.state import Null, Reading


@dataclass(frozen=True)
class Offered:
    """Why each choice cannot be taken, "" where it can.

    Attributes
    ----------
    readings, nulls
        With the statistic as it is.
    statistics
        With the reading and the null hypothesis as they are.
    """

    readings: dict[Reading, str] = field(default_factory=dict)
    statistics: dict[str, str] = field(default_factory=dict)
    nulls: dict[Null, str] = field(default_factory=dict)


UNTESTED = "none"
# Chip and menu entry of each test.
STATISTICS: dict[str, tuple[str, str]] = {
    UNTESTED: ("no test", "no test"),
    "fdr:0.05": ("FDR .05", "false discovery rate ≤ .05"),
    "fdr:0.01": ("FDR .01", "false discovery rate ≤ .01"),
    "fwe:0.05": ("FWE .05", "family-wise error ≤ .05"),
    "p:0.001": ("p .001", "p ≤ .001, uncorrected"),
    "ci:0.9": ("90 % interval", "90 % bootstrap interval excludes zero"),
}
READINGS = {
    Reading.ENCODER: f"encoder: what a voxel would answer, {UNITS[Reading.ENCODER]}",
    Reading.DECODER: f"decoder: what the decoder listens to, {UNITS[Reading.DECODER]}",
    Reading.PATTERN: f"pattern: how a voxel moves with the decoded score, {UNITS[Reading.PATTERN]}",
}
READING_TIPS = {
    Reading.ENCODER: "The change that the encoder predicts for a voxel per unit along the concept.",
    Reading.DECODER: "Weights of the decoder along the concept. A voxel that only cancels "
    "another's noise has one too: no map of activity.",
    Reading.PATTERN: "The decoder's forward pattern (Haufe et al. 2014): covariance of a voxel "
    "with the decoded score, which can be read as activity.",
}
NULLS = {
    Null.USUAL: "usual: partial for a ridge encoder, else images",
    Null.IMAGES: "images: the voxel answers to nothing of the embedding",
    Null.PARTIAL: "partial: it answers to much, but not to this concept",
    Null.DIRECTIONS: "directions: it answers no more to this than to any idea",
}


def statistic_name(statistic: str) -> str:
    """Return a test in a few characters; one that is not in the menu as it is written."""
    return STATISTICS.get(statistic, (statistic, statistic))[0]
