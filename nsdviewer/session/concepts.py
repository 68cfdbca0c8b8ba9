"""From a typed idea to a map on voxels and vertices of one workspace."""

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.reliability import noise_ceiling
from nsdviewer.data.betas.sites import Sites, Voxels, columns_in
from nsdviewer.data.trials.table import FULL_SPLIT
from nsdviewer.errors import CheckpointError, RequestError
from nsdviewer.mapping.concepts import Term, TermKind, concept_direction, parse_concept
from nsdviewer.mapping.maps import ConceptMap, decoder_map, encoder_map, pattern_map
from nsdviewer.models.decoders.protocol import Decoder
from nsdviewer.session.decoding import decode_trials
from nsdviewer.session.responses import averaged_responses
from nsdviewer.session.vertex_maps import require_vertices, sites_to_vertices
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import Hemisphere, Reading


class WorkspaceTerms:
    """Finds the vectors of concept terms in a workspace; a `TermSource`."""

    def __init__(self, workspace: Workspace, decoder_path: str = "") -> None:
        self._workspace = workspace
        self._decoder_path = decoder_path

    def unknown_words(self, text: str) -> list[str]:
        """Return the words that the embedding's text network does not know."""
        return self._workspace.embedding.unknown_words(text)

    def term_vector(self, term: Term) -> NDArray[np.float32]:
        """Return the vector (n_embedding,) of one term."""
        w = self._workspace
        if term.kind is TermKind.TEXT:
            text = term.value
            return w.keep(("text", text), lambda: np.asarray(w.embedding.encode_texts([text])[0]))
        if term.kind is TermKind.IMAGE:
            return np.asarray(w.image_embeddings(np.array([int(term.value)]))[0])
        if term.kind is TermKind.TRIAL:
            trial = np.array([int(term.value)])
            return np.asarray(decode_trials(w, trial, self._decoder_path)[0])
        return self._roi_vector(term.value)

    def _roi_vector(self, name: str) -> NDArray[np.float32]:
        """Decode a ROI's pattern: one deviation up in its voxels, all others at their mean."""
        w = self._workspace
        decoder = w.decoder(self._decoder_path)
        inside = w.inside(name, decoder.sites)
        if not inside.any():
            raise RequestError(
                f"The decoder listens to no voxel of '{name}'; choose a ROI within "
                f"{decoder.header.roi}."
            )
        # The constant part of the prediction says nothing of the region.
        return np.asarray(decoder.displace(inside.astype(np.float32)[None])[0], np.float32)


def direction_of(
    workspace: Workspace, expression: str, decoder_path: str = ""
) -> NDArray[np.float32]:
    """Return the unit direction (n_embedding,) of a concept expression.

    Raises
    ------
    ConceptError
        If it is empty, unreadable, unknown or cancels out.
    """
    return concept_direction(parse_concept(expression), WorkspaceTerms(workspace, decoder_path))


def search_trials(workspace: Workspace, text: str, trials: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return `trials` ordered by how well their picture fits a concept, best first."""
    direction = direction_of(workspace, text)
    nsd_ids = workspace.table.column("nsd_id")[trials]
    scores = workspace.image_embeddings(nsd_ids) @ direction
    return np.asarray(trials[np.argsort(-scores, kind="stable")])


def concept_map(
    workspace: Workspace,
    expression: str,
    noise_ceiling_floor_pct: float,
    reading: Reading = Reading.ENCODER,
    encoder_path: str = "",
    decoder_path: str = "",
) -> ConceptMap:
    """Return a reading of a concept over the voxels or vertices of the model it is read from.

    Raises
    ------
    ConceptError
        If the expression names no direction.
    CheckpointError
        If the model is missing, or fitted for something else.
    """
    direction = direction_of(workspace, expression, decoder_path)
    floor = noise_ceiling_floor_pct / 100
    if reading is Reading.ENCODER:
        return encoder_map(workspace.encoder(encoder_path), direction, floor)
    decoder = workspace.decoder(decoder_path)
    shown = decoder_ceiling(workspace, decoder) >= floor
    z = training_z(workspace, decoder)
    if reading is Reading.DECODER:
        return decoder_map(decoder, direction, shown, z)
    return pattern_map(decoder, direction, z, shown)


def training_z(workspace: Workspace, decoder: Decoder) -> NDArray[np.float32]:
    """Return (n_images, n_sites) the averaged responses that a decoder was fitted on.

    Raises
    ------
    CheckpointError
        If its ROI holds other voxels now.
    """
    data = averaged_responses(workspace, decoder.header.roi, decoder.header.split or FULL_SPLIT)
    _require_same_sites(data.train.sites, decoder)
    return workspace.keep(("training z", id(decoder)), data.train.whole)


def decoder_ceiling(workspace: Workspace, decoder: Decoder) -> NDArray[np.float32]:
    """Return (n_sites,) the noise ceiling of a decoder's sites, 0 where it is undefined."""
    roi = decoder.header.roi
    data = averaged_responses(workspace, roi, decoder.header.split or FULL_SPLIT)
    _require_same_sites(data.train.sites, decoder)
    n_repeats = data.test.n_repeats if data.test is not None else np.array([1])
    return np.nan_to_num(noise_ceiling(workspace.ncsnr(roi), n_repeats))


def _require_same_sites(sites: Sites, decoder: Decoder) -> None:
    columns = columns_in(sites, decoder.sites)
    if len(sites) != len(decoder.sites) or (columns != np.arange(len(columns))).any():
        raise CheckpointError(
            f"The ROI '{decoder.header.roi}' holds other voxels now than when the decoder was "
            "fitted; fit it again."
        )


def to_vertices(
    workspace: Workspace, shown_map: ConceptMap
) -> dict[Hemisphere, NDArray[np.float32]]:
    """Return a map on the vertices of both hemispheres, NaN where it is not shown.

    Vertices are the subject's own; a map of fsaverage's stays on those.

    Raises
    ------
    DataError
        If the subject has no surfaces, or no transform file leads to them.
    """
    if isinstance(shown_map.sites, Voxels):
        require_vertices(workspace)
    return sites_to_vertices(workspace, shown_map.sites, shown_map.values, shown_map.shown)
