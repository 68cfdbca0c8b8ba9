"""Words for what was decoded, beside how far the seen picture lies along each of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.jobs import Progress
from nsdviewer.mapping.concepts import Term, TermKind, format_concept
from nsdviewer.mapping.vocabulary import load_vocabulary, vocabulary_vectors
from nsdviewer.models.decoders.protocol import Decoder
from nsdviewer.models.embeddings import unit_rows
from nsdviewer.session.bench_scores import UNKNOWN
from nsdviewer.session.reconstruction import Reconstruction
from nsdviewer.session.workspace import Workspace

N_WORDS = 6


@dataclass(frozen=True)
class ConceptBar:
    """How far what was decoded, and what was seen, lie along one word.

    Attributes
    ----------
    decoded, true
        Cosines about the average picture; `true` is NaN where the picture has no vector.
    """

    word: str
    category: str
    decoded: float
    true: float

    @property
    def expression(self) -> str:
        """The word as a concept."""
        return format_concept((Term(1.0, TermKind.TEXT, self.word),))


def concept_bars(
    workspace: Workspace, reconstruction: Reconstruction, progress: Progress, n: int = N_WORDS
) -> tuple[ConceptBar, ...]:
    """Return the n words of the vocabulary nearest to what was decoded, the nearest first.

    Notes
    -----
    The vectors of all pictures share a large part, and those of all words another one; their cosine
    would say mostly that. So what is compared is the part of a vector at right angles to that which
    the decoder returns for the average response, and words about their mean over the vocabulary.

    Raises
    ------
    ModelUnavailableError
        If the embedding's text network is not on this machine.
    """
    vocabulary = load_vocabulary()
    vectors = workspace.keep(
        ("vocabulary", workspace.embedding.name),
        lambda: vocabulary_vectors(workspace.embedding, workspace.root.cache_folder, progress),
    )
    words = unit_rows(vectors - vectors.mean(0))
    average = average_decoded(workspace.decoder(reconstruction.state.decoder))
    decoded = words @ away_from(reconstruction.decoded, average)
    true = np.full(len(words), UNKNOWN)
    if reconstruction.true is not None:
        true = words @ away_from(reconstruction.true, average)
    best = np.argsort(-decoded, kind="stable")[:n]
    return tuple(
        ConceptBar(vocabulary.words[k], vocabulary.categories[k], float(decoded[k]), float(true[k]))
        for k in best
    )


def average_decoded(decoder: Decoder) -> NDArray[np.float32]:
    """Return (n_embedding,) what a decoder makes of the average response."""
    return np.asarray(decoder.decode(np.zeros((1, len(decoder.sites)), np.float32))[0])


def away_from(vector: NDArray[np.float32], average: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the unit part of a vector at right angles to `average`; zero where there is none."""
    part = vector - (vector @ average) * average
    return unit_rows(part) if np.linalg.norm(part) > 1e-5 else np.zeros_like(part)
