"""The command that trains a generator."""

import argparse
import os
import signal
import threading
from pathlib import Path
from typing import Any

from nsdviewer.cli.options import Commands, when_asked
from nsdviewer.errors import RequestError
from nsdviewer.jobs import Progress, SilentProgress, StreamProgress


def add_train(commands: Commands) -> None:
    """Register ``train``."""
    train = commands.add_parser(
        "train",
        help="train a generator; resumable",
        description="Trains a generator in a folder: killed at any moment, the same command with "
        "--resume goes on. On several GPUs: torchrun --nproc-per-node 4 --no-python nsdviewer train "
        "generator …. Curves: log.jsonl, sheets, and TensorBoard's files in the folder.",
    )
    train.add_argument("kind", choices=("generator",))
    train.add_argument(
        "--images", type=Path, default=None, metavar="DIR_OR_H5",
        help="a folder of pictures, NSD's stimuli (HDF5 or root), or a COCO folder; a resumed "
        "training knows it",
    )  # fmt: skip
    train.add_argument("--resolution", type=int, default=None, help="side in pixels; 64")
    train.add_argument(
        "--out", type=Path, required=True, metavar="DIR",
        help="the training's folder: state, weights (generator.safetensors), curves, sheets",
    )  # fmt: skip
    train.add_argument("--resume", action="store_true", help="go on from the folder's last state")
    train.add_argument(
        "--model", choices=("lafite", "flow"), default=None,
        help="lafite (usual), or flow: a small decoder that goes from noise to picture",
    )  # fmt: skip
    train.add_argument(
        "--full", action="store_true", help="the published size and recipe; wants a GPU"
    )
    train.add_argument("--embedding", default=None, help="conse (usual), or open_clip:MODEL/TAG")
    train.add_argument(
        "--captions", action="store_true", help="condition on captions too, where there are any"
    )
    train.add_argument(
        "--nsd-root", type=Path, default=None, metavar="ROOT",
        help="with a COCO folder: leave out NSD's shared pictures, which decoders are tested on",
    )  # fmt: skip
    train.add_argument(
        "--start-from", type=Path, default=None, metavar="G.safetensors",
        help="begin with a generator's weights, for example an imported one",
    )  # fmt: skip
    train.add_argument(
        "--n-images",
        type=int,
        default=None,
        help="length in pictures shown; lafite 48,000, flow 40,000, more with --full",
    )
    train.add_argument(
        "--batch", type=int, default=None, help="pictures a step, of all processes; 8"
    )
    train.add_argument(
        "--crops", type=int, default=None, help="crops a picture; 10, of many pictures 1"
    )
    train.add_argument("--seed", type=int, default=None, help="0")
    train.add_argument(
        "--precision",
        choices=("float32", "bfloat16", "float16"),
        default=None,
        help="on a GPU; float32, with --full less",
    )
    train.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE",
        help="any other setting of plan, network or recipe, for example --set ada=true; "
        "an unknown NAME lists them all",
    )  # fmt: skip
    train.add_argument("--device", default="auto", help="cpu, cuda or mps; the best there is")
    train.set_defaults(run=when_asked("train_command", "run_train"))


def run_train(arguments: argparse.Namespace) -> int:
    """Train the generator."""
    from nsdviewer.models.runs.process import UntilAsked
    from nsdviewer.session.generator_training import GeneratorRequest, train_generator

    changes = dict(_setting(text) for text in arguments.set)
    named = {
        "n_images": arguments.n_images,
        "batch_size": arguments.batch,
        "precision": arguments.precision,
    }
    changes |= {name: value for name, value in named.items() if value is not None}
    request = GeneratorRequest(
        images=arguments.images,
        out=arguments.out,
        resolution=arguments.resolution,
        kind=arguments.model,
        embedding=arguments.embedding,
        full=arguments.full,
        n_crops=arguments.crops,
        captions=arguments.captions,
        nsd_root=arguments.nsd_root,
        start_from=arguments.start_from,
        seed=arguments.seed,
        device=arguments.device,
        resume=arguments.resume,
        changes=changes,
    )
    asked = UntilAsked(None)
    leads = os.environ.get("RANK", "0") == "0"
    shown: Progress = StreamProgress(period_s=10) if leads else SilentProgress()
    # A training that is stopped writes its state first; only the main thread hears signals.
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, asked.ask)
    weights = train_generator(request, _Both(shown, asked))
    if leads:
        print(weights)
    return 0


class _Both:
    """Progress told to two."""

    def __init__(self, *heard: Any) -> None:
        self._heard = heard

    def report(self, fraction: float, message: str = "") -> None:
        """Report to each."""
        for one in self._heard:
            one.report(fraction, message)


def _setting(text: str) -> tuple[str, Any]:
    """Read NAME=VALUE: a number, true or false, numbers with commas, or a word."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise RequestError(f"'{text}' is no setting; write --set NAME=VALUE.")
    return name.strip(), _value(value.strip())


def _value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if "," in text:
        return [_value(part.strip()) for part in text.split(",")]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
