"""A training as its run folder tells it, while another process writes there.

Nothing is written and nothing waited for. What is half there (a line, a sheet, a checkpoint) is
passed over; what is damaged is said, and the rest is shown.
"""

import fcntl
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nsdviewer.errors import CheckpointError, DataError
from nsdviewer.models.checkpoints import read_header
from nsdviewer.models.generators.following_log import (
    Curve,
    TrainingLog,
    curves_of,
    read_further,
    seconds_left,
)
from nsdviewer.models.generators.image_blocks import read_journal
from nsdviewer.models.generators.image_set import SET_FILE, open_image_set
from nsdviewer.models.generators.plan import GeneratorPlan
from nsdviewer.models.generators.run import PICTURES_FOLDER, WEIGHTS_FILE
from nsdviewer.models.runs.run_files import LOCK_FILE, LOG_FILE, PLAN_FILE


class Stage(Enum):
    """How far a training is."""

    PREPARING = "preparing"
    RUNNING = "running"
    STOPPED = "stopped"
    FINISHED = "finished"


@dataclass(frozen=True)
class Sheet:
    """A sheet of pictures on the way: photographs above, painted from their embeddings below."""

    path: Path
    n_shown: int


@dataclass(frozen=True)
class TrainingPictures:
    """What is trained on.

    Attributes
    ----------
    title
        Where the pictures come from.
    held_out
        Which pictures of the same place were kept out, and why; empty where none were.
    left_out
        A sentence for each picture that could not be used.
    left_out_summary
        How many those are, the first of them by name; empty where there are none.
    """

    n_pictures: int
    n_crops: int
    title: str
    held_out: str
    left_out: tuple[str, ...]
    left_out_summary: str


@dataclass(frozen=True, eq=False)
class TrainingView:
    """All that a run folder tells of its training.

    Attributes
    ----------
    plan
        None while a training is being begun.
    pictures
        None until all are embedded.
    n_embedded
        Pictures embedded so far, while they are prepared.
    curves
        Terms of the loss by name.
    figures
        What judges the sheets, such as FID and KID, by name; the names tell the network.
    n_shown
        Pictures shown so far, of `n_images`.
    seconds
        Time trained so far.
    seconds_left
        At the pace of late; None where nothing is known of it, or nothing left.
    is_running
        Whether a process holds the folder.
    remarks
        A sentence for each thing that could not be read.
    log
        For the next `follow`.
    """

    folder: Path
    plan: GeneratorPlan | None
    pictures: TrainingPictures | None
    n_embedded: int
    curves: Mapping[str, Curve]
    figures: Mapping[str, Curve]
    sheets: tuple[Sheet, ...]
    n_shown: int
    n_images: int
    seconds: float
    seconds_left: float | None
    finished: bool
    is_running: bool
    remarks: tuple[str, ...]
    log: TrainingLog

    @property
    def stage(self) -> Stage:
        """How far the training is."""
        if self.finished:
            return Stage.FINISHED
        if not self.is_running:
            return Stage.STOPPED
        return Stage.RUNNING if self.log.lines else Stage.PREPARING


def follow(folder: Path, since: TrainingView | None = None) -> TrainingView:
    """Return what the training in `folder` has come to.

    Parameters
    ----------
    since
        An earlier answer; only what was written after it is read then.

    Raises
    ------
    DataError
        If there is no such folder, no training of a generator in it, or its log cannot be read.
    CheckpointError
        If its plan is damaged.
    """
    if since is not None and since.folder != folder:
        since = None
    # Asked first: what a process wrote before it ended is then on disk.
    is_running = is_training(folder)
    plan = _read_plan(folder, is_running)
    log = read_further(folder / LOG_FILE, since.log if since is not None else TrainingLog())
    remarks: list[str] = []
    if log.n_damaged:
        lines = "1 line" if log.n_damaged == 1 else f"{log.n_damaged} lines"
        remarks.append(f"Of {folder / LOG_FILE}, {lines} cannot be read and are left out.")
    pictures = since.pictures if since is not None and since.pictures is not None else None
    if pictures is None:
        pictures = _told(lambda: _read_pictures(folder), remarks)
    n_embedded = 0 if pictures is not None else _told(lambda: _count_embedded(folder), remarks)
    n_shown = log.lines[-1].n_shown if log.lines else 0
    n_images = plan.n_images if plan is not None else 0
    is_complete = plan is not None and bool(log.lines) and n_shown >= n_images
    finished = is_complete and bool(_told(lambda: _is_finished(folder), remarks))
    # The very same object where nothing was written in between.
    unchanged = since is not None and since.log is log
    return TrainingView(
        folder=folder,
        plan=plan,
        pictures=pictures,
        n_embedded=n_embedded or 0,
        curves=since.curves if since and unchanged else curves_of(log, lambda line: line.terms),
        figures=since.figures if since and unchanged else curves_of(log, lambda line: line.figures),
        sheets=_sheets(folder, log),
        n_shown=n_shown,
        n_images=n_images,
        seconds=log.seconds,
        seconds_left=seconds_left(log, n_images) if is_running and not is_complete else None,
        finished=finished,
        is_running=is_running,
        remarks=tuple(remarks),
        log=log,
    )


def is_training(folder: Path) -> bool:
    """Whether a process trains in `folder`.

    Asked with a shared lock that is given back at once and never waited for; no file is made.
    """
    try:
        stream = (folder / LOCK_FILE).open("rb")
    except OSError:
        return False
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False


def read_sheet(path: Path) -> NDArray[np.uint8]:
    """Return a sheet as (height, width, 3).

    Raises
    ------
    DataError
        If it is missing or no picture.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(
            f"The sheet {path} cannot be read ({type(error).__name__}); look at another one."
        ) from error


def _read_plan(folder: Path, is_running: bool) -> GeneratorPlan | None:
    path = folder / PLAN_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return GeneratorPlan.from_dict(document["plan"], str(path))
    except (FileNotFoundError, NotADirectoryError):
        if is_running:
            return None
        what = "holds no training" if folder.is_dir() else "is no folder"
        raise DataError(
            f"{folder} {what}; choose the folder that 'nsdviewer train generator --out' names."
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} tells no generator's training ({type(error).__name__}); choose the folder that "
            "'nsdviewer train generator --out' names."
        ) from error


def _read_pictures(folder: Path) -> TrainingPictures | None:
    if not (folder / PICTURES_FOLDER / SET_FILE).exists():
        return None
    images = open_image_set(folder / PICTURES_FOLDER)
    return TrainingPictures(
        n_pictures=images.n_pictures,
        n_crops=len(images.pixels),
        title=images.title,
        held_out=images.held_out,
        left_out=images.left_out,
        left_out_summary=images.summary,
    )


def _count_embedded(folder: Path) -> int:
    found = read_journal(folder / PICTURES_FOLDER)
    return found[1].n_usable if found is not None else 0


def _is_finished(folder: Path) -> bool:
    if not (folder / WEIGHTS_FILE).exists():
        return False
    return bool(read_header(folder / WEIGHTS_FILE).get("finished"))


def _told(read: Callable[[], Any], remarks: list[str]) -> Any:
    """Return what `read` returns; where it fails, None, and its sentence goes to the remarks."""
    try:
        return read()
    except (DataError, CheckpointError) as error:
        remarks.append(str(error))
        return None


def _sheets(folder: Path, log: TrainingLog) -> tuple[Sheet, ...]:
    found = {line.sheet: line.n_shown for line in log.lines if line.sheet}
    return tuple(Sheet(folder / name, n) for name, n in found.items() if (folder / name).is_file())
