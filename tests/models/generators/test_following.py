"""A run folder that is looked at while another process writes there."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nsdviewer.errors import Cancelled, CheckpointError, DataError, NsdViewerError
from nsdviewer.jobs import SilentProgress
from nsdviewer.models.conse import ConseEmbedding
from nsdviewer.models.generators.following import Stage, follow, is_training, read_sheet
from nsdviewer.models.generators.plan import GeneratorPlan
from nsdviewer.models.generators.run import RunStart, begin_run
from nsdviewer.models.runs.run_files import LOG_FILE, PLAN_FILE, only_trainer, read_log
from tests.models.generators.tiny import make_trainer, tiny_plan

PLAN = GeneratorPlan("lafite", "conse", 1_000, 8, {"resolution": 64}, {})


class StopAfter:
    """Progress that gives up at the n-th report."""

    def __init__(self, n: int) -> None:
        self.n = n

    def report(self, fraction: float, message: str = "") -> None:
        self.n -= 1
        if self.n < 0:
            raise Cancelled


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    begin_run(made, RunStart(PLAN, tmp_path / "photographs", 10, False))
    return made


def step(n: int, seconds: float | None = None, **terms: float) -> dict[str, Any]:
    return {"n_shown": n, "seconds": n / 4 if seconds is None else seconds, "terms": terms}


def write(folder: Path, *lines: dict[str, Any], end: str = "\n") -> None:
    with (folder / LOG_FILE).open("a", encoding="utf-8") as stream:
        stream.write("\n".join(json.dumps(line) for line in lines) + end)


def points(folder: Path, name: str, since: Any = None) -> list[tuple[int, float]]:
    curve = follow(folder, since).curves[name]
    return list(zip(curve.n_shown.tolist(), curve.values.tolist(), strict=True))


def test_curves_figures_and_sheets_are_what_the_log_says(folder: Path) -> None:
    Image.new("RGB", (30, 20), "teal").save(folder / "sheet_00000016.png")
    write(folder, step(8, pixel=2.0), step(16, pixel=1.0, d_game=-0.5))
    write(folder, {"n_shown": 16, "sheet": "sheet_00000016.png", "figures": {"FID ConSE": 8.5}})
    write(folder, {"n_shown": 24, "sheet": "sheet_00000024.png", "figures": {"FID ConSE": 7.5}})
    view = follow(folder)
    assert points(folder, "pixel") == [(8, 2.0), (16, 1.0)]
    assert points(folder, "d_game") == [(16, -0.5)]
    assert view.figures["FID ConSE"].values.tolist() == [8.5, 7.5]
    assert [sheet.n_shown for sheet in view.sheets] == [16], "one sheet is not there yet"
    assert read_sheet(view.sheets[0].path).shape == (20, 30, 3)
    assert (view.n_shown, view.n_images, view.seconds) == (24, 1_000, 4.0)
    assert view.plan == PLAN and view.pictures is None


def test_following_from_an_earlier_answer_tells_the_same_as_from_the_start(folder: Path) -> None:
    view = None
    for n in range(8, 80, 8):
        write(folder, step(n, pixel=1 / n))
        view = follow(folder, view)
        assert points(folder, "pixel", view) == points(folder, "pixel")
    assert follow(folder, view).log is view.log


def test_a_half_written_line_waits_for_its_end(folder: Path) -> None:
    write(folder, step(8, pixel=2.0))
    write(folder, step(16, pixel=1.0), end="")
    view = follow(folder)
    assert view.n_shown == 8 and not view.remarks
    write(folder, end="\n")
    assert follow(folder, view).n_shown == 16 == follow(folder).n_shown


@pytest.mark.parametrize("n_more", [0, 1, 5])
def test_a_log_that_was_cut_back_is_read_anew(folder: Path, n_more: int) -> None:
    write(folder, *(step(n, pixel=float(n)) for n in range(8, 48, 8)))
    view = follow(folder)
    kept = (folder / LOG_FILE).read_bytes().split(b"\n")[:2]
    (folder / LOG_FILE).write_bytes(b"\n".join(kept) + b"\n")
    write(folder, *(step(24 + 8 * k, pixel=-1.0) for k in range(n_more)), end="\n" * (n_more > 0))
    wanted = [(8, 8.0), (16, 16.0), *((24 + 8 * k, -1.0) for k in range(n_more))]
    assert points(folder, "pixel", view) == wanted


@pytest.mark.parametrize(
    "damage",
    [
        b"\x00\xff\xfe\n", b"{\n", b"[]\n", b'{"n_shown": "many"}\n', b'{"n_shown": 8}\n', b"null\n",
        b'{"n_shown": 8, "terms": 3}\n', b'{"n_shown": 8, "terms": {"pixel": "x"}}\n',
        b'{"n_shown": 1e999, "terms": {"pixel": 1}}\n', b"[" * 5000 + b"\n",
    ],
)  # fmt: skip
def test_damaged_lines_are_counted_and_the_rest_is_shown(folder: Path, damage: bytes) -> None:
    write(folder, step(8, pixel=2.0))
    with (folder / LOG_FILE).open("ab") as stream:
        stream.write(damage)
    write(folder, step(16, pixel=1.0))
    view = follow(folder)
    assert points(folder, "pixel") == [(8, 2.0), (16, 1.0)]
    assert len(view.remarks) == 1 and "1 line " in view.remarks[0] and LOG_FILE in view.remarks[0]


def test_the_time_left_follows_from_the_pace_of_late(folder: Path) -> None:
    slow = [step(n, seconds=10.0 * n, pixel=1.0) for n in range(8, 88, 8)]
    fast = [step(n, seconds=800.0 + (n - 80), pixel=1.0) for n in range(88, 488, 8)]
    write(folder, *slow, *fast)
    with only_trainer(folder):
        assert follow(folder).seconds_left == pytest.approx(1_000 - 480)
    assert follow(folder).seconds_left is None, "nothing is left to wait for while nobody trains"


def test_whoever_holds_the_lock_is_seen_and_not_disturbed(folder: Path) -> None:
    assert not is_training(folder) and not (folder / "run.lock").exists()
    hold = (
        "import sys, pathlib\n"
        "from nsdviewer.models.runs.run_files import only_trainer\n"
        "with only_trainer(pathlib.Path(sys.argv[1])):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    words = [sys.executable, "-c", hold, str(folder)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as trainer:
        assert trainer.stdout is not None and trainer.stdout.readline() == b"held\n"
        assert is_training(folder) and is_training(folder)
        assert follow(folder).stage is Stage.PREPARING
        trainer.kill()
        trainer.wait()
    assert not is_training(folder)
    with only_trainer(folder):
        assert is_training(folder)


def test_a_training_is_prepared_runs_is_stopped_and_goes_on_to_its_end(
    tmp_path: Path, conse: ConseEmbedding
) -> None:
    folder, plan = tmp_path / "run", tiny_plan("flow", conse)
    folder.mkdir()
    with only_trainer(folder):
        begun = follow(folder)
        assert begun.plan is None and begun.stage is Stage.PREPARING
    begin_run(folder, RunStart(plan, tmp_path, 2, False))
    with only_trainer(folder), pytest.raises(Cancelled):
        make_trainer(folder, plan, conse).train(StopAfter(5))
    stopped = follow(folder, begun)
    assert stopped.stage is Stage.STOPPED and 0 < stopped.n_shown < plan.n_images
    with only_trainer(folder):
        assert follow(folder, stopped).stage is Stage.RUNNING
        make_trainer(folder, plan, conse).train(SilentProgress())
    view = follow(folder, stopped)
    assert view.stage is Stage.FINISHED and view.finished and view.seconds_left is None
    lines = [line for line in read_log(folder) if "terms" in line]
    for name, curve in view.curves.items():
        assert curve.n_shown.tolist() == [line["n_shown"] for line in lines]
        assert np.array_equal(curve.values, [line["terms"][name] for line in lines])
    assert read_sheet(view.sheets[-1].path).shape == (32, 160, 3)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"plan": {}}', '{"plan": {"kind": "mlp"}}'])
def test_a_damaged_plan_is_one_sentence(folder: Path, content: str) -> None:
    (folder / PLAN_FILE).write_text(content)
    with pytest.raises(CheckpointError, match=r"plan\.json") as caught:
        follow(folder)
    assert "\n" not in str(caught.value)


def test_folders_without_a_training_are_told_apart(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(DataError, match="is no folder"):
        follow(tmp_path / "nowhere")
    with pytest.raises(DataError, match="is no folder"):
        follow(folder / PLAN_FILE)
    with pytest.raises(DataError, match="holds no training"):
        follow(tmp_path)


def test_what_is_damaged_beside_the_log_is_said_once_each(folder: Path) -> None:
    write(folder, step(1_000, pixel=2.0))
    (folder / "pictures").mkdir()
    (folder / "pictures" / "images.json").write_text("{")
    (folder / "generator.safetensors").write_bytes(b"\x00" * 40)
    view = follow(folder)
    assert [name in " ".join(view.remarks) for name in ("images.json", "generator.safe")] == [
        True
    ] * 2
    assert view.stage is Stage.STOPPED and view.n_shown == 1_000


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\x89PNG\r\n\x1a\n\x00\x00"])
def test_a_sheet_that_is_none_is_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "sheet_00000008.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NsdViewerError, match=path.name):
        read_sheet(path)
