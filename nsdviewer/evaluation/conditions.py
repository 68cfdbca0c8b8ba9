"""What is scored: the test pictures, and pictures and vectors made from one thing or another."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError
from nsdviewer.evaluation.catalogue import ConditionKind
from nsdviewer.evaluation.pictures import PictureSource, ReorderedPictures

Embeddings = NDArray[np.float32]


@dataclass(frozen=True)
class TestPictures:
    """What was seen.

    Attributes
    ----------
    nsd_ids
        (n,) one a picture, each once, in any order.
    pictures
        The n pictures as shown.
    embeddings
        (n, d) vectors of the embedding at hand.
    """

    nsd_ids: NDArray[np.int64]
    pictures: PictureSource
    embeddings: Embeddings

    # The name starts with "Test", which pytest would take for a class of tests.
    __test__ = False

    @property
    def n(self) -> int:
        """How many pictures."""
        return len(self.nsd_ids)


@dataclass(frozen=True)
class Condition:
    """Reconstructions of the test pictures, in their order.

    Attributes
    ----------
    embeddings
        (n, d) vectors that the pictures were painted from; None where there are none.
    pictures
        None where nothing was painted.
    how
        How it was made, in a sentence, where that needs saying.
    """

    kind: ConditionKind
    embeddings: Embeddings | None
    pictures: PictureSource | None
    how: str = ""


@dataclass(frozen=True)
class EmbeddingAtHand:
    """The embedding that decoder and generator speak.

    Attributes
    ----------
    title
        What people read, for example ``ConSE (…), not CLIP``.
    encode
        Pictures in bytes → (n, d) vectors; None where pictures are not to be embedded again.
    """

    title: str
    encode: Callable[[Sequence[NDArray[np.uint8]]], Embeddings] | None = None


@dataclass(frozen=True)
class BrainResponses:
    """What the brain correlation needs.

    Attributes
    ----------
    measured
        (n, n_voxels) responses to the test pictures in their order, averaged over repetitions.
    predict
        The encoder: (n, d) vectors → (n, n_voxels) responses.
    rois
        (n_voxels,) masks by name.
    """

    measured: NDArray[np.float32]
    predict: Callable[[Embeddings], NDArray[np.float32]]
    rois: Mapping[str, NDArray[np.bool_]]


def require_fitting(
    test: TestPictures, conditions: Sequence[Condition], brain: BrainResponses | None
) -> None:
    """Raise `RequestError` where something does not have one entry a test picture."""
    n = test.n
    if n < 2:
        raise RequestError(
            f"{n} test {'picture' if n == 1 else 'pictures'} cannot be told apart; name two or more."
        )
    unique, counts = np.unique(test.nsd_ids, return_counts=True)
    if len(unique) < n:
        raise RequestError(
            f"Test picture {unique[counts > 1][0]} is listed {counts.max()} times; average its "
            "repetitions, or choose one, before it is scored."
        )
    _require_rows("test pictures", n, test.pictures.n_pictures, len(test.embeddings))
    kinds = [c.kind for c in conditions]
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise RequestError(f"The condition '{kind.title}' is handed over twice; choose one.")
    for condition in conditions:
        _require_condition(test, condition)
    if brain is None:
        return
    _require_rows("measured responses", n, len(brain.measured))
    for roi, mask in brain.rois.items():
        if len(mask) != brain.measured.shape[1]:
            raise RequestError(
                f"The mask of {roi} has {len(mask)} voxels and the responses have "
                f"{brain.measured.shape[1]}; take both from one set of voxels."
            )


def _require_condition(test: TestPictures, condition: Condition) -> None:
    name = condition.kind.title
    if condition.pictures is not None:
        _require_rows(f"pictures of '{name}'", test.n, condition.pictures.n_pictures)
    if condition.embeddings is None:
        return
    _require_rows(f"vectors of '{name}'", test.n, len(condition.embeddings))
    if condition.embeddings.shape[1:] != test.embeddings.shape[1:]:
        raise RequestError(
            f"The vectors of '{name}' have {condition.embeddings.shape[1]} numbers and those of "
            f"the test pictures {test.embeddings.shape[1]}; both must come from one embedding."
        )


def _require_rows(what: str, n: int, *found: int) -> None:
    for count in found:
        if count != n:
            raise RequestError(
                f"There are {n} test picture ids but {count} {what}; hand over one for each."
            )


def ordered(
    test: TestPictures, conditions: Sequence[Condition], brain: BrainResponses | None
) -> tuple[TestPictures, list[Condition], BrainResponses | None]:
    """Return everything in ascending order of nsd_id, so that no figure depends on the order."""
    order = np.argsort(test.nsd_ids, kind="stable")
    if (order == np.arange(len(order))).all():
        return test, list(conditions), brain
    arranged = TestPictures(
        test.nsd_ids[order], ReorderedPictures(test.pictures, order), test.embeddings[order]
    )
    if brain is not None:
        brain = replace(brain, measured=brain.measured[order])
    return arranged, [reordered(c, order) for c in conditions], brain


def reordered(condition: Condition, order: NDArray[np.int64]) -> Condition:
    """Return a condition whose entry i is the given one's entry order[i]."""
    embeddings, pictures = condition.embeddings, condition.pictures
    return replace(
        condition,
        embeddings=None if embeddings is None else embeddings[order],
        pictures=None if pictures is None else ReorderedPictures(pictures, order),
    )
