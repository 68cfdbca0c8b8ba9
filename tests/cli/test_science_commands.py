"""Fitting, testing, reversing and evaluating from the command line, on the smallest subject."""

import json
from html.parser import HTMLParser
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from nsdviewer.cli import main
from nsdviewer.data.betas.sites import columns_in
from nsdviewer.data.simulate import load_truth
from nsdviewer.models.checkpoints import load_checkpoint, save_checkpoint
from nsdviewer.models.decoders.registry import load_decoder
from nsdviewer.models.encoder import load_encoder
from tests.conftest import Subject

ONE = ("--subject", 1)


def run(*words: object) -> int:
    return main([str(w) for w in words])


@pytest.fixture(scope="module")
def tested(mini: Subject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map with its false discovery rate controlled."""
    out = tmp_path_factory.mktemp("tested") / "animal.npz"
    options = ("--concept", "animal", "--stat", "fdr:0.05", "--draws", 200, "--out", out)
    assert run("map", mini.root, *ONE, *options) == 0
    return out


def test_a_tested_map_finds_what_was_planted(mini: Subject, tested: Path) -> None:
    truth = load_truth(mini.root, 1)
    planted = np.zeros(mini.workspace.grid, np.int8)
    planted[tuple(truth.ijk.T)] = truth.kind
    with np.load(tested) as found:
        kind = planted[tuple(found["ijk"].T)]
        significant, q = found["significant"], found["q"]
        np.testing.assert_array_equal(found["shown"], significant)
        assert significant.sum() > 30
        # Early areas answer to contrast, whatever of it goes along with animals.
        assert (kind[significant] == 1).mean() < 0.1
        assert (q[significant] <= 0.05).all()
        # What answers to nothing at all is found no more often than was allowed.
        assert (kind[significant] == 0).mean() < 0.05
        assert np.isnan(q[~np.isfinite(found["p"])]).all()


def test_the_sidecar_says_how_sure_the_map_is(mini: Subject, tested: Path) -> None:
    document = json.loads(tested.with_suffix(".json").read_text())
    evidence = document["evidence"]
    assert evidence["n_significant"] == document["n_voxels_shown"]
    assert evidence["n_tested"] < document["n_voxels"]
    assert "false discovery rate" in evidence["said"]
    assert 0.5 < document["split_half_reliability"]["spearman_brown"] <= 1
    control = document["random_text_control"]
    assert control["most_alike"][0]["word"] == "animal"
    assert control["rms"]["percentile_among_words"] > 90
    for mean in document["rois"]["means"].values():
        assert mean["lower"] <= mean["upper"]
    assert document["simulated"]


def test_the_same_seed_gives_the_same_map_on_other_workers(
    mini: Subject, tested: Path, tmp_path: Path
) -> None:
    out = tmp_path / "again.npz"
    options = ("--concept", "animal", "--stat", "fdr:0.05", "--draws", 200, "--out", out)
    assert run("map", mini.root, *ONE, *options, "--scheduler", "local:2") == 0
    with np.load(tested) as first, np.load(out) as second:
        for name in ("values", "p", "p_max", "q", "significant"):
            np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.parametrize(
    ("reading", "more"),
    [
        ("decoder", ()),
        ("pattern", ("--stat", "fwe:0.05", "--draws", 50)),
        ("encoder", ("--stat", "ci:0.9", "--draws", 50)),
        ("encoder", ("--stat", "fdr:0.05", "--null", "partial", "--draws", 50)),
        ("encoder", ("--stat", "p:0.05", "--null", "directions", "--draws", 50)),
    ],
)
def test_every_reading_and_test_writes_a_map(
    mini: Subject, tmp_path: Path, reading: str, more: tuple
) -> None:
    out = tmp_path / "m.nii.gz"
    options = ("--concept", "animal - tool", "--reading", reading, *more, "--out", out)
    assert run("map", mini.root, *ONE, *options) == 0
    document = json.loads((tmp_path / "m.json").read_text())
    assert document["reading"] == reading
    volume = np.asanyarray(nib.load(out).dataobj)
    assert np.isfinite(volume).sum() == document["n_voxels_shown"] > 10


def test_a_tested_map_is_drawn_as_it_was_tested(mini: Subject, tmp_path: Path) -> None:
    out = tmp_path / "m.png"
    options = ("--concept", "animal", "--stat", "fwe:0.05", "--draws", 50, "--out", out)
    assert run("map", mini.root, *ONE, *options) == 0
    with Image.open(out) as picture:
        assert min(picture.size) > 300


def test_a_banded_encoder_gives_early_areas_to_contrast(mini: Subject, tmp_path: Path) -> None:
    path = tmp_path / "banded.safetensors"
    fit = ("fit", "encoder", mini.root, *ONE, "--model", "banded", "--roi", "V1v | EBA")
    assert run(*fit, "--out", path) == 0
    banded, plain = load_encoder(path), mini.workspace.encoder()
    same = columns_in(plain.sites, banded.sites)
    truth = load_truth(mini.root, 1)
    planted = np.zeros(mini.workspace.grid, np.int8)
    planted[tuple(truth.ijk.T)] = truth.kind
    kind = planted[tuple(banded.sites.ijk.T)]
    reliable = np.nan_to_num(banded.noise_ceiling) > 0.3
    early, late = (kind == 1) & reliable, (kind == 2) & reliable
    assert banded.contrast is not None
    share = banded.contrast.embedding_share
    assert np.median(share[early]) < 0.5 < np.median(share[late])
    assert np.median(banded.test_r[early]) > np.median(plain.test_r[same][early]) + 0.1
    assert np.median(banded.test_r[late]) > np.median(plain.test_r[same][late]) - 0.05
    options = ("--concept", "animal", "--encoder", path, "--out", tmp_path / "b.npz")
    assert run("map", mini.root, *ONE, *options, "--stat", "fdr:0.05", "--draws", 50) == 0


def test_variance_is_parted_between_embedding_and_contrast(mini: Subject, tmp_path: Path) -> None:
    out = tmp_path / "parts.npz"
    assert run("partition", mini.root, *ONE, "--roi", "V1v | EBA", "--out", out) == 0
    truth = load_truth(mini.root, 1)
    planted = np.zeros(mini.workspace.grid, np.int8)
    planted[tuple(truth.ijk.T)] = truth.kind
    with np.load(out) as found:
        kind = planted[tuple(found["ijk"].T)]
        reliable = np.nan_to_num(found["noise_ceiling"]) > 0.3
        for wanted, other, answers in (("contrast", "embedding", 1), ("embedding", "contrast", 2)):
            own, not_own = found[f"unique_{wanted}"], found[f"unique_{other}"]
            here = reliable & (kind == answers)
            assert np.median(own[here]) > np.median(not_own[here]) + 0.05
        assert (found["shared_lower"] <= found["shared_upper"])[reliable].all()
    document = json.loads((tmp_path / "parts.json").read_text())
    medians = document["medians"]
    assert medians["V1v"]["unique_contrast"] > medians["V1v"]["unique_embedding"]


def test_what_drives_a_region_is_named_and_painted(
    mini: Subject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "eba"
    assert run("reverse", mini.root, *ONE, "--roi", "EBA", "--out", out) == 0
    assert "nearest words" in capsys.readouterr().out
    document = json.loads((out / "preference.json").read_text())
    assert document["words"]["better_than_chance"]
    assert document["agreement"]["mean_cosine"] > 3 * document["agreement"]["chance_sd"]
    z = [row["z"] for row in document["measured"]]
    assert z == sorted(z, reverse=True)
    with Image.open(out / "painted.png") as picture:
        assert picture.size == (64, 64)
    assert (out / "pictures.png").exists()
    truth = load_truth(mini.root, 1)
    i, j, k = truth.ijk[np.argmax(truth.ncsnr * (truth.kind == 2))]
    assert run("reverse", mini.root, *ONE, "--voxel", f"{i},{j},{k}", "--out", tmp_path / "v") == 0


class Loads(HTMLParser):
    """Collects what a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [v for n, v in attrs if n in ("src", "href") and v]


def test_an_evaluation_reports_figures_controls_and_reasons(
    mini: Subject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report"
    assert run("evaluate", mini.root, *ONE, "--out", out, "--networks", tmp_path) == 0
    assert "at chance" in capsys.readouterr().out
    document = json.loads((out / "report.json").read_text())
    text = (out / "report.md").read_text()
    assert "SIMULATED" in text and "not computed" in text and "MindEye2" in text
    page = (out / "report.html").read_text()
    loads = Loads()
    loads.feed(page)
    assert all(v.startswith(("data:", "#")) for v in loads.found)
    assert document["nsd_ids"] == [int(i) for i in mini.workspace.test_nsd_ids]


def test_a_repeat_of_a_test_picture_in_training_stops_the_evaluation(
    mini: Subject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header, tensors = load_checkpoint(mini.workspace.model_path("decoder"))
    leaked = {name: t.numpy().copy() for name, t in tensors.items()}
    leaked["train_ids"][0] = mini.workspace.test_nsd_ids[3]
    path = tmp_path / "leak.safetensors"
    save_checkpoint(path, "decoder", leaked, header)
    options = ("--decoder", path, "--out", tmp_path / "report")
    assert run("evaluate", mini.root, *ONE, *options) == 1
    assert str(mini.workspace.test_nsd_ids[3]) in capsys.readouterr().err
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("model", ["residual", pytest.param("mindreader", marks=pytest.mark.slow)])
def test_a_network_is_trained_used_and_goes_on(
    mini: Subject, tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "n.safetensors"
    options = ("--model", model, "--epochs", 2, "--roi", "EBA", "--device", "cpu", "--out", path)
    assert run("fit", "decoder", mini.root, *ONE, *options) == 0
    first = load_decoder(path)
    assert first.header.model == model
    # A finished run is taken as it is: the same weights, at once.
    assert run("fit", "decoder", mini.root, *ONE, *options) == 0
    z = np.random.default_rng(0).standard_normal((2, len(first.sites))).astype(np.float32)
    np.testing.assert_array_equal(load_decoder(path).decode(z), first.decode(z))
    out = tmp_path / "decoded"
    assert run("decode", mini.root, *ONE, "--decoder", path, "--trials", "0:3", "--out", out) == 0
    reading = ("--concept", "animal", "--reading", "decoder", "--decoder", path)
    assert run("map", mini.root, *ONE, *reading, "--out", tmp_path / "m.npz") == 0
    capsys.readouterr()
    tested = (*reading, "--stat", "fdr:0.05", "--out", tmp_path / "t.npz")
    assert run("map", mini.root, *ONE, *tested) == 1
    assert "trained anew" in capsys.readouterr().err


def test_faults_are_one_sentence_and_leave_nothing(
    mini: Subject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    concept = ("map", mini.root, *ONE, "--concept", "animal", "--out", tmp_path / "o.nii.gz")
    fit = ("fit", "decoder", mini.root, *ONE, "--out", tmp_path / "o.safetensors")
    cases = [
        (*concept, "--stat", "fdr:2"),
        (*concept, "--stat", "fdr"),
        (*concept, "--stat", "anova:0.05"),
        (*concept, "--stat", "fwe:0.0001", "--draws", 100),
        (*concept, "--stat", "fdr:0.05", "--draws", 0),
        (*concept, "--stat", "fdr:0.05", "--noise-ceiling", 99.99),
        (*concept, "--noise-ceiling", 200),
        (*concept, "--stat", "ci:0.9", "--null", "images"),
        (*concept, "--stat", "fdr:0.05", "--scheduler", "local:none"),
        (*concept, "--reading", "pattern", "--stat", "ci:0.9"),
        (*concept[:-1], tmp_path / "o.txt"),
        (*fit, "--model", "banded"),
        (*fit, "--epochs", 3),
        (*fit, "--scheduler", "local:2"),
        (*fit, "--model", "residual", "--generator-weight", -1),
        (*fit, "--model", "residual", "--subjects", "2"),
        (*fit, "--model", "joint", "--subjects", "two"),
        (*fit, "--model", "joint", "--backbone", tmp_path / "none"),
        (*fit, "--model", "residual", "--batch-size", 1),
        (*fit, "--model", "residual", "--device", "cuda:7"),
        (*fit, "--model", "residual", "--device", "abacus"),
        ("fit", "encoder", mini.root, *ONE, "--model", "residual"),
        ("reverse", mini.root, *ONE, "--roi", "nowhere", "--out", tmp_path / "r"),
        ("reverse", mini.root, *ONE, "--voxel", "1,2", "--out", tmp_path / "r"),
        ("reverse", mini.root, *ONE, "--voxel", "0,0,0", "--out", tmp_path / "r"),
        ("evaluate", mini.root, *ONE, "--decoder", tmp_path / "none", "--out", tmp_path / "e"),
    ]
    for words in cases:
        assert run(*words) == 1, words
        lines = [
            line for line in capsys.readouterr().err.splitlines() if line.startswith("nsdviewer:")
        ]
        assert len(lines) == 1, (words, lines)
        assert "Traceback" not in lines[0]
        assert lines[0].rstrip().endswith((".", ")")), lines
    assert list(tmp_path.iterdir()) == []
