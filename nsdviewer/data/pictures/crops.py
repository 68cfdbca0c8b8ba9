"""Where a stimulus lies in the COCO picture that it was cut from.

NSD trimmed four fractions off a COCO picture, its ``cropBox``, and scaled the square that was left
to 425 × 425 pixels. Points are (x, y) from the top left corner of the top left pixel, in pixels.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nsdviewer.data.layout import NsdRoot
from nsdviewer.data.pictures.photographs import STIMULUS_SIZE_PX, Crop
from nsdviewer.data.trials.picture_table import CROP_COLUMNS, read_pictures

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Origin:
    """The COCO picture a stimulus was cut from, and how."""

    coco_id: int
    split: str
    crop: Crop


def coco_to_stimulus(
    points_px: NDArray[np.floating], crop: Crop, width_px: float, height_px: float
) -> NDArray[np.float64]:
    """Map (n, 2) points of a COCO picture to the stimulus; outside 0..425 they are cut off.

    Parameters
    ----------
    width_px, height_px
        Size of the whole COCO picture.
    """
    corner, scale = _frame(crop, width_px, height_px)
    return np.asarray((np.asarray(points_px, np.float64) - corner) * scale)


def stimulus_to_coco(
    points_px: NDArray[np.floating], crop: Crop, width_px: float, height_px: float
) -> NDArray[np.float64]:
    """Map (n, 2) points of the stimulus to its COCO picture; inverse of `coco_to_stimulus`."""
    corner, scale = _frame(crop, width_px, height_px)
    return np.asarray(np.asarray(points_px, np.float64) / scale + corner)


def _frame(
    crop: Crop, width_px: float, height_px: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (corner of the square, stimulus pixels a COCO pixel), of x and y."""
    size = np.array([width_px, height_px], np.float64)
    trimmed = np.array([crop.left, crop.top])
    kept = 1 - trimmed - np.array([crop.right, crop.bottom])
    return trimmed * size, STIMULUS_SIZE_PX / (kept * size)


def box_to_stimulus(
    box_px: Box, crop: Crop, width_px: float, height_px: float
) -> tuple[Box, float] | None:
    """Map a box (left, top, width, height) of a COCO picture to the stimulus.

    Returns
    -------
    The part that is seen, (left, top, width, height) within 0..425, and its share of the whole
    box's area; None if nothing is seen.
    """
    left, top, width, height = box_px
    corners = np.array([[left, top], [left + width, top + height]])
    whole = coco_to_stimulus(corners, crop, width_px, height_px)
    seen = whole.clip(0, STIMULUS_SIZE_PX)
    extent, full = seen[1] - seen[0], whole[1] - whole[0]
    if not (extent > 0).all():
        return None
    x, y = (float(v) for v in seen[0])
    return (x, y, float(extent[0]), float(extent[1])), float(extent.prod() / full.prod())


def box_to_coco(box_px: Box, crop: Crop, width_px: float, height_px: float) -> Box:
    """Map a box (left, top, width, height) of the stimulus to its COCO picture."""
    left, top, width, height = box_px
    corners = np.array([[left, top], [left + width, top + height]])
    (x, y), (right, bottom) = stimulus_to_coco(corners, crop, width_px, height_px).tolist()
    return x, y, right - x, bottom - y


def read_origins(root: NsdRoot, nsd_ids: NDArray[np.int64]) -> dict[int, Origin]:
    """Return the origins of stimuli by 0-based 73k id; ids that the table lacks are left out.

    Raises
    ------
    DataError
        If the table is missing or damaged, or the crop of one of `nsd_ids` is no crop.
    """
    table = read_pictures(root)
    wanted = np.unique(np.asarray(nsd_ids, np.int64))
    found = table.loc[table.index.intersection(pd.Index(wanted))]
    crops = found[list(CROP_COLUMNS)].to_numpy(float).tolist()
    rows = zip(found.index, found["coco_id"], found["coco_split"], crops, strict=True)
    return {
        int(nsd_id): Origin(int(coco_id), str(split), Crop(*crop))
        for nsd_id, coco_id, split, crop in rows
        if np.isfinite(crop).all()
    }
