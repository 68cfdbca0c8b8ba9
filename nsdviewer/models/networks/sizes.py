"""The sizes of a network, and what every network can be asked."""

from dataclasses import dataclass

from nsdviewer.errors import RequestError


@dataclass(frozen=True)
class NetworkSizes:
    """Sizes of a network; each network reads those that it has.

    Attributes
    ----------
    width
        Units of a residual block, and of the space that subjects share (``residual``, ``joint``).
    n_blocks
        Residual blocks.
    first_dropout, dropout
        Share of units left out after the first layer, and within each block.
    n_channels, n_hidden
        Channels of the convolutions and hidden units over positions (``mindreader``).
    """

    width: int = 512
    n_blocks: int = 4
    first_dropout: float = 0.5
    dropout: float = 0.15
    n_channels: int = 64
    n_hidden: int = 128

    def __post_init__(self) -> None:
        counts = {"width": self.width, "n_channels": self.n_channels, "n_hidden": self.n_hidden}
        for name, value in counts.items():
            if value < 1:
                raise RequestError(f"A network's {name} is at least 1, not {value}.")
        if self.n_blocks < 0:
            raise RequestError(f"A network's n_blocks is at least 0, not {self.n_blocks}.")
        for name, share in (("first_dropout", self.first_dropout), ("dropout", self.dropout)):
            if not 0 <= share < 1:
                raise RequestError(f"A network's {name} lies from 0 to below 1, not at {share}.")
