"""Judging generators: painters whose quality is known are told apart."""

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nsdviewer.errors import Cancelled, CheckpointError, DataError, DataWarning, RequestError
from nsdviewer.evaluation.assessment import Assessment, Compared, Road, Searched
from nsdviewer.evaluation.copying import find_nearest, training_views
from nsdviewer.evaluation.generator_features import AssessmentFeatures
from nsdviewer.evaluation.generator_pictures import PictureSet, read_picture_folder
from nsdviewer.evaluation.generator_sheets import MOST_COLUMNS, write_assessment
from nsdviewer.evaluation.generators import assess_generator
from nsdviewer.evaluation.identification import derangements, identify
from nsdviewer.jobs import SilentProgress
from nsdviewer.models.embeddings import ImageLike, as_pil, unit_rows
from nsdviewer.models.painter import require_embedding

SIDE = 64
N_HELD_OUT, N_TRAINING = 26, 40


def scenes(seed: int, n: int) -> np.ndarray:
    """Soft patches of colour, as unlike each other as small photographs are."""
    coarse = np.random.default_rng(seed).integers(0, 256, (n, 5, 5, 3), dtype=np.uint8)
    size = (SIDE + 16, SIDE)
    return np.stack([np.asarray(Image.fromarray(c).resize(size, 3)) for c in coarse])


class Thumbnails:
    """A picture's 6 × 6 thumbnail as its embedding: what is painted can be exactly right."""

    name, title, dimension = "thumbnails", "Thumbnails (6 × 6), not CLIP", 108

    def encode_images(self, images: Sequence[ImageLike]) -> np.ndarray:
        small = [np.asarray(as_pil(i).resize((6, 6), Image.Resampling.BOX)) for i in images]
        return unit_rows(np.stack(small).reshape(len(images), -1) / 255 - 0.5)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        raise NotImplementedError

    def unknown_words(self, text: str) -> list[str]:
        return []

    def encode_tensor(self, images: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def to(self, device: torch.device) -> None:
        pass


class Thumbs:
    """8 × 8 thumbnails as features, grey in the middle."""

    title, caution, n_features = "8 × 8 thumbnails", "a test's", 192

    def extract(self, pictures: np.ndarray) -> np.ndarray:
        small = [np.asarray(Image.fromarray(p).resize((8, 8), 3)) for p in pictures]
        return np.stack(small).reshape(len(pictures), -1).astype(np.float32) / 50 - 2.5


class UnitThumbs(Thumbs):
    """The same without brightness and contrast."""

    def extract(self, pictures: np.ndarray) -> np.ndarray:
        rows = super().extract(pictures)
        return unit_rows(rows - rows.mean(1, keepdims=True))


FEATURES = AssessmentFeatures(Thumbs(), UnitThumbs())
HELD_OUT = PictureSet(tuple(f"unseen {i}.png" for i in range(N_HELD_OUT)), scenes(0, N_HELD_OUT))
TRAINING = PictureSet(tuple(f"seen {i}.png" for i in range(N_TRAINING)), scenes(1, N_TRAINING))


@dataclass(frozen=True)
class Paints:
    """A painter that applies a function of (vectors, generator of noise)."""

    how: Callable[[np.ndarray, np.random.Generator], np.ndarray]
    name: str = "test painter 32²"
    path: Path = Path("painter.safetensors")
    embedding: str = "thumbnails"
    n_embedding: int = 108
    resolution: int = 32
    header: dict[str, Any] = field(default_factory=dict)

    def require(self, embedding: str) -> None:
        require_embedding(self, embedding)

    def paint(
        self, embeddings: np.ndarray, seed: Any, progress: Any = None, preview: Any = None
    ) -> np.ndarray:
        return self.how(embeddings, np.random.default_rng(seed))


def faithful(vectors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The thumbnail that the vector is, enlarged, with a little noise."""
    small = np.clip(vectors.reshape(-1, 6, 6, 3) * 2.5 + 0.5, 0, 1) * 255
    small = np.clip(small + rng.normal(0, 4, (1, 6, 6, 3)), 0, 255).astype(np.uint8)
    return np.stack([np.asarray(Image.fromarray(s).resize((32, 32), 3)) for s in small])


def copying(vectors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The nearest training photograph, another crop of it."""
    known = Thumbnails().encode_images([a[:, 8:-8] for a in TRAINING.sources])
    found = []
    for position in (vectors @ known.T).argmax(1):
        crop = Image.fromarray(TRAINING.sources[position][2:-4, 10:-12])
        found.append(np.asarray(crop.resize((32, 32))))
    return np.stack(found)


def mirroring(vectors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same in the mirror."""
    return np.ascontiguousarray(copying(vectors, rng)[:, :, ::-1])


def indifferent(vectors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One picture whatever the vector."""
    return np.repeat(scenes(2, 1)[:, ::2, ::2][:, :, 4:-4], len(vectors), axis=0)


def noisy(vectors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise, another one for each picture."""
    return rng.integers(0, 256, (len(vectors), 32, 32, 3), dtype=np.uint8)


def by_row(vectors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The held-out photographs by heart, in their order, whatever the vectors."""
    whole = np.stack([HELD_OUT.sources[i % N_HELD_OUT] for i in range(len(vectors))])
    return np.ascontiguousarray(whole[:, ::2, 8:-8:2])


def assess(how: Callable[..., np.ndarray], **more: Any) -> Assessment:
    return assess_generator(
        Paints(how), Thumbnails(), HELD_OUT, TRAINING, features=FEATURES, **more
    )


@pytest.fixture(scope="module")
def faithful_one() -> Assessment:
    return assess(faithful)


@pytest.fixture(scope="module")
def copying_one() -> Assessment:
    return assess(copying)


def test_what_is_painted_as_meant_is_identified_and_no_copy(faithful_one: Assessment) -> None:
    assert faithful_one.two_way > 0.97
    assert min(found.top_1 for found in faithful_one.by_seed) > 0.8
    assert abs(faithful_one.shuffled.mean - 0.5) < 0.05
    assert faithful_one.shares_close[Searched.OUTPUTS] < 0.1
    # From a training vector it paints that photograph, and is found out.
    assert faithful_one.own_nearest > 0.9
    assert faithful_one.roads[Road.PHOTOGRAPH].two_way > 0.99
    assert faithful_one.roads[Road.MEAN].two_way == pytest.approx(0.5)
    assert faithful_one.roads[Road.MEAN].two_way_reverse == pytest.approx(0.5)


def test_a_painter_that_looks_up_is_found_out(copying_one: Assessment) -> None:
    road = copying_one.roads[Road.NEAREST_SMALL]
    assert copying_one.two_way > 0.85  # it carries meaning all the same
    assert copying_one.two_way == pytest.approx(road.two_way, abs=0.1)
    assert copying_one.shares_close[Searched.OUTPUTS] > 0.9
    assert copying_one.own_nearest == 1
    assert copying_one.shares_close[Searched.PHOTOGRAPHS] < 0.1


def test_the_mirror_hides_no_copy() -> None:
    found = assess(mirroring, n_seeds=1)
    assert found.shares_close[Searched.OUTPUTS] > 0.9
    assert found.own_nearest == 1


@pytest.mark.parametrize("how", [indifferent, noisy])
def test_a_painter_that_does_not_listen_is_at_chance(how: Callable[..., np.ndarray]) -> None:
    found = assess(how)
    assert abs(found.two_way - 0.5) < 0.1
    assert abs(np.mean([f.two_way_reverse for f in found.by_seed]) - 0.5) < 0.1
    assert found.shares_close[Searched.OUTPUTS] == 0


def test_one_picture_for_all_is_far_from_photographs(faithful_one: Assessment) -> None:
    same = assess(indifferent, n_seeds=1)
    real = same.distances[Compared.REAL]
    assert abs(real.kid) < 3 * real.kid_standard_error
    for key in (Compared.HELD_OUT, Compared.TRAINING):
        own, other = faithful_one.distances[key], same.distances[key]
        assert abs(own.kid) < 4 * own.kid_standard_error
        assert other.kid > 20 * other.kid_standard_error
        assert other.fid > 1.5 * own.fid


def test_a_painter_that_goes_by_the_row_shows_in_the_shuffled_control() -> None:
    found = assess(by_row)
    assert found.two_way > 0.97
    assert found.shuffled.painted_anew > 0.97


def test_identification_equals_the_double_loop() -> None:
    rng = np.random.default_rng(3)
    true = rng.standard_normal((9, 5))
    again = true + 1.5 * rng.standard_normal((9, 5))

    def cosine(i: int, j: int) -> float:
        return float(true[i] @ again[j] / np.linalg.norm(true[i]) / np.linalg.norm(again[j]))

    pairs = [(i, j) for i in range(9) for j in range(9) if i != j]
    found = identify(true, again)
    assert found.two_way == pytest.approx(np.mean([cosine(i, j) < cosine(j, j) for i, j in pairs]))
    assert found.two_way_reverse == pytest.approx(
        np.mean([cosine(i, j) < cosine(i, i) for i, j in pairs])
    )
    assert found.mean_cosine == pytest.approx(np.mean([cosine(i, i) for i in range(9)]))
    order = rng.permutation(9)
    assert identify(true[order], 3 * again[order]).two_way == pytest.approx(found.two_way)
    assert identify(true, np.ones((9, 5))).two_way_reverse == 0.5


def test_a_derangement_leaves_nothing_in_its_place() -> None:
    for order in derangements(5, 200, 0):
        assert sorted(order) == list(range(5))
        assert (order != np.arange(5)).all()


def test_the_nearest_photograph_is_that_of_a_full_search() -> None:
    probes = scenes(5, 6)[:, :, 8:-8]
    (nearest,), threshold = find_nearest([probes], TRAINING, UnitThumbs(), 3, SilentProgress())
    rows = UnitThumbs().extract(probes)
    best = [(np.inf, 0, 0)] * 6
    for position in range(N_TRAINING):
        photograph = TRAINING.open(position)
        views = training_views(photograph, position, threshold.n_crops_each, 3)
        for v, view in enumerate(views):
            seen = UnitThumbs().extract(view.of(photograph, SIDE)[None])[0]
            away = np.linalg.norm(rows - seen, axis=1)
            best = [min(b, (float(d), position, v)) for b, d in zip(best, away, strict=True)]
    np.testing.assert_allclose(nearest.distance, [b[0] for b in best], atol=1e-4)
    assert [*zip(nearest.photograph, nearest.view, strict=True)] == [b[1:] for b in best]


def test_the_threshold_finds_the_share_of_further_crops_that_it_promises() -> None:
    crops = []
    for position in range(N_TRAINING):
        seen = training_views(TRAINING.open(position), position, 2, seed=99)[2]
        crops.append(seen.of(TRAINING.open(position), SIDE))
    (nearest,), threshold = find_nearest(
        [np.stack(crops)], TRAINING, UnitThumbs(), 0, SilentProgress()
    )
    assert (nearest.photograph == np.arange(N_TRAINING)).mean() > 0.95
    assert nearest.share_below(threshold) == pytest.approx(threshold.sensitivity, abs=0.12)
    assert threshold.false_alarms < 0.1


def test_files_are_written_whole_and_say_what_was_found(
    copying_one: Assessment, tmp_path: Path
) -> None:
    (tmp_path / "sheet-9.png").write_bytes(b"of an earlier assessment")
    paths = write_assessment(copying_one, tmp_path)
    names = {path.name for path in paths}
    assert names == {"assessment.json", "sheet.png", "sheet-2.png", "sheet-3.png", "shuffled.png"}
    assert names == {path.name for path in tmp_path.iterdir()}
    document = json.loads((tmp_path / "assessment.json").read_text())
    assert document["identification"]["two_way"]["mean"] == pytest.approx(copying_one.two_way)
    assert len(document["identification"]["two_way"]["by_seed"]) == 4
    assert document["distances"]["painted_from_held_out_against_training"]["caution"] == "a test's"
    marked = [row["is_closer"] for row in document["pictures"]]
    assert np.mean(marked) == copying_one.shares_close[Searched.OUTPUTS]
    # Red frames on the pages, one for each output that is marked.
    assert red_frames(tmp_path / "sheet.png") == sum(marked[:MOST_COLUMNS])


def red_frames(file: Path) -> int:
    pixels = np.asarray(Image.open(file).convert("RGB"))
    is_red = (pixels == (0xC0, 0, 0)).all(2)
    # A frame's upper edge is the only run of red as wide as a picture.
    tops = [row for row in range(1, len(is_red)) if is_red[row].sum() > 100]
    return round(is_red[tops[0]].sum() / 134) if tops else 0


def test_what_cannot_be_written_leaves_the_earlier_files(tmp_path: Path) -> None:
    few = PictureSet(HELD_OUT.names[:3], HELD_OUT.sources[:3])
    found = assess_generator(
        Paints(faithful), Thumbnails(), few, TRAINING, features=FEATURES, n_seeds=1
    )
    write_assessment(found, tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    damaged = replace(
        found, shown=replace(found.shown, shuffled=np.zeros((0, 32, 32, 3), np.uint8))
    )
    with pytest.raises(IndexError):
        write_assessment(damaged, tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "pictures"
    place.mkdir()
    for name, pixels in [*zip("abcd", scenes(7, 4), strict=True)]:
        Image.fromarray(pixels).save(place / f"{name}.png")
    (place / "held_out.txt").write_text("c.png\nd.png\n")
    return place


def test_a_folder_is_divided_by_its_list(folder: Path) -> None:
    training, held_out = read_picture_folder(folder)
    assert (training.names, held_out.names) == (("a.png", "b.png"), ("c.png", "d.png"))
    (folder / "held_out.txt").unlink()
    with pytest.raises(DataError, match="is held out"):
        read_picture_folder(folder)
    with pytest.raises(DataError, match="no folder of pictures"):
        read_picture_folder(folder / "elsewhere")


def test_a_broken_photograph_is_named_and_left_out(folder: Path) -> None:
    (folder / "e.png").write_bytes((folder / "a.png").read_bytes()[:200])
    training, held_out = read_picture_folder(folder)
    with pytest.warns(DataWarning, match=r"e\.png is broken"):
        found = assess_generator(
            Paints(faithful), Thumbnails(), held_out, training, features=FEATURES, n_seeds=1
        )
    assert found.training_names == ("a.png", "b.png")
    (folder / "b.png").write_bytes(b"")
    with warnings.catch_warnings(), pytest.raises(RequestError, match="training photographs"):
        warnings.simplefilter("ignore", DataWarning)
        assess_generator(Paints(faithful), Thumbnails(), held_out, training, features=FEATURES)


def test_what_was_trained_on_is_no_test() -> None:
    with pytest.raises(RequestError, match="among the training and the held-out"):
        assess_generator(Paints(faithful), Thumbnails(), TRAINING, TRAINING, features=FEATURES)
    renamed = PictureSet(tuple(f"copy {i}" for i in range(3)), TRAINING.sources[:3])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", DataWarning)
        assess_generator(
            Paints(faithful), Thumbnails(), renamed, TRAINING, features=FEATURES, n_seeds=1
        )
    assert len(said) == 3
    assert "copy 2 has the embedding of the training picture seen 2" in str(said[2].message)


def test_a_painter_of_another_embedding_is_refused() -> None:
    with pytest.raises(CheckpointError, match="paints from the embedding 'clip'"):
        assess_generator(
            Paints(faithful, embedding="clip"), Thumbnails(), HELD_OUT, TRAINING, features=FEATURES
        )


class Stops:
    def __init__(self, at: float) -> None:
        self.at = at

    def report(self, fraction: float, message: str = "") -> None:
        if fraction >= self.at:
            raise Cancelled(message)


@pytest.mark.parametrize("at", [0.05, 0.3, 0.75])
def test_it_stops_when_asked(at: float) -> None:
    with pytest.raises(Cancelled):
        assess(faithful, progress=Stops(at))
