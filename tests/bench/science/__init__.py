"""What the science core promises: solvers, statistics, planted truth, resuming."""

from collections.abc import Callable
from typing import Any

from tests.bench.science import (
    permutations,
    planted_maps,
    planted_statistics,
    resume,
    ridge,
    scheduling,
    vertices,
)

PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "ridge": ridge.measure,
    "permutations": permutations.measure,
    "planted_maps": planted_maps.measure,
    "planted_statistics": planted_statistics.measure,
    "resume": resume.measure,
    "scheduling": scheduling.measure,
    "vertices": vertices.measure,
}


def measure() -> dict[str, Any]:
    """Measure and print every part; returns the figures by part."""
    figures = {}
    for name, part in PARTS.items():
        print(f"-- {name}", flush=True)
        figures[name] = part()
    return figures
