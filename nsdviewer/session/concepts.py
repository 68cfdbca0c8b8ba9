"""From a typed idea to a map on voxels and vertices of one workspace."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from nsdviewer.data.regions.rois import load_collection, roi_mask
from nsdviewer.errors import RequestError
from nsdviewer.mapping.concepts import Term, TermKind, concept_direction, parse_concept
from nsdviewer.mapping.maps import ConceptMap, encoder_map
from nsdviewer.rendering.scene import RoiBar
from nsdviewer.session.decoding import decode_trials
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import Hemisphere, Reading

_FEWEST_VOXELS_IN_A_BAR = 3
# A vertex shows the map where at least half of what it samples is shown.
_LEAST_SHOWN_WEIGHT = 0.5


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
        inside = roi_mask(w.files, w.space, name)[tuple(decoder.ijk.T)]
        if not inside.any():
            raise RequestError(
                f"The decoder listens to no voxel of '{name}'; choose a ROI within "
                f"{decoder.header.roi}."
            )
        # The constant part of the prediction says nothing of the region.
        return np.asarray(inside.astype(np.float32) @ decoder.ridge.weights, np.float32)


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
) -> ConceptMap:
    """Return a reading of a concept over the encoder's voxels.

    Raises
    ------
    ConceptError
        If the expression names no direction.
    RequestError
        If the reading does not exist yet.
    """
    if reading is not Reading.ENCODER:
        raise RequestError(f"The reading '{reading.value}' is not yet available; choose 'encoder'.")
    direction = direction_of(workspace, expression)
    return encoder_map(workspace.encoder(encoder_path), direction, noise_ceiling_floor_pct / 100)


def to_vertices(
    workspace: Workspace, shown_map: ConceptMap
) -> dict[Hemisphere, NDArray[np.float32]]:
    """Return a map on the vertices of both hemispheres, NaN where it is not shown."""
    shown = shown_map.shown
    key = hash((shown.tobytes(), len(shown_map.ijk)))
    result = {}
    for mesh in workspace.hemispheres:
        hemisphere = mesh.hemisphere
        operator, seen = workspace.keep(
            ("shown operator", hemisphere, key),
            lambda h=hemisphere: _restrict(workspace, h, shown_map.ijk[shown]),  # type: ignore[misc]
        )
        values = operator @ shown_map.values[shown]
        result[hemisphere] = np.where(seen, values, np.nan).astype(np.float32)
    return result


def _restrict(
    workspace: Workspace, hemisphere: Hemisphere, ijk: NDArray[np.int64]
) -> tuple[sp.csr_array, NDArray[np.bool_]]:
    """Return the vertex operator over voxels `ijk`, and which vertices mostly see them."""
    operator = workspace.vertex_operator(hemisphere)
    columns = np.ravel_multi_index(tuple(ijk.T), operator.shape)
    weight = np.asarray(operator.matrix[:, columns].sum(axis=1)).ravel()
    return operator.restrict(ijk), weight >= _LEAST_SHOWN_WEIGHT


def roi_bars(
    workspace: Workspace, shown_map: ConceptMap, collections: tuple[str, ...]
) -> tuple[RoiBar, ...]:
    """Return mean and standard error over voxels of a map, by region of some collections."""
    bars = []
    for collection in collections:
        if collection not in workspace.collections:
            continue
        for name, inside in _members(workspace, collection, shown_map).items():
            values = shown_map.values[inside & shown_map.shown]
            if len(values) >= _FEWEST_VOXELS_IN_A_BAR:
                sem = float(values.std(ddof=1) / np.sqrt(len(values)))
                bars.append(RoiBar(name, float(values.mean()), sem, len(values)))
    return tuple(bars)


def _members(
    workspace: Workspace, collection: str, shown_map: ConceptMap
) -> dict[str, NDArray[np.bool_]]:
    """Region name → which of the map's voxels belong to it."""

    def make() -> dict[str, NDArray[np.bool_]]:
        loaded = load_collection(workspace.files, workspace.space, collection)
        labels = loaded.labels[tuple(shown_map.ijk.T)]
        return {name: labels == label for label, name in loaded.names.items()}

    return workspace.keep(("members", collection, len(shown_map.ijk)), make)
