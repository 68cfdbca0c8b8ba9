"""What a model's file or folder says of itself: headers are read, tensors and programs are not."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from nsdviewer.errors import CheckpointError, NsdViewerError
from nsdviewer.models.checkpoints import read_header
from nsdviewer.models.generators.run import WEIGHTS_FILE
from nsdviewer.models.runs.run_files import BEST_FILE, PLAN_FILE, STATE_FILE

_INDEX_FILE = "model_index.json"


class ModelKind(Enum):
    """What a model is for; the value is the field of `ViewState` that names one."""

    EMBEDDING = "embedding"
    DECODER = "decoder"
    ENCODER = "encoder"
    PRIOR = "prior"
    GENERATOR = "generator"


class Origin(Enum):
    """Where weights come from."""

    SHIPPED = "comes with the program"
    FITTED = "fitted"
    TRAINED = "trained"
    DOWNLOADED = "downloaded"
    IMPORTED = "imported from a published file"
    RANDOM = "random weights: never trained"
    UNKNOWN = ""


@dataclass(frozen=True)
class ModelFile:
    """One file or folder, as its header describes it.

    Attributes
    ----------
    kind
        None where it is no model that a view can use.
    header
        What it says of itself; empty where it cannot be read.
    fault
        Why it cannot be used by anybody, in a sentence; "" where it can.
    is_damaged
        Whether that is because it cannot be read.
    facts
        (name, text) of what a person may want to know.
    scores
        Named figures measured on held-out pictures.
    """

    path: Path
    kind: ModelKind | None
    title: str
    origin: Origin = Origin.UNKNOWN
    embedding: str = ""
    simulated: bool = False
    header: Mapping[str, Any] = field(default_factory=dict)
    facts: tuple[tuple[str, str], ...] = ()
    scores: tuple[tuple[str, float], ...] = ()
    fault: str = ""
    is_damaged: bool = False


class _Foreign(CheckpointError):
    """Whole, but no model that a view can use."""


_KINDS = {
    "decoder": ModelKind.DECODER,
    "encoder": ModelKind.ENCODER,
    "prior": ModelKind.PRIOR,
    "lafite": ModelKind.GENERATOR,
    "flow": ModelKind.GENERATOR,
}
_GENERATORS = {"lafite": "LAFITE", "flow": "flow-matching decoder"}


def describe_model(path: Path) -> ModelFile:
    """Return what a file or folder is; what is damaged or foreign is described too.

    A folder is a pipeline of `diffusers`, or the run folder of a training.
    """
    try:
        if path.is_dir():
            return _describe_folder(path)
        if path.suffix == ".pkl":
            return ModelFile(
                path, None, path.name,
                fault=f"{path.name} is a pickle, which is a program and is not run; import its "
                "weights with 'nsdviewer import'.",
            )  # fmt: skip
        return _describe_file(path, read_header(path))
    except _Foreign as error:
        return ModelFile(path, _guessed_kind(path), path.stem, fault=str(error))
    except (NsdViewerError, OSError) as error:
        return ModelFile(path, _guessed_kind(path), path.stem, fault=str(error), is_damaged=True)
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        fault = f"{path} has a header of another form ({type(error).__name__}); fit it again."
        return ModelFile(path, _guessed_kind(path), path.stem, fault=fault, is_damaged=True)


def _guessed_kind(path: Path) -> ModelKind | None:
    """Return what a file is called, where it cannot say what it is."""
    name = path.name.lower()
    return next((kind for kind in ModelKind if name.startswith(kind.value)), None)


def _describe_file(path: Path, header: dict[str, Any]) -> ModelFile:
    name = str(header.get("kind", ""))
    kind = _KINDS.get(name)
    if kind is None:
        what = "the state of a training" if name in ("training", "network") else f"a '{name}'"
        raise _Foreign(f"{path} holds {what}, which no view can use; name another file.")
    if kind is ModelKind.GENERATOR:
        return _generator(path, name, header)
    return _mapping(path, kind, header)


def _mapping(path: Path, kind: ModelKind, header: dict[str, Any]) -> ModelFile:
    model = str(header.get("model" if kind is not ModelKind.PRIOR else "decoder_model", ""))
    of = " for a" if kind is ModelKind.PRIOR else ""
    title = f"{kind.value}{of} {model} decoder" if of else f"{model} {kind.value}".strip()
    if roi := str(header.get("roi", "")):
        title += f" · {roi}"
    facts = [
        ("subject", str(header["subject"])),
        ("space", f"{header.get('space', '')} · {header.get('version', '')}"),
        ("regions", roi),
        ("held out", str(header.get("split", ""))),
        ("training", str(header.get("run_folder", ""))),
    ]
    facts.insert(2, ("fitted on", _fitted_on(header)))
    return ModelFile(
        path, kind, title,
        origin=Origin.FITTED,
        embedding=str(header["embedding"]),
        simulated=bool(header.get("simulated")),
        header=header,
        facts=tuple((n, text) for n, text in facts if text.strip(" ·")),
        scores=_scores(header.get("scores")),
    )  # fmt: skip


def _fitted_on(header: Mapping[str, Any]) -> str:
    counts = {
        "pictures": header.get("n_images", header.get("n_pictures")),
        "trials": header.get("n_trials"),
    }
    told = [f"{int(n):,} {what}" for what, n in counts.items() if n]
    if header.get("simulated"):
        told.append("simulated responses")
    return " · ".join(told)


def _generator(path: Path, name: str, header: dict[str, Any]) -> ModelFile:
    resolution = int(header["network"]["resolution"])
    n_shown, pictures = header.get("n_shown"), header.get("pictures") or {}
    imported = header.get("imported_from") or {}
    origin = Origin.IMPORTED if imported else Origin.TRAINED
    if n_shown == 0 or (n_shown is None and not imported):
        origin = Origin.RANDOM if n_shown == 0 else Origin.UNKNOWN
    facts = [
        ("paints", f"{resolution} × {resolution} pixels"),
        ("trained on", f"{int(pictures['n_pictures']):,} pictures" if pictures else ""),
        ("shown", f"{int(n_shown):,} pictures" if n_shown else ""),
        (
            "finished",
            "" if header.get("finished", True) else "no: the training can be gone on with",
        ),
        ("imported from", str(imported.get("file", ""))),
        (
            "conditioned",
            "no: pictures differ by seed only" if header.get("ignores_embedding") else "",
        ),
    ]
    return ModelFile(
        path, ModelKind.GENERATOR, f"{_GENERATORS[name]} {resolution}²",
        origin=origin,
        embedding=str(header["embedding"]),
        header=header,
        facts=tuple((n, text) for n, text in facts if text),
    )  # fmt: skip


def _describe_folder(path: Path) -> ModelFile:
    if (path / _INDEX_FILE).is_file():
        return _pipeline(path)
    if (path / WEIGHTS_FILE).is_file():
        return describe_model(path / WEIGHTS_FILE)
    if (path / PLAN_FILE).is_file() or (path / STATE_FILE).is_file():
        return _training(path)
    raise _Foreign(
        f"{path} is neither a pipeline of diffusers nor the folder of a training; name a file, or "
        "another folder."
    )


def _pipeline(path: Path) -> ModelFile:
    from nsdviewer.models.diffusion.pipeline_folder import read_folder
    from nsdviewer.models.diffusion.pipeline_kinds import known_pipelines

    folder = read_folder(path, path.resolve().name, known_pipelines())
    embedding = folder.card.embedding or ""
    facts = (("pipeline", folder.class_name), ("parts", ", ".join(sorted(folder.parts))))
    fault = "" if embedding else (
        f"{path} does not say from which embedding it paints; write it into nsdviewer.json there."
    )  # fmt: skip
    return ModelFile(
        path, ModelKind.GENERATOR, f"{folder.name} (diffusers)", embedding=embedding,
        header=folder.index, facts=facts, fault=fault,
    )  # fmt: skip


def _training(path: Path) -> ModelFile:
    """Describe a training's folder, which holds no model yet that a view can use."""
    plan = json.loads((path / PLAN_FILE).read_text(encoding="utf-8"))["plan"]
    name = str(plan.get("network", plan.get("kind", "")))
    is_generator = "kind" in plan
    ended = (path / BEST_FILE).is_file() and bool(read_header(path / BEST_FILE).get("finished"))
    how = "has ended, and its decoder stands among the decoders" if ended else (
        "has not ended; the same command goes on with it"
    )  # fmt: skip
    return ModelFile(
        path, ModelKind.GENERATOR if is_generator else ModelKind.DECODER,
        f"training of a {name if not is_generator else plan['kind']}",
        embedding=str(plan.get("embedding", "")),
        header=plan,
        fault=f"The training in {path} {how}.",
    )  # fmt: skip


def _scores(values: object) -> tuple[tuple[str, float], ...]:
    if not isinstance(values, dict):
        return ()
    return tuple((str(k), float(v)) for k, v in values.items() if isinstance(v, int | float))
