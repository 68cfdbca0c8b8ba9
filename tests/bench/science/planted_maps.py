"""How near ridge comes to the best that noise allows, on subjects whose truth is known.

Decoders are set against the Bayes-optimal linear decoder, which knows weights, noise and the
embeddings' covariance. Encoder maps are set against the posterior mean of each voxel's weights,
given its noise, every picture's repetitions, and the second moments of the weights that were
planted: no linear estimator has less error, so that its correlation with truth is the ceiling that
noise sets for a map.
"""

from typing import Any

import numpy as np

from nsdviewer.models.regression.fits import RidgeFit
from nsdviewer.models.regression.folds import image_folds
from nsdviewer.models.regression.inversion import invert_encoding
from nsdviewer.models.regression.ridge import fit_ridge
from nsdviewer.models.regression.scales import tuning_scales
from tests.planted import PlantedSubject, plant_subject

N_SEEDS = 20
WANTED = 0.95
WANTED_ABOVE = ("ridge decoder / Bayes", "inverted decoder / Bayes", "encoder map r / ceiling")
SIZES = (1500, 3000)


def measure() -> dict[str, Any]:
    """Measure and print; returns the figures, and stops where one is below what is wanted."""
    figures: dict[str, Any] = {"n_seeds": N_SEEDS}
    for n_train in SIZES:
        rows = [_one_subject(seed, n_train) for seed in range(N_SEEDS)]
        print(
            f"{N_SEEDS} planted subjects, {n_train} training pictures → 64 dimensions, 400 voxels"
        )
        found = {}
        for name in rows[0]:
            values = np.array([row[name] for row in rows])
            found[name] = {"mean": float(values.mean()), "min": float(values.min())}
            print(f"  {name:46} mean {values.mean():.3f}, worst {values.min():.3f}")
        for name in WANTED_ABOVE:
            assert found[name]["min"] >= WANTED, (name, found[name])
        figures[str(n_train)] = found
    return figures


def _one_subject(seed: int, n_train: int) -> dict[str, float]:
    s = plant_subject(seed, n_train=n_train)
    folds = image_folds(np.arange(len(s.train)), seed=seed)
    figures = _decoding(s, folds)
    return figures | _encoding(s, folds)


def _decoding(s: PlantedSubject, folds: np.ndarray) -> dict[str, float]:
    """Return figures of the decoders that `nsdviewer fit decoder` makes, and of plain ridge."""
    b, mean = s.bayes_decoder()
    best = _dimension_r(s.test_y @ b + mean, s.test)
    scales = tuning_scales(s.train_y, s.train, folds, s.train_repeats)
    ridge = fit_ridge(s.train_y, s.train, folds, row_weights=s.train_repeats, feature_scales=scales)
    encoding = fit_ridge(
        s.train, s.train_y, folds, alpha_per_target=True, row_weights=s.train_repeats
    )
    inverted = invert_encoding(encoding, s.train, s.train_y.var(axis=0))
    plain = fit_ridge(s.train_y, s.train, folds)
    return {
        "Bayes decoder r": best,
        "ridge decoder / Bayes": _dimension_r(ridge.predict(s.test_y), s.test) / best,
        "inverted decoder / Bayes": _dimension_r(inverted.predict(s.test_y), s.test) / best,
        "ridge without weights and scales / Bayes": (
            _dimension_r(plain.predict(s.test_y), s.test) / best
        ),
    }


def _encoding(s: PlantedSubject, folds: np.ndarray) -> dict[str, float]:
    fit = fit_ridge(s.train, s.train_y, folds, alpha_per_target=True)
    best = _map_r(s, _posterior_weights(s))
    tuned = s.is_tuned
    return {
        "best map r": best,
        "encoder map r": _map_r(s, fit.weights[:, tuned]),
        "encoder map r / ceiling": _map_r(s, fit.weights[:, tuned]) / best,
        "encoder test r / √noise ceiling": _normalised_test_r(s, fit),
    }


def _posterior_weights(s: PlantedSubject) -> np.ndarray:
    """Return (d, n_tuned) posterior means of the tuned voxels' weights."""
    weights = s.weights[:, s.is_tuned].astype(np.float64)
    x = s.train.astype(np.float64) - s.mean
    repeated = x * s.train_repeats[:, None]
    moments = weights @ weights.T / weights.shape[1]
    root = np.linalg.cholesky(moments + 1e-9 * np.trace(moments) * np.eye(len(moments)))
    # In the coordinates u of w = root · u, the prior is the unit sphere.
    values, vectors = np.linalg.eigh(root.T @ (repeated.T @ x) @ root)
    seen = vectors.T @ (root.T @ (repeated.T @ s.train_y[:, s.is_tuned].astype(np.float64)))
    noise = s.noise_sd[s.is_tuned].astype(np.float64) ** 2
    return np.asarray(root @ (vectors @ (seen / (values[:, None] + noise))))


def _map_r(s: PlantedSubject, weights: np.ndarray) -> float:
    """Mean over concepts of the correlation with truth, across tuned voxels."""
    truth = [s.truth(direction)[s.is_tuned] for direction in s.directions]
    found = [direction @ weights for direction in s.directions]
    return float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(found, truth, strict=True)]))


def _normalised_test_r(s: PlantedSubject, fit: RidgeFit) -> float:
    r = _column_r(fit.predict(s.test), s.test_y)[s.is_tuned]
    return float(np.mean(r / np.sqrt(s.test_ceiling()[s.is_tuned])))


def _dimension_r(predicted: np.ndarray, truth: np.ndarray) -> float:
    return float(_column_r(predicted, truth).mean())


def _column_r(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a - a.mean(0), b - b.mean(0)
    scale = np.sqrt(np.square(a).sum(0) * np.square(b).sum(0))
    return np.asarray((a * b).sum(0) / np.where(scale > 0, scale, 1))


if __name__ == "__main__":
    measure()
