"""What scaling some regions does to what is decoded, in numbers and words."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.sites import Sites
from nsdviewer.data.regions.rois import load_collection, roi_names
from nsdviewer.errors import ConceptError, DataError, ModelUnavailableError, RequestError
from nsdviewer.jobs import Progress
from nsdviewer.mapping.vocabulary import load_vocabulary, vocabulary_vectors
from nsdviewer.models.embeddings import unit_rows
from nsdviewer.session.bench_scores import UNKNOWN, Scores, score_vectors
from nsdviewer.session.bench_trials import group_trials
from nsdviewer.session.concepts import direction_of
from nsdviewer.session.decoding import decode_responses, mean_of_valid, mean_responses
from nsdviewer.session.map_regions import members_of
from nsdviewer.session.patches import patch_sites
from nsdviewer.session.scaling import know_region, region_sites, site_factors
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import Hemisphere, Patch, ViewState

DRAWN = "drawn by hand"
# A ROI expression's names hold these; other labels are asked for by number.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_+.-]+")
# A shorter change of a unit vector is rounding, and names no words.
_LEAST_CHANGE = 1e-4


@dataclass(frozen=True)
class Region:
    """A region that a decoder listens to, as a menu offers it.

    Attributes
    ----------
    name
        What `ViewState.scaling` calls it: a ROI expression, or a patch's name.
    title, collection
        What people read; the collection of a patch is `DRAWN`.
    n_sites
        Voxels or vertices of the decoder in it.
    """

    name: str
    title: str
    collection: str
    n_sites: int


@dataclass(frozen=True)
class LesionEffect:
    """What is decoded from the same responses as measured, and with some of them scaled.

    Attributes
    ----------
    before, after
        (n_embedding,) unit vectors.
    scores_before, scores_after
        How near they come to the seen picture; NaN where the pictures cannot be embedded.
    concept, concept_before, concept_after
        The state's concept, and the cosine of what is decoded with its direction; NaN without one.
    n_touched, n_sites
        Sites of the decoder whose factor is not 1, and all of them.
    n_by_region
        (region, its sites of the decoder), in the order of the state.
    words_gained, words_lost
        Words of the vocabulary that the change leads towards and away from, strongest first; empty
        where they are not asked for or nothing changes.
    """

    before: NDArray[np.float32]
    after: NDArray[np.float32]
    scores_before: Scores
    scores_after: Scores
    concept: str
    concept_before: float
    concept_after: float
    n_touched: int
    n_sites: int
    n_by_region: tuple[tuple[str, int], ...]
    words_gained: tuple[str, ...] = ()
    words_lost: tuple[str, ...] = ()

    @property
    def likeness(self) -> float:
        """Cosine of what is decoded with that which was decoded before."""
        return float(self.before @ self.after)


def lesion_effect(workspace: Workspace, state: ViewState) -> LesionEffect:
    """Decode a state's trials from their responses as measured, and as the state scales them.

    Raises
    ------
    RequestError
        If no trial is selected, a trial or a region does not exist, or the decoder listens to
        nothing of a region.
    CheckpointError
        If no decoder is there, or it does not belong to this workspace.
    """
    if not state.trials:
        raise RequestError("Scaling a region changes what is decoded from a trial; select one.")
    decoder = workspace.decoder(state.decoder)
    factors = site_factors(workspace, state, decoder.sites)
    groups = group_trials(workspace.table, state.trials, state.average_repeats)
    responses = mean_responses(workspace, groups, decoder)
    shown = workspace.table.column("nsd_id")[[g[0] for g in groups]]
    nsd_ids = np.array(list(dict.fromkeys(shown.tolist())), np.int64)
    # The whole selection first, then its pictures one by one, which have a rank each.
    z = np.stack(
        [mean_of_valid(responses), *(mean_of_valid(responses[shown == i]) for i in nsd_ids)]
    )
    before = decode_responses(decoder, z)
    after = before if factors is None else decode_responses(decoder, z, factors)
    direction = _direction(workspace, state)
    return LesionEffect(
        before=before[0],
        after=after[0],
        scores_before=_scores(workspace, before, nsd_ids),
        scores_after=_scores(workspace, after, nsd_ids),
        concept=state.concept if direction is not None else "",
        concept_before=float(before[0] @ direction) if direction is not None else UNKNOWN,
        concept_after=float(after[0] @ direction) if direction is not None else UNKNOWN,
        n_touched=0 if factors is None else int((factors != 1).sum()),
        n_sites=len(decoder.sites),
        n_by_region=tuple(
            (name, int(region_sites(workspace, state, name, decoder.sites).sum()))
            for name, _ in state.scaling
        ),
    )


def words_of_change(
    workspace: Workspace,
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    progress: Progress,
    n_words: int = 5,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words that lie most along a change of the decoded vector, and most against it.

    Text vectors share a large common part that says nothing of any word; it is taken out.

    Raises
    ------
    ModelUnavailableError
        If the embedding's text network is not on this machine.
    """
    change = after.astype(np.float64) - before
    if np.linalg.norm(change) < _LEAST_CHANGE:
        return (), ()
    vocabulary = load_vocabulary()
    vectors = workspace.keep(
        ("vocabulary", workspace.embedding.name),
        lambda: vocabulary_vectors(workspace.embedding, workspace.root.cache_folder, progress),
    )
    along = unit_rows(vectors - vectors.mean(axis=0)) @ change
    order = np.argsort(along, kind="stable")
    gained = tuple(vocabulary.words[k] for k in order[::-1][:n_words] if along[k] > 0)
    lost = tuple(vocabulary.words[k] for k in order[:n_words] if along[k] < 0)
    return gained, lost


def heard_regions(
    workspace: Workspace, sites: Sites, patches: tuple[Patch, ...] = ()
) -> tuple[Region, ...]:
    """Return the regions that hold any of a decoder's sites: patches, then collection by collection."""
    found: list[Region] = []
    for patch in patches:
        with suppress(DataError):
            n = int(patch_sites(workspace, patch, sites).sum())
            found.append(Region(patch.name, patch.name, DRAWN, n))
    for collection in workspace.collections:
        # Of a collection that cannot be read, other views have warned.
        with suppress(DataError):
            for region in _members(workspace, collection, sites):
                # Read here it need not be read again when it is chosen.
                know_region(workspace, region.name)
                found.append(region)
    return tuple(region for region in found if region.n_sites)


def _members(workspace: Workspace, collection: str, sites: Sites) -> Iterator[Region]:
    known = workspace.keep("roi names", lambda: roi_names(workspace.files, workspace.space))
    for title, inside in members_of(workspace, collection, sites).items():
        is_first = known.get(title, ("", 0))[0] == collection
        name = title if is_first else f"{collection}:{title}"
        if not _PLAIN_NAME.fullmatch(title):
            name = f"{collection}:{_number_of(workspace, collection, title)}"
        yield Region(name, title, collection, int(inside.sum()))


def _number_of(workspace: Workspace, collection: str, title: str) -> int:
    side = None if workspace.is_volume else Hemisphere.LEFT
    names = load_collection(workspace.files, workspace.space, collection, side).names
    return next(number for number, name in names.items() if name == title)


def _scores(
    workspace: Workspace, vectors: NDArray[np.float32], nsd_ids: NDArray[np.int64]
) -> Scores:
    try:
        true = workspace.image_embeddings(nsd_ids)
        test_ids = workspace.test_nsd_ids
        test = workspace.image_embeddings(test_ids)
    except (DataError, RequestError, ModelUnavailableError):
        # Without pictures there is nothing to be near to; what changes still has words.
        return Scores()
    return score_vectors(vectors[0], vectors[1:], nsd_ids, true, test_ids, test)


def _direction(workspace: Workspace, state: ViewState) -> NDArray[np.float32] | None:
    if not state.concept:
        return None
    try:
        return direction_of(workspace, state.concept, state.decoder)
    except ConceptError:
        # What is wrong with a concept is said beside its box.
        return None
