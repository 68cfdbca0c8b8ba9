"""How long the embeddings were that a pipeline was trained on.

Our embeddings have length 1. unCLIP (Ramesh et al. 2022, arXiv:2204.06125), stable unCLIP,
Kandinsky 2.2 and IP-Adapter (Ye et al. 2023, arXiv:2308.06721) were trained on ``image_embeds`` as
CLIP's image network gives them: not scaled, and several to some dozens long, differently for every
network. A decoder given vectors of length 1 sees next to nothing. The length is therefore, in this
order, what the person or the folder's card states; what the pipeline's own statistics of its
training embeddings say (stable unCLIP keeps mean and deviation); or measured, as the mean over
shipped photographs, with the very image network. It is never guessed.
"""

from pathlib import Path
from typing import Any

import torch

from nsdviewer.data.pictures.photographs import load_catalogue
from nsdviewer.errors import CheckpointError
from nsdviewer.models.diffusion.pipeline_folder import check_network_folder

_N_PHOTOGRAPHS = 8
_MEAN = (0.48145466, 0.4578275, 0.40821073)  # of CLIP's training pictures, red, green and blue
_DEVIATION = (0.26862954, 0.26130258, 0.27577711)


def load_image_encoder(folder: Path) -> Any:
    """Return the CLIP image network in `folder`, in single precision on the CPU.

    Raises
    ------
    CheckpointError
        If the folder lacks its settings, or holds pickles only, or does not fit them.
    """
    from transformers import CLIPVisionModelWithProjection

    check_network_folder(folder)
    try:
        return CLIPVisionModelWithProjection.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, dtype=torch.float32
        ).eval()
    except (OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"The image encoder in {folder} cannot be read ({str(error).splitlines()[0]}); name the "
            "folder of a CLIPVisionModelWithProjection."
        ) from error


def measured_norm(encoder: Any) -> float:
    """Return the mean length of `encoder`'s embeddings of a few shipped photographs."""
    catalogue = load_catalogue()
    some = catalogue[:: max(1, len(catalogue) // _N_PHOTOGRAPHS)][:_N_PHOTOGRAPHS]
    return float(
        _embed(encoder, _pixels([p.path for p in some], _side(encoder))).norm(dim=1).mean()
    )


def embedding_of_nothing(encoder: Any) -> torch.Tensor:
    """Return `encoder`'s (n_embedding,) embedding of the picture of zeros.

    Kandinsky's prior gives it for an empty prompt, and its decoder takes it for "no embedding".
    """
    side = _side(encoder)
    return _embed(encoder, torch.zeros(1, 3, side, side))[0]


def _side(encoder: Any) -> int:
    return int(encoder.config.image_size)


def _embed(encoder: Any, pixels: torch.Tensor) -> torch.Tensor:
    weight = next(encoder.parameters())
    with torch.no_grad():
        embeds: torch.Tensor = encoder(pixels.to(weight.device, weight.dtype)).image_embeds
    return embeds.float().cpu()


def _pixels(files: list[Path], side: int) -> torch.Tensor:
    """Return the photographs' middle squares, (n, 3, side, side), scaled as CLIP was trained."""
    import numpy as np
    from PIL import Image, ImageOps

    squares = []
    for file in files:
        with Image.open(file) as image:
            square = ImageOps.fit(image.convert("RGB"), (side, side), Image.Resampling.BICUBIC)
        squares.append(np.asarray(square, np.float32) / 255)
    images = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2)
    return (images - torch.tensor(_MEAN).view(3, 1, 1)) / torch.tensor(_DEVIATION).view(3, 1, 1)
