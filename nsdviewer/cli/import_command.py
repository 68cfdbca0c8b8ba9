"""`nsdviewer import`: a published checkpoint becomes a generator file, and nothing in it is run."""

import argparse
from pathlib import Path

from nsdviewer.cli.options import Commands, when_asked


def add_import(commands: Commands) -> None:
    """Register ``import``."""
    parser = commands.add_parser(
        "import", help="take over a published LAFITE or StyleGAN2-ADA .pkl without executing it"
    )
    parser.add_argument("file", type=Path, metavar="FILE.pkl")
    parser.add_argument(
        "--embedding", required=True,
        help="what the generator paints from, which the file does not say: for LAFITE its CLIP, "
        "open_clip:ViT-B-32-quickgelu/openai or open_clip:ViT-B-16-quickgelu/openai",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="G.safetensors")
    parser.set_defaults(run=when_asked("import_command", "run_import"))


def run_import(arguments: argparse.Namespace) -> int:
    """Import a generator and print what it is."""
    from nsdviewer.cli.data_commands import require_suffix
    from nsdviewer.jobs import StreamProgress
    from nsdviewer.models.published.importing import import_published
    from nsdviewer.models.registry import load_embedding

    require_suffix(arguments.out, ".safetensors")
    embedding = load_embedding(arguments.embedding)
    generator = import_published(
        arguments.file, arguments.out, embedding.name, embedding.dimension, StreamProgress()
    )
    print(generator.title)
    if generator.ignores_embedding:
        print(
            "it is a plain StyleGAN2: no layer uses the embedding, so pictures differ by seed only"
        )
    print(arguments.out)
    return 0
