"""How long LAFITE takes for a picture on this CPU, beside StyleGAN2's public code.

That code is not part of this repository. A folder with a copy of StyleGAN2-ADA-PyTorch is named by
NSDVIEWER_PEER_STYLEGAN2; its generator of the same width paints on the same machine in the same run,
by its plain PyTorch operations, in turns with ours. Times are the least of several: whatever else the
machine does can only add to them.
"""

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from nsdviewer.models.lafite import losses
from nsdviewer.models.lafite.config import LafiteConfig
from nsdviewer.models.lafite.discriminator import Discriminator
from nsdviewer.models.lafite.generator import Generator
from nsdviewer.models.painting import SHIPPED, load_painter

PEER_VARIABLE = "NSDVIEWER_PEER_STYLEGAN2"
SMALL = LafiteConfig.small(64, 384)
FULL = LafiteConfig.published(256, 512)
N_ROUNDS = 6
BUDGETS_MS = {"small_64_ms": 60.0, "full_256_ms": 1500.0}
LEAST_RATIO = 1.3
LARGEST_DIFFERENCE = 1e-5


def measure() -> dict[str, Any]:
    """Return times in ms, the ratio to the peer's, and how far the fast way is from the plain one."""
    figures: dict[str, Any] = {"n_threads": torch.get_num_threads(), **small(), **full()}
    figures |= training_step()
    figures |= shipped()
    for name, budget in BUDGETS_MS.items():
        print(f"  {name} {figures[name]:.1f} of {budget:.0f}")
        assert figures[name] <= budget, name
    if "times_peer" in figures:
        assert figures["times_peer"] >= LEAST_RATIO, figures["times_peer"]
    return figures


def shipped() -> dict[str, float]:
    """One picture by each shipped generator, from vector to pixels."""
    vector = F.normalize(torch.ones(1, 384), dim=1).numpy()
    painters = {f"shipped_{name}_ms": load_painter(Path(name), "cpu") for name in SHIPPED}
    calls = {name: partial(painter.paint, vector, 0) for name, painter in painters.items()}
    return in_turns(calls, 2 * N_ROUNDS)


def small() -> dict[str, float]:
    """One picture, and sixteen at once, by the network of the size that we ship."""
    network = generator(SMALL)
    one, sixteen = inputs(SMALL, 1), inputs(SMALL, 16)
    least = in_turns(
        {
            "small_64_ms": quickly(network, one),
            "small_64_plain_ms": plainly(network, one),
            "small_64_of_sixteen_ms": quickly(network, sixteen),
        },
        4 * N_ROUNDS,
    )
    least["small_64_of_sixteen_ms"] /= 16
    return {**least, "small_64_difference": difference(network, sixteen)}


def full() -> dict[str, Any]:
    """One picture by the published network, and by its peer."""
    network = generator(FULL)
    one = inputs(FULL, 1)
    calls = {"full_256_ms": quickly(network, one), "full_256_plain_ms": plainly(network, one)}
    peer = load_peer()
    if peer is not None:
        calls["peer_256_ms"] = quickly(peer, (one[0], None), noise_mode="const")
    figures: dict[str, Any] = in_turns(calls, N_ROUNDS)
    figures["full_256_difference"] = difference(network, one)
    if peer is not None:
        figures["times_peer"] = figures["peer_256_ms"] / figures["full_256_ms"]
        print(f"  256²: {figures['times_peer']:.2f} times as fast as the peer")
    return figures


def training_step() -> dict[str, float]:
    """One step of the adversarial game at batch 8, both networks, without the optimisers."""
    torch.manual_seed(0)
    painter, judge = Generator(SMALL), Discriminator(SMALL)
    z, e = inputs(SMALL, 8)
    real = torch.randn(8, 3, SMALL.resolution, SMALL.resolution)

    def step() -> None:
        image = painter(z, e, random_noise=True)
        logit, semantic = judge(image, e)
        (losses.generator_loss(logit) + losses.contrastive_loss(semantic, e)).backward()
        fake, _ = judge(image.detach(), e)
        true, semantic = judge(real, e)
        loss = losses.discriminator_loss(true, fake) + losses.contrastive_loss(semantic, e)
        loss.backward()

    return in_turns({"small_64_training_step_ms": step}, N_ROUNDS)


def generator(config: LafiteConfig) -> Generator:
    """A generator with random weights whose noise and biases show."""
    torch.manual_seed(0)
    network = Generator(config).eval().requires_grad_(False)
    for name, parameter in network.named_parameters():
        if name.endswith(("bias", "noise_strength")):
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return network


def inputs(config: LafiteConfig, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random z and embeddings."""
    embedding = F.normalize(torch.randn(n, *config.embedding_shape), dim=-1)
    return torch.randn(n, config.n_z), embedding


def quickly(network: nn.Module, given: tuple[Any, ...], **options: Any) -> Callable[[], Any]:
    """A call that paints as one does who wants no gradients."""

    def call() -> torch.Tensor:
        with torch.inference_mode():
            return network(*given, **options)

    return call


def plainly(network: Generator, given: tuple[torch.Tensor, torch.Tensor]) -> Callable[[], Any]:
    """A call that paints as training does; no graph is built, as no parameter asks for one."""
    return lambda: network(*given)


def difference(network: Generator, given: tuple[torch.Tensor, torch.Tensor]) -> float:
    """Largest difference between both ways to paint, of the largest value."""
    fast, plain = quickly(network, given)(), plainly(network, given)()
    largest = float((fast - plain).abs().max() / plain.abs().max())
    assert largest <= LARGEST_DIFFERENCE, largest
    return largest


def load_peer() -> nn.Module | None:
    """The peer's generator of the same width in float32; None where there is no copy of its code."""
    folder = os.environ.get(PEER_VARIABLE, "")
    if not (Path(folder) / "training" / "networks.py").is_file():
        print(
            f"  Not compared with StyleGAN2's public code: set {PEER_VARIABLE} to a folder with a "
            "copy of StyleGAN2-ADA-PyTorch."
        )
        return None
    sys.path.insert(0, folder)
    try:
        from training.networks import Generator as PeerGenerator
    finally:
        sys.path.remove(folder)
    sizes = {"channel_base": FULL.channel_base, "channel_max": FULL.channel_max}
    network: nn.Module = PeerGenerator(
        FULL.n_z, 0, FULL.n_w, FULL.resolution, 3,
        synthesis_kwargs={**sizes, "num_fp16_res": 0, "conv_clamp": FULL.clamp},
    )  # fmt: skip
    return network.eval().requires_grad_(False)


def in_turns(calls: dict[str, Callable[[], Any]], n_rounds: int) -> dict[str, float]:
    """Least wall time of each in ms; they take turns, so that all meet the same disturbances."""
    least = dict.fromkeys(calls, float("inf"))
    for is_measured in [False] + [True] * n_rounds:
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if is_measured:
                least[name] = min(least[name], (time.perf_counter() - start) * 1e3)
    print("  " + ", ".join(f"{name} {ms:.1f}" for name, ms in least.items()))
    return least


if __name__ == "__main__":
    measure()
