"""Painting for the bench: which generator there is, and what happens when memory runs out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import NsdViewerError, RequestError
from nsdviewer.jobs import Progress
from nsdviewer.models.diffusion.pipeline_loading import is_out_of_memory
from nsdviewer.models.painter import Painter, Preview
from nsdviewer.session.workspace import Workspace

_LESS_MEMORY = (
    "end what else fills it, choose a smaller generator, or start nsdviewer with "
    "CUDA_VISIBLE_DEVICES= to paint on the CPU."
)


def painter_of(workspace: Workspace, generator: str) -> tuple[Painter | None, str]:
    """Return the generator, or None and in a sentence why there is none."""
    try:
        if not workspace.can_paint(generator):
            return None, (
                f"No generator paints from the embedding '{workspace.embedding.name}'; choose one "
                "that was trained with it."
            )
        return workspace.painter(generator), ""
    except NsdViewerError as error:
        return None, str(error)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    return_memory()
    return None, (
        f"The generator {Path(generator).name or 'that is shipped'} does not fit into the memory that "
        f"is left; {_LESS_MEMORY}"
    )


def paint_vectors(
    painter: Painter,
    embeddings: NDArray[np.float32],
    seeds: int | Sequence[int],
    progress: Progress,
    preview: Preview | None = None,
) -> NDArray[np.uint8]:
    """Return (n, r, r, 3) pictures of (n, n_embedding) vectors; see `Painter.paint`.

    Raises
    ------
    RequestError
        As the painter does, and if memory does not suffice; what was taken of it is given back.
    """
    try:
        return painter.paint(embeddings, seeds, progress, preview)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        said = str(error)
    # Outside of the handler: its traceback holds on to the tensors.
    return_memory()
    where = "the GPU" if "CUDA" in said or "MPS" in said else "the device that paints"
    raise RequestError(
        f"The memory of {where} does not suffice for {painter.name} to paint "
        f"{len(embeddings)} picture{'s' if len(embeddings) > 1 else ''}; {_LESS_MEMORY}"
    )


def return_memory() -> None:
    """Give the memory that PyTorch keeps for later back to the GPU."""
    import torch

    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
