"""A window under 20,000 random actions: no fault, no frozen second, nothing that grows.

A third as many follow in two windows on two subjects. ``NSDVIEWER_BENCH_ACTIONS`` asks for another
number of actions.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from nsdviewer.jobs import StreamProgress
from nsdviewer.session.demo import simulate_subjects

N_ACTIONS = 20_000
SEED = 1
_ACTIONS = "NSDVIEWER_BENCH_ACTIONS"
_ROOTS = "NSDVIEWER_BENCH_ROOTS"


def measure() -> dict[str, Any]:
    """Run and print; returns the figures."""
    n_actions = int(os.environ.get(_ACTIONS, N_ACTIONS))
    with tempfile.TemporaryDirectory() as temporary:
        kept = os.environ.get(_ROOTS)
        root = (Path(kept) if kept else Path(temporary)) / "monkey"
        if not root.exists():
            simulate_subjects(root, "mini", 2, 7, StreamProgress())
        one = _run(root, Path(temporary), n_actions, 1)
        two = _run(root, Path(temporary), n_actions // 3, 2)
    missed = [*one["missed"], *(f"two windows: {each}" for each in two["missed"])]
    print("missed: " + ("; ".join(missed) or "nothing"))
    return {"one_window": one, "two_windows": two, "missed": missed}


def _run(root: Path, folder: Path, n_actions: int, n_windows: int) -> dict[str, Any]:
    """Run the monkey in a process of its own, which may crash."""
    figures = folder / f"monkey-{n_windows}.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.monkey", "--seed", str(SEED), "--actions", str(n_actions),
         "--windows", str(n_windows), "--root", str(root), "--json", str(figures),
         "--sample-every", str(max(n_actions // 40, 50)),
         *(["--keeps-windows"] if n_windows == 1 else [])],
        check=False,
    )  # fmt: skip
    if not figures.exists():
        return {"missed": [f"the process ended with {done.returncode}"]}
    found: dict[str, Any] = json.loads(figures.read_text(encoding="utf-8"))
    return found
