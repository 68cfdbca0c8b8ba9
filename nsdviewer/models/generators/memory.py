"""How much memory a generator's training takes, told before it starts."""

from dataclasses import dataclass

import torch

from nsdviewer.errors import RequestError
from nsdviewer.jobs import Progress
from nsdviewer.models.generators.recipe import PictureBatch, Recipe
from nsdviewer.models.generators.run import GeneratorRun
from nsdviewer.models.runs.memory import USABLE_SHARE, free_memory, gib, kept_bytes, module_bytes

_N_MEASURED = 2
# Gradients on their way and what the allocator cannot use again, beside what the forward keeps.
_BACKWARD_FACTOR = 1.65


@dataclass(frozen=True)
class GeneratorMemory:
    """Bytes that a training takes on its device, beyond the libraries themselves.

    Attributes
    ----------
    weights
        Of all networks, the average among them.
    learning
        Gradients and the optimisers' two moments.
    activations
        What a step keeps for its backward pass, for the pictures of one process.
    """

    weights: int
    learning: int
    activations: int

    @property
    def needed(self) -> int:
        """Bytes that must be free."""
        return self.weights + self.learning + self.activations


def estimate_memory(recipe: Recipe, run: GeneratorRun, n_own: int) -> GeneratorMemory:
    """Estimate from one forward pass of two pictures, on the recipe's device.

    Parameters
    ----------
    n_own
        Pictures a step of this process.
    """
    some = next(iter(recipe.modules.values()))
    device = next(some.parameters()).device
    side, d = run.images.pixels.shape[1], run.images.embeddings.shape[1]
    e = torch.nn.functional.normalize(torch.ones(_N_MEASURED, d, device=device), dim=1)
    batch = PictureBatch(torch.zeros(_N_MEASURED, 3, side, side, device=device), e, e, None)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        kept, _ = kept_bytes(recipe.measure(batch), some)
    weights = sum(module_bytes(m) for m in recipe.modules.values())
    trained = sum(
        p.numel() * p.element_size()
        for optimizer in recipe.optimizers.values()
        for group in optimizer.param_groups
        for p in group["params"]
    )
    activations = round(_BACKWARD_FACTOR * kept / _N_MEASURED * n_own)
    return GeneratorMemory(weights, 3 * trained, activations)


def require_memory(
    recipe: Recipe, run: GeneratorRun, device: torch.device, n_processes: int, progress: Progress
) -> GeneratorMemory:
    """Return the estimate, told through `progress`.

    Raises
    ------
    RequestError
        If more is needed than is free; it names the batch that would do.
    """
    n_own = max(run.plan.batch_size // n_processes, 1)
    found = estimate_memory(recipe, run, n_own)
    if device.type == "mps":
        return found
    free = free_memory(device)
    told = f"about {gib(found.needed)} of memory for a batch of {n_own}, {gib(free)} are free"
    progress.report(0.0, told)
    usable = USABLE_SHARE * free
    # The weights are there already.
    wanted = found.needed - found.weights
    if wanted > usable:
        fitting = int((usable - found.learning) / max(found.activations / n_own, 1))
        advice = f"try --batch {fitting}" if fitting >= 1 else "choose a smaller network"
        raise RequestError(
            f"This training takes {told} on {device}; {advice}, another device, or close other "
            "programs."
        )
    return found
