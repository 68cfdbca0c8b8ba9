"""What an optimiser remembers, as tensors of a state."""

import torch


def moment_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Return what the optimiser remembers of each weight, by ``number.slot``."""
    state = optimizer.state_dict()["state"]
    return {f"{n}.{slot}": value for n, slots in state.items() for slot, value in slots.items()}


def load_moments(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Give the optimiser back what `moment_tensors` returned."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        number, slot = key.split(".", 1)
        state.setdefault(int(number), {})[slot] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
