"""The kinds of jobs that a person is offered: which command each is, and what can be chosen."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from nsdviewer.errors import RequestError
from nsdviewer.files import expanded


class FieldKind(Enum):
    """What a field takes: one of a few, a whole number, words, yes or no, or a place on disk."""

    CHOICE = "choice"
    NUMBER = "number"
    TEXT = "text"
    SWITCH = "switch"
    FILE = "file"
    FOLDER = "folder"
    NEW_FILE = "new file"
    NEW_FOLDER = "new folder"


PLACES = (FieldKind.FILE, FieldKind.FOLDER, FieldKind.NEW_FILE, FieldKind.NEW_FOLDER)


@dataclass(frozen=True)
class JobField:
    """One choice of a job.

    Attributes
    ----------
    option
        The command's option; "" for its one argument without a name.
    choices
        Of a CHOICE, the usual one first.
    hint
        What is taken where the field is left empty, or what it is for.
    suffix
        Of a NEW_FILE.
    models
        Values of ``--model`` that know the option; empty for all.
    """

    option: str
    label: str
    kind: FieldKind
    choices: tuple[str, ...] = ()
    hint: str = ""
    is_required: bool = False
    suffix: str = ""
    models: tuple[str, ...] = ()


@dataclass(frozen=True)
class JobKind:
    """One kind of job.

    Attributes
    ----------
    words
        What its command starts with.
    needs
        Which parts of `Home` its command takes.
    """

    title: str
    hint: str
    words: tuple[str, ...]
    needs: tuple[str, ...] = ()
    fields: tuple[JobField, ...] = ()


@dataclass(frozen=True)
class Home:
    """The subject that a job is about, as the options of commands say it; "" where unknown."""

    root: str = ""
    subject: str = ""
    space: str = ""
    version: str = ""
    embedding: str = ""


_SUBJECT = ("root", "subject", "space", "version")
_EMBEDDED = (*_SUBJECT, "embedding")
_NETWORKS = ("mindreader", "residual", "joint")
_SPLIT = JobField("--split", "Held out", FieldKind.CHOICE, ("full-40", "legacy-37"))
_SEED = JobField("--seed", "Seed", FieldKind.NUMBER, hint="0")
_DEVICE = JobField("--device", "Device", FieldKind.TEXT, hint="the best there is")


def _roi(hint: str) -> JobField:
    return JobField("--roi", "Voxels", FieldKind.TEXT, hint=f"ROI expression; {hint}")


def _model_file(hint: str) -> JobField:
    return JobField("--out", "Into", FieldKind.NEW_FILE, hint=hint, suffix=".safetensors")


JOB_KINDS: tuple[JobKind, ...] = (
    JobKind(
        "Fit a decoder", "From responses to the embedding; networks train and can be resumed.",
        ("fit", "decoder"), _EMBEDDED,
        (
            JobField("--model", "Model", FieldKind.CHOICE, ("ridge", "inverted", *_NETWORKS)),
            _roi("nsdgeneral"), _SPLIT, _SEED,
            JobField("--epochs", "Epochs", FieldKind.NUMBER, hint="as published",
                     models=_NETWORKS),
            JobField("--device", "Device", FieldKind.TEXT, hint="the best there is",
                     models=_NETWORKS),
            _model_file("the usual place of this subject's decoder"),
        ),
    ),
    JobKind(
        "Fit an encoder", "From the embedding to responses; what the concept maps are read from.",
        ("fit", "encoder"), _EMBEDDED,
        (
            JobField("--model", "Model", FieldKind.CHOICE, ("ridge", "banded")),
            _roi("the cortex"), _SPLIT, _SEED,
            _model_file("the usual place of this subject's encoder"),
        ),
    ),
    JobKind(
        "Fit a prior", "What the decoder leaves open, drawn as samples.",
        ("fit", "prior"), _EMBEDDED,
        (
            JobField("--decoder", "Decoder", FieldKind.FILE, hint="this subject's"),
            _SEED, _model_file("the usual place of this subject's prior"),
        ),
    ),
    JobKind(
        "Embed the pictures", "Every picture that was shown, into the cache.", ("embed",), _EMBEDDED,
    ),
    JobKind(
        "Read responses", "Into a file, and into the cache that the window reads from.",
        ("betas",), _SUBJECT,
        (
            _roi("nsdgeneral"),
            JobField("--trials", "Trials", FieldKind.TEXT, hint="for example all, shared or 0-99",
                     is_required=True),
            JobField("--out", "Into", FieldKind.NEW_FILE, is_required=True, suffix=".npz"),
        ),
    ),
    JobKind(
        "Measure reliability", "The noise ceiling's SNR (ncsnr), from the betas themselves.",
        ("ncsnr",), _SUBJECT,
        (JobField("--out", "Into", FieldKind.NEW_FILE, is_required=True, suffix=".nii.gz",
                  hint="surface spaces: .mgh"),),
    ),
    JobKind(
        "Verify the data", "What is there, what is missing, what is damaged.", ("verify",), ("root",),
        (
            JobField("--subject", "Subject", FieldKind.NUMBER, hint="all"),
            JobField("--quick", "Compare lengths only", FieldKind.SWITCH),
        ),
    ),
    JobKind(
        "Evaluate", "Metrics, controls and a report.", ("evaluate",), _EMBEDDED,
        (
            JobField("--decoder", "Decoder", FieldKind.FILE, hint="this subject's"),
            JobField("--generator", "Generator", FieldKind.FILE, hint="the shipped one"),
            _SPLIT, _SEED,
            JobField("--out", "Into", FieldKind.NEW_FOLDER, is_required=True),
        ),
    ),
    JobKind(
        "Train a generator", "Paints pictures from the embedding; can be watched and resumed.",
        ("train", "generator"), (),
        (
            JobField("--images", "Pictures", FieldKind.FOLDER, is_required=True,
                     hint="a folder of pictures, an NSD root or a COCO folder"),
            JobField("--model", "Model", FieldKind.CHOICE, ("lafite", "flow")),
            JobField("--resolution", "Side in pixels", FieldKind.NUMBER, hint="64"),
            JobField("--n-images", "Pictures shown", FieldKind.NUMBER,
                     hint="lafite 48,000, flow 40,000"),
            _DEVICE,
            JobField("--resume", "Go on with what is in the folder", FieldKind.SWITCH),
            JobField("--out", "Run folder", FieldKind.NEW_FOLDER, is_required=True),
        ),
    ),
    JobKind(
        "Simulate subjects", "In NSD's layout, with planted truth; no real data are needed.",
        ("simulate",), (),
        (
            JobField("", "Into", FieldKind.NEW_FOLDER, is_required=True),
            JobField("--preset", "Size", FieldKind.CHOICE, ("demo", "mini", "full")),
            JobField("--subjects", "Subjects", FieldKind.NUMBER, hint="1"),
            _SEED,
        ),
    ),
)  # fmt: skip


def command_of(kind: JobKind, home: Home, values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the command of a job.

    Parameters
    ----------
    values
        By option; "" takes what is usual, a SWITCH is on with anything else.

    Raises
    ------
    RequestError
        If something is missing, or a number is none.
    """
    command = list(kind.words)
    for need in kind.needs:
        value = getattr(home, need)
        if not value and need in ("root", "subject"):
            what = "NSD folder" if need == "root" else "subject"
            raise RequestError(f"'{kind.title}' is about a subject on disk; name the {what}.")
        if value:
            command += [value] if need == "root" else [f"--{need}", value]
    model = values.get("--model", "") or next(
        (f.choices[0] for f in kind.fields if f.option == "--model"), ""
    )
    for field in kind.fields:
        value = values.get(field.option, "").strip()
        if field.models and model not in field.models:
            continue
        if not value:
            if field.is_required and not _is_excused(field, values):
                raise RequestError(f"'{field.label}' is empty; '{kind.title}' needs it.")
            continue
        command += _words(field, value)
    return tuple(command)


def title_of(kind: JobKind, home: Home, values: Mapping[str, str]) -> str:
    """Return what a job is called in the list, for example ``Fit a decoder (ridge) · subject 1``."""
    model = values.get("--model", "")
    subject = home.subject if "subject" in kind.needs else values.get("--subject", "")
    parts = [f"{kind.title} ({model})" if model else kind.title]
    return " · ".join([*parts, *([f"subject {subject}"] if subject else [])])


def _words(field: JobField, value: str) -> list[str]:
    if field.kind is FieldKind.SWITCH:
        return [field.option]
    if field.kind is FieldKind.NUMBER and not value.isdigit():
        raise RequestError(f"'{field.label}' is a whole number, not '{value}'.")
    if field.kind is FieldKind.CHOICE and value not in field.choices:
        raise RequestError(f"'{field.label}' is one of {', '.join(field.choices)}, not '{value}'.")
    if field.kind is FieldKind.CHOICE and value == field.choices[0]:
        return []
    if field.kind in PLACES:
        value = str(expanded(value))
    if field.suffix and not value.endswith(field.suffix) and "." not in value.rpartition("/")[2]:
        value += field.suffix
    # A value that looks like an option is glued to its name.
    if field.option and value.startswith("-"):
        return [f"{field.option}={value}"]
    return [field.option, value] if field.option else [value]


def _is_excused(field: JobField, values: Mapping[str, str]) -> bool:
    """A training that goes on knows its pictures."""
    return field.option == "--images" and bool(values.get("--resume", ""))
