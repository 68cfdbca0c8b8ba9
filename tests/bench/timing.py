"""How long a call takes, and how much memory a program."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

N_REPEATS = 21


def median_ms(call: Callable[[], object], n_repeats: int = N_REPEATS) -> float:
    """Median wall time of `call` after one call to warm up."""
    call()
    return statistics.median(times_ms(call, n_repeats))


def times_ms(call: Callable[[], object], n_repeats: int) -> list[float]:
    """Wall time of each of some calls."""
    times = []
    for _ in range(n_repeats):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def in_new_process(program: str, *words: str) -> dict[str, Any]:
    """Run a Python program that prints one JSON document; returns it."""
    done = subprocess.run(
        [sys.executable, "-c", program, *words], check=True, capture_output=True, text=True
    )
    document: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return document
