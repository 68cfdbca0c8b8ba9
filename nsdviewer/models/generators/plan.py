"""How a generator is trained, whatever its kind: what a run folder keeps and a resumed run obeys."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from enum import Enum
from typing import Any

from nsdviewer.errors import CheckpointError, RequestError


class Precision(Enum):
    """Numbers that the networks compute with on a GPU; on a CPU always float32."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


@dataclass(frozen=True)
class GeneratorPlan:
    """A training's settings.

    Attributes
    ----------
    kind
        Name of the recipe: ``lafite`` or ``flow``.
    embedding
        Name of the joint embedding.
    n_images
        Length of the training in pictures shown.
    batch_size
        Pictures a step, of all processes together.
    network, recipe
        Settings of the network and of the recipe, as their dataclasses' dicts.
    sheet_every_images
        Pictures between two sheets (and judgements) on the way; one is made at the end as well.
    n_threads
        Of one process on a CPU. Sums depend on it to their last bit.
    """

    kind: str
    embedding: str
    n_images: int
    batch_size: int
    network: Mapping[str, Any]
    recipe: Mapping[str, Any]
    seed: int = 0
    mirror: bool = True
    precision: Precision = Precision.FLOAT32
    sheet_every_images: int = 8_000
    log_every_steps: int = 20
    checkpoint_every_s: float = 120.0
    n_threads: int = 1

    def __post_init__(self) -> None:
        check_settings(self)
        counts = (
            "n_images", "batch_size", "sheet_every_images", "log_every_steps", "n_threads",
        )  # fmt: skip
        require_at_least_one(self, counts)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as a JSON-serialisable dict."""
        values = {**asdict(self), "precision": self.precision.value}
        return {**values, "network": dict(self.network), "recipe": dict(self.recipe)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str) -> "GeneratorPlan":
        """Read what `to_dict` wrote; `where` goes into the error.

        Raises
        ------
        CheckpointError
            If a setting is missing, unknown or impossible.
        """
        try:
            return cls(**{**values, "precision": Precision(values["precision"])})
        except (KeyError, TypeError, ValueError, RequestError) as error:
            raise CheckpointError(
                f"{where} holds no plan that can be read ({error}); begin the training again in "
                "another folder."
            ) from error

    def differences(self, other: "GeneratorPlan") -> list[str]:
        """Return the settings that differ and change what is learnt."""
        free = {"log_every_steps", "checkpoint_every_s", "sheet_every_images"}
        found = []
        for field in fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            if field.name in ("network", "recipe"):
                keys = sorted(set(mine) | set(theirs))
                found += [k for k in keys if _plain(mine.get(k)) != _plain(theirs.get(k))]
            elif field.name not in free and mine != theirs:
                found.append(field.name)
        return found


def check_settings(settings: Any) -> None:
    """Raise `RequestError` where a field of a dataclass is of another kind than its default.

    Whole numbers are at least 0, numbers finite and at least 0. Fields without a default, and those
    whose default is none of truth, number or word, are not looked at.
    """
    for field in fields(settings):
        value, usual = getattr(settings, field.name), field.default
        if isinstance(usual, bool):
            fits, what = isinstance(value, bool), "true or false"
        elif isinstance(usual, int):
            fits = isinstance(value, int) and not isinstance(value, bool) and value >= 0
            what = "a whole number from 0 upwards"
        elif isinstance(usual, float):
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            fits, what = is_number and 0 <= value < float("inf"), "a number from 0 upwards"
        else:
            continue
        if not fits:
            raise RequestError(f"The setting '{field.name}' is {what}, not {value!r}.")


def require_at_least_one(settings: Any, names: Iterable[str]) -> None:
    """Raise `RequestError` where one of the named fields is no whole number from 1 upwards."""
    for name in names:
        value = getattr(settings, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise RequestError(
                f"The setting '{name}' is a whole number from 1 upwards, not {value!r}."
            )


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
