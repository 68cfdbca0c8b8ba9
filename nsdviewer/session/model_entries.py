"""One line of the inventory of models."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from nsdviewer.session.model_files import ModelKind, Origin


class Standing(Enum):
    """How a model stands to the subject that is shown."""

    IN_USE = "in use"
    HERE = "here"
    MISSING = "missing"
    ELSEWHERE = "for another"
    UNFIT = "not usable"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class ModelEntry:
    """One model that is there, or could be.

    Attributes
    ----------
    why
        What stands against using it, and the next step, in a sentence; "" where nothing does.
    value
        What the field of `ViewState` named by `kind` takes to use it; "" for the usual one.
    path
        File or folder; None where there is none.
    n_bytes, written_s
        Size, and seconds since 1970; None where they are unknown.
    command
        Words of the nsdviewer command that makes it; empty where none does.
    download
        Name in the catalogue of downloads; "" where it is in none.
    is_usual
        Whether it is what this subject takes where nothing else is chosen.
    is_ours
        Whether its file lies in a cache of ours, so that it may be removed.
    """

    kind: ModelKind
    title: str
    standing: Standing
    why: str = ""
    value: str = ""
    path: Path | None = None
    n_bytes: int | None = None
    written_s: float | None = None
    origin: Origin = Origin.UNKNOWN
    embedding: str = ""
    licence: str = ""
    simulated: bool = False
    facts: tuple[tuple[str, str], ...] = ()
    scores: tuple[tuple[str, float], ...] = ()
    command: tuple[str, ...] = ()
    download: str = ""
    is_usual: bool = False
    is_ours: bool = False

    @property
    def can_be_used(self) -> bool:
        """Whether a view can be asked to use it; a prior only works on the command line."""
        return self.standing is Standing.HERE and self.kind is not ModelKind.PRIOR

    def matches(self, words: str) -> bool:
        """Whether every word occurs in what it says of itself."""
        said = [
            self.kind.value, self.title, self.standing.value, self.why, str(self.path or ""),
            self.origin.value, self.embedding, self.licence, self.download,
            *(text for _, text in self.facts),
        ]  # fmt: skip
        text = " ".join(said).casefold()
        return all(word in text for word in words.casefold().split())
