"""A checked folder becomes a pipeline, and its networks go where there is memory for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

import torch

from nsdviewer.errors import CheckpointError, ModelUnavailableError, RequestError
from nsdviewer.models.diffusion.pipeline_folder import INSTALL, PipelineFolder
from nsdviewer.models.diffusion.pipeline_kinds import PipelineKind


class Offload(Enum):
    """Where a pipeline's networks wait while others work on the GPU."""

    NONE = "none"  # on the GPU, all of them
    MODEL = "model"  # in main memory; one network at a time is on the GPU
    SEQUENTIAL = "sequential"  # in main memory; one layer at a time is on the GPU: least, and slow


def load_pipeline(folder: PipelineFolder, kind: PipelineKind, dtype: torch.dtype) -> Any:
    """Return the pipeline in `folder`, on the CPU, its weights read as tensors only.

    Raises
    ------
    ModelUnavailableError
        If a package is missing, or the installed diffusers has no such pipeline.
    CheckpointError
        If the folder's files do not fit each other.
    """
    try:
        import accelerate  # noqa: F401  without it, loading takes twice the memory
        import diffusers
        import transformers  # noqa: F401  without it, diffusers' classes are hollow
    except ImportError as error:
        raise ModelUnavailableError(INSTALL) from error
    pipeline_class = getattr(diffusers, folder.class_name, None)
    if pipeline_class is None:
        raise ModelUnavailableError(
            f"diffusers {diffusers.__version__} has no {folder.class_name}, which {folder.path} "
            "needs; install another version of diffusers."
        )
    try:
        pipeline = kind.load(pipeline_class, folder, dtype)
    except Exception as error:  # every network's loader raises its own kinds
        if is_out_of_memory(error):
            raise
        first = next(iter(str(error).strip().splitlines()), "")
        raise CheckpointError(
            f"{folder.path} cannot be read as a {folder.class_name} ({type(error).__name__}: "
            f"{first}); download it again."
        ) from error
    # Progress is reported by whoever paints.
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def check_offload(offload: Offload, device: torch.device) -> None:
    """Raise `RequestError` where there is no GPU to offload from."""
    if offload is not Offload.NONE and device.type == "cpu":
        raise RequestError(
            f"Offload '{offload.value}' moves networks between a GPU and main memory, and this "
            "works on the CPU; leave the offload out, or choose a GPU."
        )


def place_pipeline(pipeline: Any, device: torch.device, offload: Offload) -> None:
    """Put the pipeline's networks on `device`, or in main memory until they are needed there."""
    if offload is Offload.NONE:
        pipeline.to(device)
    elif offload is Offload.MODEL:
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.enable_sequential_cpu_offload(device=device)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether `error` says that memory, of whichever device, does not suffice."""
    # Only CUDA's has a type of its own; the others are known by what they say.
    texts = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError | torch.cuda.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(t in str(error) for t in texts)
    )


@contextmanager
def memory_named(
    name: str, device: torch.device, offload: Offload, n_per_batch: int
) -> Iterator[None]:
    """Turn a lack of memory into a `RequestError` that says what takes less."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        ways = [
            *(["fewer pictures at once (n_per_batch)"] if n_per_batch > 1 else []),
            *_less_memory(device, offload),
        ]
        where = "main memory" if device.type == "cpu" else f"the memory of '{device}'"
        raise RequestError(
            f"{name} does not fit into {where}; try {', or '.join(ways)}."
        ) from error


def _less_memory(device: torch.device, offload: Offload) -> list[str]:
    if device.type == "cpu":
        return ["a machine with more memory, or a GPU with offload 'model' or 'sequential'"]
    if offload is Offload.NONE:
        return ["offload 'model', which keeps one network on the GPU at a time"]
    if offload is Offload.MODEL:
        return ["offload 'sequential', which keeps one layer on the GPU at a time"]
    return ["the CPU"]
