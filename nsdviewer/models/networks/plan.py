"""How a network is trained: one frozen value that goes into a file and comes back."""

import dataclasses
import math
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any, Self

from nsdviewer.errors import CheckpointError, RequestError
from nsdviewer.models.networks.registry import JOINT, require_network
from nsdviewer.models.networks.sizes import NetworkSizes


class OptimizerKind(Enum):
    """What moves the weights."""

    ADAM = "adam"
    ADAMW = "adamw"


class Schedule(Enum):
    """How the learning rate changes over the training."""

    CONSTANT = "constant"
    STEPS = "steps"
    """× 0.8 every ten epochs."""
    COSINE = "cosine"
    """Half a cosine from the learning rate to zero."""
    ONE_CYCLE = "one-cycle"
    """Up over the first 30 % of the steps, then down to zero (Smith & Topin 2019)."""


class Precision(Enum):
    """Numbers that a GPU computes in; a CPU always uses float32."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"
    """With a scaled loss, because small gradients would vanish."""


@dataclass(frozen=True)
class LossWeights:
    """Weight of each term of the loss; a term of weight 0 is not computed.

    Attributes
    ----------
    temperature
        τ of the contrastive terms.
    mixco
        Weight of the contrastive term while responses are mixed in pairs; 0 mixes none. While they
        are, it stands in for `info_nce` and `soft_clip`, and targets are mixed alike.
    mixed_share
        Share of the training, from its start, in which responses are mixed.
    mixco_beta
        Shares are drawn from Beta(β, β).
    """

    mse: float = 0.0
    cosine: float = 0.0
    info_nce: float = 0.0
    soft_clip: float = 0.0
    mixco: float = 0.0
    temperature: float = 0.5
    mixed_share: float = 1 / 3
    mixco_beta: float = 0.15

    def __post_init__(self) -> None:
        weights = (self.mse, self.cosine, self.info_nce, self.soft_clip, self.mixco)
        if min(weights) < 0 or not sum(weights[:4]):
            raise RequestError(
                "The weights of a loss are at least 0, and one of mse, cosine, info_nce and "
                "soft_clip is above it."
            )
        if self.temperature <= 0 or self.mixco_beta <= 0 or not 0 <= self.mixed_share <= 1:
            raise RequestError(
                "A loss needs a temperature and a mixco_beta above 0 and a mixed_share from 0 to 1."
            )


@dataclass(frozen=True)
class GeneratorPlan:
    """The loss term through a generator.

    Attributes
    ----------
    file
        Path of a generator's model file.
    n_pictures
        Rows of each batch that are painted: painting costs far more than decoding.
    """

    file: str
    pixel_weight: float = 1.0
    embedding_weight: float = 0.0
    n_pictures: int = 4


@dataclass(frozen=True)
class TrainingPlan:
    """Everything that decides what a training run does, apart from its data.

    Attributes
    ----------
    network
        Name of the network in its registry.
    weight_decay
        L2 weight of Adam, decoupled weight decay of AdamW. Biases and norms have none.
    subject_weight_decay
        The same for the subjects' linear layers of ``joint``.
    patience
        Epochs without a better held-out loss after which the training stops; counted from where
        responses are no longer mixed.
    held_out_share
        Share of the pictures, with all their trials, that only early stopping sees.
    target_clamp
        Bound of the embeddings' components before they are brought to unit norm: CLIP's have a few
        components far beyond all others. None clamps nothing.
    device
        ``cpu``, ``cuda``, ``cuda:N``, or ``auto`` for the GPU where there is one.
    n_threads
        CPU threads; sums differ in their last bits between numbers of threads.
    frozen_backbone
        Whether only the subject's layer is trained, on the backbone that lies in the run folder.
    """

    network: str = "residual"
    sizes: NetworkSizes = field(default_factory=NetworkSizes)
    losses: LossWeights = field(default_factory=lambda: LossWeights(cosine=1.0))
    optimizer: OptimizerKind = OptimizerKind.ADAMW
    schedule: Schedule = Schedule.COSINE
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    subject_weight_decay: float = 1e-2
    batch_size: int = 128
    n_epochs: int = 40
    patience: int = 10
    held_out_share: float = 0.1
    target_clamp: float | None = None
    seed: int = 0
    device: str = "auto"
    n_threads: int = 2
    precision: Precision = Precision.FLOAT32
    checkpoint_every_s: float = 30.0
    log_every_steps: int = 20
    generator: GeneratorPlan | None = None
    frozen_backbone: bool = False

    def __post_init__(self) -> None:
        require_network(self.network)
        for name in ("batch_size", "n_epochs", "patience", "n_threads", "log_every_steps"):
            least = 2 if name == "batch_size" else 1
            if getattr(self, name) < least:
                raise RequestError(
                    f"A training's {name} is at least {least}, not {getattr(self, name)}."
                )
        if not 0 < self.held_out_share < 1:
            raise RequestError(
                f"The held-out share of the pictures lies between 0 and 1, not at "
                f"{self.held_out_share}; 0.1 is usual."
            )
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise RequestError(f"A learning rate is above 0, not {self.learning_rate}.")
        if self.frozen_backbone and self.network != JOINT:
            raise RequestError(
                f"Only the network '{JOINT}' has a backbone to keep, not '{self.network}'."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        plain: dict[str, Any] = asdict(self)
        for name in ("optimizer", "schedule", "precision"):
            plain[name] = plain[name].value
        return plain

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: str) -> Self:
        """Return the plan that `to_dict` described; `where` is named if it cannot be read."""
        parts: dict[str, Any] = {
            "sizes": NetworkSizes,
            "losses": LossWeights,
            "generator": GeneratorPlan,
        }
        enums: dict[str, Any] = {
            "optimizer": OptimizerKind,
            "schedule": Schedule,
            "precision": Precision,
        }
        try:
            read = dict(values)
            for name, part in parts.items():
                read[name] = None if read[name] is None else part(**read[name])
            for name, enum in enums.items():
                read[name] = enum(read[name])
            return cls(**read)
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{where} holds no training plan that this version can read ({error}); begin the "
                "training again in another folder."
            ) from error

    def differences(self, other: "TrainingPlan") -> list[str]:
        """Return the names of the fields in which two plans differ."""
        names = [f.name for f in dataclasses.fields(self)]
        return [name for name in names if getattr(self, name) != getattr(other, name)]


# Mind Reader's own recipe (Lin et al. 2022).
_MINDREADER = TrainingPlan(
    network="mindreader",
    sizes=NetworkSizes(n_channels=64, n_blocks=4, n_hidden=128),
    losses=LossWeights(mse=0.2, cosine=0.3, info_nce=0.5, temperature=0.5),
    optimizer=OptimizerKind.ADAM,
    schedule=Schedule.STEPS,
    learning_rate=2e-4,
    weight_decay=1e-5,
    target_clamp=1.5,
)
_CONTRASTIVE = LossWeights(cosine=1.0, soft_clip=0.5, mixco=0.5, temperature=0.1)
_SHALLOW = NetworkSizes(n_blocks=2)
_PRESETS = {
    "mindreader": _MINDREADER,
    "residual": TrainingPlan(network="residual", sizes=_SHALLOW, losses=_CONTRASTIVE),
    JOINT: TrainingPlan(network=JOINT, sizes=_SHALLOW, losses=_CONTRASTIVE),
}


def preset(network: str, **changes: Any) -> TrainingPlan:
    """Return the usual plan of a network, with `changes` to its fields."""
    require_network(network)
    return dataclasses.replace(_PRESETS[network], **changes)


def learning_rate(plan: TrainingPlan, step: int, n_steps: int, steps_per_epoch: int) -> float:
    """Return the learning rate of one step: a function of the step alone, so it needs no state."""
    done = step / max(n_steps, 1)
    match plan.schedule:
        case Schedule.CONSTANT:
            factor = 1.0
        case Schedule.STEPS:
            factor = 0.8 ** (step // steps_per_epoch // 10)
        case Schedule.COSINE:
            factor = 0.5 * (1 + math.cos(math.pi * done))
        case Schedule.ONE_CYCLE:
            rising = 0.3
            if done < rising:
                factor = 0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * done / rising))
            else:
                factor = 0.5 * (1 + math.cos(math.pi * (done - rising) / (1 - rising)))
    return plan.learning_rate * factor
