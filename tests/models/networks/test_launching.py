"""A training in a process of its own: watched, stopped, killed, refused; and several that share it."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nsdviewer.errors import Cancelled, CheckpointError, RequestError
from nsdviewer.jobs import SilentProgress, Ticket
from nsdviewer.models.networks.launching import train_here, train_in_process
from nsdviewer.models.networks.run import prepare_run
from nsdviewer.models.runs.run_files import only_trainer, read_log, read_state
from tests.models.networks.runs import (
    TINY,
    curves,
    environment,
    kill_and_resume,
    last_step,
    same_weights,
    tiny_data,
    two_subjects,
    weights_of,
)

LONG = replace(TINY, n_epochs=150, patience=150, checkpoint_every_s=0.1)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The long training, never interrupted, in a process of its own."""
    folder = tmp_path_factory.mktemp("alone")
    prepare_run(folder, LONG, tiny_data())
    told: list[tuple[float, str]] = []
    train_in_process(folder, Ticket(lambda fraction, message: told.append((fraction, message))))
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert len({message for _, message in told}) > 3
    assert "epoch 150/150 · loss " in told[-1][1]
    assert " · held-out " in told[-1][1]
    return folder


@pytest.mark.parametrize("n_kills", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_killed_it_ends_the_same(alone: Path, tmp_path: Path, n_kills: int) -> None:
    prepare_run(tmp_path, LONG, tiny_data())
    kill_and_resume(tmp_path, n_kills=n_kills, seed=1, span_s=0.3)
    assert same_weights(alone, tmp_path)
    assert curves(alone) == curves(tmp_path)


def test_cancelled_it_can_be_gone_on_with(alone: Path, tmp_path: Path) -> None:
    prepare_run(tmp_path, replace(LONG, checkpoint_every_s=1e9), tiny_data())
    ticket = Ticket(lambda fraction, message: ticket.cancel() if fraction > 0.02 else None)
    with pytest.raises(Cancelled):
        train_in_process(tmp_path, ticket)
    # Not a checkpoint that was due: the state of the moment at which it was asked to stop.
    state = read_state(tmp_path)
    assert state is not None
    assert 0 < state.values["step"] < 900
    assert state.values["step"] >= last_step(tmp_path)
    with only_trainer(tmp_path):
        pass
    train_here(tmp_path, SilentProgress())
    assert all(
        torch.equal(value, weights_of(tmp_path)[key]) for key, value in weights_of(alone).items()
    )


def test_two_do_not_train_in_one_folder_and_the_process_says_so(tmp_path: Path) -> None:
    prepare_run(tmp_path, LONG, tiny_data())
    with only_trainer(tmp_path):
        with pytest.raises(RequestError, match="Another process trains in"):
            train_here(tmp_path, SilentProgress())
        with pytest.raises(RequestError, match="Another process trains in"):
            train_in_process(tmp_path, SilentProgress())


def test_a_killed_process_is_reported_and_the_training_goes_on(tmp_path: Path) -> None:
    import psutil

    prepare_run(tmp_path, LONG, tiny_data())
    # Others live on, such as the screen that windows are tested on.
    others = set(psutil.Process().children())

    class KillsTheChild:
        def report(self, fraction: float, message: str = "") -> None:
            if (tmp_path / "state.safetensors").exists():
                for child in set(psutil.Process().children()) - others:
                    child.kill()

    with pytest.raises(CheckpointError, match=r"ended from outside \(signal 9\)"):
        train_in_process(tmp_path, KillsTheChild())
    state = read_state(tmp_path)
    assert state is not None
    assert state.values["step"] > 0


@pytest.mark.slow
def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    import psutil

    prepare_run(tmp_path, replace(LONG, n_epochs=100_000), tiny_data())
    code = (
        "import sys; from pathlib import Path; from nsdviewer.jobs import SilentProgress;"
        "from nsdviewer.models.networks.launching import train_in_process;"
        "train_in_process(Path(sys.argv[1]), SilentProgress())"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=environment())
    while last_step(tmp_path) < 10:
        time.sleep(0.02)
    children = psutil.Process(parent.pid).children(recursive=True)
    parent.kill()
    parent.wait()
    assert psutil.wait_procs(children, timeout=20)[1] == []


def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    sizes = replace(TINY.sizes, first_dropout=0.0, dropout=0.0)
    plan = replace(TINY, network="joint", sizes=sizes, n_epochs=6)
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        prepare_run(folder, plan, two_subjects())
    train_here(one, SilentProgress())
    subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("--master-port", str(20_000 + os.getpid() % 20_000)),
            *("-m", "nsdviewer.models.networks.worker", str(two)),
        ],
        check=True,
        capture_output=True,
        env=environment(),
    )
    first, second = (
        [line for line in read_log(folder) if "held_out_loss" in line] for folder in (one, two)
    )
    assert second[-1]["held_out_loss"] < second[0]["held_out_loss"] - 0.1
    for a, b in zip(first, second, strict=True):
        assert a["held_out_loss"] == pytest.approx(b["held_out_loss"], rel=1e-3)
    for key, value in weights_of(one).items():
        if key.startswith("network."):
            torch.testing.assert_close(value, weights_of(two)[key], rtol=1e-2, atol=1e-3)
