"""Which sessions of betas are there, and what stands beside them."""

from collections import defaultdict

from nsdviewer.data.layout import SURFACE_SPACES, BetaFile, SubjectFiles
from nsdviewer.data.trials.design import TRIALS_PER_SESSION, legacy_sessions
from nsdviewer.data.trials.table import LEGACY_SPLIT
from nsdviewer.data.verify.findings import Level, Notebook, Topic, ranges, sessions_are
from nsdviewer.data.verify.published import SUBJECTS
from nsdviewer.data.verify.report import BetasHere
from nsdviewer.data.verify.scan import Scan
from nsdviewer.state import BetaVersion, Experiment, Hemisphere, Space


def check_sessions(
    book: Notebook, files: SubjectFiles, scan: Scan, n_rows: int | None
) -> tuple[BetasHere, ...]:
    """Compare the sessions of every space and version with the published ones.

    Parameters
    ----------
    n_rows
        Trials that the response table speaks of; None without one.
    """
    found = []
    for space in Space:
        for version in BetaVersion:
            here = [f for f in files.beta_files(space, version) if f.path.exists()]
            if here:
                found.append(_check(book, files, space, version, here))
                _note_twice(book, files, space, version, scan)
    core = [b for b in found if b.version.experiment is Experiment.CORE]
    if not core:
        what = f"there are no betas of {files.name}, without which nothing can be shown"
        step = "download a folder 'func1pt8mm/betas_fithrf_GLMdenoise_RR'"
        folder = files.betas_folder(Space.FUNC1PT8MM, BetaVersion.B3)
        args = (Level.MISSING, Topic.SESSIONS, what, step)
        book.add(*args, path=folder, subject=files.number, is_required=True)
    last = max((max(b.sessions) for b in core), default=0)
    if n_rows is not None and n_rows < last * TRIALS_PER_SESSION:
        what = f"it ends with session {n_rows // TRIALS_PER_SESSION}, but there are betas of {last}"
        step = "it is of an older release: download it again"
        path = files.responses_file
        book.add(Level.WARNING, Topic.SESSIONS, what, step, path=path, subject=files.number)
    return tuple(found)


def _check(
    book: Notebook,
    files: SubjectFiles,
    space: Space,
    version: BetaVersion,
    here: list[BetaFile],
) -> BetasHere:
    sessions = sorted({f.session for f in here})
    storages = tuple(sorted({f.storage.value for f in here}))
    known = SUBJECTS.get(files.number)
    expected = known.n_sessions if known and version.experiment is Experiment.CORE else None
    if space in SURFACE_SPACES:
        _check_sides(book, files, space, version, here)
    if version.experiment is Experiment.CORE:
        _compare(book, files, space, version, sessions, expected)
        _check_companions(book, files, space, version, sessions)
    return BetasHere(space, version, tuple(sessions), expected, storages)


def _check_sides(
    book: Notebook,
    files: SubjectFiles,
    space: Space,
    version: BetaVersion,
    here: list[BetaFile],
) -> None:
    by_side = {h: {f.session for f in here if f.hemisphere is h} for h in Hemisphere}
    for side, other in ((Hemisphere.LEFT, Hemisphere.RIGHT), (Hemisphere.RIGHT, Hemisphere.LEFT)):
        lacking = sorted(by_side[other] - by_side[side])
        if lacking:
            what = f"the {side.name.lower()} hemisphere of session {ranges(lacking)} is missing"
            _miss(book, files, space, version, what, f"download '{side.value}.betas_*'")


def _compare(
    book: Notebook,
    files: SubjectFiles,
    space: Space,
    version: BetaVersion,
    sessions: list[int],
    expected: int | None,
) -> None:
    folder, subject = files.betas_folder(space, version), files.number
    gaps = sorted(set(range(1, max(sessions))) - set(sessions))
    if gaps:
        what = f"{sessions_are(gaps)} missing before session {max(sessions)}"
        step = "download them"
        book.add(Level.WARNING, Topic.SESSIONS, what, step, path=folder, subject=subject)
    if expected is None:
        return
    if max(sessions) > expected:
        what = f"there is a session {max(sessions)}, where {expected} are published"
        step = "see that the files are in the right subject's folder"
        book.add(Level.WARNING, Topic.SESSIONS, what, step, path=folder, subject=subject)
        return
    later = list(range(max(sessions) + 1, expected + 1))
    if not later:
        if not gaps:
            what = f"all {expected} sessions are here"
            book.add(Level.OK, Topic.SESSIONS, what, path=folder, subject=subject)
        return
    if book.is_simulated:
        what = f"{len(sessions)} sessions were simulated; the real subject did {expected}"
        book.add(Level.NOTE, Topic.SESSIONS, what, path=folder, subject=subject)
    elif not gaps and len(sessions) == legacy_sessions(subject):
        what = (
            f"{len(sessions)} of {expected} sessions are here: a download from before August 2023, "
            f"to which the split {LEGACY_SPLIT} applies"
        )
        step = f"download session {ranges(later)} for the full split"
        book.add(Level.NOTE, Topic.SESSIONS, what, step, path=folder, subject=subject)
    else:
        what = f"{sessions_are(later)} missing, of {expected}"
        _miss(book, files, space, version, what, "download them")


def _check_companions(
    book: Notebook,
    files: SubjectFiles,
    space: Space,
    version: BetaVersion,
    sessions: list[int],
) -> None:
    if space in SURFACE_SPACES:
        paths = [files.ncsnr(space, version, side) for side in Hemisphere]
    else:
        paths = [] if space is Space.MNI else [files.ncsnr(space, version)]
        masks = {s: files.valid_mask(space, s) for s in sessions}
        lacking = [s for s, mask in masks.items() if not mask.exists()]
        if lacking:
            what = (
                f"the valid masks of session {ranges(lacking)} are missing: voxels without data are "
                "known by their zeros only"
            )
            path = masks[lacking[0]].parent
            args = (Level.MISSING, Topic.SESSIONS, what, "download 'valid_sessionNN.nii.gz'")
            book.add(*args, path=path, subject=files.number)
    names = [path.name for path in paths if not path.exists()]
    if names:
        what = f"{' and '.join(names)} missing: reliability has to be recomputed"
        _miss(book, files, space, version, what, "download it")


def _miss(
    book: Notebook,
    files: SubjectFiles,
    space: Space,
    version: BetaVersion,
    what: str,
    step: str,
) -> None:
    folder = files.betas_folder(space, version)
    book.add(Level.MISSING, Topic.SESSIONS, what, step, path=folder, subject=files.number)


def _note_twice(
    book: Notebook, files: SubjectFiles, space: Space, version: BetaVersion, scan: Scan
) -> None:
    """Note sessions that are there in several formats, and which of them is read."""
    folder = files.betas_folder(space, version)
    by_stem: dict[str, list[str]] = defaultdict(list)
    for facts in scan.below(book.relative(folder)):
        if facts.location is not None and facts.location.is_betas:
            side = facts.path.name[:3] if facts.path.name[:3] in ("lh.", "rh.") else ""
            by_stem[side + facts.path.name.removeprefix(side).split(".")[0]].append(facts.path.name)
    used = {f.path.name for f in files.beta_files(space, version)}
    twice = {stem: names for stem, names in by_stem.items() if len(names) > 1}
    if twice:
        kept = sorted({n.split(".", 1)[-1] for names in twice.values() for n in names if n in used})
        count = "one session is" if len(twice) == 1 else f"{len(twice)} sessions are"
        what = f"{count} there in several formats, of which {' and '.join(kept)} is read"
        book.add(Level.NOTE, Topic.SESSIONS, what, path=folder, subject=files.number)
