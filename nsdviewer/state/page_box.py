"""A place on a page."""

from typing import NamedTuple


class Box(NamedTuple):
    """A place on the page, in mm from its upper left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height

    def inside(self, left: float = 0, top: float = 0, right: float = 0, bottom: float = 0) -> "Box":
        """Return the box without margins; never smaller than a tenth of a millimetre."""
        width = max(self.width - left - right, 0.1)
        height = max(self.height - top - bottom, 0.1)
        return Box(self.x + left, self.y + top, width, height)

    def centred(self, width: float, height: float) -> "Box":
        """Return a box of another size with the same middle."""
        return Box(
            self.x + (self.width - width) / 2, self.y + (self.height - height) / 2, width, height
        )
