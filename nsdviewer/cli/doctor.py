"""`nsdviewer doctor`: what a bug report needs, in lines or as JSON."""

import argparse
import json

from nsdviewer.diagnosis.report import as_text, diagnose


def run_doctor(arguments: argparse.Namespace) -> int:
    """Print the report; it says what is broken and never fails for it."""
    report = diagnose()
    print(json.dumps(report, indent=2, ensure_ascii=False) if arguments.json else as_text(report))
    return 0
