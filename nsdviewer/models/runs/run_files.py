"""The files of a run folder: who trains in it, the state to go on from, and the curves.

A state is written beside the one before it, with a checksum: whatever stops the writing, one of the
two is whole.
"""

import fcntl
import json
import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from nsdviewer.errors import CheckpointError, DataError, RequestError
from nsdviewer.files import atomic_path
from nsdviewer.models.checkpoints import load_checkpoint, save_checkpoint

PLAN_FILE = "plan.json"
LOG_FILE = "log.jsonl"
STATE_FILE = "state.safetensors"
PREVIOUS_STATE_FILE = "state-previous.safetensors"
BEST_FILE = "best.safetensors"
BACKBONE_FILE = "backbone.safetensors"
LOCK_FILE = "run.lock"
STATE_KIND = "training"
BEST_KIND = "network"


@contextmanager
def only_trainer(folder: Path, is_writer: bool = True) -> Iterator[None]:
    """Hold the folder's lock, which the system takes back when the process ends in any way.

    Of processes that train together only one writes, and holds the lock.

    Raises
    ------
    RequestError
        If another process trains in the folder.
    """
    if not is_writer:
        yield
        return
    with (folder / LOCK_FILE).open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RequestError(
                f"Another process trains in {folder}; wait for it, stop it, or choose another "
                "folder."
            ) from None
        # What a killed process was writing; nobody else writes while we hold the lock.
        for leftover in folder.glob(".writing-*"):
            leftover.unlink(missing_ok=True)
        yield


@dataclass(frozen=True)
class TrainingState:
    """What a training goes on from: numbers and texts in `values`, all arrays in `tensors`."""

    values: dict[str, Any]
    tensors: dict[str, torch.Tensor]

    def below(self, prefix: str) -> dict[str, torch.Tensor]:
        """Return the tensors whose names start with ``prefix.``, without it."""
        start = prefix + "."
        found = self.tensors.items()
        return {k.removeprefix(start): v for k, v in found if k.startswith(start)}


def write_state(folder: Path, state: TrainingState) -> None:
    """Write a state; the one before it is kept.

    Raises
    ------
    DataError
        If it cannot be written, for example because the disk is full; the states that are there
        stay as they are.
    """
    path = folder / STATE_FILE
    tensors = {k: v.detach().cpu().contiguous() for k, v in state.tensors.items()}
    values = {**state.values, "crc32": _checksum(tensors)}
    with writing(folder):
        if path.exists():
            with atomic_path(folder / PREVIOUS_STATE_FILE) as temporary:
                temporary.unlink()
                _link(path, temporary)
        save_checkpoint(path, STATE_KIND, tensors, values)


def read_state(folder: Path) -> TrainingState | None:
    """Return the last whole state; None where the training has not written any.

    Where that is the one before a damaged one, it takes the damaged one's place.

    Raises
    ------
    CheckpointError
        If there are states and none is whole.
    """
    failures = []
    for name in (STATE_FILE, PREVIOUS_STATE_FILE):
        path = folder / name
        if not path.exists():
            continue
        try:
            values, tensors = load_checkpoint(path, STATE_KIND)
            if values.get("crc32") != _checksum(tensors):
                raise CheckpointError(f"{path} is damaged; its checksum does not fit.")
            if name != STATE_FILE and (folder / STATE_FILE).exists():
                path.replace(folder / STATE_FILE)
            return TrainingState(values, tensors)
        except CheckpointError as error:
            failures.append(str(error))
    if failures:
        raise CheckpointError(
            f"No state in {folder} can be read ({failures[0]}); delete the folder and begin the "
            "training again."
        )
    return None


def write_best(folder: Path, tensors: dict[str, torch.Tensor], header: dict[str, Any]) -> None:
    """Write the best weights; errors as `write_state`."""
    with writing(folder):
        save_checkpoint(folder / BEST_FILE, BEST_KIND, tensors, header)


class Log:
    """The training's curves: one JSON object a line, appended.

    Parameters
    ----------
    n_bytes
        Length at the state that the training goes on from; what was written later is cut off,
        because it will be written again.
    """

    def __init__(self, folder: Path, n_bytes: int) -> None:
        self._folder = folder
        self._path = folder / LOG_FILE
        with writing(folder), self._path.open("ab") as stream:
            stream.truncate(min(n_bytes, stream.tell()))

    def write(self, line: dict[str, Any]) -> None:
        """Append one line."""
        text = json.dumps(line) + "\n"
        with writing(self._folder), self._path.open("a", encoding="utf-8") as stream:
            stream.write(text)

    @property
    def n_bytes(self) -> int:
        """Present length."""
        return self._path.stat().st_size


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a run's log; a last line that was cut short is left out."""
    path = folder / LOG_FILE
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines if line]


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn a failure to write into `folder`, such as a full disk, into one sentence."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        number = error.errno if isinstance(error, OSError) else None
        reason = os.strerror(number) if number else str(error)
        raise DataError(
            f"The training cannot write into {folder} ({reason}); make room and start it again, "
            "and it goes on from its last checkpoint."
        ) from error


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)


def _checksum(tensors: dict[str, torch.Tensor]) -> int:
    code = 0
    for name in sorted(tensors):
        code = zlib.crc32(name.encode(), code)
        code = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy().data, code)
    return code
