"""Which rows are held out together."""

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError

N_FOLDS = 5


def image_folds(
    groups: NDArray[np.integer], n_folds: int = N_FOLDS, seed: int = 0
) -> NDArray[np.int64]:
    """Return the (n,) fold of each row; rows of one group always share a fold.

    Groups are visited in random order, the large ones first, and each goes to the fold that has
    the fewest rows so far. The fold of a group does not depend on the order of the rows.

    Parameters
    ----------
    groups
        (n,) number of the picture that each row belongs to.
    seed
        Draws which groups go together.

    Raises
    ------
    RequestError
        If there are fewer groups than folds, or fewer than two folds.
    """
    names, membership, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if n_folds < 2:
        raise RequestError(f"{n_folds} folds hold nothing out; ask for two or more.")
    if len(names) < n_folds:
        raise RequestError(
            f"{len(names)} pictures cannot be split into {n_folds} folds; ask for fewer folds, or "
            "take more sessions."
        )
    shuffled = np.random.default_rng([seed, len(names)]).permutation(len(names))
    fold_of_group = np.empty(len(names), np.int64)
    n_rows = np.zeros(n_folds, np.int64)
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        fold = int(np.argmin(n_rows))
        fold_of_group[group] = fold
        n_rows[fold] += sizes[group]
    return np.asarray(fold_of_group[membership.reshape(-1)])
