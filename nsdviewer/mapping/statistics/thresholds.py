"""Which sites of a map are shown: a threshold in the words of the command line."""

from dataclasses import dataclass
from enum import Enum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError

FORMS = "none, fdr:0.05, fwe:0.05, p:0.001 or ci:0.9"


class Control(Enum):
    """What a threshold keeps low."""

    NONE = "none"
    FDR = "fdr"
    FWE = "fwe"
    UNCORRECTED = "p"
    INTERVAL = "ci"


@dataclass(frozen=True)
class Threshold:
    """A threshold on a map's evidence.

    Attributes
    ----------
    level
        Rate of errors, 0..1 and neither; for intervals the confidence; 0 for `Control.NONE`.
    """

    control: Control
    level: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``none``, ``fdr:0.05``, ``fwe:0.05``, ``p:0.001`` or ``ci:0.9``.

        Raises
        ------
        RequestError
            If the text is none of these, or its level is not between 0 and 1.
        """
        name, colon, number = text.strip().lower().partition(":")
        try:
            control = Control(name)
            level = float(number) if colon else 0.0
        except ValueError:
            raise _unreadable(text) from None
        if (control is Control.NONE) == bool(colon):
            raise _unreadable(text)
        if control is not Control.NONE and not 0 < level < 1:
            raise RequestError(f"The level in '{text}' has to lie between 0 and 1; write {FORMS}.")
        return cls(control, level)

    def __str__(self) -> str:
        """Return the text that `parse` reads."""
        none = self.control is Control.NONE
        return self.control.value if none else f"{self.control.value}:{self.level:g}"

    def require_draws(self, n_draws: int) -> None:
        """Raise `RequestError` where so few draws can never reach the level.

        Counted p-values are at least 1 / (n_draws + 1); `fdr` uses their smooth tails and needs no
        more than any test.
        """
        if n_draws < 1:
            raise RequestError(f"{n_draws} permutations test nothing; ask for 1 or more.")
        smallest = 1 / (n_draws + 1)
        if self.control in (Control.FWE, Control.UNCORRECTED) and smallest > self.level:
            enough = int(np.ceil(1 / self.level)) - 1
            raise RequestError(
                f"With {n_draws} permutations the smallest p is {smallest:.2g}, so '{self}' shows "
                f"nothing; ask for {enough} or more."
            )

    def passes(
        self, p: NDArray[np.floating], p_max: NDArray[np.floating], q: NDArray[np.floating]
    ) -> NDArray[np.bool_]:
        """Return (n_sites,) whether a test's figures pass; NaN never does.

        Raises
        ------
        RequestError
            For `Control.INTERVAL`, which needs an interval: see `excludes_zero`.
        """
        if self.control is Control.INTERVAL:
            raise RequestError(f"'{self}' needs bootstrap intervals, not a permutation test.")
        if self.control is Control.NONE:
            return np.ones(len(p), np.bool_)
        chosen = {Control.FDR: q, Control.FWE: p_max, Control.UNCORRECTED: p}[self.control]
        return np.asarray(np.nan_to_num(chosen, nan=np.inf) <= self.level)


def excludes_zero(lower: NDArray[np.floating], upper: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return (n_sites,) whether an interval lies on one side of zero; NaN never does."""
    return np.asarray((lower > 0) | (upper < 0))


def _unreadable(text: str) -> RequestError:
    return RequestError(f"'{text}' is no threshold; write {FORMS}.")
