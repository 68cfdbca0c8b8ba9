"""Averages on disk equal the slow reference in memory, whatever the size, and survive damage."""

import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nsdviewer import open_nsd
from nsdviewer.data.betas import averages, averages_files
from nsdviewer.data.betas.averages import AveragedResponses, build_averages, stream_averages
from nsdviewer.data.betas.matrix import BetaMatrix
from nsdviewer.data.betas.sites import Voxels
from nsdviewer.data.betas.zscores import SessionStatistics
from nsdviewer.data.nsd import Subject
from nsdviewer.data.trials.table import TrialTable
from nsdviewer.errors import Cancelled, DataError, RequestError
from nsdviewer.jobs import SilentProgress, Ticket
from nsdviewer.state import BetaVersion, Hemisphere, Space
from tests.conftest import Subject as SimulatedSubject
from tests.data.betas.slow_averages import average_responses, training_statistics
from tests.nsd_tree import B3, TinyTree, build_tree

SILENT = SilentProgress()
Result = tuple[SessionStatistics, dict[str, AveragedResponses]]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> TinyTree:
    """Sessions 1 to 3, one of them without data of one voxel."""
    root = tmp_path_factory.mktemp("averages") / "nsd"
    betas = (("func1pt8mm", B3, "hdf5"), ("nativesurface", B3, "hdf5"), ("fsaverage", B3, "mgh"))
    return build_tree(root, betas=betas, stimuli=False, transforms=False)


@pytest.fixture
def small(template: TinyTree, tmp_path: Path) -> TinyTree:
    """Sessions 1 and 3 of a tree that a test may damage; session 2 lies beside it."""
    root = tmp_path / "nsd"
    shutil.copytree(template.root, root)
    tree = replace(template, root=root)
    session_2(tree).rename(tmp_path / "session02.hdf5")
    return tree


def session_2(tree: TinyTree) -> Path:
    return tree.betas_folder(1) / "betas_session02.hdf5"


def subject_of(tree: TinyTree) -> Subject:
    return open_nsd(tree.root).subject(1)


def build(subject: Subject, roi: str = "brainmask", split: str = "full-40", progress=SILENT):
    table, betas = subject.trials(), subject.betas(roi)
    train, test = table.select(f"train:{split}"), table.select(f"test:{split}")
    trials = {"train": train, "test": test}
    return build_averages(betas, table, train, trials, subject.files.cache, progress)


def folders(tree: TinyTree) -> list[Path]:
    return sorted((tree.root / ".nsdviewer/subj01").glob("*averages*"))


def assert_equal_to_reference(
    betas: BetaMatrix, table: TrialTable, train: np.ndarray, trials: dict, found: Result
) -> None:
    expected = training_statistics(betas, table, train)
    statistics, averaged = found
    for name in ("mean_psc", "sd_psc"):
        one, two = getattr(statistics, name), getattr(expected, name)
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, two, rtol=2e-5, atol=2e-5, equal_nan=True)
    assert list(averaged) == list(trials)
    for name, chosen in trials.items():
        ids, responses, n_repeats = average_responses(betas, table, chosen, expected)
        np.testing.assert_array_equal(averaged[name].nsd_ids, ids)
        np.testing.assert_array_equal(averaged[name].n_repeats, n_repeats)
        whole = averaged[name].whole()
        assert whole.dtype == np.float32
        np.testing.assert_allclose(whole, responses, atol=5e-5)


# --- values ------------------------------------------------------------------------------------


def planted_matrix(seed: int, dtype: type) -> tuple[BetaMatrix, TrialTable]:
    """Random responses with sites that never vary, and sites without data in some sessions."""
    rng = np.random.default_rng(seed)
    n_sessions, n_sites, n_trials = 3, 23, 40
    offset = rng.normal(0, 300, (n_sessions, n_sites, 1))
    values = (offset + rng.normal(0, 200, (n_sessions, n_sites, n_trials))).astype(dtype)
    values[:, 3] = 600
    values[1, 4] = -300
    if dtype is np.float32:
        values[2, 5, 7] = np.nan
    valid = rng.random((n_sessions, n_sites)) > 0.2
    valid[:, 6] = False
    by_trial = values.transpose(0, 2, 1).reshape(-1, n_sites)
    sites = Voxels((23, 1, 1), np.argwhere(np.ones((23, 1, 1), bool)))
    nsd_id = rng.integers(0, 50, n_sessions * n_trials) * 7
    frame = pd.DataFrame({"session": np.repeat(np.arange(1, 4), n_trials), "nsd_id": nsd_id})
    return BetaMatrix(by_trial, values, valid, sites, 300.0), TrialTable(1, frame, nsd_id[:0])


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
@pytest.mark.parametrize("seed", range(4))
def test_random_matrices_equal_the_reference(tmp_path, monkeypatch, seed, dtype) -> None:
    monkeypatch.setattr(averages_files, "_BLOCK_VALUES", 120 * 5)
    betas, table = planted_matrix(seed, dtype)
    rng = np.random.default_rng(seed)
    trials = rng.permutation(120)
    # Of session 3 a single training trial: no deviation.
    train = trials[:90][(trials[:90] < 80) | (np.cumsum(trials[:90] >= 80) == 1)]
    splits = {"train": train, "test": trials[90:]}
    found = build_averages(betas, table, train, splits, tmp_path, SILENT)
    assert_equal_to_reference(betas, table, train, splits, found)
    assert not found[1]["train"].whole()[:, [3, 6]].any()
    assert np.isnan(found[0].sd_psc[:, 3]).all()


def test_a_site_that_never_varies_is_told_whatever_its_value(tmp_path) -> None:
    betas, table = planted_matrix(0, np.float32)
    betas.by_site[:] = np.float32(0.1)
    betas.valid[:] = True
    trials = np.arange(120)
    statistics, averaged = build_averages(betas, table, trials, {"all": trials}, tmp_path, SILENT)
    assert np.isnan(statistics.sd_psc).all()
    assert not averaged["all"].whole().any()


def test_a_simulated_subject_equals_the_reference(mini: SimulatedSubject, tmp_path) -> None:
    table, betas = mini.workspace.table, mini.workspace.betas("nsdgeneral")
    train = table.select("train")
    splits = {"train": train, "test": table.select("shared")}
    found = build_averages(betas, table, train, splits, tmp_path, SILENT)
    assert_equal_to_reference(betas, table, train, splits, found)


def test_sessions_that_are_not_on_disk_do_not_count(small) -> None:
    subject = subject_of(small)
    table, betas = subject.trials(), subject.betas("brainmask")
    train = table.select("train")
    splits = {"train": train, "test": table.select("shared")}
    found = build(subject)
    assert_equal_to_reference(betas, table, train, splits, found)
    assert np.isnan(found[0].mean_psc[1]).all()
    assert np.isfinite(found[0].mean_psc[[0, 2]]).all()


@pytest.mark.parametrize("space", [Space.FUNC1PT8MM, Space.NATIVESURFACE, Space.FSAVERAGE])
def test_throw_away_parts_give_the_same_and_leave_only_averages(small, monkeypatch, space) -> None:
    subject = subject_of(small)
    version, roi = BetaVersion(B3), "brainmask" if space is Space.FUNC1PT8MM else "all"
    table, betas = subject.trials(space), subject.betas(roi, space)
    train = table.select("train")
    splits = {"train": train, "test": table.select("shared")}
    expected = build_averages(betas, table, train, splits, small.root.parent / "there", SILENT)
    shutil.rmtree(subject.files.cache)
    monkeypatch.setattr(averages, "_PART_BYTES", 4 * 2250 * 20)
    mask = subject.mask(roi, space)
    again = [
        stream_averages(subject.files, space, version, mask, table, train, splits, SILENT)
        for _ in range(2)
    ]
    assert again[0][1]["train"].path == again[1][1]["train"].path
    for found in again:
        for name in splits:
            np.testing.assert_array_equal(found[1][name].whole(), expected[1][name].whole())
        np.testing.assert_array_equal(found[0].sd_psc, expected[0].sd_psc)
    left = [p.name.split("_")[0] for p in subject.files.cache.iterdir()]
    assert left == ["averages"]
    if space is not Space.FUNC1PT8MM:
        assert found[1]["train"].sites.columns(Hemisphere.RIGHT).stop == found[1]["train"].n_sites


def test_any_choice_of_columns_is_a_part_of_the_whole(small) -> None:
    averaged = build(subject_of(small))[1]["train"]
    whole = averaged.whole()
    assert whole.shape == (averaged.n_images, averaged.n_sites)
    for columns in (slice(0, 1), slice(5, 17), slice(-3, None), slice(4, 4), slice(1, 30, 7)):
        np.testing.assert_array_equal(averaged.block(columns), whole[:, columns])
    chosen = np.array([9, 2, 2, averaged.n_sites - 1])
    np.testing.assert_array_equal(averaged.at(chosen), whole[:, chosen])
    whole[:] = 0
    assert averaged.whole().any()


def test_it_travels_without_its_data(small) -> None:
    averaged = build(subject_of(small))[1]["train"]
    before = averaged.whole()
    sent = pickle.dumps(averaged)
    assert len(sent) < before.nbytes / 4
    np.testing.assert_array_equal(pickle.loads(sent).block(slice(2, 9)), before[:, 2:9])


# --- what is kept ------------------------------------------------------------------------------


def test_what_is_there_is_not_made_again(small) -> None:
    path = build(subject_of(small))[1]["train"].path
    made = path.stat().st_mtime_ns
    assert build(subject_of(small))[1]["train"].path == path
    assert path.stat().st_mtime_ns == made


def test_splits_and_masks_lie_side_by_side(small) -> None:
    subject = subject_of(small)
    paths = {
        build(subject, roi, split)[1]["test"].path
        for roi in ("brainmask", "nsdgeneral")
        for split in ("full-40", "legacy-37")
    }
    # With three sessions both splits have the same trials.
    assert len(paths) == 2
    table, betas = subject.trials(), subject.betas("nsdgeneral")
    half = table.select("train")[::2]
    build_averages(betas, table, half, {"train": half}, subject.files.cache, SILENT)
    assert len(folders(small)) == 3
    assert all(p.exists() for p in paths)


def test_an_added_session_makes_them_anew_and_removes_the_outdated(small) -> None:
    before = build(subject_of(small))[1]["train"]
    (small.root.parent / "session02.hdf5").rename(session_2(small))
    subject = subject_of(small)
    after = build(subject)
    assert after[1]["train"].n_images > before.n_images
    assert [after[1]["train"].path.parent] == folders(small)
    train = subject.trials().select("train")
    splits = {"train": train, "test": subject.trials().select("shared")}
    assert_equal_to_reference(subject.betas("brainmask"), subject.trials(), train, splits, after)
    with pytest.raises(DataError, match="cannot be read"):
        before.block(slice(0, 3))


def damage(path: Path, n_bytes: int) -> None:
    path.write_bytes(path.read_bytes()[:n_bytes])


@pytest.mark.parametrize("name", ["train.npy", "test.npy", "mean.npy", "sd.npy", "source.json"])
@pytest.mark.parametrize("share", [0, 0.001, 0.5, None])
def test_damage_is_mended(small, name, share) -> None:
    expected = build(subject_of(small))[1]
    whole = {split: a.whole() for split, a in expected.items()}
    path = expected["train"].path.with_name(name)
    if share is None:
        path.unlink()
    else:
        damage(path, int(share * path.stat().st_size))
    found = build(subject_of(small))[1]
    for split, values in whole.items():
        np.testing.assert_array_equal(found[split].whole(), values)
    assert len(folders(small)) == 1


def test_a_file_cut_off_while_in_use_is_told(small) -> None:
    averaged = build(subject_of(small))[1]["train"]
    damage(averaged.path, averaged.path.stat().st_size - 4)
    for read in (lambda: averaged.block(slice(0, 2)), averaged.whole):
        with pytest.raises(DataError, match="make them anew"):
            read()


@pytest.mark.parametrize("stop_at", [1, 3])
def test_cancelling_leaves_nothing(small, monkeypatch, stop_at) -> None:
    subject = subject_of(small)
    subject.betas("brainmask")
    monkeypatch.setattr(averages_files, "_BLOCK_VALUES", 2250 * 30)
    reports = []

    def count(fraction: float, message: str) -> None:
        reports.append(fraction)
        if len(reports) == stop_at:
            ticket.cancel()

    ticket = Ticket(count)
    with pytest.raises(Cancelled):
        build(subject, progress=ticket)
    assert [p.name.split("_")[0] for p in subject.files.cache.iterdir()] == ["betas"]


def test_what_cannot_be_averaged_is_said(small) -> None:
    subject = subject_of(small)
    table, betas, cache = subject.trials(), subject.betas("nsdgeneral"), subject.files.cache
    train = table.select("train")
    with pytest.raises(RequestError, match="no test trials"):
        build_averages(betas, table, train, {"test": train[:0]}, cache, SILENT)
    beyond = np.array([10**6])
    with pytest.raises(RequestError, match="0 to 2249"):
        build_averages(betas, table, train, {"test": beyond}, cache, SILENT)
    blocked = small.root.parent / "a file"
    blocked.write_text("")
    with pytest.raises(DataError, match="NSDVIEWER_CACHE"):
        build_averages(betas, table, train, {"train": train}, blocked, SILENT)
    assert folders(small) == []


PEAK_MB = """
import sys
from pathlib import Path
import numpy as np, pandas as pd
from nsdviewer.data.betas import averages_files
from nsdviewer.data.betas.averages import build_averages
from nsdviewer.data.betas.matrix import BetaMatrix
from nsdviewer.data.betas.sites import Voxels
from nsdviewer.data.trials.table import TrialTable
from nsdviewer.jobs import SilentProgress

averages_files._BLOCK_VALUES = 500_000
folder, n_sites = Path(sys.argv[1]), 30_000
shape = 4, n_sites, 500
np.lib.format.open_memmap(folder / "sites.npy", "w+", np.int16, shape)
by_site = np.load(folder / "sites.npy", mmap_mode="r").view(np.ndarray)
by_trial = np.broadcast_to(np.int16(0), (2000, n_sites))
sites = Voxels((n_sites, 1, 1), np.argwhere(np.ones((n_sites, 1, 1), bool)))
betas = BetaMatrix(by_trial, by_site, np.ones((4, n_sites), bool), sites, 300.0)
trials = np.arange(2000)
frame = pd.DataFrame({"session": trials // 500 + 1, "nsd_id": trials // 2})
(folder / "source.json").write_text("{}")

def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024

before = peak()
table = TrialTable(1, frame, trials[:0])
build_averages(betas, table, trials, {"all": trials}, folder, SilentProgress())
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells peak memory")
def test_memory_does_not_grow_with_the_responses(tmp_path) -> None:
    # 120 MB on disk, 240 as numbers, 120 averaged.
    command = [sys.executable, "-c", PEAK_MB, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(run.stdout) < 60
