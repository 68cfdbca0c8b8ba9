"""Training of the generator: killed at any moment, it goes on where its last checkpoint stood.

Two phases. *Paired*: the generator learns to paint each photograph from its embedding, by pixel
and feature losses; on small data this gives shapes that the adversarial game alone takes far
longer to find. *Adversarial*: LAFITE's own losses, the paired ones kept at a lower weight.
"""

import copy
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from nsdviewer.jobs import Progress
from nsdviewer.models.checkpoints import save_checkpoint
from nsdviewer.models.lafite import losses
from nsdviewer.models.lafite.config import LafiteConfig
from nsdviewer.models.lafite.discriminator import Discriminator
from nsdviewer.models.lafite.generator import Generator
from nsdviewer.models.lafite.image_set import ImageSet
from nsdviewer.models.lafite.perceptual import FeatureLoss
from nsdviewer.models.lafite.run_files import read_state, write_sheet, write_state

STATE_FILE = "state.safetensors"
WEIGHTS_FILE = "generator.safetensors"
LOG_FILE = "log.jsonl"


@dataclass(frozen=True)
class TrainingConfig:
    """How the generator is trained.

    Attributes
    ----------
    n_paired_images, n_adversarial_images
        Length of the two phases in pictures shown.
    xi_max
        Pseudo text features use a perturbation ξ drawn from 0..xi_max.
    mixed_share
        Share of each batch whose embedding lies between those of two photographs; such samples
        have no photograph to be compared with, only an embedding to hit.
    """

    batch_size: int = 8
    n_paired_images: int = 48_000
    n_adversarial_images: int = 4_000
    learning_rate: float = 2.5e-3
    adversarial_learning_rate: float = 5e-4
    xi_max: float = 0.4
    mixed_share: float = 0.15
    pixel_weight: float = 2.0
    feature_weight: float = 4.0
    cosine_weight: float = 0.7
    contrastive_weight: float = 0.5
    paired_share_in_game: float = 0.3
    semantic_weight: float = 1.0
    r1_weight: float = 1.0
    r1_every: int = 16
    ema_half_life_images: float = 2_000.0
    seed: int = 0
    checkpoint_every_s: float = 120.0
    bfloat16: bool = True

    @property
    def n_images(self) -> int:
        """Length of the whole training in pictures shown."""
        return self.n_paired_images + self.n_adversarial_images


class Trainer:
    """One training run in one folder.

    Parameters
    ----------
    feature_loss
        Perceptual distance and the embedding of painted pictures.
    """

    def __init__(
        self,
        network: LafiteConfig,
        config: TrainingConfig,
        images: ImageSet,
        feature_loss: FeatureLoss,
        folder: Path,
        device: torch.device,
    ) -> None:
        self.network = network
        self.config = config
        self.feature_loss = feature_loss
        self.folder = folder
        self.device = device
        torch.manual_seed(config.seed)
        self.generator = Generator(network).to(device)
        self.discriminator = Discriminator(network).to(device)
        self.average = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self.optimizers = {
            "generator": torch.optim.Adam(
                self.generator.parameters(), lr=config.learning_rate, betas=(0.0, 0.99)
            ),
            "discriminator": torch.optim.Adam(
                self.discriminator.parameters(),
                lr=config.adversarial_learning_rate,
                betas=(0.0, 0.99),
            ),
        }
        self.pixels = torch.from_numpy(images.pixels).permute(0, 3, 1, 2).to(device)
        self.embeddings = torch.from_numpy(images.embeddings).to(device)
        self.n_shown = 0
        self.n_steps = 0
        self.seconds = 0.0

    def run(self, progress: Progress) -> None:
        """Train to the end, with checkpoints on the way."""
        self.folder.mkdir(parents=True, exist_ok=True)
        last_save = last_tick = time.monotonic()
        for terms in self._steps():
            now = time.monotonic()
            self.seconds += now - last_tick
            last_tick = now
            if self.n_steps % 20 == 0:
                self._log(terms)
                text = " ".join(f"{k} {v:.3f}" for k, v in terms.items())
                progress.report(self.n_shown / self.config.n_images, f"{self.n_shown} {text}")
            if now - last_save > self.config.checkpoint_every_s:
                self.save()
                last_save = now
        self.save()
        progress.report(1.0, f"{self.n_shown} pictures in {self.seconds / 60:.0f} min")

    def _steps(self) -> Iterator[dict[str, float]]:
        while self.n_shown < self.config.n_images:
            if self.n_shown < self.config.n_paired_images:
                terms = self._paired_step()
            else:
                terms = self._adversarial_step()
            self.n_shown += self.config.batch_size
            self.n_steps += 1
            self._update_average()
            yield terms

    def _draw(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return (real pictures in [−1, 1], conditions h, which samples have their picture)."""
        n = self.config.batch_size
        chosen = torch.randint(len(self.pixels), (n,), device=self.device)
        real = self.pixels[chosen].float() / 127.5 - 1
        flip = torch.rand(n, 1, 1, 1, device=self.device) < 0.5
        real = torch.where(flip, real.flip(3), real)
        other = self.embeddings[torch.randint(len(self.pixels), (n,), device=self.device)]
        own = self.embeddings[chosen]
        is_paired = torch.rand(n, device=self.device) >= self.config.mixed_share
        share = torch.rand(n, 1, device=self.device) * 0.5
        between = F.normalize(torch.lerp(own, other, share), dim=1)
        target = torch.where(is_paired[:, None], own, between)
        xi = float(torch.rand(())) * self.config.xi_max
        return real, losses.pseudo_text(target, xi), is_paired

    def _paint(self, condition: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return pictures (n, 3, r, r) and the w (n, n_styles, n_w) they were painted from."""
        n = len(condition)
        with self._autocast():
            z = torch.randn(n, self.network.n_z, device=self.device)
            w = self.generator.mapping(z)
            w = w.unsqueeze(1).expand(-1, self.generator.n_styles, -1)
            image = self.generator.synthesise(w, condition, random_noise=True)
        return image.float(), w

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.config.bfloat16)

    def _paired_terms(
        self,
        fake: torch.Tensor,
        real: torch.Tensor,
        condition: torch.Tensor,
        is_paired: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """Weighted picture and embedding losses of painted pictures."""
        c = self.config
        # One random crop for the whole batch, as LAFITE takes it before its own CLIP loss: without
        # it the generator finds fine textures that please the network and no eye.
        window = self._random_window(fake.shape[-1])
        fake_maps, fake_embedding = self.feature_loss.maps(((fake + 1) / 2).clamp(0, 1)[window])
        terms = {
            "cosine": c.cosine_weight * (1 - (fake_embedding * condition).sum(1)).mean(),
            "contrastive": c.contrastive_weight * losses.info_nce(fake_embedding, condition),
        }
        if is_paired.any():
            own, photo = fake[is_paired], real[is_paired]
            with torch.no_grad():
                real_maps, _ = self.feature_loss.maps(((photo + 1) / 2)[window])
            coarse = F.l1_loss(F.avg_pool2d(own, 4), F.avg_pool2d(photo, 4))
            terms["pixel"] = c.pixel_weight * (F.l1_loss(own, photo) + 2 * coarse)
            own_maps = [m[is_paired] for m in fake_maps]
            terms["feature"] = c.feature_weight * FeatureLoss.distance(own_maps, real_maps)
        return terms

    @staticmethod
    def _random_window(size_px: int) -> tuple[slice, slice, slice, slice]:
        """Return the index of a square crop with 60 to 100 % of the side."""
        side = int(torch.randint(int(0.6 * size_px), size_px + 1, ()))
        top, left = (int(torch.randint(size_px - side + 1, ())) for _ in range(2))
        return slice(None), slice(None), slice(top, top + side), slice(left, left + side)

    def _paired_step(self) -> dict[str, float]:
        real, condition, is_paired = self._draw()
        fake, _ = self._paint(condition)
        terms = self._paired_terms(fake, real, condition, is_paired)
        self._set_learning_rate("generator", self._paired_rate())
        return self._descend("generator", terms)

    def _adversarial_step(self) -> dict[str, float]:
        c = self.config
        real, condition, is_paired = self._draw()
        self._set_learning_rate("generator", c.adversarial_learning_rate)

        self.discriminator.requires_grad_(False)
        fake, _ = self._paint(condition)
        with self._autocast():
            logit, semantic = self.discriminator(fake, condition)
        paired = self._paired_terms(fake, real, condition, is_paired)
        terms = {key: c.paired_share_in_game * value for key, value in paired.items()}
        # The embedding losses are LAFITE's own and keep their full weight in the game.
        terms["contrastive"] = paired["contrastive"]
        terms["game"] = losses.generator_loss(logit.float())
        terms["semantic"] = c.semantic_weight * losses.info_nce(semantic.float(), condition)
        shown = self._descend("generator", terms)

        self.discriminator.requires_grad_(True)
        with self._autocast():
            fake_logit, _ = self.discriminator(fake.detach(), condition)
            real_logit, real_semantic = self.discriminator(real, condition)
        terms = {
            "d_game": losses.discriminator_loss(real_logit.float(), fake_logit.float()),
            "d_semantic": c.semantic_weight * losses.info_nce(real_semantic.float(), condition),
        }
        if self.n_steps % c.r1_every == 0:
            picture = real.detach().requires_grad_(True)
            penalty = losses.r1_penalty(self.discriminator(picture, condition)[0], picture)
            terms["d_r1"] = c.r1_weight * c.r1_every * penalty
        return {**shown, **self._descend("discriminator", terms)}

    def _descend(self, which: str, terms: dict[str, torch.Tensor]) -> dict[str, float]:
        optimizer = self.optimizers[which]
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
        return {key: float(value.detach()) for key, value in terms.items()}

    def _paired_rate(self) -> float:
        """Cosine decay of the first phase, down to the second phase's learning rate."""
        c = self.config
        done = self.n_shown / max(c.n_paired_images, 1)
        span = c.learning_rate - c.adversarial_learning_rate
        return float(c.adversarial_learning_rate + span * 0.5 * (1 + np.cos(np.pi * done)))

    def _set_learning_rate(self, which: str, rate: float) -> None:
        for group in self.optimizers[which].param_groups:
            group["lr"] = rate

    @torch.no_grad()
    def _update_average(self) -> None:
        # A short half-life at the start, or the average would remember the random weights.
        half_life = min(self.config.ema_half_life_images, 0.05 * self.n_shown)
        decay = 0.5 ** (self.config.batch_size / max(half_life, 1e-8))
        for mean, value in zip(self.average.parameters(), self.generator.parameters(), strict=True):
            mean.lerp_(value, 1 - decay)

    def _log(self, terms: dict[str, float]) -> None:
        line = {"n_shown": self.n_shown, "seconds": round(self.seconds, 1), **terms}
        with (self.folder / LOG_FILE).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")

    def save(self) -> None:
        """Write the state to go on from, the averaged weights, and a sheet of pictures."""
        write_state(self.folder / STATE_FILE, self._modules(), self.optimizers, self._header())
        weights = {k: v.half() for k, v in self.average.state_dict().items()}
        save_checkpoint(self.folder / WEIGHTS_FILE, "lafite", weights, self._header())
        sheet = self.folder / f"sheet_{self.n_shown // 1000:06d}.png"
        write_sheet(sheet, self.average, self.pixels, self.embeddings)

    def resume(self) -> None:
        """Go on from the folder's last state.

        Raises
        ------
        CheckpointError
            If the state belongs to another network or training configuration.
        """
        path = self.folder / STATE_FILE
        header = read_state(path, self._modules(), self.optimizers, self._header())
        self.n_shown = header["n_shown"]
        self.n_steps = header["n_steps"]
        self.seconds = header["seconds"]

    def _modules(self) -> dict[str, nn.Module]:
        return {
            "generator": self.generator,
            "average": self.average,
            "discriminator": self.discriminator,
        }

    def _header(self) -> dict[str, Any]:
        return {
            "network": self.network.to_dict(),
            "training": asdict(self.config),
            "embedding": self.feature_loss.embedding.name,
            "n_shown": self.n_shown,
            "n_steps": self.n_steps,
            "seconds": round(self.seconds, 1),
            "device": self.device.type,
        }
