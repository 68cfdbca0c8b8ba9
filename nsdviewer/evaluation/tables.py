"""The report as tables of text, from which Markdown and HTML are laid out alike."""

from dataclasses import dataclass, field

from nsdviewer.evaluation.catalogue import Better, ConditionKind, MetricInfo, Unit
from nsdviewer.evaluation.controls import Verdict
from nsdviewer.evaluation.published import COLUMNS, SYSTEMS
from nsdviewer.evaluation.report import Cell, Report
from nsdviewer.evaluation.scores import NotComputed

NOT_COMPUTED = "not computed"
NOTHING = "–"


@dataclass
class Footnotes:
    """Numbered remarks; what is said twice has one number."""

    texts: list[str] = field(default_factory=list)

    def mark(self, text: str) -> tuple[int, ...]:
        """Return the number of a remark, or nothing for none."""
        if not text:
            return ()
        if text not in self.texts:
            self.texts.append(text)
        return (self.texts.index(text) + 1,)


@dataclass(frozen=True)
class TextCell:
    """One cell.

    Attributes
    ----------
    small
        The interval, or nothing.
    marks
        Numbers of footnotes.
    """

    text: str
    small: str = ""
    marks: tuple[int, ...] = ()
    is_missing: bool = False


@dataclass(frozen=True)
class TextRow:
    """One metric: its name, which way it improves, and its cells."""

    title: str
    is_lower_better: bool
    chance: str
    marks: tuple[int, ...]
    cells: tuple[TextCell, ...]


@dataclass(frozen=True)
class CheckRow:
    """One figure of the shuffled control against chance."""

    title: str
    value: str
    error: str
    chance: str
    verdict: str
    is_good: bool


@dataclass(frozen=True)
class Tables:
    """All tables of a report, and the footnotes that their cells point to."""

    conditions: tuple[ConditionKind, ...]
    figures: tuple[TextRow, ...]
    systems: tuple[str, ...]
    published: tuple[TextRow, ...]
    checks: tuple[CheckRow, ...]
    footnotes: tuple[str, ...]


def tables(report: Report) -> Tables:
    """Lay a report out."""
    notes = Footnotes()
    kinds = tuple(c.kind for c in report.conditions)
    figures = tuple(
        _row(m, tuple(_cell(report.cells[kind][m.key], m.unit, notes) for kind in kinds), notes)
        for m in report.metrics
    )
    return Tables(
        conditions=kinds,
        figures=figures,
        systems=tuple(s.name for s in SYSTEMS),
        published=_published(report, notes),
        checks=_checks(report),
        footnotes=tuple(notes.texts),
    )


def number(value: float, unit: Unit) -> str:
    """Return a value as the field prints it: percent with one decimal, correlations with three."""
    text = f"{100 * value:.1f}" if unit is Unit.PERCENT else f"{value:.3f}"
    return text.replace("-", "−")


def _limits(low: float, high: float, unit: Unit) -> str:
    # A dash beside a minus cannot be read.
    between = "–" if low >= 0 else " to "
    return f"{number(low, unit)}{between}{number(high, unit)}"


def _row(metric: MetricInfo, cells: tuple[TextCell, ...], notes: Footnotes) -> TextRow:
    return TextRow(
        title=f"{metric.title} (%)" if metric.unit is Unit.PERCENT else metric.title,
        is_lower_better=metric.better is Better.LOWER,
        chance=NOTHING if metric.chance is None else number(metric.chance, metric.unit),
        marks=notes.mark(metric.note),
        cells=cells,
    )


def _cell(cell: Cell, unit: Unit, notes: Footnotes) -> TextCell:
    if isinstance(cell, NotComputed):
        return TextCell(NOT_COMPUTED, "", notes.mark(cell.reason), is_missing=True)
    interval = ""
    if cell.low is not None and cell.high is not None:
        interval = _limits(cell.low, cell.high, unit)
    return TextCell(number(cell.mean, unit), interval, notes.mark(cell.note))


def _published(report: Report, notes: Footnotes) -> tuple[TextRow, ...]:
    """Published systems with this report's main condition before them, metric by metric."""
    main = report.conditions[0].kind if report.conditions else None
    keys = [metric.value for metric in COLUMNS]
    by_key = {m.key: m for m in report.metrics}
    rows = []
    for key in keys:
        metric = by_key[key]
        ours = TextCell(NOTHING)
        if main is not None:
            ours = _cell(report.cells[main][key], metric.unit, notes)
        theirs = (system.value(key) for system in SYSTEMS)
        cells = (
            TextCell(NOTHING) if v is None else TextCell(number(v, metric.unit)) for v in theirs
        )
        rows.append(_row(metric, (ours, *cells), notes))
    return tuple(rows)


def _checks(report: Report) -> tuple[CheckRow, ...]:
    by_key = {m.key: m for m in report.metrics}
    rows = []
    for check in report.chance_checks:
        metric = by_key[check.metric]
        limits = _limits(check.low, check.high, metric.unit)
        rows.append(
            CheckRow(
                title=f"{metric.title} (%)" if metric.unit is Unit.PERCENT else metric.title,
                value=number(check.value, metric.unit),
                error=number(check.standard_error, metric.unit),
                chance=limits,
                verdict=check.verdict.value,
                is_good=check.verdict in (Verdict.AT_CHANCE, Verdict.TOO_FEW),
            )
        )
    return tuple(rows)


def facts(report: Report) -> tuple[tuple[str, str], ...]:
    """Return what was tested on what, as pairs of a label and a value."""
    p = report.protocol
    return (
        ("Subject", str(p.subject)),
        ("Responses", "SIMULATED" if p.is_simulated else "measured"),
        ("Embedding", report.embedding_title),
        ("Split", report.split_name),
        ("Test", f"{report.n_test} pictures, {p.n_test_trials} trials"),
        ("Training", f"{p.n_train_pictures} pictures, {p.n_train_trials} trials"),
        ("Voxels", f"{p.roi}, {p.space}"),
        ("Betas", p.beta_version),
        ("Intervals", f"{100 * report.confidence:.0f} %, bootstrap over test pictures"),
        ("Seed", str(report.seed)),
    )


def verdict_sentence(report: Report) -> str:
    """Return what the shuffled control says, in a sentence."""
    n = len(report.chance_checks)
    titles = {m.key: m.title for m in report.metrics}
    failed = [titles[c.metric] for c in report.chance_checks if c.verdict is report.verdict]
    said = {
        Verdict.AT_CHANCE: f"Shuffled brains are at chance in all {n} figures that have one.",
        Verdict.ABOVE: (
            f"SHUFFLED BRAINS SCORE ABOVE CHANCE ({'; '.join(failed)}): something other than the "
            "brain tells which picture was seen. No figure of this report can be believed."
        ),
        Verdict.BELOW: (
            f"Shuffled brains score below chance ({'; '.join(failed)}), which chance does not "
            "explain: pictures or vectors may be in a wrong order."
        ),
        Verdict.TOO_FEW: (
            f"{report.n_test} test pictures are too few to tell whether shuffled brains are at "
            "chance."
        ),
        Verdict.NOT_CHECKED: (
            "Shuffled brains were not checked against chance: nothing was decoded, or no figure "
            "with a chance level could be computed."
        ),
    }[report.verdict]
    how = [c.how for c in report.conditions if c.kind is ConditionKind.SHUFFLED and c.how]
    return " ".join([said, *how])
