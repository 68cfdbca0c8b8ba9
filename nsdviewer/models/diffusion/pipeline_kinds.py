"""The pipelines of diffusers that paint from an image embedding, and how each wants to be asked."""

import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F

from nsdviewer.errors import CheckpointError, RequestError
from nsdviewer.models.diffusion.adapter_file import adapter_weights
from nsdviewer.models.diffusion.pipeline_folder import PipelineCard, PipelineFolder, has_weights


@dataclass(frozen=True)
class Order:
    """What is to be painted at once.

    Attributes
    ----------
    embeddings, unconditional
        (n, n_embedding) embeddings of the length the pipeline was trained on, and as many that
        stand for "no embedding".
    generators
        One a picture, on the CPU, so that a seed gives the same noise on every device.
    """

    embeddings: torch.Tensor
    unconditional: torch.Tensor
    generators: list[torch.Generator]
    n_steps: int
    guidance_scale: float

    @property
    def prompts(self) -> list[str]:
        """One empty text a picture, for pipelines that also listen to texts."""
        return [""] * len(self.embeddings)


class PipelineKind(ABC):
    """One class of pipelines: where it keeps its sizes, and what its call takes.

    Attributes
    ----------
    n_steps, guidance_scale
        Where nobody says otherwise.
    max_batch
        Most pictures a call can take with an embedding each; None for no limit.
    needs_encoder
        Whether only the CLIP image network can say what stands for "no embedding".
    usual
        What the embedding mostly is, by dimension, for the sentence that asks.
    """

    title: ClassVar[str]
    n_steps: ClassVar[int]
    guidance_scale: ClassVar[float]
    max_batch: ClassVar[int | None] = None
    needs_encoder: ClassVar[bool] = False
    usual: ClassVar[dict[int, str]]

    def load(self, pipeline_class: Any, folder: PipelineFolder, dtype: torch.dtype) -> Any:
        """Return the folder's pipeline with its weights read as tensors only."""
        return pipeline_class.from_pretrained(
            folder.path,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            dtype=dtype,
            variant=folder.variant,
        )

    def prepare(self, pipeline: Any, folder: PipelineFolder, card: PipelineCard) -> None:
        """Add to a loaded pipeline what its folder does not hold."""
        if card.ip_adapter is not None:
            raise RequestError(
                f"An IP-Adapter belongs to Stable Diffusion; {folder.path} holds {self.title}, "
                "which takes embeddings by itself. Leave the adapter out."
            )

    @abstractmethod
    def n_embedding(self, pipeline: Any) -> int:
        """Return the dimension of the embedding."""

    @abstractmethod
    def resolution(self, pipeline: Any) -> int:
        """Return the side of the pictures in pixels."""

    @abstractmethod
    def arguments(self, pipeline: Any, order: Order) -> dict[str, Any]:
        """Return what the pipeline is called with."""

    @abstractmethod
    def decode(self, pipeline: Any, sample: torch.Tensor) -> torch.Tensor:
        """Return (n, 3, r, r) pictures about [−1, 1] of the sample between two steps."""

    def embedding_norm(self, pipeline: Any) -> float | None:
        """Return the length of its training embeddings where the pipeline itself keeps it."""
        return None

    def unconditional(self, encoder: Any | None) -> torch.Tensor | None:
        """Return the (n_embedding,) embedding that stands for none; None for zeros."""
        return None

    def schedulers(self, pipeline: Any) -> list[Any]:
        """Return the schedulers in the order in which their steps are taken."""
        return [pipeline.scheduler]

    def n_steps_all(self, pipeline: Any, n_steps: int) -> int:
        """Return how many steps a call takes in all, once it has begun."""
        return len(pipeline.scheduler.timesteps)


class UnclipVariation(PipelineKind):
    """unCLIP's decoder and super-resolution (Ramesh et al. 2022), as Karlo trained it."""

    title = "unCLIP"
    n_steps = 25
    guidance_scale = 8.0
    usual: ClassVar[dict[int, str]] = {768: "open_clip:ViT-L-14-quickgelu/openai"}
    _N_SUPER_RESOLUTION_STEPS = 7

    def load(self, pipeline_class: Any, folder: PipelineFolder, dtype: torch.dtype) -> Any:
        # diffusers moved the class of 'text_proj' to where its own loader does not look any more,
        # so the parts are loaded one by one, from the names that the pipeline's module imports.
        module = sys.modules[pipeline_class.__module__]
        parts = {}
        for part, class_name in folder.parts.items():
            weighty = {"dtype": dtype, "variant": folder.variant, "use_safetensors": True}
            parts[part] = getattr(module, class_name).from_pretrained(
                folder.path / part,
                local_files_only=True,
                **(weighty if has_weights(class_name) else {}),
            )
        return pipeline_class(**parts)

    def n_embedding(self, pipeline: Any) -> int:
        return int(pipeline.text_proj.config.clip_embeddings_dim)

    def resolution(self, pipeline: Any) -> int:
        return _square(pipeline.super_res_last)

    def arguments(self, pipeline: Any, order: Order) -> dict[str, Any]:
        return {
            "image_embeddings": order.embeddings,
            "decoder_num_inference_steps": order.n_steps,
            "super_res_num_inference_steps": self._N_SUPER_RESOLUTION_STEPS,
            "decoder_guidance_scale": order.guidance_scale,
            "generator": order.generators,
        }

    def decode(self, pipeline: Any, sample: torch.Tensor) -> torch.Tensor:
        # It denoises pixels, first few and then many: nothing to decode.
        return F.interpolate(sample.float(), size=self.resolution(pipeline), mode="nearest")

    def schedulers(self, pipeline: Any) -> list[Any]:
        return [pipeline.decoder_scheduler, pipeline.super_res_scheduler]

    def n_steps_all(self, pipeline: Any, n_steps: int) -> int:
        return n_steps + self._N_SUPER_RESOLUTION_STEPS


class StableUnclip(PipelineKind):
    """Stable Diffusion 2.1 trained on from image embeddings with some noise on them."""

    title = "stable unCLIP"
    n_steps = 20
    guidance_scale = 10.0
    usual: ClassVar[dict[int, str]] = {
        768: "open_clip:ViT-L-14-quickgelu/openai",
        1024: "open_clip:ViT-H-14/laion2b_s32b_b79k",
    }

    def n_embedding(self, pipeline: Any) -> int:
        return int(pipeline.image_normalizer.config.embedding_dim)

    def resolution(self, pipeline: Any) -> int:
        return _square(pipeline.unet) * int(pipeline.vae_scale_factor)

    def arguments(self, pipeline: Any, order: Order) -> dict[str, Any]:
        return {
            "prompt": order.prompts,
            "image_embeds": order.embeddings,
            "num_inference_steps": order.n_steps,
            "guidance_scale": order.guidance_scale,
            "generator": order.generators,
        }

    def decode(self, pipeline: Any, sample: torch.Tensor) -> torch.Tensor:
        return _vae_decoded(pipeline, sample)

    def embedding_norm(self, pipeline: Any) -> float | None:
        # E‖x‖² = ‖mean‖² + Σ deviation², of the training embeddings.
        kept = pipeline.image_normalizer.mean, pipeline.image_normalizer.std
        mean, deviation = (values.detach().double() for values in kept)
        return float((mean.square() + deviation.square()).sum().sqrt())


class Kandinsky22(PipelineKind):
    """Kandinsky 2.2's decoder: a latent diffusion with MoVQ that knows image embeddings only."""

    title = "Kandinsky 2.2"
    n_steps = 50
    guidance_scale = 4.0
    needs_encoder = True
    usual: ClassVar[dict[int, str]] = {1280: "open_clip:ViT-bigG-14/laion2b_s39b_b160k"}

    def n_embedding(self, pipeline: Any) -> int:
        return int(pipeline.unet.config.encoder_hid_dim)

    def resolution(self, pipeline: Any) -> int:
        # The pipeline rounds latent sides up to multiples of its scale.
        scale = int(pipeline.movq_scale_factor)
        return -(-_square(pipeline.unet) // scale) * scale**2

    def arguments(self, pipeline: Any, order: Order) -> dict[str, Any]:
        side = self.resolution(pipeline)
        return {
            "image_embeds": order.embeddings,
            "negative_image_embeds": order.unconditional,
            "num_inference_steps": order.n_steps,
            "guidance_scale": order.guidance_scale,
            "generator": order.generators,
            "height": side,
            "width": side,
        }

    def decode(self, pipeline: Any, sample: torch.Tensor) -> torch.Tensor:
        picture: torch.Tensor = pipeline.movq.decode(sample, force_not_quantize=True).sample
        return picture

    def unconditional(self, encoder: Any | None) -> torch.Tensor | None:
        from nsdviewer.models.diffusion.pipeline_scale import embedding_of_nothing

        return embedding_of_nothing(encoder) if encoder is not None else None


class IpAdapter(PipelineKind):
    """Stable Diffusion with an IP-Adapter (Ye et al. 2023), asked with an empty text."""

    title = "Stable Diffusion with IP-Adapter"
    n_steps = 30
    guidance_scale = 7.5
    # The call repeats the embeddings once for every text, so that only one fits.
    max_batch = 1
    usual: ClassVar[dict[int, str]] = {1024: "open_clip:ViT-H-14/laion2b_s32b_b79k"}

    def prepare(self, pipeline: Any, folder: PipelineFolder, card: PipelineCard) -> None:
        if card.ip_adapter is None:
            raise RequestError(
                f"{folder.path} holds a pipeline that paints from texts; name the weights file of "
                "an IP-Adapter (ip_adapter) that lets it paint from image embeddings."
            )
        weights = adapter_weights(card.ip_adapter)
        try:
            pipeline.load_ip_adapter(weights, "", "", image_encoder_folder=None)
        except (KeyError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"The IP-Adapter {card.ip_adapter} does not fit {folder.path} "
                f"({str(error).splitlines()[0]}); choose one made for this Stable Diffusion."
            ) from error
        pipeline.set_ip_adapter_scale(
            1.0 if card.ip_adapter_scale is None else card.ip_adapter_scale
        )

    def n_embedding(self, pipeline: Any) -> int:
        projection = pipeline.unet.encoder_hid_proj.image_projection_layers[0]
        return int(projection.image_embeds.in_features)

    def resolution(self, pipeline: Any) -> int:
        return _square(pipeline.unet) * int(pipeline.vae_scale_factor)

    def arguments(self, pipeline: Any, order: Order) -> dict[str, Any]:
        embeddings = order.embeddings[:, None]
        # Networks that take the guidance as an input look only once.
        if order.guidance_scale > 1 and pipeline.unet.config.time_cond_proj_dim is None:
            embeddings = torch.cat([order.unconditional[:, None], embeddings])
        return {
            "prompt": order.prompts,
            "ip_adapter_image_embeds": [embeddings],
            "num_inference_steps": order.n_steps,
            "guidance_scale": order.guidance_scale,
            "generator": order.generators,
        }

    def decode(self, pipeline: Any, sample: torch.Tensor) -> torch.Tensor:
        picture = _vae_decoded(pipeline, sample)
        # What the folder's checker would blank is not shown on the way to it either.
        checked, _ = pipeline.run_safety_checker(picture, picture.device, picture.dtype)
        return torch.as_tensor(checked)


def _vae_decoded(pipeline: Any, sample: torch.Tensor) -> torch.Tensor:
    latents = sample / pipeline.vae.config.scaling_factor
    picture: torch.Tensor = pipeline.vae.decode(latents, return_dict=False)[0]
    return picture


def _square(network: Any) -> int:
    size = network.config.sample_size
    sides = {size} if isinstance(size, int) else set(size or ())
    if len(sides) != 1:
        raise CheckpointError(
            f"A {type(network).__name__} of this pipeline paints {size}, no square; choose another."
        )
    return int(sides.pop())


_KINDS: dict[str, PipelineKind] = {}


def register_pipeline(class_name: str, kind: PipelineKind) -> None:
    """Make `kind` answer for folders whose ``model_index.json`` names `class_name`."""
    _KINDS[class_name] = kind


def known_pipelines() -> dict[str, PipelineKind]:
    """Return the registered kinds by their class's name in diffusers."""
    return dict(_KINDS)


register_pipeline("UnCLIPImageVariationPipeline", UnclipVariation())
register_pipeline("StableUnCLIPImg2ImgPipeline", StableUnclip())
register_pipeline("KandinskyV22Pipeline", Kandinsky22())
register_pipeline("StableDiffusionPipeline", IpAdapter())
