"""A person's map file: its values, and what its header says of where they lie."""

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.cifti2 import Cifti2Image
from numpy.typing import NDArray

from nsdviewer.data.formats.volumes import open_image, read_volume
from nsdviewer.data.surfaces.meshes import read_scalars
from nsdviewer.errors import DataError, RequestError
from nsdviewer.state import Hemisphere

_GIFTI, _VOLUMES = (".gii", ".gii.gz"), (".nii", ".nii.gz", ".mgh", ".mgz")
_SIDES = {
    Hemisphere.LEFT: re.compile(r"(^|[._-])(lh|l|left|hemi-l)([._-]|$)", re.IGNORECASE),
    Hemisphere.RIGHT: re.compile(r"(^|[._-])(rh|r|right|hemi-r)([._-]|$)", re.IGNORECASE),
}
_STRUCTURES = {"CortexLeft": Hemisphere.LEFT, "CortexRight": Hemisphere.RIGHT}
# As BIDS and TemplateFlow write the space into a name.
_SPACE_IN_NAME = re.compile(r"(?:^|_)(?:space|tpl)-([A-Za-z0-9]+)")
_LABELS = nib.nifti1.intent_codes["NIFTI_INTENT_LABEL"]
_GEOMETRY = frozenset(
    nib.nifti1.intent_codes[n] for n in ("NIFTI_INTENT_POINTSET", "NIFTI_INTENT_TRIANGLE")
)
_MOST_LABELS = 1000
# Two affines that part by more than this share of a voxel say two things.
_SAME_VOXELS = 0.1


class Frame(Enum):
    """What a header says its millimetres are; the values are NIfTI's codes.

    NOTHING: there is no code, or the affine only counts voxels.
    """

    NOTHING = 0
    SCANNER = 1
    ALIGNED = 2
    TALAIRACH = 3
    MNI = 4


@dataclass(frozen=True, eq=False)
class MapFile:
    """What a file holds and says.

    Attributes
    ----------
    values
        (X, Y, Z) from left to right, back to front and foot to head where `affine` says so, or
        (n_vertices,); as stored, scaled by the header.
    affine
        (4, 4) from indices of `values` to mm; None for vertices, and where nothing is stated.
    is_labels
        Whether values are numbers of things, between which there is nothing.
    hemisphere
        The one that metadata or name state; None where they state none.
    space_name
        The space that the name or the metadata state, as ``fsaverage5``; "" for none.
    cautions
        Sentences about what contradicts itself.
    """

    path: Path
    values: NDArray[Any]
    affine: NDArray[np.float64] | None = None
    frame: Frame = Frame.NOTHING
    is_labels: bool = False
    hemisphere: Hemisphere | None = None
    space_name: str = ""
    cautions: tuple[str, ...] = ()

    @property
    def is_volume(self) -> bool:
        """Whether values lie on voxels."""
        return self.values.ndim == 3


def read_map_file(path: Path) -> MapFile:
    """Read a NIfTI, MGH, GIFTI or FreeSurfer map.

    Raises
    ------
    DataError
        If it is missing or damaged.
    RequestError
        If it holds no numbers, or more than one value a voxel or vertex.
    """
    if not path.exists():
        raise DataError(f"There is no file {path}; add the layer again from where it is now.")
    if not path.is_file():
        # A pipe would be waited for.
        raise RequestError(f"{path} is a folder, a device or a pipe and no file; choose a file.")
    name = path.name.lower()
    if name.endswith(_GIFTI):
        found = _read_gifti(path)
    elif name.endswith(_VOLUMES):
        found = _read_image(path)
    else:
        found = MapFile(path, read_scalars(path), hemisphere=side_of(path))
    if found.values.dtype.kind not in "iufb":
        raise RequestError(f"{path} holds {found.values.dtype}, no numbers; choose another file.")
    return found


def side_of(path: Path) -> Hemisphere | None:
    """Return the hemisphere that a file's name states, as ``lh.x.mgz`` or ``x_hemi-R.gii``."""
    found = [h for h, pattern in _SIDES.items() if pattern.search(path.name)]
    return found[0] if len(found) == 1 else None


def corner_distance(
    shape: tuple[int, ...], first: NDArray[np.float64], second: NDArray[np.float64]
) -> float:
    """Return how far apart two affines put the corners of a grid, at most, in voxels of the first."""
    corners = np.array(list(np.ndindex(2, 2, 2)), float) * (np.array(shape[:3]) - 1)
    apart = corners @ (first - second)[:3, :3].T + (first - second)[:3, 3]
    voxel_mm = np.linalg.norm(first[:3, :3], axis=0).min()
    return float(np.linalg.norm(apart, axis=1).max() / max(voxel_mm, 1e-9))


def _space_of(path: Path) -> str:
    match = _SPACE_IN_NAME.search(path.name)
    return match[1] if match else ""


def _read_image(path: Path) -> MapFile:
    image = open_image(path)
    if isinstance(image, Cifti2Image):
        raise RequestError(
            f"{path} is a CIFTI file of grayordinates, and NSD has no way from fsLR; resample it to "
            "fsaverage with Workbench and save one GIFTI file a hemisphere."
        )
    values = _one_map(path, read_volume(path))
    # Big-endian files are common among MGH, and numba and torch know one order only.
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    is_labels = _holds_labels(image, values)
    if values.ndim == 1:
        return MapFile(
            path, values, is_labels=is_labels, hemisphere=side_of(path), space_name=_space_of(path)
        )
    affine, frame, cautions = _stated_affine(path, image)
    if affine is None:
        return MapFile(path, values, None, frame, is_labels, cautions=cautions)
    turned = nib.io_orientation(affine)
    back = nib.orientations.inv_ornt_aff(turned, values.shape)
    upright = nib.apply_orientation(values, turned)
    return MapFile(
        path, upright, affine @ back, frame, is_labels, space_name=_space_of(path),
        cautions=cautions,
    )  # fmt: skip


def _one_map(path: Path, values: NDArray[Any]) -> NDArray[Any]:
    """Return (X, Y, Z) or (n,): NIfTI files keep vertices as n × 1 × 1, one volume as X × Y × Z × 1."""
    shape = values.shape
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if shape[1:] in ((), (1,), (1, 1)):
        shape = shape[:1]
    if len(shape) not in (1, 3) or not values.size:
        raise RequestError(
            f"{path} has the shape {values.shape}; a layer needs one value a voxel or vertex, so "
            "choose one of its maps and save that alone."
        )
    return values.reshape(shape)


def _holds_labels(image: Any, values: NDArray[Any]) -> bool:
    header = image.header
    if isinstance(image, nib.Nifti1Image) and int(header["intent_code"]) == _LABELS:
        return True
    return are_whole(values)


def are_whole(values: NDArray[Any]) -> bool:
    """Whether values are few whole numbers, as those of regions are, whatever they are stored as."""
    if values.dtype.kind == "b":
        return True
    sample = values[np.isfinite(values)] if values.dtype.kind == "f" else values.ravel()
    if not sample.size or (values.dtype.kind == "f" and (sample != np.rint(sample)).any()):
        return False
    return len(np.unique(sample)) <= _MOST_LABELS


def _stated_affine(
    path: Path, image: Any
) -> tuple[NDArray[np.float64] | None, Frame, tuple[str, ...]]:
    """Return the affine, what its millimetres are, and what contradicts itself."""
    affine = np.asarray(image.affine, np.float64)
    cautions: list[str] = []
    if isinstance(image, nib.Nifti1Image):
        header = image.header
        codes = int(header["sform_code"]), int(header["qform_code"])
        frame = _frame(codes[0] or codes[1])
        if all(codes):
            by_q = np.asarray(header.get_qform(), np.float64)
            if corner_distance(image.shape, affine, by_q) > _SAME_VOXELS:
                cautions.append(
                    f"The sform and the qform of {path.name} put it in two places; the sform counts."
                )
    else:
        frame = Frame.SCANNER if int(image.header["goodRASFlag"]) == 1 else Frame.NOTHING
    if frame is Frame.NOTHING or _only_counts_voxels(affine):
        return None, Frame.NOTHING, tuple(cautions)
    volume_mm3 = abs(float(np.linalg.det(affine[:3, :3]))) if np.isfinite(affine).all() else 0.0
    if volume_mm3 < 1e-6:
        raise DataError(f"The affine in the header of {path} has no volume; save the map again.")
    return affine, frame, tuple(cautions)


def _frame(code: int) -> Frame:
    known = {each.value: each for each in Frame}
    # Code 5 is any other template.
    return known.get(code, Frame.ALIGNED)


def _only_counts_voxels(affine: NDArray[np.float64]) -> bool:
    """Whether an affine is what libraries write where nobody gave one: sizes without an origin."""
    plain = np.diag(np.diag(affine))
    return bool(np.allclose(affine, plain) and (np.diag(affine) > 0).all())


def _read_gifti(path: Path) -> MapFile:
    try:
        image = nib.load(path)
        arrays = list(image.darrays)
        metas = [dict(image.meta), *(dict(a.meta) for a in arrays)]
        data = [np.asarray(a.data) for a in arrays]
    except Exception as error:  # expat, zlib, base64 and nibabel raise many kinds for damage
        reason = " ".join(str(error).split())
        raise DataError(f"{path} is damaged or no GIFTI file ({reason}); save it again.") from error
    intents = {int(a.intent) for a in arrays}
    if intents & _GEOMETRY:
        raise RequestError(
            f"{path} is a surface and no map: it holds points and triangles; name a file with one "
            "value a vertex, such as .func.gii or .shape.gii."
        )
    if len(arrays) != 1:
        raise RequestError(
            f"{path} holds {len(arrays)} arrays where a layer needs one; save one map alone."
        )
    values = _one_map(path, data[0])
    if values.ndim != 1:
        raise RequestError(f"{path} has the shape {values.shape}, and GIFTI maps have vertices.")
    named, cautions = side_of(path), list[str]()
    stated: Hemisphere | None = None
    for meta in metas:
        stated = stated or _STRUCTURES.get(str(meta.get("AnatomicalStructurePrimary", "")))
    if stated and named and stated is not named:
        cautions.append(
            f"The metadata of {path.name} say the {stated.value}, its name the {named.value}; the "
            "metadata count."
        )
    spaces = (str(m.get(key, "")) for m in metas for key in ("SpaceName", "SurfaceSpace", "Space"))
    return MapFile(
        path, values.astype(values.dtype.newbyteorder("=")),
        is_labels=_LABELS in intents or are_whole(values), hemisphere=stated or named,
        space_name=next((s for s in spaces if s), "") or _space_of(path), cautions=tuple(cautions),
    )  # fmt: skip
