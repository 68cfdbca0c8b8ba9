"""Crops map back to COCO's pixels, and annotations meet the stimuli they belong to."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nsdviewer.data.layout import NsdRoot
from nsdviewer.data.pictures.coco import find_annotations, read_coco
from nsdviewer.data.pictures.crops import (
    box_to_coco,
    box_to_stimulus,
    coco_to_stimulus,
    read_origins,
    stimulus_to_coco,
)
from nsdviewer.data.pictures.photographs import Crop, apply_crop, choose_crop
from nsdviewer.data.trials.picture_table import parse_crop_boxes
from nsdviewer.errors import DataError, DataWarning

IDS = np.arange(4)
SHARES = st.floats(0, 0.49)
CROPS = st.builds(Crop, SHARES, SHARES, SHARES, SHARES)
SIZES = st.tuples(st.integers(50, 700), st.integers(50, 700))
POINTS = st.lists(st.tuples(*[st.floats(-1000, 1000)] * 2), min_size=1, max_size=8)


@given(crop=CROPS, size=SIZES, points=POINTS)
def test_points_go_there_and_back(crop: Crop, size: tuple[int, int], points) -> None:
    there = coco_to_stimulus(np.array(points), crop, *size)
    np.testing.assert_allclose(stimulus_to_coco(there, crop, *size), points, atol=1e-6)


@given(crop=CROPS, size=SIZES)
def test_the_corners_of_the_stimulus_are_those_of_the_crop(crop: Crop, size) -> None:
    width, height = size
    corners = stimulus_to_coco(np.array([[0, 0], [425, 425]]), crop, width, height)
    expected = [
        [crop.left * width, crop.top * height],
        [(1 - crop.right) * width, (1 - crop.bottom) * height],
    ]
    np.testing.assert_allclose(corners, expected, atol=1e-6)


@given(crop=CROPS, size=SIZES, data=st.data())
def test_boxes_in_view_go_there_and_back(crop: Crop, size, data) -> None:
    x, y = (data.draw(st.floats(0, 400)) for _ in range(2))
    box = (x, y, data.draw(st.floats(1, 425 - x)), data.draw(st.floats(1, 425 - y)))
    seen, share = box_to_stimulus(box_to_coco(box, crop, *size), crop, *size)
    np.testing.assert_allclose(seen, box, atol=1e-6)
    assert share == pytest.approx(1, abs=1e-6)


def test_boxes_are_cut_off_at_the_edge() -> None:
    crop = Crop(top=0, bottom=0, left=0.25, right=0.25)
    # The middle 200 of 400 pixels; the box's right half reaches in.
    seen, share = box_to_stimulus((80, 50, 40, 100), crop, 400, 200)
    np.testing.assert_allclose(seen, (0, 106.25, 42.5, 212.5))
    assert share == pytest.approx(0.5)
    for outside in ((0, 0, 100, 50), (310, 0, 10, 10), (150, 50, 0, 10)):
        assert box_to_stimulus(outside, crop, 400, 200) is None


def test_points_follow_the_pixels_of_a_rendered_crop() -> None:
    """The independent implementation is Pillow: a white square is found where it should be."""
    rng = np.random.default_rng(0)
    for width, height in ((640, 480), (333, 500)):
        crop = choose_crop(width, height, rng)
        left, top = stimulus_to_coco(np.array([[100, 200]]), crop, width, height)[0]
        picture = np.zeros((height, width, 3), np.uint8)
        picture[round(top) : round(top) + 40, round(left) : round(left) + 60] = 255
        shown = np.asarray(apply_crop(Image.fromarray(picture), crop, 425)).mean(axis=2) > 127
        rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
        box = (float(round(left)), float(round(top)), 60.0, 40.0)
        (x, y, w, h), _ = box_to_stimulus(box, crop, width, height)
        expected = (x, y, x + w, y + h)
        found = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        np.testing.assert_allclose(found, expected, atol=1)


def parse_crop(text: str) -> Crop:
    (row,) = parse_crop_boxes(pd.Series([text]), Path("a.csv")).to_numpy()
    return Crop(*row)


@given(crop=CROPS)
def test_crops_are_read_as_nsd_writes_them(crop: Crop) -> None:
    assert parse_crop(str((crop.top, crop.bottom, crop.left, crop.right))) == crop


@pytest.mark.parametrize("text", ["", "()", "nan", "(0, 0, 0)", "(0, 0, 0, 0, 0)", "(a, 0, 0, 0)"])
def test_what_is_no_crop_is_refused(text: str) -> None:
    with pytest.raises(DataError, match=r"a\.csv"):
        parse_crop(text)


@pytest.mark.parametrize(
    "text",
    [
        *("(nan, 0, 0, 0)", "(, 0, 0, 0)", "(-0.1, 0, 0, 0)", "(0.5, 0.5, 0, 0)"),
        *("(0, 0, 0.7, 0.4)", "(1, 0, 0, 0)", "(0, 0, inf, 0)"),
    ],
)
def test_a_crop_that_leaves_nothing_is_unknown_and_told(text: str) -> None:
    with pytest.warns(DataWarning, match=r"a\.csv"):
        crop = parse_crop(text)
    assert np.isnan([crop.top, crop.bottom, crop.left, crop.right]).all()


@pytest.mark.filterwarnings("ignore::nsdviewer.errors.DataWarning")
@given(st.text(max_size=30))
def test_any_text_is_a_crop_unknown_or_refused(text: str) -> None:
    try:
        crop = parse_crop(text)
    except DataError:
        return
    assert not crop.top + crop.bottom >= 1
    assert not crop.left + crop.right >= 1


# Annotations.

CATEGORIES = [
    {"id": 1, "name": "person", "supercategory": "person"},
    {"id": 18, "name": "dog", "supercategory": "animal"},
]
BOXES = [(10.0, 10.0, 20.0, 30.0), (100.0, 50.0, 150.0, 100.0), (380.0, 10.0, 15.0, 15.0)]


def write_table(root: NsdRoot, crops: list[str]) -> None:
    root.stim_info_file.parent.mkdir(parents=True, exist_ok=True)
    lines = [",cocoId,cocoSplit,cropBox,loss,nsdId,flagged,BOLD5000,shared1000"]
    for k, crop in enumerate(crops):
        split = "val2017" if k % 2 else "train2017"
        lines.append(f'{k},{500 + k},{split},"{crop}",0.1,{k},False,False,True')
    root.stim_info_file.write_text("\n".join(lines) + "\n")


def write_annotations(folder: Path) -> None:
    """Both splits: pictures 500 (captions, objects), 501 (captions only), 502 (neither)."""
    folder.mkdir(parents=True)
    for k, split in enumerate(("train2017", "val2017")):
        images = [
            {"id": 500 + i, "width": 400, "height": 200, "file_name": "é.jpg"}
            for i in range(3)
            if i % 2 == k
        ]
        objects = [
            {
                "id": n,
                "image_id": 500,
                "category_id": (1, 18, 18)[n],
                "bbox": box,
                "iscrowd": n == 1,
            }
            | {"segmentation": [[1, 2, 3, 4]]}
            for n, box in enumerate(BOXES)
        ]
        captions = [
            {"id": i, "image_id": 500 + k, "caption": f" Caption {i} of {500 + k}. \n"}
            for i in range(5 + k)
        ]
        for name, annotations in (("instances", [] if k else objects), ("captions", captions)):
            content = {"info": {"a": [1, {}]}, "images": images, "annotations": annotations}
            if name == "instances":
                content["categories"] = CATEGORIES
            (folder / f"{name}_{split}.json").write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def root(tmp_path: Path) -> NsdRoot:
    (tmp_path / "nsddata").mkdir()
    root = NsdRoot.open(tmp_path)
    write_table(root, ["(0, 0, 0.25, 0.25)"] * 4)
    return root


@pytest.fixture
def annotated(root: NsdRoot) -> NsdRoot:
    write_annotations(root.path / "annotations")
    return root


def test_stimuli_meet_their_captions_and_objects(annotated: NsdRoot) -> None:
    found = read_coco(annotated, IDS)
    # Picture 3 is none of COCO's.
    assert set(found) == {0, 1, 2}
    assert found[0].captions == tuple(f"Caption {i} of 500." for i in range(5))
    assert len(found[1].captions) == 6
    assert found[1].origin.split == "val2017"
    assert found[2].captions == found[2].objects == ()
    # Of the three objects, one is in the middle of the picture.
    (dog,) = found[0].objects
    assert (dog.category, dog.supercategory, dog.is_crowd) == ("dog", "animal", True)
    np.testing.assert_allclose(dog.box_px, (0, 106.25, 318.75, 212.5))
    np.testing.assert_allclose(
        box_to_coco(dog.box_px, found[0].origin.crop, found[0].width_px, found[0].height_px),
        BOXES[1],
    )
    assert found[0].categories == ("dog",)


def test_the_whole_picture_shows_the_largest_first(annotated: NsdRoot) -> None:
    write_table(annotated, ["(0, 0, 0, 0)"])
    picture = read_coco(annotated, IDS)[0]
    areas = [o.box_px[2] * o.box_px[3] for o in picture.objects]
    assert areas == sorted(areas, reverse=True)
    assert picture.categories == ("dog", "person")


@pytest.mark.parametrize(
    "place", ["annotations", "coco/annotations", "nsddata_stimuli/annotations"]
)
def test_annotations_are_found_where_people_put_them(root: NsdRoot, place: str) -> None:
    assert read_coco(root, IDS) == {}
    write_annotations(root.path / place)
    assert len(find_annotations(root)) == 4
    assert set(read_coco(root, IDS)) == {0, 1, 2}
    other = root.path / "elsewhere"
    assert read_coco(root, IDS, other) == {}
    (root.path / place).rename(other)
    assert set(read_coco(root, IDS, other)) == {0, 1, 2}
    assert read_coco(root, IDS) == {}


def test_the_files_are_read_once_and_again_when_they_change(annotated: NsdRoot) -> None:
    before = read_coco(annotated, IDS)
    reports: list[float] = []

    class Listener:
        def report(self, fraction: float, message: str = "") -> None:
            reports.append(fraction)

    assert read_coco(annotated, IDS, progress=Listener()) == before
    assert not reports
    path = annotated.path / "annotations" / "captions_val2017.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["caption"] = "Changed"
    path.write_text(json.dumps(content))
    assert read_coco(annotated, IDS, progress=Listener())[1].captions[0] == "Changed"
    assert reports == sorted(reports)


def test_without_a_place_to_keep_them_annotations_are_shown(
    annotated: NsdRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read_coco(annotated, IDS)
    monkeypatch.setenv("NSDVIEWER_CACHE", "/proc/nsdviewer")
    assert read_coco(annotated, IDS) == expected


def test_captions_alone_will_do(annotated: NsdRoot) -> None:
    for path in (annotated.path / "annotations").glob("instances_*"):
        path.unlink()
    found = read_coco(annotated, IDS)
    assert len(found[0].captions) == 5
    assert found[0].objects == ()


def test_a_file_cut_off_anywhere_is_named(annotated: NsdRoot) -> None:
    path = annotated.path / "annotations" / "instances_train2017.json"
    raw = path.read_bytes()
    for n_bytes in range(0, len(raw), 23):
        path.write_bytes(raw[:n_bytes])
        with pytest.raises(DataError, match=r"instances_train2017\.json"):
            read_coco(annotated, IDS)
    assert not list(annotated.cache_folder.glob(".writing*"))


@pytest.mark.parametrize(
    "content",
    [
        *("[]", "3", '{"images": 3}', '{"images": [3]}', '{"images": [{"id": 1}]}', "{} {}", "{,}"),
        '{"images": [{"id": 1, "width": 0, "height": 5}]}',
        '{"annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 2]}]}',
        '{"annotations": [{"image_id": "x", "caption": "y"}]}',
        '{"images": [{"id": 99999999999999999999, "width": 1, "height": 1}]}',
        "\x00" * 50,
        "[" * 100000,
    ],
)
def test_what_is_none_of_cocos_is_named(annotated: NsdRoot, content: str) -> None:
    path = annotated.path / "annotations" / "captions_train2017.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"captions_train2017\.json"):
        read_coco(annotated, IDS)


def test_a_damaged_cache_says_what_to_do(annotated: NsdRoot) -> None:
    read_coco(annotated, IDS)
    (path,) = annotated.cache_folder.glob("coco_*.sqlite")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"coco_.*\.sqlite is damaged .*delete it"):
        read_coco(annotated, IDS)


def test_the_table_of_pictures_is_checked(annotated: NsdRoot) -> None:
    origins = read_origins(annotated, np.array([2, 77]))
    assert set(origins) == {2}
    assert origins[2].coco_id == 502
    write_table(annotated, ["(0, 0, 0, 0)", "(0.5, 0.5, 0, 0)"])
    with pytest.warns(DataWarning, match="crop"):
        assert set(read_origins(annotated, np.array([0, 1]))) == {0}
    for content in ("", "a,b\n1,2\n", "nsdId,cocoId,cocoSplit,cropBox\nx,y,z,w\n"):
        annotated.stim_info_file.write_text(content)
        with pytest.raises(DataError, match="nsd_stim_info_merged"):
            read_origins(annotated, IDS)
    annotated.stim_info_file.unlink()
    with pytest.raises(DataError, match="nsd_stim_info_merged"):
        read_coco(annotated, IDS)


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 9))
def test_crops_of_the_simulated_table_are_squares(mini_root: Path, seed: int) -> None:
    root = NsdRoot.open(mini_root)
    ids = np.random.default_rng(seed).integers(0, 73000, 50)
    for origin in read_origins(root, ids).values():
        assert max(vars(origin.crop).values()) < 1
    assert read_coco(root, ids) == {}
