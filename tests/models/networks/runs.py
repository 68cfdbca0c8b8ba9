"""Small trainings on planted subjects, for the tests of networks and the bench."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nsdviewer.models.networks.data import SubjectTrials, TrainingData
from nsdviewer.models.networks.plan import LossWeights, preset
from nsdviewer.models.networks.sizes import NetworkSizes
from nsdviewer.models.runs.run_files import BEST_FILE, STATE_FILE, read_log
from tests.planted import PlantedSubject, plant_subject

WORKER = [sys.executable, "-m", "nsdviewer.models.networks.worker"]

TINY = preset(
    "residual",
    sizes=NetworkSizes(width=24, n_blocks=1, first_dropout=0.2),
    losses=LossWeights(cosine=1.0, soft_clip=0.5, mixco=0.5, temperature=0.1),
    batch_size=16,
    n_epochs=4,
    device="cpu",
    n_threads=1,
    log_every_steps=3,
)


def trials(subject: PlantedSubject, name: str = "subj01") -> SubjectTrials:
    """Training responses of a planted subject, z-scored by their own statistics."""
    return SubjectTrials(name, zscored(subject, subject.train_y), np.arange(len(subject.train)))


def zscored(subject: PlantedSubject, y: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray((y - subject.train_y.mean(0)) / subject.train_y.std(0), np.float32)


def tiny_data(seed: int = 0, n_trials: int = 2) -> TrainingData:
    """60 pictures, each with `n_trials` single trials of 40 voxels, in no order."""
    planted = plant_subject(seed, 60, 4, n_embedding=12, n_voxels=40, repeats=(1,))
    rng = np.random.default_rng(seed)
    image = rng.permutation(np.repeat(np.arange(60), n_trials))
    z = trials(planted).z[image]
    z = z + 0.3 * rng.standard_normal(z.shape).astype(np.float32)
    return TrainingData((SubjectTrials("subj01", z, image),), planted.train)


def two_subjects() -> TrainingData:
    """`tiny_data` and a second subject with fewer voxels, who saw part of its pictures."""
    data = tiny_data()
    (first,) = data.subjects
    return replace(
        data, subjects=(first, SubjectTrials("subj02", first.z[:90, :30], first.image[:90]))
    )


def weights_of(folder: Path, name: str = STATE_FILE) -> dict[str, torch.Tensor]:
    """Every tensor of a run's state, or of another of its files."""
    from safetensors.torch import load_file

    return load_file(folder / name)


def same_weights(first: Path, second: Path) -> bool:
    """Whether two runs ended with the same state and the same best weights, to the last bit."""
    for name in (STATE_FILE, BEST_FILE):
        a, b = weights_of(first, name), weights_of(second, name)
        if a.keys() != b.keys() or not all(torch.equal(a[k], b[k]) for k in a):
            return False
    return True


def curves(folder: Path) -> list[dict[str, Any]]:
    """The lines of a log without the clock."""
    return [{k: v for k, v in line.items() if k != "seconds"} for line in read_log(folder)]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def start_worker(folder: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [*WORKER, str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(),
    )


@dataclass
class Killing:
    """What happened to a run that was killed again and again."""

    steps_at_kill: list[int]
    n_during_start: int


def last_step(folder: Path) -> int:
    lines = read_log(folder)
    return int(lines[-1]["step"]) if lines else 0


def kill_and_resume(folder: Path, n_kills: int, seed: int, span_s: float) -> Killing:
    """Start the worker `n_kills` times, kill -9 each at a random moment, then let one end.

    The moment is drawn from 0..span_s after the log first moved in this life, or after the process
    started once in five times: reading the state is a moment like any other.
    """
    rng = np.random.default_rng(seed)
    killing = Killing([], 0)
    for _ in range(n_kills):
        early = rng.random() < 0.2
        delay_s = rng.uniform(0, span_s)
        before = (folder / "log.jsonl").stat() if (folder / "log.jsonl").exists() else None
        child = start_worker(folder)
        while not early and child.poll() is None:
            now = (folder / "log.jsonl").stat() if (folder / "log.jsonl").exists() else None
            if now is not None and (before is None or now.st_mtime_ns != before.st_mtime_ns):
                break
            time.sleep(0.005)
        time.sleep(delay_s)
        assert child.poll() is None, "the training ended before it could be killed"
        child.send_signal(signal.SIGKILL)
        child.communicate()
        killing.n_during_start += early
        killing.steps_at_kill.append(last_step(folder))
    child = start_worker(folder)
    _, err = child.communicate(timeout=300)
    assert child.returncode == 0, err.decode()
    return killing
