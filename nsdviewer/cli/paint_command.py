"""The command that paints embeddings, words or photographs, without a brain."""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nsdviewer.cli.options import Commands, when_asked
from nsdviewer.errors import RequestError
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
    from nsdviewer.models.registry import load_embedding
    from nsdviewer.session.galleries import between, paint_gallery, read_numbers, read_vectors

    seeds = read_numbers(arguments.seeds)
    painter = load_painter(arguments.generator, arguments.device, arguments.offload)
    vectors: list[NDArray[np.float32]] = []
    titles: list[str] = []
    if arguments.vectors is not None:
        read, names = read_vectors(arguments.vectors, arguments.key, arguments.rows)
        vectors, titles = [read], names
    if arguments.text or arguments.image:
        from nsdviewer.data.pictures.opening import open_picture

        embedding = load_embedding(painter.embedding)
        if arguments.text:
            vectors.append(embedding.encode_texts(arguments.text))
        if arguments.image:
            pictures = [open_picture(path, path.name) for path in arguments.image]
            vectors.append(embedding.encode_images(pictures))
        titles += [f'"{text}"' for text in arguments.text]
        titles += [path.stem for path in arguments.image]
    if not vectors:
        raise RequestError(
            "There is nothing to paint; name a file of embeddings, --text or --image."
        )
    if len({v.shape[1] for v in vectors}) > 1:
        raise RequestError(
            f"{arguments.vectors} holds another embedding than the generator's "
            f"'{painter.embedding}'; name another generator or file."
        )
    embeddings = np.concatenate(vectors)
    if arguments.between is not None:
        embeddings, titles = between(embeddings, titles, arguments.between)
    gallery = paint_gallery(painter, embeddings, titles, seeds, StreamProgress())
    arguments.out.mkdir(parents=True, exist_ok=True)
    for row, pictures in enumerate(gallery.pictures):
        for seed, picture in zip(seeds, pictures, strict=True):
            with atomic_path(arguments.out / f"painted_{row:05d}_seed{seed}.png") as path:
                Image.fromarray(picture).save(path, format="PNG")
    _write_sheet(gallery.pictures, arguments.out / "sheet.png")
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


def _write_sheet(pictures: NDArray[np.uint8], path: Path) -> None:
    """Write rows × seeds as one picture; one seed is laid out as a strip of at most twelve."""
    n_rows, n_seeds, side = pictures.shape[:3]
    if n_seeds == 1:
        n_columns = min(n_rows, 12)
        padded = np.zeros((-(-n_rows // n_columns) * n_columns, *pictures.shape[2:]), np.uint8)
        padded[:n_rows] = pictures[:, 0]
        pictures = padded.reshape(-1, n_columns, *pictures.shape[2:])
    rows, columns = pictures.shape[:2]
    sheet = pictures.transpose(0, 2, 1, 3, 4).reshape(rows * side, columns * side, 3)
    with atomic_path(path) as temporary:
        Image.fromarray(sheet).save(temporary, format="PNG")
