"""What the training of every kind of generator has in common, and where the kinds differ.

A *recipe* knows the networks, their optimisers and one step; the trainer knows time, files and
processes. A further kind of generator is one recipe and one line in the registry.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from nsdviewer.errors import RequestError
from nsdviewer.models.runs.distribution import World


@dataclass(frozen=True)
class PictureBatch:
    """What one process sees at one step.

    Attributes
    ----------
    real
        (n, 3, r, r) pictures in [−1, 1], mirrored at random.
    embedding
        (n, d) unit embeddings of the same pictures.
    other
        (n, d) embeddings of other pictures, for conditions between two of them.
    text
        (n, d) embedding of one caption each; None where there are no captions.
    """

    real: torch.Tensor
    embedding: torch.Tensor
    other: torch.Tensor
    text: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.real)


@dataclass(frozen=True)
class Moment:
    """Where in the training a step stands: what it may depend on, beside what was learnt.

    Attributes
    ----------
    n_shown, n_images
        Pictures shown before it, by all processes together, and in the whole training.
    """

    step: int
    n_shown: int
    n_images: int
    batch_size: int


class Descent:
    """Takes optimiser steps: scaled in float16, averaged over processes.

    Parameters
    ----------
    scaled
        Whether gradients are computed in float16 and need scaling.
    """

    def __init__(self, world: World, device: torch.device, scaled: bool) -> None:
        self._world = world
        self._device = device
        self._scaled = scaled
        self.scalers: dict[str, torch.amp.GradScaler] = {}

    def take(
        self,
        name: str,
        optimizer: torch.optim.Optimizer,
        terms: Mapping[str, torch.Tensor],
        rate: float,
        largest_norm: float | None = None,
    ) -> dict[str, torch.Tensor]:
        """Descend along the sum of `terms` at learning rate `rate`; returns the terms, detached."""
        scaler = self.scaler(name)
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(torch.stack([t.float() for t in terms.values()]).sum()).backward()
        self._world.average_gradients(parameters)
        if largest_norm is not None:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(parameters, largest_norm)
        scaler.step(optimizer)
        scaler.update()
        return {key: value.detach() for key, value in terms.items()}

    def mean(self, value: torch.Tensor) -> torch.Tensor:
        """Return the mean of a number over the processes."""
        return self._world.mean(value)

    def scaler(self, name: str) -> torch.amp.GradScaler:
        """Return the scaler of one optimiser."""
        if name not in self.scalers:
            self.scalers[name] = torch.amp.GradScaler(self._device.type, enabled=self._scaled)
        return self.scalers[name]


class Recipe(Protocol):
    """One kind of generator in training."""

    @property
    def kind(self) -> str:
        """Kind of the weights' file."""
        ...

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """Everything that learns or remembers, by name; what a state has to hold."""
        ...

    @property
    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """The optimisers by name."""
        ...

    def step(self, batch: PictureBatch, at: Moment, descent: Descent) -> dict[str, torch.Tensor]:
        """Take one step; returns the weighted terms of the loss by name, detached."""
        ...

    def paint(self, embeddings: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
        """Paint (n, 3, r, r) about [−1, 1] with the averaged weights, each with its seed."""
        ...

    def header(self) -> dict[str, Any]:
        """What the weights' file has to say beside the training: the network, how to sample."""
        ...

    def weights(self) -> dict[str, torch.Tensor]:
        """The averaged weights in half precision."""
        ...

    def begin_from(self, tensors: dict[str, torch.Tensor]) -> None:
        """Begin with the weights of a generator's file instead of random ones.

        Raises
        ------
        RuntimeError
            If they do not fit the network.
        """
        ...

    def measure(self, batch: PictureBatch) -> Callable[[], object]:
        """Return a step's forward pass, which changes nothing, to estimate memory from."""
        ...


class MovingAverage:
    """The exponential moving average of a network's weights, which paints better than the last.

    Parameters
    ----------
    half_life_images
        Pictures after which a weight's part in the average has halved. At the start it is shorter,
        or the average would remember the random weights.
    """

    def __init__(self, network: nn.Module, half_life_images: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._half_life_images = half_life_images

    @torch.no_grad()
    def follow(self, network: nn.Module, at: Moment) -> None:
        """Move towards `network` after the step at `at`."""
        half_life = min(self._half_life_images, 0.05 * (at.n_shown + at.batch_size))
        decay = 0.5 ** (at.batch_size / max(half_life, 1e-8))
        for mean, value in zip(self.network.parameters(), network.parameters(), strict=True):
            mean.lerp_(value, 1 - decay)
        for kept, held in zip(self.network.buffers(), network.buffers(), strict=True):
            kept.copy_(held)

    def half(self) -> dict[str, torch.Tensor]:
        """Return the weights in half precision."""
        return {k: v.half() for k, v in self.network.state_dict().items()}


def pictures_of_each(batch_size: int, n_processes: int) -> int:
    """Return how many pictures of a batch each process takes.

    Raises
    ------
    RequestError
        If they cannot be divided, or a process would have fewer than two: contrastive losses
        compare the pictures of one process.
    """
    n_own, rest = divmod(batch_size, n_processes)
    if rest or n_own < 2:
        raise RequestError(
            f"A batch of {batch_size} cannot be divided among {n_processes} processes with at least "
            f"two pictures each; choose --batch {max(2, n_own + bool(rest)) * n_processes}."
        )
    return n_own


def mix_embeddings(own: torch.Tensor, other: torch.Tensor, stays: torch.Tensor) -> torch.Tensor:
    """Move embeddings (n, d) up to half way towards `other` (n, d), where `stays` (n,) is false."""
    share = torch.rand(len(own), 1, device=own.device) * 0.5
    between = nn.functional.normalize(torch.lerp(own, other, share), dim=1)
    return torch.where(stays[:, None], own, between)


def cosine_rate(first: float, last: float, fraction: float) -> float:
    """Return the learning rate at `fraction` (0..1) of a half cosine from `first` to `last`."""
    return float(last + (first - last) * 0.5 * (1 + np.cos(np.pi * min(max(fraction, 0.0), 1.0))))
