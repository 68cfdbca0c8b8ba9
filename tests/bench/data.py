"""The data layer on files of NSD's true size, each figure beside the naive way.

Two sessions of a full-size subject are simulated in a temporary folder (2.4 GB; some minutes), or
taken from the folder that ``$NSDVIEWER_BENCH_ROOT`` names. More sessions are links to these two.
"""

import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nsdviewer import open_nsd
from nsdviewer.data.betas.matrix import BetaMatrix
from nsdviewer.data.simulate import design as designs
from nsdviewer.data.simulate.behaviour import write_responses
from nsdviewer.jobs import StreamProgress
from nsdviewer.session.demo import simulate_subjects
from tests.bench.timing import in_new_process, median_ms, times_ms

BETAS = "nsddata_betas/ppdata/subj01/func1pt8mm/betas_fithrf_GLMdenoise_RR"
CACHE = ".nsdviewer"
N_TRIALS = 100
N_BUILDS = 5

BUILD = """
import json, re, sys, time
from nsdviewer import open_nsd
start = time.perf_counter()
betas = open_nsd(sys.argv[1]).subject(1).betas("nsdgeneral")
seconds = time.perf_counter() - start
# Not getrusage: a process inherits the peak of the one that started it.
with open("/proc/self/status") as stream:
    peak_mb = int(re.search(r"VmHWM:\\s+(\\d+) kB", stream.read()).group(1)) / 1024
print(json.dumps({"s": seconds, "peak_mb": peak_mb, "n_sessions": len(betas.valid)}))
"""

OPEN = """
import json, sys, time
start = time.perf_counter()
from nsdviewer import open_nsd
imported = time.perf_counter()
subject = open_nsd(sys.argv[1]).subject(1)
trials = subject.trials()
here = subject.files.available_betas()
now = time.perf_counter()
with open("/proc/self/statm") as stream:
    resident_mb = int(stream.read().split()[1]) * 4096 / 2**20
document = {"import_s": imported - start, "open_s": now - imported, "resident_mb": resident_mb}
print(json.dumps({**document, "n_trials": len(trials)}))
"""

NAIVE_OPEN = """
import glob, json, sys, time
start = time.perf_counter()
import h5py, nibabel, numpy, pandas, scipy.io
imported = time.perf_counter()
experiment = sys.argv[1] + "/nsddata/experiments/nsd/"
scipy.io.loadmat(experiment + "nsd_expdesign.mat")
pandas.read_csv(experiment + "nsd_stim_info_merged.csv")
pandas.read_csv(sys.argv[1] + "/nsddata/ppdata/subj01/behav/responses.tsv", sep="\\t")
for path in glob.glob(sys.argv[2] + "/*.hdf5"):
    with h5py.File(path) as file:
        file["betas"].shape
now = time.perf_counter()
with open("/proc/self/statm") as stream:
    resident_mb = int(stream.read().split()[1]) * 4096 / 2**20
print(json.dumps({"import_s": imported - start, "open_s": now - imported,
                  "resident_mb": resident_mb}))
"""


def measure() -> dict[str, Any]:
    """Measure and print; returns the figures."""
    with _full_size_root() as root, tempfile.TemporaryDirectory(dir=root.parent) as folder:
        figures = _building(root)
        betas = open_nsd(root).subject(1).betas("nsdgeneral")
        figures |= _reading(root, betas, figures["building"]["naive_s"])
        figures["memory"] = _memory(root, Path(folder))
        figures["opening"] = _opening(root, Path(folder))
    return figures


@contextmanager
def _full_size_root() -> Iterator[Path]:
    chosen = os.environ.get("NSDVIEWER_BENCH_ROOT")
    if chosen:
        yield Path(chosen)
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "full"
        simulate_subjects(root, "full", 1, 0, StreamProgress(), n_sessions=2)
        yield root


def _read_whole(paths: list[Path]) -> int:
    """Read files from end to end, as fast as the system gives them."""
    memory, n_bytes = bytearray(8 << 20), 0
    for path in paths:
        with path.open("rb", buffering=0) as stream:
            while n := stream.readinto(memory):
                n_bytes += n
    return n_bytes


def _forget(paths: list[Path]) -> None:
    """Ask the system to drop files from its page cache."""
    for path in paths:
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _read_by_hand(paths: list[Path], mask: np.ndarray) -> list[np.ndarray]:
    """Read whole sessions through h5py and keep the mask.

    For some trials there is no quicker way: each touches every chunk, and a selection of several
    makes the library plan 700,000 chunks for each, which takes more memory than this machine has.
    """
    sessions = []
    for path in paths:
        with h5py.File(path) as file:
            sessions.append(file["betas"][()].T[mask])
    return sessions


def _building(root: Path) -> dict[str, Any]:
    paths = sorted((root / BETAS).glob("betas_session*.hdf5"))
    subject = open_nsd(root).subject(1)
    mask = subject.mask("nsdgeneral")
    cold: dict[str, list[float]] = {"read": [], "build": []}
    warm: dict[str, list[float]] = {"read": [], "build": []}

    def build() -> None:
        shutil.rmtree(root / CACHE / "subj01", ignore_errors=True)
        subject.betas("nsdgeneral")

    for _ in range(3):
        for name, call in (("read", lambda: _read_whole(paths)), ("build", build)):
            _forget(paths)
            cold[name] += times_ms(call, 1)
    _read_whole(paths)
    for _ in range(N_BUILDS):
        warm["read"] += times_ms(lambda: _read_whole(paths), 1)
        warm["build"] += times_ms(build, 1)
    naive_s = times_ms(lambda: _read_by_hand(paths, mask), 1)[0] / 1e3
    figures = {
        "n_bytes": _read_whole(paths),
        "warm_s": {k: statistics.median(v) / 1e3 for k, v in warm.items()},
        "cold_s": {k: statistics.median(v) / 1e3 for k, v in cold.items()},
        "naive_s": naive_s,
    }
    print(f"nsdgeneral cache of {len(paths)} sessions, {figures['n_bytes'] / 1e9:.2f} GB")
    for state in ("warm", "cold"):
        read, made = figures[f"{state}_s"]["read"], figures[f"{state}_s"]["build"]
        print(f"  page cache {state}: built in {made:.2f} s, files read once in {read:.2f} s")
    print(f"  naive (whole array through h5py, then the mask): {naive_s:.1f} s")
    return {"building": figures}


def _reading(root: Path, betas: BetaMatrix, naive_s: float) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    trials = np.sort(rng.choice(len(betas.by_trial), N_TRIALS, replace=False))
    column = betas.n_voxels // 2
    stored, voxel = betas.by_trial[trials], betas.by_site[:, column].copy()
    paths = sorted((root / BETAS).glob("betas_session*.hdf5"))
    i, j, k = betas.ijk[column]

    def voxel_from_hdf5() -> None:
        for path in paths:
            with h5py.File(path) as file:
                file["betas"][:, k, j, i]

    rows = {
        "trials": (
            naive_s * 1e3,
            median_ms(lambda: betas.psc(trials)),
            median_ms(lambda: betas.by_trial[trials]),
            median_ms(stored.copy),
        ),
        "voxel": (
            median_ms(voxel_from_hdf5),
            median_ms(lambda: betas.site_psc(column), 501),
            median_ms(lambda: betas.by_site[:, column].copy(), 501),
            median_ms(voxel.copy, 501),
        ),
    }
    figures = {}
    titles = {"trials": f"{N_TRIALS} random trials × nsdgeneral", "voxel": "one voxel, all trials"}
    for name, (naive, psc, raw, copied) in rows.items():
        print(titles[name])
        print(f"  in percent signal change {psc:.4f} ms, as stored {raw:.4f} ms")
        print(f"  from the HDF5 {naive:.2f} ms: {naive / psc:,.0f} times longer")
        print(f"  a copy of the same bytes {copied:.4f} ms: {copied and raw / copied:.1f} times")
        figures[name] = {"hdf5_ms": naive, "psc_ms": psc, "stored_ms": raw, "copy_ms": copied}
    return {"reading": figures}


def _with_sessions(root: Path, folder: Path, n_sessions: int) -> Path:
    """Return a tree like `root` whose further sessions are links to its own."""
    tree = folder / f"sessions{n_sessions}"
    shutil.copytree(root / "nsddata", tree / "nsddata", copy_function=os.link)
    (tree / BETAS).mkdir(parents=True)
    paths = sorted((root / BETAS).glob("betas_session*.hdf5"))
    for session in range(n_sessions):
        os.link(paths[session % len(paths)], tree / BETAS / f"betas_session{session + 1:02d}.hdf5")
    return tree


def _memory(root: Path, folder: Path) -> dict[str, float]:
    peaks = {}
    for n_sessions in (2, 8):
        tree = _with_sessions(root, folder, n_sessions)
        document = in_new_process(BUILD, str(tree))
        peaks[str(n_sessions)] = document["peak_mb"]
        print(f"building {n_sessions} sessions: peak memory {document['peak_mb']:.0f} MB (1024)")
        shutil.rmtree(tree)
    return peaks


def _opening(root: Path, folder: Path) -> dict[str, Any]:
    tree = _with_sessions(root, folder, 40)
    design = designs.make_design(40, seed=0)
    for path in (open_nsd(tree).root.design_file, open_nsd(tree).root.stim_info_file):
        path.unlink()
    designs.write_design(tree / "nsddata/experiments/nsd", design)
    designs.write_stim_info(tree / "nsddata/experiments/nsd", design, {}, seed=0)
    responses = tree / "nsddata/ppdata/subj01/behav/responses.tsv"
    responses.unlink()
    write_responses(responses, design, 1, seed=0)
    ours = [in_new_process(OPEN, str(tree)) for _ in range(5)]
    naive = [in_new_process(NAIVE_OPEN, str(tree), str(tree / BETAS)) for _ in range(5)]
    figures = {}
    for name, documents in (("ours", ours), ("naive", naive)):
        figures[name] = {key: statistics.median(d[key] for d in documents) for key in naive[0]}
    print(f"opening a subject of 40 sessions, {ours[0]['n_trials']:,} trials")
    print(
        f"  {figures['ours']['open_s']:.2f} s after {figures['ours']['import_s']:.2f} s of imports, "
        f"{figures['ours']['resident_mb']:.0f} MB resident (1 s, 300 MB)"
    )
    print(
        f"  naive (pandas, scipy and h5py by hand): {figures['naive']['open_s']:.2f} s after "
        f"{figures['naive']['import_s']:.2f} s, {figures['naive']['resident_mb']:.0f} MB"
    )
    return figures
