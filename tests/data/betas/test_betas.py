"""Betas equal the truth of an independently built tree, whatever file they come from."""

import os
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from nsdviewer import open_nsd
from nsdviewer.data.betas import cache_files, sources
from nsdviewer.data.betas.matrix import BetaMatrix, open_betas
from nsdviewer.data.betas.sources import BetaSource
from nsdviewer.data.formats.chunk_index import UnknownIndexError, locate_columns
from nsdviewer.data.layout import BetaFile, NsdRoot, Storage
from nsdviewer.data.nsd import Subject
from nsdviewer.errors import Cancelled, DataError, RequestError, SpaceError
from nsdviewer.jobs import SilentProgress, Ticket
from nsdviewer.state import BetaVersion, Hemisphere, Space
from tests.conftest import Subject as SimulatedSubject
from tests.nsd_tree import B2, B3, TinyTree, build_tree

B1 = "betas_assumehrf"
EVERY_FORMAT = (
    ("func1pt8mm", B3, "hdf5"),
    ("func1pt8mm", B2, "nii.gz"),
    ("func1pt8mm", B1, "mat"),
    ("func1mm", B3, "hdf5"),
    ("MNI", B2, "nii.gz"),
    ("nativesurface", B3, "hdf5"),
    ("fsaverage", B3, "mgh"),
)
VOLUMES = [f for f in EVERY_FORMAT if f[0] not in ("nativesurface", "fsaverage")]
LOWEST_PSC, HIGHEST_PSC = np.float32(-32768 / 300), np.float32(32767 / 300)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> TinyTree:
    """Sessions 1 and 3 of three, in every space and format."""
    folder = tmp_path_factory.mktemp("betas")
    return build_tree(
        folder / "nsd", sessions=(1, 3), betas=EVERY_FORMAT, stimuli=False, transforms=False
    )


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> TinyTree:
    """Sessions 1 to 3 as NSD stores them."""
    folder = tmp_path_factory.mktemp("template")
    return build_tree(folder / "nsd", stimuli=False, transforms=False, surfaces=False)


@pytest.fixture
def small(template: TinyTree, tmp_path: Path) -> TinyTree:
    """Sessions 1 and 2 of a tree that a test may damage."""
    root = tmp_path / "nsd"
    shutil.copytree(template.root, root)
    tree = replace(template, root=root)
    beta_path(tree, 3).rename(tmp_path / "betas_session03.hdf5")
    return tree


def subject_of(tree: TinyTree) -> Subject:
    return open_nsd(tree.root).subject(1)


def trials_on_disk(tree: TinyTree) -> np.ndarray:
    truth = tree.subjects[1]
    return np.concatenate([np.arange((s - 1) * 750, s * 750) for s in truth.sessions])


def beta_path(tree: TinyTree, session: int) -> Path:
    return tree.betas_folder(1) / f"betas_session{session:02d}.hdf5"


def cached(tree: TinyTree) -> list[str]:
    folder = tree.root / ".nsdviewer" / "subj01"
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


# --- values ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("space", "version", "storage"), VOLUMES)
def test_volumes_equal_the_truth_to_half_a_stored_unit(tree, space, version, storage) -> None:
    roi = "all" if space == "MNI" else "brainmask"
    betas = subject_of(tree).betas(roi, Space(space), BetaVersion(version))
    trials = trials_on_disk(tree)
    truth = tree.subjects[1].betas[space, version, None]
    expected = truth.psc[trials][(slice(None), *betas.ijk.T)]
    found = betas.psc(trials)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    clipped = expected.clip(LOWEST_PSC, HIGHEST_PSC)
    np.testing.assert_allclose(found, clipped, atol=0.5 / 300 + 1e-5, equal_nan=True)


@pytest.mark.parametrize("hemisphere", list(Hemisphere))
def test_native_surfaces_are_decoded_and_fsaverage_is_not(tree, hemisphere) -> None:
    trials = trials_on_disk(tree)
    for space, tolerance in ((Space.NATIVESURFACE, 0.5 / 300 + 1e-5), (Space.FSAVERAGE, 0.0)):
        betas = subject_of(tree).betas("all", space)
        columns = betas.sites.columns(hemisphere)
        expected = tree.subjects[1].betas[space.value, B3, hemisphere.value].psc[trials]
        np.testing.assert_allclose(betas.psc(trials)[:, columns], expected, atol=tolerance)


def test_both_orders_hold_the_same(tree) -> None:
    betas = subject_of(tree).betas("nsdgeneral")
    trials = np.arange(2250)
    by_trial = betas.psc(trials)
    for column in range(0, betas.n_voxels, 5):
        np.testing.assert_array_equal(betas.site_psc(column), by_trial[:, column])
    block = betas.sites_psc(slice(3, 9))
    np.testing.assert_array_equal(block.reshape(6, -1), by_trial[:, 3:9].T)


def test_any_choice_of_trials_and_columns_is_a_part_of_the_whole(tree) -> None:
    betas = subject_of(tree).betas("brainmask")
    whole = betas.psc(np.arange(2250))
    rng = np.random.default_rng(0)
    for n_trials, n_columns in ((1, 1), (3, 40), (700, 2), (64, betas.n_voxels)):
        trials = rng.integers(0, 2250, n_trials)
        columns = rng.choice(betas.n_voxels, n_columns, replace=False)
        np.testing.assert_array_equal(betas.psc(trials, columns), whole[np.ix_(trials, columns)])


def test_a_voxel_without_data_is_nan_in_that_session_only(tree) -> None:
    betas = subject_of(tree).betas("brainmask")
    truth = tree.subjects[1].spaces["func1pt8mm"]
    column = int(betas.columns_of(np.array([truth.invalid_voxel]))[0])
    by_session = np.isnan(betas.site_psc(column)).reshape(-1, 750)
    # Session 2 is not on disk at all.
    expected = [s in (2, truth.invalid_session) for s in (1, 2, 3)]
    np.testing.assert_array_equal(by_session.all(axis=1), expected)
    np.testing.assert_array_equal(by_session.any(axis=1), expected)


def test_saturated_values_are_values(mini: SimulatedSubject) -> None:
    betas = mini.workspace.betas("brainmask")
    psc = betas.psc(np.arange(len(mini.workspace.table)))
    assert np.nanmin(psc) == LOWEST_PSC
    assert np.nanmax(psc) == HIGHEST_PSC


def test_columns_are_the_mask_in_c_order(tree) -> None:
    subject = subject_of(tree)
    betas = subject.betas("nsdgeneral")
    np.testing.assert_array_equal(betas.ijk, np.argwhere(subject.mask("nsdgeneral")))
    assert betas.columns_of(betas.ijk[[5, 0, 17]]).tolist() == [5, 0, 17]
    assert betas.columns_of(np.array([[0, 0, 0], [-1, 2, 2], [99, 0, 0]])).tolist() == [-1] * 3


def test_vertices_have_no_voxel_indices(tree) -> None:
    with pytest.raises(SpaceError):
        subject_of(tree).betas("all", Space.FSAVERAGE).ijk


# --- the chunks' places ------------------------------------------------------------------------


def rewrite(path: Path, **options: object) -> np.ndarray:
    """Store a session's array again in another way; returns it."""
    with h5py.File(path) as file:
        array = file["betas"][()]
    options = {"libver": None, "userblock_size": 0, **options}
    libver, userblock = options.pop("libver"), options.pop("userblock_size")
    with h5py.File(path, "w", libver=libver, userblock_size=userblock) as file:
        file.create_dataset("betas", data=array, **options)
    return array


WAYS = {
    "as NSD does": {"chunks": (750, 1, 1, 1)},
    "with a user block": {"chunks": (750, 1, 1, 1), "userblock_size": 512},
    "by a later library": {"chunks": (750, 1, 1, 1), "libver": "latest"},
    "with version 2 headers": {"chunks": (750, 1, 1, 1), "libver": ("v108", "v108")},
    "packed": {"chunks": (750, 1, 1, 1), "compression": "gzip"},
    "in other chunks": {"chunks": (50, 2, 3, 4)},
    "without chunks": {},
}


@pytest.mark.parametrize("way", list(WAYS))
def test_every_way_of_storing_reads_the_same(small, way) -> None:
    expected = subject_of(small).betas("nsdgeneral").psc(np.arange(1500))
    shutil.rmtree(small.root / ".nsdviewer")
    rewrite(beta_path(small, 1), **WAYS[way])
    np.testing.assert_array_equal(
        subject_of(small).betas("nsdgeneral").psc(np.arange(1500)), expected
    )


@pytest.mark.parametrize("way", ["as NSD does", "with a user block", "with version 2 headers"])
def test_chunks_are_found_where_the_library_finds_them(tmp_path, way) -> None:
    path = tmp_path / "betas_session01.hdf5"
    array = np.random.default_rng(1).integers(-9, 9, (20, 6, 11, 13)).astype("<i2")
    options = {**WAYS[way], "chunks": (20, 1, 1, 1)}
    libver, userblock = options.pop("libver", None), options.pop("userblock_size", 0)
    with h5py.File(path, "w", libver=libver, userblock_size=userblock) as file:
        dataset = file.create_dataset("betas", array.shape, "<i2", **options)
        # Some chunks stay unallocated, and the rest come in no order.
        for flat in np.random.default_rng(2).permutation(6 * 11 * 13)[:700]:
            at = np.unravel_index(flat, array.shape[1:])
            dataset[(slice(None), *at)] = array[(slice(None), *at)]
    with h5py.File(path) as file, path.open("rb", buffering=0) as stream:
        dataset = file["betas"]
        expected = np.full(6 * 11 * 13, -1)
        dataset.id.chunk_iter(
            lambda c: expected.__setitem__(
                np.ravel_multi_index(c.chunk_offset[1:], array.shape[1:]), c.byte_offset
            )
        )
        for columns in (np.arange(858), np.array([3, 500, 857]), np.array([], np.int64)):
            np.testing.assert_array_equal(
                locate_columns(stream, dataset, columns), expected[columns]
            )


def test_an_index_of_another_kind_is_left_to_the_library(tmp_path) -> None:
    for number, options in enumerate(({"chunks": (4, 2, 2, 2)}, {"chunks": None}, {"shuffle": 1})):
        path = tmp_path / f"{number}.hdf5"
        with h5py.File(path, "w") as file:
            file.create_dataset("betas", data=np.ones((4, 2, 2, 2), "<i2"), **options)
        with (
            h5py.File(path) as file,
            path.open("rb", buffering=0) as stream,
            pytest.raises(UnknownIndexError),
        ):
            locate_columns(stream, file["betas"], np.arange(3))


def test_blocks_of_any_size_give_the_same(tree, monkeypatch) -> None:
    """What is read in one block and what is read in many is the same cache."""
    files = NsdRoot.open(tree.root).subject(1)
    mask = subject_of(tree).mask("brainmask")
    sizes = {}
    for n_bytes in (sources.BLOCK_BYTES, 20_000):
        monkeypatch.setattr(sources, "BLOCK_BYTES", n_bytes)
        for version in (BetaVersion.B1, BetaVersion.B2, BetaVersion.B3):
            shutil.rmtree(files.cache, ignore_errors=True)
            betas = open_betas(files, Space.FUNC1PT8MM, version, mask, SilentProgress())
            held = np.asarray(betas.by_trial), np.asarray(betas.by_site), betas.valid
            for former, again in zip(sizes.setdefault(version, held), held, strict=True):
                np.testing.assert_array_equal(former, again)


# --- the cache ---------------------------------------------------------------------------------


def open_all(tree: TinyTree) -> BetaMatrix:
    return subject_of(tree).betas("brainmask")


def test_the_second_opening_reads_no_session(small, monkeypatch) -> None:
    open_all(small)

    def refuse(self: BetaSource, progress: object) -> None:
        raise AssertionError(self.file.path)

    monkeypatch.setattr(BetaSource, "blocks", refuse)
    open_all(small)


def test_a_changed_file_is_read_again_and_the_others_are_not(small, monkeypatch) -> None:
    first = open_all(small)
    x, y, z = first.ijk[3]
    with h5py.File(beta_path(small, 1), "r+") as file:
        file["betas"][7, z, y, x] = 12345
    read = []
    plain = BetaSource.blocks
    monkeypatch.setattr(
        BetaSource, "blocks", lambda s, p: read.append(s.file.session) or plain(s, p)
    )
    again = open_all(small)
    assert again.psc(np.array([7]))[0, 3] == np.float32(12345) / np.float32(300)
    assert read == [1]
    np.testing.assert_array_equal(again.psc(np.arange(750, 1500)), first.psc(np.arange(750, 1500)))


def test_a_session_that_arrives_later_is_added(small, tmp_path) -> None:
    first = open_all(small)
    assert first.by_site.shape[0] == 2
    (tmp_path / "betas_session03.hdf5").rename(beta_path(small, 3))
    again = open_all(small)
    assert again.by_site.shape[0] == 3
    np.testing.assert_array_equal(again.by_trial[:1500], first.by_trial)
    assert len(cached(small)) == 1


def test_a_cancelled_reading_leaves_nothing(small) -> None:
    ticket = Ticket()
    ticket.cancel()
    with pytest.raises(Cancelled):
        subject_of(small).betas("brainmask", progress=ticket)
    assert cached(small) == []
    assert open_all(small).n_voxels > 0


def test_progress_comes_to_its_end(small) -> None:
    seen = []
    subject_of(small).betas("brainmask", progress=Ticket(lambda f, m: seen.append(f)))
    assert seen[-1] == 1.0
    assert all(0 <= f <= 1 for f in seen)


KILLED = """
import os, signal, sys, threading
from nsdviewer import open_nsd
after = float(sys.argv[2])
threading.Timer(after, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
while True:
    import shutil
    open_nsd(sys.argv[1]).subject(1).betas("brainmask")
    shutil.rmtree(os.path.join(sys.argv[1], ".nsdviewer"))
"""


@pytest.mark.parametrize("after_s", [0.005, 0.02, 0.05])
def test_a_killed_build_is_absent_or_whole(small, after_s) -> None:
    expected = np.asarray(open_all(small).by_trial)
    shutil.rmtree(small.root / ".nsdviewer")
    words = [sys.executable, "-c", KILLED, str(small.root), str(after_s)]
    done = subprocess.run(words, cwd=Path(__file__).parents[3], capture_output=True)
    assert done.returncode == -9
    np.testing.assert_array_equal(open_all(small).by_trial, expected)
    assert not [name for name in cached(small) if name.startswith(cache_files.WRITING)]


FULL = """
import resource, signal, sys
from nsdviewer import open_nsd
from nsdviewer.errors import DataError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    open_nsd(sys.argv[1]).subject(1).betas("brainmask")
except DataError as error:
    print(error)
"""


def test_a_full_disk_is_said_and_leaves_nothing(small) -> None:
    words = [sys.executable, "-c", FULL, str(small.root)]
    done = subprocess.run(words, cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert "NSDVIEWER_CACHE" in done.stdout, done.stderr
    assert cached(small) == []


def test_a_folder_that_cannot_be_written_is_named(small, monkeypatch) -> None:
    blocked = small.root / "blocked"
    blocked.write_text("a file where a folder is wanted")
    monkeypatch.setenv("NSDVIEWER_CACHE", str(blocked))
    with pytest.raises(DataError, match="NSDVIEWER_CACHE"):
        open_all(small)


def test_a_cache_elsewhere_leaves_the_root_alone(small, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("NSDVIEWER_CACHE", str(tmp_path / "elsewhere"))
    open_all(small)
    assert not (small.root / ".nsdviewer").exists()
    assert list((tmp_path / "elsewhere").rglob("trials.npy"))


# --- what is refused ---------------------------------------------------------------------------


def damage(tree: TinyTree, kind: str) -> None:
    path = beta_path(tree, 2)
    with h5py.File(path) as file:
        array = file["betas"][()]
    altered = {
        "float": array.astype(np.float32),
        "unsigned": array.astype(np.uint16),
        "axes swapped": np.ascontiguousarray(array.T),
        "one axis too few": array[:, 0],
        "a trial too few": array[:-1],
        "another grid": array[..., :-1],
    }
    with h5py.File(path, "w") as file:
        if kind == "another name":
            file["data"] = array
        elif kind == "a group":
            file.create_group("betas")
        else:
            file["betas"] = altered[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "float", "unsigned", "axes swapped", "one axis too few", "a trial too few", "another grid",
        "another name", "a group",
    ],
)  # fmt: skip
def test_what_is_no_session_is_refused_by_name(small, kind) -> None:
    damage(small, kind)
    with pytest.raises(DataError, match=r"betas_session02.*download"):
        open_all(small)
    assert cached(small) == []


def test_without_betas_the_folder_and_what_is_there_are_named(small) -> None:
    with pytest.raises(DataError, match=r"betas_fithrf .*func1pt8mm b3"):
        subject_of(small).betas("nsdgeneral", version=BetaVersion.B2)


def test_an_empty_mask_is_refused(small) -> None:
    with pytest.raises(RequestError):
        subject_of(small).betas("nsdgeneral & !nsdgeneral")


def test_one_hemisphere_is_enough_for_its_own_vertices(tree, tmp_path) -> None:
    shutil.copytree(tree.root, tmp_path / "nsd")
    for path in replace(tree, root=tmp_path / "nsd").betas_folder(1, "fsaverage").glob("rh.*"):
        path.unlink()
    subject = open_nsd(tmp_path / "nsd").subject(1)
    assert subject.betas("lh.nsdgeneral", Space.FSAVERAGE).n_voxels > 0
    with pytest.raises(DataError, match=r"rh\.betas_session01"):
        subject.betas("rh.nsdgeneral", Space.FSAVERAGE)


def test_of_two_formats_the_quicker_counts(small) -> None:
    files = NsdRoot.open(small.root).subject(1)
    folder = small.betas_folder(1)
    (folder / "betas_session01.nii.gz").write_bytes(b"")
    (folder / "betas_session01 (1).hdf5").write_bytes(b"")
    found = files.beta_files(Space.FUNC1PT8MM, BetaVersion.B3)
    assert [(f.session, f.storage) for f in found] == [(1, Storage.HDF5), (2, Storage.HDF5)]


def test_a_source_of_zero_sites_yields_nothing(small) -> None:
    file = BetaFile(beta_path(small, 1), 1, None, Storage.HDF5)
    shape = tuple(small.subjects[1].func_shape)
    source = BetaSource(file, shape, np.array([], np.int64))
    assert list(source.blocks(SilentProgress())) == []


def test_nothing_is_warned_of_on_a_whole_tree(small) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_all(small)
        subject_of(small).trials(with_pictures=True)
    assert os.environ.get("NSDVIEWER_CACHE") is None
