"""Training on several devices at once: one process a device, started by ``torchrun``."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist

from nsdviewer.errors import RequestError


@dataclass(frozen=True)
class World:
    """One process among those that train together.

    Attributes
    ----------
    rank, size
        Its number and how many there are; number 0 evaluates and writes.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that evaluates and writes."""
        return self.rank == 0

    def gather(self, own: torch.Tensor) -> torch.Tensor:
        """Return the rows of all processes in order of rank; gradients flow to this one's only."""
        if self.size == 1:
            return own
        parts = [torch.empty_like(own) for _ in range(self.size)]
        dist.all_gather(parts, own.detach().contiguous())
        parts[self.rank] = own
        return torch.cat(parts)

    def average_gradients(self, parameters: Iterable[torch.Tensor]) -> None:
        """Replace each parameter's gradient by its mean over the processes."""
        if self.size == 1:
            return
        found = [p for p in parameters if p.grad is not None]
        flat = torch.cat([p.grad.flatten() for p in found if p.grad is not None])
        dist.all_reduce(flat)
        flat /= self.size
        start = 0
        for parameter in found:
            n = parameter.numel()
            parameter.grad = flat[start : start + n].view_as(parameter).clone()
            start += n

    def mean(self, value: torch.Tensor) -> torch.Tensor:
        """Return the mean of a tensor over the processes."""
        if self.size == 1:
            return value
        total = value.clone()
        dist.all_reduce(total)
        return total / self.size

    def from_leader(self, values: list[float]) -> list[float]:
        """Return the leader's numbers; the others' are ignored."""
        if self.size == 1:
            return values
        shared = torch.tensor(values, dtype=torch.float64, device=self._device())
        dist.broadcast(shared, 0)
        return [float(v) for v in shared]

    def least(self, value: int) -> int:
        """Return the least of all processes' numbers."""
        if self.size == 1:
            return value
        shared = torch.tensor(value, device=self._device())
        dist.all_reduce(shared, op=dist.ReduceOp.MIN)
        return int(shared)

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            dist.barrier()

    @staticmethod
    def _device() -> torch.device:
        on_gpu = dist.get_backend() == "nccl"
        return torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")


@contextmanager
def join_world(device: torch.device) -> Iterator[World]:
    """Join the processes that ``torchrun`` started; alone where it started none."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World()
        return
    on_gpu = device.type == "cuda"
    # One process may prepare data for hours while the others wait.
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=timedelta(days=7))
    try:
        yield World(dist.get_rank(), size)
    finally:
        dist.destroy_process_group()


def resolve_device(name: str = "auto") -> torch.device:
    """Return the device called `name`; of several GPUs, each process of ``torchrun`` gets its own.

    Parameters
    ----------
    name
        ``cpu``, ``cuda``, ``cuda:1``, ``mps``, or ``auto`` (also "") for the best there is.

    Raises
    ------
    RequestError
        If this machine has no such device.
    """
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    has_mps = torch.backends.mps.is_available()
    if name in ("auto", ""):
        name = "cuda" if n_gpus else "mps" if has_mps else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda", "mps"):
        raise RequestError(
            f"'{name}' is no device to compute on; {_what_there_is(n_gpus, has_mps)}"
        )
    if device.type == "mps" and not has_mps:
        raise RequestError(f"There is no 'mps' here; {_what_there_is(n_gpus, has_mps)}")
    if device.type != "cuda":
        return torch.device(device.type)
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    index = device.index if device.index is not None else local_rank
    if index >= n_gpus:
        raise RequestError(f"There is no GPU for '{name}' here; {_what_there_is(n_gpus, has_mps)}")
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def _what_there_is(n_gpus: int, has_mps: bool) -> str:
    found = ["cpu", *(f"cuda:{n}" for n in range(n_gpus)), *(["mps"] if has_mps else [])]
    if len(found) == 1:
        return "this machine has 'cpu' only: choose it, or 'auto'."
    return f"there are: {', '.join(found)}."
