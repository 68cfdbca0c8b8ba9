"""Training pictures from a COCO folder: pictures that its caption files list and that are there."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nsdviewer.data.layout import NsdRoot
from nsdviewer.data.pictures.coco_files import read_sections
from nsdviewer.data.pictures.folder_pictures import (
    HELD_OUT_FILE,
    fingerprint_files,
    list_picture_files,
    relative_name,
)
from nsdviewer.data.pictures.opening import open_picture
from nsdviewer.data.trials.picture_table import read_pictures
from nsdviewer.errors import DataError


@dataclass(frozen=True)
class CocoCaptions:
    """What caption files say.

    Attributes
    ----------
    coco_ids
        By file name, without folder.
    captions
        By COCO id, in the file's order; only ids that have any.
    """

    coco_ids: dict[str, int]
    captions: dict[int, tuple[str, ...]]


@dataclass(frozen=True)
class CocoPictures:
    """The pictures of a COCO folder; a `PictureSource`."""

    title: str
    names: tuple[str, ...]
    held_out: str
    fingerprint: str
    files: tuple[Path, ...]
    coco_ids: tuple[int, ...]
    known: CocoCaptions

    def __len__(self) -> int:
        return len(self.files)

    def open(self, index: int) -> Image.Image:
        """Return picture `index` in RGB; the errors are those of `open_picture`."""
        return open_picture(self.files[index], self.names[index])

    def captions(self, index: int) -> tuple[str, ...]:
        """Return the captions of picture `index`, most often five."""
        return self.known.captions.get(self.coco_ids[index], ())


def find_caption_files(folder: Path) -> tuple[Path, ...]:
    """Return ``annotations/captions_*.json`` of a COCO folder; none where it is no such folder."""
    return tuple(sorted((folder / "annotations").glob("captions_*.json")))


def open_coco_pictures(
    folder: Path, nsd_root: NsdRoot | None = None, with_shared: bool = False
) -> CocoPictures:
    """List the pictures below `folder` that its caption files know, less those of ``held_out.txt``.

    Reading the caption files takes some seconds for all of COCO.

    Parameters
    ----------
    nsd_root
        Where given, NSD's shared pictures, which are COCO's too, are left out as well.
    with_shared
        Train on NSD's shared pictures all the same.

    Raises
    ------
    DataError
        If no picture is there, or a caption file, ``held_out.txt`` or NSD's table is damaged.
    """
    sources = find_caption_files(folder)
    known = read_captions(sources)
    present, n_named = list_picture_files(folder)
    # A name may lie in two folders; pictures of one name are one picture.
    by_name = {p.name: p for p in reversed(present) if p.name in known.coco_ids}
    shared = set() if nsd_root is None or with_shared else _shared_coco_ids(nsd_root)
    kept = [p for p in by_name.values() if known.coco_ids[p.name] not in shared]
    files = tuple(sorted(kept))
    if not files:
        raise DataError(
            f"None of the {len(known.coco_ids)} pictures that {folder / 'annotations'} lists is to "
            f"be had below {folder}; unpack COCO's train2017.zip or val2017.zip there."
        )
    return CocoPictures(
        title=f"{len(files)} of the {len(known.coco_ids)} pictures that {folder} has captions of",
        names=tuple(relative_name(file, folder) for file in files),
        held_out=_describe_held_out(folder, n_named, len(by_name) - len(files), nsd_root is None),
        fingerprint=fingerprint_files((*files, *sources), folder),
        files=files,
        coco_ids=tuple(known.coco_ids[file.name] for file in files),
        known=known,
    )


def read_captions(sources: Sequence[Path], wanted: Collection[int] | None = None) -> CocoCaptions:
    """Read COCO's caption files; `wanted` leaves out captions of other COCO ids.

    Raises
    ------
    DataError
        If a file is missing, damaged, or none of COCO's.
    """
    coco_ids: dict[str, int] = {}
    captions: dict[int, list[str]] = {}
    for path in sources:
        for section, item in read_sections(path, ("images", "annotations")):
            try:
                if section == "images":
                    coco_ids[str(item["file_name"]).rpartition("/")[2]] = int(item["id"])
                elif wanted is None or int(item["image_id"]) in wanted:
                    text = str(item["caption"]).strip()
                    if text:
                        captions.setdefault(int(item["image_id"]), []).append(text)
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(
                    f"{path} holds {section} that are none of COCO's captions ({error!r}); download "
                    "it again."
                ) from error
    return CocoCaptions(coco_ids, {coco_id: tuple(texts) for coco_id, texts in captions.items()})


def shared_pictures(root: NsdRoot) -> NDArray[np.int64]:
    """Return the ascending 0-based 73k ids of NSD's shared pictures, from its table of pictures."""
    return np.flatnonzero(read_pictures(root)["shared1000"].to_numpy(bool))


def _shared_coco_ids(root: NsdRoot) -> set[int]:
    table = read_pictures(root)
    return set(table["coco_id"].to_numpy()[shared_pictures(root)].tolist())


def _describe_held_out(folder: Path, n_named: int, n_shared: int, is_rootless: bool) -> str:
    sentences = []
    if (folder / HELD_OUT_FILE).exists():
        sentences.append(f"{n_named} pictures that {HELD_OUT_FILE} names are held out.")
    if is_rootless:
        sentences.append(
            "NSD's shared pictures, on which decoders are tested, are COCO's and not held out: no NSD "
            "root says which they are."
        )
    elif n_shared:
        sentences.append(
            f"{n_shared} pictures that NSD shares among subjects, on which decoders are tested, are "
            "held out."
        )
    else:
        sentences.append("None of NSD's shared pictures is held out.")
    return " ".join(sentences)
