"""How much memory a generator's training takes, told before it starts."""

from dataclasses import dataclass

import torch
from torch import nn

from nsdviewer.errors import RequestError
from nsdviewer.jobs import Progress
from nsdviewer.models.generators.plan import GeneratorPlan
from nsdviewer.models.generators.recipe import PictureBatch, Recipe, pictures_of_each
from nsdviewer.models.runs.memory import USABLE_SHARE, free_memory, gib, kept_bytes, module_bytes

_N_MEASURED = (2, 4)
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


def estimate_memory(
    recipe: Recipe, resolution: int, n_embedding: int, n_own: int
) -> GeneratorMemory:
    """Estimate from forward passes of very few pictures, on the recipe's device.

    Parameters
    ----------
    n_own
        Pictures a step of this process.
    """
    modules = recipe.modules.values()
    device = next(next(iter(modules)).parameters()).device
    everything = nn.ModuleList(modules)

    def kept_of(n: int) -> int:
        e = torch.nn.functional.normalize(torch.ones(n, n_embedding, device=device), dim=1)
        real = torch.zeros(n, 3, resolution, resolution, device=device)
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            return kept_bytes(recipe.measure(PictureBatch(real, e, e, None)), everything)[0]

    few, more = (kept_of(n) for n in _N_MEASURED)
    # The part that grows with the pictures; what is left belongs to weights of frozen networks.
    each = max(more - few, 0) / (_N_MEASURED[1] - _N_MEASURED[0])
    fixed = max(few - each * _N_MEASURED[0], 0)
    trained = sum(
        p.numel() * p.element_size()
        for optimizer in recipe.optimizers.values()
        for group in optimizer.param_groups
        for p in group["params"]
    )
    return GeneratorMemory(
        weights=sum(module_bytes(m) for m in modules),
        learning=3 * trained,
        activations=round(fixed + _BACKWARD_FACTOR * each * n_own),
    )


def require_memory(
    recipe: Recipe,
    plan: GeneratorPlan,
    n_embedding: int,
    device: torch.device,
    n_processes: int,
    progress: Progress,
) -> GeneratorMemory:
    """Return the estimate, told through `progress`.

    Raises
    ------
    RequestError
        If more is needed than is free; it names the batch that would do. If the batch cannot be
        divided among the processes.
    """
    n_own = pictures_of_each(plan.batch_size, n_processes)
    found = estimate_memory(recipe, int(plan.network["resolution"]), n_embedding, n_own)
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
        advice = (
            f"try --batch {fitting * n_processes}" if fitting >= 2 else "choose a smaller network"
        )
        raise RequestError(
            f"This training takes {told} on {device}; {advice}, another device, or close other "
            "programs."
        )
    return found
