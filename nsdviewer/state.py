"""The one value that says what is shown: ids and choices, never arrays.

Every gesture makes a `ViewState` out of the last one. Undo, saved sessions, "copy as command" and
headless figures are then one thing: a list of states.
"""

import dataclasses
import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Self

from nsdviewer.errors import RequestError
from nsdviewer.files import write_json

FORMAT = "nsdviewer-state"
FORMAT_VERSION = 1


class Space(Enum):
    """Where responses are sampled; the values are NSD's folder names."""

    FUNC1PT8MM = "func1pt8mm"
    FUNC1MM = "func1mm"
    FSAVERAGE = "fsaverage"
    NATIVESURFACE = "nativesurface"
    MNI = "MNI"


class Experiment(Enum):
    """Which of NSD's experiments trials belong to; the values are NSD's names."""

    CORE = "nsd"
    RESTING = "resting"
    SYNTHETIC = "nsdsynthetic"
    IMAGERY = "nsdimagery"


class BetaVersion(Enum):
    """Which single-trial model the betas come from; the values are NSD's folder names."""

    B1 = "betas_assumehrf"
    B2 = "betas_fithrf"
    B3 = "betas_fithrf_GLMdenoise_RR"
    RESTING_B2 = "restingbetas_fithrf"
    SYNTHETIC_B2 = "nsdsyntheticbetas_fithrf"
    SYNTHETIC_B3 = "nsdsyntheticbetas_fithrf_GLMdenoise_RR"
    IMAGERY_B2 = "nsdimagerybetas_fithrf"
    IMAGERY_B3 = "nsdimagerybetas_fithrf_GLMdenoise_RR"

    @property
    def short(self) -> str:
        """``b1``, ``b2`` or ``b3``; ``synthetic-b3`` and the like for the side experiments."""
        return self.name.lower().replace("_", "-")

    @property
    def experiment(self) -> Experiment:
        """The experiment whose trials these betas are of."""
        prefix, _, model = self.name.partition("_")
        return Experiment[prefix] if model else Experiment.CORE

    @classmethod
    def parse(cls, text: str) -> "BetaVersion":
        """Read ``b3`` or ``betas_fithrf_GLMdenoise_RR``."""
        for version in cls:
            if text in (version.short, version.value):
                return version
        known = ", ".join(version.short for version in cls)
        raise RequestError(f"There is no beta version '{text}'; choose one of {known}.")


class Hemisphere(Enum):
    """Left or right; the values are FreeSurfer's prefixes."""

    LEFT = "lh"
    RIGHT = "rh"


class Reading(Enum):
    """What a concept map shows; see `nsdviewer.mapping.maps`."""

    ENCODER = "encoder"
    DECODER = "decoder"
    PATTERN = "pattern"


class Null(Enum):
    """What a test of a concept map holds against it.

    USUAL: PARTIAL where it exists, for the reading of a ridge encoder; else IMAGES.
    IMAGES: the site is unrelated to the pictures. Found sites answer to something.
    PARTIAL: the site may answer to much else, but not along the concept. Found sites answer to it.
    DIRECTIONS: the concept's map is no stronger than that of an arbitrary direction. Found sites
    answer to it more than to most ideas.
    """

    USUAL = "usual"
    IMAGES = "images"
    PARTIAL = "partial"
    DIRECTIONS = "directions"


class Theme(Enum):
    """Colours of window and figure."""

    DARK = "dark"
    LIGHT = "light"


PIAL, INFLATED, FLAT = 0.0, 1.0, 2.0

Camera = tuple[float, ...]


@dataclass(frozen=True)
class ViewState:
    """What is shown.

    Attributes
    ----------
    root
        Folder laid out as NSD's bucket.
    trials
        Selected trials, 0-based over the whole experiment.
    average_repeats
        Whether each selected picture's responses are averaged over all of its repetitions.
    concept
        Concept expression, as typed.
    statistic
        Test that the map's voxels have to pass: ``none``, ``fdr:0.05``, ``fwe:0.05``, ``p:0.001``
        or ``ci:0.9``.
    null
        What the test compares with.
    noise_ceiling_floor_pct
        Voxels with a lower noise ceiling are not shown in the map.
    limit_psc
        End of the colour bar in percent signal change per unit; None chooses it from the map.
    morph
        Shape of the cortex: 0 pial, 1 inflated, 2 flat, continuous between.
    roi_collections
        Collections whose outlines are drawn.
    voxel
        The linked cursor, 0-based (i, j, k) in `space`; None before the first click.
    camera
        Position, focal point and view-up (nine numbers) and the parallel scale; empty for the
        default view.
    search
        Text that orders the trial list by likeness in the joint embedding.
    subset
        Which trials the list shows: ``all``, ``shared``, ``train``, ``session:N``.
    seed
        Seed of the generator's z.
    embedding
        Name of the joint embedding; empty for ConSE on simulated subjects and CLIP on real ones.
    decoder, encoder, generator
        Model files; empty for those fitted for this root, and for the shipped generator.
    """

    root: str
    subject: int = 1
    space: Space = Space.FUNC1PT8MM
    version: BetaVersion = BetaVersion.B3
    trials: tuple[int, ...] = ()
    average_repeats: bool = True
    concept: str = "animal - tool"
    reading: Reading = Reading.ENCODER
    statistic: str = "none"
    null: Null = Null.USUAL
    noise_ceiling_floor_pct: float = 10.0
    limit_psc: float | None = None
    morph: float = INFLATED
    roi_collections: tuple[str, ...] = ("floc-faces", "floc-places", "floc-bodies")
    voxel: tuple[int, int, int] | None = None
    camera: Camera = ()
    search: str = ""
    subset: str = "all"
    seed: int = 0
    embedding: str = ""
    decoder: str = ""
    encoder: str = ""
    generator: str = ""
    theme: Theme = Theme.DARK

    def __post_init__(self) -> None:
        if not 0.0 <= self.morph <= 2.0:
            raise RequestError(
                f"The cortex's shape runs from 0 (pial) to 2 (flat), not {self.morph}."
            )
        if self.limit_psc is not None and self.limit_psc <= 0:
            raise RequestError("The end of the colour bar is a positive number of percent signal.")
        if not 0.0 <= self.noise_ceiling_floor_pct < 100.0:
            raise RequestError(
                f"The noise ceiling's floor is a percentage from 0 to below 100, not "
                f"{self.noise_ceiling_floor_pct}."
            )
        if len(self.camera) not in (0, 10):
            raise RequestError(f"A camera is 10 numbers, not {len(self.camera)}.")
        if self.subject < 1:
            raise RequestError(f"Subjects are numbered from 1; there is no subject {self.subject}.")
        if any(trial < 0 for trial in self.trials):
            raise RequestError("Trials are numbered from 0; a negative one does not exist.")

    def replace(self, **changes: Any) -> Self:
        """Return a copy with `changes`; raises `RequestError` for a field that does not exist."""
        unknown = set(changes) - {f.name for f in dataclasses.fields(self)}
        if unknown:
            raise RequestError(f"A view has no '{sorted(unknown)[0]}'.")
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return the state as JSON-serialisable values."""
        values = {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}
        return {"format": FORMAT, "format_version": FORMAT_VERSION, **values}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Self:
        """Read what `to_dict` wrote; raises `RequestError` for anything else."""
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise RequestError(
                "This is not a saved nsdviewer view; name a file that nsdviewer wrote."
            )
        if document["format_version"] > FORMAT_VERSION:
            raise RequestError("This view was saved by a later nsdviewer; update this one.")
        fields = {f.name: f for f in dataclasses.fields(cls)}
        values = {k: v for k, v in document.items() if k in fields}
        enums: dict[str, type[Enum]] = {
            "space": Space,
            "version": BetaVersion,
            "reading": Reading,
            "null": Null,
            "theme": Theme,
        }
        try:
            for name, kind in enums.items():
                if name in values:
                    values[name] = kind(values[name])
            for name in ("trials", "roi_collections", "camera", "voxel"):
                if values.get(name) is not None:
                    values[name] = tuple(values[name])
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise RequestError(
                f"The saved view cannot be read ({error}); save it again."
            ) from error

    def save(self, path: Path) -> None:
        """Write the state as JSON, whole or not at all."""
        write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a saved state; raises `RequestError` when the file is none."""
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise RequestError(
                f"The saved view {path} cannot be read: {error.strerror}."
            ) from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise RequestError(
                f"{path} is not a saved view (no JSON); name another file."
            ) from error
        return cls.from_dict(document)


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return list(value) if isinstance(value, tuple) else value
