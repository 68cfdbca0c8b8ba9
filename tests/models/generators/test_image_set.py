"""Training pictures: cropped by one rule, embedded once, whole after any kill, and named if unfit."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from nsdviewer.data.pictures.folder_pictures import FolderPictures
from nsdviewer.data.pictures.photographs import apply_crop, choose_crop
from nsdviewer.data.pictures.training_sources import open_picture_source
from nsdviewer.errors import Cancelled, DataError, DataWarning, RequestError
from nsdviewer.jobs import SilentProgress
from nsdviewer.models.generators import image_set
from nsdviewer.models.generators.image_blocks import JOURNAL_FILE, PIXELS_FILE
from nsdviewer.models.generators.image_set import build_image_set, image_set_bytes, open_image_set
from nsdviewer.resources import resource_path
from tests.models.generators.colours import Colours, build

N_PICTURES = 40
BAD = ("im03.png", "im17.png", "im39.png")


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of many sizes with captions, one without."""
    folder = tmp_path_factory.mktemp("good")
    rng = np.random.default_rng(0)
    names = [f"im{k:02d}.png" for k in range(N_PICTURES)]
    for k, name in enumerate(names):
        coarse = Image.fromarray(rng.integers(0, 256, (3, 4, 3), np.uint8))
        coarse.resize((40 + 3 * k, 90 - k), Image.Resampling.BILINEAR).save(folder / name)
    captions = [
        {"image_id": k, "caption": f"Caption {c} of {k}."}
        for k in range(N_PICTURES)
        for c in range(1 + k % 3)
        if k != 20
    ]
    images = [{"id": k, "file_name": name} for k, name in enumerate(names)]
    (folder / "annotations").mkdir()
    text = json.dumps({"images": images, "annotations": captions})
    (folder / "annotations" / "captions_train2017.json").write_text(text)
    return folder


@pytest.fixture(scope="session")
def mixed(good: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with three that cannot be used, the last of all among them."""
    folder = tmp_path_factory.mktemp("mixed") / "mixed"
    shutil.copytree(good, folder)
    (folder / BAD[0]).write_text("no picture")
    (folder / BAD[1]).write_bytes((folder / BAD[1]).read_bytes()[:200])
    Image.new("RGB", (1, 1)).save(folder / BAD[2])
    return folder


@pytest.fixture(scope="session")
def whole(mixed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The set of `mixed` with captions, built without interruption."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.warns(DataWarning):
        build(mixed, folder, Colours(), with_captions=True)
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


# What is in a set.


def test_crops_of_the_shipped_photographs_follow_one_sequence_of_draws(tmp_path: Path) -> None:
    """One generator for all photographs in order; each fifth photograph is checked against it."""
    photographs = resource_path("photographs")
    shipped = open_picture_source(photographs)
    assert isinstance(shipped, FolderPictures)
    source = replace(shipped, files=shipped.files[:36], names=shipped.names[:36])
    images = build_image_set(source, Colours(), 64, 10, 0, tmp_path, SilentProgress())
    assert images.pixels.shape == (360, 64, 64, 3)
    assert (images.names, images.left_out, images.summary) == (source.names, (), "")
    rng = np.random.default_rng(0)
    for index, name in enumerate(images.names):
        with Image.open(photographs / name) as image:
            crops = [
                choose_crop(image.width, image.height, rng if k else None, 0.8) for k in range(10)
            ]
            for k in (0, 1, 9) if index % 5 == 0 else ():
                large = apply_crop(image, crops[k], 256)
                small = np.asarray(large.resize((64, 64), Image.Resampling.LANCZOS))
                row = 10 * index + k
                np.testing.assert_array_equal(images.pixels[row], small)
                (vector,) = Colours().encode_images([large])
                np.testing.assert_array_equal(images.embeddings[row], vector)
                assert images.source[row] == index


def test_a_set_says_what_it_holds(mixed: Path, whole: Path) -> None:
    images = open_image_set(whole)
    # Three are broken, and one has no caption.
    assert images.n_pictures == N_PICTURES - 4
    assert images.resolution == 32
    assert len(images.pixels) == len(images.embeddings) == len(images.source) == 7 * 36
    np.testing.assert_array_equal(np.unique(images.source, return_counts=True)[1], 7)
    np.testing.assert_allclose(np.linalg.norm(images.embeddings, axis=1), 1, atol=1e-6)
    assert images.embedding == "colours"
    assert isinstance(images.pixels, np.memmap)
    told = dict(
        zip((*BAD, "im20.png"), ("no JPEG", "broken", "1 × 1 px", "no caption"), strict=True)
    )
    assert len(images.left_out) == 4
    for name, reason in told.items():
        assert any(s.startswith(name) and reason in s for s in images.left_out)
        assert name in images.summary
        assert name not in images.names
    assert images.summary.startswith("4 of 40 pictures are left out.")


def test_captions_belong_to_the_pictures_that_are_left(whole: Path) -> None:
    images = open_image_set(whole)
    assert images.caption_embeddings is not None
    expected = [
        (place, f"Caption {c} of {int(name[2:4])}.")
        for place, name in enumerate(images.names)
        for c in range(1 + int(name[2:4]) % 3)
    ]
    np.testing.assert_array_equal(images.caption_source, [place for place, _ in expected])
    np.testing.assert_array_equal(
        images.caption_embeddings, Colours().encode_sentences([text for _, text in expected])
    )


def test_a_broken_picture_changes_no_other_crop(good: Path, whole: Path, tmp_path: Path) -> None:
    images, others = open_image_set(whole), build(good, tmp_path, Colours())
    assert others.n_pictures == N_PICTURES and others.caption_embeddings is None
    for place, name in enumerate(images.names):
        np.testing.assert_array_equal(
            images.pixels[images.source == place],
            others.pixels[others.source == others.names.index(name)],
        )


def test_left_out_pictures_are_told_once(mixed: Path, tmp_path: Path, recwarn) -> None:
    for _ in range(2):
        build(mixed, tmp_path, Colours())
    (warning,) = [w for w in recwarn if w.category is DataWarning]
    assert str(warning.message).startswith("3 of 40 pictures are left out. im03.png is no JPEG")


def test_a_brick_is_streamed(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (30, 4, 5, 3), np.uint8)
    with h5py.File(tmp_path / "own.hdf5", "w") as file:
        file["imgBrick"] = values.repeat(6, 1).repeat(6, 2)
    images = build(tmp_path / "own.hdf5", tmp_path / "run", Colours(), n_crops_each=1)
    assert len(images.pixels) == 30
    # The first crop is the square in the middle: all rows, and 24 of 30 columns.
    expected = values.astype(float).mean((1, 2))
    assert np.corrcoef(images.pixels.mean((1, 2)).ravel(), expected.ravel())[0, 1] > 0.9


# Killed.


def test_a_killed_building_goes_on_and_ends_with_the_same_set(
    mixed: Path, whole: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tests.models.generators.colours", str(mixed), str(tmp_path)]
    child = subprocess.Popen([*command, "4"], env={**os.environ, "OMP_NUM_THREADS": "1"})
    journal = tmp_path / JOURNAL_FILE
    for _ in range(6000):
        if journal.exists() and json.loads(journal.read_text())["n_done"] == 27:
            break
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    with pytest.raises(DataError, match="has unfinished ones only"):
        open_image_set(tmp_path)
    embedding = Colours()
    with pytest.warns(DataWarning, match="4 of 40"):
        build(mixed, tmp_path, embedding, with_captions=True)
    # 27 of 40 were done; of the rest, one cannot be used.
    assert embedding.n_pictures == 7 * 12
    assert files_of(tmp_path) == files_of(whole)


@pytest.mark.parametrize("n_more", [1, 400, 12345, 600_000])
def test_what_a_kill_left_half_written_is_overwritten(
    mixed: Path, whole: Path, tmp_path: Path, n_more: int
) -> None:
    with pytest.raises(Cancelled):
        build(mixed, tmp_path, Colours(), with_captions=True, progress=CancelAt(20))
    for path in tmp_path.glob("*.npy"):
        with path.open("ab") as stream:
            stream.write(b"\x5a" * n_more)
    with pytest.warns(DataWarning):
        build(mixed, tmp_path, Colours(), with_captions=True)
    assert files_of(tmp_path) == files_of(whole)


def test_killed_between_data_and_journal_or_before_the_end(whole, mixed, tmp_path: Path) -> None:
    """Everything is there but the last word."""
    for name, raw in files_of(whole).items():
        (tmp_path / name).write_bytes(raw)
    described = json.loads((tmp_path / "images.json").read_text())
    (tmp_path / "images.json").unlink()
    left_out = {3: 0, 17: 1, 20: 2, 39: 3}
    journal = {
        "identity": described["identity"],
        "n_done": 40,
        "n_captions": described["n_captions"],
        "left_out": {str(k): described["left_out"][n] for k, n in left_out.items()},
    }
    (tmp_path / JOURNAL_FILE).write_text(json.dumps(journal))
    embedding = Colours()
    with pytest.warns(DataWarning):
        build(mixed, tmp_path, embedding, with_captions=True)
    assert embedding.n_calls == 0
    assert files_of(tmp_path) == files_of(whole)


class CancelAt:
    def __init__(self, n: int) -> None:
        self.n = n

    def report(self, fraction: float, message: str = "") -> None:
        self.n -= 1
        if not self.n:
            raise Cancelled(message)


def test_cancelled_anywhere_it_goes_on(mixed: Path, whole: Path, tmp_path: Path) -> None:
    for n in (1, 12, 20, 3):
        with pytest.raises(Cancelled):
            build(mixed, tmp_path, Colours(), with_captions=True, progress=CancelAt(n))
    with pytest.warns(DataWarning):
        build(mixed, tmp_path, Colours(), with_captions=True)
    assert files_of(tmp_path) == files_of(whole)


def test_a_finished_set_is_opened_and_not_made_again(good: Path, tmp_path: Path) -> None:
    first = build(good, tmp_path, Colours())
    embedding = Colours()
    again = build(good, tmp_path, embedding)
    assert embedding.n_calls == 0
    assert again.fingerprint == first.fingerprint
    np.testing.assert_array_equal(again.pixels, first.pixels)


# Refused.


def renamed(name: str) -> Colours:
    embedding = Colours()
    embedding.name = name
    return embedding


@pytest.mark.parametrize("finished", [True, False])
def test_a_set_of_something_else_is_named(mixed, good, tmp_path: Path, finished: bool) -> None:
    if finished:
        build(good, tmp_path, Colours())
    else:
        with pytest.raises(Cancelled):
            build(good, tmp_path, Colours(), progress=CancelAt(15))
    before = files_of(tmp_path)
    for options, told in (
        ({"resolution": 16}, "resolution 32, not 16"),
        ({"n_crops_each": 2, "seed": 1}, "crops a picture 7, not 2; seed 3, not 1"),
        ({"with_captions": True}, "other captions"),
    ):
        with pytest.raises(DataError, match=told):
            build(good, tmp_path, Colours(), **options)
    with pytest.raises(DataError, match="embedding colours, not hues"):
        build(good, tmp_path, renamed("hues"))
    with pytest.raises(DataError, match="other pictures"):
        build(mixed, tmp_path, Colours())
    assert files_of(tmp_path) == before


def test_each_part_of_a_set_shows_in_its_fingerprint(good: Path, tmp_path: Path) -> None:
    asked = [{}, {"seed": 4}, {"resolution": 16}, {"n_crops_each": 1}, {"with_captions": True}]
    found = set()
    for k, options in enumerate(asked):
        folder = tmp_path / str(k)
        if options.get("with_captions"):
            with pytest.warns(DataWarning, match=r"im20\.png has no caption"):
                found.add(build(good, folder, Colours(), **options).fingerprint)
        else:
            found.add(build(good, folder, Colours(), **options).fingerprint)
    assert len(found) == len(asked)


def test_too_few_pictures_are_counted_and_named(mixed: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for k in (*range(10, 25), 3):
        shutil.copy(mixed / f"im{k:02d}.png", few)
    run = tmp_path / "run"
    with pytest.raises(DataError, match=r"14 can be trained on, and 16 .* im03\.png is no JPEG"):
        build(few, run, Colours())
    assert not list(run.iterdir())
    for k in (30, 31):
        shutil.copy(mixed / f"im{k}.png", few)
    with pytest.warns(DataWarning):
        assert build(few, run, Colours()).n_pictures == 16
    (few / "im30.png").unlink()
    for k in range(18, 25):
        (few / f"im{k}.png").unlink()
    with pytest.raises(DataError, match="10 can be trained on"):
        build(few, tmp_path / "other", Colours())


@pytest.mark.parametrize(
    "options", [{"resolution": 3}, {"n_crops_each": 0}, {"seed": -1}, {"resolution": -64}]
)
def test_requests_that_make_no_sense_are_refused(good: Path, tmp_path: Path, options) -> None:
    with pytest.raises(RequestError, match="cannot be"):
        build(good, tmp_path, Colours(), **options)
    assert not list(tmp_path.iterdir())


def test_captions_that_are_not_there_are_not_waited_for(tmp_path: Path) -> None:
    source = open_picture_source(resource_path("photographs"))
    with pytest.raises(DataError, match="There are no captions of 140 pictures"):
        build_image_set(source, Colours(), 8, 1, 0, tmp_path, SilentProgress(), with_captions=True)


class Wrong(Colours):
    """Gives one wrong vector, in its third block."""

    def __init__(self, vector: np.ndarray | None) -> None:
        super().__init__()
        self._vector = vector

    def encode_images(self, images):
        rows = super().encode_images(images)
        if self.n_calls == 3:
            if self._vector is None:
                return rows[:, :-1]
            rows[10] = self._vector
        return rows


@pytest.mark.parametrize(
    ("vector", "told"),
    [
        (None, r"gave \(63, 12\) for 63 crops .* from im18\.png on, where \(63, 13\)"),
        (np.full(13, np.nan), r"length nan and not 1 for im19\.png"),
        (np.r_[np.inf, np.zeros(12)], r"length inf and not 1 for im19\.png"),
        (np.zeros(13), r"length 0 and not 1 for im19\.png"),
        (np.full(13, 1.0), r"length 3\.6.* and not 1 for im19\.png"),
    ],
)
def test_vectors_that_are_none_are_named(good: Path, tmp_path: Path, vector, told) -> None:
    with pytest.raises(DataError, match=told):
        build(good, tmp_path, Wrong(vector))
    # What was right before it stays.
    embedding = Colours()
    build(good, tmp_path, embedding)
    assert embedding.n_pictures == 7 * (N_PICTURES - 18)


def test_a_full_disk_is_named_and_nothing_is_lost(mixed: Path, whole: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the system refuses to write on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, hard))
    try:
        with pytest.raises(DataError, match=f"Pictures cannot be written to {tmp_path} "):
            build(mixed, tmp_path, Colours(), with_captions=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert json.loads((tmp_path / JOURNAL_FILE).read_text())["n_done"] == 18
    with pytest.warns(DataWarning):
        build(mixed, tmp_path, Colours(), with_captions=True)
    assert files_of(tmp_path) == files_of(whole)


def test_a_set_that_does_not_fit_is_refused_before_it_is_begun(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_bytes = image_set_bytes(N_PICTURES, 7, 32, 13)
    images = build(good, tmp_path / "fits", Colours())
    assert n_bytes == images.pixels.nbytes + images.embeddings.nbytes
    usage = shutil.disk_usage(tmp_path)._replace(free=n_bytes - 1)
    monkeypatch.setattr(image_set.shutil, "disk_usage", lambda _: usage)
    embedding = Colours()
    with pytest.raises(DataError, match=r"The training pictures take 0\.0 GB"):
        build(good, tmp_path / "full", embedding)
    assert embedding.n_calls == 0


def test_a_folder_that_cannot_be_made_is_named(good: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for place in (tmp_path / "file" / "run", Path("/proc/nsdviewer")):
        with pytest.raises(DataError, match="cannot be written to"):
            build(good, place, Colours())


@pytest.mark.parametrize("name", ["images.json", PIXELS_FILE, "images-captions.npy"])
def test_damaged_files_of_a_set_are_named(whole: Path, tmp_path: Path, name: str) -> None:
    for file, raw in files_of(whole).items():
        (tmp_path / file).write_bytes(raw)
    raw = (tmp_path / name).read_bytes()
    for n_bytes in (0, 1, 60, len(raw) // 2, len(raw) - 1):
        (tmp_path / name).write_bytes(raw[:n_bytes])
        if name == "images.json" and n_bytes == len(raw) - 1:
            continue  # only the last line's end is missing
        with pytest.raises(DataError, match=name):
            open_image_set(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(DataError, match=f"{name} is missing|has none; build them first"):
        open_image_set(tmp_path)


def test_a_damaged_journal_is_named(good: Path, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        build(good, tmp_path, Colours(), progress=CancelAt(15))
    path = tmp_path / JOURNAL_FILE
    raw = path.read_text()
    (tmp_path / PIXELS_FILE).write_bytes((tmp_path / PIXELS_FILE).read_bytes()[:1000])
    with pytest.raises(DataError, match="shorter than the 63 rows"):
        build(good, tmp_path, Colours())
    for text in ("", "[]", raw[:100], "{}"):
        path.write_text(text)
        with pytest.raises(DataError, match=r"images-building\.json is damaged"):
            build(good, tmp_path, Colours())


def test_a_source_that_fails_stops_the_building_and_costs_no_picture(
    good: Path, tmp_path: Path
) -> None:
    pictures = tmp_path / "pictures"
    shutil.copytree(good, pictures)
    source = open_picture_source(pictures)
    (pictures / "im25.png").rename(tmp_path / "away.png")
    run = tmp_path / "run"
    with pytest.raises(DataError, match=r"im25\.png could not be read"):
        build_image_set(source, Colours(), 32, 7, 3, run, SilentProgress())
    (tmp_path / "away.png").rename(pictures / "im25.png")
    assert build(pictures, run, Colours()).n_pictures == N_PICTURES
