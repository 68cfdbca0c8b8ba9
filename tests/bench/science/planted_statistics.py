"""Error rates and coverage of concept maps' statistics on planted subjects, whose truth is known.

False discoveries of each null hypothesis where its claim is put to the test: nothing is tuned;
half of the voxels are tuned and the others noise; all are tuned, half of them to everything but the
concept. Standard errors are over seeds.
"""

from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.jobs import SilentProgress
from nsdviewer.mapping.statistics.bootstrap import bootstrap_intervals
from nsdviewer.mapping.statistics.nulls import assess_encoder_map
from nsdviewer.mapping.statistics.responses import ArrayResponses
from nsdviewer.scheduling import InProcess
from nsdviewer.state import Null
from tests.planted import PlantedSubject, plant_subject

N_SEEDS = 20
RATE = 0.05
SETTINGS: tuple[dict[str, Any], ...] = (
    {"n_embedding": 64, "n_train": 1500},
    {"n_embedding": 384, "n_train": 1000},
)
_GRID = np.logspace(-3, 4, 15)


def measure(n_seeds: int = N_SEEDS, n_draws: int = 200, n_voxels: int = 200) -> dict[str, Any]:
    """Measure and print; returns mean and standard error of each figure."""
    figures: dict[str, Any] = {}
    for setting in SETTINGS:
        seen: dict[str, list[float]] = defaultdict(list)
        for seed in range(n_seeds):
            _one_seed(seed, n_draws, {**setting, "n_voxels": n_voxels}, seen)
        title = f"{setting['n_train']} pictures, {setting['n_embedding']} dimensions"
        print(title)
        for name, values in seen.items():
            mean = float(np.mean(values))
            error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if n_seeds > 1 else 0.0
            figures[f"{title}: {name}"] = [mean, error]
            print(f"  {name:42} {mean:6.3f} ± {error:.3f}")
    return figures


def _one_seed(
    seed: int, n_draws: int, setting: dict[str, Any], seen: dict[str, list[float]]
) -> None:
    half = plant_subject(seed, **setting)
    tuned = plant_subject(seed, **setting, share_tuned=1.0)
    silent = plant_subject(seed, **setting, share_tuned=0.0)
    # The same embeddings as `tuned`, and weights with no part along the first concept.
    besides = plant_subject(seed, **setting, share_tuned=1.0, orthogonal_to=0)
    mixed = replace(
        tuned,
        train_y=np.hstack([tuned.train_y, besides.train_y]),
        weights=np.hstack([tuned.weights, besides.weights]),
    )
    for null in Null:
        for name, subject in (("nothing tuned", silent), ("half noise", half), ("mixed", mixed)):
            found = _found(null, subject, n_draws, seed)
            is_null = np.abs(subject.truth(subject.directions[0])) < 1e-4
            seen[f"{null.value}, {name}: FDR"].append(
                float((found & is_null).sum() / max(found.sum(), 1))
            )
            if name != "nothing tuned":
                seen[f"{null.value}, {name}: power"].append(float(found[~is_null].mean()))
        seen[f"{null.value}, none along concept: any found"].append(
            float(_found(null, besides, n_draws, seed).any())
        )
    _coverage(half, n_draws, seed, seen)


def _found(null: Null, subject: PlantedSubject, n_draws: int, seed: int) -> NDArray[np.bool_]:
    z = subject.train_y
    result = assess_encoder_map(
        null, ArrayResponses(z), subject.train, subject.directions[0],
        choose_alphas(subject.train, z), subject.train_repeats, n_draws, seed, InProcess(),
        SilentProgress(),
    )  # fmt: skip
    return np.asarray(result.q <= RATE)


def _coverage(
    subject: PlantedSubject, n_draws: int, seed: int, seen: dict[str, list[float]]
) -> None:
    z, tuned = subject.train_y, subject.is_tuned
    # Means over tuned voxels, noise voxels, and both, ten voxels an ROI.
    kinds = np.concatenate([np.flatnonzero(tuned), np.flatnonzero(~tuned)])
    rois = {str(i): kinds[i : i + 10] for i in range(0, len(kinds) - 9, 10)}
    intervals = bootstrap_intervals(
        ArrayResponses(z), subject.train, subject.directions[0], choose_alphas(subject.train, z),
        subject.train_repeats, seed, InProcess(), SilentProgress(), 0.9, n_draws, rois,
    )  # fmt: skip
    truth = subject.truth(subject.directions[0])
    covered = (intervals.lower <= truth) & (truth <= intervals.upper)
    seen["90 % interval covers, tuned voxels"].append(float(covered[tuned].mean()))
    seen["90 % interval covers, noise voxels"].append(float(covered[~tuned].mean()))
    means = {name: truth[sites].mean() for name, sites in rois.items()}
    inside = [roi.lower <= means[name] <= roi.upper for name, roi in intervals.rois.items()]
    seen["90 % interval covers, means of 10 voxels"].append(float(np.mean(inside)))


def choose_alphas(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (n_targets,) the penalty with the least leave-one-out error, in closed form."""
    x = x - x.mean(0)
    y = y - y.mean(0)
    basis, singular, _ = np.linalg.svd(x, full_matrices=False)
    power = singular.astype(np.float64) ** 2
    alphas = _GRID * power.sum() / min(x.shape)
    along = basis.T @ y
    errors = np.empty((len(alphas), y.shape[1]))
    for row, alpha in enumerate(alphas):
        kept = power / (power + alpha)
        leverage = basis**2 @ kept + 1 / len(x)
        rest = y - basis @ (kept[:, None] * along)
        errors[row] = np.sum((rest / (1 - leverage)[:, None]) ** 2, axis=0)
    return np.asarray(alphas[np.argmin(errors, axis=0)])


if __name__ == "__main__":
    measure()
