"""What makes one LAFITE network differ from another."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from nsdviewer.errors import CheckpointError, RequestError, suggestion

# Fields that a header may lack; a network without them is what their defaults describe.
_OPTIONAL = ("n_branches", "embedding_gain", "clamp", "w_avg_decay")
_COUNTS = (
    "resolution", "n_embedding", "n_z", "n_w", "n_mapping_layers", "channel_base", "channel_max",
    "n_condition", "n_branches",
)  # fmt: skip
_POSITIVE = ("condition_lr_multiplier", "mapping_lr_multiplier", "embedding_gain", "clamp")


@dataclass(frozen=True)
class LafiteConfig:
    """Sizes of the generator and the discriminator, and what their layers do.

    The default sizes are the published network's (Zhou et al. 2022, arXiv:2111.13792) at 256²;
    `published` adds what else its checkpoints rely on, `small` gives a network that trains on a CPU.

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
    n_branches
        1: one embedding a picture, (n, n_embedding). 2: that of the image and that of the caption,
        (n, 2, n_embedding) in this order, as in Mind Reader (Lin et al. 2022).
    embedding_gain
        Factor on embeddings before a layer's own network. None is √n_embedding, which gives a unit
        vector components of size 1; published networks were trained with 1.
    clamp
        Activations are kept within ±clamp; None leaves them alone. float16 needs one.
    w_avg_decay
        How much of the running average of w stays at each update; None keeps no average, and
        without one nothing can be truncated.

    Raises
    ------
    RequestError
        Where a value is of the wrong type or outside its range; the sentence names the field.
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
    n_branches: int = 1
    embedding_gain: float | None = None
    clamp: float | None = None
    w_avg_decay: float | None = None

    def __post_init__(self) -> None:
        for name in _COUNTS:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise _wrong(name, value, "a whole number from 1 upwards")
        for name in _POSITIVE:
            value = getattr(self, name)
            if not (value is None and name in _OPTIONAL) and not _is_positive(value):
                raise _wrong(name, value, "a number above 0")
        if self.resolution < 8 or self.resolution & (self.resolution - 1):
            raise RequestError(
                f"A generator's resolution is a power of two from 8 upwards, not "
                f"{self.resolution}; try --resolution 64."
            )
        if self.channel_base < self.resolution:
            raise _wrong("channel_base", self.channel_base, "at least the resolution")
        if self.n_branches > 2:
            raise _wrong("n_branches", self.n_branches, "1 (image) or 2 (image and caption)")
        decay = self.w_avg_decay
        if decay is not None and not (_is_positive(decay) and decay < 1):
            raise _wrong("w_avg_decay", decay, "between 0 and 1")

    @classmethod
    def published(
        cls, resolution: int = 256, n_embedding: int = 512, n_branches: int = 1
    ) -> "LafiteConfig":
        """The network as it was published, at any resolution and embedding."""
        return cls(
            resolution=resolution,
            n_embedding=n_embedding,
            n_branches=n_branches,
            embedding_gain=1.0,
            clamp=256.0,
            w_avg_decay=0.995,
        )

    @classmethod
    def small(cls, resolution: int, n_embedding: int, n_branches: int = 1) -> "LafiteConfig":
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
            n_branches=n_branches,
        )

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "LafiteConfig":
        """Return what `to_dict` wrote.

        Raises
        ------
        CheckpointError
            Where a field is unknown, missing or wrong; the sentence names it.
        """
        known = [f.name for f in fields(cls)]
        for name in document:
            if name not in known:
                raise CheckpointError(
                    f"A generator's header has no field '{name}'.{suggestion(name, known)} The file "
                    "was written by a later nsdviewer, or is damaged: update, or name another."
                )
        for name in known:
            if name not in document and name not in _OPTIONAL:
                raise CheckpointError(
                    f"A generator's header lacks the field '{name}'; the file is damaged: train or "
                    "download it again."
                )
        try:
            return cls(**document)
        except RequestError as error:
            raise CheckpointError(f"A generator's header cannot be used: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a plain dict, for a checkpoint's header.

        Optional fields at their defaults are left out, so that equal networks have equal headers
        whichever version wrote them.
        """
        defaults = {f.name: f.default for f in fields(self) if f.name in _OPTIONAL}
        return {k: v for k, v in asdict(self).items() if k not in defaults or v != defaults[k]}

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Resolutions of the blocks, from 4 up to the picture's."""
        return tuple(2**k for k in range(2, self.resolution.bit_length()))

    @property
    def embedding_shape(self) -> tuple[int, ...]:
        """Shape of one picture's embedding: (n_embedding,), or (2, n_embedding)."""
        return (self.n_embedding,) if self.n_branches == 1 else (self.n_branches, self.n_embedding)

    @property
    def embedding_factor(self) -> float:
        """`embedding_gain` as a number."""
        return math.sqrt(self.n_embedding) if self.embedding_gain is None else self.embedding_gain

    def n_channels(self, resolution: int) -> int:
        """Number of feature channels at `resolution`."""
        return min(self.channel_base // resolution, self.channel_max)


def _is_positive(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and value > 0
    )


def _wrong(name: str, value: object, wanted: str) -> RequestError:
    return RequestError(f"A generator's '{name}' is {wanted}, not {value!r}; correct it.")
