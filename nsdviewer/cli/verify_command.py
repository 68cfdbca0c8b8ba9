"""`nsdviewer verify`: what a tree holds, printed for people or for programs."""

import argparse
import json
from pathlib import Path

from nsdviewer.data.verify.verification import BetasHere, Level, Report, SubjectHere, verify
from nsdviewer.jobs import StreamProgress

_TITLES = {
    Level.DAMAGED: "Damaged",
    Level.WARNING: "Warnings",
    Level.MISSING: "Missing",
    Level.NOTE: "Notes",
    Level.OK: "In order",
}
_REQUIRED_TITLE = "Missing, and nothing can be shown without"
_EXIT_DAMAGED = 1


def add_verify(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register ``verify``."""
    parser = commands.add_parser("verify", help="what is there, what is missing, what is damaged")
    parser.add_argument("root", type=Path, metavar="ROOT")
    parser.add_argument("--json", action="store_true", help="a document for programs")
    parser.add_argument(
        "--quick", action="store_true", help="do not unpack files; compare their lengths"
    )
    parser.add_argument("--subject", type=int, default=None, help="this subject only")
    parser.set_defaults(run=run_verify)


def run_verify(arguments: argparse.Namespace) -> int:
    """Check a tree; exit status 1 if something in it is damaged."""
    subjects = [arguments.subject] if arguments.subject is not None else None
    report = verify(arguments.root, StreamProgress(), arguments.quick, subjects)
    if arguments.json:
        print(json.dumps(report.as_dict(), indent=2, ensure_ascii=False))
    else:
        print("\n".join(lines_of(report)))
    return _EXIT_DAMAGED if report.is_damaged else 0


def lines_of(report: Report) -> list[str]:
    """Return a report as people read it: a table, the findings by gravity, the verdict."""
    kind = "simulated" if report.is_simulated else "real"
    pictures = "no pictures" if report.n_pictures is None else f"{report.n_pictures} pictures"
    design = "design" if report.has_design else "no design"
    lines = [f"{report.root}", f"  {kind} data, {design}, {pictures}"]
    for subject in report.subjects:
        lines += ["", f"Subject {subject.number}", *_table(subject)]
    lines += _findings(report)
    return [*lines, "", report.verdict]


def _table(subject: SubjectHere) -> list[str]:
    rows = [("betas", _betas(b)) for b in subject.betas] or [("betas", "none")]
    rois = [f"{space.value} {len(names)}" for space, names in subject.roi_collections.items()]
    rows.append(("ROI collections", ", ".join(rois) or "none"))
    rows.append(("surfaces", ", ".join(subject.surfaces) or "none"))
    rows.append(("transforms", f"{subject.n_transforms[0]} of {subject.n_transforms[1]}"))
    n_trials = subject.n_behaviour_trials
    rows.append(("behaviour", "none" if n_trials is None else f"{n_trials} trials"))
    rows.append(("time series", f"{subject.n_timeseries_runs or 'no'} runs"))
    for agreement in subject.reliability:
        where = f"{agreement.space.value} {agreement.version.short}"
        rows.append(("reliability", f"{where} recomputed: r = {agreement.pearson_r:.4f}"))
    width = max(len(name) for name, _ in rows)
    return [f"  {name:{width}}  {text}" for name, text in rows]


def _betas(betas: BetasHere) -> str:
    of = f" of {betas.n_published}" if betas.n_published else ""
    n = len(betas.sessions)
    noun = "session" if n == 1 and not of else "sessions"
    formats = ", ".join(betas.storages)
    return f"{betas.space.value:13} {betas.version.short:12} {n}{of} {noun} ({formats})"


def _findings(report: Report) -> list[str]:
    lines: list[str] = []
    groups = [(_REQUIRED_TITLE, report.required_missing)]
    for level, title in _TITLES.items():
        groups.append((title, tuple(f for f in report.of_level(level) if not f.is_required)))
    for title, findings in groups:
        if findings:
            lines += ["", f"{title} ({len(findings)})", *(f"  {f}" for f in findings)]
    return lines
