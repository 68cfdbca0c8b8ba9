"""Banded ridge: several feature spaces, each target deciding how much it trusts which.

Nunez-Elizalde, Huth & Gallant, Voxelwise encoding models with non-spherical multivariate normal
priors, NeuroImage 2019; Dupré la Tour et al., Feature-space selection with banded ridge regression,
NeuroImage 2022. A band that gets the share s of the prior variance is ridge on features multiplied
by √s, so that each mixture of bands is one more ridge, and all of them start from the same XᵀX and
XᵀY.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError
from nsdviewer.jobs import Progress
from nsdviewer.models.regression.design import (
    Targets,
    check_targets,
    mean_r2,
    prepare_design,
)
from nsdviewer.models.regression.fits import Floats, choose_alphas, scores_at
from nsdviewer.models.regression.grids import ALPHA_GRID
from nsdviewer.models.regression.primal import (
    Eigenbasis,
    chunks,
    eigenbasis,
    fold_products,
    held_targets,
)
from nsdviewer.models.regression.threads import map_one_thread_each

N_STEPS = 10


@dataclass(frozen=True)
class BandedFit:
    """A fitted sum of maps y = Σ_k (x_k − x_mean_k) · weights_k + y_mean.

    Targets that cannot be fitted have weights 0 and NaN elsewhere.

    Attributes
    ----------
    weights, x_mean
        (n_features_k, n_targets) and (n_features_k,) by band.
    y_mean
        (n_targets,) means of the training rows.
    alphas
        (n_targets,) penalties, relative to the mean squared singular value of the mixed bands.
    shares
        (n_bands, n_targets) of the prior variance, in the order of `weights`; columns sum to 1.
    cv_r2
        (n_targets,) cross-validated R² on held-out rows.
    cv_split_r2
        (n_bands, n_targets) what each band contributes to it, by the product measure. Sums to
        `cv_r2` but for the mean of each fold, which R² takes off and the measure does not: about
        one over the rows of a fold.
    """

    weights: dict[str, Floats]
    x_mean: dict[str, Floats]
    y_mean: Floats
    alphas: Floats
    shares: Floats
    cv_r2: Floats
    cv_split_r2: Floats

    def predict(self, x: Mapping[str, Floats]) -> Floats:
        """Return (n, n_targets) predictions for features (n, n_features_k) of every band."""
        return np.asarray(sum(self.contributions(x).values()) + self.y_mean, np.float32)

    def contributions(self, x: Mapping[str, Floats]) -> dict[str, Floats]:
        """Return what each band adds to the predictions (n, n_targets), without `y_mean`."""
        missing = [name for name in self.weights if name not in x]
        if missing:
            raise RequestError(f"The band '{missing[0]}' has no features; give every band its own.")
        return {
            name: np.asarray((x[name] - self.x_mean[name]) @ w, np.float32)
            for name, w in self.weights.items()
        }

    def split_r2(self, x: Mapping[str, Floats], y: Floats) -> Floats:
        """Return (n_bands, n_targets) contributions to R² on y (n, n_targets), which they sum to.

        The product measure of Dupré la Tour et al. 2022, both sides centred on the rows given:
        Σ ŷ_k (2y − ŷ) / Σ y². NaN where y does not vary.
        """
        y = y - y.mean(axis=0)
        parts = np.stack(list(self.contributions(x).values()))
        parts -= parts.mean(axis=1, keepdims=True)
        total = np.square(y).sum(axis=0)
        shared = np.einsum("knt,nt->kt", parts, 2 * y - parts.sum(axis=0))
        return np.asarray(
            np.where(total > 0, shared / np.where(total > 0, total, 1), np.nan), np.float32
        )


def share_grid(n_bands: int, n_steps: int = N_STEPS) -> NDArray[np.float64]:
    """Return every way to divide 1 among bands in steps of 1 / n_steps, (n_shares, n_bands)."""

    def divide(left: int, bands: int) -> list[list[int]]:
        if bands == 1:
            return [[left]]
        return [[k, *rest] for k in range(left, -1, -1) for rest in divide(left - k, bands - 1)]

    return np.array(divide(n_steps, n_bands), np.float64) / n_steps


@dataclass(frozen=True)
class _Mixture:
    """One way to share the prior among bands: a basis for each fold, and one for all rows."""

    shares: NDArray[np.float64]
    folds: tuple[Eigenbasis, ...]
    whole: Eigenbasis


class BandedSolver:
    """Banded ridge of some feature spaces, with any number of targets in blocks.

    Each band is scaled to mean squared length 1, so that equal shares mean equal say whatever the
    units and the number of features.

    Parameters
    ----------
    x
        Features (n, n_features_k) by name of the band.
    folds, row_weights
        See `nsdviewer.models.regression.design.prepare_design`.
    alphas
        (n_alphas,) relative penalties.
    shares
        (n_shares, n_bands) mixtures to try, none negative, rows summing to 1; steps of a tenth
        where left out.

    Raises
    ------
    RequestError
        If there are no bands, or bands, folds and shares do not fit each other.
    """

    def __init__(
        self,
        x: Mapping[str, NDArray[np.number]],
        folds: NDArray[np.integer],
        alphas: NDArray[np.floating] = ALPHA_GRID,
        shares: NDArray[np.floating] | None = None,
        row_weights: NDArray[np.floating] | None = None,
    ) -> None:
        if not x or len({len(part) for part in x.values()}) != 1:
            raise RequestError("Banded ridge needs bands of features that have the same rows.")
        self.names = tuple(x)
        self.design = prepare_design(
            np.concatenate([np.asarray(part) for part in x.values()], axis=1), folds, row_weights
        )
        ends = np.cumsum([part.shape[1] for part in x.values()])
        self._columns = [
            slice(int(e) - x[n].shape[1], int(e)) for n, e in zip(x, ends, strict=True)
        ]
        self._held = fold_products(self.design)
        self._lengths = self._band_lengths()
        self.relative_alphas = self.design.alphas(alphas)
        # Rows of every mixture have mean squared length 1.
        self.alphas = self.relative_alphas * len(folds) / min(self.design.x.shape)
        self.shares = share_grid(len(x)) if shares is None else _checked_shares(shares, len(x))
        self._mixtures = self._mix()
        self._held32 = [part.astype(np.float32) for part in self._held]

    def fit(self, y: NDArray[np.number], progress: Progress | None = None) -> BandedFit:
        """Fit targets (n, n_targets): shares and penalty of each by cross-validation."""
        check_targets(y, self.design)
        parts = map_one_thread_each(
            lambda columns: self._fit_chunk(y, columns), chunks(y.shape[1]), progress, "fitting"
        )
        return join_banded(parts)

    def _band_lengths(self) -> NDArray[np.float64]:
        """Return (n_bands,) root mean squared length of a row; 1 for a band that never varies."""
        squares = np.diag(np.sum(self._held, axis=0))
        lengths = np.array([np.sqrt(squares[c].sum() / len(self.design.x)) for c in self._columns])
        return np.where(lengths > 0, lengths, 1)

    def _scale(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what each feature is multiplied by, (n_features,)."""
        each = np.sqrt(shares) / self._lengths
        return np.repeat(each, [c.stop - c.start for c in self._columns])

    def _mix(self) -> list[_Mixture]:
        whole = np.sum(self._held, axis=0)
        pairs = [*((whole - part, part) for part in self._held), (whole, None)]

        def basis_of(
            piece: tuple[
                NDArray[np.float64], tuple[NDArray[np.float64], NDArray[np.float64] | None]
            ],
        ) -> Eigenbasis:
            shares, (training, held) = piece
            scale = self._scale(shares)
            twice = np.outer(scale, scale)
            basis = eigenbasis(
                training * twice, None if held is None else held * twice, self.alphas
            )
            vectors = (scale[:, None] * basis.basis).astype(basis.basis.dtype)
            return Eigenbasis(vectors, basis.shrinkage, basis.held_products)

        pieces = [(shares, pair) for shares in self.shares for pair in pairs]
        bases = map_one_thread_each(basis_of, pieces)
        n = len(pairs)
        return [
            _Mixture(shares, tuple(bases[i * n : i * n + n - 1]), bases[i * n + n - 1])
            for i, shares in enumerate(self.shares)
        ]

    def _fit_chunk(self, y: NDArray[np.number], columns: slice) -> BandedFit:
        targets = self.design.targets(y, columns)
        held = held_targets(self.design, targets, np.dtype(np.float32))
        whole = np.sum(held, axis=0)
        scores = np.concatenate([self._scores(m, targets, held, whole) for m in self._mixtures])
        chosen = choose_alphas(scores, alpha_per_target=True)
        mixture, alpha = np.divmod(chosen, len(self.alphas))
        weights = np.zeros_like(whole)
        split = np.zeros((len(self.names), whole.shape[1]))
        for number in np.unique(mixture):
            mine = mixture == number
            m = self._mixtures[number]
            weights[:, mine] = _weights(m.whole, whole[:, mine], alpha[mine])
            for fold, basis in enumerate(m.folds):
                w = _weights(basis, (whole - held[fold])[:, mine], alpha[mine])
                gained = w * (2 * held[fold][:, mine] - self._held32[fold] @ w)
                split[:, mine] += np.stack([gained[c].sum(axis=0) for c in self._columns]) / (
                    len(held) * np.maximum(targets.total_squares[fold, mine], 1e-30)
                )
        known = targets.fittable
        return BandedFit(
            {name: weights[c] for name, c in zip(self.names, self._columns, strict=True)},
            {
                name: self.design.x_mean[c]
                for name, c in zip(self.names, self._columns, strict=True)
            },
            targets.mean,
            np.where(known, self.relative_alphas[alpha], np.nan).astype(np.float32),
            np.where(known, self.shares[mixture].T, np.nan).astype(np.float32),
            scores_at(scores, chosen),
            np.where(known, split, np.nan).astype(np.float32),
        )

    def _scores(
        self, mixture: _Mixture, targets: Targets, held: Sequence[Floats], whole: Floats
    ) -> Floats:
        errors = [
            basis.squared_errors(whole - part, part, squares)
            for basis, part, squares in zip(mixture.folds, held, targets.squares, strict=True)
        ]
        return mean_r2(np.stack(errors, axis=1), targets.total_squares, targets.fittable)


def join_banded(fits: Sequence[BandedFit]) -> BandedFit:
    """Return the fits of blocks of targets, on the same bands, as one fit."""
    first = fits[0]
    return BandedFit(
        {name: np.concatenate([f.weights[name] for f in fits], axis=1) for name in first.weights},
        first.x_mean,
        *(
            np.concatenate([getattr(f, name) for f in fits], axis=-1)
            for name in ("y_mean", "alphas", "shares", "cv_r2", "cv_split_r2")
        ),
    )


def _weights(basis: Eigenbasis, products: Floats, alpha: NDArray[np.int64]) -> Floats:
    """Return (n_features, n_targets) weights from XᵀY and the number of each target's penalty."""
    inside = basis.basis.T @ products
    return np.asarray(basis.basis @ (basis.shrinkage[alpha].T * inside), np.float32)


def _checked_shares(asked: NDArray[np.floating], n_bands: int) -> NDArray[np.float64]:
    shares = np.asarray(asked, np.float64)
    if shares.ndim != 2 or shares.shape[1] != n_bands or not len(shares):
        raise RequestError(
            f"Shares of shape {shares.shape} do not fit {n_bands} bands; give one column to each."
        )
    if not np.all(shares >= 0) or not np.allclose(shares.sum(axis=1), 1):
        raise RequestError("Shares of bands are not negative, and each row sums to 1.")
    return shares
