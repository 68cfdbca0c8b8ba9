"""How much memory a training needs, told from the network's own layers before it starts."""

from dataclasses import dataclass, replace

import torch
from torch import nn

from nsdviewer.errors import RequestError
from nsdviewer.models.networks.data import DataShapes
from nsdviewer.models.networks.objective import load_generator_term
from nsdviewer.models.networks.plan import Precision, TrainingPlan
from nsdviewer.models.networks.registry import build_network
from nsdviewer.models.runs.memory import USABLE_SHARE, gib, kept_bytes, module_bytes

LEAST_BATCH = 8


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes that a training takes on its device, beyond the libraries themselves.

    Attributes
    ----------
    gradients, moments
        Of the weights that are trained; Adam keeps two moments of each, and works on one weight at
        a time beside them.
    activations
        What the forward pass keeps for the backward one at the batch size, and the gradients that
        pass through.
    batch
        Responses of a batch.
    held_out
        Averaged responses of the held-out pictures (in main memory on any device).
    data
        Responses on disk that pass through the page cache; the system takes these back when it
        needs to, so they do not count as needed.
    """

    batch_size: int
    weights: int
    gradients: int
    moments: int
    activations: int
    batch: int
    held_out: int
    data: int

    @property
    def needed(self) -> int:
        """Bytes that must be free."""
        kept = self.weights + self.gradients + self.moments
        return kept + self.activations + self.batch + self.held_out


def estimate_memory(
    plan: TrainingPlan, shapes: DataShapes, device: torch.device, n_processes: int = 1
) -> MemoryEstimate:
    """Estimate what training takes, from one forward pass of very few rows without data.

    Parameters
    ----------
    n_processes
        Among which a batch is divided.
    """
    with torch.device("meta"):
        network = build_network(plan.network, shapes.n_voxels, shapes.n_embedding, plan.sizes)
        if plan.frozen_backbone:
            network.backbone.requires_grad_(False)
    weights = module_bytes(network)
    trained = sum(p.numel() * p.element_size() for p in network.parameters() if p.requires_grad)
    largest_weight = max(p.numel() * p.element_size() for p in network.parameters())
    n_rows = -(-plan.batch_size // n_processes)
    half = plan.precision is not Precision.FLOAT32 and device.type == "cuda"
    activations = round(_activations(network, shapes, n_rows) * (0.6 if half else 1.0))
    if plan.generator is not None:
        n_pictures = min(plan.generator.n_pictures, n_rows)
        activations += n_pictures * _bytes_per_picture(plan, shapes.n_embedding)
    row = 4 * max(shapes.n_voxels)
    mean_row = 4 * sum(shapes.n_voxels) // len(shapes.n_voxels)
    n_held_out = round(plan.held_out_share * shapes.n_images) * len(shapes.n_voxels)
    return MemoryEstimate(
        batch_size=plan.batch_size,
        # The best weights so far are kept in main memory.
        weights=weights * (2 if device.type == "cpu" else 1),
        gradients=trained,
        moments=2 * trained + largest_weight,
        activations=activations,
        # As read, and mixed in pairs.
        batch=n_rows * row * (3 if plan.losses.mixco else 1),
        held_out=0 if device.type == "cuda" else min(n_held_out, shapes.n_rows) * mean_row,
        data=shapes.n_rows * mean_row,
    )


def fit_batch(
    plan: TrainingPlan,
    shapes: DataShapes,
    device: torch.device,
    free_bytes: int,
    n_processes: int = 1,
) -> tuple[MemoryEstimate, str]:
    """Return the estimate at the largest batch that fits, and a sentence if that is a smaller one.

    Raises
    ------
    RequestError
        If not even a batch of 8 fits.
    """
    asked = estimate_memory(plan, shapes, device, n_processes)
    estimate, size = asked, plan.batch_size
    while estimate.needed > USABLE_SHARE * free_bytes:
        size //= 2
        if size < LEAST_BATCH:
            raise RequestError(
                f"Training '{plan.network}' on {device} takes about "
                f"{gib(estimate.needed)} even with a batch of {estimate.batch_size}, and "
                f"{gib(free_bytes)} are free; close other programs, or choose a smaller network, "
                "fewer voxels or another device."
            )
        estimate = estimate_memory(replace(plan, batch_size=size), shapes, device, n_processes)
    if size == plan.batch_size:
        return estimate, ""
    return estimate, (
        f"Batch of {size} instead of {plan.batch_size}: that would take about "
        f"{gib(asked.needed)}, and {gib(free_bytes)} are free."
    )


def _activations(network: nn.Module, shapes: DataShapes, n_rows: int) -> int:
    """Return the bytes that the forward and backward pass of `n_rows` take at their peak."""

    def kept_of(n: int) -> tuple[int, int]:
        counts = [n] + [0] * (len(shapes.n_voxels) - 1)
        sizes = zip(counts, shapes.n_voxels, strict=True)
        z = [torch.zeros(size, device="meta") for size in sizes]
        return kept_bytes(lambda: network(*z), network)

    (kept_2, largest_2), (kept_4, largest_4) = kept_of(2), kept_of(4)
    # The part that grows with the rows; what is left belongs to the weights.
    kept = (kept_4 - kept_2) / 2 * n_rows
    largest = (largest_4 - largest_2) / 2 * n_rows
    similarities = 6 * 4 * n_rows * n_rows
    # Measured, not derived: gradients on their way, copies in the order that convolutions want, and
    # what the allocator cannot use again.
    return round(max(kept + 2.5 * largest, 1.65 * kept) + similarities)


def _bytes_per_picture(plan: TrainingPlan, n_embedding: int) -> int:
    """Return what painting one picture, and reading it again, keeps for the backward pass."""
    term = load_generator_term(plan, n_embedding, torch.device("cpu"))
    assert term is not None
    decoded = torch.ones(1, n_embedding, requires_grad=True)

    def paint() -> None:
        term(decoded, torch.ones(1, n_embedding), torch.zeros(1, term.n_z))

    kept, largest = kept_bytes(paint, term.generator)
    return kept + 2 * largest
