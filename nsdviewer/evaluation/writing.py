"""``report.json``, ``report.md`` and ``report.html``: all three, or none."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from nsdviewer.evaluation.catalogue import ConditionKind
from nsdviewer.evaluation.controls import Verdict
from nsdviewer.evaluation.documents import to_document
from nsdviewer.evaluation.protocol import Severity
from nsdviewer.evaluation.published import (
    BRAIN_CORRELATION_SOURCE,
    SOURCE,
    comparability,
)
from nsdviewer.evaluation.report import Report
from nsdviewer.evaluation.tables import facts, tables, verdict_sentence
from nsdviewer.files import atomic_path

JSON_NAME, MARKDOWN_NAME, HTML_NAME = "report.json", "report.md", "report.html"
_TEMPLATES = Path(__file__).with_name("templates")
_MARKDOWN_SPECIAL = "\\`*_[]<>|#"


def write_report(report: Report, folder: Path) -> tuple[Path, Path, Path]:
    """Write the three files into `folder`, whole or not at all, and return their paths."""
    texts = {
        JSON_NAME: render_json(report),
        MARKDOWN_NAME: render_markdown(report),
        HTML_NAME: render_html(report),
    }
    with ExitStack() as stack:
        # All contents are on disk before the first of them takes its name.
        for name, text in texts.items():
            stack.enter_context(atomic_path(Path(folder) / name)).write_text(text, encoding="utf-8")
    json_path, markdown_path, html_path = (Path(folder) / name for name in texts)
    return json_path, markdown_path, html_path


def render_json(report: Report) -> str:
    """Return the report as JSON, which `nsdviewer.evaluation.documents.read_report` reads."""
    return json.dumps(to_document(report), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def render_html(report: Report) -> str:
    """Return the report as one page that needs no other file."""
    return _render("report.html.j2", report, is_html=True)


def render_markdown(report: Report) -> str:
    """Return the report as Markdown, without pictures."""
    return _render("report.md.j2", report, is_html=False)


def _render(template: str, report: Report, is_html: bool) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        # A title or an error may hold anything, a tag included.
        autoescape=is_html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["plain"] = _plain
    return environment.get_template(template).render(_context(report))


def _context(report: Report) -> dict[str, Any]:
    """Return what both templates show."""
    protocol = report.protocol
    shown = tuple(k for k in ConditionKind if any(k in s.made for s in report.samples))
    return {
        "report": report,
        "tables": tables(report),
        "facts": facts(report),
        "verdict": verdict_sentence(report),
        "is_alarming": report.verdict in (Verdict.ABOVE, Verdict.BELOW),
        "is_at_chance": report.verdict is Verdict.AT_CHANCE,
        "leaks": protocol.check.leaks,
        "findings": tuple(f for f in protocol.check.findings if f.severity is not Severity.LEAK),
        "split_meaning": protocol.split.meaning if protocol.split else "",
        "source": SOURCE,
        "brain_source": BRAIN_CORRELATION_SOURCE,
        "warnings": comparability(
            protocol.is_simulated, report.split_name, report.n_test, report.embedding_title
        ),
        "shown": shown,
        "headers": {
            role: {k: _short(v) for k, v in header.items()}
            for role, header in report.models.items()
        },
    }


def _short(value: object, longest: int = 160) -> str:
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _plain(text: object) -> str:
    """Return text that Markdown shows as it is, on one line."""
    said = " ".join(str(text).split())
    return "".join(f"\\{c}" if c in _MARKDOWN_SPECIAL else c for c in said)
