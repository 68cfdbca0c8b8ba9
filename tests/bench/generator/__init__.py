"""What the generator promises: speed, and pictures that mean what they were painted from."""

from collections.abc import Callable
from typing import Any

from tests.bench.generator import held_out, parity, resume, speed

PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "parity": parity.measure,
    "speed": speed.measure,
    "held_out": held_out.measure,
    "resume": resume.measure,
}


def measure() -> dict[str, Any]:
    """Measure and print every part; returns the figures by part."""
    figures = {}
    for name, part in PARTS.items():
        print(f"-- {name}", flush=True)
        figures[name] = part()
    missed = [name for name, found in figures.items() if not found.pop("held", True)]
    if missed:
        print(f"MISSED: {', '.join(missed)}")
    figures["missed"] = missed
    return figures
