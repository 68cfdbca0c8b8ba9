"""Many ridge problems of one right-hand side: all penalties, and all resamplings, at once."""

from collections.abc import Callable

import numpy as np

from nsdviewer.mapping.statistics.responses import Doubles

# Relative to the right-hand side. What a bootstrap of hundreds of draws leaves open is far larger.
_TOLERANCE = 1e-5
_MOST_STEPS = 400
_SMALLEST = 1e-300


def solve_shifted(
    apply: Callable[[Doubles], Doubles], rhs: Doubles, n_systems: int, shifts: Doubles
) -> Doubles | None:
    """Return (n_shifts, k, n_systems) solutions of (A_j + s I) g = rhs, A_j positive semidefinite.

    Conjugate gradients for the smallest shift also give the solutions for all others, since shifted
    systems share their Krylov spaces (Jegerlehner 1996, arXiv:hep-lat/9612014). No A_j is ever
    formed, and one matrix product serves all systems.

    Parameters
    ----------
    apply
        From (k, n_systems) vectors, a column for each system, to their products with A_j.
    rhs
        (k,) right-hand side.
    shifts
        (n_shifts,) ascending, above 0.

    Returns
    -------
    ndarray or None
        None where the smallest shift is so small that they do not converge.
    """
    first = float(shifts[0])
    beyond = (shifts - first)[:, None]
    residual = np.repeat(rhs[:, None], n_systems, axis=1)
    search = residual.copy()
    solution = np.zeros((len(shifts), len(rhs), n_systems))
    searches = np.repeat(residual[None], len(shifts), axis=0)
    # A shifted system's residual is the first one's times `share`.
    share = np.ones((len(shifts), n_systems))
    share_before = share.copy()
    power = (residual**2).sum(0)
    enough = _TOLERANCE**2 * power
    step_before, ratio = np.ones(n_systems), np.zeros(n_systems)
    n_open = len(shifts)
    for _ in range(_MOST_STEPS):
        applied = apply(search) + first * search
        step = power / np.maximum((search * applied).sum(0), _SMALLEST)
        k = slice(n_open)
        bent = step * ratio * (share_before[k] - share[k])
        straight = share_before[k] * step_before
        following = share[k] * straight / (bent + straight * (1 + beyond[k] * step))
        change = following / share[k]
        solution[k] += (step * change)[:, None] * searches[k]
        residual -= step * applied
        power_after = (residual**2).sum(0)
        ratio = power_after / np.maximum(power, _SMALLEST)
        searches[k] *= (ratio * change**2)[:, None]
        searches[k] += following[:, None] * residual
        search = residual + ratio * search
        share_before[k], share[k] = share[k].copy(), following
        step_before, power = step, power_after
        # The larger the shift, the sooner it is there.
        while n_open and (share[n_open - 1] ** 2 * power <= enough).all():
            n_open -= 1
        if not n_open:
            return solution
    return None
