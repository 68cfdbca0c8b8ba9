"""From the predictions of a batch to the terms of its loss."""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

from nsdviewer.errors import CheckpointError
from nsdviewer.models.networks import losses
from nsdviewer.models.networks.generator_term import GeneratorTerm
from nsdviewer.models.networks.plan import LossWeights, TrainingPlan


@dataclass(frozen=True)
class Objective:
    """The loss that a plan asks for."""

    weights: LossWeights

    def terms(
        self,
        prediction: torch.Tensor,
        target: torch.Tensor,
        partner: torch.Tensor | None = None,
        share: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Return the weighted terms by name, for predictions and unit targets (n, d).

        With `partner` and `share`, the predictions come from responses mixed in pairs.
        """
        w, tau = self.weights, self.weights.temperature
        terms = {}
        if partner is not None and share is not None:
            terms["mixco"] = w.mixco * losses.mixco(prediction, target, partner, share, tau)
            target = F.normalize(losses.mix(target, target[partner], share), dim=1)
        else:
            if w.info_nce:
                nce = losses.symmetric_info_nce(prediction, target, tau)
                terms["info_nce"] = w.info_nce * nce
            if w.soft_clip:
                terms["soft_clip"] = w.soft_clip * losses.soft_clip(prediction, target, tau)
        if w.mse:
            terms["mse"] = w.mse * F.mse_loss(prediction, target)
        if w.cosine:
            terms["cosine"] = w.cosine * losses.cosine_distance(prediction, target)
        return terms

    def is_mixed(self, step: int, n_steps: int) -> bool:
        """Whether responses are mixed at `step`."""
        return self.weights.mixco > 0 and step < self.weights.mixed_share * n_steps


def prepare_targets(embeddings: torch.Tensor, clamp: float | None) -> torch.Tensor:
    """Return unit embeddings, their components first bounded to ±`clamp`."""
    bounded = embeddings if clamp is None else embeddings.clamp(-clamp, clamp)
    return F.normalize(bounded, dim=-1)


def load_generator_term(
    plan: TrainingPlan, n_embedding: int, device: torch.device
) -> GeneratorTerm | None:
    """Return the plan's term through a generator, or None where it has none.

    Raises
    ------
    CheckpointError
        If the generator's file cannot be used, or it paints from embeddings of another dimension.
    """
    if plan.generator is None:
        return None
    # Loading these takes seconds, and most plans need neither.
    from nsdviewer.models.conse import ConseEmbedding
    from nsdviewer.models.lafite.painter import load_lafite
    from nsdviewer.models.registry import load_embedding

    path = Path(plan.generator.file)
    painter = load_lafite(path)
    wanted = painter.network.config.n_embedding
    if wanted != n_embedding:
        raise CheckpointError(
            f"{path.name} paints from embeddings of {wanted} dimensions, the pictures have "
            f"{n_embedding}; choose a generator of the same embedding."
        )
    embed = None
    if plan.generator.embedding_weight:
        embedding = load_embedding(painter.embedding)
        if isinstance(embedding, ConseEmbedding):
            embedding.to(device)
        embed = embedding.encode_tensor
    return GeneratorTerm(
        painter.network.to(device),
        painter.network.config.n_z,
        embed,
        plan.generator.pixel_weight,
        plan.generator.embedding_weight,
    )
