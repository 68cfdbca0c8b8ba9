"""The weights file of an IP-Adapter (Ye et al. 2023, arXiv:2308.06721)."""

from pathlib import Path

import torch

from nsdviewer.errors import CheckpointError


def adapter_weights(file: Path) -> dict[str, dict[str, torch.Tensor]]:
    """Return an IP-Adapter's tensors in the two groups that diffusers asks for.

    Raises
    ------
    CheckpointError
        If the file is no safetensors file, damaged, or an adapter that looks at more than one
        embedding.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if file.suffix != ".safetensors":
        raise CheckpointError(
            f"The IP-Adapter {file} is no safetensors file, and others can run any program when "
            "read; get it as safetensors."
        )
    try:
        tensors = load_file(file)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"The IP-Adapter {file} cannot be read ({error}); name another file, or download it again."
        ) from error
    groups: dict[str, dict[str, torch.Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for key, tensor in tensors.items():
        group, _, rest = key.partition(".")
        groups.get(group, {})[rest] = tensor
    if "proj.weight" not in groups["image_proj"] or not groups["ip_adapter"]:
        raise CheckpointError(
            f"{file} is no IP-Adapter of the plain kind; those named 'plus' and 'face' look at more "
            "than one embedding. Choose ip-adapter_sd15.safetensors or its like."
        )
    return groups
