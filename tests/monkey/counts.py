"""What a window keeps: objects, files, threads, memory; and whether it becomes more and more."""

from __future__ import annotations

import gc
import sys
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from PySide6.QtCore import QCoreApplication, QEvent, qInstallMessageHandler
from PySide6.QtWidgets import QApplication

from app.collector import Collector

# By how much each may grow over the second half of a run. Caches with an upper bound still fill, and
# the heap's pages come and go by some percent; a leak of one object or 2 KiB with every action would
# be 10,000 objects or 20 MiB in 10,000 actions.
ALLOWED = {
    "widgets": 0.01, "qt_objects": 0.01, "python_objects": 0.01, "files": 0.02, "threads": 0.02,
    "resident_mib": 0.02,
}  # fmt: skip
# And by how much in any case, where a percentage of a small number says nothing.
_AT_LEAST = {
    "widgets": 10, "qt_objects": 60, "python_objects": 3000, "files": 3, "threads": 2,
    "resident_mib": 16,
}  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """Counts at one time, of windows that are at rest in one and the same state."""

    n_actions: int
    widgets: int
    qt_objects: int
    python_objects: int
    files: int
    threads: int
    resident_mib: float
    types: Counter[str] = field(repr=False)
    open_files: Counter[str] = field(default_factory=Counter, repr=False)
    libraries: frozenset[str] = field(default=frozenset(), repr=False)


def take(n_actions: int) -> Sample:
    """Count now; of memory what is held once that which is free has been given back.

    A window gives it back by itself every ten seconds of work, so that it comes and goes.
    """
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    for _ in range(3):
        # What is to be deleted later is deleted once the loop that asked for it goes on.
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        gc.collect()
    for collector in application.findChildren(Collector):
        collector.give_back()
    qt = _qt_types(application)
    python = Counter(type(each).__name__ for each in gc.get_objects())
    process = psutil.Process()
    return Sample(
        n_actions=n_actions,
        widgets=len(application.allWidgets()),
        qt_objects=sum(qt.values()),
        python_objects=sum(python.values()),
        files=process.num_fds(),
        threads=threading.active_count(),
        resident_mib=process.memory_info().rss / 2**20,
        types=qt + python,
        open_files=_open_files(),
        libraries=frozenset(name.partition(".")[0] for name in [*sys.modules]),
    )


def _open_files() -> Counter[str]:
    """Count open files, pipes and sockets by their name, where the system has a list of them."""
    found: Counter[str] = Counter()
    for each in Path("/proc/self/fd").glob("*"):
        with suppress(OSError):
            found[str(each.readlink()).partition(":[")[0]] += 1
    return found


def _qt_types(application: QApplication) -> Counter[str]:
    """Count Qt's objects by their class.

    They are read from Qt's own list of them: `findChildren` would make a Python half for each and
    keep it until the window goes.
    """
    lines: list[str] = []
    handler = qInstallMessageHandler(lambda kind, context, text: lines.append(text))
    application.dumpObjectTree()
    for top in application.topLevelWidgets():
        if top.parentWidget() is None:
            top.dumpObjectTree()
    qInstallMessageHandler(handler)
    return Counter(f"Qt's {line.strip().partition('::')[0]}" for line in lines)


@dataclass(frozen=True)
class Trend:
    """How a count moves over the second half of a run, by a line of least squares."""

    name: str
    mean: float
    growth: float
    allowed: float

    @property
    def is_flat(self) -> bool:
        return self.growth <= self.allowed

    def __str__(self) -> str:
        word = "flat" if self.is_flat else "GROWS"
        return f"{self.name:15} {self.mean:12,.0f} {self.growth:+10,.1f} (≤ {self.allowed:,.0f}) {word}"


def trends(samples: list[Sample]) -> list[Trend]:
    """Return the trend of each count over the second half of `samples`."""
    half = samples[len(samples) // 2 :]
    at = np.array([s.n_actions for s in half], float)
    found = []
    for name, share in ALLOWED.items():
        values = np.array([getattr(s, name) for s in half], float)
        slope = np.polyfit(at, values, 1)[0] if len(half) > 2 else 0.0
        mean = float(values.mean())
        found.append(
            Trend(name, mean, float(slope * np.ptp(at)), max(share * mean, _AT_LEAST[name]))
        )
    return found


def growing_types(samples: list[Sample], of_qt: bool, n: int = 16) -> list[str]:
    """Return the types, of Python or of Qt, that have grown most since half time."""
    before, after = (
        Counter({t: k for t, k in sample.types.items() if t.startswith("Qt's ") is of_qt})
        for sample in (samples[len(samples) // 2], samples[-1])
    )
    return _more(before, after, n)


def growing_files(samples: list[Sample], n: int = 8) -> list[str]:
    """Return the open files that have become more since half time."""
    return _more(samples[len(samples) // 2].open_files, samples[-1].open_files, n)


def _more(before: Counter[str], after: Counter[str], n: int) -> list[str]:
    more = Counter({name: k - before[name] for name, k in after.items()})
    return [f"{name} {more_by:+d}" for name, more_by in more.most_common(n) if more_by > 0]


def late_libraries(samples: list[Sample]) -> list[str]:
    """Return the libraries that were loaded since half time: a step in the counts, once."""
    return sorted(samples[-1].libraries - samples[len(samples) // 2].libraries)
