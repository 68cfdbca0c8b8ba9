"""Regions of interest: collections of labels, and masks by expression.

In a volume −1 means "not cortex", 0 "cortex without a label", 1..N a label. Only the lh./rh. files
know the hemisphere.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.layout import SubjectFiles
from nsdviewer.data.volumes import read_volume
from nsdviewer.errors import RequestError
from nsdviewer.state import Hemisphere, Space

_TOKEN = re.compile(r"\s*([&|!()]|[A-Za-z0-9_+.:-]+)")
_TEMPLATES = ("MTL", "thalamus")
# Where a label stands in several collections, the subject's own localisers come before atlases.
_OWN_FIRST = ("prf-", "floc-", "nsdgeneral", "streams")


@dataclass(frozen=True)
class RoiCollection:
    """One collection on one grid.

    Attributes
    ----------
    labels
        X × Y × Z int32: −1, 0, 1..N.
    names
        Label → name, 0 excluded; a name without voxels is legal.
    """

    name: str
    labels: NDArray[np.int32]
    names: dict[int, str]


def list_collections(files: SubjectFiles, space: Space) -> tuple[str, ...]:
    """Return the names of the collections on disk, the subject's own localisers first."""
    folder = files.ppdata / space.value / "roi"
    names = {p.name.removesuffix(".nii.gz") for p in folder.glob("*.nii.gz")}
    both = (n for n in names if not n.startswith(("lh.", "rh.")))
    return tuple(sorted(both, key=lambda n: (not n.startswith(_OWN_FIRST), n)))


def read_ctab(text: str) -> dict[int, str]:
    """Parse NSD's label names: ``index name`` a line, of which two tokens count.

    This is not a FreeSurfer colour table; the rest of a line may be blanks.
    """
    names = {}
    for line in text.splitlines():
        parts = line.split(None, 1)
        if len(parts) == 2 and parts[0].lstrip("-").isdigit():
            # Thalamus labels are two words; a trailing blank or tab is noise.
            names[int(parts[0])] = parts[1].strip()
    names.pop(0, None)
    return names


@lru_cache(maxsize=64)
def load_collection(
    files: SubjectFiles, space: Space, name: str, hemisphere: Hemisphere | None = None
) -> RoiCollection:
    """Read one ROI collection; raises `RequestError` for an unknown name."""
    path = files.roi(space, name, hemisphere)
    if not path.exists():
        here = ", ".join(list_collections(files, space)) or "none"
        raise RequestError(
            f"There is no ROI collection '{name}' in {path.parent} (there: {here}); choose one of "
            "these."
        )
    # Surface-derived volumes are stored as floats.
    labels = np.rint(np.nan_to_num(read_volume(path), nan=-1)).astype(np.int32)
    return RoiCollection(name, labels, _load_names(files, name, labels))


def _load_names(files: SubjectFiles, name: str, labels: NDArray[np.int32]) -> dict[int, str]:
    if name in _TEMPLATES:
        candidates = [files.root.path / "nsddata" / "templates" / f"{name}.ctab"]
    else:
        freesurfer = files.freesurfer
        candidates = [
            freesurfer / "label" / f"{name}.mgz.ctab",
            freesurfer.parent / "fsaverage" / "label" / f"{name}.mgz.ctab",
        ]
    for path in candidates:
        if path.exists():
            return read_ctab(path.read_text(encoding="utf-8", errors="replace"))
    return {int(k): f"{name} {k}" for k in np.unique(labels) if k > 0}


def roi_mask(files: SubjectFiles, space: Space, expression: str) -> NDArray[np.bool_]:
    """Return the X × Y × Z mask that `expression` names.

    ``nsdgeneral``, ``prf-visualrois:V1v``, ``lh.floc-faces``, ``brainmask``, ``cortex`` (the
    ribbon), combined by ``&``, ``|``, ``!`` and brackets. A bare label name such as ``FFA-1`` is
    looked up in all collections.

    Raises
    ------
    RequestError
        If a name is unknown or the expression cannot be read.
    """
    tokens = _tokenise(expression)
    parser = _Parser(tokens, lambda name: _named_mask(files, space, name))
    mask = parser.parse_or()
    if parser.position != len(tokens):
        raise RequestError(
            f"The ROI expression '{expression}' cannot be read at '{tokens[parser.position]}'; "
            "join names with & or |."
        )
    return mask


def roi_names(files: SubjectFiles, space: Space) -> dict[str, tuple[str, int]]:
    """Return label name → (collection, label) for every label that has voxels."""
    found: dict[str, tuple[str, int]] = {}
    for name in list_collections(files, space):
        collection = load_collection(files, space, name)
        present = np.unique(collection.labels)
        for label, label_name in collection.names.items():
            if label in present:
                found.setdefault(label_name, (name, label))
    return found


def _named_mask(files: SubjectFiles, space: Space, name: str) -> NDArray[np.bool_]:
    if name == "brainmask":
        return np.asarray(read_volume(files.volume(space, "brainmask")) > 0)
    if name == "cortex":
        return np.asarray(load_collection(files, space, "nsdgeneral").labels >= 0)
    prefix, _, rest = name.partition(".")
    hemisphere = Hemisphere(prefix) if rest and prefix in ("lh", "rh") else None
    collection_name, _, label_name = (rest if hemisphere else name).partition(":")
    if files.roi(space, collection_name, hemisphere).exists():
        collection = load_collection(files, space, collection_name, hemisphere)
        if not label_name:
            return np.asarray(collection.labels > 0)
        for label, known in collection.names.items():
            if known == label_name:
                return np.asarray(collection.labels == label)
        raise RequestError(
            f"'{collection_name}' has no label '{label_name}'; it has: "
            f"{', '.join(collection.names.values())}."
        )
    labels = roi_names(files, space)
    if not label_name and collection_name in labels:
        owner, label = labels[collection_name]
        return np.asarray(load_collection(files, space, owner, hemisphere).labels == label)
    here = ", ".join(list_collections(files, space)) or "none"
    raise RequestError(
        f"There is no ROI '{name}' for {files.name} (collections: {here}); write COLLECTION or "
        "COLLECTION:LABEL."
    )


def _tokenise(expression: str) -> list[str]:
    tokens, position = [], 0
    while expression[position:].strip():
        match = _TOKEN.match(expression, position)
        if not match:
            raise RequestError(
                f"The ROI expression '{expression}' cannot be read at "
                f"'{expression[position:].strip()}'."
            )
        tokens.append(match.group(1))
        position = match.end()
    if not tokens:
        raise RequestError("The ROI expression is empty; write for example nsdgeneral.")
    return tokens


class _Parser:
    """Recursive descent over ``a | b & !c``, ``&`` binding closer than ``|``."""

    def __init__(self, tokens: list[str], lookup: Callable[[str], NDArray[np.bool_]]) -> None:
        self.tokens = tokens
        self.lookup = lookup
        self.position = 0

    def _peek(self) -> str | None:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def parse_or(self) -> NDArray[np.bool_]:
        mask = self._parse_and()
        while self._peek() == "|":
            self.position += 1
            mask = mask | self._parse_and()
        return mask

    def _parse_and(self) -> NDArray[np.bool_]:
        mask = self._parse_one()
        while self._peek() == "&":
            self.position += 1
            mask = mask & self._parse_one()
        return mask

    def _parse_one(self) -> NDArray[np.bool_]:
        token = self._peek()
        if token is None or token in "&|)":
            raise RequestError("The ROI expression ends where a name is expected.")
        self.position += 1
        if token == "!":
            return ~self._parse_one()
        if token == "(":
            mask = self.parse_or()
            if self._peek() != ")":
                raise RequestError("The ROI expression lacks a closing bracket.")
            self.position += 1
            return mask
        return self.lookup(token)
