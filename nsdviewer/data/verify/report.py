"""What `nsdviewer verify` hands back: what is there, and what was found."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsdviewer.data.verify.findings import Finding, Level
from nsdviewer.state import BetaVersion, Space

FORMAT = "nsdviewer-verification"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class BetasHere:
    """Sessions of one space and version.

    Attributes
    ----------
    n_published
        None where nothing is published, as for the side experiments.
    storages
        File formats that are read.
    """

    space: Space
    version: BetaVersion
    sessions: tuple[int, ...]
    n_published: int | None
    storages: tuple[str, ...]


@dataclass(frozen=True)
class Agreement:
    """Reliability as NSD computed it, against what follows from the betas here.

    Attributes
    ----------
    n_sessions, is_complete
        Sessions that were read, and whether these are all that there are.
    n_sites
        Voxels or vertices of the sample in which both are defined.
    pearson_r
        NaN where either does not vary.
    median_difference, max_difference
        Of the absolute difference in ncsnr.
    """

    space: Space
    version: BetaVersion
    n_sessions: int
    is_complete: bool
    n_sites: int
    pearson_r: float
    median_difference: float
    max_difference: float


@dataclass(frozen=True)
class SubjectHere:
    """What is there of one subject.

    Attributes
    ----------
    roi_collections
        Names by space; on vertices ``nativesurface``.
    surfaces
        Shapes of either hemisphere.
    n_transforms
        Found and published.
    n_behaviour_trials
        None without a response table.
    """

    number: int
    betas: tuple[BetasHere, ...]
    roi_collections: dict[Space, tuple[str, ...]]
    surfaces: tuple[str, ...]
    n_transforms: tuple[int, int]
    n_behaviour_trials: int | None
    n_timeseries_runs: int
    reliability: tuple[Agreement, ...]


@dataclass(frozen=True)
class Report:
    """What a tree holds.

    Attributes
    ----------
    is_quick
        Whether compressed files were compared by their lengths only.
    n_pictures
        In the brick; None where it is missing or damaged.
    findings
        The gravest first: what is needed and missing, damage, warnings, what is missing, notes.
    """

    root: Path
    is_simulated: bool
    is_quick: bool
    has_design: bool
    n_pictures: int | None
    subjects: tuple[SubjectHere, ...]
    findings: tuple[Finding, ...]

    def of_level(self, level: Level) -> tuple[Finding, ...]:
        """Return the findings of one level."""
        return tuple(f for f in self.findings if f.level is level)

    @property
    def is_damaged(self) -> bool:
        """Whether a file that is there cannot be right."""
        return bool(self.of_level(Level.DAMAGED))

    @property
    def required_missing(self) -> tuple[Finding, ...]:
        """What is missing and needed to show anything."""
        return tuple(f for f in self.findings if f.is_required)

    @property
    def verdict(self) -> str:
        """The report in one sentence."""
        n_damaged = len(self.of_level(Level.DAMAGED))
        n_warnings = len(self.of_level(Level.WARNING))
        n_missing = len(self.of_level(Level.MISSING))
        if self.required_missing:
            first = self.required_missing[0]
            said = f"Nothing can be shown without {first.path or 'what is missing'}"
        elif n_damaged:
            said = f"{_count(n_damaged, 'file')} {'is' if n_damaged == 1 else 'are'} damaged"
        else:
            said = "Nothing is damaged"
        if self.required_missing and n_damaged:
            said += f", and {_count(n_damaged, 'file')} {'is' if n_damaged == 1 else 'are'} damaged"
        rest = [_count(n_warnings, "warning")] if n_warnings else []
        if n_missing:
            rest.append(f"{n_missing} {'part' if n_missing == 1 else 'parts'} missing")
        looked = " (compressed files by their lengths only)" if self.is_quick else ""
        return f"{said}{'; ' + ', '.join(rest) if rest else ''}{looked}."

    def as_dict(self) -> dict[str, Any]:
        """Return the report as a document that other programs may rely on."""
        by_level = {level: [_finding(f) for f in self.of_level(level)] for level in Level}
        return {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "root": str(self.root),
            "simulated": self.is_simulated,
            "quick": self.is_quick,
            "verdict": self.verdict,
            "summary": {level.value: len(found) for level, found in by_level.items()},
            "damaged": by_level[Level.DAMAGED],
            "warnings": by_level[Level.WARNING],
            "missing": by_level[Level.MISSING],
            "notes": by_level[Level.NOTE],
            "ok": by_level[Level.OK],
            "design": self.has_design,
            "pictures": self.n_pictures,
            "subjects": {str(s.number): _subject(s) for s in self.subjects},
        }


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "topic": finding.topic.value,
        "subject": finding.subject,
        "path": finding.path,
        "what": finding.what,
        "next": finding.next_step,
        "required": finding.is_required,
    }


def _subject(subject: SubjectHere) -> dict[str, Any]:
    return {
        "betas": [
            {
                "space": b.space.value,
                "version": b.version.short,
                "sessions": list(b.sessions),
                "published_sessions": b.n_published,
                "formats": list(b.storages),
            }
            for b in subject.betas
        ],
        "roi_collections": {s.value: list(n) for s, n in subject.roi_collections.items()},
        "surfaces": list(subject.surfaces),
        "transforms": subject.n_transforms[0],
        "published_transforms": subject.n_transforms[1],
        "behaviour_trials": subject.n_behaviour_trials,
        "timeseries_runs": subject.n_timeseries_runs,
        "reliability": [_agreement(a) for a in subject.reliability],
    }


def _agreement(agreement: Agreement) -> dict[str, Any]:
    # JSON knows no NaN.
    r = agreement.pearson_r
    return {
        "space": agreement.space.value,
        "version": agreement.version.short,
        "sessions": agreement.n_sessions,
        "complete": agreement.is_complete,
        "sites": agreement.n_sites,
        "pearson_r": round(r, 6) if r == r else None,
        "median_difference": round(agreement.median_difference, 6),
        "max_difference": round(agreement.max_difference, 6),
    }
