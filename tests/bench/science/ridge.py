"""Ridge at NSD's size beside himalaya and scikit-learn: same data, folds and penalties.

Embeddings of a falling spectrum, voxels that are linear in them with noise of NSD's size: what a
subject's 9,000 training pictures are like. Ours is a median of three; the others take minutes and
run once. ``NSDVIEWER_BENCH_QUICK=1`` takes a quarter of the rows, voxels and dimensions.
"""

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nsdviewer.models.regression.fits import RidgeFit
from nsdviewer.models.regression.folds import image_folds
from nsdviewer.models.regression.grids import alphas_for
from nsdviewer.models.regression.ridge import fit_ridge

GRID = np.logspace(-3, 4, 13)
N_FOLDS = 5
N_OURS = 3
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Problem:
    """Centred training data, test data, folds and penalties."""

    x: np.ndarray
    y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    folds: np.ndarray
    alphas: np.ndarray

    @property
    def size(self) -> str:
        return f"{self.x.shape[0]} × {self.x.shape[1]} → {self.y.shape[1]}"

    def test_r(self, weights: np.ndarray) -> np.ndarray:
        """Return the correlation of each target on test rows."""
        predicted = self.test_x @ weights
        predicted -= predicted.mean(0)
        truth = self.test_y - self.test_y.mean(0)
        scale = np.sqrt(np.square(predicted).sum(0) * np.square(truth).sum(0))
        return np.asarray((predicted * truth).sum(0) / scale)


def measure() -> dict[str, Any]:
    """Measure and print; returns the figures."""
    share = 4 if os.environ.get("NSDVIEWER_BENCH_QUICK") else 1
    embeddings, responses = subject(9000 // share, 1000, 15724 // share, 512 // share)
    encoder = problem(embeddings, responses)
    figures = {"encoder": compare(encoder, True, {"himalaya RidgeCV": himalaya_ridge})}
    decoder = problem(responses, embeddings)
    figures["decoder"] = compare(decoder, False, {"himalaya KernelRidgeCV": himalaya_kernel_ridge})
    figures["decoder"] |= scikit_learn(decoder, whole=share > 1)
    ours_s = figures["decoder"]["ours_s"]
    times = figures["decoder"]["sklearn_s"] / ours_s
    print(f"  scikit-learn RidgeCV {figures['decoder']['sklearn_s']:.1f} s, {times:.1f} × ours")
    figures["decoder"]["times_sklearn"] = times
    return figures


def subject(
    n_train: int, n_test: int, n_voxels: int, n_embedding: int
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return embeddings and responses, each for training and test."""
    rng = np.random.default_rng(0)
    n = n_train + n_test
    scale = np.arange(1, n_embedding + 1, dtype=np.float32) ** -0.5
    e = rng.standard_normal((n, n_embedding), np.float32) * scale
    y = e @ rng.standard_normal((n_embedding, n_voxels), np.float32)
    ncsnr = np.minimum(0.5 * np.exp(0.5 * rng.standard_normal(n_voxels)), 1.8)
    y *= (ncsnr / y.std(0)).astype(np.float32)
    y += rng.standard_normal(y.shape, np.float32)
    y /= y.std(0)
    return (e[:n_train], e[n_train:]), (y[:n_train], y[n_train:])


def problem(x: tuple[np.ndarray, np.ndarray], y: tuple[np.ndarray, np.ndarray]) -> Problem:
    """Return the problem of y from x, both centred on their training rows."""
    x_mean, y_mean = x[0].mean(0), y[0].mean(0)
    train = x[0] - x_mean
    return Problem(
        train, y[0] - y_mean, x[1] - x_mean, y[1] - y_mean,
        image_folds(np.arange(len(train)), N_FOLDS), alphas_for(train, GRID),
    )  # fmt: skip


def compare(
    p: Problem,
    per_target: bool,
    others: dict[str, Callable[[Problem, bool], tuple[np.ndarray, np.ndarray, np.ndarray]]],
) -> dict[str, Any]:
    """Time ours and others; stops where scores or held-out correlations differ."""
    print(f"{p.size}, {len(p.alphas)} penalties, {N_FOLDS} folds")
    seconds: list[float] = []
    fit: RidgeFit | None = None
    for _ in range(N_OURS):
        start = time.perf_counter()
        fit = fit_ridge(p.x, p.y, p.folds, p.alphas, per_target)
        seconds.append(time.perf_counter() - start)
    assert fit is not None
    ours_s, r = statistics.median(seconds), p.test_r(fit.weights)
    print(f"  ours {ours_s:.1f} s, CV R² {fit.cv_r2.mean():.4f}, held-out r {r.mean():.4f}")
    figures: dict[str, Any] = {
        "ours_s": ours_s,
        "cv_r2": float(fit.cv_r2.mean()),
        "r": float(r.mean()),
    }
    for name, solve in others.items():
        start = time.perf_counter()
        alphas, weights, scores = solve(p, per_target)
        other_s = time.perf_counter() - start
        gap = float(np.abs(scores - fit.cv_r2).max())
        alike = np.broadcast_to(np.isclose(alphas, fit.alphas, rtol=1e-3), r.shape)
        same = float(np.mean(alike))
        theirs = p.test_r(weights)
        # Where two penalties score the same to the last digit, either may be chosen.
        r_gap = float(np.abs(theirs - r)[alike].max())
        mean_gap = float(abs(theirs.mean() - r.mean()))
        print(
            f"  {name} {other_s:.1f} s, {other_s / ours_s:.1f} × ours; same penalty in {same:.2%} of "
            f"targets and there held-out r differs by at most {r_gap:.1e}, its mean over all by "
            f"{mean_gap:.1e}, CV R² by at most {gap:.1e}"
        )
        assert gap < TOLERANCE, gap
        assert max(r_gap, mean_gap) < TOLERANCE and same > 0.99, (r_gap, mean_gap, same)
        figures |= {
            "himalaya_s": other_s, "times_himalaya": other_s / ours_s, "same_alpha": same,
            "cv_r2_gap": gap, "r_gap": r_gap, "mean_r_gap": mean_gap,
        }  # fmt: skip
    return figures


def himalaya_ridge(p: Problem, per_target: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return penalties, weights and scores of himalaya's RidgeCV on torch."""
    from himalaya.backend import set_backend
    from himalaya.ridge import RidgeCV
    from himalaya.scoring import r2_score
    from sklearn.model_selection import PredefinedSplit

    set_backend("torch")
    model = RidgeCV(
        alphas=p.alphas.astype(np.float32), cv=PredefinedSplit(p.folds),
        solver_params={"score_func": r2_score, "local_alpha": per_target},
    ).fit(p.x, p.y)  # fmt: skip
    return _arrays(model.best_alphas_, model.coef_, model.cv_scores_)


def himalaya_kernel_ridge(
    p: Problem, per_target: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return penalties, weights and scores of himalaya's KernelRidgeCV on torch."""
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import KernelRidgeCV
    from himalaya.scoring import r2_score
    from sklearn.model_selection import PredefinedSplit

    set_backend("torch")
    model = KernelRidgeCV(
        alphas=p.alphas.astype(np.float32), cv=PredefinedSplit(p.folds),
        solver_params={"score_func": r2_score, "local_alpha": per_target},
    ).fit(p.x, p.y)  # fmt: skip
    return _arrays(model.best_alphas_, model.get_primal_coef(), model.cv_scores_)


def _arrays(*values: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    alphas, weights, scores = (np.asarray(v) for v in values)
    return alphas, weights, scores.reshape(-1)


def scikit_learn(p: Problem, whole: bool) -> dict[str, Any]:
    """Time scikit-learn's RidgeCV on our folds; `whole`, or from one fold and penalty.

    Its quick way for one penalty leaves one row out at a time; with folds it is a grid search, each
    fold and penalty solved by itself (in single precision: the data's).
    """
    from sklearn.linear_model import Ridge, RidgeCV
    from sklearn.metrics import r2_score
    from sklearn.model_selection import PredefinedSplit

    if whole:
        start = time.perf_counter()
        RidgeCV(p.alphas, fit_intercept=False, cv=PredefinedSplit(p.folds)).fit(p.x, p.y)
        return {"sklearn_s": time.perf_counter() - start, "sklearn_whole": True}
    held = p.folds == 0
    start = time.perf_counter()
    model = Ridge(float(np.median(p.alphas)), fit_intercept=False).fit(p.x[~held], p.y[~held])
    r2_score(p.y[held], model.predict(p.x[held]))
    one_s = time.perf_counter() - start
    # The fit on all rows counts as one more.
    n_fits = len(p.alphas) * N_FOLDS + 1
    print(f"  scikit-learn: one fold and penalty {one_s:.1f} s, times {n_fits} (not run whole)")
    return {"sklearn_s": one_s * n_fits, "sklearn_whole": False, "sklearn_one_s": one_s}


if __name__ == "__main__":
    measure()
