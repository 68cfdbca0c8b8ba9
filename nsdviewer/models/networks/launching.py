"""Starting a training: here, or in a process of its own that is watched from here."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

import nsdviewer
from nsdviewer import errors
from nsdviewer.errors import CheckpointError, NsdViewerError
from nsdviewer.jobs import Progress
from nsdviewer.models.networks.curve import Curve
from nsdviewer.models.networks.memory import fit_batch
from nsdviewer.models.networks.run import open_run
from nsdviewer.models.networks.training import Trainer
from nsdviewer.models.runs.distribution import join_world, resolve_device
from nsdviewer.models.runs.memory import free_memory, memory_errors
from nsdviewer.models.runs.run_files import LOG_FILE, only_trainer, read_state

WORKER = "nsdviewer.models.networks.worker"
_POLL_S = 0.1
# Time to write a state of some gigabytes after being asked to stop.
_STOP_S = 60.0


def train_here(folder: Path, progress: Progress) -> None:
    """Train in a prepared run folder, in this process; goes on where a state is.

    Under ``torchrun`` each process calls this, and they train together.

    Raises
    ------
    RequestError
        If another process trains there, the device is not there, or memory does not suffice.
    CheckpointError, DataError
        If the folder is damaged, or does not take what is written.
    Cancelled
        If `progress` does; the training can be gone on with.
    """
    run = open_run(folder)
    device = resolve_device(run.plan.device)
    with join_world(device) as world, only_trainer(folder, world.leads):
        # The leader first: it puts the files in order.
        state = read_state(folder) if world.leads else None
        world.wait()
        state = state if world.leads else read_state(folder)
        note = ""
        if state is not None:
            batch_size = int(state.values["batch_size"])
        else:
            estimate, note = fit_batch(
                run.plan, run.data.shapes, device, free_memory(device), world.size
            )
            batch_size = world.least(estimate.batch_size)
        with memory_errors(batch_size, device):
            trainer = Trainer(run, device, world, batch_size, state)
        trainer.note(note)
        trainer.train(progress)


def train_in_process(folder: Path, progress: Progress) -> None:
    """Train in a prepared run folder, in a process of its own; returns when it has ended.

    The process ends with this one. Errors as `train_here`; when `progress` raises `Cancelled`, or
    the person interrupts, the training writes its state and ends first.
    """
    plan = open_run(folder).plan
    root = str(Path(nsdviewer.__file__).parents[1])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    words = [sys.executable, "-m", WORKER, str(folder), "--parent", str(os.getpid())]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**os.environ, "PYTHONPATH": path},
            # Ctrl-C reaches this process, which then stops the other in order.
            start_new_session=True,
        )
        try:
            _follow(child, folder / LOG_FILE, Curve(plan.n_epochs), progress)
        finally:
            _stop(child)
        if child.returncode:
            raise _failure(child.returncode, out, err)


def _follow(child: subprocess.Popen[bytes], log: Path, curve: Curve, progress: Progress) -> None:
    """Report what the log says until the child has ended."""
    n_read = 0
    ended = False
    while not ended:
        ended = child.poll() is not None
        if log.exists():
            if log.stat().st_size < n_read:  # cut to the state that the child goes on from
                n_read = 0
            with log.open("rb") as stream:
                stream.seek(n_read)
                text = stream.read()
            whole = text[: text.rfind(b"\n") + 1]
            n_read += len(whole)
            for line in whole.splitlines():
                curve.follow(json.loads(line))
        progress.report(curve.fraction, curve.message)
        if not ended:
            time.sleep(_POLL_S)
    if child.returncode == 0:
        progress.report(1.0, curve.message)


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _failure(code: int, out: IO[str], err: IO[str]) -> Exception:
    """Return the child's own error where it could still tell, else one that says how it ended."""
    out.seek(0)
    for line in reversed(out.read().splitlines()):
        try:
            told = json.loads(line)
            kind: type[Exception] = getattr(errors, told["error"])
            if issubclass(kind, NsdViewerError):
                return kind(told["message"])
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    if code < 0:
        return CheckpointError(
            f"The training process was ended from outside (signal {-code}), perhaps for want of "
            "memory; start it again, and it goes on from its last checkpoint."
        )
    err.seek(0)
    lines = err.read().strip().splitlines() or [f"code {code}"]
    return RuntimeError(f"The training process failed: {lines[-1]}")
