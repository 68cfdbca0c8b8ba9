"""What a person looks at while a generator trains: sheets of pictures, and curves for TensorBoard."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nsdviewer.files import atomic_path
from nsdviewer.models.generators.image_set import ImageSet
from nsdviewer.models.painter import Seeds

_N_COLUMNS = 10
EVENTS_FOLDER = "tensorboard"


def write_sheet(
    folder: Path,
    n_shown: int,
    images: ImageSet,
    paint: Callable[[NDArray[np.float32], Seeds], NDArray[np.uint8]],
) -> Path:
    """Write training photographs above, below them what is painted from their embeddings.

    Returns
    -------
    Path
        ``sheet_00001234.png`` in `folder`, numbered by pictures shown.
    """
    first_crops = np.flatnonzero(np.diff(images.source, prepend=-1) != 0)
    spread = np.linspace(0, len(first_crops) - 1, _N_COLUMNS).round().astype(int)
    chosen = first_crops[np.unique(spread)]
    painted = paint(np.array(images.embeddings[chosen], np.float32), 0)
    rows = [np.concatenate(list(row), 1) for row in (images.pixels[chosen], painted)]
    path = folder / f"sheet_{n_shown:08d}.png"
    with atomic_path(path) as temporary:
        Image.fromarray(np.concatenate(rows, 0)).save(temporary, format="PNG")
    return path


class Curves:
    """The training's curves and sheets as TensorBoard's event files.

    Written as they come: a writer of its own thread would die of a full disk without a word, and
    leave the training waiting for it.

    Parameters
    ----------
    n_shown
        Pictures shown so far; what an earlier process wrote beyond them is passed over.

    Raises
    ------
    OSError
        Here and below, if the disk takes no more.
    """

    def __init__(self, folder: Path, n_shown: int) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        (folder / EVENTS_FOLDER).mkdir(parents=True, exist_ok=True)
        self._writer = EventsWriter(str(folder / EVENTS_FOLDER / "events"))
        start = SessionLog(status=SessionLog.START)
        self._writer.write_event(Event(step=n_shown, session_log=start, wall_time=time.time()))

    def add(self, n_shown: int, terms: Mapping[str, float]) -> None:
        """Add the terms of the loss."""
        from tensorboardX.summary import scalar

        self._write(n_shown, [scalar(f"loss/{name}", value) for name, value in terms.items()])

    def show(self, n_shown: int, sheet: Path, figures: Mapping[str, float]) -> None:
        """Add a sheet and what judges it."""
        from tensorboardX.summary import image, scalar

        with Image.open(sheet) as picture:
            shown = image("sheet", np.asarray(picture), dataformats="HWC")
        quality = [scalar(f"quality/{name}", value) for name, value in figures.items()]
        self._write(n_shown, [shown, *quality])

    def _write(self, n_shown: int, summaries: list[Any]) -> None:
        from tensorboardX.proto.event_pb2 import Event

        for summary in summaries:
            self._writer.write_event(Event(step=n_shown, summary=summary, wall_time=time.time()))
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()
