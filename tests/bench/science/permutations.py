"""1,000 permutations of a concept contrast over 100k voxels × 3,000 pictures, beside nilearn's.

Both get the same permutations and have to give the same family-wise p-values; the floor is the
bare matrix product that any such test needs.
"""

import re
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nsdviewer.jobs import SilentProgress
from nsdviewer.mapping.statistics.permutation import PermutationResult, permutation_test
from nsdviewer.mapping.statistics.readings import LinearReading
from nsdviewer.mapping.statistics.responses import ArrayResponses
from nsdviewer.scheduling import InProcess

N_IMAGES, N_SITES, N_PERMUTATIONS = 3_000, 100_000, 1_000
N_THREADS = 2
_SEED = 7


def measure(
    n_images: int = N_IMAGES, n_sites: int = N_SITES, n_permutations: int = N_PERMUTATIONS
) -> dict[str, Any]:
    """Measure and print; returns the figures."""
    torch.set_num_threads(N_THREADS)
    rng = np.random.default_rng(1)
    regressor = rng.standard_normal(n_images).astype(np.float32)
    z = rng.standard_normal((n_images, n_sites), np.float32)
    z[:, : n_sites // 50] += 0.1 * regressor[:, None]
    permutations = nilearn_permutations(n_images, n_permutations)
    bare_s = _bare(regressor[permutations], z)
    ours, ours_s = _ours(z, regressor, permutations)
    bare_s = min(bare_s, _bare(regressor[permutations], z))
    again_s = _ours(z, regressor, permutations)[1]
    ours_s = min(ours_s, again_s)
    peak_gb = _peak_gb()
    theirs_p, theirs_s = _theirs(z, regressor, n_permutations)
    differ = np.abs(ours.p_max - theirs_p) * (n_permutations + 1)
    figures = {
        "size": [n_permutations, n_images, n_sites],
        "bare_product_s": bare_s,
        "ours_s": ours_s,
        "nilearn_s": theirs_s,
        "times_nilearn": theirs_s / ours_s,
        "times_bare": ours_s / bare_s,
        "p_that_differ": int((differ > 1e-6).sum()),
        "largest_difference_in_counts": float(differ.max()),
        "peak_before_nilearn_gb": peak_gb,
        "peak_gb": _peak_gb(),
    }
    for name, value in figures.items():
        print(f"{name:30} {value}")
    return figures


def nilearn_permutations(n_images: int, n_permutations: int) -> NDArray[np.int32]:
    """Return the permutations that `permuted_ols` draws with one job and this seed.

    It seeds a second generator from the first, and shuffles the regressor that the last draw left.
    """
    seed = np.random.RandomState(_SEED).randint(1, np.iinfo(np.int32).max - 1)
    rng = np.random.RandomState(seed)
    order = np.arange(n_images)
    drawn = np.empty((n_permutations, n_images), np.int32)
    for row in drawn:
        order = order[rng.permutation(n_images)]
        row[:] = order
    return drawn


def _bare(rows: NDArray[np.float32], z: NDArray[np.float32]) -> float:
    start = time.perf_counter()
    product = torch.from_numpy(rows) @ torch.from_numpy(z)
    seconds = time.perf_counter() - start
    del product
    return seconds


def _ours(
    z: NDArray[np.float32], regressor: NDArray[np.float32], permutations: NDArray[np.int32]
) -> tuple[PermutationResult, float]:
    start = time.perf_counter()
    rows = regressor.astype(np.float64)[None]
    reading = LinearReading(rows - rows.mean(), np.zeros(z.shape[1], np.int64))
    result = permutation_test(
        ArrayResponses(z), reading, np.ones(len(z), np.int64), len(permutations), 0, InProcess(),
        SilentProgress(), permutations,
    )  # fmt: skip
    return result, time.perf_counter() - start


def _theirs(
    z: NDArray[np.float32], regressor: NDArray[np.float32], n_permutations: int
) -> tuple[NDArray[np.float64], float]:
    """Return nilearn's family-wise p and its time.

    It turns responses into float64 several times over; half of the sites at a time, with the larger
    maximum of both halves taken in each permutation, keeps that below 6 GB.
    """
    from nilearn.mass_univariate import permuted_ols

    start = time.perf_counter()
    found = []
    for half in np.array_split(np.arange(z.shape[1]), 2):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            out = permuted_ols(
                regressor[:, None], z[:, half[0] : half[-1] + 1], model_intercept=True,
                n_perm=n_permutations, two_sided_test=True, random_state=_SEED, n_jobs=1,
            )  # fmt: skip
        found.append((out["t"][0], out["h0_max_t"][0]))
    seconds = time.perf_counter() - start
    maxima = np.sort(np.maximum(found[0][1], found[1][1]))
    below = np.searchsorted(maxima, np.abs(np.concatenate([found[0][0], found[1][0]])))
    return (n_permutations - below + 1) / (n_permutations + 1), seconds


def _peak_gb() -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 2**20 if found else float("nan")


if __name__ == "__main__":
    measure()
