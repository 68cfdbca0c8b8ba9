"""The command that a job's process runs; people start jobs in the window."""

import argparse
from pathlib import Path

from nsdviewer.cli.options import Commands, when_asked


def add_job(commands: Commands) -> None:
    """Register ``job-run``, which is not listed: it runs the command that a job's folder records."""
    job = commands.add_parser("job-run")
    job.add_argument("folder", type=Path)
    job.set_defaults(run=when_asked("job_command", "run_job_command"))


def run_job_command(arguments: argparse.Namespace) -> int:
    """Run a job's command in this process, and write how it ended."""
    from nsdviewer.background.running import run_job
    from nsdviewer.cli.main import main

    return run_job(arguments.folder, main)
