"""The commands and their options."""

import argparse
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeAlias

from nsdviewer.cli.request import LATER
from nsdviewer.cli.transform_command import add_transform
from nsdviewer.cli.verify_command import add_verify
from nsdviewer.errors import RequestError
from nsdviewer.state import BetaVersion, Reading, Space

# argparse gives the type that add_subparsers returns no public name.
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="nsdviewer",
        description="See what a person saw beside what their brain says they saw. Without a "
        "command: opens the window.",
    )
    parser.add_argument("--version", action="version", version=f"nsdviewer {_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_simulate(commands)
    _add_data(commands)
    add_transform(commands)
    add_verify(commands)
    _add_models(commands)
    _add_views(commands)
    for name, what in LATER.items():
        later = commands.add_parser(name, help=f"{what} (not yet available)")
        later.add_argument("anything", nargs=argparse.REMAINDER)
        later.set_defaults(run=_not_yet(name, what))
    return parser


def _version() -> str:
    try:
        return version("nsdviewer")
    except PackageNotFoundError:
        return "(not installed)"


def _when_asked(module: str, function: str) -> Callable[[argparse.Namespace], int]:
    """Return a command that loads what it needs only when it runs."""

    def run(arguments: argparse.Namespace) -> int:
        command = getattr(import_module(f"nsdviewer.cli.{module}"), function)
        return int(command(arguments) or 0)

    return run


def _not_yet(name: str, what: str) -> Callable[[argparse.Namespace], int]:
    def refuse(_: argparse.Namespace) -> int:
        raise RequestError(f"'{name}' ({what}) is not yet available in this version.")

    return refuse


def _add_demo(commands: Commands) -> None:
    demo = commands.add_parser("demo", help="make and open the simulated demo subject")
    demo.add_argument("--headless", type=Path, metavar="OUT.png", help="write the first picture")
    demo.add_argument("--root", type=Path, help="where the demo subject is kept")
    demo.set_defaults(run=_when_asked("view_commands", "run_demo"))


def _add_simulate(commands: Commands) -> None:
    simulate = commands.add_parser("simulate", help="write simulated subjects in NSD's layout")
    simulate.add_argument("out", type=Path)
    simulate.add_argument("--preset", choices=("mini", "demo", "full"), default="demo")
    simulate.add_argument("--subjects", type=int, default=1)
    simulate.add_argument("--sessions", type=int, default=None)
    simulate.add_argument("--seed", type=int, default=0)
    simulate.set_defaults(run=_when_asked("view_commands", "run_simulate"))


def _subject_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("root", type=Path, metavar="ROOT")
    parser.add_argument("--subject", type=int, required=True)
    parser.add_argument("--space", choices=[s.value for s in Space], default=Space.FUNC1PT8MM.value)
    parser.add_argument(
        "--version", default=BetaVersion.B3.short, help="b1, b2, b3, synthetic-b3 …"
    )


def _embedding_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--embedding", default="", help="conse, open_clip:MODEL/TAG or open_clip:MODEL@FILE"
    )


def _add_data(commands: Commands) -> None:
    betas = commands.add_parser("betas", help="responses in percent signal change")
    _subject_options(betas)
    betas.add_argument(
        "--roi", default="", help="expression; nsdgeneral, in MNI all: 'nsdgeneral & prf_R2 > 10'"
    )
    betas.add_argument("--trials", required=True)
    betas.add_argument("--out", type=Path, required=True, metavar="X.npz")
    betas.set_defaults(run=_when_asked("data_commands", "run_betas"))

    trials = commands.add_parser("trials", help="the joined trial table")
    _subject_options(trials)
    trials.add_argument("--out", type=Path, required=True, metavar="X.csv")
    trials.add_argument(
        "--coco", type=Path, default=None, metavar="DIR", help="folder of COCO's annotations"
    )
    trials.set_defaults(run=_when_asked("data_commands", "run_trials"))

    ncsnr = commands.add_parser("ncsnr", help="reliability recomputed from the betas")
    _subject_options(ncsnr)
    ncsnr.add_argument("--out", type=Path, required=True, metavar="X.nii.gz")
    ncsnr.set_defaults(run=_when_asked("data_commands", "run_ncsnr"))

    listing = commands.add_parser("inventory", help="what is on disk, opened here or not")
    listing.add_argument("root", type=Path, metavar="ROOT")
    listing.add_argument("--subject", type=int, default=None)
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(run=_when_asked("data_commands", "run_inventory"))

    embed = commands.add_parser("embed", help="embed the shown pictures; cached, resumable")
    _subject_options(embed)
    _embedding_option(embed)
    embed.set_defaults(run=_when_asked("model_commands", "run_embed"))


def _add_models(commands: Commands) -> None:
    fit = commands.add_parser("fit", help="fit the decoder or the encoder")
    fit.add_argument("kind", choices=("decoder", "encoder"))
    _subject_options(fit)
    _embedding_option(fit)
    fit.add_argument("--model", choices=("ridge",), default="ridge")
    fit.add_argument("--roi", default="")
    fit.add_argument("--seed", type=int, default=0)
    fit.add_argument("--out", type=Path, default=None, metavar="M.safetensors")
    fit.set_defaults(run=_when_asked("model_commands", "run_fit"))

    decode = commands.add_parser("decode", help="decode trials and paint what they say")
    _subject_options(decode)
    _embedding_option(decode)
    decode.add_argument("--decoder", type=Path, default=None)
    decode.add_argument("--generator", type=Path, default=None)
    decode.add_argument("--trials", default="test:full-40")
    decode.add_argument(
        "--repeats", choices=("auto", "average", "single"), default="auto",
        help="average a picture's repetitions; auto does so for named sets, not for numbers",
    )  # fmt: skip
    decode.add_argument("--seed", type=int, default=0)
    decode.add_argument("--out", type=Path, required=True, metavar="DIR")
    decode.set_defaults(run=_when_asked("model_commands", "run_decode"))

    train = commands.add_parser("train", help="train the generator; resumable")
    train.add_argument("kind", choices=("generator",))
    train.add_argument("--images", type=Path, required=True, metavar="DIR")
    train.add_argument("--resolution", type=int, default=64)
    train.add_argument("--out", type=Path, required=True, metavar="DIR")
    train.add_argument("--resume", action="store_true", help="go on from the folder's last state")
    train.add_argument("--paired-images", type=int, default=None, help="length of phase one")
    train.add_argument("--adversarial-images", type=int, default=None, help="length of phase two")
    train.add_argument("--crops", type=int, default=10, help="crops a photograph")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--device", default="", help="cpu, cuda or mps; the best there is")
    train.set_defaults(run=_when_asked("model_commands", "run_train"))


def _add_views(commands: Commands) -> None:
    concept = commands.add_parser("map", help="which voxels carry a concept")
    _subject_options(concept)
    _embedding_option(concept)
    concept.add_argument("--concept", required=True)
    concept.add_argument("--reading", choices=[r.value for r in Reading], default="encoder")
    concept.add_argument("--stat", default="none", help="none; others come later")
    concept.add_argument("--encoder", type=Path, default=None)
    concept.add_argument("--noise-ceiling", type=float, default=10.0, metavar="PERCENT")
    concept.add_argument("--out", type=Path, required=True)
    concept.set_defaults(run=_when_asked("view_commands", "run_map"))

    figure = commands.add_parser("figure", help="draw a saved view again")
    figure.add_argument("state", type=Path, metavar="STATE.json")
    figure.add_argument("-o", "--out", type=Path, required=True)
    figure.set_defaults(run=_when_asked("view_commands", "run_figure"))

    doctor = commands.add_parser("doctor", help="versions, GPU, OpenGL, memory, weights")
    doctor.add_argument("--json", action="store_true")
    doctor.set_defaults(run=_when_asked("view_commands", "run_doctor"))
