"""Where a generator's training pictures come from: a folder, NSD's brick, or a COCO folder."""

from pathlib import Path
from typing import Protocol

from PIL import Image

from nsdviewer.data.layout import NsdRoot
from nsdviewer.data.pictures.brick_pictures import open_brick_pictures, open_root_pictures
from nsdviewer.data.pictures.coco_pictures import find_caption_files, open_coco_pictures
from nsdviewer.data.pictures.folder_pictures import open_folder_pictures
from nsdviewer.errors import DataError
from nsdviewer.files import expanded


class PictureSource(Protocol):
    """Pictures in a fixed order, each opened when it is asked for."""

    @property
    def title(self) -> str:
        """What people read: how many pictures, of what."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """What each picture is called."""
        ...

    @property
    def held_out(self) -> str:
        """Which pictures of the same place are kept out of training, and why, in a sentence."""
        ...

    @property
    def fingerprint(self) -> str:
        """Differs where other pictures, or the same in another order, are trained on."""
        ...

    def __len__(self) -> int: ...

    def open(self, index: int) -> Image.Image:
        """Return picture `index` in RGB.

        Raises
        ------
        UnusablePictureError
            If this picture, and perhaps no other, cannot be used.
        DataError
            If the place as a whole can no longer be read.
        """
        ...

    def captions(self, index: int) -> tuple[str, ...]:
        """Return what people say of picture `index`; may be empty."""
        ...


def open_picture_source(
    path: Path | str, with_shared: bool = False, nsd_root: Path | str | None = None
) -> PictureSource:
    """Open what is at `path`.

    An HDF5 file with ``imgBrick``, or a folder laid out as NSD's bucket: the brick of stimuli. A
    folder with ``annotations/captions_*.json``: those pictures of COCO that are there. Any other
    folder: the pictures in it, and in its folders, less those that its ``held_out.txt`` names.

    Parameters
    ----------
    with_shared
        Train also on the pictures that NSD's subjects share, which decoders are tested on.
    nsd_root
        Tells which pictures of a COCO folder are NSD's shared ones.

    Raises
    ------
    DataError
        If there is nothing at `path`, or nothing to train on.
    """
    place = expanded(path)
    if place.is_file():
        return open_brick_pictures(place, with_shared)
    if not place.is_dir():
        raise DataError(
            f"There is no folder or file of pictures at {place}; name a folder of pictures, a COCO "
            "folder, an NSD root or its nsd_stimuli.hdf5."
        )
    if (place / "nsddata").is_dir() or (
        place.name.startswith("nsddata") and (place.absolute().parent / "nsddata").is_dir()
    ):
        return open_root_pictures(NsdRoot.open(place), with_shared)
    if find_caption_files(place):
        root = None if nsd_root is None else NsdRoot.open(nsd_root)
        return open_coco_pictures(place, root, with_shared)
    return open_folder_pictures(place)
