"""The losses that decoders are trained with, each as one pure function of tensors.

Rows are trials: predictions and targets are (n, d), row i of one belonging to row i of the other.
"""

import torch
import torch.nn.functional as F

from nsdviewer.models.lafite.losses import info_nce


def cosine_distance(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean of 1 − cos(prediction_i, target_i)."""
    return (1 - F.cosine_similarity(prediction, target, dim=1)).mean()


def symmetric_info_nce(
    prediction: torch.Tensor, target: torch.Tensor, temperature: float = 0.5
) -> torch.Tensor:
    """Mean of InfoNCE from predictions to targets and back."""
    forth = info_nce(target, prediction, temperature)
    back = info_nce(prediction, target, temperature)
    return (forth + back) / 2


def soft_clip(prediction: torch.Tensor, target: torch.Tensor, temperature: float) -> torch.Tensor:
    """Contrastive loss whose labels are the targets' own similarities (Scotti et al. 2023).

    −Σ_j softmax_j(t_i·t_j / τ) · log softmax_j(p_i·t_j / τ), averaged over i, and the same with
    rows and columns of p·tᵀ exchanged; the mean of both. Near-duplicates among the targets, such as
    two trials of one picture, are not pushed apart.
    """
    p, t = F.normalize(prediction, dim=1), F.normalize(target, dim=1)
    labels = (t @ t.T / temperature).softmax(dim=1)
    logits = p @ t.T / temperature
    forth = -(labels * logits.log_softmax(dim=1)).sum(1).mean()
    back = -(labels * logits.T.log_softmax(dim=1)).sum(1).mean()
    return (forth + back) / 2


def mix(first: torch.Tensor, second: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Return share · first + (1 − share) · second, with `share` (n,) in 0..1."""
    return torch.lerp(second, first, share[:, None])


def mixco(
    prediction: torch.Tensor,
    target: torch.Tensor,
    partner: torch.Tensor,
    share: torch.Tensor,
    temperature: float,
) -> torch.Tensor:
    """InfoNCE, both ways, for responses that were mixed in pairs.

    Kim et al. (2020), "MixCo: Mix-up contrastive learning", in the two-way form of Scotti et al.
    (2023): the prediction from share_i · z_i + (1 − share_i) · z_partner(i) belongs to target i by
    share_i and to target partner(i) by the rest.

    Parameters
    ----------
    partner, share
        (n,) int64 row that each row was mixed with, and (n,) its own share.
    """
    logits = F.normalize(prediction, dim=1) @ F.normalize(target, dim=1).T / temperature
    n = len(logits)
    rows = torch.arange(n, device=logits.device)
    belongs = torch.zeros_like(logits)
    belongs = belongs.index_put((rows, rows), share.to(logits), accumulate=True)
    belongs = belongs.index_put((rows, partner), (1 - share).to(logits), accumulate=True)
    forth = -(belongs * logits.log_softmax(dim=1)).sum() / n
    back = -(belongs * logits.log_softmax(dim=0)).sum() / n
    return (forth + back) / 2
