"""Ridge where features are fewer than rows: cross-validation from sums of products alone.

With XᵀX = VΛVᵀ of the training rows, a = VᵀXᵀY of the same and b = VᵀXᵀY of the held-out ones, the
weights are V D a with D = (Λ + α)⁻¹, and the squared error on the held-out rows is
(Da)ᵀ H (Da) − 2 (Da)ᵀ b + Σy², where H = VᵀXᵀXV of the held-out rows. No prediction is formed, and
every penalty costs one product of an (n_features, n_features) matrix with the targets.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.jobs import Progress
from nsdviewer.models.regression.design import (
    Design,
    Targets,
    check_targets,
    mean_r2,
    prepare_design,
    too_small,
)
from nsdviewer.models.regression.fits import (
    Evaluation,
    Floats,
    RidgeFit,
    choose_alphas,
    scores_at,
)
from nsdviewer.models.regression.threads import map_one_thread_each

# Targets that one thread has in hand: their statistics stay in its cache.
_CHUNK = 512
_TILE = 128
# Where rounding moves the weakest direction by more than this share, with its penalty counted,
# single precision is left.
_SINGLE_LIMIT = 1e-2


@dataclass(frozen=True)
class Eigenbasis:
    """The eigenvectors of one training set's XᵀX.

    Attributes
    ----------
    basis
        (n_features, rank) from the basis to features.
    shrinkage
        (n_alphas, rank) 1 / (λ + α).
    held_products
        (rank, rank) XᵀX of the held-out rows, in the basis, the upper triangle of tiles with
        those off the diagonal doubled; empty where nothing is held out.
    """

    basis: NDArray[Any]
    shrinkage: NDArray[Any]
    held_products: NDArray[Any]

    def squared_errors(
        self, training: NDArray[Any], held: NDArray[Any], squares: Floats
    ) -> NDArray[Any]:
        """Return (n_alphas, n_targets) squared errors on the held-out rows.

        Parameters
        ----------
        training, held
            (n_features, n_targets) XᵀY of the training and of the held-out rows.
        squares
            (n_targets,) Σy² of the held-out rows.
        """
        a, b = self.basis.T @ training, self.basis.T @ held
        errors = squares - self.shrinkage @ (2 * a * b)
        product = np.empty_like(a)
        for alpha, shrinkage in enumerate(self.shrinkage):
            da = shrinkage[:, None] * a
            for start in range(0, len(a), _TILE):
                rows = slice(start, start + _TILE)
                np.matmul(self.held_products[rows, start:], da[start:], out=product[rows])
            errors[alpha] += np.einsum("ij,ij->j", da, product)
        return np.asarray(errors)


def eigenbasis(
    training: NDArray[np.float64], held: NDArray[np.float64] | None, alphas: NDArray[np.float64]
) -> Eigenbasis:
    """Return the eigenvectors of XᵀX (n_features, n_features) of the training rows.

    In single precision where that is enough for the smallest penalty, else in double. Raises
    `RequestError` where neither is.
    """
    values, vectors = np.linalg.eigh(training)
    values = np.maximum(values, 0)
    shrinkage = 1 / (values + alphas[:, None])
    rounding = float(np.finfo(np.float32).eps) * values[-1] * shrinkage.max()
    dtype = np.float64 if rounding > _SINGLE_LIMIT else np.float32
    if rounding * np.finfo(np.float64).eps > _SINGLE_LIMIT * np.finfo(np.float32).eps:
        raise too_small(alphas)
    products = np.empty((0, 0))
    if held is not None:
        products = vectors.T @ held @ vectors
        for start in range(0, len(products), _TILE):
            products[start : start + _TILE, start + _TILE :] *= 2
    return Eigenbasis(vectors.astype(dtype), shrinkage.astype(dtype), products.astype(dtype))


class PrimalSolver:
    """Ridge of one x with any number of targets, in blocks.

    Parameters
    ----------
    x, folds, row_weights, feature_scales
        See `nsdviewer.models.regression.design.prepare_design`.
    alphas
        (n_alphas,) penalties; the usual grid for this x where left out.
    """

    def __init__(
        self,
        x: NDArray[np.number],
        folds: NDArray[np.integer],
        alphas: NDArray[np.floating] | None = None,
        row_weights: NDArray[np.floating] | None = None,
        feature_scales: NDArray[np.floating] | None = None,
    ) -> None:
        self.design = prepare_design(x, folds, row_weights, feature_scales)
        self.alphas = self.design.alphas(alphas)
        held = fold_products(self.design)
        whole = np.sum(held, axis=0)
        pairs = [*((whole - part, part) for part in held), (whole, None)]
        *self._folds, self._whole = map_one_thread_each(
            lambda pair: eigenbasis(*pair, self.alphas), pairs
        )
        self._dtype = self._whole.basis.dtype
        if any(fold.basis.dtype == np.float64 for fold in self._folds):
            self._dtype = np.dtype(np.float64)

    def fit(
        self,
        y: NDArray[np.number],
        alpha_per_target: bool = False,
        progress: Progress | None = None,
    ) -> RidgeFit:
        """Fit targets (n, n_targets), penalties chosen by cross-validation."""
        evaluation = self.evaluate(y, progress)
        return self.complete(evaluation, choose_alphas(evaluation.scores, alpha_per_target))

    def evaluate(self, y: NDArray[np.number], progress: Progress | None = None) -> Evaluation:
        """Cross-validate targets (n, n_targets) at every penalty."""
        check_targets(y, self.design)
        parts = map_one_thread_each(
            lambda columns: self._evaluate_chunk(y, columns),
            chunks(y.shape[1]),
            progress,
            "fitting",
        )
        return Evaluation(
            np.concatenate([p.scores for p in parts], axis=1),
            np.concatenate([p.projected for p in parts], axis=1),
            np.concatenate([p.y_mean for p in parts]),
        )

    def complete(self, evaluation: Evaluation, chosen: NDArray[np.int64]) -> RidgeFit:
        """Fit on all rows; see `RidgeSolver`."""
        weights = np.empty(evaluation.projected.shape, np.float32)

        def fill(columns: slice) -> None:
            shrunk = self._whole.shrinkage[chosen[columns]].T * evaluation.projected[:, columns]
            weights[:, columns] = self.design.scales[:, None] * (self._whole.basis @ shrunk)

        map_one_thread_each(fill, chunks(len(chosen)))
        scores = scores_at(evaluation.scores, chosen)
        alphas = np.where(np.isnan(scores), np.nan, self.alphas[chosen]).astype(np.float32)
        return RidgeFit(weights, self.design.x_mean, evaluation.y_mean, alphas, scores)

    def _evaluate_chunk(self, y: NDArray[np.number], columns: slice) -> Evaluation:
        design = self.design
        targets = design.targets(y, columns)
        held = held_targets(design, targets, self._dtype)
        whole = np.sum(held, axis=0)
        errors = [
            fold.squared_errors(whole - part, part, squares)
            for fold, part, squares in zip(self._folds, held, targets.squares, strict=True)
        ]
        scores = mean_r2(np.stack(errors, axis=1), targets.total_squares, targets.fittable)
        return Evaluation(scores, self._whole.basis.T @ whole, targets.mean)


def fold_products(design: Design) -> list[NDArray[np.float64]]:
    """Return XᵀX of each fold's rows."""
    wide = [design.x[rows].astype(np.float64) for rows in design.held_out]
    return [x.T @ x for x in wide]


def held_targets(design: Design, targets: Targets, dtype: np.dtype[Any]) -> list[NDArray[Any]]:
    """Return XᵀY (n_features, n_targets) of each fold's rows."""
    return [
        design.x[rows].astype(dtype, copy=False).T @ targets.y[rows] for rows in design.held_out
    ]


def chunks(n_targets: int, size: int = _CHUNK) -> list[slice]:
    """Return slices that cover the targets; one empty slice where there are none."""
    return [slice(i, min(i + size, n_targets)) for i in range(0, max(n_targets, 1), size)]
