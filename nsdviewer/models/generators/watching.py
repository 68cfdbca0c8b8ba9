"""What a person looks at while a generator trains: sheets of pictures, and curves for TensorBoard."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nsdviewer.files import atomic_path
from nsdviewer.models.generators.image_set import ImageSet

_N_COLUMNS = 10
EVENTS_FOLDER = "tensorboard"


def write_sheet(
    folder: Path,
    n_shown: int,
    images: ImageSet,
    paint: Callable[[NDArray[np.float32]], NDArray[np.uint8]],
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
    painted = paint(np.array(images.embeddings[chosen], np.float32))
    rows = [np.concatenate(list(row), 1) for row in (images.pixels[chosen], painted)]
    path = folder / f"sheet_{n_shown:08d}.png"
    with atomic_path(path) as temporary:
        Image.fromarray(np.concatenate(rows, 0)).save(temporary, format="PNG")
    return path


class Curves:
    """The training's curves and sheets as TensorBoard's event files.

    Parameters
    ----------
    n_shown
        Pictures shown so far; what an earlier process wrote beyond them is passed over.
    """

    def __init__(self, folder: Path, n_shown: int) -> None:
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(folder / EVENTS_FOLDER), purge_step=n_shown, flush_secs=30)

    def add(self, n_shown: int, terms: Mapping[str, float]) -> None:
        """Add the terms of the loss."""
        for name, value in terms.items():
            self._writer.add_scalar(f"loss/{name}", value, n_shown)

    def show(self, n_shown: int, sheet: Path, figures: Mapping[str, float]) -> None:
        """Add a sheet and what judges it."""
        with Image.open(sheet) as image:
            self._writer.add_image("sheet", np.asarray(image), n_shown, dataformats="HWC")
        for name, value in figures.items():
            self._writer.add_scalar(f"quality/{name}", value, n_shown)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
