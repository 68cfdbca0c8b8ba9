"""Names of labels: NSD's plain tables, and the sets that are alike in every subject.

A table has one ``index name`` a line. It is no FreeSurfer colour table, whatever its suffix says.
"""

import re
import warnings
from pathlib import Path

from nsdviewer.data.layout import SubjectFiles
from nsdviewer.errors import DataWarning

# Labels of the hippocampus and the thalamus: drawn in volumes, so they know no ribbon.
SUBCORTICAL = ("MTL", "thalamus")
_EARLY = "V1v V1d V2v V2d V3v V3d hV4"
# As NSD's data manual lists them; the sets it does not list need their table.
_PUBLISHED = {
    "nsdgeneral": "nsdgeneral",
    "prf-visualrois": _EARLY,
    "prf-eccrois": "ecc0pt5 ecc1 ecc2 ecc4 ecc4+",
    "floc-faces": "OFA FFA-1 FFA-2 mTL-faces aTL-faces",
    "floc-words": "OWFA VWFA-1 VWFA-2 mfs-words mTL-words",
    "floc-places": "OPA PPA RSC",
    "floc-bodies": "EBA FBA-1 FBA-2 mTL-bodies",
    "streams": "early midventral midlateral midparietal ventral lateral parietal",
    "Kastner2015": f"{_EARLY} VO1 VO2 PHC1 PHC2 MST hMT LO2 LO1 V3b V3a "
    "IPS0 IPS1 IPS2 IPS3 IPS4 IPS5 SPL1 FEF",
}
PUBLISHED_NAMES: dict[str, dict[int, str]] = {
    collection: dict(enumerate(names.split(), start=1)) for collection, names in _PUBLISHED.items()
}
# Label sets on vertices that are recognised without a table.
SURFACE_COLLECTIONS = frozenset(
    (*PUBLISHED_NAMES, "HCP_MMP1", "corticalsulc", "visualsulc", "gVTC", "hVTC", "fVTC", "gEVC")
)
_INDEX = re.compile(r"[0-9]{1,9}")


def read_ctab(text: str) -> dict[int, str]:
    """Parse a table of label names: of each line, the first two tokens count.

    Lines that do not begin with a number and a name are skipped, and so is 0, "Unknown". The first
    of two lines with the same number holds.
    """
    names: dict[int, str] = {}
    for line in re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff")):
        tokens = line.split()
        if len(tokens) >= 2 and _INDEX.fullmatch(tokens[0]) and int(tokens[0]) > 0:
            names.setdefault(int(tokens[0]), tokens[1])
    return names


def label_names(files: SubjectFiles, collection: str) -> dict[int, str]:
    """Return label → name of a collection: from its table, else as published, else empty."""
    published = PUBLISHED_NAMES.get(collection, {})
    for path in table_paths(files, collection):
        names = _read_table(path, published) if path.is_file() else {}
        if names:
            # A table that lacks lines leaves the names that are the same for everybody.
            return {**published, **names}
    return dict(published)


def table_paths(files: SubjectFiles, collection: str) -> tuple[Path, ...]:
    """Where the table of a collection may be, the likeliest first."""
    if collection in SUBCORTICAL:
        return (files.root.templates / f"{collection}.ctab",)
    name = f"{collection}.mgz.ctab"
    return files.freesurfer / "label" / name, files.root.fsaverage / "label" / name


def _read_table(path: Path, published: dict[int, str]) -> dict[int, str]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        warnings.warn(
            f"The label names {path} cannot be read ({error.strerror}); labels go by number.",
            DataWarning,
            stacklevel=2,
        )
        return {}
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    names = read_ctab(text)
    if names and not text.endswith(("\n", "\r")):
        last = max(names)
        if published.get(last, "").startswith(names[last]):
            names[last] = published[last]
        else:
            warnings.warn(
                f"{path} does not end with a line end: its last name '{names[last]}' may be cut "
                "off; download it again.",
                DataWarning,
                stacklevel=2,
            )
    return names
