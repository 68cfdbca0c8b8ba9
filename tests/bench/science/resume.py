"""A real training, killed with SIGKILL at random moments: does it end as if nothing had happened?

And how well the networks decode a planted subject beside the ridge, with their time per epoch.
"""

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nsdviewer.jobs import SilentProgress
from nsdviewer.models.networks.data import TrainingData
from nsdviewer.models.networks.held_out import two_way_identification
from nsdviewer.models.networks.launching import train_here
from nsdviewer.models.networks.network_decoder import NetworkDecoder
from nsdviewer.models.networks.plan import preset
from nsdviewer.models.networks.run import prepare_run
from nsdviewer.models.runs.run_files import read_log
from tests.models.networks.runs import (
    TINY,
    curves,
    kill_and_resume,
    same_weights,
    start_worker,
    tiny_data,
    trials,
    zscored,
)
from tests.planted import plant_subject

N_KILLS = 20
_SEED = 20


def kill_twenty_times(folder: Path) -> dict[str, Any]:
    """Return figures of one training killed again and again, beside one that was left alone."""
    # Long enough for every kill to find it at work, with checkpoints far more often than usual.
    plan = replace(TINY, n_epochs=600, patience=600, checkpoint_every_s=0.1)
    alone, killed = folder / "alone", folder / "killed"
    for run in (alone, killed):
        prepare_run(run, plan, tiny_data())
    start = time.perf_counter()
    child = start_worker(alone)
    assert child.wait() == 0
    alone_s = time.perf_counter() - start
    killing = kill_and_resume(killed, N_KILLS, _SEED, span_s=1.0)
    steps = [line["step"] for line in read_log(killed)]
    return {
        "n_kills": len(killing.steps_at_kill),
        "n_kills_while_starting": killing.n_during_start,
        "steps_at_kill": killing.steps_at_kill,
        "n_steps": steps[-1],
        "weights_identical": same_weights(alone, killed),
        "curves_identical": curves(alone) == curves(killed),
        "steps_monotone": steps == sorted(steps),
        "seconds_alone": alone_s,
        "seconds_with_kills": time.perf_counter() - start - alone_s,
    }


def compare_decoders(folder: Path) -> dict[str, dict[str, float]]:
    """Return test two-way identification, cosine and seconds an epoch, on one planted subject."""
    from sklearn.linear_model import RidgeCV

    planted = plant_subject(0)
    own = trials(planted)
    z_test = zscored(planted, planted.test_y)
    data = TrainingData((own,), planted.train)

    def score(decoded: NDArray[np.floating]) -> dict[str, float]:
        unit = torch.nn.functional.normalize(torch.from_numpy(np.asarray(decoded, np.float32)))
        true = torch.from_numpy(planted.test)
        return {
            "two_way": two_way_identification(unit, true),
            "cosine": float((unit * true).sum(1).mean()),
        }

    bayes, offset = planted.bayes_decoder()
    figures = {
        "best linear": score(planted.test_y @ bayes + offset),
        "ridge": score(RidgeCV(np.logspace(0, 5, 11)).fit(own.z, planted.train).predict(z_test)),
    }
    for name, n_epochs in (("residual", 40), ("mindreader", 6)):
        run = folder / name
        prepare_run(run, preset(name, n_epochs=n_epochs, device="cpu", n_threads=1), data)
        train_here(run, SilentProgress())
        decoder = NetworkDecoder.from_run(run)
        n_run = decoder.summary["n_epochs"]
        figures[name] = {
            **score(decoder.decode(z_test)),
            "n_epochs": n_run,
            "seconds_per_epoch": decoder.summary["seconds"] / n_run,
        }
    return figures


def measure() -> dict[str, Any]:
    """Measure and print; returns the figures."""
    with tempfile.TemporaryDirectory() as folder:
        resumed = kill_twenty_times(Path(folder))
        decoders = compare_decoders(Path(folder))
    for name, value in resumed.items():
        print(f"{name:28} {value}")
    for name, row in decoders.items():
        print(f"{name:14} " + "  ".join(f"{k} {v:.4f}" for k, v in row.items()))
    return {"kill -9": resumed, "planted subject": decoders}
