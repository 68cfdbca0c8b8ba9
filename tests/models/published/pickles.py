"""Writes pickles in the structure that the authors of StyleGAN2-ADA-PyTorch and LAFITE publish.

Their modules are pickled by a layer that stores a class's source text and the module's attributes,
and names one function of `torch_utils.persistence` to rebuild it. The writer here plants modules of
those names while it pickles, and takes them away again: nothing that reads the file can find them.
"""

import pickle
import sys
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

LOW_PASS = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64


def _reconstruct_persistent_obj(meta: object) -> None:
    raise AssertionError("a reader called what the pickle names")


class EasyDict(dict[str, Any]):
    """A dict by another name, as in dnnlib."""


_reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
EasyDict.__module__ = "dnnlib.util"


@contextmanager
def planted_modules() -> Iterator[None]:
    """Let `pickle` find the two names while the block runs."""
    persistence, util = ModuleType("torch_utils.persistence"), ModuleType("dnnlib.util")
    persistence._reconstruct_persistent_obj = _reconstruct_persistent_obj  # type: ignore[attr-defined]
    util.EasyDict = EasyDict  # type: ignore[attr-defined]
    names = {
        "torch_utils": ModuleType("torch_utils"), "torch_utils.persistence": persistence,
        "dnnlib": ModuleType("dnnlib"), "dnnlib.util": util,
    }  # fmt: skip
    sys.modules.update(names)
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


class Part:
    """A module as the persistence layer pickles it; tensors and parts by name."""

    def __init__(
        self,
        class_name: str,
        parameters: dict[str, torch.Tensor] | None = None,
        buffers: dict[str, torch.Tensor] | None = None,
        parts: dict[str, "Part"] | None = None,
        source: str = "raise AssertionError('the source was executed')",
        **attributes: object,
    ) -> None:
        self.class_name = class_name
        self.parameters = parameters or {}
        self.buffers = buffers or {}
        self.parts = parts or {}
        self.source = source
        self.attributes = attributes

    def __reduce__(self) -> tuple[object, ...]:
        state = {
            "training": False,
            "_parameters": OrderedDict(
                (k, nn.Parameter(v, requires_grad=False) if torch.is_tensor(v) else v)
                for k, v in self.parameters.items()
            ),
            "_buffers": OrderedDict(self.buffers),
            "_non_persistent_buffers_set": set(),
            "_backward_hooks": OrderedDict(),
            "_modules": OrderedDict(self.parts),
            "_init_args": (),
            "_init_kwargs": EasyDict(dtype=torch.float32),
            **self.attributes,
        }
        meta = {
            "type": "class", "version": 6, "module_src": self.source,
            "class_name": self.class_name, "state": state,
        }  # fmt: skip
        return _reconstruct_persistent_obj, (meta,), None

    def all_parts(self) -> Iterator["Part"]:
        """Yield this part and all within it."""
        yield self
        for part in self.parts.values():
            yield from part.all_parts()

    def find(self, dotted: str) -> "Part":
        """Return a part by its dotted name."""
        part = self
        for name in dotted.split("."):
            part = part.parts[name]
        return part


class View:
    """Pickles as a contiguous tensor on a storage that other views share."""

    def __init__(self, storage: torch.TypedStorage, shape: tuple[int, ...]) -> None:
        self.storage, self.shape = storage, shape

    def __reduce__(self) -> tuple[object, ...]:
        stride = torch.empty(self.shape, device="meta").stride()
        rebuild = torch._utils._rebuild_tensor_v2
        return rebuild, (self.storage, 0, self.shape, stride, False, OrderedDict())


def zero_storage(n_elements: int) -> torch.TypedStorage:
    return torch.storage.TypedStorage(
        wrap_storage=torch.zeros(n_elements).untyped_storage(), dtype=torch.float32, _internal=True
    )


@dataclass(frozen=True)
class Sizes:
    """Of a published generator; `structure` is LAFITE's number, 3 for plain StyleGAN2."""

    structure: int = 2
    resolution: int = 16
    n_z: int = 12
    n_w: int = 10
    n_feature: int = 14
    n_condition: int = 14
    n_layers: int = 3
    channel_base: int = 96
    channel_max: int = 9
    clamp: float | None = 256


def connected(n_in: int, n_out: int, activation: str, multiplier: float, bias: float = 0.0) -> Part:
    return Part(
        "FullyConnectedLayer",
        {
            "weight": torch.randn(n_out, n_in) / multiplier,
            "bias": bias + 0.3 * torch.randn(n_out) / multiplier,
        },
        activation=activation,
        weight_gain=multiplier / np.sqrt(n_in),
        bias_gain=multiplier,
    )


def style_parts(sizes: Sizes, n_in: int) -> dict[str, Part]:
    n_w, n_c = sizes.n_w, sizes.n_condition
    parts = {}
    if sizes.structure != 2:
        parts["affine"] = connected(n_w, n_in, "linear", 1, bias=1.0)
    if sizes.structure in (0, 2):
        n_both = n_c + (n_w if sizes.structure == 2 else 0)
        parts["pre_0"] = connected(sizes.n_feature, n_c, "lrelu", 0.01)
        parts["pre_1"] = connected(n_c, n_c, "lrelu", 0.01)
        parts["affine_0"] = connected(n_both, n_in, "linear", 1, bias=1.0)
    if sizes.structure == 1:
        parts["scale_layer_0"] = connected(sizes.n_feature, n_c, "lrelu", 0.01)
    return parts


def convolution(sizes: Sizes, n_in: int, n_out: int, resolution: int, up: int) -> Part:
    return Part(
        "SynthesisLayer",
        {
            "weight": torch.randn(n_out, n_in, 3, 3),
            "noise_strength": torch.randn(()),
            "bias": torch.randn(n_out),
        },
        {"resample_filter": LOW_PASS.clone(), "noise_const": torch.randn(resolution, resolution)},
        style_parts(sizes, n_in),
        resolution=resolution, up=up, use_noise=True, activation="lrelu", conv_clamp=sizes.clamp,
        padding=1, act_gain=np.sqrt(2), structure=sizes.structure,
    )  # fmt: skip


def generator(sizes: Sizes, seed: int = 0) -> Part:
    """Return a published generator with random weights."""
    torch.manual_seed(seed)
    mapping = Part(
        "MappingNetwork",
        buffers={"w_avg": torch.randn(sizes.n_w)},
        parts={
            f"fc{k}": connected(sizes.n_w if k else sizes.n_z, sizes.n_w, "lrelu", 0.01)
            for k in range(sizes.n_layers)
        },
        z_dim=sizes.n_z, c_dim=0, w_dim=sizes.n_w, num_layers=sizes.n_layers, w_avg_beta=0.995,
    )  # fmt: skip
    blocks = {}
    n_in = 0
    for k in range(2, sizes.resolution.bit_length()):
        resolution = 2**k
        n_out = min(sizes.channel_base // resolution, sizes.channel_max)
        parts = {"conv1": convolution(sizes, n_out, n_out, resolution, 1)}
        if n_in:
            parts["conv0"] = convolution(sizes, n_in, n_out, resolution, 2)
        parts["torgb"] = Part(
            "ToRGBLayer",
            {"weight": torch.randn(3, n_out, 1, 1), "bias": torch.randn(3)},
            parts=style_parts(sizes, n_out),
            conv_clamp=sizes.clamp, weight_gain=1 / np.sqrt(n_out),
        )  # fmt: skip
        blocks[f"b{resolution}"] = Part(
            "SynthesisBlock",
            {} if n_in else {"const": torch.randn(n_out, 4, 4)},
            {"resample_filter": LOW_PASS.clone()},
            parts,
            architecture="skip",
        )
        n_in = n_out
    synthesis = Part("SynthesisNetwork", parts=blocks, img_resolution=sizes.resolution)
    return Part(
        "Generator",
        parts={"synthesis": synthesis, "mapping": mapping},
        z_dim=sizes.n_z, c_dim=0, w_dim=sizes.n_w, img_resolution=sizes.resolution, img_channels=3,
        mani=None,
    )  # fmt: skip


def snapshot(network: Part) -> dict[str, object]:
    """Return what their training loops pickle, with other networks beside the averaged one."""
    other = Part("Discriminator", {"weight": torch.randn(3, 3)}, table=np.arange(3.0))
    return {
        "training_set_kwargs": EasyDict(class_name="dataset", resolution=16),
        "G": other, "D": other, "G_ema": network, "augment_pipe": None,
    }  # fmt: skip


def write(path: Path, content: object, protocol: int = 4) -> Path:
    """Pickle `content` with the planted names."""
    with planted_modules(), path.open("wb") as stream:
        pickle.dump(content, stream, protocol=protocol)
    return path
