"""The words that a voxel's encoder weights are nearest to, quickly enough for a click."""

import numpy as np

from nsdviewer.jobs import Progress
from nsdviewer.mapping.naming import WordAxes, word_axes
from nsdviewer.mapping.preference import NamedDirections, NearestWords
from nsdviewer.mapping.vocabulary import load_vocabulary, vocabulary_vectors
from nsdviewer.session.cursor import Voxel
from nsdviewer.session.voxels import column_of
from nsdviewer.session.workspace import Workspace

# That of `nsdviewer reverse`, so that both say the same of chance.
_SEED = (0, 40)


def words_of_voxel(
    workspace: Workspace, ijk: Voxel, progress: Progress, n_words: int = 6, encoder_path: str = ""
) -> NearestWords | None:
    """Return the words nearest to a voxel's encoder weights; None where the encoder has none.

    They are those of `nsdviewer.session.reversing.preference` for the same voxel. The vocabulary
    is embedded at the first question about an encoder.

    Raises
    ------
    CheckpointError
        If there is no encoder.
    ModelUnavailableError
        If the embedding's text network is not on this machine.
    """
    encoder = workspace.encoder(encoder_path)
    column = column_of(encoder, workspace, ijk)
    if column < 0:
        return None
    direction = encoder.ridge.weights[:, column]
    if not np.isfinite(direction).all() or not direction.any():
        return None
    axes = workspace.keep(
        ("word axes", encoder_path), lambda: _axes(workspace, encoder.train_ids, progress)
    )
    return axes.nearest(direction, n_words)


def _axes(workspace: Workspace, train_ids: np.ndarray, progress: Progress) -> WordAxes:
    folder = workspace.root.cache_folder
    named = NamedDirections(
        load_vocabulary(), vocabulary_vectors(workspace.embedding, folder, progress)
    )
    pictures = workspace.image_embeddings(train_ids, progress)
    covariance = np.cov(pictures.T.astype(np.float64))
    return word_axes(named, covariance, np.random.default_rng(_SEED))
