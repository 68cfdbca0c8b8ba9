"""The losses LAFITE is trained with, each as one pure function of tensors."""

import math

import torch
import torch.nn.functional as F

from nsdviewer.models.lafite.perturbation import XI_LANGUAGE_FREE
from nsdviewer.models.lafite.perturbation import pseudo_text as pseudo_text

TEMPERATURE = 0.5
PERTURBATION_TEMPERATURE = 0.1

# As StyleGAN2 uses them (Karras et al. 2020); weights and intervals stand in `LafiteSettings`.
STYLE_MIXING_PROBABILITY = 0.9
PATH_LENGTH_DECAY = 0.01


def info_nce(
    features: torch.Tensor, conditions: torch.Tensor, temperature: float = TEMPERATURE
) -> torch.Tensor:
    """Mean over i of −log softmax_j(cos(features_j, conditions_i) / τ) at j = i.

    Zhou et al. (2022), equations 5 and 6, in the form log softmax(sim/τ); a second exponential,
    as in the released code, is not part of the loss. Shapes: (n, d) and (n, d).
    """
    similarity = F.normalize(conditions, dim=1) @ F.normalize(features, dim=1).t()
    target = torch.arange(len(similarity), device=similarity.device)
    return F.cross_entropy(similarity / temperature, target)


def contrastive_loss(
    features: torch.Tensor, conditions: torch.Tensor, temperature: float = TEMPERATURE
) -> torch.Tensor:
    """`info_nce`, summed over branches where there are two.

    Shapes: (n, d) and (n, d), or (n, 2, d) and (n, 2, d). Serves both of LAFITE's terms: with
    features f_D of the discriminator, and with the joint embedding of a crop of the picture.
    """
    if features.ndim == 2:
        return info_nce(features, conditions, temperature)
    pairs = zip(features.unbind(1), conditions.unbind(1), strict=True)
    return torch.stack([info_nce(f, h, temperature) for f, h in pairs]).sum()


def generator_loss(fake_logit: torch.Tensor) -> torch.Tensor:
    """Non-saturating logistic loss of the generator."""
    return F.softplus(-fake_logit).mean()


def discriminator_loss(real_logit: torch.Tensor, fake_logit: torch.Tensor) -> torch.Tensor:
    """Logistic loss of the discriminator."""
    return F.softplus(-real_logit).mean() + F.softplus(fake_logit).mean()


def r1_penalty(real_logit: torch.Tensor, real_image: torch.Tensor) -> torch.Tensor:
    """½ · mean ‖∂logit/∂image‖² (Mescheder et al. 2018); `real_image` must require gradients."""
    (gradient,) = torch.autograd.grad(real_logit.sum(), real_image, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean() / 2


def path_lengths(
    image: torch.Tensor, w: torch.Tensor, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Length (n,) of Jᵀy for a random picture y (Karras et al. 2020, section 3.2).

    w is (n, n_styles, n_w) and must be part of the graph of `image`.
    """
    noise = torch.randn(image.shape, generator=generator, device=image.device, dtype=image.dtype)
    noise = noise / (image.shape[2] * image.shape[3]) ** 0.5
    (gradient,) = torch.autograd.grad((image * noise).sum(), w, create_graph=True)
    return gradient.square().sum(2).mean(1).sqrt()


def path_length_penalty(
    lengths: torch.Tensor, mean: torch.Tensor, decay: float = PATH_LENGTH_DECAY
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (mean squared distance of lengths (n,) from their running mean, that mean moved on).

    The target is the running mean with this batch already in it, as in StyleGAN2. Start with
    mean = 0, and keep what is returned for the next call.
    """
    target = torch.lerp(mean.detach(), lengths.mean(), decay)
    return (lengths - target).square().mean(), target.detach()


def mix_styles(
    w: torch.Tensor,
    other: torch.Tensor,
    probability: float = STYLE_MIXING_PROBABILITY,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Give the finer styles of a batch to another z's w, from one random layer on (Karras et al. 2019).

    Parameters
    ----------
    w, other
        (n, n_styles, n_w); `other` comes from another z.
    probability
        Of mixing at all. The crossover, 1 to n_styles − 1, is one for the whole batch.
    generator
        Source of the two random numbers, on the CPU; torch's own where it is None.
    """
    n_styles = w.shape[1]
    # Both are always drawn, so that what comes next does not depend on the first.
    crossover = int(torch.randint(1, n_styles, (), generator=generator))
    if float(torch.rand((), generator=generator)) >= probability:
        return w
    return torch.cat([w[:, :crossover], other[:, crossover:]], 1)


def perturbation_loss(
    drawn: torch.Tensor, target: torch.Tensor, temperature: float = PERTURBATION_TEMPERATURE
) -> torch.Tensor:
    """InfoNCE both ways between drawn pseudo text h and its targets, each (n, d).

    The objective of the trainable perturbation. Targets are embeddings of the pictures' captions
    where there are any, else the pictures' own. It rewards no noise, and without captions none at all
    is best: add `noise_floor_penalty`. Temperature and both directions are the released code's; its
    second exponential is not part of the loss.
    """
    forth = info_nce(drawn, target, temperature)
    return (forth + info_nce(target, drawn, temperature)) / 2


def noise_floor_penalty(
    centre: torch.Tensor, spread: torch.Tensor, xi: float = XI_LANGUAGE_FREE
) -> torch.Tensor:
    """Mean squared shortfall of log(‖spread‖ / ‖centre‖) below log(ξ / (1 − ξ)).

    Zero as long as noise weighs at least as much as in the fixed perturbation with `xi`, whether
    the spread shrinks or the centre grows. Our own addition; shapes as `TrainablePerturbation.moments`
    returns them, (n, d).
    """
    ratio = spread.norm(dim=-1).log() - centre.norm(dim=-1).log()
    return F.relu(math.log(xi / (1 - xi)) - ratio).square().mean()
