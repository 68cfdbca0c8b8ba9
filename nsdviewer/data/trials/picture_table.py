"""What is known of each picture: ``nsd_stim_info_merged.csv``, one row a picture."""

import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from nsdviewer.data.formats.tables import read_table, to_booleans, to_numbers
from nsdviewer.data.layout import NsdRoot
from nsdviewer.data.trials.design import Design
from nsdviewer.errors import DataError, DataWarning

_NUMBERS = ("cocoId", "loss", "nsdId")
_TRUTHS = ("flagged", "BOLD5000", "shared1000")
# The fractions trimmed from each side, in the order of the file's ``cropBox``.
CROP_COLUMNS = ("crop_top", "crop_bottom", "crop_left", "crop_right")


def read_pictures(root: NsdRoot) -> pd.DataFrame:
    """Return one row a picture, indexed by 0-based 73k id.

    Columns: ``coco_id``, ``coco_split``, ``crop_top``, ``crop_bottom``, ``crop_left``,
    ``crop_right`` (fractions trimmed), ``loss``, ``flagged``, ``bold5000``, ``shared1000``.

    Raises
    ------
    DataError
        If the table is missing or damaged.
    """
    path = root.stim_info_file
    status = path.stat() if path.exists() else None
    return _read(path, status.st_mtime_ns if status else 0)


@lru_cache(maxsize=2)
def _read(path: Path, _changed_ns: int) -> pd.DataFrame:
    cells = read_table(path, ",", (*_NUMBERS, *_TRUTHS, "cocoSplit", "cropBox"))
    numbers = to_numbers(cells[list(_NUMBERS)], path)
    if not np.array_equal(numbers["nsdId"], np.arange(len(numbers))):
        raise DataError(
            f"{path} does not list its pictures as nsdId 0, 1, 2, …; it is damaged: download it "
            "again."
        )
    frame = parse_crop_boxes(cells["cropBox"], path)
    frame.insert(0, "coco_id", numbers["cocoId"].astype(np.int64))
    frame.insert(1, "coco_split", cells["cocoSplit"].str.strip())
    frame["loss"] = numbers["loss"]
    for name in _TRUTHS:
        frame[name.lower()] = to_booleans(cells[name], path)
    frame.index.name = "nsd_id"
    return frame


def parse_crop_boxes(cells: pd.Series, path: Path) -> pd.DataFrame:
    """Read NSD's ``cropBox``: ``(top, bottom, left, right)``, the fractions that are trimmed.

    A crop that would leave nothing of a picture is NaN, and told with a `DataWarning`.

    Raises
    ------
    DataError
        If one is no four numbers.
    """
    plain = cells.str.strip()
    boxes = plain.str.removeprefix("(").str.removesuffix(")").str.split(",", expand=True)
    if boxes.shape[1] != len(CROP_COLUMNS):
        raise DataError(
            f"{path} holds a 'cropBox' that is no crop (top, bottom, left, right); download it "
            "again."
        )
    boxes.columns = pd.Index(CROP_COLUMNS)
    crops = to_numbers(boxes.fillna(""), path)
    top, bottom, left, right = (crops[name] for name in CROP_COLUMNS)
    # NaN is in no range.
    sane = ((crops >= 0) & (crops < 1)).all(axis=1) & (top + bottom < 1) & (left + right < 1)
    if not sane.all():
        warnings.warn(
            f"{path} holds the crop '{plain[~sane].iloc[0][:60]}', which leaves nothing of a picture, "
            "or more than all; it counts as unknown. Download the file again.",
            DataWarning,
            stacklevel=2,
        )
        crops[~sane] = np.nan
    return crops


def join_pictures(
    trials: pd.DataFrame, pictures: pd.DataFrame, root: NsdRoot, design: Design
) -> pd.DataFrame:
    """Return `trials` with what is known of each picture.

    A table that is too short is left out with a `DataWarning`.

    Raises
    ------
    DataError
        If the table contradicts the design: one of the two numbers its pictures wrongly.
    """
    shared = design.shared[design.shared < len(pictures)]
    # NSD's own numbers start at 1 in the design and at 0 here; this is where a slip would show.
    if not pictures["shared1000"].to_numpy()[shared].all():
        raise DataError(
            f"{root.stim_info_file} and {root.design_file} do not agree on the shared pictures; "
            "download both again."
        )
    largest = int(trials["nsd_id"].max())
    if largest >= len(pictures):
        warnings.warn(
            f"{root.stim_info_file} has {len(pictures)} rows and no picture {largest}; it is cut "
            "off, and left out. Download it again.",
            DataWarning,
            stacklevel=3,
        )
        return trials
    joined = pictures.iloc[trials["nsd_id"].to_numpy()].drop(columns="shared1000")
    joined.index = trials.index
    return pd.concat([trials, joined], axis=1)
