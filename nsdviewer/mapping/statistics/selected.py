"""Some columns of a response matrix, as a response matrix."""

from dataclasses import dataclass
from typing import Protocol

from nsdviewer.mapping.statistics.responses import Floats, Numbers


class Columns(Protocol):
    """A response matrix whose columns can be read one by one."""

    @property
    def n_images(self) -> int:
        """Number of pictures."""
        ...

    def at(self, columns: Numbers) -> Floats:
        """Return (n_images, n) responses of some sites."""
        ...


@dataclass(frozen=True)
class SelectedResponses:
    """The sites that are tested; `Responses` of them alone.

    Attributes
    ----------
    columns
        (n_sites,) columns of `whole`.
    scales
        (n_sites,) what the responses are multiplied by, such as a deviation in percent signal.
    """

    whole: Columns
    columns: Numbers
    scales: Floats | None = None

    @property
    def n_images(self) -> int:
        """Number of pictures."""
        return self.whole.n_images

    @property
    def n_sites(self) -> int:
        """Number of sites."""
        return len(self.columns)

    def block(self, columns: slice) -> Floats:
        """Return (n_images, n) responses of some of the sites."""
        z = self.whole.at(self.columns[columns])
        return z if self.scales is None else z * self.scales[columns]
