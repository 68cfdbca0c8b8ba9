"""Training of the flow-matching decoder: the velocity's error, and how the told picture looks.

Beside the velocity's squared error the clean picture that the network tells is compared with the
photograph in the feature maps of a network, and its embedding with the photograph's. Both are ours:
they make shapes appear in thousands of pictures where the plain loss takes millions. They bend the
flow, which then no longer samples the training distribution exactly.

A *rollout* starts as sampling does, from noise along the network's own way, and asks the picture
told at the end of it to be the photograph and to mean what it was painted from. It tunes a trained
decoder to the few steps that it will be sampled with, where its own errors are what it sees.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from nsdviewer.errors import RequestError
from nsdviewer.models.diffusion.config import FlowConfig
from nsdviewer.models.diffusion.flow import between, draw_times, guided, sample_path, velocity_loss
from nsdviewer.models.diffusion.network import FlowNetwork
from nsdviewer.models.diffusion.painter import KIND
from nsdviewer.models.generators.plan import check_settings, require_at_least_one
from nsdviewer.models.generators.recipe import (
    Descent,
    Moment,
    MovingAverage,
    PictureBatch,
    cosine_rate,
    mix_embeddings,
)
from nsdviewer.models.lafite.losses import info_nce, pseudo_text
from nsdviewer.models.painter import noise_of_each
from nsdviewer.models.perceptual import PictureReader, feature_distance, random_window


@dataclass(frozen=True)
class FlowSettings:
    """How the decoder is trained and, once trained, samples.

    Attributes
    ----------
    xi_max
        Embeddings are perturbed by ξ drawn from 0..xi_max, as LAFITE's pseudo text is: what a brain
        says is never quite a picture's own embedding.
    dropped_share
        Share of the pictures shown without an embedding, for guidance.
    feature_weight, cosine_weight
        Of the two losses on the told picture; 0 leaves the feature network out.
    noise_only_share
        Share of the pictures shown at times below 0.05, where the embedding must tell everything.
    rollout_share
        Share of the batches that are rollouts.
    mixed_share
        Rollouts: share of each batch whose embedding lies between those of two photographs; such
        samples have no photograph to be compared with, only an embedding to hit.
    pixel_weight, contrastive_weight
        Of rollouts' further losses, as LAFITE's paired phase has them.
    n_sampling_steps, sampling_order, guidance
        The header's; see `FlowPainter`. Rollouts take the same steps, without guidance.
    """

    learning_rate: float = 1e-3
    last_learning_rate: float = 2e-5
    n_warm_up_images: int = 1_600
    largest_gradient_norm: float = 1.0
    xi_max: float = 0.35
    dropped_share: float = 0.1
    feature_weight: float = 2.0
    cosine_weight: float = 0.5
    smallest_window: float = 0.6
    noise_only_share: float = 0.25
    ema_half_life_images: float = 1_500.0
    rollout_share: float = 0.0
    mixed_share: float = 0.3
    pixel_weight: float = 1.0
    contrastive_weight: float = 0.5
    n_sampling_steps: int = 6
    sampling_order: int = 2
    guidance: float = 2.0

    def __post_init__(self) -> None:
        check_settings(self)
        require_at_least_one(self, ("n_sampling_steps", "sampling_order"))
        if self.sampling_order > 2:
            raise RequestError(f"Sampling is of order 1 or 2, not {self.sampling_order}.")
        for name in ("xi_max", "dropped_share", "noise_only_share", "rollout_share", "mixed_share"):
            if getattr(self, name) > 1:
                raise RequestError(
                    f"The setting '{name}' lies between 0 and 1, not {getattr(self, name)}."
                )

    @classmethod
    def full(cls) -> "FlowSettings":
        """For many pictures on a GPU: the plain loss, which samples what it was shown."""
        return cls(
            learning_rate=2e-4,
            last_learning_rate=1e-5,
            n_warm_up_images=100_000,
            feature_weight=0.0,
            cosine_weight=0.0,
            noise_only_share=0.0,
            ema_half_life_images=500_000.0,
            n_sampling_steps=20,
        )


class FlowRecipe:
    """See `nsdviewer.models.generators.recipe.Recipe`.

    Parameters
    ----------
    reader
        Reads told pictures; None where neither loss on them has a weight.
    half_dtype
        Of the network's layers on a GPU; None for float32.
    """

    kind = KIND

    def __init__(
        self,
        network: FlowConfig,
        settings: FlowSettings,
        reader: PictureReader | None,
        device: torch.device,
        half_dtype: torch.dtype | None = None,
    ) -> None:
        self.config, self.settings, self._reader = network, settings, reader
        self._device, self._half_dtype = device, half_dtype
        self.network = FlowNetwork(network).to(device)
        self.average = MovingAverage(self.network, settings.ema_half_life_images)
        self._optimizer = torch.optim.Adam(
            self.network.parameters(), lr=settings.learning_rate, betas=(0.9, 0.99)
        )

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """The network and its average."""
        return {"network": self.network, "average": self.average.network}

    @property
    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """The one optimiser."""
        return {"network": self._optimizer}

    def step(self, batch: PictureBatch, at: Moment, descent: Descent) -> dict[str, torch.Tensor]:
        """Take one step; see `Recipe.step`."""
        s = self.settings
        warm = min(1.0, (at.n_shown + at.batch_size) / max(s.n_warm_up_images, 1))
        rate = warm * cosine_rate(s.learning_rate, s.last_learning_rate, at.n_shown / at.n_images)
        shown = descent.take(
            "network", self._optimizer, self._terms(batch), rate, s.largest_gradient_norm
        )
        self.average.follow(self.network, at)
        return shown

    def _terms(self, batch: PictureBatch) -> dict[str, torch.Tensor]:
        share = self.settings.rollout_share
        if share and self._reader is not None and float(torch.rand(())) < share:
            return self._rollout_terms(batch, self._reader)
        return self._path_terms(batch)

    def _rollout_terms(self, batch: PictureBatch, reader: PictureReader) -> dict[str, torch.Tensor]:
        """Losses of the picture told after some steps of the network's own way."""
        s, n, device = self.settings, len(batch), self._device
        has_photograph = torch.rand(n, device=device) >= s.mixed_share
        target = mix_embeddings(batch.embedding, batch.other, has_photograph)
        given = pseudo_text(target, torch.rand(n, 1, device=device) * s.xi_max)
        n_taken = int(torch.randint(s.n_sampling_steps, ()))
        with torch.no_grad():
            predict = guided(self.network, given, 1.0)
            noise = torch.randn_like(batch.real)
            x = sample_path(
                predict, noise, s.n_sampling_steps, order=s.sampling_order, n_taken=n_taken
            )
        t = torch.full((n,), n_taken / s.n_sampling_steps, device=device)
        told = self._tell(x, t, given)
        window = random_window(told.shape[-1], s.smallest_window)
        maps, embedding = reader.read(((told + 1) / 2).clamp(0, 1)[window])
        terms = {
            "own_cosine": s.cosine_weight * (1 - (embedding * target).sum(1)).mean(),
            "own_contrastive": s.contrastive_weight * info_nce(embedding, target),
        }
        if has_photograph.any():
            own, photo = told[has_photograph], batch.real[has_photograph]
            with torch.no_grad():
                real_maps = reader.maps(((photo + 1) / 2)[window])
            coarse = F.l1_loss(F.avg_pool2d(own, 4), F.avg_pool2d(photo, 4))
            terms["own_pixel"] = s.pixel_weight * (F.l1_loss(own, photo) + 2 * coarse)
            own_maps = [m[has_photograph] for m in maps]
            terms["own_feature"] = s.feature_weight * feature_distance(own_maps, real_maps).mean()
        return terms

    def _tell(self, x: torch.Tensor, t: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        half = self._half_dtype
        with torch.autocast(self._device.type, dtype=half, enabled=half is not None):
            told: torch.Tensor = self.network(x, t, embedding)
        return told.float()

    def _path_terms(self, batch: PictureBatch) -> dict[str, torch.Tensor]:
        """Losses on the straight path from noise to photograph."""
        s, n, device = self.settings, len(batch), self._device
        xi = torch.rand(n, 1, device=device) * s.xi_max
        given = pseudo_text(batch.embedding, xi)
        is_dropped = torch.rand(n, 1, device=device) < s.dropped_share
        given = torch.where(is_dropped, torch.zeros_like(given), given)
        early = torch.rand(n, device=device) < s.noise_only_share
        t = torch.where(early, 0.05 * torch.rand(n, device=device), draw_times(n, device))
        x = between(torch.randn_like(batch.real), batch.real, t)
        told = self._tell(x, t, given)
        terms = {"velocity": velocity_loss(told, batch.real, t).mean()}
        if self._reader is None:
            return terms
        # One random window for the batch: without it fine textures please the network and no eye.
        window = random_window(told.shape[-1], s.smallest_window)
        maps, embedding = self._reader.read(((told + 1) / 2).clamp(0, 1)[window])
        with torch.no_grad():
            real_maps = self._reader.maps(((batch.real + 1) / 2)[window])
        terms["feature"] = s.feature_weight * feature_distance(maps, real_maps).mean()
        missed = 1 - (embedding * batch.embedding).sum(1, keepdim=True)
        terms["cosine"] = s.cosine_weight * (missed * ~is_dropped).mean()
        return terms

    def paint(self, embeddings: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
        """Paint with the averaged weights; see `Recipe.paint`."""
        side = self.config.resolution
        noise = noise_of_each(seeds, (3, side, side)).to(self._device)
        e = F.normalize(embeddings.to(self._device), dim=1)
        with torch.inference_mode():
            predict = guided(self.average.network, e, self.settings.guidance)
            s = self.settings
            return sample_path(predict, noise, s.n_sampling_steps, order=s.sampling_order)

    def header(self) -> dict[str, Any]:
        """The network and how to sample."""
        s = self.settings
        sampling = {
            "n_steps": s.n_sampling_steps,
            "order": s.sampling_order,
            "guidance": s.guidance,
        }
        return {"network": self.config.to_dict(), "recipe": asdict(s), "sampling": sampling}

    def weights(self) -> dict[str, torch.Tensor]:
        """The averaged weights in half precision."""
        return self.average.half()

    def begin_from(self, tensors: dict[str, torch.Tensor]) -> None:
        """Begin with a file's weights; see `Recipe.begin_from`."""
        for network in (self.network, self.average.network):
            network.load_state_dict({k: v.float() for k, v in tensors.items()})

    def measure(self, batch: PictureBatch) -> Callable[[], object]:
        """The forward pass of a step."""
        return lambda: self._terms(batch)
