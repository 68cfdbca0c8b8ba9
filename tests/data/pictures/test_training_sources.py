"""Each place gives its pictures, less those that something is tested on."""

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from nsdviewer.data.layout import SIMULATED_FLAG, NsdRoot
from nsdviewer.data.pictures.photographs import load_catalogue
from nsdviewer.data.pictures.training_sources import open_picture_source
from nsdviewer.errors import DataError
from nsdviewer.resources import resource_path

N_BRICK = 12
SHARED = (2, 5, 6)


def picture(value: int, size: tuple[int, int] = (40, 30)) -> Image.Image:
    return Image.new("RGB", size, (value, 0, 0))


def first_values(source) -> list[int]:
    return [source.open(i).getpixel((0, 0))[0] for i in range(len(source))]


# Folders.


def test_the_shipped_photographs_are_the_training_side_of_the_split() -> None:
    source = open_picture_source(resource_path("photographs"))
    training = sorted(p.path.name for p in load_catalogue() if not p.held_out)
    assert list(source.names) == training
    assert len(source) == 140
    assert "45 pictures that held_out.txt names" in source.held_out
    assert source.captions(0) == ()
    with Image.open(resource_path("photographs") / source.names[3]) as image:
        np.testing.assert_array_equal(np.asarray(source.open(3)), np.asarray(image.convert("RGB")))


def make_folder(folder: Path) -> Path:
    for k, name in enumerate(["b.png", "a.JPG", "deep/er/c.tif", "d.bmp", "é e.webp", "f.jpeg"]):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        formats = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
        formats |= {".tif": "TIFF", ".bmp": "BMP"}
        picture(40 * k).save(path, format=formats[path.suffix.lower()])
    (folder / "notes.txt").write_text("not a picture")
    (folder / "looks-like-one.png").mkdir()
    return folder


def test_a_folder_is_searched_deeply_and_in_order(tmp_path: Path) -> None:
    source = open_picture_source(make_folder(tmp_path))
    assert source.names == ("a.JPG", "b.png", "d.bmp", "deep/er/c.tif", "f.jpeg", "é e.webp")
    np.testing.assert_allclose(first_values(source), [40, 0, 120, 80, 200, 160], atol=2)
    assert "Nothing is held out" in source.held_out


def test_held_out_names_may_share_a_line_or_hold_blanks(tmp_path: Path) -> None:
    make_folder(tmp_path)
    (tmp_path / "held_out.txt").write_text("b.png c.tif\né e.webp\n", encoding="utf-8")
    source = open_picture_source(tmp_path)
    assert source.names == ("a.JPG", "d.bmp", "f.jpeg")
    assert "3 pictures" in source.held_out
    (tmp_path / "held_out.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"held_out\.txt cannot be read"):
        open_picture_source(tmp_path)


def test_a_fingerprint_follows_the_pictures_and_not_their_place(tmp_path: Path) -> None:
    first = open_picture_source(make_folder(tmp_path / "one")).fingerprint
    assert open_picture_source(make_folder(tmp_path / "two")).fingerprint == first
    picture(7, (41, 30)).save(tmp_path / "two" / "d.bmp")
    changed = open_picture_source(tmp_path / "two").fingerprint
    (tmp_path / "one" / "d.bmp").unlink()
    assert len({first, changed, open_picture_source(tmp_path / "one").fingerprint}) == 3


def test_names_that_are_no_text_can_be_printed(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.png"
    with open(raw, "wb") as stream:  # noqa: PTH123
        picture(9).save(stream, format="PNG")
    source = open_picture_source(tmp_path)
    source.names[0].encode("utf-8")
    assert first_values(source) == [9]


def test_places_without_pictures_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder or file of pictures at .*absent"):
        open_picture_source(tmp_path / "absent")
    with pytest.raises(DataError, match="holds no picture to train on"):
        open_picture_source(tmp_path)


# The brick.


def make_brick(path: Path, n: int = N_BRICK, shape=(40, 50, 3), **layout) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.arange(n, dtype=np.uint8)[:, None, None, None]
    with h5py.File(path, "w") as file:
        file.create_dataset("imgBrick", data=np.broadcast_to(values, (n, *shape)), **layout)
    return path


def write_table(root: NsdRoot, n: int = N_BRICK) -> None:
    root.stim_info_file.parent.mkdir(parents=True, exist_ok=True)
    lines = [",cocoId,cocoSplit,cropBox,loss,nsdId,flagged,BOLD5000,shared1000"]
    for k in range(n):
        lines.append(f'{k},{500 + k},train2017,"(0, 0, 0, 0)",0.1,{k},False,False,{k in SHARED}')
    root.stim_info_file.write_text("\n".join(lines) + "\n")


@pytest.fixture
def root(tmp_path: Path) -> NsdRoot:
    (tmp_path / "root" / "nsddata").mkdir(parents=True)
    root = NsdRoot.open(tmp_path / "root")
    make_brick(root.stimuli_file)
    write_table(root)
    return root


UNSHARED = [k for k in range(N_BRICK) if k not in SHARED]


def test_a_root_gives_all_but_the_shared_pictures(root: NsdRoot) -> None:
    for place in (root.path, root.stimuli_file, root.path / "nsddata_stimuli"):
        source = open_picture_source(place)
        assert first_values(source) == UNSHARED
        assert source.names[2] == "nsdId 3"
        assert source.held_out.startswith("3 pictures that NSD shares")
        assert source.open(0).size == (50, 40)
        assert source.captions(0) == ()
    whole = open_picture_source(root.path, with_shared=True)
    assert first_values(whole) == list(range(N_BRICK))
    assert "None of NSD's shared pictures" in whole.held_out
    assert whole.fingerprint != source.fingerprint


@pytest.mark.parametrize("chunks", [(1, 40, 50, 3), (5, 40, 50, 3), (7, 8, 50, 1), (12, 40, 50, 3)])
def test_any_layout_of_the_file_gives_the_same_pictures(root: NsdRoot, chunks) -> None:
    make_brick(root.stimuli_file, chunks=chunks, compression="gzip")
    assert first_values(open_picture_source(root.path)) == UNSHARED


def test_captions_of_a_brick_come_by_coco_id(root: NsdRoot) -> None:
    folder = root.path / "annotations"
    write_captions(folder / "captions_train2017.json", range(500, 504))
    write_captions(folder / "captions_val2017.json", [511])
    source = open_picture_source(root.path)
    by_name = {name: source.captions(i) for i, name in enumerate(source.names)}
    assert by_name["nsdId 3"] == ("Caption 0 of 503.", "Caption 1 of 503.")
    assert by_name["nsdId 11"] == ("Caption 0 of 511.", "Caption 1 of 511.")
    assert by_name["nsdId 7"] == ()
    # Broken annotations do not keep a training without captions.
    (folder / "captions_val2017.json").write_text("{")
    assert first_values(open_picture_source(root.path)) == UNSHARED


def test_a_bare_brick_is_taken_whole_and_says_so(tmp_path: Path) -> None:
    source = open_picture_source(make_brick(tmp_path / "own.hdf5"))
    assert first_values(source) == list(range(N_BRICK))
    assert source.names[3] == "own.hdf5 row 3"
    assert "Nothing is held out: own.hdf5 lies in no NSD root" in source.held_out
    assert source.captions(3) == ()


def test_pictures_that_a_simulator_never_filled_in_are_no_pictures(root: NsdRoot) -> None:
    filled = {str(k): {"category": "a", "label": "b"} for k in (1, 2, 9)}
    (root.path / SIMULATED_FLAG).write_text(json.dumps({"photographs": filled}))
    assert first_values(open_picture_source(root.path)) == [1, 9]


def test_a_root_that_cannot_say_what_is_shared_is_refused(root: NsdRoot) -> None:
    write_table(root, N_BRICK - 1)
    with pytest.raises(DataError, match=r"has 11 rows for the 12 pictures"):
        open_picture_source(root.path)
    root.stim_info_file.unlink()
    with pytest.raises(DataError, match=r"nsd_stim_info_merged\.csv"):
        open_picture_source(root.stimuli_file)
    write_table(root)
    make_brick(root.stimuli_file, n=2)
    assert first_values(open_picture_source(root.path)) == [0, 1]
    root.stimuli_file.unlink()
    with pytest.raises(DataError, match=r"no brick of pictures at .*nsd_stimuli\.hdf5"):
        open_picture_source(root.path)


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "match"),
    [
        ("images", (4, 40, 50, 3), np.uint8, "holds 'images' and no dataset 'imgBrick'"),
        ("imgBrick", (4, 3, 40, 50), np.uint8, r"\(4, 3, 40, 50\) of uint8, where"),
        ("imgBrick", (4, 40, 50), np.uint8, r"\(4, 40, 50\) of uint8, where"),
        ("imgBrick", (4, 40, 50, 3), np.float32, "of float32, where"),
        ("imgBrick", (4, 40, 8, 3), np.uint8, "must have 16 px"),
        ("imgBrick", (0, 40, 40, 3), np.uint8, "must have 16 px"),
    ],
)
def test_another_hdf5_file_is_named(tmp_path: Path, name, shape, dtype, match) -> None:
    path = tmp_path / "other.hdf5"
    with h5py.File(path, "w") as file:
        file.create_dataset(name, shape, dtype)
    with pytest.raises(DataError, match=match):
        open_picture_source(path)


def test_what_is_no_hdf5_file_or_cut_off_is_named(tmp_path: Path) -> None:
    path = make_brick(tmp_path / "own.hdf5")
    source = open_picture_source(path)
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(DataError, match=r"own\.hdf5 is no HDF5 file or damaged"):
        source.open(4)
    path.write_bytes(b"a picture")
    with pytest.raises(DataError, match=r"own\.hdf5 is no HDF5 file or damaged"):
        open_picture_source(path)
    with h5py.File(path, "w") as file:
        file.create_group("imgBrick")
    with pytest.raises(DataError, match="no dataset 'imgBrick'"):
        open_picture_source(path)


# COCO.


def coco_name(coco_id: int) -> str:
    return f"{coco_id:012d}.jpg"


def write_captions(path: Path, ids) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "info": {"year": 2017},
        "images": [{"id": i, "file_name": coco_name(i), "width": 9, "height": 9} for i in ids],
        "annotations": [
            {"id": 10 * i + k, "image_id": i, "caption": f"Caption {k} of {i}. \n"}
            for i in ids
            for k in range(2)
        ],
    }
    path.write_text(json.dumps(content))


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    folder = tmp_path / "coco"
    write_captions(folder / "annotations" / "captions_train2017.json", range(500, 506))
    write_captions(folder / "annotations" / "captions_val2017.json", range(600, 603))
    places = {"train2017": (500, 501, 502, 503), "images/val2017": (600, 602), "test2017": (9,)}
    for place, ids in places.items():
        (folder / place).mkdir(parents=True)
        for coco_id in ids:
            picture(coco_id % 251).save(folder / place / coco_name(coco_id), quality=95)
    return folder


def test_pictures_of_coco_are_those_that_are_listed_and_there(coco: Path) -> None:
    source = open_picture_source(coco)
    assert [int(Path(name).stem) for name in source.names] == [600, 602, 500, 501, 502, 503]
    assert source.title.startswith("6 of the 9 pictures")
    values = [int(Path(name).stem) % 251 for name in source.names]
    np.testing.assert_allclose(first_values(source), values, atol=3)
    assert source.captions(1) == ("Caption 0 of 602.", "Caption 1 of 602.")
    assert "not held out: no NSD root says" in source.held_out


def test_nsds_shared_pictures_are_left_out_of_coco_where_a_root_names_them(
    coco: Path, root: NsdRoot
) -> None:
    source = open_picture_source(coco, nsd_root=root.path)
    # Shared are nsdId 2, 5 and 6; 2 is COCO's 502.
    assert [int(Path(name).stem) for name in source.names] == [600, 602, 500, 501, 503]
    assert source.held_out.startswith("1 pictures that NSD shares")
    assert len(open_picture_source(coco, with_shared=True, nsd_root=root.path)) == 6


def test_held_out_files_and_doubles_of_coco(coco: Path) -> None:
    (coco / "held_out.txt").write_text(coco_name(501))
    picture(3).save(coco / "images" / coco_name(500))
    names = open_picture_source(coco).names
    assert sum(name.endswith(coco_name(500)) for name in names) == 1
    assert not any(name.endswith(coco_name(501)) for name in names)


def test_damaged_or_strange_captions_are_named(coco: Path) -> None:
    path = coco / "annotations" / "captions_train2017.json"
    raw = path.read_text()
    for n in (1, 40, len(raw) // 2, len(raw) - 1):
        path.write_text(raw[:n])
        with pytest.raises(DataError, match=r"captions_train2017\.json is broken or cut off"):
            open_picture_source(coco)
    path.write_text(json.dumps({"annotations": [{"image_id": 1, "bbox": [1]}]}))
    with pytest.raises(DataError, match="none of COCO's captions"):
        open_picture_source(coco)


def test_coco_without_its_pictures_is_named(coco: Path) -> None:
    for path in coco.rglob("*.jpg"):
        path.unlink()
    with pytest.raises(DataError, match="None of the 9 pictures"):
        open_picture_source(coco)
