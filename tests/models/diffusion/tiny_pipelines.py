"""Pipelines of diffusers, tiny and with random weights, one of each kind we paint with.

They paint noise. What they share with the real ones is everything but size and training: classes,
files, schedulers, calls.
"""

from pathlib import Path
from typing import Any

import torch

N_EMBEDDING = 8
_N_TEXT = 16


def save_kandinsky(folder: Path) -> None:
    from diffusers import DDPMScheduler, KandinskyV22Pipeline, UNet2DConditionModel, VQModel

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=4,
        cross_attention_dim=16,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        addition_embed_type="image",
        addition_embed_type_num_heads=2,
        encoder_hid_dim=N_EMBEDDING,
        encoder_hid_dim_type="image_proj",
        resnet_time_scale_shift="scale_shift",
        class_embed_type=None,
    )
    movq = VQModel(
        block_out_channels=(32, 32),
        down_block_types=("DownEncoderBlock2D", "AttnDownEncoderBlock2D"),
        up_block_types=("AttnUpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=4,
        vq_embed_dim=4,
        num_vq_embeddings=12,
        norm_type="spatial",
    )
    scheduler = DDPMScheduler(
        num_train_timesteps=100, variance_type="learned_range", clip_sample=True
    )
    _save(KandinskyV22Pipeline(unet=unet, scheduler=scheduler, movq=movq), folder)


def save_stable_unclip(folder: Path) -> None:
    from diffusers import DDIMScheduler, DDPMScheduler, StableUnCLIPImg2ImgPipeline
    from diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer import (
        StableUnCLIPImageNormalizer,
    )
    from transformers import CLIPImageProcessor

    torch.manual_seed(0)
    normalizer = StableUnCLIPImageNormalizer(embedding_dim=N_EMBEDDING)
    normalizer.mean.data.fill_(1.0)
    normalizer.std.data.fill_(0.5)
    pipeline = StableUnCLIPImg2ImgPipeline(
        feature_extractor=CLIPImageProcessor(),
        image_encoder=image_encoder(),
        image_normalizer=normalizer,
        image_noising_scheduler=DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        tokenizer=_tokenizer(),
        text_encoder=_text_encoder(with_projection=False),
        unet=_text_unet(
            class_embed_type="projection",
            projection_class_embeddings_input_dim=2 * N_EMBEDDING,
        ),
        scheduler=DDIMScheduler(num_train_timesteps=100),
        vae=_vae(),
    )
    _save(pipeline, folder)


def save_unclip(folder: Path) -> None:
    from diffusers import (
        UnCLIPImageVariationPipeline,
        UnCLIPScheduler,
        UNet2DConditionModel,
        UNet2DModel,
    )
    from diffusers.pipelines.deprecated.unclip.text_proj import UnCLIPTextProjModel
    from transformers import CLIPImageProcessor

    torch.manual_seed(0)
    n_time = 32
    decoder = UNet2DConditionModel(
        sample_size=8,
        in_channels=3,
        out_channels=6,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=4,
        cross_attention_dim=_N_TEXT,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        resnet_time_scale_shift="scale_shift",
        class_embed_type="identity",
    )

    def super_resolution() -> UNet2DModel:
        return UNet2DModel(
            sample_size=16,
            in_channels=6,
            out_channels=3,
            block_out_channels=(8, 16),
            layers_per_block=1,
            norm_num_groups=4,
            down_block_types=("ResnetDownsampleBlock2D", "ResnetDownsampleBlock2D"),
            up_block_types=("ResnetUpsampleBlock2D", "ResnetUpsampleBlock2D"),
        )

    pipeline = UnCLIPImageVariationPipeline(
        decoder=decoder,
        text_encoder=_text_encoder(with_projection=True),
        tokenizer=_tokenizer(),
        text_proj=UnCLIPTextProjModel(
            clip_extra_context_tokens=2,
            clip_embeddings_dim=N_EMBEDDING,
            time_embed_dim=n_time,
            cross_attention_dim=_N_TEXT,
        ),
        feature_extractor=CLIPImageProcessor(),
        image_encoder=image_encoder(),
        super_res_first=super_resolution(),
        super_res_last=super_resolution(),
        decoder_scheduler=UnCLIPScheduler(
            num_train_timesteps=100, variance_type="learned_range", prediction_type="epsilon"
        ),
        super_res_scheduler=UnCLIPScheduler(
            num_train_timesteps=100, variance_type="fixed_small_log", prediction_type="epsilon"
        ),
    )
    _save(pipeline, folder)


def save_stable_diffusion(folder: Path, checker_threshold: float | None = None) -> None:
    """Save Stable Diffusion and ``ip_adapter.safetensors`` beside its parts.

    A safety checker flags every picture below the threshold −1, and none above 1.
    """
    from diffusers import PNDMScheduler, StableDiffusionPipeline
    from transformers import CLIPImageProcessor

    torch.manual_seed(0)
    unet = _text_unet()
    pipeline = StableDiffusionPipeline(
        vae=_vae(),
        text_encoder=_text_encoder(with_projection=False),
        tokenizer=_tokenizer(),
        unet=unet,
        scheduler=PNDMScheduler(num_train_timesteps=100, skip_prk_steps=True, steps_offset=1),
        safety_checker=None if checker_threshold is None else _checker(checker_threshold),
        feature_extractor=CLIPImageProcessor(size=16, crop_size=16),
        requires_safety_checker=checker_threshold is not None,
    )
    _save(pipeline, folder)
    save_adapter(unet, folder / "ip_adapter.safetensors")


def save_adapter(unet: Any, file: Path) -> None:
    """Save an IP-Adapter for `unet`, its tensors named as the published ones are."""
    from safetensors.torch import save_file

    torch.manual_seed(1)
    n_tokens = 4
    tensors = {
        "image_proj.proj.weight": torch.randn(n_tokens * _N_TEXT, N_EMBEDDING) / 3,
        "image_proj.proj.bias": torch.zeros(n_tokens * _N_TEXT),
        "image_proj.norm.weight": torch.ones(_N_TEXT),
        "image_proj.norm.bias": torch.zeros(_N_TEXT),
    }
    cross = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    for i, name in enumerate(cross):
        attention = unet.get_submodule(name.removesuffix(".processor"))
        for letter in "kv":
            shape = getattr(attention, f"to_{letter}").weight.shape
            tensors[f"ip_adapter.{2 * i + 1}.to_{letter}_ip.weight"] = torch.randn(shape) / 2
    save_file(tensors, file)


def image_encoder(n_embedding: int = N_EMBEDDING) -> Any:
    """Return a CLIP image network of random weights."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    return CLIPVisionModelWithProjection(CLIPVisionConfig(**_vision(), projection_dim=n_embedding))


def _vision() -> dict[str, int]:
    return {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 16,
        "patch_size": 8,
    }


def _checker(threshold: float) -> Any:
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig

    checker = StableDiffusionSafetyChecker(CLIPConfig(vision_config=_vision(), projection_dim=8))
    torch.nn.init.normal_(checker.concept_embeds)
    checker.concept_embeds_weights.data.fill_(threshold)
    checker.special_care_embeds_weights.data.fill_(threshold)
    return checker


def _text_encoder(with_projection: bool) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=2,
        hidden_size=N_EMBEDDING if with_projection else _N_TEXT,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=8,
        projection_dim=N_EMBEDDING,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return (CLIPTextModelWithProjection if with_projection else CLIPTextModel)(config)


def _tokenizer() -> Any:
    from transformers import CLIPTokenizer

    words = {"<|startoftext|>": 0, "<|endoftext|>": 1}
    return CLIPTokenizer(vocab=words, merges=[], model_max_length=8)


def _text_unet(**more: Any) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=2,
        cross_attention_dim=_N_TEXT,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        **more,
    )


def _vae() -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=4,
        norm_num_groups=4,
    )


def _save(pipeline: Any, folder: Path) -> None:
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(folder, safe_serialization=True)
