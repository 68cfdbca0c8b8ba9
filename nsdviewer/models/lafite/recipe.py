"""One step of LAFITE's training (Zhou et al. 2022, arXiv:2111.13792), with its paired head start."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from nsdviewer.models.generators.augmentation import IMAGES_TO_FULL, Augmentation
from nsdviewer.models.generators.recipe import (
    Descent,
    Moment,
    MovingAverage,
    PictureBatch,
    cosine_rate,
)
from nsdviewer.models.lafite import losses
from nsdviewer.models.lafite.conditions import Conditions
from nsdviewer.models.lafite.config import LafiteConfig
from nsdviewer.models.lafite.discriminator import Discriminator
from nsdviewer.models.lafite.generator import Generator, two_branch_state
from nsdviewer.models.lafite.painter import KIND, both_branches
from nsdviewer.models.lafite.settings import LafiteSettings
from nsdviewer.models.painter import noise_of_each
from nsdviewer.models.perceptual import PictureReader, feature_distance, random_window

# Momentum helps to hit a photograph and harms in a game, whose gradients turn with the opponent.
_PAIRED_BETAS = (0.9, 0.99)
_BETAS = (0.0, 0.99)


class LafiteRecipe:
    """See `nsdviewer.models.generators.recipe.Recipe`.

    Parameters
    ----------
    reader
        Embeds painted pictures, and compares them with photographs in the paired phase.
    half_dtype
        Of the top resolutions' layers on a GPU; None for float32.
    """

    kind = KIND

    def __init__(
        self,
        network: LafiteConfig,
        settings: LafiteSettings,
        reader: PictureReader,
        device: torch.device,
        half_dtype: torch.dtype | None = None,
    ) -> None:
        self.config, self.settings, self._reader, self._device = network, settings, reader, device
        self.generator = Generator(network).to(device)
        self.discriminator = Discriminator(network).to(device)
        self.average = MovingAverage(self.generator, settings.ema_half_life_images)
        self.conditions = Conditions(network, settings, device)
        self._augmentation = Augmentation().to(device) if settings.ada else None
        self._memory = _Memory().to(device) if settings.path_weight else None
        self.generator.half_dtype = self.discriminator.half_dtype = half_dtype
        self._optimizers = {
            "generator": torch.optim.Adam(self.generator.parameters(), betas=_BETAS),
            "discriminator": torch.optim.Adam(self.discriminator.parameters(), betas=_BETAS),
        }

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """Both networks, the generator's average, and what else learns or remembers."""
        found: dict[str, nn.Module | None] = {
            "generator": self.generator,
            "average": self.average.network,
            "discriminator": self.discriminator,
            "perturbation": self.conditions.perturbation,
            "augmentation": self._augmentation,
            "memory": self._memory,
        }
        return {name: module for name, module in found.items() if module is not None}

    @property
    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """One for each network that learns."""
        own = self.conditions.optimizer
        return self._optimizers | ({"perturbation": own} if own is not None else {})

    def step(self, batch: PictureBatch, at: Moment, descent: Descent) -> dict[str, torch.Tensor]:
        """Take one step; see `Recipe.step`."""
        s = self.settings
        n_paired = round(s.paired_share * at.n_images)
        learnt = self.conditions.learn(batch, descent)
        is_paired = at.n_shown < n_paired
        # In the game a real picture is shown beside its condition, and has to fit it.
        share = s.mixed_share if is_paired else 0.0
        condition, has_photograph = self.conditions.draw(batch, share)
        if is_paired:
            fraction = at.n_shown / n_paired
            rate = cosine_rate(s.learning_rate, s.adversarial_learning_rate, fraction)
            fake, _ = self._paint(condition)
            terms = self._paired_terms(fake, batch.real, condition, has_photograph)
            # The meaning is asked for more as the picture takes shape.
            terms["cosine"] = (1 + fraction) * terms["cosine"]
            shown = self._descend("generator", terms, rate, descent, _PAIRED_BETAS)
        else:
            shown = self._play(batch, condition, has_photograph, at, descent)
        self.average.follow(self.generator, at)
        return learnt | shown

    def _descend(
        self,
        which: str,
        terms: dict[str, torch.Tensor],
        rate: float,
        descent: Descent,
        betas: tuple[float, float] = _BETAS,
    ) -> dict[str, torch.Tensor]:
        for group in self._optimizers[which].param_groups:
            group["betas"] = betas
        return descent.take(which, self._optimizers[which], terms, rate)

    def _paint(
        self, condition: torch.Tensor, is_learning: bool = True
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return pictures (n, 3, r, r) and the w (n, n_styles, n_w) they were painted from."""
        n, n_styles = len(condition), self.generator.n_styles
        own = self._styles(n)
        if is_learning and self.config.w_avg_decay is not None:
            self.generator.mapping.track(own)
        w = own.unsqueeze(1).expand(-1, n_styles, -1)
        if self.settings.style_mixing:
            other = self._styles(n).unsqueeze(1).expand(-1, n_styles, -1)
            w = losses.mix_styles(w, other, self.settings.style_mixing)
        return self.generator.synthesise(w, condition, random_noise=True).float(), w

    def _styles(self, n: int) -> torch.Tensor:
        w: torch.Tensor = self.generator.mapping(
            torch.randn(n, self.config.n_z, device=self._device)
        )
        return w

    def _judge(
        self, image: torch.Tensor, condition: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if self._augmentation is not None:
            image = self._augmentation(image)
        logit, semantic = self.discriminator(image, condition)
        return logit.float(), semantic.float()

    def _paired_terms(
        self,
        fake: torch.Tensor,
        real: torch.Tensor,
        condition: torch.Tensor,
        has_photograph: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """Weighted picture and embedding losses of painted pictures."""
        s = self.settings
        # One random crop for the whole batch, as LAFITE takes it before its own CLIP loss: without
        # it the generator finds fine textures that please the network and no eye.
        window = random_window(fake.shape[-1], s.smallest_window)
        seen = ((fake + 1) / 2).clamp(0, 1)[window]
        maps, embedding = self._reader.read(seen) if s.feature_weight else (
            [], self._reader.embed(seen)
        )  # fmt: skip
        again = embedding if condition.ndim == 2 else embedding[:, None].expand_as(condition)
        terms = {
            "cosine": s.cosine_weight * (1 - (again * condition).sum(-1)).mean(),
            "contrastive": s.contrastive_weight * losses.contrastive_loss(again, condition),
        }
        if not has_photograph.any():
            return terms
        own, photo = fake[has_photograph], real[has_photograph]
        if s.pixel_weight:
            coarse = F.l1_loss(F.avg_pool2d(own, 4), F.avg_pool2d(photo, 4))
            terms["pixel"] = s.pixel_weight * (F.l1_loss(own, photo) + 2 * coarse)
        if s.feature_weight:
            with torch.no_grad():
                real_maps = self._reader.maps(((photo + 1) / 2)[window])
            own_maps = [m[has_photograph] for m in maps]
            terms["feature"] = s.feature_weight * feature_distance(own_maps, real_maps).mean()
        return terms

    def _play(
        self,
        batch: PictureBatch,
        condition: torch.Tensor,
        has_photograph: torch.Tensor,
        at: Moment,
        descent: Descent,
    ) -> dict[str, torch.Tensor]:
        """One turn of each network in the adversarial game."""
        s, rate = self.settings, self.settings.adversarial_learning_rate
        self.discriminator.requires_grad_(False)
        fake, _ = self._paint(condition)
        logit, semantic = self._judge(fake, condition)
        paired = self._paired_terms(fake, batch.real, condition, has_photograph)
        terms = {key: s.paired_share_in_game * value for key, value in paired.items()}
        # The embedding's loss is LAFITE's own and keeps its full weight in the game.
        terms["contrastive"] = paired["contrastive"]
        terms["game"] = losses.generator_loss(logit)
        terms["semantic"] = s.semantic_weight * losses.contrastive_loss(semantic, condition)
        shown = self._descend("generator", terms, rate, descent)
        if s.path_weight and at.step % s.path_every == 0:
            terms = {"path": self._path_term(condition, descent)}
            shown |= self._descend("generator", terms, rate, descent)

        self.discriminator.requires_grad_(True)
        fake_logit, _ = self._judge(fake.detach(), condition)
        real_logit, real_semantic = self._judge(batch.real, condition)
        terms = {
            "d_game": losses.discriminator_loss(real_logit, fake_logit),
            "d_semantic": s.semantic_weight * losses.contrastive_loss(real_semantic, condition),
        }
        if at.step % s.r1_every == 0:
            picture = batch.real.detach().requires_grad_(True)
            penalty = losses.r1_penalty(self._judge(picture, condition)[0], picture)
            terms["d_r1"] = s.r1_weight * s.r1_every * penalty
        if self._augmentation is not None:
            sign_mean = descent.mean(real_logit.detach().sign().mean())
            speed = IMAGES_TO_FULL / s.ada_full_after_images
            self._augmentation.adapt(float(sign_mean), round(at.batch_size * speed))
        return shown | self._descend("discriminator", terms, rate, descent)

    def _path_term(self, condition: torch.Tensor, descent: Descent) -> torch.Tensor:
        """Weighted path length penalty, on half the batch as published."""
        assert self._memory is not None
        s = self.settings
        fake, w = self._paint(condition[: max(len(condition) // 2, 1)])
        lengths = losses.path_lengths(fake, w)
        penalty, mean = losses.path_length_penalty(lengths, self._memory.path_length)
        mean = descent.mean(mean)
        # In half precision a length may overflow; the memory must not keep that.
        self._memory.path_length.copy_(torch.where(mean.isfinite(), mean, self._memory.path_length))
        return s.path_weight * s.path_every * penalty

    def paint(self, embeddings: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
        """Paint with the averaged weights; see `Recipe.paint`."""
        z = noise_of_each(seeds, (self.config.n_z,)).to(self._device)
        with torch.inference_mode():
            given = both_branches(self.config, embeddings.to(self._device))
            painted: torch.Tensor = self.average.network(z, given)
        return painted

    def header(self) -> dict[str, Any]:
        """The network and the recipe."""
        recipe = asdict(self.settings) | {"perturbation": self.settings.perturbation.value}
        return {"network": self.config.to_dict(), "recipe": recipe}

    def weights(self) -> dict[str, torch.Tensor]:
        """The averaged weights in half precision."""
        return self.average.half()

    def begin_from(self, tensors: dict[str, torch.Tensor]) -> None:
        """Begin with a file's weights; a network of two branches takes one branch's for both."""
        state = {k: v.float() for k, v in tensors.items()}
        if self.config.n_branches == 2 and not any("caption_condition" in k for k in state):
            state = two_branch_state(state)
        for network in (self.generator, self.average.network):
            network.load_state_dict(state)

    def measure(self, batch: PictureBatch) -> Callable[[], object]:
        """Painting, judging and reading a batch."""

        def forward() -> object:
            condition, has_photograph = self.conditions.draw(batch)
            fake, _ = self._paint(condition, is_learning=False)
            paired = self._paired_terms(fake, batch.real, condition, has_photograph)
            return self._judge(fake, condition), paired

        return forward


class _Memory(nn.Module):
    """What is kept from step to step beside the weights: the running mean of path lengths."""

    path_length: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("path_length", torch.zeros(()))
