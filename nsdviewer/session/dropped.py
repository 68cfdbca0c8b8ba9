"""What a path is that a person drops onto the window: told from its header, executing nothing.

Only the beginning of a file is read, and of a figure what it bears of nsdviewer. Nothing but plain
files and folders is opened: a device or a pipe would be waited for.
"""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np

from nsdviewer.errors import NsdViewerError, RequestError
from nsdviewer.files import expanded
from nsdviewer.rendering.figure_notes import NOTED_SUFFIXES, read_noted
from nsdviewer.state import DocumentKind, read_document


class DroppedKind(Enum):
    """What is done with it; the values say so to people."""

    ROOT = "open the data folder"
    DOCUMENT = "open what was saved"
    MAP = "lay the map over the cortex"
    DECODER = "decode with it"
    ENCODER = "map with it"
    GENERATOR = "paint with it"
    TRAINING = "watch the training"
    REFUSED = "nothing is done"


@dataclass(frozen=True)
class Dropped:
    """One path.

    Attributes
    ----------
    path
        What is to be opened; of a root, its own folder.
    kind
        What it is good for.
    said
        One sentence: why nothing is done, or what is worth saying of it; "" for nothing.
    document
        Of a DOCUMENT, which.
    """

    path: Path
    kind: DroppedKind
    said: str = ""
    document: DocumentKind | None = None


_MAP_SUFFIXES = (".nii", ".nii.gz", ".mgh", ".mgz", ".gii", ".gii.gz")
_WEIGHT_SUFFIXES = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".bin")
_PICTURES = {b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"RIFF": "WebP"}
_CURV, _MESHES = b"\xff\xff\xff", (b"\xff\xff\xfe", b"\xff\xff\xfd")
# Loaded with scale and mask, a map of this size takes some gigabytes.
_MOST_VALUES = 400_000_000
# A larger one is opened by name; many files may be dropped at once.
_MOST_FIGURE_BYTES = 1 << 26
_LEVELS_UP, _LEVELS_DOWN, _MOST_ENTRIES = 8, 2, 500
_OTHERS = {
    ".mat": "MATLAB file", ".hdf5": "HDF5 file", ".h5": "HDF5 file", ".csv": "table",
    ".tsv": "table", ".zip": "archive", ".tar": "archive", ".gz": "archive", ".npz": "NumPy file",
    ".npy": "NumPy file", ".pdf": "PDF", ".svg": "drawing", ".annot": "FreeSurfer annotation",
    ".label": "FreeSurfer label", ".txt": "text", ".py": "program",
}  # fmt: skip
_OPENED = (
    "nsdviewer opens NSD folders, maps (NIfTI, GIFTI, MGH), models (.safetensors, diffusers "
    "folders), and views, sessions and figures that it saved"
)


def classify(path: Path) -> Dropped:
    """Say what a path is; never raises, and never waits for anything but the disk.

    A folder inside or above an NSD root stands for the root, which `Dropped.path` then names.
    """
    path = expanded(path).absolute()
    try:
        return _classify(path)
    except NsdViewerError as error:
        return _refused(path, str(error))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return _refused(path, f"{path} cannot be read ({reason}); check the file and its rights.")
    except Exception as error:  # whoever wrote the file may have meant it to break its reader
        reason = f"{type(error).__name__}: {error}"
        return _refused(path, f"{path} is damaged ({reason[:200]}); download or save it again.")


def refuse_address(text: str) -> Dropped:
    """Return what is said of an address that is no file on this machine."""
    short = text if len(text) <= 100 else text[:99] + "…"
    said = f"{short} is an address and no file here; download it first, then drop the file."
    return Dropped(Path(), DroppedKind.REFUSED, said)


def _refused(path: Path, said: str) -> Dropped:
    return Dropped(path, DroppedKind.REFUSED, said)


def _classify(path: Path) -> Dropped:
    try:
        status = path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            target = path.readlink()
            return _refused(path, f"{path} is a link to {target}, which is not there.")
        return _refused(path, f"There is nothing at {path}; it may have been moved.")
    if stat.S_ISDIR(status.st_mode):
        return _classify_folder(path)
    if not stat.S_ISREG(status.st_mode):
        return _refused(path, f"{path} is a device or a pipe and no file; drop a file or a folder.")
    if status.st_size == 0:
        return _refused(path, f"{path} is empty; download or save it again.")
    return _classify_file(path)


# --- folders ---------------------------------------------------------------------------------------


def _classify_folder(folder: Path) -> Dropped:
    if (folder / "model_index.json").is_file():
        return Dropped(folder, DroppedKind.GENERATOR)
    if (folder / "plan.json").is_file() and (folder / "log.jsonl").is_file():
        return Dropped(folder, DroppedKind.TRAINING)
    root = find_root(folder)
    if root is None:
        if not any(os.scandir(folder)):
            return _refused(folder, f"{folder} is an empty folder.")
        return _refused(
            folder,
            f"{folder} holds no NSD data: there is no folder 'nsddata' in it, below it or above it; "
            "drop the folder that holds 'nsddata'.",
        )
    said = "" if root == folder else f"The NSD folder of {folder} is {root}, which is opened."
    return Dropped(root, DroppedKind.ROOT, said)


def find_root(folder: Path) -> Path | None:
    """Return the NSD root that a folder is, lies in, or holds; None where there is none.

    Above all its parents are looked at; below, two levels of folders.
    """
    for place in (folder, *list(folder.parents)[:_LEVELS_UP]):
        if (place / "nsddata").is_dir():
            return place
    level = [folder]
    for _ in range(_LEVELS_DOWN):
        level = [child for place in level for child in _folders_in(place)][:_MOST_ENTRIES]
        found = [child for child in level if (child / "nsddata").is_dir()]
        if found:
            return sorted(found)[0]
    return None


def _folders_in(folder: Path) -> list[Path]:
    found: list[Path] = []
    try:
        with os.scandir(folder) as entries:
            for k, entry in enumerate(entries):
                if k == _MOST_ENTRIES:
                    break
                if not entry.name.startswith(".") and entry.is_dir():
                    found.append(Path(entry.path))
    except OSError:
        return found
    return found


# --- files -----------------------------------------------------------------------------------------


def _classify_file(path: Path) -> Dropped:
    name = path.name.lower()
    with path.open("rb") as stream:
        start = stream.read(512)
    if name.endswith(".json"):
        kind, _ = read_document(path)
        return Dropped(path, DroppedKind.DOCUMENT, document=kind)
    if name.endswith(_MAP_SUFFIXES):
        return _classify_map(path, start)
    if name.endswith(".safetensors"):
        return _classify_model(path)
    if name.endswith(NOTED_SUFFIXES) and path.stat().st_size <= _MOST_FIGURE_BYTES:
        with suppress(RequestError):
            kind, _ = read_noted(path)
            return Dropped(path, DroppedKind.DOCUMENT, document=kind)
    if name.endswith(NOTED_SUFFIXES) and _is_document(path.with_suffix(".json")):
        beside = path.with_suffix(".json").name
        return _refused(
            path, f"{path.name} is a drawing; drop {beside} beside it to open the same."
        )
    for magic, word in _PICTURES.items():
        if start.startswith(magic):
            return _refused(
                path,
                f"{path.name} is a {word} picture; pictures are found in the list of trials by what "
                "they show ('Search pictures', Ctrl+F), not by a file.",
            )
    if name.endswith(_WEIGHT_SUFFIXES):
        return _refused(path, _about_weights(path))
    if start[:3] == _CURV and len(start) > 15:
        return Dropped(path, DroppedKind.MAP)
    if start[:3] in _MESHES:
        return _refused(path, f"{path.name} is a FreeSurfer surface and no map; drop a map of it.")
    word = next((w for suffix, w in _OTHERS.items() if name.endswith(suffix)), "")
    root = find_root(path.parent)
    inside = f" To open the NSD folder that it lies in, drop {root}." if root else ""
    what = f"a {word}, which is not opened here" if word else "of no kind that is opened here"
    return _refused(path, f"{path.name} is {what}; {_OPENED}.{inside}")


def _is_document(path: Path) -> bool:
    try:
        return bool(read_document(path))
    except NsdViewerError:
        return False


def _about_weights(path: Path) -> str:
    return (
        f"{path.name} may hold a program and is not run; if it is a published LAFITE or StyleGAN2-ADA "
        f"generator, take its weights over with: nsdviewer import '{path}' --embedding NAME --out "
        f"{path.stem}.safetensors."
    )


def _classify_map(path: Path, start: bytes) -> Dropped:
    if path.name.lower().endswith((".gii", ".gii.gz")):
        if ".surf." in path.name.lower():
            return _refused(path, f"{path.name} is a surface and no map; drop a map of it.")
        if path.name.lower().endswith(".gii") and b"<" not in start:
            return _refused(path, f"{path} is damaged or no GIFTI file; save it again.")
        return Dropped(path, DroppedKind.MAP)
    from nsdviewer.data.formats.volumes import open_image

    shape = tuple(int(n) for n in open_image(path).shape)
    if not shape or min(shape) < 1:
        return _refused(path, f"{path} holds no values (shape {shape}); save it again.")
    if np.prod(np.array(shape, float)) > _MOST_VALUES:
        said = " × ".join(map(str, shape))
        return _refused(path, f"{path} has {said} values, too many for a map; save one map alone.")
    if len(shape) > 3 and max(shape[3:]) > 1:
        n = int(np.prod(shape[3:]))
        return _refused(
            path, f"{path.name} holds {n:,} volumes where a map is one; save one of them alone."
        )
    return Dropped(path, DroppedKind.MAP)


def _classify_model(path: Path) -> Dropped:
    from nsdviewer.models.checkpoints import read_header
    from nsdviewer.models.painting import GENERATOR_KINDS

    kind = str(read_header(path).get("kind"))
    if kind in GENERATOR_KINDS:
        return Dropped(path, DroppedKind.GENERATOR)
    if kind == "prior":
        return _refused(
            path,
            f"{path.name} is a prior, which the window does not use; decode with it by: nsdviewer "
            f"decode ROOT --prior '{path}'.",
        )
    fitting = {"decoder": DroppedKind.DECODER, "encoder": DroppedKind.ENCODER}.get(kind)
    if fitting is None:
        return _refused(
            path, f"{path.name} holds a {kind}, which is no decoder, encoder or generator."
        )
    return Dropped(path, fitting)
