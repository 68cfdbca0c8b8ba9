"""The decoders by name: what a file's header calls them, and ``nsdviewer fit decoder --model``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from nsdviewer.errors import CheckpointError
from nsdviewer.models.checkpoints import load_checkpoint
from nsdviewer.models.decoders.linear import LinearDecoder
from nsdviewer.models.decoders.network import NeuralDecoder
from nsdviewer.models.decoders.protocol import KIND, Decoder

Loader = Callable[[dict[str, Any], dict[str, torch.Tensor], Path], Decoder]

RIDGE, INVERTED = "ridge", "inverted"
# A decoder of another kind is one file beside these and one line here.
DECODERS: dict[str, Loader] = {
    RIDGE: LinearDecoder.load,
    INVERTED: LinearDecoder.load,
    "mindreader": NeuralDecoder.load,
    "residual": NeuralDecoder.load,
    "joint": NeuralDecoder.load,
}


def load_decoder(path: Path) -> Decoder:
    """Read a decoder file.

    Raises
    ------
    CheckpointError
        If it is missing, damaged, no decoder, or of a kind that this version does not know.
    """
    document, tensors = load_checkpoint(path, KIND)
    model = str(document.get("model", RIDGE))
    if model not in DECODERS:
        raise CheckpointError(
            f"{path} holds a decoder of the kind '{model}', which this version does not know; it "
            f"knows {', '.join(DECODERS)}."
        )
    try:
        return DECODERS[model](document, tensors, path)
    except KeyError as error:
        raise CheckpointError(f"{path} lacks the tensor {error}; fit it again.") from error
