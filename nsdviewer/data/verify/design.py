"""Design, picture table, behaviour and pictures: each by itself, and against each other."""

import re

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nsdviewer.data.formats.hdf5 import open_hdf5
from nsdviewer.data.formats.number_tables import read_numbers
from nsdviewer.data.formats.tables import read_table, to_numbers
from nsdviewer.data.layout import NsdRoot, SubjectFiles
from nsdviewer.data.trials.design import (
    SESSIONS_OF_SUBJECT,
    TRIALS_PER_RUN,
    TRIALS_PER_SESSION,
    Design,
    read_design,
)
from nsdviewer.data.trials.picture_table import read_pictures
from nsdviewer.data.trials.table import build_trial_table
from nsdviewer.data.verify import published
from nsdviewer.data.verify.findings import Level, Notebook, Topic, grid_text, listed, ranges
from nsdviewer.data.verify.scan import Scan

_BOTH = "one of the two is damaged or of another release: download both again"


def check_design(book: Notebook, root: NsdRoot) -> Design | None:
    """Check the design; None where it is missing or damaged."""
    path = root.design_file
    if not path.exists():
        what, step = "the design is missing, without which nothing can be shown", "download it"
        book.add(Level.MISSING, Topic.DESIGN, what, step, path=path, is_required=True)
        return None
    design = None
    with book.guard(Topic.DESIGN, path):
        design = read_design(root)
        n_before = len(book.findings)
        _check_invariants(book, root, design)
        _check_sets(book, root, design)
        if len(book.findings) == n_before:
            what = "the design is consistent, and its sets have the published sizes"
            book.add(Level.OK, Topic.DESIGN, what, path=path)
    return design


def _check_invariants(book: Notebook, root: NsdRoot, design: Design) -> None:
    """Note what differs from NSD's sizes, and what breaks its rules at any size."""
    path, again = root.design_file, "see that it is NSD's own file"
    sizes = {
        "planned trials": (len(design.image_10k), published.N_PLANNED_TRIALS),
        "subjects": (len(design.nsd_id), len(published.SUBJECTS)),
        "pictures a subject": (design.nsd_id.shape[1], published.N_IMAGES_10K),
        "shared pictures": (len(design.shared), published.N_SHARED),
        "pictures in all": (len(np.unique(design.nsd_id)), published.N_PICTURES),
        "as the first shared picture": (int(design.shared.min()) + 1, published.SHARED_FIRST),
        "as the last shared picture": (int(design.shared.max()) + 1, published.SHARED_LAST),
    }
    other = [f"{n} {name} ({wanted})" for name, (n, wanted) in sizes.items() if n != wanted]
    if other:
        what = f"it has {', '.join(other)}; the published numbers are in brackets"
        book.differs(what, again, path=path)
    broken = []
    counts = np.bincount(design.image_10k, minlength=design.nsd_id.shape[1])
    if (counts != published.N_REPETITIONS).any():
        n = int((counts != published.N_REPETITIONS).sum())
        broken.append(f"{n} pictures are not planned exactly {published.N_REPETITIONS} times")
    if (np.diff(design.shared) <= 0).any():
        broken.append("the shared pictures are not in ascending order")
    if design.stimpattern is not None:
        per_run = design.stimpattern.sum(axis=-1)
        if per_run.shape[-1] != len(TRIALS_PER_RUN) or (per_run != TRIALS_PER_RUN).any():
            broken.append("runs do not have 63 and 62 trials in turn")
    for what in broken:
        if book.is_simulated and "planned" in what:
            book.add(Level.NOTE, Topic.DESIGN, what, path=path)
        else:
            book.add(Level.WARNING, Topic.DESIGN, what, again, path=path)


def _check_sets(book: Notebook, root: NsdRoot, design: Design) -> None:
    """Compare the sets that follow from the design with the published ones."""
    if len(design.image_10k) != published.N_PLANNED_TRIALS:
        return
    if design.nsd_id.shape != (len(published.SUBJECTS), published.N_IMAGES_10K):
        return
    other = []
    for least, expected in published.SHARED_SEEN_BY_ALL.items():
        found = len(design.shared_seen_by_all(least, SESSIONS_OF_SUBJECT))
        if found != expected:
            other.append(f"{found} shared pictures seen {least}× by all ({expected})")
    for n_sessions, numbers in published.IMAGES_SEEN.items():
        counts = design.count_repetitions(n_sessions)
        for least, expected in enumerate(numbers, start=1):
            found = int((counts >= least).sum())
            if found != expected:
                other.append(f"{found} seen {least}× in {n_sessions} sessions ({expected})")
    seen = {
        int(k)
        for subject, n in SESSIONS_OF_SUBJECT.items()
        for k in design.nsd_id[subject - 1, design.image_10k[: TRIALS_PER_SESSION * n]]
    }
    if len(seen) != published.N_PICTURES_SEEN:
        other.append(f"{len(seen)} pictures seen by anybody ({published.N_PICTURES_SEEN})")
    if other:
        what = f"by its order of trials there are (published in brackets) {listed(other, 4)}"
        book.differs(what, "see that it is NSD's own file", path=root.design_file)


def check_picture_table(book: Notebook, root: NsdRoot, design: Design | None) -> None:
    """Compare ``nsd_stim_info_merged.csv`` with the design."""
    path = root.stim_info_file
    if not path.exists():
        what = "the table of pictures is missing: no COCO ids, crops and flags"
        book.add(Level.MISSING, Topic.DESIGN, what, "download it", path=path)
        return
    with book.guard(Topic.DESIGN, path, warn=Level.DAMAGED):
        pictures = read_pictures(root)
        if design is None:
            return
        n_needed = int(design.nsd_id.max()) + 1
        if len(pictures) < n_needed:
            what = f"it has {len(pictures)} rows, where the design names picture {n_needed - 1}"
            step = "it is cut off: download it again"
            book.add(Level.DAMAGED, Topic.DESIGN, what, step, path=path)
            return
        shared = np.flatnonzero(pictures["shared1000"].to_numpy())
        wrong = [] if np.array_equal(shared, np.sort(design.shared)) else ["'shared1000'"]
        wrong += _wrong_columns(root, design, len(pictures))
        if wrong:
            what = f"its columns {', '.join(wrong)} contradict {book.relative(root.design_file)}"
            book.add(Level.DAMAGED, Topic.DESIGN, what, _BOTH, path=path)
        else:
            what = f"its {len(pictures)} rows agree with the design, trials never run included"
            book.add(Level.OK, Topic.DESIGN, what, path=path)


def _wrong_columns(root: NsdRoot, design: Design, n_pictures: int) -> list[str]:
    def is_wanted(name: str) -> bool:
        return re.fullmatch(r"subject\d(_rep\d)?", name) is not None

    table = pd.read_csv(root.stim_info_file, usecols=is_wanted, encoding="utf-8-sig")
    n_shown = np.bincount(design.image_10k, minlength=design.nsd_id.shape[1])
    # The order of a picture's showings, 1-based trials as in the file.
    order = np.argsort(design.image_10k, kind="stable")
    starts = np.concatenate([[0], np.cumsum(n_shown)])[:-1]
    wrong = []
    for name in table.columns:
        subject, _, repetition = name.removeprefix("subject").partition("_rep")
        if not 1 <= int(subject) <= len(design.nsd_id):
            continue
        images = design.nsd_id[int(subject) - 1]
        there = n_shown > int(repetition or 0)
        expected: NDArray[np.int64] = np.zeros(n_pictures, np.int64)
        expected[images[there]] = order[starts[there] + int(repetition)] + 1 if repetition else 1
        if not np.array_equal(table[name], expected):
            wrong.append(f"'{name}'")
    return wrong


def check_lists(book: Notebook, root: NsdRoot, scan: Scan, design: Design | None) -> None:
    """Compare the list of shared pictures with the design."""
    facts = scan.facts.get("nsddata/stimuli/nsd/shared1000.tsv")
    if design is None or facts is None:
        return
    with book.guard(Topic.DESIGN, facts.path):
        ids = read_numbers(facts.path, 1).values[:, 0]
        if not np.array_equal(np.sort(ids) - 1, np.sort(design.shared)):
            what = f"it does not list the shared pictures of {book.relative(root.design_file)}"
            book.add(Level.WARNING, Topic.DESIGN, what, _BOTH, path=facts.path)


def check_pictures(book: Notebook, root: NsdRoot, scan: Scan) -> int | None:
    """Check the brick of pictures; returns how many it holds, None where it is not there."""
    path = root.stimuli_file
    if not path.exists():
        what = "the pictures are missing: no stimuli beside their reconstructions"
        book.add(Level.MISSING, Topic.DESIGN, what, "download them", path=path)
        return None
    n_pictures = None
    if book.relative(path) not in scan.facts:
        return None
    with book.guard(Topic.DESIGN, path), open_hdf5(path) as file:
        brick, step = file.get("imgBrick"), "download it again"
        if not isinstance(brick, h5py.Dataset):
            book.add(Level.DAMAGED, Topic.DESIGN, "it holds no array 'imgBrick'", step, path=path)
        elif brick.ndim != 4 or brick.shape[3] != 3 or brick.dtype != np.uint8:
            what = f"'imgBrick' is {brick.dtype} of {grid_text(brick.shape)}, and no RGB pictures"
            book.add(Level.DAMAGED, Topic.DESIGN, what, step, path=path)
        else:
            n_pictures = int(brick.shape[0])
            expected = (published.N_PICTURES, *published.PICTURE_SHAPE)
            if brick.shape != expected:
                what = f"it is {grid_text(brick.shape)}, where {grid_text(expected)} is published"
                book.differs(what, "see that it is NSD's own file", path=path)
    return n_pictures


def check_behaviour(book: Notebook, files: SubjectFiles, design: Design | None) -> int | None:
    """Check ``responses.tsv`` against the design; returns its rows, None where it is not there."""
    path, subject = files.responses_file, files.number
    if not path.exists():
        what = "behaviour is missing: no button presses and reaction times"
        book.add(Level.MISSING, Topic.DESIGN, what, "download it", path=path, subject=subject)
        return None
    if book.relative(path) in book.damaged:
        return None
    with book.guard(Topic.DESIGN, path, subject, warn=Level.DAMAGED):
        names = ("SESSION", "RUN", "73KID", "10KID", "MISSINGDATA")
        table = to_numbers(read_table(path, "\t", names), path)
        sessions = table["SESSION"].to_numpy().astype(np.int64)
        counts = np.bincount(sessions)[1:]
        if (counts != TRIALS_PER_SESSION).any():
            odd = [int(s) for s in np.flatnonzero(counts != TRIALS_PER_SESSION) + 1]
            what = f"sessions {ranges(odd)} do not have {TRIALS_PER_SESSION} rows"
            step = "it is cut off: download it again"
            book.add(Level.DAMAGED, Topic.DESIGN, what, step, path=path, subject=subject)
        elif design is not None:
            # Joining names every row that contradicts the design.
            build_trial_table(files.root, subject, ())
        _compare_behaviour(book, files, table.to_numpy(np.float64))
        if book.relative(path) not in book.damaged:
            what = f"its {len(table)} rows agree with the design"
            book.add(Level.OK, Topic.DESIGN, what, path=path, subject=subject)
        return len(table)
    return None


def _compare_behaviour(book: Notebook, files: SubjectFiles, table: NDArray[np.float64]) -> None:
    """Compare with what is published: lost runs, and one first trial."""
    subject, path = files.number, files.responses_file
    missing = table[table[:, 4] == 1]
    found = {(int(s), int(r), int(n)) for (s, r), n in _count_rows(missing[:, :2]).items()}
    lost = published.MISSING_BEHAVIOUR.get(subject)
    expected = {lost} if lost and lost[0] <= table[:, 0].max() else set()
    if found != expected:
        text = [f"session {s} run {r}: {n} rows" for s, r, n in sorted(found)] or ["none"]
        what = f"behaviour marked as lost is {', '.join(text)}, which is not what is published"
        book.differs(what, "see that it is NSD's own file", path=path, subject=subject)
    first = published.FIRST_TRIAL.get(subject)
    if first and tuple(table[0, 2:4].astype(int)) != first:
        what = f"its first trial shows picture {int(table[0, 2])}, where {first[0]} is published"
        book.differs(what, "see that it is NSD's own file", path=path, subject=subject)


def _count_rows(rows: NDArray[np.float64]) -> dict[tuple[float, float], int]:
    values, counts = np.unique(rows, axis=0, return_counts=True)
    return {(float(a), float(b)): int(n) for (a, b), n in zip(values, counts, strict=True)}
