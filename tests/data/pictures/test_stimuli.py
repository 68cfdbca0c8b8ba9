"""Pictures are those of the brick, whatever its layout, whoever asks; thumbnails are kept whole."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from nsdviewer.data.layout import NsdRoot
from nsdviewer.data.pictures.picture_store import PictureStore
from nsdviewer.data.pictures.stimuli import THUMBNAIL_SIZE_PX, Stimuli
from nsdviewer.errors import DataError, RequestError

SHAPE = (425, 425, 3)
N_PICTURES = 12


@pytest.fixture(scope="session")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (N_PICTURES, *SHAPE), np.uint8)


def make_stimuli(folder: Path) -> Stimuli:
    (folder / "nsddata").mkdir(parents=True, exist_ok=True)
    stimuli = Stimuli(NsdRoot.open(folder))
    stimuli.root.stimuli_file.parent.mkdir(parents=True, exist_ok=True)
    return stimuli


@pytest.fixture
def empty(tmp_path: Path) -> Stimuli:
    return make_stimuli(tmp_path)


def write_brick(stimuli: Stimuli, pictures: np.ndarray, **layout) -> Path:
    with h5py.File(stimuli.root.stimuli_file, "w") as file:
        file.create_dataset("imgBrick", data=pictures, **layout)
    return stimuli.root.stimuli_file


@pytest.fixture
def stimuli(empty: Stimuli, pictures: np.ndarray) -> Stimuli:
    write_brick(empty, pictures)
    return empty


LAYOUTS = {
    "contiguous": {},
    "picture": {"chunks": (1, *SHAPE)},
    "several": {"chunks": (5, *SHAPE)},
    "tiles": {"chunks": (3, 54, 107, 1)},
    "compressed": {"chunks": (4, 425, 425, 3), "compression": "gzip", "compression_opts": 1},
}


@pytest.fixture(scope="session")
def bricks(tmp_path_factory, pictures: np.ndarray) -> dict[str, Stimuli]:
    found = {}
    for name, layout in LAYOUTS.items():
        found[name] = make_stimuli(tmp_path_factory.mktemp(name))
        write_brick(found[name], pictures, **layout)
    return found


@settings(max_examples=40, deadline=None)
@given(
    layout=st.sampled_from(sorted(LAYOUTS)),
    ids=st.lists(st.integers(0, N_PICTURES - 1), max_size=15),
)
def test_any_layout_gives_the_same_pictures_in_the_order_asked_for(
    bricks, pictures: np.ndarray, layout: str, ids: list[int]
) -> None:
    np.testing.assert_array_equal(bricks[layout].read(np.array(ids, np.int64)), pictures[ids])


def test_many_threads_may_ask_at_once(stimuli: Stimuli, pictures: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    questions = [rng.integers(0, N_PICTURES, 4) for _ in range(40)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(stimuli.read, questions))
        small = list(pool.map(stimuli.thumbnails, questions))
    whole = stimuli.thumbnails(np.arange(N_PICTURES))
    for ids, answer, thumbnails in zip(questions, answers, small, strict=True):
        np.testing.assert_array_equal(answer, pictures[ids])
        np.testing.assert_array_equal(thumbnails, whole[ids])


@pytest.mark.parametrize("wrong", [-1, N_PICTURES, 73000])
def test_pictures_beyond_the_brick_do_not_exist(stimuli: Stimuli, wrong: int) -> None:
    for ask in (stimuli.read, stimuli.thumbnails):
        with pytest.raises(RequestError, match=f"Picture {wrong} .* from 0 to {N_PICTURES - 1}"):
            ask(np.array([0, wrong]))
    with pytest.raises(RequestError, match="whole numbers"):
        stimuli.read(np.array([0.5]))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((2, 3, 425, 425), np.uint8),
        np.zeros((2, 425, 425), np.uint8),
        np.zeros((2, *SHAPE), np.float32),
        np.zeros((2, 224, 224, 3), np.uint8),
        np.zeros((2, 425, 425, 4), np.uint8),
    ],
)
def test_a_brick_of_another_kind_is_refused(empty: Stimuli, wrong: np.ndarray) -> None:
    write_brick(empty, wrong)
    with pytest.raises(DataError, match=r"nsd_stimuli\.hdf5 holds pictures"):
        empty.read(np.array([0]))


def test_a_damaged_brick_is_named(stimuli: Stimuli) -> None:
    path = stimuli.root.stimuli_file
    raw = path.read_bytes()
    for n_bytes in (0, 4, 100, 2000, len(raw) // 2, len(raw) - 1):
        path.write_bytes(raw[:n_bytes])
        with pytest.raises(DataError, match=r"nsd_stimuli\.hdf5"):
            stimuli.read(np.array([N_PICTURES - 1]))
    with h5py.File(path, "w") as file:
        file.create_group("imgBrick")
    with pytest.raises(DataError, match="no dataset"):
        stimuli.read(np.array([0]))
    with h5py.File(path, "w"):
        pass
    with pytest.raises(DataError, match="imgBrick"):
        stimuli.read(np.array([0]))


def test_shared_pictures_stand_in_for_a_missing_brick(empty: Stimuli, pictures: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"nsd_stimuli\.hdf5 are missing"):
        empty.read(np.array([2950]))
    folder = empty.root.stimuli_file.parent / "shared1000"
    folder.mkdir()
    # The number in the name is 1-based.
    for k, nsd_id in enumerate((2950, 2990), start=1):
        Image.fromarray(pictures[k]).save(folder / f"shared{k:04d}_nsd{nsd_id + 1:05d}.png")
    found = empty.read(np.array([2990, 2950]))
    np.testing.assert_array_equal(found, pictures[[2, 1]])
    assert empty.thumbnails(np.array([2950])).any()
    with pytest.raises(DataError, match="Picture 7 is none of the 2 shared ones"):
        empty.read(np.array([7]))
    path = folder / "shared0001_nsd02951.png"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"shared0001_nsd02951\.png"):
        empty.read(np.array([2950]))


# Thumbnails.


def test_a_thumbnail_is_the_picture_made_small(empty: Stimuli) -> None:
    """A uniform picture keeps its colour, a half-and-half one its halves."""
    brick = np.zeros((2, *SHAPE), np.uint8)
    brick[0] = (10, 200, 30)
    brick[1, :, 213:] = 255
    write_brick(empty, brick)
    small = empty.thumbnails(np.array([1, 0, 1]))
    assert small.shape == (3, THUMBNAIL_SIZE_PX, THUMBNAIL_SIZE_PX, 3)
    assert (small[1] == (10, 200, 30)).all()
    assert (small[0, :, :47] == 0).all()
    assert (small[0, :, 49:] == 255).all()
    np.testing.assert_array_equal(small[0], small[2])


def test_thumbnails_of_another_brick_are_others(stimuli: Stimuli) -> None:
    """Also where both keep theirs in the same folder."""
    ids = np.array([3, 1])
    assert stimuli.thumbnails(ids).any()
    write_brick(stimuli, np.zeros((9, *SHAPE), np.uint8))
    assert not stimuli.thumbnails(ids).any()


def test_kept_thumbnails_equal_made_ones(stimuli: Stimuli) -> None:
    ids = np.arange(N_PICTURES)
    made = stimuli.thumbnails(ids)
    (file,) = stimuli.root.cache_folder.glob("thumbnails_*.sqlite")
    modified = file.stat().st_mtime_ns
    np.testing.assert_array_equal(stimuli.thumbnails(ids), made)
    assert file.stat().st_mtime_ns == modified


@pytest.mark.parametrize("obstacle", ["a file for a folder", "no folder can be made"])
def test_without_a_place_to_keep_them_thumbnails_are_shown(
    stimuli: Stimuli, monkeypatch: pytest.MonkeyPatch, obstacle: str
) -> None:
    ids = np.arange(4)
    expected = stimuli.thumbnails(ids)
    place = stimuli.root.path / "elsewhere"
    if obstacle == "a file for a folder":
        place.write_text("in the way")
        monkeypatch.setenv("NSDVIEWER_CACHE", str(place))
    else:
        # Not even root may write there.
        monkeypatch.setenv("NSDVIEWER_CACHE", "/proc/nsdviewer")
    np.testing.assert_array_equal(stimuli.thumbnails(ids), expected)


def test_a_store_cut_off_or_overwritten_gives_right_pictures_or_none(tmp_path: Path) -> None:
    shape = (24, 24, 3)
    pictures = np.random.default_rng(0).integers(0, 256, (40, *shape), np.uint8)
    store = PictureStore(tmp_path / "whole.sqlite", shape)
    assert store.put(dict(enumerate(pictures)))
    raw = store.path.read_bytes()
    damaged = PictureStore(tmp_path / "damaged.sqlite", shape)
    numbers = np.arange(40)
    for n_bytes in {*range(0, len(raw), 997), 1, 15, 16, 99, 100, 101, len(raw) - 1}:
        damaged.path.write_bytes(raw[:n_bytes])
        for number, picture in damaged.get(numbers).items():
            np.testing.assert_array_equal(picture, pictures[number])
        # What is damaged is begun anew, at the second try at the latest.
        assert any(damaged.put({7: pictures[7]}) for _ in range(2))
        np.testing.assert_array_equal(damaged.get(np.array([7]))[7], pictures[7])
        damaged.path.unlink()


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batches=st.lists(st.sets(st.integers(0, 99), min_size=1), min_size=1, max_size=5))
def test_a_store_is_a_dictionary(tmp_path: Path, batches: list[set[int]]) -> None:
    store = PictureStore(tmp_path / "store.sqlite", (2, 3, 3))
    store.path.unlink(missing_ok=True)
    expected: dict[int, np.ndarray] = {}
    for k, batch in enumerate(batches):
        rows = {number: np.full((2, 3, 3), number + k, np.uint8) for number in batch}
        assert store.put(rows)
        expected |= rows
    found = store.get(np.arange(2000))
    assert found.keys() == expected.keys()
    assert all((found[n] == expected[n]).all() for n in expected)


def test_pictures_of_the_simulated_brick_are_those_that_were_written(
    mini_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NSDVIEWER_CACHE", str(tmp_path / "cache"))
    stimuli = Stimuli(NsdRoot.open(mini_root))
    ids = np.array(sorted(stimuli.labels)[:30])
    with h5py.File(stimuli.root.stimuli_file) as file:
        np.testing.assert_array_equal(stimuli.read(ids), file["imgBrick"][ids])
    small = stimuli.thumbnails(ids)
    large = stimuli.read(ids)
    # Averaging pixels keeps the mean.
    np.testing.assert_allclose(small.mean(axis=(1, 2)), large.mean(axis=(1, 2)), atol=1.0)
    shutil.rmtree(tmp_path / "cache")


def test_names_hold_while_the_brick_stays_as_it_is(
    empty: Stimuli, pictures: np.ndarray, tmp_path: Path
) -> None:
    ids = np.array([3, 5])
    assert empty.names(ids) == []
    brick = write_brick(empty, pictures)
    here = empty.names(ids)
    assert here == empty.names(ids)
    assert len(set(here)) == 2
    copy = make_stimuli(tmp_path / "copy")
    shutil.copy2(brick, copy.root.stimuli_file)
    assert copy.names(ids) == here
    os.utime(copy.root.stimuli_file)
    assert not set(copy.names(ids)) & set(here)
