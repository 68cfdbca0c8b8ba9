"""The report: frozen, and with all that is needed to judge it."""

from dataclasses import dataclass
from typing import Any

from nsdviewer.evaluation.catalogue import ConditionKind, MetricInfo
from nsdviewer.evaluation.controls import ChanceCheck, Verdict, overall_verdict
from nsdviewer.evaluation.protocol import Protocol
from nsdviewer.evaluation.scores import NotComputed


@dataclass(frozen=True)
class Figure:
    """One metric of one condition.

    Attributes
    ----------
    low, high
        Bootstrap interval over test pictures; None where too few are defined.
    per_item
        In the order of the report's `nsd_ids`; None where undefined.
    note
        What holds for this figure alone.
    """

    mean: float
    low: float | None
    high: float | None
    per_item: tuple[float | None, ...]
    note: str = ""

    @property
    def n_undefined(self) -> int:
        """Pictures without a value."""
        return sum(value is None for value in self.per_item)

    @property
    def n_defined(self) -> int:
        """Pictures with a value."""
        return len(self.per_item) - self.n_undefined


Cell = Figure | NotComputed


@dataclass(frozen=True)
class ConditionInfo:
    """One column of the table."""

    kind: ConditionKind
    how: str


@dataclass(frozen=True)
class Sample:
    """One test picture shown with what was made of it.

    Attributes
    ----------
    place
        ``best``, ``median`` or ``worst``.
    value
        Of the metric that the samples are chosen by.
    seen
        JPEG, base64.
    made
        The same by condition, where it has pictures.
    """

    nsd_id: int
    place: str
    value: float
    seen: str
    made: dict[ConditionKind, str]


@dataclass(frozen=True)
class Report:
    """What an evaluation found, with all that is needed to judge it.

    Attributes
    ----------
    versions
        Of this program and the libraries that the figures hang on.
    embedding_title
        As people read it; says so where it is not CLIP.
    models
        Headers of decoder, generator and encoder files, by role.
    cells
        By condition, then by the metric's key; every condition has every metric.
    absent
        Conditions that were not made, with reasons.
    chance_checks
        The shuffled control against chance.
    sample_rule
        How the samples were chosen, in a sentence; empty without samples.
    notes
        What else a reader has to know, in sentences.
    """

    protocol: Protocol
    embedding_title: str
    nsd_ids: tuple[int, ...]
    seed: int
    n_bootstrap: int
    confidence: float
    versions: dict[str, str]
    models: dict[str, dict[str, Any]]
    metrics: tuple[MetricInfo, ...]
    conditions: tuple[ConditionInfo, ...]
    absent: dict[ConditionKind, str]
    cells: dict[ConditionKind, dict[str, Cell]]
    chance_checks: tuple[ChanceCheck, ...]
    sample_rule: str
    samples: tuple[Sample, ...]
    notes: tuple[str, ...]

    @property
    def n_test(self) -> int:
        """Test pictures."""
        return len(self.nsd_ids)

    @property
    def verdict(self) -> Verdict:
        """Whether the shuffled control is at chance."""
        return overall_verdict(self.chance_checks)

    @property
    def split_name(self) -> str:
        """The split as people read it."""
        return self.protocol.split.value if self.protocol.split else "no named split"

    @property
    def is_leak_suspected(self) -> bool:
        """Whether the split leaks, or shuffled brains tell which picture was seen."""
        return self.verdict is Verdict.ABOVE or bool(self.protocol.check.leaks)
