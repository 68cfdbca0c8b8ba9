"""COCO's captions and objects of the stimuli, if the annotation files are there.

They are not part of NSD: ``annotations_trainval2017.zip`` of cocodataset.org, unpacked, holds
``instances_*.json`` and ``captions_*.json`` of train2017 and val2017. They are read once, and kept
in a database in the cache folder, where one picture is found without loading the rest.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nsdviewer.data.layout import NsdRoot
from nsdviewer.data.pictures.coco_files import read_sections
from nsdviewer.data.pictures.crops import Box, Origin, box_to_stimulus, read_origins
from nsdviewer.errors import DataError
from nsdviewer.files import atomic_path, file_fingerprint
from nsdviewer.jobs import Progress, SilentProgress

_PATTERNS = ("instances_*2017.json", "captions_*2017.json")
_TABLES = """
CREATE TABLE picture (coco_id INTEGER PRIMARY KEY, width_px INTEGER, height_px INTEGER);
CREATE TABLE category (id INTEGER PRIMARY KEY, name TEXT, supercategory TEXT);
CREATE TABLE caption (coco_id INTEGER, text TEXT);
CREATE TABLE object (coco_id INTEGER, category INTEGER, x REAL, y REAL, width REAL, height REAL,
    is_crowd INTEGER);
"""
_INDICES = """
CREATE INDEX caption_of ON caption (coco_id);
CREATE INDEX object_of ON object (coco_id);
"""
# Part of the cache's name: goes up when the tables change.
_CACHE_VERSION = 1

_SEPARATOR = " | "


@dataclass(frozen=True)
class CocoObject:
    """One annotated object, as far as the stimulus shows it.

    Attributes
    ----------
    box_px
        (left, top, width, height) in the stimulus's 425 pixels, cut off at its edges.
    visible_share
        Share of the object's box that the stimulus shows, 0..1.
    is_crowd
        Whether the box stands for many objects.
    """

    category: str
    supercategory: str
    box_px: Box
    visible_share: float
    is_crowd: bool


@dataclass(frozen=True)
class CocoPicture:
    """What COCO says of one stimulus.

    Attributes
    ----------
    width_px, height_px
        Size of the whole COCO picture.
    captions
        Five, sometimes six or seven; none without a file of captions.
    objects
        The largest in view first.
    """

    origin: Origin
    width_px: int
    height_px: int
    captions: tuple[str, ...]
    objects: tuple[CocoObject, ...]

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of what is in view, the largest first, each once."""
        return tuple(dict.fromkeys(o.category for o in self.objects))


def find_annotations(root: NsdRoot, folder: Path | None = None) -> tuple[Path, ...]:
    """Return COCO's annotation files: in `folder`, else in the first of three places in the root."""
    places = (
        (folder, folder / "annotations")
        if folder
        else (
            root.path / "annotations",
            root.path / "coco" / "annotations",
            root.path / "nsddata_stimuli" / "annotations",
        )
    )
    for place in places:
        found = sorted(path for pattern in _PATTERNS for path in place.glob(pattern))
        if found:
            return tuple(found)
    return ()


def read_coco(
    root: NsdRoot,
    nsd_ids: NDArray[np.int64],
    folder: Path | None = None,
    progress: Progress | None = None,
) -> dict[int, CocoPicture]:
    """Return what COCO says of stimuli, by 0-based 73k id; stimuli it does not know are left out.

    Without annotation files the answer is empty. The first call reads them, which takes about a
    quarter of a minute for all of COCO.

    Parameters
    ----------
    folder
        Where the annotation files are; the root's own places where None.

    Raises
    ------
    DataError
        If an annotation file or NSD's table of pictures is damaged, or the latter missing.
    """
    sources = find_annotations(root, folder)
    if not sources:
        return {}
    origins = read_origins(root, nsd_ids)
    with _open_database(root, sources, progress or SilentProgress()) as database:
        found = {i: _look_up(database, origin) for i, origin in origins.items()}
    return {nsd_id: picture for nsd_id, picture in found.items() if picture}


def join_coco(trials: pd.DataFrame, root: NsdRoot, folder: Path | None = None) -> pd.DataFrame:
    """Return `trials` with ``coco_categories`` and ``coco_captions``, where annotations are there.

    Several of either are joined by `` | ``, the largest object first; empty for pictures that COCO's
    files say nothing of. Without annotation files the table comes back as it was.

    Raises
    ------
    DataError
        If `folder` holds no annotations, or a file is damaged.
    """
    if folder is not None and not find_annotations(root, folder):
        raise DataError(
            f"There are no instances_*.json or captions_*.json in {folder}; name the folder that "
            "COCO's annotations_trainval2017.zip was unpacked to."
        )
    known = read_coco(root, np.unique(trials["nsd_id"].to_numpy()), folder)
    if not known:
        return trials
    pictures = [known.get(int(nsd_id)) for nsd_id in trials["nsd_id"]]
    return trials.assign(
        coco_categories=[_SEPARATOR.join(p.categories) if p else "" for p in pictures],
        coco_captions=[_SEPARATOR.join(p.captions) if p else "" for p in pictures],
    )


def _look_up(database: sqlite3.Connection, origin: Origin) -> CocoPicture | None:
    key = (origin.coco_id,)
    query = "SELECT width_px, height_px FROM picture WHERE coco_id = ?"
    size = database.execute(query, key).fetchone()
    if size is None:
        return None
    width_px, height_px = size
    query = "SELECT text FROM caption WHERE coco_id = ? ORDER BY rowid"
    captions = tuple(text for (text,) in database.execute(query, key))
    query = (
        "SELECT name, supercategory, x, y, width, height, is_crowd FROM object JOIN category "
        "ON object.category = category.id WHERE coco_id = ? ORDER BY object.rowid"
    )
    objects = []
    for name, supercategory, *box, is_crowd in database.execute(query, key):
        seen = box_to_stimulus((box[0], box[1], box[2], box[3]), origin.crop, width_px, height_px)
        if seen:
            objects.append(CocoObject(name, supercategory, *seen, bool(is_crowd)))
    objects.sort(key=lambda o: -o.box_px[2] * o.box_px[3])
    return CocoPicture(origin, width_px, height_px, captions, tuple(objects))


@contextmanager
def _open_database(
    root: NsdRoot, sources: tuple[Path, ...], progress: Progress
) -> Iterator[sqlite3.Connection]:
    """Open the cache of these annotation files, made first where it is not there.

    Where nothing can be written, it is made in memory.
    """
    digest = hashlib.sha256("".join(map(file_fingerprint, sources)).encode()).hexdigest()[:16]
    path = root.cache_folder / f"coco_{_CACHE_VERSION}_{digest}.sqlite"
    try:
        if not path.exists():
            with atomic_path(path) as temporary, closing(sqlite3.connect(temporary)) as database:
                _fill(database, sources, progress)
    except (OSError, sqlite3.OperationalError):
        yield _fill_memory(sources, digest)
        return
    try:
        address = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as database:
            yield database
    except sqlite3.DatabaseError as error:
        raise DataError(
            f"The cache {path} is damaged ({error}); delete it, and it will be made again."
        ) from error


@lru_cache(maxsize=1)
def _fill_memory(sources: tuple[Path, ...], digest: str) -> sqlite3.Connection:
    """Fill a database that lives as long as the program."""
    database = sqlite3.connect(":memory:", check_same_thread=False)
    _fill(database, sources, SilentProgress())
    return database


def _fill(database: sqlite3.Connection, sources: tuple[Path, ...], progress: Progress) -> None:
    """Copy what is needed of the annotation files into the tables."""
    # Who dies here leaves no file behind: there is nothing to roll back.
    database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + _TABLES)
    for done, path in enumerate(sources):
        progress.report(done / len(sources), f"reading {path.name}")
        for section, item in read_sections(path, ("images", "categories", "annotations")):
            try:
                table, row = _row_of(section, item)
                marks = ",".join("?" * len(row))
                database.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", row)
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                raise DataError(
                    f"{path} holds {section} that are none of COCO's ({error!r}); download it "
                    "again."
                ) from error
    database.executescript(_INDICES)
    database.commit()
    progress.report(1.0, "COCO's annotations are read")


def _row_of(section: str, item: dict[str, Any]) -> tuple[str, tuple[int | float | str, ...]]:
    """Return the table and the row that an item of an annotation file becomes."""
    if section == "images":
        size = int(item["width"]), int(item["height"])
        if min(size) < 1:
            raise ValueError(f"a picture of {size} pixels")
        return "picture", (int(item["id"]), *size)
    if section == "categories":
        supercategory = item.get("supercategory", "")
        return "category", (int(item["id"]), str(item["name"]), str(supercategory))
    coco_id = int(item["image_id"])
    if "caption" in item:
        return "caption", (coco_id, str(item["caption"]).strip())
    x, y, width, height = (float(value) for value in item["bbox"])
    is_crowd = int(item.get("iscrowd", 0))
    return "object", (coco_id, int(item["category_id"]), x, y, width, height, is_crowd)
