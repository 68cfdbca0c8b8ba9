"""Memory of a training: what is free, what a forward pass keeps, and the sentence when it ends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import torch
from torch import nn

from nsdviewer.errors import RequestError

# What the system and others may ask for in the meantime.
USABLE_SHARE = 0.9
_CGROUP = Path("/sys/fs/cgroup")


def free_memory(device: torch.device) -> int:
    """Return the bytes that are free on a device; within a container, what it may still take."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = int(psutil.virtual_memory().available)
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
        statistics = dict(
            line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines()
        )
    except (OSError, ValueError):
        return free
    # Pages of files count as used, and are given back on demand.
    held = used - int(statistics.get("inactive_file", 0))
    return free if limit == "max" else min(free, int(limit) - held)


def kept_bytes(forward: Callable[[], object], network: nn.Module | None) -> tuple[int, int]:
    """Return the bytes that autograd keeps of a forward pass, and the largest piece among them."""
    own = {p.untyped_storage()._cdata for p in network.parameters()} if network else set()
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage  # held, so that no other takes its address
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        forward()
    sizes = [storage.nbytes() for storage in kept.values()]
    return sum(sizes), max(sizes, default=0)


def module_bytes(network: nn.Module) -> int:
    """Return the bytes of a network's weights and buffers."""
    tensors = [*network.parameters(), *network.buffers()]
    return sum(t.numel() * t.element_size() for t in tensors)


def gib(n_bytes: int) -> str:
    """Return a number of bytes as a person reads it."""
    return f"{n_bytes / 2**30:.1f} GiB"


@contextmanager
def memory_errors(batch_size: int, device: torch.device) -> Iterator[None]:
    """Turn running out of memory into one sentence."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        words = ("allocate memory", "not enough memory", "out of memory")
        if isinstance(error, MemoryError) or any(w in str(error).lower() for w in words):
            raise RequestError(
                f"Memory ran out on {device} at a batch of {batch_size}; close other programs, or "
                "choose a smaller batch or network, or another device. Checkpoints are kept."
            ) from error
        raise
