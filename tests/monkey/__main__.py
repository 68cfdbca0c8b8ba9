"""Let the monkey loose, or do again what it did.

    python -m tests.monkey --seed 1 --actions 2000 [--upto N] [--seconds S] [--root ROOT] [--windows 2]

Needs a display. The subject is simulated in a temporary folder where no root is named. Prints what
went wrong, the longest times without a heartbeat, and how the counts move; writes all of it as JSON
where ``--json`` says.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import math
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QApplication

from nsdviewer.jobs import StreamProgress
from nsdviewer.session.demo import first_state, simulate_subjects
from tests.monkey.counts import growing_files, growing_types, late_libraries, trends
from tests.monkey.heartbeat import Gap
from tests.monkey.world import world

_FROZEN_S = 1.0
_ENDS_WINDOWS = frozenset({"file.quit", "file.close", "file.new-window", "file.subject-window"})


def main(arguments: list[str]) -> int:
    """Run; returns 1 where something went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.monkey")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--actions", type=int, default=2000)
    parser.add_argument("--upto", type=int, help="stop after this action")
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop after so long")
    parser.add_argument("--root", type=Path)
    parser.add_argument("--windows", type=int, default=1)
    parser.add_argument("--sample-every", type=int, default=500)
    parser.add_argument("--folder", type=Path, help="where the record is kept")
    parser.add_argument(
        "--keeps-windows", action="store_true", help="close no window, as for counting"
    )
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    faulthandler.enable()
    with tempfile.TemporaryDirectory() as temporary:
        found = _run(asked, asked.folder or Path(temporary))
    if asked.json is not None:
        asked.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return int(bool(found["missed"]))


def _run(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    root = asked.root or folder / "subjects"
    if not root.exists():
        simulate_subjects(root, "mini", asked.windows, 7, StreamProgress())
    first = first_state(root, StreamProgress())
    states = [first]
    for k in range(1, asked.windows):
        states.append(first.replace(subject=k + 1, trials=(), voxel=None))
    application = QApplication(["nsdviewer"])
    application.setStyle("Fusion")
    n_actions = min(asked.upto or asked.actions, asked.actions)
    left_out = _ENDS_WINDOWS if asked.keeps_windows else frozenset()
    with world(
        states, folder, asked.seed, left_out, asked.sample_every, warms_up=asked.sample_every > 0
    ) as (run, faults, heart):
        report = run.go(n_actions, asked.seconds)
    print(
        f"seed {asked.seed}, {len(states)} window(s): {report.n_actions} actions in "
        f"{report.wall_s:.0f} s, {report.n_undone} steps undone and done again, window opened "
        f"{report.n_opened} times more, {len(set(faults.said))} kinds of refusals said"
    )
    missed = [*faults.found]
    for fault in faults.found:
        print(f"FAULT {fault}")
    missed += _say_gaps(heart.gaps)
    if len(report.samples) > 3:
        for trend in trends(report.samples):
            print(trend)
            if not trend.is_flat:
                missed.append(f"grows: {trend}")
        for of_qt in (False, True):
            more = ", ".join(growing_types(report.samples, of_qt)) or "nothing"
            print(f"more at the end than at half time: {more}")
        print("open besides: " + (", ".join(growing_files(report.samples)) or "nothing"))
        print("loaded since: " + (", ".join(late_libraries(report.samples)) or "nothing"))
    return {
        "seed": asked.seed,
        "n_windows": len(states),
        "n_actions": report.n_actions,
        "wall_s": report.wall_s,
        "n_undone": report.n_undone,
        "n_opened": report.n_opened,
        "gaps": [{k: v for k, v in asdict(g).items() if k != "stacks"} for g in heart.gaps],
        "samples": [
            {k: v for k, v in asdict(s).items() if k not in ("types", "open_files", "libraries")}
            for s in report.samples
        ],
        "missed": missed,
    }  # fmt: skip


def _say_gaps(gaps: list[Gap]) -> list[str]:
    """Print the longest times without a heartbeat; returns those that are a frozen second."""
    longest = sorted(gaps, key=lambda gap: -gap.own_s)
    print(f"{len(gaps)} times without a heartbeat for more than 0.5 s")
    frozen = []
    for gap in longest[:8]:
        said = f"{gap.wall_s:.2f} s, {gap.waited_s:.2f} s of it waiting for a core, {gap.where}"
        print(f"  {said}")
        if gap.own_s >= _FROZEN_S:
            frozen.append(f"frozen: {said}")
        if gap.stacks:
            print("    " + gap.stacks[0].strip().replace("\n", "\n    "))
    return frozen


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
