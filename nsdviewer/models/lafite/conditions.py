"""What the generator is asked to paint in training: pseudo texts, captions, or both."""

import torch
import torch.nn.functional as F

from nsdviewer.models.generators.recipe import Descent, PictureBatch, mix_embeddings
from nsdviewer.models.lafite import losses
from nsdviewer.models.lafite.config import LafiteConfig
from nsdviewer.models.lafite.perturbation import TrainablePerturbation
from nsdviewer.models.lafite.settings import LafiteSettings, Perturbation

_PERTURBATION_RATE = 1e-4


class Conditions:
    """Draws conditions h: (n, d), or (n, 2, d) of image and caption for two branches.

    Attributes
    ----------
    perturbation, optimizer
        The trainable perturbation and its optimiser; None where it is fixed.
    """

    def __init__(
        self, network: LafiteConfig, settings: LafiteSettings, device: torch.device
    ) -> None:
        self._settings, self._device = settings, device
        self._n_branches = network.n_branches
        self.perturbation: TrainablePerturbation | None = None
        self.optimizer: torch.optim.Optimizer | None = None
        if settings.perturbation is Perturbation.TRAINABLE:
            self.perturbation = TrainablePerturbation(network.n_embedding, xi=settings.xi).to(
                device
            )
            self.optimizer = torch.optim.Adam(self.perturbation.parameters())

    def learn(self, batch: PictureBatch, descent: Descent) -> dict[str, torch.Tensor]:
        """Take one step of the trainable perturbation, towards captions where there are any."""
        if self.perturbation is None or self.optimizer is None:
            return {}
        centre, spread = self.perturbation.moments(batch.embedding)
        drawn = F.normalize(centre + spread * torch.randn_like(centre), dim=1)
        target = batch.embedding if batch.text is None else batch.text
        terms = {
            "perturbation": losses.perturbation_loss(drawn, target),
            "noise_floor": losses.noise_floor_penalty(centre, spread, self._settings.xi),
        }
        return descent.take("perturbation", self.optimizer, terms, _PERTURBATION_RATE)

    def draw(
        self, batch: PictureBatch, mixed_share: float = 0.0
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return conditions, and which samples (n,) have their photograph."""
        s, n, device = self._settings, len(batch), self._device
        has_photograph = torch.rand(n, device=device) >= mixed_share
        target = mix_embeddings(batch.embedding, batch.other, has_photograph)
        image = self._perturbed(target)
        if self._n_branches == 1 and not s.caption_share:
            return image, has_photograph
        if batch.text is None:
            caption = self._perturbed(target)
        else:
            caption = losses.pseudo_text(batch.text, s.xi)
        if self._n_branches == 2:
            return torch.stack([image, caption], 1), has_photograph
        is_caption = torch.rand(n, 1, device=device) < s.caption_share
        return torch.where(is_caption, caption, image), has_photograph

    @torch.no_grad()
    def _perturbed(self, embedding: torch.Tensor) -> torch.Tensor:
        s = self._settings
        if self.perturbation is not None:
            drawn: torch.Tensor = self.perturbation(embedding)
            return drawn
        xi = s.xi * float(torch.rand(())) if s.xi_varies else s.xi
        return losses.pseudo_text(embedding, xi)
