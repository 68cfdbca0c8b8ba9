"""Whatever is dropped is told from its header, or refused in one sentence, and never waited for."""

import json
import os
import pickle
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from nsdviewer.resources import resource_path
from nsdviewer.session.dropped import DroppedKind, classify, find_root, refuse_address
from nsdviewer.state import DocumentKind, ViewState
from tests.conftest import Subject


def refusal(path: Path) -> str:
    found = classify(path)
    assert found.kind is DroppedKind.REFUSED, found
    assert found.said.endswith(".") and "\n" not in found.said and len(found.said) < 600
    return found.said


def test_a_root_is_found_inside_and_above(mini_root: Path, tmp_path: Path) -> None:
    assert classify(mini_root) == classify(mini_root / ".")
    assert classify(mini_root).said == ""
    inside = mini_root / "nsddata" / "ppdata" / "subj01" / "func1pt8mm"
    for folder in (inside, mini_root.parent, mini_root / "nsddata_betas"):
        found = classify(folder)
        assert (found.kind, found.path) == (DroppedKind.ROOT, mini_root)
        assert str(mini_root) in found.said
    deep = tmp_path / "a" / "b"
    (deep / "nsd" / "nsddata").mkdir(parents=True)
    assert find_root(tmp_path / "a") == deep / "nsd"
    assert find_root(tmp_path) is None or find_root(tmp_path) == deep / "nsd"


def test_models_are_told_by_their_headers(mini: Subject, tmp_path: Path) -> None:
    w = mini.workspace
    for kind in ("decoder", "encoder"):
        renamed = tmp_path / f"any ÿ name {kind}.safetensors"
        shutil.copy(w.model_path(kind), renamed)
        assert classify(renamed).kind is DroppedKind[kind.upper()]
    weights = resource_path("weights", "lafite64-conse.safetensors")
    assert classify(weights).kind is DroppedKind.GENERATOR
    folder = tmp_path / "pipeline"
    folder.mkdir()
    (folder / "model_index.json").write_text("{}")
    assert classify(folder).kind is DroppedKind.GENERATOR
    raw = weights.read_bytes()
    for n in (1, 8, 100, 5000):
        (tmp_path / "cut.safetensors").write_bytes(raw[:n])
        assert "cut.safetensors" in refusal(tmp_path / "cut.safetensors")
    hostile = json.dumps({"__metadata__": {"nsdviewer": "[1, 2]"}}).encode()
    (tmp_path / "list.safetensors").write_bytes(len(hostile).to_bytes(8, "little") + hostile)
    refusal(tmp_path / "list.safetensors")
    (tmp_path / "long.safetensors").write_bytes((1 << 62).to_bytes(8, "little") + b"{}")
    refusal(tmp_path / "long.safetensors")


class Boom:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (os.environ["NSDVIEWER_TEST_BOOM"],)


def test_a_pickle_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSDVIEWER_TEST_BOOM", str(tmp_path / "boom"))
    for name in ("network.pkl", "weights.pt", "last.ckpt"):
        (tmp_path / name).write_bytes(pickle.dumps({"G_ema": Boom()}))
        said = refusal(tmp_path / name)
        assert "is not run" in said and "nsdviewer import" in said
    assert not (tmp_path / "boom").exists()


def test_documents_are_told_by_their_format(mini: Subject, tmp_path: Path) -> None:
    mini.state.save(tmp_path / "view.json")
    found = classify(tmp_path / "view.json")
    assert (found.kind, found.document) == (DroppedKind.DOCUMENT, DocumentKind.VIEW)
    for name, text in (
        ("cut.json", (tmp_path / "view.json").read_text()[:40]),
        ("other.json", '{"format": "somebody"}'),
        ("deep.json", "[" * 100_000),
        ("list.json", "[1, 2]"),
    ):
        (tmp_path / name).write_text(text)
        assert name in refusal(tmp_path / name)
    assert ViewState.load(tmp_path / "view.json") == mini.state


def test_maps_are_told_by_suffix_and_header(mini: Subject, tmp_path: Path) -> None:
    zeros = np.zeros((3, 4, 5), np.float32)
    nib.save(nib.Nifti1Image(zeros, np.eye(4)), tmp_path / "a.nii.gz")
    nib.save(nib.MGHImage(zeros, np.eye(4)), tmp_path / "a.mgz")
    nib.freesurfer.write_morph_data(tmp_path / "lh.thick", np.zeros(20))
    for name in ("a.nii.gz", "a.mgz", "lh.thick"):
        assert classify(tmp_path / name).kind is DroppedKind.MAP, name
    assert classify(mini.root / "nsddata/freesurfer/subj01/surf/lh.sulc").kind is DroppedKind.MAP
    assert "no map" in refusal(mini.root / "nsddata/freesurfer/subj01/surf/lh.pial")
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2, 9), np.float32), np.eye(4)), tmp_path / "runs.nii")
    assert "9 volumes" in refusal(tmp_path / "runs.nii")
    header = nib.Nifti1Header()
    header.set_data_shape((32767, 32767, 32767))
    (tmp_path / "huge.nii").write_bytes(header.binaryblock + bytes(4))
    assert "too many" in refusal(tmp_path / "huge.nii")
    (tmp_path / "no.nii.gz").write_bytes(b"no image at all")
    assert "no.nii.gz" in refusal(tmp_path / "no.nii.gz")


def test_anything_else_gets_one_sentence(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "p.png")
    assert "picture" in refusal(tmp_path / "p.png")
    ViewState("/data").save(tmp_path / "p.json")
    assert "drop p.json" in refusal(tmp_path / "p.png")
    (tmp_path / "p.json").unlink()
    for name, raw in (("a.txt", b"x"), ("b.mat", b"MATLAB"), ("c", b"\0\1\2"), ("ü ü.zip", b"PK")):
        (tmp_path / name).write_bytes(raw)
        assert name in refusal(tmp_path / name)
    (tmp_path / "empty.nii").touch()
    (tmp_path / "hollow").mkdir()
    (tmp_path / "link").symlink_to("gone")
    (tmp_path / "loop").symlink_to("loop")
    assert "empty" in refusal(tmp_path / "empty.nii")
    assert "empty folder" in refusal(tmp_path / "hollow")
    assert "a link to gone" in refusal(tmp_path / "link")
    refusal(tmp_path / "loop")
    assert "There is nothing" in refusal(tmp_path / "missing.nii")
    assert "address" in refuse_address("https://example.org/a.nii.gz").said


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes")
def test_pipes_and_devices_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.nii")
    assert "pipe" in refusal(tmp_path / "pipe.nii")
    assert "device" in refusal(Path("/dev/zero"))
