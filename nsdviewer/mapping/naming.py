"""A vocabulary made ready to name directions of the embedding with."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.mapping.preference import NamedDirections, NearestWords
from nsdviewer.mapping.vocabulary import Vocabulary

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class WordAxes:
    """What does not depend on the direction that is named.

    Attributes
    ----------
    axes
        (n_words, d) unit text vectors, centred across the vocabulary.
    best_random
        (n_draws,) ascending: cosine of random directions with the word nearest to each.
    """

    vocabulary: Vocabulary
    axes: Doubles
    best_random: Doubles

    def nearest(self, direction: NDArray[np.floating], n_words: int = 12) -> NearestWords:
        """Return the words nearest to a direction (d,) of any length but 0."""
        cosine = self.axes @ (direction / np.linalg.norm(direction))
        order = np.argsort(-cosine, kind="stable")[:n_words]
        n_draws = len(self.best_random)
        n_nearer = n_draws - np.searchsorted(self.best_random, cosine[order], side="left")
        return NearestWords(
            tuple(self.vocabulary.words[k] for k in order),
            tuple(self.vocabulary.categories[k] for k in order),
            cosine[order].astype(np.float32),
            (1 + n_nearer) / (1 + n_draws),
        )


def word_axes(
    named: NamedDirections, covariance: Doubles, rng: np.random.Generator, n_draws: int = 2000
) -> WordAxes:
    """Return the axes of a vocabulary, and how near the best word of a random direction is.

    Text vectors share a large common part: the embeddings of all texts lie in a narrow cone. A
    direction's cosine with that part would be the same for every word and hide their differences,
    so it is taken out by centring across the vocabulary. Random directions follow the covariance
    of picture embeddings, as the weights of a strongly regularised fit to noise do: in fewer
    dimensions than the embedding has, some word is always near.

    Parameters
    ----------
    covariance
        (d, d) of the training embeddings.
    """
    words = np.asarray(named.vectors, np.float64)
    words = words - words.mean(axis=0)
    norm = np.linalg.norm(words, axis=1, keepdims=True)
    words = words / np.where(norm > 0, norm, 1)
    variances, axes = np.linalg.eigh(covariance)
    random = rng.standard_normal((n_draws, len(axes))) * np.sqrt(variances.clip(min=0)) @ axes.T
    random /= np.linalg.norm(random, axis=1, keepdims=True)
    return WordAxes(named.vocabulary, words, np.sort((random @ words.T).max(axis=1)))
