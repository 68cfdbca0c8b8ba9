"""The options of the commands that fit, use, test and train models."""

from pathlib import Path

from nsdviewer.cli.options import Commands, add_embedding, add_scheduler, add_subject, when_asked
from nsdviewer.cli.paint_command import add_generator
from nsdviewer.state import Null, Reading

# Names only: the registries that hold them load torch.
DECODER_MODELS = ("ridge", "inverted", "mindreader", "residual", "joint")
ENCODER_MODELS = ("ridge", "banded")
SPLITS = ("full-40", "legacy-37")


def add_models(commands: Commands) -> None:
    """Register ``fit``, ``decode``, ``map``, ``partition``, ``reverse``, ``evaluate``."""
    _add_fit(commands)
    _add_decode(commands)
    _add_map(commands)
    _add_partition(commands)
    _add_reverse(commands)
    _add_evaluate(commands)


def _add_fit(commands: Commands) -> None:
    fit = commands.add_parser(
        "fit", help="fit a decoder, an encoder, or a decoder's prior; resumable"
    )
    fit.add_argument("kind", choices=("decoder", "encoder", "prior"))
    add_subject(fit)
    add_embedding(fit)
    fit.add_argument(
        "--model", choices=tuple(dict.fromkeys((*DECODER_MODELS, *ENCODER_MODELS))), default="ridge",
        help=f"decoder: {', '.join(DECODER_MODELS)}; encoder: {', '.join(ENCODER_MODELS)}",
    )  # fmt: skip
    fit.add_argument("--roi", default="", help="ROI expression; nsdgeneral, for encoders cortex")
    fit.add_argument("--split", choices=SPLITS, default="full-40", help="what is held out")
    fit.add_argument("--seed", type=int, default=0)
    fit.add_argument("--decoder", type=Path, default=None, help="prior: the decoder it is for")
    add_scheduler(fit)
    network = fit.add_argument_group("networks")
    network.add_argument("--epochs", type=int, default=None)
    network.add_argument("--batch-size", type=int, default=None)
    network.add_argument("--device", default="", help="cpu, cuda or mps; the best there is")
    network.add_argument(
        "--subjects", default="", metavar="2,5,7", help="joint: who else shares the backbone"
    )
    network.add_argument(
        "--backbone", type=Path, default=None, metavar="RUN_FOLDER",
        help="joint: the folder that a joint training of others was in, which a fit prints; it is "
        "frozen, and only this subject's layer is fitted",
    )  # fmt: skip
    network.add_argument(
        "--learning-curve", action="store_true",
        help="with --backbone: print the held-out score by number of sessions",
    )  # fmt: skip
    network.add_argument(
        "--generator-weight", type=float, default=0.0, metavar="W",
        help="weight of the loss term through the generator",
    )  # fmt: skip
    network.add_argument("--generator", type=Path, default=None, help="of that term")
    fit.add_argument("--out", type=Path, default=None, metavar="M.safetensors")
    fit.set_defaults(run=when_asked("model_commands", "run_fit"))


def _add_decode(commands: Commands) -> None:
    decode = commands.add_parser("decode", help="decode trials and paint what they say")
    add_subject(decode)
    add_embedding(decode)
    decode.add_argument("--decoder", type=Path, default=None)
    add_generator(decode)
    decode.add_argument(
        "--prior", type=Path, default=None, help="paint a sample of this prior for what was decoded"
    )
    decode.add_argument("--trials", default="test:full-40")
    decode.add_argument(
        "--repeats", choices=("auto", "average", "single"), default="auto",
        help="average a picture's repetitions; auto does so for named sets, not for numbers",
    )  # fmt: skip
    decode.add_argument("--seed", type=int, default=0)
    decode.add_argument("--out", type=Path, required=True, metavar="DIR")
    decode.set_defaults(run=when_asked("model_commands", "run_decode"))


def _add_map(commands: Commands) -> None:
    concept = commands.add_parser("map", help="which voxels carry a concept, and how sure that is")
    add_subject(concept)
    add_embedding(concept)
    concept.add_argument("--concept", required=True)
    concept.add_argument("--reading", choices=[r.value for r in Reading], default="encoder")
    concept.add_argument(
        "--stat", default="none", metavar="TEST",
        help="none, fdr:0.05, fwe:0.05 (maximum statistic), p:0.001, or ci:0.9 (bootstrap)",
    )  # fmt: skip
    concept.add_argument(
        "--null", choices=[n.value for n in Null], default=Null.USUAL.value,
        help="images: the voxel has nothing to do with the pictures; partial: it may answer to "
        "much else, but not to this; directions: no stronger than along an arbitrary direction; "
        "usual: partial where it exists, else images",
    )  # fmt: skip
    concept.add_argument(
        "--draws", type=int, default=1000, help="permutations, or bootstrap samples"
    )
    concept.add_argument("--seed", type=int, default=0)
    concept.add_argument("--encoder", type=Path, default=None)
    concept.add_argument("--decoder", type=Path, default=None, help="of the other two readings")
    concept.add_argument("--noise-ceiling", type=float, default=10.0, metavar="PERCENT")
    add_scheduler(concept)
    concept.add_argument("--out", type=Path, required=True, metavar="MAP.nii.gz")
    concept.set_defaults(run=when_asked("map_command", "run_map"))


def _add_partition(commands: Commands) -> None:
    partition = commands.add_parser(
        "partition", help="what embedding and local contrast explain, alone and together"
    )
    add_subject(partition)
    add_embedding(partition)
    partition.add_argument("--roi", default="", help="ROI expression; cortex")
    partition.add_argument("--split", choices=SPLITS, default="full-40")
    partition.add_argument("--seed", type=int, default=0)
    partition.add_argument("--noise-ceiling", type=float, default=10.0, metavar="PERCENT")
    add_scheduler(partition)
    partition.add_argument("--out", type=Path, required=True, metavar="X.npz")
    partition.set_defaults(run=when_asked("partition_command", "run_partition"))


def _add_reverse(commands: Commands) -> None:
    reverse = commands.add_parser("reverse", help="what drives a voxel or a ROI")
    add_subject(reverse)
    add_embedding(reverse)
    what = reverse.add_mutually_exclusive_group(required=True)
    what.add_argument("--roi", default="", help="ROI expression")
    what.add_argument("--voxel", default="", metavar="I,J,K", help="0-based")
    reverse.add_argument("--encoder", type=Path, default=None)
    reverse.add_argument("--generator", type=Path, default=None)
    reverse.add_argument("--n", type=int, default=10, help="pictures and words to name")
    reverse.add_argument("--seed", type=int, default=0)
    reverse.add_argument("--out", type=Path, required=True, metavar="DIR")
    reverse.set_defaults(run=when_asked("reverse_command", "run_reverse"))


def _add_evaluate(commands: Commands) -> None:
    evaluate = commands.add_parser("evaluate", help="metrics, controls and a report")
    add_subject(evaluate)
    add_embedding(evaluate)
    evaluate.add_argument("--decoder", type=Path, default=None)
    evaluate.add_argument("--generator", type=Path, default=None)
    evaluate.add_argument("--encoder", type=Path, default=None, help="of the brain correlation")
    evaluate.add_argument("--split", choices=SPLITS, default="full-40")
    evaluate.add_argument("--networks", type=Path, default=None, help="folder of feature networks")
    evaluate.add_argument("--seed", type=int, default=0)
    evaluate.add_argument("--out", type=Path, required=True, metavar="DIR")
    evaluate.set_defaults(run=when_asked("evaluate_command", "run_evaluate"))
