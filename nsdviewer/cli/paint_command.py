"""The command that paints embeddings, words or photographs, without a brain."""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nsdviewer.cli.options import Commands, when_asked
from nsdviewer.files import atomic_path, write_json
from nsdviewer.jobs import StreamProgress


def add_paint(commands: Commands) -> None:
    """Register ``paint``."""
    paint = commands.add_parser(
        "paint",
        help="paint embeddings, words or photographs: seeds, batches, the way between two",
    )
    paint.add_argument(
        "vectors", type=Path, nargs="?", metavar="VECTORS.npz",
        help="embeddings, for example what decode writes",
    )  # fmt: skip
    paint.add_argument("--key", default="", help="array of the .npz; decoded")
    paint.add_argument("--rows", default="", metavar="0,5,8:12", help="rows to paint; all")
    paint.add_argument(
        "--text", action="append", default=[], help="paint what a photo of TEXT would show"
    )
    paint.add_argument(
        "--image", type=Path, action="append", default=[], help="paint a photograph's embedding"
    )
    paint.add_argument(
        "--seeds", default="0", metavar="0:8", help="of the noise: a picture for each"
    )
    paint.add_argument(
        "--between", type=int, default=None, metavar="N", help="N pictures from the first to the second"
    )  # fmt: skip
    add_generator(paint)
    paint.add_argument("--out", type=Path, required=True, metavar="DIR")
    paint.set_defaults(run=when_asked("paint_command", "run_paint"))


def add_generator(command: argparse.ArgumentParser) -> None:
    """Add which generator paints, and where."""
    command.add_argument(
        "--generator", type=Path, default=None,
        help="lafite (shipped, usual), flow (shipped), a file, or a folder of a diffusers pipeline",
    )  # fmt: skip
    command.add_argument("--device", default="auto", help="cpu, cuda or mps; the best there is")
    command.add_argument(
        "--offload", choices=("none", "model", "sequential"), default="none",
        help="of a pipeline of diffusers: what waits in main memory while others are on the GPU",
    )  # fmt: skip


def run_paint(arguments: argparse.Namespace) -> int:
    """Paint."""
    from nsdviewer.models.painting import load_painter
    from nsdviewer.session.galleries import (
        between,
        gather_embeddings,
        lay_out,
        paint_gallery,
        read_numbers,
        read_vectors,
    )

    seeds = read_numbers(arguments.seeds)
    painter = load_painter(arguments.generator, arguments.device, arguments.offload)
    vectors = None
    if arguments.vectors is not None:
        vectors = read_vectors(arguments.vectors, arguments.key, arguments.rows)
    embeddings, titles = gather_embeddings(painter, vectors, arguments.text, arguments.image)
    if arguments.between is not None:
        embeddings, titles = between(embeddings, titles, arguments.between)
    gallery = paint_gallery(painter, embeddings, titles, seeds, StreamProgress())
    arguments.out.mkdir(parents=True, exist_ok=True)
    for row, pictures in enumerate(gallery.pictures):
        for seed, picture in zip(seeds, pictures, strict=True):
            _write(picture, arguments.out / f"painted_{row:05d}_seed{seed}.png")
    _write(lay_out(gallery.pictures), arguments.out / "sheet.png")
    document = {
        "generator": painter.name,
        "generator_path": str(painter.path),
        "embedding": painter.embedding,
        "rows": titles,
        "seeds": seeds,
    }
    write_json(arguments.out / "painted.json", document)
    print(arguments.out)
    return 0


def _write(picture: NDArray[np.uint8], path: Path) -> None:
    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")
