"""Ridge where features are more than rows: all held-out errors from one decomposition.

With K = XXᵀ and G = (K + αI)⁻¹, both of all rows, the errors that a fit without the rows I makes on
them are e_I = (G_II)⁻¹ (G Y)_I: the leave-one-out formula for a block (as in An, Liu & Venkatesh,
Fast cross-validation algorithms for least squares support vector machine and kernel ridge
regression, Pattern Recognition 2007). No fold is decomposed by itself, and the fit on all rows is
at hand when the penalty is chosen. Through K = Q B Qᵀ with B + αI = L Lᵀ and F = Q L⁻ᵀ,
G_II = F_I F_Iᵀ is a sum of squares and loses no digits to cancellation.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.jobs import PartProgress, Progress, SilentProgress
from nsdviewer.models.regression.band_matrix import (
    BandFactor,
    BandMatrix,
    reduce_to_band,
    row_products,
)
from nsdviewer.models.regression.design import check_targets, mean_r2, prepare_design, too_small
from nsdviewer.models.regression.fits import (
    Evaluation,
    Floats,
    RidgeFit,
    choose_alphas,
    scores_at,
)
from nsdviewer.models.regression.primal import chunks
from nsdviewer.models.regression.threads import map_one_thread_each

# Relative error of fitted values at the smallest penalty above which single precision is left.
TOLERANCE = 2e-4
DOUBLE_TOLERANCE = 1e-2
_N_PROBES = 4
_ROWS = 512
_CHUNK = 128


class KernelSolver:
    """Ridge of one x that has more features than rows, with any number of targets.

    The decomposition is done in single precision and checked: a few random targets are solved at
    the smallest penalty, and one step of iterative refinement in double precision tells how far
    off they are. Beyond `TOLERANCE` everything is done in double precision, in about twice the
    time and memory.

    Parameters
    ----------
    x, folds, row_weights, feature_scales
        See `nsdviewer.models.regression.design.prepare_design`.
    alphas
        (n_alphas,) penalties; the usual grid for this x where left out.
    progress
        Told about the decomposition.

    Raises
    ------
    RequestError
        If x, folds and the others do not fit each other, or the smallest penalty is lost in
        rounding.
    """

    def __init__(
        self,
        x: NDArray[np.number],
        folds: NDArray[np.integer],
        alphas: NDArray[np.floating] | None = None,
        row_weights: NDArray[np.floating] | None = None,
        feature_scales: NDArray[np.floating] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.design = prepare_design(x, folds, row_weights, feature_scales)
        self.alphas = self.design.alphas(alphas)
        told = progress or SilentProgress()
        self._band = self._decompose(np.float32, told)
        self.relative_error = self._probe()
        if self.relative_error > TOLERANCE:
            self._band = self._decompose(np.float64, told)
            if self._probe() > DOUBLE_TOLERANCE:
                raise too_small(self.alphas)

    @property
    def is_double(self) -> bool:
        """Whether single precision was not enough."""
        return self._band.basis.dtype == np.float64

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
        """Cross-validate targets (n, n_targets) at every penalty.

        Raises
        ------
        RequestError
            If y does not fit, or a penalty is so small that rounding makes the problem singular.
        """
        check_targets(y, self.design)
        targets = self.design.targets(y)
        told = progress or SilentProgress()
        try:
            projected, errors = self._held_out_errors(targets.y, told)
        except np.linalg.LinAlgError:
            if self.is_double:
                raise too_small(self.alphas) from None
            self._band = self._decompose(np.float64, told)
            return self.evaluate(y, progress)
        scores = mean_r2(errors, targets.total_squares, targets.fittable)
        return Evaluation(scores, projected, targets.mean)

    def complete(self, evaluation: Evaluation, chosen: NDArray[np.int64]) -> RidgeFit:
        """Fit on all rows; see `RidgeSolver`."""
        solved = np.empty_like(evaluation.projected)

        def solve(alpha: np.int64) -> None:
            mine = chosen == alpha
            factor = self._band.factor(self.alphas[alpha])
            solved[:, mine] = _solve(factor, evaluation.projected[:, mine])

        map_one_thread_each(solve, list(np.unique(chosen)))
        weights = np.empty((self.design.x.shape[1], len(chosen)), np.float32)

        def fill(columns: slice) -> None:
            dual = self._band.basis @ solved[:, columns]
            weights[:, columns] = self.design.scales[:, None] * self._features_of(dual)

        map_one_thread_each(fill, chunks(len(chosen), _CHUNK))
        scores = scores_at(evaluation.scores, chosen)
        alphas = np.where(np.isnan(scores), np.nan, self.alphas[chosen]).astype(np.float32)
        return RidgeFit(weights, self.design.x_mean, evaluation.y_mean, alphas, scores)

    def _decompose(self, dtype: type[np.floating], progress: Progress) -> BandMatrix:
        progress.report(0, "preparing the decomposition")
        products = row_products(self.design.x, dtype)
        return reduce_to_band(products, PartProgress(progress, 0.3, 1))

    def _probe(self) -> float:
        """Return the relative error of solutions at the smallest penalty, in this precision."""
        x, alpha = self.design.x, float(self.alphas.min())
        probes = np.random.default_rng(0).standard_normal((len(x), _N_PROBES))
        probes -= probes.mean(axis=0)
        try:
            factor = self._band.factor(alpha)
        except np.linalg.LinAlgError:
            return np.inf
        solution = self._apply(factor, probes)
        parts = [slice(i, i + _ROWS) for i in range(0, len(x), _ROWS)]
        features = self._features_of(solution)
        residual = probes - alpha * solution
        for part in parts:
            residual[part] -= x[part].astype(np.float64) @ features
        correction = self._apply(factor, residual)
        return float(np.linalg.norm(correction) / np.linalg.norm(solution))

    def _features_of(self, dual: NDArray[Any]) -> NDArray[Any]:
        """Return Xᵀ · dual in the precision of `dual`; a few rows of x at a time are widened."""
        total = np.zeros((self.design.x.shape[1], dual.shape[1]), dual.dtype)
        step = len(dual) if dual.dtype == np.float32 else _ROWS
        for first in range(0, len(dual), step):
            rows = slice(first, first + step)
            total += self.design.x[rows].astype(dual.dtype, copy=False).T @ dual[rows]
        return total

    def _apply(self, factor: BandFactor, columns: NDArray[np.float64]) -> NDArray[np.float64]:
        basis = self._band.basis
        inside = basis.T @ columns.astype(basis.dtype)
        return np.asarray(basis @ _solve(factor, inside), np.float64)

    def _held_out_errors(
        self, y: Floats, progress: Progress
    ) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Return Qᵀy (n, n_targets) and the squared errors (n_alphas, n_folds, n_targets)."""
        basis, held_out = self._band.basis, self.design.held_out
        projected = np.empty(y.shape, basis.dtype)

        def project(columns: slice) -> None:
            projected[:, columns] = basis.T @ y[:, columns].astype(basis.dtype)

        map_one_thread_each(project, chunks(y.shape[1], _CHUNK))

        def errors_of(piece: tuple[float, slice]) -> NDArray[np.float64]:
            alpha, rows = piece
            factor = self._band.factor(alpha)
            return _block_errors(factor.halve(basis[rows]), factor.halve(projected.T))

        pieces = [(alpha, rows) for alpha in self.alphas for rows in held_out]
        errors = map_one_thread_each(errors_of, pieces, progress, "cross-validating")
        return projected, np.stack(errors).reshape(len(self.alphas), len(held_out), y.shape[1])


def _block_errors(half: NDArray[Any], half_targets: NDArray[Any]) -> NDArray[np.float64]:
    """Return (n_targets,) Σe² for half F_I (n_held, n) and (L⁻¹QᵀY)ᵀ (n_targets, n)."""
    from scipy.linalg.lapack import get_lapack_funcs

    potrf: Any = get_lapack_funcs("potrf", (half,))
    potrs: Any = get_lapack_funcs("potrs", (half,))
    # numpy sees that both are one array, and does half the work. LAPACK counts by columns.
    block = (half @ half.T).T
    root, failed = potrf(block, lower=1, overwrite_a=1, clean=0)
    if failed:
        raise np.linalg.LinAlgError("the held-out block is not positive definite")
    if not len(half_targets):
        return np.empty(0)
    errors, _ = potrs(root, (half_targets @ half.T).T, lower=1, overwrite_b=1)
    return np.asarray(np.einsum("ij,ij->j", errors, errors), np.float64)


def _solve(factor: BandFactor, columns: NDArray[Any]) -> NDArray[Any]:
    """Return (B + αI)⁻¹ · columns."""
    return factor.halve_back(factor.halve(np.ascontiguousarray(columns.T))).T
