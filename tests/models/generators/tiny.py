"""Small trainings of generators, for tests and the bench."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

from nsdviewer.models.embeddings import Embedding
from nsdviewer.models.generators.image_set import ImageSet
from nsdviewer.models.generators.plan import GeneratorPlan
from nsdviewer.models.generators.registry import KINDS, build_recipe
from nsdviewer.models.generators.run import WEIGHTS_FILE, GeneratorRun
from nsdviewer.models.generators.trainer import Trainer
from nsdviewer.models.runs.distribution import World
from nsdviewer.models.runs.run_files import read_log, read_state

COMMAND = [sys.executable, "-m", "app", "train", "generator"]
CPU = torch.device("cpu")

# Networks of some thousand weights at 16 × 16 pixels.
NETWORK: dict[str, dict[str, Any]] = {
    "lafite": {
        "channel_base": 128, "channel_max": 8, "n_z": 8, "n_w": 16, "n_condition": 8,
        "n_mapping_layers": 2,
    },
    "flow": {"widths": [8, 16], "n_condition": 16, "n_seed": 2},
}  # fmt: skip


def random_images(n_pictures: int = 20, n_crops: int = 2, n_embedding: int = 384) -> ImageSet:
    """Noise pictures of 16 × 16 pixels with random embeddings and a caption each."""
    rng = np.random.default_rng(0)
    n = n_pictures * n_crops
    vectors = rng.standard_normal((n + n_pictures, n_embedding)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return ImageSet(
        pixels=rng.integers(0, 256, (n, 16, 16, 3), dtype=np.uint8),
        embeddings=vectors[:n],
        source=np.repeat(np.arange(n_pictures), n_crops),
        names=tuple(f"{i}.png" for i in range(n_pictures)),
        caption_embeddings=vectors[n:],
        caption_source=np.arange(n_pictures),
        left_out=(),
        held_out="",
        fingerprint="random",
        title="noise",
        embedding="conse",
    )


def tiny_plan(kind: str, embedding: Embedding, n_images: int = 32, **recipe: Any) -> GeneratorPlan:
    """A plan of eight steps of four pictures."""
    plan = KINDS[kind].plan(16, embedding, False)
    network = {**NETWORK[kind], **{k: recipe.pop(k) for k in ("n_branches",) if k in recipe}}
    return replace(
        plan,
        n_images=n_images,
        batch_size=4,
        network={**plan.network, **network},
        recipe={**plan.recipe, **recipe},
        log_every_steps=2,
        sheet_every_images=16,
        checkpoint_every_s=1e9,
    )


def make_trainer(folder: Path, plan: GeneratorPlan, embedding: Embedding) -> Trainer:
    """A trainer that goes on from `folder`'s state where there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    run = GeneratorRun(folder, plan, random_images(n_embedding=embedding.dimension))
    recipe = build_recipe(plan, embedding, CPU)
    return Trainer(run, recipe, CPU, World(), read_state(folder))


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / WEIGHTS_FILE)


def same_tensors(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def curves_of(folder: Path) -> list[dict[str, Any]]:
    """The log without what depends on the clock."""
    return [{k: v for k, v in line.items() if k != "seconds"} for line in read_log(folder)]


def write_pictures(folder: Path, n: int = 18) -> Path:
    """Write n pictures, each of one colour with a bright square."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    for i in range(n):
        picture = np.empty((40, 40, 3), np.uint8)
        picture[:] = rng.integers(0, 256, 3)
        top, left = rng.integers(0, 25, 2)
        picture[top : top + 12, left : left + 12] = rng.integers(128, 256, 3)
        Image.fromarray(picture).save(folder / f"picture{i:02d}.png")
    return folder


def words(kind: str, images: Path, out: Path, n_images: int, *more: str) -> list[str]:
    """The words of a tiny training's command."""
    settings = {**NETWORK[kind], "checkpoint_every_s": 0.2, "log_every_steps": 5}
    given = []
    for name, value in settings.items():
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        given += ["--set", f"{name}={text}"]
    return [
        "--images", str(images), "--out", str(out), "--model", kind, "--resolution", "16",
        "--n-images", str(n_images), "--batch", "4", "--crops", "2", "--device", "cpu",
        *given, *more,
    ]  # fmt: skip


def start(arguments: list[str]) -> "subprocess.Popen[bytes]":
    """Start the command in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(
        [*COMMAND, *arguments],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def kill_while_training(child: "subprocess.Popen[bytes]", folder: Path, n_lines: int) -> int:
    """SIGKILL once the log has `n_lines` more lines; returns how many pictures it had been shown."""
    first = len(read_log(folder))
    while len(read_log(folder)) < first + n_lines:
        if child.poll() is not None:
            raise RuntimeError(f"It ended before: {child.stderr.read() if child.stderr else b''!r}")
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    return int(read_log(folder)[-1]["n_shown"])
