"""The command that moves data between spaces."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.formats.volumes import (
    open_image,
    read_mgh,
    read_volume,
    write_mgh,
    write_volume,
)
from nsdviewer.data.layout import NsdRoot
from nsdviewer.data.spaces.places import Place, Sampling, affine_of, fourth_pixdim_of
from nsdviewer.data.spaces.resampling import Interpolation
from nsdviewer.data.spaces.routes import route
from nsdviewer.data.spaces.steps import Allocate
from nsdviewer.data.spaces.transforms import require_transform
from nsdviewer.errors import DataError, RequestError
from nsdviewer.jobs import PartProgress, StreamProgress

VOLUME_SUFFIXES = (".nii.gz", ".nii")
SURFACE_SUFFIXES = (".mgz", ".mgh")
_EPILOG = """\
Spaces: func1pt8 (func1pt8mm), func1pt0 (func1mm), anat0pt5, anat0pt8, anat1pt0, MNI; and with lh.
or rh. before it white, pial, layerB1, layerB2, layerB3, nativesurface, fsaverage. On the way onto
nativesurface and fsaverage, data are interpolated at layerB1-3 and averaged, as NSD does. Between a
subject's vertices and fsaverage it is always the nearest vertex, and from a surface into a volume
always a weighted average; only wta, the vote for labels, changes that.

IN and OUT: .nii.gz or .nii for volumes, .mgz or .mgh for surfaces. Several volumes or maps in one
file are moved one by one. Values are moved as they are stored: NSD's int16 betas stay 300 times
percent signal change.

Places that see nothing get --fill. Without it that is NaN; in labels (wta, or integers moved with
nearest) it is -1 where the data hold -1 as NSD's ROI volumes do, or where a surface is spread into
a volume, and 0 otherwise. Labels are written as integers, as long as VALUE is one.
"""


def add_transform(commands: Any) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "transform",
        help="move data between spaces",
        description="Move data between spaces with NSD's transforms.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("root", type=Path, metavar="ROOT")
    parser.add_argument("--subject", type=int, required=True)
    parser.add_argument("--from", dest="source", required=True, metavar="SPACE")
    parser.add_argument("--to", dest="target", required=True, metavar="SPACE")
    parser.add_argument(
        "--interp",
        choices=[i.value for i in Interpolation],
        default=Interpolation.CUBIC.value,
        help="cubic, as NSD does; wta is winner-take-all, for labels",
    )
    parser.add_argument(
        "--fill", type=float, default=None, metavar="VALUE", help="for places that see nothing"
    )
    parser.add_argument("input", type=Path, metavar="IN")
    parser.add_argument("output", type=Path, metavar="OUT")
    parser.set_defaults(run=run_transform)


def run_transform(arguments: argparse.Namespace) -> int:
    """Write data moved to another space, whole or not at all."""
    source, target = Place.parse(arguments.source), Place.parse(arguments.target)
    _require_name(arguments.input, source, "input", *SURFACE_SUFFIXES)
    _require_name(arguments.output, target, "output")
    files = NsdRoot.open(arguments.root).subject(arguments.subject)
    way = route(files, source, target)
    for path in way.files_needed:
        require_transform(path)
    progress = StreamProgress()
    progress.report(0.0, f"Reading {arguments.input.name}")
    values = read_data(arguments.input, source)
    interpolation = Interpolation(arguments.interp)
    with _on_disk_beside(arguments.output) as allocate:
        part = PartProgress(progress, 0.05, 0.9)
        moved = way.apply(values, interpolation, arguments.fill, part, allocate)
        progress.report(0.9, f"Writing {arguments.output.name}")
        if target.is_volume:
            grid = (moved.shape[0], moved.shape[1], moved.shape[2])
            affine = affine_of(files, target, grid)
            write_volume(arguments.output, moved, affine, fourth_pixdim_of(target))
        else:
            write_mgh(arguments.output, moved)
    progress.report(1.0, f"{source} is now in {target}")
    print(arguments.output)
    return 0


def _require_name(path: Path, place: Place, role: str, *others: str) -> None:
    """Raise `RequestError` unless a file's name fits the place: its suffix and its hemisphere."""
    suffixes = VOLUME_SUFFIXES + others if place.is_volume else SURFACE_SUFFIXES
    if not path.name.lower().endswith(suffixes):
        kind = "a volume" if place.is_volume else "a surface"
        raise RequestError(
            f"{place} is {kind}, so the {role} ends in {' or '.join(suffixes)}; {path.name} does "
            "not."
        )
    prefix = path.name[:3].lower()
    if place.hemisphere and prefix in ("lh.", "rh.") and prefix[:2] != place.hemisphere.value:
        raise RequestError(
            f"The {role} {path.name} is named after the other hemisphere than {place}; name one of "
            "them otherwise."
        )


def read_data(path: Path, place: Place) -> NDArray[Any]:
    """Return a file's data in the order of NSD's files: (X, Y, Z[, T]) or (V[, T]).

    MNI volumes that are stored from right to left, as FSL's template, are turned.

    Raises
    ------
    DataError
        If the file is missing or damaged, holds no numbers, or is stored in another order.
    """
    if not path.exists():
        raise DataError(f"There is no file {path}; name the one that holds the data.")
    values = read_volume(path) if place.is_volume else read_mgh(path)
    if values.dtype.kind not in "fiub" or not values.size:
        raise DataError(f"{path} holds no plain numbers but {values.dtype} {values.shape}.")
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    return _in_stored_order(path, place, values) if place.is_volume else values


def _in_stored_order(path: Path, place: Place, values: NDArray[Any]) -> NDArray[Any]:
    image = open_image(path)
    codes = ("sform_code", "qform_code") if isinstance(image, nib.Nifti1Image) else ()
    if codes and not any(image.header[code] for code in codes):
        # Without a code the affine is nibabel's guess, and the file's author had none in mind.
        return values
    order = "".join(str(letter) for letter in nib.aff2axcodes(image.affine))
    if order == "RAS":
        return values
    if order == "LAS" and place.kind is Sampling.MNI:
        return values[::-1]
    raise DataError(
        f"{path} is stored in the order {order}, and NSD's volumes in RAS; reorder it with "
        "nibabel.as_closest_canonical if it lies on NSD's grid, which FreeSurfer's do not."
    )


@contextmanager
def _on_disk_beside(path: Path) -> Iterator[Allocate]:
    """Yield what makes arrays in a nameless file: many volumes may be larger than memory."""
    with ExitStack() as stack:

        def allocate(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
            path.parent.mkdir(parents=True, exist_ok=True)
            stream = stack.enter_context(tempfile.TemporaryFile(dir=path.parent))
            return np.memmap(stream, dtype, "w+", shape=shape, order="F")

        yield allocate
