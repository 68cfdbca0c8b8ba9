"""Pipelines of diffusers as painters: unCLIP, stable unCLIP, Kandinsky 2.2, IP-Adapter.

``open_pipeline(folder)`` reads a local folder, or one in the hub's cache, as tensors only, and
returns a painter like any other. How a class of pipelines wants to be asked stands in
`pipeline_kinds`; what makes a folder safe and whole in `pipeline_folder`; the length of the
embeddings in `pipeline_scale`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from nsdviewer.errors import RequestError
from nsdviewer.models.diffusion.pipeline_folder import (
    CARD_FILE,
    PipelineCard,
    PipelineFolder,
    find_folder,
    read_folder,
)
from nsdviewer.models.diffusion.pipeline_kinds import PipelineKind, known_pipelines
from nsdviewer.models.diffusion.pipeline_loading import (
    Offload,
    check_offload,
    load_pipeline,
    memory_named,
    place_pipeline,
)
from nsdviewer.models.diffusion.pipeline_painter import PipelinePainter
from nsdviewer.models.diffusion.pipeline_scale import load_image_encoder, measured_norm
from nsdviewer.models.runs.distribution import resolve_device

__all__ = ["Offload", "PipelinePainter", "open_pipeline"]

_BATCH_ON_GPU = 4


def open_pipeline(
    path_or_name: Path | str,
    device: str = "auto",
    offload: Offload = Offload.NONE,
    n_steps: int | None = None,
    guidance_scale: float | None = None,
    embedding: str | None = None,
    *,
    embedding_norm: float | None = None,
    image_encoder: Path | None = None,
    ip_adapter: Path | None = None,
    ip_adapter_scale: float | None = None,
    n_per_batch: int | None = None,
    allow_download: bool = False,
) -> PipelinePainter:
    """Return the painter in a folder, or of a name in the hub's cache.

    What is given here stands above what the folder's ``nsdviewer.json`` says; the names are those
    of `PipelineCard`. Networks run in half precision on CUDA, else in single.

    Parameters
    ----------
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    n_per_batch
        Pictures at once; 1 on the CPU and 4 elsewhere by default.
    allow_download
        Whether the hub may be asked for what its cache lacks; the network is left alone otherwise.

    Raises
    ------
    ModelUnavailableError
        If packages are missing, or there is neither such a folder nor such a name in the cache.
    CheckpointError
        If the folder is damaged, unsafe (pickles, code), or of no class that can be painted with.
    RequestError
        If the device is missing, a number out of range, memory too small, or if nothing says which
        embedding it paints from, or how long the embeddings were that it was trained on.
    """
    target = resolve_device(device)
    check_offload(offload, target)
    folder = read_folder(*find_folder(path_or_name, allow_download), known_pipelines())
    kind = known_pipelines()[folder.class_name]
    card = folder.card.with_wishes(
        PipelineCard(
            embedding=embedding,
            embedding_norm=embedding_norm,
            image_encoder=image_encoder,
            n_steps=n_steps,
            guidance_scale=guidance_scale,
            ip_adapter=ip_adapter,
            ip_adapter_scale=ip_adapter_scale,
        )
    )
    _check_numbers(card, n_per_batch)
    batch = n_per_batch or (1 if target.type == "cpu" else _BATCH_ON_GPU)
    dtype = torch.float16 if target.type == "cuda" else torch.float32
    with memory_named(folder.name, target, offload, 1):
        pipeline = load_pipeline(folder, kind, dtype)
        kind.prepare(pipeline, folder, card)
        painter = _painter(folder, kind, card, pipeline, target, offload, batch)
        place_pipeline(pipeline, target, offload)
    return painter


def _painter(
    folder: PipelineFolder,
    kind: PipelineKind,
    card: PipelineCard,
    pipeline: Any,
    device: torch.device,
    offload: Offload,
    n_per_batch: int,
) -> PipelinePainter:
    n_embedding = kind.n_embedding(pipeline)
    embedding = _required_embedding(folder, kind, card, n_embedding)
    encoder = None if card.image_encoder is None else load_image_encoder(card.image_encoder)
    _check_encoder(encoder, n_embedding)
    norm = _norm(folder, kind, card, pipeline, encoder)
    nothing = kind.unconditional(encoder)
    notes = tuple(_notes(kind, pipeline, encoder))
    n_steps = card.n_steps or kind.n_steps
    guidance = kind.guidance_scale if card.guidance_scale is None else card.guidance_scale
    said = {
        "embedding": embedding,
        "embedding_norm": norm,
        "n_steps": n_steps,
        "guidance_scale": guidance,
        "dtype": str(pipeline.dtype).removeprefix("torch."),
        "notes": list(notes),
    }
    return PipelinePainter(
        path=folder.path,
        name=f"{folder.name} ({kind.title})",
        header={**folder.index, **said},
        embedding=embedding,
        n_embedding=n_embedding,
        resolution=kind.resolution(pipeline),
        embedding_norm=norm,
        notes=notes,
        unconditional=torch.zeros(n_embedding) if nothing is None else nothing,
        n_steps=n_steps,
        guidance_scale=guidance,
        n_per_batch=min(n_per_batch, kind.max_batch or n_per_batch),
        device=device,
        dtype=pipeline.dtype,
        offload=offload,
        kind=kind,
        pipeline=pipeline,
    )


def _required_embedding(
    folder: PipelineFolder, kind: PipelineKind, card: PipelineCard, n_embedding: int
) -> str:
    if not card.embedding:
        usual = kind.usual.get(n_embedding)
        hint = f"; of {kind.title} this is mostly '{usual}'" if usual else ""
        raise RequestError(
            f"{folder.path} does not say from which embedding of {n_embedding} dimensions it paints"
            f"{hint}. Name it (embedding), or write it into {CARD_FILE} in that folder."
        )
    return card.embedding


def _check_numbers(card: PipelineCard, n_per_batch: int | None) -> None:
    ranges = {
        "n_steps": (card.n_steps, 2, 1000),
        "guidance_scale": (card.guidance_scale, 1, 100),
        "embedding_norm": (card.embedding_norm, 1e-6, 1e6),
        "ip_adapter_scale": (card.ip_adapter_scale, 0, 10),
        "n_per_batch": (n_per_batch, 1, 1024),
    }
    for name, (value, least, most) in ranges.items():
        # Written so that NaN fails too.
        if value is not None and not least <= value <= most:
            raise RequestError(f"{name} lies between {least:g} and {most:g}; got {value}.")


def _check_encoder(encoder: Any | None, n_embedding: int) -> None:
    if encoder is not None and encoder.config.projection_dim != n_embedding:
        raise RequestError(
            f"The image encoder gives {encoder.config.projection_dim} dimensions, and the pipeline "
            f"paints from {n_embedding}; name the encoder that the pipeline was trained with."
        )


def _norm(
    folder: PipelineFolder,
    kind: PipelineKind,
    card: PipelineCard,
    pipeline: Any,
    encoder: Any | None,
) -> float:
    """Return the length of the training embeddings: stated, kept by the pipeline, or measured."""
    if card.embedding_norm is not None:
        return float(card.embedding_norm)
    kept = kind.embedding_norm(pipeline)
    if kept is not None:
        return kept
    encoder = encoder if encoder is not None else getattr(pipeline, "image_encoder", None)
    if encoder is None:
        raise RequestError(
            f"Nothing in {folder.path} says how long the image embeddings were that it was trained "
            "on, and vectors of length 1 would show next to nothing. Name the folder of the CLIP "
            "image network (image_encoder), or give the length (embedding_norm)."
        )
    return measured_norm(encoder)


def _notes(kind: PipelineKind, pipeline: Any, encoder: Any | None) -> Iterator[str]:
    if hasattr(pipeline, "safety_checker") and pipeline.safety_checker is None:
        yield "The folder holds no safety checker: the pictures are not filtered."
    if kind.needs_encoder and encoder is None:
        yield (
            "Guidance compares with an embedding of zeros; the pipeline was trained with that of an "
            "empty picture, which takes its image network (image_encoder)."
        )
