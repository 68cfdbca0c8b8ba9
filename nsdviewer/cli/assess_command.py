"""`nsdviewer assess`: how good a generator is on photographs that it was never trained on."""

import argparse
from pathlib import Path

from nsdviewer.cli.options import Commands, when_asked


def add_assess(commands: Commands) -> None:
    """Add the command and its options."""
    assess = commands.add_parser(
        "assess", help="judge a generator on photographs that it was never trained on"
    )
    assess.add_argument(
        "generator",
        type=Path,
        nargs="?",
        metavar="GENERATOR",
        help="file or folder; the shipped LAFITE where left out",
    )
    assess.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="what it was trained on, with held_out.txt; the shipped photographs where left out",
    )
    assess.add_argument("--out", type=Path, required=True, metavar="DIR")
    assess.add_argument("--seed", type=int, default=0)
    assess.add_argument("--device", default="auto", help="cpu, cuda, mps or auto")
    assess.set_defaults(run=when_asked("assess_command", "run_assess"))


def run_assess(arguments: argparse.Namespace) -> int:
    """Write ``assessment.json``, ``sheet.png`` and ``shuffled.png``; print the figures."""
    from nsdviewer.evaluation.generator_features import AssessmentFeatures
    from nsdviewer.evaluation.generator_pictures import read_picture_folder
    from nsdviewer.evaluation.generator_sheets import write_assessment
    from nsdviewer.evaluation.generators import assess_generator
    from nsdviewer.jobs import StreamProgress
    from nsdviewer.models.painting import load_painter
    from nsdviewer.models.registry import load_embedding
    from nsdviewer.models.runs.distribution import resolve_device
    from nsdviewer.resources import resource_path

    painter = load_painter(arguments.generator, arguments.device)
    training, held_out = read_picture_folder(arguments.images or resource_path("photographs"))
    assessment = assess_generator(
        painter,
        load_embedding(painter.embedding),
        held_out,
        training,
        arguments.seed,
        StreamProgress(),
        AssessmentFeatures.on_this_machine(str(resolve_device(arguments.device))),
    )
    for path in write_assessment(assessment, arguments.out):
        print(path)
    print("\n".join(assessment.sentences))
    return 0
