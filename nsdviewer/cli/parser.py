"""The commands and their options."""

import argparse
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from nsdviewer.cli.assess_command import add_assess
from nsdviewer.cli.download_command import add_download
from nsdviewer.cli.figure_command import add_figure
from nsdviewer.cli.import_command import add_import
from nsdviewer.cli.job_command import add_job
from nsdviewer.cli.model_options import add_models
from nsdviewer.cli.options import Commands, add_embedding, add_subject, when_asked
from nsdviewer.cli.paint_command import add_paint
from nsdviewer.cli.train_command import add_train
from nsdviewer.cli.transform_command import add_transform
from nsdviewer.cli.verify_command import add_verify


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
    add_models(commands)
    add_train(commands)
    add_paint(commands)
    add_import(commands)
    add_download(commands)
    add_assess(commands)
    add_job(commands)
    _add_views(commands)
    return parser


def _version() -> str:
    try:
        return version("nsdviewer")
    except PackageNotFoundError:
        return "(not installed)"


def _add_demo(commands: Commands) -> None:
    demo = commands.add_parser("demo", help="make and open the simulated demo subject")
    demo.add_argument("--headless", type=Path, metavar="OUT.png", help="write the first picture")
    demo.add_argument("--root", type=Path, help="where the demo subject is kept")
    demo.set_defaults(run=when_asked("view_commands", "run_demo"))


def _add_simulate(commands: Commands) -> None:
    simulate = commands.add_parser("simulate", help="write simulated subjects in NSD's layout")
    simulate.add_argument("out", type=Path)
    simulate.add_argument("--preset", choices=("mini", "demo", "full"), default="demo")
    simulate.add_argument("--subjects", type=int, default=1)
    simulate.add_argument("--sessions", type=int, default=None)
    simulate.add_argument("--seed", type=int, default=0)
    simulate.set_defaults(run=when_asked("view_commands", "run_simulate"))


def _add_data(commands: Commands) -> None:
    betas = commands.add_parser("betas", help="responses in percent signal change")
    add_subject(betas)
    betas.add_argument(
        "--roi", default="", help="expression; nsdgeneral, in MNI all: 'nsdgeneral & prf_R2 > 10'"
    )
    betas.add_argument("--trials", required=True)
    betas.add_argument("--out", type=Path, required=True, metavar="X.npz")
    betas.set_defaults(run=when_asked("data_commands", "run_betas"))

    trials = commands.add_parser("trials", help="the joined trial table")
    add_subject(trials)
    trials.add_argument("--out", type=Path, required=True, metavar="X.csv")
    trials.add_argument(
        "--coco", type=Path, default=None, metavar="DIR", help="folder of COCO's annotations"
    )
    trials.set_defaults(run=when_asked("data_commands", "run_trials"))

    ncsnr = commands.add_parser("ncsnr", help="reliability recomputed from the betas")
    add_subject(ncsnr)
    ncsnr.add_argument("--out", type=Path, required=True, metavar="X.nii.gz")
    ncsnr.set_defaults(run=when_asked("data_commands", "run_ncsnr"))

    listing = commands.add_parser("inventory", help="what is on disk, opened here or not")
    listing.add_argument("root", type=Path, metavar="ROOT")
    listing.add_argument("--subject", type=int, default=None)
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(run=when_asked("data_commands", "run_inventory"))

    embed = commands.add_parser("embed", help="embed the shown pictures; cached, resumable")
    add_subject(embed)
    add_embedding(embed)
    embed.set_defaults(run=when_asked("model_commands", "run_embed"))


def _add_views(commands: Commands) -> None:
    add_figure(commands)
    doctor = commands.add_parser(
        "doctor",
        help="what a bug report needs: versions, display, OpenGL, devices, folders, faults",
    )
    doctor.add_argument("--json", action="store_true")
    doctor.set_defaults(run=when_asked("doctor", "run_doctor"))
