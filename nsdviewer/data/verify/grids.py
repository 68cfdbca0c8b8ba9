"""Whether the files of one place have one grid, their axes and types, and NSD's NIfTI headers."""

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from nsdviewer.data.formats.volumes import open_image
from nsdviewer.data.spaces.transforms import read_pullback, read_vertex_numbers
from nsdviewer.data.trials.design import TRIALS_PER_SESSION
from nsdviewer.data.verify import published
from nsdviewer.data.verify.findings import Level, Notebook, Topic, grid_text, listed
from nsdviewer.data.verify.scan import FileFacts, NiftiCodes, Scan
from nsdviewer.jobs import Progress
from nsdviewer.state import BetaVersion, Experiment, Space

# (place, owner), as in `places.Location`.
Key = tuple[str, str]
Grids = dict[Key, tuple[int, ...]]
_ATOL_MM = 1e-3
# Larger warps are not looked into: that would take minutes.
_MOST_WARP_BYTES = 1 << 31
# What has NSD's headers; raw data and tractography were written by others.
_BY_NSD = ("nsddata/ppdata/", "nsddata_betas/", "nsddata_timeseries/")


def check_grids(book: Notebook, scan: Scan) -> Grids:
    """Compare the files of each place with each other, and return the places' grids."""
    by_place: dict[Key, list[FileFacts]] = defaultdict(list)
    for facts in scan.facts.values():
        if facts.location is not None and facts.shape and _has_right_form(book, facts):
            by_place[facts.location.place, facts.location.owner].append(facts)
    grids: Grids = {}
    for key, members in by_place.items():
        grids[key] = _common_grid(members)
        n_axes = len(grids[key])
        for facts in members:
            if facts.shape[:n_axes] != grids[key]:
                _note_odd_grid(book, facts, key[0], grids[key], len(members))
    for owner in sorted({owner for _, owner in grids}):
        _compare_with_published(book, owner, {k[0]: g for k, g in grids.items() if k[1] == owner})
    n_files = sum(map(len, by_place.values()))
    if n_files and not any(f.topic is Topic.GRIDS for f in book.findings):
        what = f"{n_files} files on {len(by_place)} grids and meshes agree in their sizes"
        book.add(Level.OK, Topic.GRIDS, what)
    return grids


def _common_grid(members: list[FileFacts]) -> tuple[int, ...]:
    """Return the grid that most files have; among equals, that of the brain mask."""
    n_axes = 3 if members[0].location and members[0].location.is_volume else 1
    votes: Counter[tuple[int, ...]] = Counter()
    for facts in members:
        is_reference = Path(facts.relative).name.startswith("brainmask")
        votes[facts.shape[:n_axes]] += 3 if is_reference else 2
    return votes.most_common(1)[0][0]


def _note_odd_grid(
    book: Notebook, facts: FileFacts, place: str, grid: tuple[int, ...], n_files: int
) -> None:
    sizes = "grid" if len(grid) == 3 else "number of vertices"
    what = (
        f"its {sizes} is {grid_text(facts.shape[: len(grid)])}, where most of the {n_files} files "
        f"of {place} have {grid_text(grid)}"
    )
    step = "it belongs to another subject or space: download it again"
    book.add(Level.DAMAGED, Topic.GRIDS, what, step, path=facts.path, subject=facts.subject)


def _has_right_form(book: Notebook, facts: FileFacts) -> bool:
    """Note a wrong number of axes, type or number of trials; whether the axes are right."""
    location, again = facts.location, "download it again"
    assert location is not None
    if location.n_axes is not None and len(facts.shape) != location.n_axes:
        what = f"its shape is {grid_text(facts.shape)}, where {location.n_axes} axes are expected"
        book.add(Level.DAMAGED, Topic.GRIDS, what, again, path=facts.path, subject=facts.subject)
        return False
    if "/transforms/" in facts.relative:
        n_values = 1 if "fsaverage" in Path(facts.relative).name else 3
        if (facts.shape[-1] if len(facts.shape) > 1 else 1) != n_values:
            what = f"its shape is {grid_text(facts.shape)}, where {n_values} at the end is expected"
            book.add(
                Level.DAMAGED, Topic.GRIDS, what, again, path=facts.path, subject=facts.subject
            )
            return False
    if location.is_betas:
        _check_betas(book, facts)
    elif facts.dtype is not None and facts.dtype.kind not in "iufb":
        what = f"it holds {facts.dtype}, which is no number"
        book.add(Level.DAMAGED, Topic.GRIDS, what, again, path=facts.path, subject=facts.subject)
    return True


def _check_betas(book: Notebook, facts: FileFacts) -> None:
    again = "download it again"
    is_percent = facts.path.suffix in (".mgh", ".mgz")
    expected = np.dtype(np.float32 if is_percent else np.int16)
    if facts.dtype is not None and facts.dtype.newbyteorder("=") != expected:
        what = f"it holds {facts.dtype}, where NSD's betas of this kind are {expected}"
        book.add(Level.DAMAGED, Topic.GRIDS, what, again, path=facts.path, subject=facts.subject)
    folder = facts.path.parent.name
    version = next((v for v in BetaVersion if v.value == folder), None)
    n_trials = facts.shape[-1]
    if version is not None and version.experiment is Experiment.CORE:
        if n_trials != TRIALS_PER_SESSION:
            what = f"it holds {n_trials} trials, where a session has {TRIALS_PER_SESSION}"
            book.add(
                Level.DAMAGED, Topic.GRIDS, what, again, path=facts.path, subject=facts.subject
            )
    elif version is not None and version.experiment is Experiment.SYNTHETIC:
        expected_trials = published.N_SYNTHETIC_TRIALS
        if n_trials != expected_trials:
            what = f"it holds {n_trials} trials, where {expected_trials} are published"
            book.differs(what, again, path=facts.path, subject=facts.subject)


def _compare_with_published(book: Notebook, owner: str, grids: dict[str, tuple[int, ...]]) -> None:
    """Compare the grids of a subject, or those that all subjects share."""
    subject = int(owner[-2:]) if owner.startswith("subj") else None
    other = []
    for place, grid in sorted(grids.items()):
        expected = _published_grid(place, subject)
        if expected is not None and grid != expected:
            other.append(f"{place} {grid_text(grid)} ({grid_text(expected)})")
    if other:
        what = f"sizes are not as published (in brackets): {listed(other)}"
        step = "see that these are the subject's own files"
        folder = book.root / "nsddata" / "ppdata" / owner if owner else None
        book.differs(what, step if owner else "", path=folder, subject=subject)


def _published_grid(place: str, subject: int | None) -> tuple[int, ...] | None:
    if place in published.ANAT_GRIDS:
        return published.ANAT_GRIDS[place]
    if place == Space.MNI.value:
        return published.MNI_GRID
    side, _, surface = place.partition(".")
    if surface == Space.FSAVERAGE.value:
        return (published.N_FSAVERAGE_VERTICES,)
    known = published.SUBJECTS.get(subject or 0)
    if known is None:
        return None
    if surface:
        return (known.n_vertices[0 if side == "lh" else 1],)
    return known.grid(Space(place))


# --- headers -----------------------------------------------------------------------------------


def check_headers(book: Notebook, scan: Scan) -> None:
    """Note NIfTI headers that NSD's own programs did not write, by folder and kind."""
    odd: dict[tuple[int | None, str, str], list[str]] = defaultdict(list)
    n_looked = 0
    for facts in scan.facts.values():
        if facts.codes is None or not facts.relative.startswith(_BY_NSD):
            continue
        n_looked += 1
        for what in _deviations(facts, facts.codes):
            folder, _, name = facts.relative.rpartition("/")
            odd[facts.subject, folder, what].append(name)
    step = "another program saved it: download it again if in doubt"
    for (subject, folder, what), names in odd.items():
        path = book.root / folder
        if len(names) == 1:
            path, text = path / names[0], what
        else:
            text = f"{what} in {len(names)} files ({listed(names, 3)})"
        book.add(Level.WARNING, Topic.HEADERS, text, step, path=path, subject=subject)
    if n_looked and not odd:
        book.add(Level.OK, Topic.HEADERS, f"{n_looked} NIfTI headers are as NSD writes them")


def _deviations(facts: FileFacts, codes: NiftiCodes) -> list[str]:
    found = []
    if codes.sform != 1:
        found.append(f"sform_code is {codes.sform}, where NSD writes 1")
    if codes.qform != 0:
        found.append(f"qform_code is {codes.qform}, where NSD writes 0")
    slope, intercept = codes.scaling
    if slope not in (None, 1.0) or intercept not in (None, 0.0):
        found.append(f"values are scaled by {slope} and {intercept}, where NSD scales nothing")
    place = facts.location.place if facts.location else ""
    # Warps relate two spaces, and the template's origin is its own.
    has_rule = place and place != Space.MNI.value and "/transforms/" not in facts.relative
    if has_rule and not _is_centred(codes, facts.shape[:3]):
        found.append("the affine does not put the origin into the middle of the slab")
    return found


def _is_centred(codes: NiftiCodes, grid: tuple[int, ...]) -> bool:
    voxel_mm = np.diag(codes.affine)[:3]
    expected = np.diag([*voxel_mm, 1.0])
    expected[:3, 3] = -(np.array(grid) - 1) / 2 * voxel_mm
    is_cubic = np.allclose(voxel_mm, voxel_mm[0], atol=_ATOL_MM) and voxel_mm[0] > 0
    return bool(is_cubic and np.allclose(codes.affine, expected, atol=_ATOL_MM * max(grid)))


# --- where transforms point --------------------------------------------------------------------


def check_transform_sources(
    book: Notebook, scan: Scan, grids: Grids, quick: bool, progress: Progress
) -> None:
    """Compare where transforms point with the size of what they point into."""
    wanted = [f for f in scan.facts.values() if "/transforms/" in f.relative and f.location]
    for number, facts in enumerate(wanted):
        progress.report(number / len(wanted), f"following {facts.path.name}")
        is_volume = facts.location is not None and facts.location.is_volume
        if is_volume and (quick or _values_bytes(facts) > _MOST_WARP_BYTES):
            continue
        source = _source_grid(facts, grids)
        if source is None or book.relative(facts.path) in book.damaged:
            continue
        with book.guard(Topic.GRIDS, facts.path, facts.subject):
            largest = _largest_index(facts, len(source))
            outside = [n > size for n, size in zip(largest, source, strict=True)]
            if any(outside):
                what = (
                    f"it points to {grid_text(largest)}, where its source has {grid_text(source)}"
                )
                step = "it belongs to another subject or space: download it again"
                args = (Level.WARNING, Topic.GRIDS, what, step)
                book.add(*args, path=facts.path, subject=facts.subject)


def _values_bytes(facts: FileFacts) -> int:
    return int(np.prod(facts.shape, dtype=np.int64)) * 4


def _source_grid(facts: FileFacts, grids: Grids) -> tuple[int, ...] | None:
    stem = facts.path.name.split("-to-")[0]
    side, _, source = stem.rpartition(".")
    if side:
        is_native = source == "white"
        surface = Space.NATIVESURFACE.value if is_native else source
        if is_native or source == Space.FSAVERAGE.value:
            owner = facts.relative.split("/")[2] if is_native else ""
            return grids.get((f"{side}.{surface}", owner))
    names = {"func1pt0": Space.FUNC1MM.value, "func1pt8": Space.FUNC1PT8MM.value}
    place = names.get(source, source)
    owner = "" if place == Space.MNI.value else facts.relative.split("/")[2]
    return grids.get((place, owner))


def _largest_index(facts: FileFacts, n_axes: int) -> tuple[int, ...]:
    """Return the largest 1-based index that a transform names, by axis of its source."""
    if n_axes == 1:
        return (int(read_vertex_numbers(facts.path).max()) + 1,)
    if facts.location is not None and not facts.location.is_volume:
        coordinates = read_pullback(facts.path)
    else:
        middle = facts.shape[2] // 2
        stored = np.asarray(open_image(facts.path).dataobj[:, :, middle, :], np.float64)
        coordinates = np.where(stored == 9999, np.nan, stored) - 1
    flat = coordinates.reshape(-1, 3)
    flat = flat[np.isfinite(flat).all(axis=1)]
    if not len(flat):
        return (0,) * 3
    return tuple(int(n) for n in np.floor(flat.max(axis=0) + 0.5) + 1)
