"""NIfTI volumes as NSD writes them."""

import gzip
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from nsdviewer.errors import DataError
from nsdviewer.files import atomic_path


def read_volume(path: Path) -> NDArray[Any]:
    """Return the array of a NIfTI file, X × Y × Z (× T), in its stored dtype.

    Raises
    ------
    DataError
        If the file is missing or damaged.
    """
    return np.asanyarray(_load(path).dataobj)


def read_affine(path: Path) -> NDArray[np.float64]:
    """Return the 4 × 4 affine of a NIfTI file; it holds within its own space only."""
    return np.asarray(_load(path).affine, dtype=np.float64)


def _load(path: Path) -> Any:
    if not path.exists():
        raise DataError(f"The volume {path} is missing; download it from NSD's bucket.")
    try:
        image = nib.load(path)
        # Reading now finds a truncated file here, where its name is at hand.
        np.asanyarray(image.dataobj)
    except (ImageFileError, OSError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        raise DataError(f"The volume {path} is damaged ({error}); download it again.") from error
    return image


def write_volume(path: Path, array: NDArray[Any], affine: NDArray[np.float64]) -> None:
    """Write a NIfTI volume with NSD's header rules: sform 1, qform 0, units unknown."""
    image = nib.Nifti1Image(array, affine)
    image.header.set_sform(affine, code=1)
    image.header.set_qform(None, code=0)
    image.header["xyzt_units"] = 0
    with atomic_path(path) as temporary:
        nib.save(image, temporary)
