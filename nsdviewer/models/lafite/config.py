"""What makes one LAFITE network differ from another."""

from dataclasses import asdict, dataclass
from typing import Any

from nsdviewer.errors import RequestError


@dataclass(frozen=True)
class LafiteConfig:
    """Sizes of the generator and the discriminator.

    The defaults are the published network's (Zhou et al. 2022, arXiv:2111.13792) at 256²; `small`
    gives the one that trains on a CPU.

    Attributes
    ----------
    resolution
        Side of the picture in pixels, a power of two from 8.
    n_embedding
        Dimension of the joint embedding.
    channel_base, channel_max
        A layer at resolution r has min(channel_base / r, channel_max) channels.
    n_condition
        Width of the two-layer network that each layer passes the embedding through.
    condition_lr_multiplier
        Learning-rate multiplier of those networks.
    """

    resolution: int = 256
    n_embedding: int = 512
    n_z: int = 512
    n_w: int = 512
    n_mapping_layers: int = 8
    channel_base: int = 32768
    channel_max: int = 512
    n_condition: int = 512
    condition_lr_multiplier: float = 0.01
    mapping_lr_multiplier: float = 0.01

    def __post_init__(self) -> None:
        if self.resolution < 8 or self.resolution & (self.resolution - 1):
            raise RequestError(
                f"A generator's resolution is a power of two from 8 upwards, not "
                f"{self.resolution}; try --resolution 64."
            )

    @classmethod
    def small(cls, resolution: int, n_embedding: int) -> "LafiteConfig":
        """The architecture at about 7 M parameters, for 64² on a CPU."""
        return cls(
            resolution=resolution,
            n_embedding=n_embedding,
            n_z=128,
            n_w=256,
            channel_base=4096,
            channel_max=192,
            n_condition=192,
            condition_lr_multiplier=1.0,
            mapping_lr_multiplier=0.1,
        )

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Resolutions of the blocks, from 4 up to the picture's."""
        return tuple(2**k for k in range(2, self.resolution.bit_length()))

    def n_channels(self, resolution: int) -> int:
        """Number of feature channels at `resolution`."""
        return min(self.channel_base // resolution, self.channel_max)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a plain dict, for a checkpoint's header."""
        return asdict(self)
