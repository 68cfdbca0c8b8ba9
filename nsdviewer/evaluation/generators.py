"""How good a generator is: what it paints of photographs that it was never trained on.

A photograph's embedding is painted and the picture embedded again. A generator that paints what an
embedding means brings the photograph's own vector back rather than another photograph's. Beside
that stand controls, the nearest training photograph of each output, and FID and KID.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.pictures.opening import UnusablePictureError
from nsdviewer.errors import DataWarning, RequestError
from nsdviewer.evaluation.assessment import (
    Assessment,
    Compared,
    Pixels,
    Road,
    Searched,
    Shown,
)
from nsdviewer.evaluation.copying import CopyThreshold, Nearest, find_nearest, training_views
from nsdviewer.evaluation.distances import Distances, PictureFeatures, compare, summarise
from nsdviewer.evaluation.generator_features import AssessmentFeatures
from nsdviewer.evaluation.generator_pictures import (
    Photographs,
    SomePhotographs,
    square,
    square_batches,
    squares,
)
from nsdviewer.evaluation.identification import (
    Identification,
    Shuffled,
    derangements,
    identify,
    shuffled_identification,
)
from nsdviewer.jobs import PartProgress, Progress, SilentProgress
from nsdviewer.models.embeddings import Embedding, unit_rows
from nsdviewer.models.painter import Painter

Vectors = NDArray[np.float32]

N_SEEDS = 4
N_SHUFFLES = 100
# Photographs are embedded at about the size that embeddings see them at.
_EMBEDDED_SIDE_PX = 256
_SHOWN_SIDE_PX = 128
_MOST_SHOWN = 60
_MOST_TRAINING_PAINTED = 200
_BATCH = 32
# One draw of 45 pictures strays from chance by 4 %; the mean of eight by 1.5 %.
N_PAINTED_ANEW = 8

# One picture under two names; two crops of one photograph have less in common.
_TWIN_COSINE = 1 - 1e-5


@dataclass(frozen=True)
class _Known:
    """The photographs that can be read, and their vectors.

    Attributes
    ----------
    order
        (n_held_out,) whose vector each held-out photograph gets in the shuffled control.
    painted
        Which training photographs' vectors are painted.
    """

    held_out: Photographs
    training: Photographs
    true: Vectors
    training_vectors: Vectors
    order: NDArray[np.int64]
    painted: NDArray[np.int64]


@dataclass(frozen=True)
class _Painted:
    """Pictures; `outputs` has one row of pictures a seed, `mean` is a single one."""

    outputs: Pixels
    shuffled: Pixels
    training: Pixels
    mean: Pixels


def assess_generator(
    painter: Painter,
    embedding: Embedding,
    held_out: Photographs,
    training: Photographs,
    seed: int = 0,
    progress: Progress | None = None,
    features: AssessmentFeatures | None = None,
    n_seeds: int = N_SEEDS,
) -> Assessment:
    """Return how good a generator is on photographs that it was never trained on.

    Parameters
    ----------
    held_out
        Two or more, none of which the generator has seen; figures hold from about 50. One that
        cannot be read is left out with a `DataWarning`, among the training photographs too.
    training
        What it was trained on, two or more.
    seed
        Of the painter's noise (then seed + 1, …), of crops and of shuffles.
    features
        The networks to judge with; those on this machine where left out.

    Raises
    ------
    CheckpointError
        If the generator paints from another embedding.
    RequestError
        If there are too few photographs, or a name stands in both sets.
    """
    progress = progress or SilentProgress()
    painter.require(embedding.name)
    features = features or AssessmentFeatures.on_this_machine()
    seeds = tuple(range(seed, seed + n_seeds))
    known = _know(embedding, held_out, training, seed, PartProgress(progress, 0, 0.15))
    painted = _paint(painter, known, seeds, PartProgress(progress, 0.15, 0.6))
    progress.report(0.6, "embedding what was painted")
    again = [embedding.encode_images(list(pictures)) for pictures in painted.outputs]
    small = squares(known.held_out, range(len(known.held_out)), painter.resolution)
    roads = _roads(embedding, known, painted, small)
    shuffled = _shuffled(embedding, painter, known, painted, again[0], seed)
    nearest, threshold = _search(
        known, painted, small, features.copies, seed, PartProgress(progress, 0.7, 0.9)
    )
    progress.report(0.9, "FID and KID")
    distances = _distances(known, painted, small, features.distances)
    shown = _shown(known, painted, nearest[Searched.OUTPUTS], threshold, seed)
    own = nearest[Searched.TRAINING_OUTPUTS].photograph == known.painted
    progress.report(1.0, f"{painter.name} assessed")
    return Assessment(
        painter.name, painter.path.name, embedding.title, painter.resolution, seeds,
        known.held_out.names, known.training.names,
        tuple(identify(known.true, vectors) for vectors in again),
        roads, shuffled, threshold, nearest, float(own.mean()), distances, shown,
    )  # fmt: skip


def _know(
    embedding: Embedding,
    held_out: Photographs,
    training: Photographs,
    seed: int,
    progress: Progress,
) -> _Known:
    both = set(held_out.names) & set(training.names)
    if both:
        raise RequestError(
            f"{sorted(both)[0]} is among the training and the held-out photographs; a generator "
            "is judged on what it has not seen: take it out of one."
        )
    share = len(held_out) / max(len(held_out) + len(training), 1)
    left, true = _embed(embedding, held_out, PartProgress(progress, 0, share))
    right, vectors = _embed(embedding, training, PartProgress(progress, share, 1))
    for what, found in (("held-out", left), ("training", right)):
        if len(found) < 2:
            raise RequestError(
                f"A generator is judged on two or more {what} photographs that can be read (figures "
                f"hold from about 50), and there is {len(found)}; name another folder."
            )
    _warn_of_twins(left, true, right, vectors)
    drawn = np.random.default_rng([seed, 78]).permutation(len(right))
    order = next(derangements(len(left), 1, seed))
    return _Known(left, right, true, vectors, order, np.sort(drawn[:_MOST_TRAINING_PAINTED]))


def _warn_of_twins(
    held_out: Photographs, true: Vectors, training: Photographs, vectors: Vectors
) -> None:
    """Say so where a held-out photograph has the vector of a training photograph."""
    cosine = true @ vectors.T
    for index in np.flatnonzero(cosine.max(1) > _TWIN_COSINE):
        twin = training.names[int(cosine[index].argmax())]
        warnings.warn(
            f"The held-out {held_out.names[int(index)]} has the embedding of the training picture "
            f"{twin}; where both are one picture, hold both out and train again.",
            DataWarning,
            stacklevel=2,
        )


def _embed(
    embedding: Embedding, photographs: Photographs, progress: Progress
) -> tuple[Photographs, Vectors]:
    """Return those photographs that can be read, and their (n, d) vectors."""
    positions: list[int] = []
    rows, batch = [np.zeros((0, embedding.dimension), np.float32)], []
    n = len(photographs)
    for index in range(n):
        progress.report(index / n, f"embedding photographs, {index} of {n}")
        try:
            batch.append(square(photographs, index, _EMBEDDED_SIDE_PX))
            positions.append(index)
        except UnusablePictureError as error:
            warnings.warn(f"{error} It is left out.", DataWarning, stacklevel=2)
        if batch and (len(batch) == _BATCH or index == n - 1):
            rows.append(embedding.encode_images(batch))
            batch = []
    return SomePhotographs(photographs, np.array(positions, np.int64)), np.concatenate(rows)


def _paint(painter: Painter, known: _Known, seeds: tuple[int, ...], progress: Progress) -> _Painted:
    vectors = known.training_vectors
    wanted = [(known.true, seed) for seed in seeds]
    wanted += [
        (known.true[known.order], seeds[0]),
        (vectors[known.painted], seeds[0]),
        (unit_rows(vectors.mean(0, keepdims=True)), seeds[0]),
    ]
    total, done, painted = sum(len(rows) for rows, _ in wanted), 0, []
    for rows, seed in wanted:
        part = PartProgress(progress, done / total, (done + len(rows)) / total)
        part.report(0, f"painting, {done} of {total}")
        painted.append(painter.paint(rows, seed, part))
        done += len(rows)
    *outputs, shuffled, training, mean = painted
    return _Painted(np.stack(outputs), shuffled, training, mean)


def _roads(
    embedding: Embedding, known: _Known, painted: _Painted, small: Pixels
) -> dict[Road, Identification]:
    nearest = (known.true @ known.training_vectors.T).argmax(1)

    def road(pictures: Pixels) -> Identification:
        return identify(known.true, embedding.encode_images(list(pictures)))

    mean = embedding.encode_images(list(painted.mean))
    return {
        Road.PHOTOGRAPH: road(small),
        Road.NEAREST: identify(known.true, known.training_vectors[nearest]),
        Road.NEAREST_SMALL: road(squares(known.training, nearest, small.shape[1])),
        Road.MEAN: identify(known.true, np.repeat(mean, len(known.true), axis=0)),
        Road.TRAINING: identify(
            known.training_vectors[known.painted], embedding.encode_images(list(painted.training))
        ),
    }


def _shuffled(
    embedding: Embedding,
    painter: Painter,
    known: _Known,
    painted: _Painted,
    again: Vectors,
    seed: int,
) -> Shuffled:
    further = list(derangements(len(known.true), N_PAINTED_ANEW - 1, seed + 1))
    pictures = [painted.shuffled, *(painter.paint(known.true[o], seed) for o in further)]
    anew = [embedding.encode_images(list(rows)) for rows in pictures]
    orders = [known.order, *further]
    return shuffled_identification(known.true, again, orders, anew, N_SHUFFLES, seed)


def _search(
    known: _Known,
    painted: _Painted,
    small: Pixels,
    network: PictureFeatures,
    seed: int,
    progress: Progress,
) -> tuple[dict[Searched, Nearest], CopyThreshold]:
    pictures = {
        Searched.OUTPUTS: painted.outputs[0],
        Searched.TRAINING_OUTPUTS: painted.training,
        Searched.PHOTOGRAPHS: small,
    }
    found, threshold = find_nearest(
        list(pictures.values()), known.training, network, seed, progress
    )
    return dict(zip(pictures, found, strict=True)), threshold


def _distances(
    known: _Known, painted: _Painted, small: Pixels, network: PictureFeatures
) -> dict[Compared, Distances]:
    held_out = summarise([small], network)
    training = summarise(square_batches(known.training, small.shape[1]), network)
    return {
        Compared.HELD_OUT: compare(held_out, summarise([painted.training], network), network),
        Compared.TRAINING: compare(training, summarise([painted.outputs[0]], network), network),
        Compared.REAL: compare(training, held_out, network),
    }


def _shown(
    known: _Known, painted: _Painted, nearest: Nearest, threshold: CopyThreshold, seed: int
) -> Shown:
    n = len(known.held_out)
    positions = np.unique(np.linspace(0, n - 1, min(n, _MOST_SHOWN)).round().astype(np.int64))
    views = []
    for position in positions:
        where = int(nearest.photograph[position])
        photograph = known.training.open(where)
        seen = training_views(photograph, where, threshold.n_crops_each, seed)
        views.append(seen[nearest.view[position]].of(photograph, _SHOWN_SIDE_PX))
    return Shown(
        positions,
        squares(known.held_out, positions, _SHOWN_SIDE_PX),
        np.stack(views),
        painted.outputs[:, positions],
        squares(known.held_out, known.order[positions], _SHOWN_SIDE_PX),
        painted.shuffled[positions],
    )
