"""Rows made ready for the solvers: checked, sorted by fold, centred, weighted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError
from nsdviewer.models.regression.fits import Floats
from nsdviewer.models.regression.grids import scaled_alphas

# Below this share of its largest value, a target's deviation is rounding and no signal.
_SMALLEST_RELATIVE_SD = 1e-6
# Below this share of Σy², Σ(y − mean)² is not the difference of two sums in single precision.
_CANCELLED = 1e-2


@dataclass(frozen=True)
class Design:
    """The features of all rows, those of one fold beside each other.

    Rows are centred once, on all rows: the held-out rows have a part in the two means, and in
    nothing else. With weights, rows are multiplied by their roots, so that what follows is
    ordinary least squares.

    Attributes
    ----------
    x
        (n, n_features) centred, then scaled.
    x_mean, scales
        (n_features,) what was taken off, and what was multiplied by.
    order
        (n,) number of each row in the caller's arrays.
    held_out
        The rows of each fold.
    root_weights
        (n,) float64, mean square 1.
    """

    x: Floats
    x_mean: Floats
    scales: Floats
    order: NDArray[np.int64]
    held_out: tuple[slice, ...]
    root_weights: NDArray[np.float64]

    def alphas(self, asked: NDArray[np.floating] | None) -> NDArray[np.float64]:
        """Return the penalties: those asked for, checked, or the usual grid for this x."""
        if asked is None:
            squares = float(np.einsum("ij,ij->j", self.x, self.x).sum(dtype=np.float64))
            return scaled_alphas(squares, self.x.shape)
        alphas = np.atleast_1d(np.asarray(asked, np.float64))
        if alphas.ndim != 1 or not len(alphas) or not np.all(np.isfinite(alphas) & (alphas > 0)):
            raise RequestError("Penalties of a ridge are positive numbers; mend the α grid.")
        return alphas

    def targets(self, y: NDArray[np.number], columns: slice = slice(None)) -> "Targets":
        """Return some columns of y (n, n_targets), made ready as the rows of x were."""
        taken = _as_float32(y[self.order, columns])
        weight = np.square(self.root_weights)
        with np.errstate(invalid="ignore"):
            mean = weight @ taken.astype(np.float64) / weight.sum()
        fittable = np.isfinite(mean)
        if not fittable.all():
            finite = np.isfinite(taken)
            taken = np.where(finite, taken, 0)
            n_finite = np.maximum(weight @ finite, np.finfo(float).tiny)
            mean = weight @ taken.astype(np.float64) / n_finite
        taken -= mean.astype(np.float32)
        taken *= self.root_weights.astype(np.float32)[:, None]
        squares = np.stack([np.einsum("ij,ij->j", part, part) for part in self._parts(taken)])
        sd = np.sqrt(squares.sum(axis=0) / len(taken))
        fittable &= sd > _SMALLEST_RELATIVE_SD * np.hypot(mean, sd)
        if not fittable.all():
            taken[:, ~fittable] = 0
            squares[:, ~fittable] = 0
        return Targets(
            taken, mean.astype(np.float32), fittable, squares, self._within(taken, squares)
        )

    def _parts(self, rows: Floats) -> list[Floats]:
        return [rows[held] for held in self.held_out]

    def _within(self, y: Floats, squares: Floats) -> NDArray[np.float64]:
        """Return (n_folds, n_targets) Σ(y − mean of the fold)²; the weights count."""
        totals = squares.astype(np.float64)
        for fold, rows in enumerate(self.held_out):
            root = self.root_weights[rows]
            mean = (root.astype(np.float32) @ y[rows]) / np.square(root).sum()
            totals[fold] -= np.square(mean) * np.square(root).sum()
            # Where little is left after the mean, it is taken off first.
            small = totals[fold] < _CANCELLED * squares[fold]
            if small.any():
                part = y[rows][:, small].astype(np.float64)
                part -= np.outer(root, root @ part / np.square(root).sum())
                totals[fold, small] = np.square(part).sum(axis=0)
        return totals


@dataclass(frozen=True)
class Targets:
    """Some targets, their rows as in `Design`.

    Attributes
    ----------
    y
        (n, n_targets) centred, weighted; zeros where not fittable.
    mean
        (n_targets,) what was taken off.
    fittable
        (n_targets,) whether the target varies and all its values are finite.
    squares, total_squares
        (n_folds, n_targets) of the rows of each fold: Σy², and Σ(y − mean of the fold)².
    """

    y: Floats
    mean: Floats
    fittable: NDArray[np.bool_]
    squares: Floats
    total_squares: NDArray[np.float64]


def prepare_design(
    x: NDArray[np.number],
    folds: NDArray[np.integer],
    row_weights: NDArray[np.floating] | None = None,
    feature_scales: NDArray[np.floating] | None = None,
) -> Design:
    """Check features and folds, and make the rows ready.

    Parameters
    ----------
    x
        (n, n_features).
    folds
        (n,) fold in which each row is held out.
    row_weights
        (n,) relative precision of each row, as the repetitions that were averaged; all alike
        where left out.
    feature_scales
        (n_features,) what centred features are multiplied by, so that the penalty weighs on them
        unequally; weights come back in the units of x.

    Raises
    ------
    RequestError
        If x has fewer than two rows, no columns or a value that is not finite, if `folds` does
        not fit it or has one fold only, or if weights are not positive or scales not finite.
    """
    folds = np.asarray(folds)
    if x.ndim != 2 or x.shape[0] < 2 or not x.shape[1]:
        raise RequestError(
            f"A ridge needs two or more rows of features, and has an array of shape {x.shape}; "
            "take more pictures or another mask."
        )
    if folds.shape != (len(x),):
        raise RequestError(
            f"{len(folds)} fold numbers do not fit {len(x)} rows of features; give one to a row."
        )
    order = np.argsort(folds, kind="stable")
    starts = np.unique(folds[order], return_index=True)[1]
    if len(starts) < 2:
        raise RequestError(
            "Cross-validation needs two folds or more, and every row is in the same; see "
            "image_folds."
        )
    weight = _checked_weights(row_weights, len(x))[order]
    taken = _as_float32(x[order])
    mean = np.asarray(weight @ _finite(taken) / weight.sum(), np.float32)
    taken -= mean
    scales = _checked_scales(feature_scales, x.shape[1])
    if feature_scales is not None:
        taken *= scales
    if row_weights is not None:
        taken *= np.sqrt(weight).astype(np.float32)[:, None]
    ends = [*starts[1:], len(x)]
    held_out = tuple(slice(int(a), int(b)) for a, b in zip(starts, ends, strict=True))
    return Design(taken, mean, scales, order, held_out, np.sqrt(weight))


def check_targets(y: NDArray[np.number], design: Design) -> None:
    """Raise `RequestError` unless y is (n, n_targets) for the rows of the design."""
    if y.ndim != 2 or len(y) != len(design.order):
        raise RequestError(
            f"Targets of shape {y.shape} do not fit {len(design.order)} rows of features; give "
            "one row of targets to each."
        )


def too_small(alphas: NDArray[np.float64]) -> RequestError:
    """Return the error for penalties that are lost in rounding even in double precision."""
    return RequestError(
        f"A penalty of {alphas.min():.3g} is too small for these features; leave the smallest "
        "ones out of the grid."
    )


def mean_r2(
    squared_errors: NDArray[np.floating],
    total_squares: NDArray[np.float64],
    fittable: NDArray[np.bool_],
) -> Floats:
    """Return (n_alphas, n_targets) R², the mean over folds.

    Parameters
    ----------
    squared_errors
        (n_alphas, n_folds, n_targets).
    total_squares
        (n_folds, n_targets). A fold in which a target does not vary says nothing of it and is
        left out of the mean.
    """
    varies = (total_squares > 1e-12 * total_squares.sum(0)) & fittable
    r2 = 1 - squared_errors / np.where(varies, total_squares, 1)
    n_folds = varies.sum(axis=0)
    mean = np.where(varies, r2, 0).sum(axis=1) / np.maximum(n_folds, 1)
    return np.asarray(np.where(n_folds > 0, mean, np.nan), np.float32)


def _as_float32(values: NDArray[np.number]) -> Floats:
    if values.dtype.kind not in "fiub":
        raise RequestError(f"A ridge is fitted to numbers, not to {values.dtype}.")
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, np.float32)


def _finite(x: Floats) -> Floats:
    bad = ~np.isfinite(x.sum(axis=0, dtype=np.float64))
    if bad.any():
        raise RequestError(
            f"{int(bad.sum())} of {x.shape[1]} features have a value that is not finite, the "
            f"first in column {int(bad.argmax())}; leave these voxels or pictures out."
        )
    return x


def _checked_weights(asked: NDArray[np.floating] | None, n: int) -> NDArray[np.float64]:
    if asked is None:
        return np.ones(n)
    weights = np.asarray(asked, np.float64)
    if weights.shape != (n,) or not np.all(np.isfinite(weights) & (weights > 0)):
        raise RequestError(f"Weights of rows are {n} positive numbers, one to a row.")
    return np.asarray(weights / weights.mean())


def _checked_scales(asked: NDArray[np.floating] | None, n_features: int) -> Floats:
    if asked is None:
        return np.ones(n_features, np.float32)
    scales = np.asarray(asked, np.float32)
    if scales.shape != (n_features,) or not np.isfinite(scales).all():
        raise RequestError(f"Scales of features are {n_features} finite numbers, one to a feature.")
    return scales
