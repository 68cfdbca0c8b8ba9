"""The command that trains, in processes of its own: killed, run twice, asked for the impossible."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from nsdviewer.cli.main import main
from nsdviewer.models.generators.run import WEIGHTS_FILE
from nsdviewer.models.painting import load_painter
from nsdviewer.models.runs.run_files import STATE_FILE, read_log
from tests.models.generators.tiny import (
    curves_of,
    kill_while_training,
    same_tensors,
    start,
    weights_of,
    words,
    write_pictures,
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures") / "here")


def finish(child: "subprocess.Popen[bytes]") -> None:
    _, errors = child.communicate(timeout=300)
    assert child.returncode == 0, errors.decode()[-2000:]


# What is stopped within one process ends the same too, and quicker: see tests/models/generators.
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lafite", "flow"])
def test_killed_with_sigkill_it_ends_as_if_nothing_had_happened(
    tmp_path: Path, pictures: Path, kind: str
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    together = start(words(kind, pictures, whole, 240))
    child = start(words(kind, pictures, broken, 240))
    first = kill_while_training(child, broken, n_lines=4)
    child = start(["--out", str(broken), "--resume"])
    second = kill_while_training(child, broken, n_lines=3)
    assert 0 < first < 240
    assert 0 < second < 240
    finish(start(["--out", str(broken), "--resume"]))
    finish(together)
    assert same_tensors(weights_of(whole), weights_of(broken))
    assert curves_of(whole) == curves_of(broken)
    header = load_painter(broken / WEIGHTS_FILE).header
    assert header["n_shown"] == 240
    assert header["finished"]


@pytest.mark.slow
def test_two_processes_train_together_and_go_on_together(tmp_path: Path, pictures: Path) -> None:
    out = tmp_path / "two"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [*torchrun, "-m", "app", "train", "generator"]
    child = subprocess.Popen(
        [*command, *words("lafite", pictures, out, 60)],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    while len(read_log(out) if out.exists() else []) < 2:
        assert child.poll() is None, child.stderr.read() if child.stderr else ""
        time.sleep(0.05)
    # The workers have sessions of their own and would outlive the one that started them.
    for process in [psutil.Process(child.pid), *psutil.Process(child.pid).children(recursive=True)]:
        process.kill()
    child.wait()
    done = subprocess.run(
        [*command, "--out", str(out), "--resume"],
        env=environment, capture_output=True, check=False, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    header = load_painter(out / WEIGHTS_FILE).header
    assert header["n_processes"] == 2
    assert header["n_shown"] == 60


def test_curves_and_sheets_are_there_to_look_at(tmp_path: Path, pictures: Path) -> None:
    out = tmp_path / "run"
    given = [*words("flow", pictures, out, 80), "--set", "sheet_every_images=40"]
    assert main(["train", "generator", *given]) == 0
    sheets = sorted(out.glob("sheet_*.png"))
    assert len(sheets) == 2
    with Image.open(sheets[0]) as sheet:
        assert sheet.size == (160, 32)
    events = list((out / "tensorboard").glob("events.out.tfevents.*"))
    assert events
    assert b"loss/velocity" in events[0].read_bytes()
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    figures = next(line["figures"] for line in lines if "figures" in line)
    assert any(name.startswith("KID ") for name in figures)
    # The same command again does not begin anew, and a finished training ends at once.
    assert main(["train", "generator", *given]) == 1
    assert main(["train", "generator", "--out", str(out), "--resume"]) == 0


def test_a_resumed_training_keeps_what_it_was_begun_with(
    tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(["train", "generator", *words("flow", pictures, out, 8)]) == 0
    state = (out / STATE_FILE).read_bytes()
    for change, word in (
        (["--seed", "3"], "seed"), (["--resolution", "32"], "resolution"),
        (["--model", "lafite"], "kind"), (["--crops", "5"], "crops"),
        (["--set", "n_condition=24"], "n_condition"), (["--n-images", "16"], "n_images"),
    ):  # fmt: skip
        assert main(["train", "generator", "--out", str(out), "--resume", *change]) == 1
        assert word in capsys.readouterr().err
    assert (out / STATE_FILE).read_bytes() == state


def test_a_training_begins_where_another_generator_stands(
    tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(["train", "generator", *words("lafite", pictures, first, 8)]) == 0
    begun = ["--start-from", str(first / WEIGHTS_FILE)]
    # A learning rate of almost nothing: what comes out is what went in.
    still = ["--set", "learning_rate=1e-12", "--set", "adversarial_learning_rate=1e-12"]
    plain = ["--images", str(pictures), "--n-images", "4", "--batch", "4", "--crops", "2"]
    given = [*plain, "--resolution", "16", "--out", str(second), *begun, *still]
    assert main(["train", "generator", *given, "--set", "n_branches=2"]) == 0
    vector = np.eye(2, 384, dtype=np.float32)
    one, two = (load_painter(folder / WEIGHTS_FILE).paint(vector, 0) for folder in (first, second))
    assert np.abs(one.astype(int) - two).max() <= 1
    other = [*plain, "--out", str(tmp_path / "third"), "--model", "flow", *begun]
    assert main(["train", "generator", *other]) == 1
    assert "holds a lafite, not a flow" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (["--set", "chanel_base=64"], "Did you mean 'channel_base'"),
        (["--set", "nothing"], "NAME=VALUE"),
        (["--resolution", "48"], "power of two"),
        (["--batch", "0"], "batch_size"),
        (["--device", "tpu"], "device"),
        (["--images", "/nowhere"], "/nowhere"),
        (["--embedding", "clop"], "no embedding called 'clop'"),
        (["--set", "xi=3"], "between 0 and 1"),
        (["--resume"], "no training to resume"),
        (["--captions"], "caption"),
        (["--captions", "--model", "flow"], "pictures alone"),
        (["--batch", "1"], "at least two"),
        *(
            (["--set", f"{name}={value}"], name)
            for name, value in (
                ("r1_every", "0"),
                ("log_every_steps", "0"),
                ("learning_rate", "fast"),
                ("checkpoint_every_s", "often"),
                ("n_threads", "1.5"),
                ("sheet_every_images", "2.5"),
                ("perturbation", "much"),
                ("ada", "3"),
                ("n_z", "0"),
                ("learning_rate", "nan"),
            )
        ),
        (["--set", "perturbation=trainable", "--set", "xi=1"], "between 0 and 1"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(
    tmp_path: Path,
    pictures: Path,
    capsys: pytest.CaptureFixture[str],
    change: list[str],
    sentence: str,
) -> None:
    given = [*words("lafite", pictures, tmp_path / "run", 8), *change]
    assert main(["train", "generator", *given]) == 1
    told = capsys.readouterr().err
    assert sentence in told
    assert "Traceback" not in told
    assert not (tmp_path / "run" / "plan.json").exists()


@pytest.mark.parametrize(
    "setting", ["n_sampling_steps=0", "guidance=much", "widths=a,b", "sampling_order=3", "patch=0"]
)
def test_a_flow_that_cannot_be_is_one_sentence(
    tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str], setting: str
) -> None:
    given = [*words("flow", pictures, tmp_path / "run", 8), "--set", setting]
    assert main(["train", "generator", *given]) == 1
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert len(told.strip().splitlines()) == 1


def test_too_much_memory_is_told_before_it_starts(
    tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*words("lafite", pictures, tmp_path / "run", 8), "--batch", "100000000"]
    assert main(["train", "generator", *given]) == 1
    told = capsys.readouterr().err
    assert "free" in told
    assert "--batch" in told
    assert not (tmp_path / "run" / STATE_FILE).exists()


def test_pictures_that_cannot_be_used_are_named_and_the_rest_is_trained_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_pictures(tmp_path / "odd")
    noise = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "grey.png")
    Image.fromarray(np.stack([noise] * 4, 2)).save(folder / "rgba.png")
    Image.fromarray(np.stack([noise] * 4, 2), mode="CMYK").save(folder / "cmyk.jpg")
    (folder / "broken.jpg").write_bytes((folder / "cmyk.jpg").read_bytes()[:300])
    Image.fromarray(noise[:1, :1]).save(folder / "dot.png")
    out = tmp_path / "run"
    assert main(["train", "generator", *words("flow", folder, out, 8)]) == 0
    told = capsys.readouterr().err
    assert "broken.jpg" in told
    assert "dot.png" in told
    header = load_painter(out / WEIGHTS_FILE).header
    assert header["pictures"]["n_pictures"] == 21
    assert header["pictures"]["n_left_out"] == 2
