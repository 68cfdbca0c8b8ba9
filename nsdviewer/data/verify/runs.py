"""Tables that stand beside time series: whether they are as long as the runs."""

import re
from collections import Counter, defaultdict
from pathlib import Path

from nsdviewer.data.verify.findings import Level, Notebook, Topic
from nsdviewer.data.verify.integrity import FileKind
from nsdviewer.data.verify.scan import FileFacts, Scan

# Physiology has rates of its own.
_NAME = re.compile(r"(motion|design)_(session\d\d|[a-z]+)_run(\d\d)\.tsv")
_N_SESSION = re.compile(r"session\d\d")


def check_runs(book: Notebook, scan: Scan) -> None:
    """Compare motion and design with each other and with the time series that are here."""
    groups: dict[tuple[Path, str], list[FileFacts]] = defaultdict(list)
    for facts in scan.facts.values():
        match = _NAME.fullmatch(facts.path.name)
        if match and facts.kind is FileKind.NUMBERS and facts.shape:
            series = _N_SESSION.sub("session", match[2])
            groups[facts.path.parent, series].append(facts)
    for members in groups.values():
        usual = Counter(facts.shape[0] for facts in members).most_common(1)[0][0]
        for facts in members:
            _check(book, scan, facts, usual)


def _check(book: Notebook, scan: Scan, facts: FileFacts, usual: int) -> None:
    n_rows, again = facts.shape[0], "it is cut off: download it again"
    # Rest may last as long as it likes: only a last row that does not end tells a cut for sure.
    if n_rows < usual and facts.is_odd:
        what = f"it has {n_rows} rows, the last without an end, where other runs have {usual}"
        book.add(Level.DAMAGED, Topic.FILES, what, again, path=facts.path, subject=facts.subject)
        return
    is_motion = facts.path.name.startswith("motion_")
    stem = re.sub(r"^(motion|design)_", "timeseries_", facts.path.stem)
    folder = facts.path.parent.parent / "timeseries"
    for suffix in (".nii.gz", ".nii"):
        series = scan.facts.get(book.relative(folder / f"{stem}{suffix}"))
        if series is None or len(series.shape) != 4:
            continue
        n_volumes = series.shape[3]
        # Design files of core runs have one row fewer than there are volumes.
        if n_rows != n_volumes and (is_motion or n_rows != n_volumes - 1):
            what = f"it has {n_rows} rows, where {series.path.name} has {n_volumes} volumes"
            args = (Level.WARNING, Topic.FILES, what, "download both again")
            book.add(*args, path=facts.path, subject=facts.subject)
