"""An encoder of all vertices of fsaverage: 327,684 targets in a few gigabytes."""

from typing import Any

from tests.bench.timing import in_new_process

WANTED_GB = 4.0
FIT = """
import json, re, time
import numpy as np
from nsdviewer.models.regression.blocks import fit_targets, target_blocks
from nsdviewer.models.regression.folds import image_folds
from nsdviewer.models.regression.primal import PrimalSolver
from nsdviewer.scheduling import InProcess

N_IMAGES, N_EMBEDDING, N_VERTICES = 9000, 512, 327_684
rng = np.random.default_rng(0)
x = rng.standard_normal((N_IMAGES, N_EMBEDDING), np.float32)
some = rng.standard_normal((4096, N_IMAGES), np.float32)

def read(columns):
    # As from disk: one row a vertex, each block another.
    return np.roll(some[: columns.stop - columns.start], columns.start // 4096, axis=1).T

start = time.perf_counter()
solver = PrimalSolver(x, image_folds(np.arange(N_IMAGES)))
fit = fit_targets(solver, target_blocks(N_VERTICES), read, InProcess())
seconds = time.perf_counter() - start
with open("/proc/self/status") as stream:
    peak_gb = int(re.search(r"VmHWM:\\s+(\\d+) kB", stream.read()).group(1)) / 2**20
print(json.dumps({"s": seconds, "peak_gb": peak_gb, "n_vertices": fit.weights.shape[1]}))
"""


def measure() -> dict[str, Any]:
    """Fit in a process of its own and read its largest resident size."""
    figures = in_new_process(FIT)
    print(
        f"encoder 9,000 × 512 → {figures['n_vertices']:,} vertices: {figures['s']:.0f} s, peak "
        f"{figures['peak_gb']:.2f} GB (wanted ≤ {WANTED_GB:g})"
    )
    assert figures["peak_gb"] <= WANTED_GB
    return figures
