"""The part of a prior that has a closed form: the posterior if all were linear and Gaussian.

Given a decoded embedding c from n repetitions, the true embedding has the mean A(n)·c + b(n) and a
covariance that falls with n. With noise of covariance N a trial, the best A is Σ_ec (V + N/n)⁻¹; it
is taken as linear in 1/n, and so is the variance along each of the residuals' principal directions.
What is left, the residual over its deviation, would be white noise if the assumption held, and is
what the flow is trained on.

Residuals are of pictures left out of the regression, else the spread would come out too small.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError
from nsdviewer.models.diffusion.prior_pairs import DecodedPairs, Floats, Ints
from nsdviewer.models.regression.design import prepare_design
from nsdviewer.models.regression.folds import image_folds
from nsdviewer.models.regression.primal import fold_products, held_targets
from nsdviewer.models.regression.ridge import fit_ridge

# How far the variance may move away from that of the usual number of repetitions.
_SMALLEST_RATIO, _LARGEST_RATIO = 0.2, 5.0


@dataclass(frozen=True)
class Levels:
    """Numbers of repetitions as one centred number, the inverse's: noise variance goes with 1/n.

    Attributes
    ----------
    fewest, most
        Range that was learnt from; others are taken as the nearest in it.
    mean, sd
        Of 1/n among the training rows; sd 0 where all have the same n.
    """

    fewest: int
    most: int
    mean: float
    sd: float

    @classmethod
    def of(cls, n_repeats: Ints, weights: NDArray[np.float64]) -> "Levels":
        """Return the levels of training rows."""
        inverse = 1 / n_repeats
        mean = float(np.average(inverse, weights=weights))
        sd = float(np.sqrt(np.average(np.square(inverse - mean), weights=weights)))
        fewest, most = int(n_repeats.min()), int(n_repeats.max())
        return cls(fewest, most, mean, sd if fewest < most else 0.0)

    def standardise(self, n_repeats: Ints) -> Floats:
        """Return (n,) (1/n − mean) / sd; 0 where only one n is known."""
        inverse = 1 / np.clip(n_repeats, self.fewest, self.most)
        return np.asarray((inverse - self.mean) / (self.sd or np.inf), np.float32)


@dataclass(frozen=True)
class Calibration:
    """A linear-Gaussian posterior over embeddings, given what was decoded.

    Attributes
    ----------
    decoded_mean, true_mean
        (d,) means of the training rows.
    weights
        (n_features, d) from `features` to the embedding less its mean.
    level_gain
        () factor of the feature that is the level alone.
    basis
        (d, d) orthonormal columns, the residuals' principal directions, the largest first.
    variance
        (d,) of the residuals along them, at `usual_level`.
    variance_slope
        (d,) relative change of it with the level.
    usual_level
        () mean level of the rows with most repetitions.
    scale
        (d,) deviation of true embeddings along the basis.
    """

    levels: Levels
    decoded_mean: Floats
    true_mean: Floats
    weights: Floats
    level_gain: Floats
    basis: Floats
    variance: Floats
    variance_slope: Floats
    usual_level: Floats
    scale: Floats

    @property
    def n_embedding(self) -> int:
        """Dimension of the embedding."""
        return len(self.true_mean)

    def centre(self, decoded: Floats, n_repeats: Ints) -> Floats:
        """Return (n, d) posterior means, not of unit length, of decoded vectors (n, d)."""
        level = self.levels.standardise(n_repeats)
        x = features(decoded - self.decoded_mean, level, self.levels, float(self.level_gain))
        return np.asarray(x @ self.weights + self.true_mean, np.float32)

    def deviation(self, n_repeats: Ints) -> Floats:
        """Return (n, d) posterior deviations along the basis."""
        away = self.levels.standardise(n_repeats) - self.usual_level
        ratio = 1 + self.variance_slope * away[:, None]
        ratio = np.clip(ratio, _SMALLEST_RATIO, _LARGEST_RATIO)
        return np.asarray(np.sqrt(self.variance * ratio), np.float32)

    def condition(self, centre: Floats, n_repeats: Ints) -> Floats:
        """Return (n, d + 1) what the flow is told: the mean in units of `scale`, and the level."""
        told = (centre - self.true_mean) @ self.basis / self.scale
        return np.column_stack([told, self.levels.standardise(n_repeats)]).astype(np.float32)

    def place(self, white: Floats, centre: Floats, deviation: Floats) -> Floats:
        """Return (n, d) embeddings, not of unit length, of whitened residuals (n, d)."""
        return np.asarray(centre + (white * deviation) @ self.basis.T, np.float32)

    def arrays(self) -> dict[str, Floats]:
        """Return the arrays by name; the levels go into a header."""
        return {f.name: np.asarray(getattr(self, f.name)) for f in fields(self)[1:]}


def features(centred: Floats, level: Floats, levels: Levels, level_gain: float) -> Floats:
    """Return (n, n_features): what was decoded; where n varies, also that by level, and the level."""
    if not levels.sd:
        return centred
    return np.column_stack([centred, centred * level[:, None], level * level_gain])


def calibrate(pairs: DecodedPairs, seed: int = 0) -> tuple[Calibration, Floats, Floats]:
    """Fit the posterior.

    Returns
    -------
    The calibration, and for each row what it would say had it not seen the row's picture: the
    posterior mean (n_rows, d), and the whitened residual (n_rows, d).

    Raises
    ------
    RequestError
        If the true embeddings do not vary.
    """
    weights = pairs.weights
    levels = Levels.of(pairs.n_repeats, weights)
    decoded_mean = np.average(pairs.decoded, axis=0, weights=weights).astype(np.float32)
    centred, level = pairs.decoded - decoded_mean, levels.standardise(pairs.n_repeats)
    gain = float(np.sqrt(np.square(centred).sum(axis=1).mean()))
    x = features(centred, level, levels, gain)
    true = pairs.true[pairs.picture]
    fitted, left_out, true_mean = _fit_centre(x, true, pairs.picture, weights, seed)
    residual = true - left_out
    best = pairs.most_repeated()
    variance, basis = _principal_directions(residual[best])
    along = np.asarray(residual @ basis, np.float32)
    usual = np.float32(level[best].mean())
    calibration = Calibration(
        levels,
        decoded_mean,
        true_mean,
        fitted,
        np.asarray(gain, np.float32),
        basis,
        variance,
        _variance_slope(along, level, weights, usual, len(pairs.true)),
        np.asarray(usual),
        np.maximum(np.std(true[best] @ basis, axis=0), np.sqrt(variance.max()) * 1e-3),
    )
    return calibration, left_out, along / calibration.deviation(pairs.n_repeats)


def _fit_centre(
    x: Floats, true: Floats, picture: Ints, weights: NDArray[np.float64], seed: int
) -> tuple[Floats, Floats, Floats]:
    """Return weights (n_features, d), left-out means (n_rows, d), and the mean at x = 0 (d,).

    Ridge shrinks towards a multiple of what was decoded, not towards nothing: a decoder's own guess
    is the best there is where pictures are few.
    """
    d = true.shape[1]
    mean = np.average(true, axis=0, weights=weights).astype(np.float32)
    blocks = [x[:, i : i + d] for i in range(0, x.shape[1] - d + 1, d)]
    slopes = _slopes(blocks, true - mean, weights)
    trust = np.zeros((x.shape[1], d), np.float32)
    for i, slope in enumerate(slopes):
        trust[i * d : (i + 1) * d] = slope * np.eye(d)
    folds = image_folds(picture, seed=seed)
    rest = true - mean - x @ trust
    fit = fit_ridge(x, rest, folds, row_weights=weights)
    if not np.isfinite(fit.alphas).any():
        raise RequestError(
            "The pictures' embeddings do not differ, so a prior has nothing to learn; check the "
            "stimuli."
        )
    left_out = _predict_left_out(x, rest, folds, weights, float(np.nanmax(fit.alphas)))
    at_zero = fit.predict(np.zeros((1, x.shape[1]), np.float32))[0]
    return fit.weights + trust, left_out + x @ trust + mean, at_zero + mean


def _slopes(
    blocks: list[Floats], target: Floats, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return least-squares factors of whole blocks of features (n_rows, d) each."""
    w = weights[:, None]
    products = [[float((w * a * b).sum()) for b in blocks] for a in blocks]
    moments = [float((w * a * target).sum()) for a in blocks]
    return np.asarray(np.linalg.lstsq(np.array(products), np.array(moments), rcond=1e-6)[0])


def _predict_left_out(
    x: Floats, y: Floats, folds: Ints, weights: NDArray[np.float64], alpha: float
) -> Floats:
    """Return (n_rows, d) ridge predictions by the folds that a row is not in."""
    design = prepare_design(x, folds, weights)
    targets = design.targets(y)
    held = fold_products(design)
    crossed = held_targets(design, targets, np.dtype(np.float64))
    products, moments = np.sum(held, axis=0), np.sum(crossed, axis=0)
    products += alpha * np.eye(len(products))
    predicted = np.empty_like(y)
    for rows, product, moment in zip(design.held_out, held, crossed, strict=True):
        fitted = np.linalg.solve(products - product, moments - moment)
        at = design.order[rows]
        predicted[at] = (x[at] - design.x_mean) @ fitted + targets.mean
    return predicted


def _principal_directions(residual: Floats) -> tuple[Floats, Floats]:
    """Return variances (d,), the largest first, and directions (d, d) of rows (n_pictures, d).

    Ledoit & Wolf (2004), A well-conditioned estimator for large-dimensional covariance matrices:
    pictures may be fewer than dimensions.
    """
    from sklearn.covariance import ledoit_wolf

    covariance, _ = ledoit_wolf(residual.astype(np.float64), assume_centered=True)
    variance, basis = np.linalg.eigh(covariance)
    variance = np.maximum(variance[::-1], variance[-1] * 1e-9)
    return variance.astype(np.float32), np.ascontiguousarray(basis[:, ::-1], np.float32)


def _variance_slope(
    along: Floats, level: Floats, weights: NDArray[np.float64], usual: np.float32, n_pictures: int
) -> Floats:
    """Return (d,) relative change of variance with level, shrunk by what chance alone would give."""
    w = weights / weights.sum()
    spread = float(w @ np.square(level)) - float(w @ level) ** 2
    if spread <= 0:
        return np.zeros(along.shape[1], np.float32)
    squares = np.square(along)
    slope = ((w * (level - w @ level)) @ squares) / spread
    at_usual = w @ squares + slope * (usual - w @ level)
    relative = slope / np.maximum(at_usual, _SMALLEST_RATIO * (w @ squares))
    # A Gaussian's square has a relative variance of 2.
    by_chance = 2 / (n_pictures * spread)
    shrinkage = np.maximum(0, 1 - by_chance / np.maximum(np.square(relative), by_chance / 2))
    return np.asarray(relative * shrinkage, np.float32)


def plain_levels(levels: Levels) -> dict[str, Any]:
    """Return the levels for a header."""
    return {"fewest": levels.fewest, "most": levels.most, "mean": levels.mean, "sd": levels.sd}
