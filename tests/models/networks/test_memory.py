"""The memory that is announced is about the memory that is taken."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nsdviewer.errors import RequestError
from nsdviewer.jobs import SilentProgress
from nsdviewer.models.networks import launching
from nsdviewer.models.networks.data import DataShapes, SubjectTrials, TrainingData
from nsdviewer.models.networks.memory import estimate_memory, fit_batch
from nsdviewer.models.networks.plan import TrainingPlan, preset
from nsdviewer.models.networks.registry import NETWORKS, build_network
from nsdviewer.models.networks.run import prepare_run
from nsdviewer.models.networks.sizes import NetworkSizes
from nsdviewer.models.runs.memory import free_memory
from nsdviewer.models.runs.run_files import read_log, read_state
from tests.models.networks.runs import TINY, environment, tiny_data

CPU = torch.device("cpu")
SHAPES = DataShapes(27_000, (15_724,), 9_000, 512)
# Trains three steps; prints the high-water mark before and after, in bytes.
PEAK = """
import sys
from pathlib import Path
from nsdviewer.jobs import SilentProgress
from nsdviewer.models.networks.launching import train_here

def high_water():
    text = Path("/proc/self/status").read_text()
    return 1024 * int(text.split("VmHWM:")[1].split()[0])

train_here(Path(sys.argv[1]), type("P", (), {"report": lambda *_: None})())
before = high_water()
train_here(Path(sys.argv[2]), type("P", (), {"report": lambda *_: None})())
print(before, high_water())
"""


def shapes_of(n_voxels: int) -> DataShapes:
    return replace(SHAPES, n_voxels=(n_voxels,))


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_gradients_and_moments_are_counted(name: str) -> None:
    plan = preset(name, device="cpu")
    estimate = estimate_memory(plan, SHAPES, torch.device("cuda"))
    with torch.device("meta"):
        network = build_network(name, SHAPES.n_voxels, 512, plan.sizes)
    n = sum(p.numel() for p in network.parameters())
    assert estimate.gradients == 4 * n
    assert 8 * n < estimate.moments < 12 * n + 4
    assert estimate.weights - 4 * n == sum(4 * b.numel() for b in network.buffers())


def test_activations_grow_with_the_batch_and_not_with_the_data() -> None:
    plan = preset("mindreader", device="cpu")
    one = estimate_memory(replace(plan, batch_size=64), SHAPES, CPU)
    two = estimate_memory(plan, SHAPES, CPU)
    assert two.activations == pytest.approx(2 * one.activations, rel=0.01)
    more = estimate_memory(plan, replace(SHAPES, n_rows=54_000), CPU)
    assert more.data == 2 * two.data
    assert more.needed == two.needed
    # Four blocks keep ten arrays of 64 × 7,862 a trial, the wide layer three of 512 × 7,862.
    assert 40e6 < two.activations / 128 < 120e6


@pytest.mark.parametrize(
    ("plan", "n_voxels"),
    [
        (replace(TINY, sizes=NetworkSizes(width=2048, n_blocks=1), batch_size=32), 4_000),
        pytest.param(
            replace(preset("mindreader", device="cpu", n_threads=1), batch_size=32),
            1_280,
            marks=pytest.mark.slow,
        ),
    ],
    ids=["residual", "mindreader"],
)
def test_the_estimate_is_within_a_third_of_the_real_peak(
    plan: TrainingPlan, n_voxels: int, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    folders = [tmp_path / "small", tmp_path / "large"]
    for folder, voxels in zip(folders, (8, n_voxels), strict=True):
        z = rng.standard_normal((80, voxels)).astype(np.float32)
        embeddings = rng.standard_normal((80, 64)).astype(np.float32)
        data = TrainingData((SubjectTrials("s", z, np.arange(80)),), embeddings)
        small = TINY if folder is folders[0] else plan
        prepare_run(folder, replace(small, n_epochs=2, checkpoint_every_s=1e9), data)
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *map(str, folders)],
        check=True, capture_output=True, text=True, env=environment(),
    )  # fmt: skip
    before, after = map(int, done.stdout.split())
    estimate = estimate_memory(plan, data.shapes, CPU)
    assert after - before == pytest.approx(estimate.needed, rel=1 / 3)


def test_a_batch_that_does_not_fit_is_halved_and_said(tmp_path: Path) -> None:
    plan = preset("mindreader", device="cpu")
    whole = estimate_memory(plan, SHAPES, CPU)
    estimate, note = fit_batch(plan, SHAPES, CPU, 2 * whole.needed)
    assert (estimate.batch_size, note) == (128, "")
    estimate, note = fit_batch(plan, SHAPES, CPU, whole.needed // 3)
    assert estimate.batch_size == 32
    assert "Batch of 32 instead of 128" in note
    with pytest.raises(RequestError, match=r"even with a batch of 8, and 0\.1 GiB are free"):
        fit_batch(plan, SHAPES, CPU, 1 << 27)


def test_a_halved_batch_stays_what_it_was_when_the_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = replace(TINY, n_epochs=1)
    prepare_run(tmp_path, plan, tiny_data())
    needed = estimate_memory(plan, tiny_data().shapes, CPU).needed
    monkeypatch.setattr(launching, "free_memory", lambda device: needed)
    launching.train_here(tmp_path, SilentProgress())
    state = read_state(tmp_path)
    assert state is not None
    assert state.values["batch_size"] == 8
    assert any("Batch of 8 instead of 16" in line.get("note", "") for line in read_log(tmp_path))
    monkeypatch.undo()
    launching.train_here(tmp_path, SilentProgress())


def test_free_memory_is_what_the_machine_can_give() -> None:
    import psutil

    assert 1 << 20 < free_memory(CPU) <= psutil.virtual_memory().total
