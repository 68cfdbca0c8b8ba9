"""Which kinds of generator can be trained; one entry registers another."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from nsdviewer.errors import CheckpointError, RequestError
from nsdviewer.models.diffusion.config import FlowConfig
from nsdviewer.models.diffusion.recipe import FlowRecipe, FlowSettings
from nsdviewer.models.embeddings import Embedding
from nsdviewer.models.generators.plan import GeneratorPlan, Precision
from nsdviewer.models.generators.recipe import Recipe
from nsdviewer.models.lafite.config import LafiteConfig
from nsdviewer.models.lafite.recipe import LafiteRecipe
from nsdviewer.models.lafite.settings import LafiteSettings
from nsdviewer.models.perceptual import PictureReader


@dataclass(frozen=True)
class KindOfGenerator:
    """What is needed to plan and build a recipe.

    Attributes
    ----------
    plan
        (resolution, embedding, whether to learn from captions) → the usual plan on a CPU with few
        pictures.
    plan_full
        The same at the published size.
    network
        Dataclass of the network's settings, some of which a plan may leave out.
    check
        Raises where the plan's network or recipe is impossible, without building it.
    build
        (plan, reader of painted pictures, device) → recipe.
    """

    plan: Callable[[int, Embedding, bool], GeneratorPlan]
    plan_full: Callable[[int, Embedding, bool], GeneratorPlan]
    network: type
    check: Callable[[GeneratorPlan], object]
    build: Callable[[GeneratorPlan, PictureReader, torch.device], Recipe]


def _settings(values: Any) -> dict[str, Any]:
    return {k: getattr(v, "value", v) for k, v in asdict(values).items()}


def _plan_lafite(resolution: int, embedding: Embedding, has_captions: bool) -> GeneratorPlan:
    return GeneratorPlan(
        kind="lafite",
        embedding=embedding.name,
        n_images=48_000,
        batch_size=8,
        network=replace(
            LafiteConfig.small(resolution, embedding.dimension), channel_base=2048
        ).to_dict(),
        recipe=_settings(LafiteSettings.small(has_captions)),
    )


def _plan_full_lafite(resolution: int, embedding: Embedding, has_captions: bool) -> GeneratorPlan:
    network = LafiteConfig.published(resolution, embedding.dimension)
    return GeneratorPlan(
        kind="lafite",
        embedding=embedding.name,
        n_images=25_000_000,
        batch_size=16,
        network=network.to_dict(),
        recipe=_settings(LafiteSettings.published(has_captions)),
        precision=Precision.FLOAT16,
        sheet_every_images=200_000,
        checkpoint_every_s=600.0,
    )


def _check_lafite(plan: GeneratorPlan) -> object:
    return LafiteConfig(**plan.network), LafiteSettings(**plan.recipe)


def _build_lafite(plan: GeneratorPlan, reader: PictureReader, device: torch.device) -> Recipe:
    network, settings = LafiteConfig(**plan.network), LafiteSettings(**plan.recipe)
    return LafiteRecipe(network, settings, reader, device, _half(plan, device))


def _plan_flow(resolution: int, embedding: Embedding, has_captions: bool) -> GeneratorPlan:
    _refuse_captions(has_captions)
    return GeneratorPlan(
        kind="flow",
        embedding=embedding.name,
        n_images=40_000,
        batch_size=8,
        network=FlowConfig.small(resolution, embedding.dimension).to_dict(),
        recipe=_settings(FlowSettings()),
    )


def _refuse_captions(has_captions: bool) -> None:
    if has_captions:
        raise RequestError(
            "A flow-matching decoder learns from pictures alone; leave out --captions, or train a "
            "lafite."
        )


def _plan_full_flow(resolution: int, embedding: Embedding, has_captions: bool) -> GeneratorPlan:
    _refuse_captions(has_captions)
    network = FlowConfig.full(resolution, embedding.dimension)
    return GeneratorPlan(
        kind="flow",
        embedding=embedding.name,
        n_images=10_000_000,
        batch_size=64,
        network=network.to_dict(),
        recipe=_settings(FlowSettings.full()),
        precision=Precision.BFLOAT16,
        sheet_every_images=200_000,
        checkpoint_every_s=600.0,
    )


def _check_flow(plan: GeneratorPlan) -> object:
    return FlowConfig(**plan.network), FlowSettings(**plan.recipe)


def _build_flow(plan: GeneratorPlan, reader: PictureReader, device: torch.device) -> Recipe:
    settings = FlowSettings(**plan.recipe)
    reads = settings.feature_weight or settings.cosine_weight
    network = FlowConfig(**plan.network)
    return FlowRecipe(network, settings, reader if reads else None, device, _half(plan, device))


def _half(plan: GeneratorPlan, device: torch.device) -> torch.dtype | None:
    # On a CPU half precision was measured to be slower than float32.
    if device.type == "cpu" or plan.precision is Precision.FLOAT32:
        return None
    return torch.float16 if plan.precision is Precision.FLOAT16 else torch.bfloat16


KINDS: dict[str, KindOfGenerator] = {
    "lafite": KindOfGenerator(
        _plan_lafite, _plan_full_lafite, LafiteConfig, _check_lafite, _build_lafite
    ),
    "flow": KindOfGenerator(_plan_flow, _plan_full_flow, FlowConfig, _check_flow, _build_flow),
}


def check_plan(plan: GeneratorPlan) -> None:
    """Raise `RequestError` where a setting of network or recipe is impossible."""
    try:
        KINDS[plan.kind].check(plan)
    except (TypeError, ValueError) as error:
        raise RequestError(f"The plan of a '{plan.kind}' cannot be followed: {error}.") from error


def build_recipe(plan: GeneratorPlan, embedding: Embedding, device: torch.device) -> Recipe:
    """Build a plan's recipe, its random start drawn from the plan's seed.

    Raises
    ------
    CheckpointError
        If the plan is of an unknown kind, or its settings do not fit it.
    RequestError
        If a setting has an impossible value.
    """
    if plan.kind not in KINDS:
        raise CheckpointError(
            f"There is no generator of the kind '{plan.kind}'; choose one of {', '.join(KINDS)}."
        )
    # Networks that are read from files draw random weights first; that must not move ours.
    reader = PictureReader(embedding)
    reader.to(device)
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(plan.seed)
            return KINDS[plan.kind].build(plan, reader, device)
    except (TypeError, ValueError) as error:
        raise RequestError(f"The plan of a '{plan.kind}' cannot be followed: {error}.") from error
