"""A generator's run folder: plan, pictures, and what they were begun with."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsdviewer.errors import CheckpointError
from nsdviewer.files import write_json
from nsdviewer.models.generators.image_set import ImageSet
from nsdviewer.models.generators.plan import GeneratorPlan
from nsdviewer.models.runs.run_files import PLAN_FILE, STATE_FILE, writing

WEIGHTS_FILE = "generator.safetensors"
PICTURES_FOLDER = "pictures"


@dataclass(frozen=True)
class GeneratorRun:
    """A prepared run folder."""

    folder: Path
    plan: GeneratorPlan
    images: ImageSet

    def describe(self) -> dict[str, Any]:
        """Return what a generator's file has to say of how it was trained."""
        images = self.images
        return {
            "plan": self.plan.to_dict(),
            "fingerprint": images.fingerprint,
            "pictures": {
                "n_pictures": len(images.names),
                "n_crops": len(images.pixels),
                "held_out": images.held_out,
                "n_left_out": len(images.left_out),
            },
        }


@dataclass(frozen=True)
class RunStart:
    """What a training is begun with; written before anything else, so that it can be resumed.

    Attributes
    ----------
    images
        Where the pictures come from.
    captions
        Whether captions are embedded too.
    nsd_root
        NSD's folder, whose shared pictures a COCO folder leaves out; None leaves out none.
    start_from
        Generator's file whose weights the training begins with; None begins with random ones.
    """

    plan: GeneratorPlan
    images: Path
    n_crops: int
    captions: bool
    nsd_root: Path | None = None
    start_from: Path | None = None


def has_training(folder: Path) -> bool:
    """Whether a training was begun in `folder`."""
    return (folder / PLAN_FILE).exists() or (folder / STATE_FILE).exists()


def read_start(folder: Path) -> RunStart:
    """Return what the training in `folder` was begun with.

    Raises
    ------
    CheckpointError
        If that is damaged or missing.
    """
    path = folder / PLAN_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        plan = GeneratorPlan.from_dict(document["plan"], str(path))
        images, n_crops = Path(document["images"]), int(document["n_crops"])
        root, begun = (_path(document.get(name)) for name in ("nsd_root", "start_from"))
        return RunStart(plan, images, n_crops, bool(document["captions"]), root, begun)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} is damaged ({type(error).__name__}); train into another folder."
        ) from error


def begin_run(folder: Path, start: RunStart) -> None:
    """Write what a training is begun with, where it is not there already.

    Raises
    ------
    DataError
        If the folder takes no file.
    """
    if (folder / PLAN_FILE).exists():
        return
    document = {
        "plan": start.plan.to_dict(),
        "images": str(start.images),
        "n_crops": start.n_crops,
        "captions": start.captions,
        "nsd_root": str(start.nsd_root or ""),
        "start_from": str(start.start_from or ""),
    }
    with writing(folder):
        write_json(folder / PLAN_FILE, document)


def _path(text: object) -> Path | None:
    return Path(str(text)) if text else None
