"""The losses LAFITE is trained with, each as one pure function of tensors."""

import torch
import torch.nn.functional as F

TEMPERATURE = 0.5


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


def path_lengths(image: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Length (n,) of Jᵀy for a random picture y (Karras et al. 2020, section 3.2).

    w is (n, n_styles, n_w) and must be part of the graph of `image`.
    """
    noise = torch.randn_like(image) / (image.shape[2] * image.shape[3]) ** 0.5
    (gradient,) = torch.autograd.grad((image * noise).sum(), w, create_graph=True)
    return gradient.square().sum(2).mean(1).sqrt()


def pseudo_text(
    embedding: torch.Tensor, xi: float, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Perturb picture embeddings into pseudo text ones: unit((1 − ξ)·f + ξ·ε/‖ε‖).

    The fixed perturbation of Zhou et al. (2022). Shapes: (n, d) → (n, d).
    """
    noise = torch.randn(
        embedding.shape, generator=generator, device=embedding.device, dtype=embedding.dtype
    )
    return F.normalize((1 - xi) * embedding + xi * F.normalize(noise, dim=1), dim=1)
