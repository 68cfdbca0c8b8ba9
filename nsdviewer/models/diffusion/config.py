"""What makes one flow-matching decoder differ from another."""

from dataclasses import asdict, dataclass
from typing import Any

from nsdviewer.errors import RequestError


@dataclass(frozen=True)
class FlowConfig:
    """Sizes of the denoising network.

    Attributes
    ----------
    resolution
        Side of the picture in pixels, a power of two from 16.
    n_embedding
        Dimension of the joint embedding.
    patch
        Side in pixels of the squares that the network takes as one position; with 2, a 64² picture
        is worked on at 32².
    widths
        Channels at each level; every further level halves the resolution.
    n_blocks
        Residual blocks a level, on the way down; one more on the way up.
    n_condition
        Width of the vector that carries time and embedding to every block.
    n_seed
        Channels of the map that the embedding is laid out into at the coarsest level.
    """

    resolution: int = 64
    n_embedding: int = 512
    patch: int = 2
    widths: tuple[int, ...] = (48, 96, 208)
    n_blocks: int = 1
    n_condition: int = 256
    n_seed: int = 16

    def __post_init__(self) -> None:
        for name in ("resolution", "n_embedding", "patch", "n_blocks", "n_condition", "n_seed"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise RequestError(
                    f"The setting '{name}' is a whole number from 1 upwards, not {value!r}."
                )
        widths = self.widths if isinstance(self.widths, list | tuple) else [self.widths]
        if not widths or not all(isinstance(w, int) and w > 0 for w in widths):
            raise RequestError(
                f"The setting 'widths' is whole numbers such as 48,96,208, not {self.widths!r}."
            )
        object.__setattr__(self, "widths", tuple(widths))
        side = self.resolution
        if side < 16 or side & (side - 1):
            raise RequestError(
                f"A generator's resolution is a power of two from 16 upwards, not {side}; try "
                "--resolution 64."
            )
        if self.coarsest < 4:
            raise RequestError(
                f"{len(self.widths)} levels are too many for {side} pixels in patches of "
                f"{self.patch}; leave out {'one' if self.coarsest == 2 else 'some'}."
            )

    @classmethod
    def small(cls, resolution: int, n_embedding: int) -> "FlowConfig":
        """About 6 M parameters at 64²; every doubling of the side adds a level below."""
        widths: tuple[int, ...] = (48, 96, 208)
        for _ in range(max(resolution.bit_length() - 7, 0)):
            widths = (max(widths[0] // 2, 24), *widths)
        if resolution == 16:
            widths = widths[1:]
        return cls(resolution=resolution, n_embedding=n_embedding, widths=widths)

    @classmethod
    def full(cls, resolution: int, n_embedding: int) -> "FlowConfig":
        """About 70 M parameters at 64²; every doubling of the side adds a level below."""
        widths: tuple[int, ...] = (192, 384, 576)
        for _ in range(max(resolution.bit_length() - 7, 0)):
            widths = (max(widths[0] // 2, 64), *widths)
        return cls(resolution, n_embedding, widths=widths, n_blocks=2, n_condition=768)

    @property
    def coarsest(self) -> int:
        """Side of the coarsest level in positions."""
        return (self.resolution // self.patch) >> (len(self.widths) - 1)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a plain dict, for a checkpoint's header."""
        return asdict(self) | {"widths": list(self.widths)}
