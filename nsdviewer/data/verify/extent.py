"""Which optional parts of a subject are there: surfaces, transforms, labels, time series."""

from nsdviewer.data.layout import SubjectFiles
from nsdviewer.data.spaces.places import ANATOMICAL, DEPTHS, FUNCTIONAL, Sampling
from nsdviewer.data.surfaces.meshes import list_shapes
from nsdviewer.data.verify.findings import Level, Notebook, Topic, listed
from nsdviewer.data.verify.scan import Scan
from nsdviewer.state import Hemisphere

# What is drawn, and what data are moved along.
_SHAPES = ("white", "pial", "inflated", "sphere", "layerB1", "layerB2", "layerB3")
_FLAT = "full.flat.patch.3d"


def published_transforms() -> tuple[str, ...]:
    """Return the stems of all transform files that NSD has of a subject."""
    anat = [kind.value for kind in ANATOMICAL]
    func = [kind.value for kind in FUNCTIONAL]
    mni = [Sampling.MNI.value]
    volumes = [(a, b) for a in (anat, func, mni) for b in (anat, func, mni) if a is not b]
    stems = [f"{a}-to-{b}" for first, second in volumes for a in first for b in second]
    surfaces = [Sampling.WHITE, Sampling.PIAL, *DEPTHS]
    for side in Hemisphere:
        h = side.value
        stems += [f"{h}.{a}-to-{b.value}" for a in (*mni, *anat, *func) for b in surfaces]
        stems += [f"{h}.fsaverage-to-white", f"{h}.white-to-fsaverage"]
    return tuple(stems)


def check_transforms(book: Notebook, files: SubjectFiles, scan: Scan) -> tuple[int, int]:
    """Note which transforms are missing; returns how many are there, and are published."""
    folder = files.ppdata / "transforms"
    stems = published_transforms()
    # A damaged file is there, too.
    here = {
        name.removesuffix(".gz").rsplit(".", 1)[0]
        for name in (p.name for p in (folder.iterdir() if folder.is_dir() else ()))
        if name.endswith((".nii", ".nii.gz", ".mgz", ".mgh"))
    }
    lacking = [stem for stem in stems if stem not in here]
    if lacking:
        text = listed(lacking) if here else "all"
        what = f"of {len(stems)} transforms, these are missing: {text}"
        args = (Level.MISSING, Topic.FILES, what, "download them to map between these spaces")
        book.add(*args, path=folder, subject=files.number)
    return len(stems) - len(lacking), len(stems)


def check_surfaces(book: Notebook, files: SubjectFiles) -> tuple[str, ...]:
    """Note which surfaces are missing; returns the shapes that are there."""
    lacking = []
    for side in Hemisphere:
        here = list_shapes(files.freesurfer, side)
        lacking += [f"{side.value}.{name}" for name in (*_SHAPES, _FLAT) if name not in here]
    if lacking:
        all_missing = len(lacking) == 2 * (len(_SHAPES) + 1)
        what = f"surfaces are missing: {'all' if all_missing else listed(lacking)}"
        folder = files.freesurfer / "surf"
        args = (Level.MISSING, Topic.FILES, what, "download them to see the cortex in these shapes")
        book.add(*args, path=folder, subject=files.number)
    return list_shapes(files.freesurfer)


def count_timeseries(book: Notebook, files: SubjectFiles, scan: Scan) -> int:
    """Return the number of runs of time series, of all functional spaces."""
    runs = scan.below(book.relative(files.timeseries))
    return sum("/timeseries/timeseries_" in facts.relative for facts in runs)
