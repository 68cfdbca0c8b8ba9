"""Figures of the demo subject, and times of what a person waits for.

The demo subject is made in a temporary folder, from seed 0.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from nsdviewer.jobs import StreamProgress
from nsdviewer.rendering.brain3d import render_brain
from nsdviewer.rendering.scene import resolve
from nsdviewer.rendering.slices import draw_slice
from nsdviewer.session import open_workspace
from nsdviewer.session.concepts import concept_map, to_vertices
from nsdviewer.session.decoding import reconstruct
from nsdviewer.session.demo import make_demo
from nsdviewer.session.scenes import collect
from nsdviewer.session.voxels import voxel_card
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import ViewState
from tests.bench.timing import median_ms
from tests.figures import demo_figures


def timings(workspace: Workspace, state: ViewState) -> dict[str, tuple[float, float]]:
    """Return (measured, budget) in ms by name; the budgets are those of the product."""
    trial = state.trials[0]
    shown = concept_map(workspace, "animal - tool", 10.0)
    scene = resolve(state, collect(workspace, state, shown, None))
    x, y, z = (n // 2 for n in workspace.grid)
    ijk = tuple(int(v) for v in shown.ijk[shown.shown][0])

    def concept() -> None:
        to_vertices(workspace, concept_map(workspace, "animal - tool", 10.0))

    return {
        "concept to vertices": (median_ms(concept), 100),
        "slice drawn": (
            median_ms(
                lambda: draw_slice(
                    workspace.underlay.values, shown.volume(), (x, y, z), 2, 1.0, state.theme
                )
            ),
            16,
        ),
        "voxel card": (median_ms(lambda: voxel_card(workspace, ijk)), 100),
        "trial to reconstruction": (
            median_ms(lambda: reconstruct(workspace, trial, True, 0)),
            1000,
        ),
        "cortex off screen, 1500 x 940": (median_ms(lambda: render_brain(scene, 1500, 940)), 0),
    }


def window_starts(state: ViewState, folder: Path) -> list[float]:
    """Return window shown (s), first whole picture (s) and memory (MiB) of a second start."""
    file = folder / "state.json"
    state.save(file)
    words = [sys.executable, "-m", "tests.window_start", str(file)]
    for _ in range(2):
        done = subprocess.run(
            [*words, str(time.time())], check=True, capture_output=True, text=True
        )
    return [float(v) for v in done.stdout.split()]


def measure() -> dict[str, Any]:
    """Measure and print; returns the figures."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        state = make_demo(StreamProgress(), Path(folder) / "demo")
        seconds = time.perf_counter() - start
        workspace = open_workspace(state)
        figures = demo_figures(workspace)
        times = timings(workspace, state)
        shown_s, whole_s, memory_mib = window_starts(state, Path(folder))
    print(f"demo subject simulated and fitted in {seconds:.1f} s")
    for name, value in figures.items():
        print(f"{name:28} {value:.3f}" if isinstance(value, float) else f"{name:28} {value}")
    for name, (measured, budget) in times.items():
        note = f"budget {budget} ms" if budget else "no budget"
        print(f"{name:32} {measured:8.1f} ms   ({note})")
    print(f"{'window shown, second start':32} {shown_s:8.2f} s    (budget 2 s)")
    print(f"{'all of it drawn, second start':32} {whole_s:8.2f} s    (at most 8 s)")
    print(f"{'resident memory of the window':32} {memory_mib:8.0f} MiB  (budget 2048 MiB)")
    return {
        "make_demo_s": seconds,
        "figures": figures,
        "median_ms": {name: measured for name, (measured, _) in times.items()},
        "window_shown_s": shown_s,
        "window_drawn_s": whole_s,
        "window_memory_mib": memory_mib,
    }
