import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nsdviewer.cli.main import main
from nsdviewer.models.painting import load_painter
from nsdviewer.resources import resource_path


def unit(n: int, d: int = 384) -> np.ndarray:
    x = np.random.default_rng(0).standard_normal((n, d)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_rows_and_seeds_are_those_asked_for(tmp_path: Path) -> None:
    vectors = unit(6)
    np.savez(tmp_path / "e.npz", decoded=vectors, true=unit(6)[::-1])
    out = tmp_path / "out"
    given = [str(tmp_path / "e.npz"), "--rows", "1,3:5", "--seeds", "0,7", "--out", str(out)]
    assert main(["paint", *given]) == 0
    painter = load_painter()
    for row, source in enumerate([1, 3, 4]):
        for seed in (0, 7):
            found = np.asarray(Image.open(out / f"painted_{row:05d}_seed{seed}.png"))
            expected = painter.paint(vectors[source : source + 1], seed)[0]
            assert np.abs(found.astype(int) - expected).max() <= 1
    assert Image.open(out / "sheet.png").size == (128, 192)
    document = json.loads((out / "painted.json").read_text())
    assert document["rows"] == ["decoded 1", "decoded 3", "decoded 4"]
    assert document["embedding"] == "conse"


def test_a_way_leads_from_a_text_to_a_photograph(tmp_path: Path) -> None:
    photograph = resource_path("photographs", "tool-plier2.jpg")
    out = tmp_path / "out"
    ends = ["--text", "a castle", "--image", str(photograph)]
    assert main(["paint", *ends, "--between", "5", "--out", str(out)]) == 0
    way = [np.asarray(Image.open(p), float) for p in sorted(out.glob("painted_*.png"))]
    assert len(way) == 5
    from_start = [np.abs(p - way[0]).mean() for p in way]
    assert from_start[4] > from_start[1] > 0


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([], "nothing to paint"),
        (["{e}", "--rows", "9"], "no row 9"),
        (["{e}", "--rows", "a"], "no number"),
        (["{e}", "--key", "x"], "no array 'x'"),
        (["{wide}"], "384 dimensions"),
        (["{bad}"], "no finite number"),
        (["{text}"], "cannot be read as NumPy arrays"),
        (["{e}", "--between", "4"], "Name two"),
        (["--text", "a dog", "--seeds", "-1"], "no number"),
        (["--image", "{text}"], "text.npy"),
        (["{e}", "--generator", "{text}"], "model file"),
        (["{e}", "--device", "tpu"], "device"),
    ],
)
def test_what_cannot_be_painted_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str], sentence: str
) -> None:
    np.savez(tmp_path / "e.npz", decoded=unit(3))
    np.save(tmp_path / "wide.npy", unit(2, 512))
    np.save(tmp_path / "bad.npy", np.full((2, 384), np.nan, np.float32))
    (tmp_path / "text.npy").write_text("no array")
    files = {"e": "e.npz", "wide": "wide.npy", "bad": "bad.npy", "text": "text.npy"}
    named = {k: str(tmp_path / v) for k, v in files.items()}
    out = tmp_path / "out"
    assert main(["paint", *(g.format(**named) for g in given), "--out", str(out)]) == 1
    told = capsys.readouterr().err
    assert sentence in told
    assert "Traceback" not in told
    assert not list(out.glob("*")) if out.exists() else True
