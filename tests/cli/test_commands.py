"""Commands write what they promise, and every fault is one sentence and exit status 1."""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import open_clip
import pandas as pd
import pytest
import torch
from PIL import Image

from nsdviewer.cli import WindowRequest, main, wants_window
from nsdviewer.session.scenes import scene_of
from tests.conftest import Subject


def run(*words: object) -> int:
    return main([str(w) for w in words])


def test_betas_hold_what_the_table_says(mini: Subject, tmp_path: Path) -> None:
    out = tmp_path / "X.npz"
    assert run("betas", mini.root, "--subject", 1, "--trials", "0,5,750:760", "--out", out) == 0
    with np.load(out) as content:
        n_trials, n_voxels = content["betas"].shape
        assert content["betas"].dtype == np.float32
        assert n_trials == 12
        assert content["ijk"].shape == (n_voxels, 3)
        order = np.ravel_multi_index(tuple(content["ijk"].T), mini.workspace.grid)
        assert (np.diff(order) > 0).all()
        for name in ("trial", "session", "run", "nsd_id", "image_10k", "repetition"):
            assert content[name].shape == (n_trials,)
        assert content["session"].tolist() == [1, 1] + [2] * 10


def test_the_trial_table_is_written(mini: Subject, tmp_path: Path) -> None:
    out = tmp_path / "trials.csv"
    assert run("trials", mini.root, "--subject", 1, "--out", out) == 0
    written, table = pd.read_csv(out), mini.workspace.table.frame
    pd.testing.assert_frame_equal(written[table.columns], table, check_dtype=False)
    assert {"coco_id", "crop_top", "flagged"} <= set(written.columns)


def test_a_decode_writes_vectors_pictures_and_sheets(mini: Subject, tmp_path: Path) -> None:
    out = tmp_path / "decoded"
    decoder = tmp_path / "M.safetensors"
    assert run("fit", "decoder", mini.root, "--subject", 1, "--out", decoder) == 0
    options = ("--subject", 1, "--decoder", decoder, "--out", out)
    assert run("decode", mini.root, *options, "--trials", "test:full-40") == 0
    with np.load(out / "embeddings.npz") as content:
        decoded, true, trial = content["decoded"], content["true"], content["trial"]
        assert (content["n_repeats"] == 3).all()
    assert decoded.shape == true.shape == (45, 384)
    np.testing.assert_allclose(np.linalg.norm(decoded, axis=1), 1, atol=1e-5)
    for t in trial:
        with Image.open(out / f"recon_{t:05d}.png") as picture:
            assert picture.size == (64, 64)
    assert (out / "montage.pdf").read_bytes().startswith(b"%PDF")
    assert (out / "montage.png").exists()


def test_numbered_trials_are_decoded_one_by_one(mini: Subject, tmp_path: Path) -> None:
    assert run("decode", mini.root, "--subject", 1, "--trials", "3,7", "--out", tmp_path / "d") == 0
    with np.load(tmp_path / "d" / "embeddings.npz") as content:
        assert content["trial"].tolist() == [3, 7]


@pytest.mark.parametrize("name", ["m.nii.gz", "m.npz", "m.gii", "m.png", "m.svg", "m.pdf"])
def test_a_map_is_written_by_suffix_with_its_story(
    mini: Subject, tmp_path: Path, name: str
) -> None:
    out = tmp_path / name
    assert run("map", mini.root, "--subject", 1, "--concept", "animal - tool", "--out", out) == 0
    story = json.loads((tmp_path / "m.json").read_text())
    assert story["reading"] == "encoder"
    assert story["simulated"] is True
    assert "% signal" in story["unit"]
    if name.endswith(".gii"):
        for mesh in mini.workspace.hemispheres:
            values = nib.load(tmp_path / f"{mesh.hemisphere.value}.m.gii").agg_data()
            assert values.shape == (mesh.n_vertices,)
    else:
        assert out.exists()


def test_a_map_has_the_headers_of_its_space(mini: Subject, tmp_path: Path) -> None:
    out = tmp_path / "m.nii.gz"
    assert run("map", mini.root, "--subject", 1, "--concept", "animal", "--out", out) == 0
    image = nib.load(out)
    reference = nib.load(mini.workspace.files.volume(mini.workspace.space, "brainmask"))
    assert image.shape == reference.shape
    np.testing.assert_array_equal(image.affine, reference.affine)
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (1, 0)


def test_a_saved_view_draws_the_windows_figure(mini: Subject, tmp_path: Path) -> None:
    from nsdviewer.rendering.figure import export_figure

    state = mini.state.replace(concept="fish", morph=2.0)
    export_figure(scene_of(mini.workspace, state), tmp_path / "window.png")
    state.save(tmp_path / "state.json")
    assert run("figure", tmp_path / "state.json", "-o", tmp_path / "again.png") == 0
    with Image.open(tmp_path / "window.png") as a, Image.open(tmp_path / "again.png") as b:
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


@pytest.mark.slow  # a network of CLIP's size sees every picture
def test_an_embedding_without_a_generator_still_gives_maps_and_figures(
    mini: Subject, tmp_path: Path
) -> None:
    """CLIP's own code path, on random weights that are called by their file's digest."""
    torch.manual_seed(0)
    weights = tmp_path / "random.pt"
    torch.save(open_clip.create_model("ViT-S-32").state_dict(), weights)
    name = f"open_clip:ViT-S-32@{weights}"
    encoder = tmp_path / "E.safetensors"
    with_clip = ("--subject", 1, "--embedding", name)
    assert (
        run("fit", "encoder", mini.root, *with_clip, "--roi", "nsdgeneral", "--out", encoder) == 0
    )
    options = (*with_clip, "--concept", "animal", "--encoder", encoder)
    assert run("map", mini.root, *options, "--out", tmp_path / "m.png") == 0
    state = mini.state.replace(embedding=name, encoder=str(encoder))
    state.save(tmp_path / "state.json")
    assert run("figure", tmp_path / "state.json", "-o", tmp_path / "f.png") == 0
    # Maps of one embedding are no use to another.
    assert run("map", mini.root, "--subject", 1, *options[4:], "--out", tmp_path / "n.png") == 1


def test_coco_annotations_join_the_trials(mini: Subject, tmp_path: Path) -> None:
    out = tmp_path / "trials.csv"
    frame = mini.workspace.root.stim_info_file
    coco_id = int(
        pd.read_csv(frame, index_col=0)["cocoId"][mini.workspace.table.column("nsd_id")[0]]
    )
    picture = {"id": coco_id, "width": 640, "height": 480}
    captions = {
        "images": [picture],
        "annotations": [{"id": 1, "image_id": coco_id, "caption": "A bear."}],
    }
    (tmp_path / "captions_train2017.json").write_text(json.dumps(captions))
    options = ("--subject", 1, "--coco", tmp_path, "--out", out)
    assert run("trials", mini.root, *options) == 0
    table = pd.read_csv(out)
    same = table["coco_id"] == coco_id
    assert (table["coco_captions"][same] == "A bear.").all()
    assert table["coco_captions"][~same].isna().all()
    assert run("trials", mini.root, "--subject", 1, "--coco", mini.root, "--out", out) == 1


def test_what_is_on_disk_is_listed(mini: Subject, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("inventory", mini.root, "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert sum(row["n_files"] for row in rows) > 100
    assert run("inventory", mini.root, "--subject", 1) == 0
    assert "subj01" in capsys.readouterr().out


def test_ncsnr_is_recomputed(mini: Subject, tmp_path: Path) -> None:
    out = tmp_path / "ncsnr.nii.gz"
    assert run("ncsnr", mini.root, "--subject", 1, "--out", out) == 0
    assert nib.load(out).shape == mini.workspace.grid


def fault_cases(root: Path, tmp: Path) -> list[tuple[object, ...]]:
    foreign = tmp / "foreign.safetensors"
    foreign.write_bytes(b"x" * 100)
    out = ("--out", tmp / "o.npz")
    concept = ("--out", tmp / "o.nii.gz", "--concept")
    one = ("--subject", 1)
    return [
        ("betas", root, *one, "--trials", "99999", *out),
        ("betas", root, "--subject", 4, "--trials", "0", *out),
        ("betas", root, *one, "--trials", "0", "--roi", "nowhere", *out),
        ("betas", root, *one, "--trials", "0", "--version", "b9", *out),
        ("betas", root, *one, "--trials", "0", "--version", "b1", *out),
        ("betas", root, *one, "--trials", "0", "--space", "MNI", *out),
        ("betas", tmp / "nowhere", *one, "--trials", "0", *out),
        ("betas", tmp, *one, "--trials", "0", *out),
        ("betas", root, *one, "--trials", "0", "--out", tmp / "o.txt"),
        ("map", root, *one, *concept, "xqzzt"),
        ("map", root, *one, *concept, "animal - animal"),
        ("map", root, *one, *concept, "animal", "--encoder", foreign),
        ("decode", root, *one, "--decoder", foreign, "--out", tmp / "d"),
        ("figure", tmp / "none.json", "-o", tmp / "f.png"),
        ("figure", foreign, "-o", tmp / "f.png"),
        ("train", "generator", "--images", tmp / "none", "--out", tmp / "g"),
        ("simulate", root, "--preset", "mini"),
        ("verify", tmp / "nowhere"),
        ("transform", root, *one, "--from", "func1pt8", "--to", "nowhere", foreign, tmp / "o.mgz"),
        ("transform", root, *one, "--from", "MNI", "--to", "lh.white", foreign, tmp / "o.mgz"),
    ]


def test_every_fault_is_one_sentence(
    mini: Subject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(p.name for p in tmp_path.iterdir())
    for words in fault_cases(mini.root, tmp_path):
        assert run(*words) == 1, words
        lines = [
            line for line in capsys.readouterr().err.splitlines() if line.startswith("nsdviewer:")
        ]
        assert len(lines) == 1, words
        assert lines[0].rstrip().endswith((".", ")")), lines
    left = {p.name for p in tmp_path.iterdir()} - set(before)
    assert left <= {"foreign.safetensors", "d", "g"}


def test_a_model_for_another_subject_is_refused(
    mini: Subject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from nsdviewer.models.checkpoints import load_checkpoint, save_checkpoint

    header, tensors = load_checkpoint(mini.workspace.model_path("decoder"))
    other = tmp_path / "other.safetensors"
    save_checkpoint(other, "decoder", tensors, {**header, "subject": 5})
    options = ("--subject", 1, "--decoder", other, "--trials", "0", "--out", tmp_path / "d")
    assert run("decode", mini.root, *options) == 1
    assert "subject 5" in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


def test_a_damaged_or_missing_session_is_named(
    mini_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "copy"
    ignore = shutil.ignore_patterns("nsddata_stimuli", ".nsdviewer")
    shutil.copytree(mini_root, root, ignore=ignore)
    sessions = sorted((root / "nsddata_betas").rglob("betas_session*.hdf5"))
    with sessions[1].open("r+b") as stream:
        stream.truncate(1000)
    options = ("--subject", 1, "--trials", "800", "--out", tmp_path / "o.npz")
    assert run("betas", root, *options) == 1
    assert "betas_session02" in capsys.readouterr().err
    sessions[0].unlink()
    options = ("--subject", 1, "--trials", "3", "--out", tmp_path / "o.npz")
    assert run("betas", root, *options) == 1
    assert "session 1" in capsys.readouterr().err
    assert not (tmp_path / "o.npz").exists()


def test_usage_errors_have_their_own_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("betas") == 2
    assert run("--nonsense") == 2
    assert run("--help") == 0
    assert "COMMAND" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "request_"),
    [
        ([], WindowRequest("last")),
        (["demo"], WindowRequest("demo")),
        (["/data/nsd"], WindowRequest("open", Path("/data/nsd"))),
        (["demo", "--headless", "x.png"], None),
        (["trials", "/data/nsd"], None),
        (["--version"], None),
    ],
)
def test_the_window_opens_when_asked(words: list[str], request_: WindowRequest | None) -> None:
    assert wants_window(words) == request_
