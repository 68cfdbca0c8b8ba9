"""How sure a concept map is: tests, intervals, reliability and controls for one workspace.

Only sites whose noise ceiling reaches the floor are tested. That choice uses the agreement between
repetitions, which permuting pictures does not touch, so it costs the tests nothing.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.trials.table import FULL_SPLIT
from nsdviewer.errors import RequestError
from nsdviewer.jobs import PartProgress, Progress
from nsdviewer.mapping.maps import ConceptMap, Evidence
from nsdviewer.mapping.statistics.banded import banded_encoder_reading
from nsdviewer.mapping.statistics.bootstrap import bootstrap_intervals
from nsdviewer.mapping.statistics.nulls import assess_encoder_map
from nsdviewer.mapping.statistics.permutation import PermutationResult, permutation_test
from nsdviewer.mapping.statistics.readings import decoder_reading, pattern_reading
from nsdviewer.mapping.statistics.selected import SelectedResponses
from nsdviewer.mapping.statistics.thresholds import Control, Threshold, excludes_zero
from nsdviewer.models.contrast_features import FeatureScale, stimulus_contrast
from nsdviewer.models.decoders.linear import LinearDecoder
from nsdviewer.models.encoder import Encoder
from nsdviewer.scheduling import Scheduler
from nsdviewer.session.concepts import concept_map, direction_of
from nsdviewer.session.fitting import voxel_scales
from nsdviewer.session.possible import require_possible
from nsdviewer.session.responses import Averaged, averaged_responses
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import Null, Reading, ViewState

_CONTROLS = {
    Control.FDR: "false discovery rate ≤ {level:g}",
    Control.FWE: "family-wise error ≤ {level:g} by the maximum statistic",
    Control.UNCORRECTED: "p ≤ {level:g}, uncorrected",
    Control.INTERVAL: "{level:.0%} bootstrap interval excludes zero",
}
_NULLS = {
    Null.IMAGES: "permutations of pictures against 'the site answers to nothing of the embedding'",
    Null.PARTIAL: "permutations of whitened pictures against 'it answers to much, but not to this'",
    Null.DIRECTIONS: "random directions against 'it answers no more to this than to any idea'",
}


@dataclass(frozen=True)
class MapRequest:
    """A concept map and the test that its voxels have to pass.

    Attributes
    ----------
    statistic
        See `nsdviewer.mapping.statistics.thresholds`.
    n_draws
        Permutations, random directions, or bootstrap samples.
    """

    concept: str
    reading: Reading = Reading.ENCODER
    noise_ceiling_floor_pct: float = 10.0
    encoder_path: str = ""
    decoder_path: str = ""
    statistic: str = "none"
    null: Null = Null.USUAL
    n_draws: int = 1000
    seed: int = 0

    @classmethod
    def of(cls, state: ViewState) -> Self:
        """Return what a view asks for."""
        return cls(
            state.concept, state.reading, state.noise_ceiling_floor_pct, state.encoder,
            state.decoder, state.statistic, state.null,
        )  # fmt: skip

    def to_state(self, workspace: Workspace) -> ViewState:
        """Return a view that shows the map."""
        return ViewState(
            root=str(workspace.root.path),
            subject=workspace.subject,
            space=workspace.space,
            version=workspace.version,
            concept=self.concept,
            reading=self.reading,
            statistic=self.statistic,
            null=self.null,
            noise_ceiling_floor_pct=self.noise_ceiling_floor_pct,
            embedding=workspace.embedding_name,
            decoder=self.decoder_path,
            encoder=self.encoder_path,
        )


@dataclass(frozen=True)
class Tested:
    """What a test of a map stands on.

    Attributes
    ----------
    columns
        (n_tested,) the sites of the map that are tested.
    responses
        Theirs, to the training pictures.
    embeddings
        (n_images, n_embedding) of the training pictures.
    """

    data: Averaged
    columns: NDArray[np.int64]
    responses: SelectedResponses
    embeddings: NDArray[np.float32]
    direction: NDArray[np.float32]

    @property
    def n_repeats(self) -> NDArray[np.int64]:
        """(n_images,) repetitions averaged."""
        return self.data.train.n_repeats


def tested_map(
    workspace: Workspace, request: MapRequest, scheduler: Scheduler, progress: Progress
) -> ConceptMap:
    """Return a concept map of which only what passes its test is shown.

    Raises
    ------
    ConceptError, CheckpointError
        As for `concept_map`.
    RequestError
        If the statistic cannot be read, does not exist for the reading or the model, or has too
        few draws.
    """
    threshold = Threshold.parse(request.statistic)
    if not 0 <= request.noise_ceiling_floor_pct < 100:
        raise RequestError(
            f"The noise ceiling's floor is a percentage from 0 to below 100, not "
            f"{request.noise_ceiling_floor_pct:g}."
        )
    if threshold.control is not Control.NONE:
        require_possible(workspace, request)
    shown = concept_map(
        workspace,
        request.concept,
        request.noise_ceiling_floor_pct,
        request.reading,
        request.encoder_path,
        request.decoder_path,
    )
    if threshold.control is Control.NONE:
        return shown
    if not shown.shown.any():
        raise RequestError(
            f"No voxel has a noise ceiling of {request.noise_ceiling_floor_pct:g} %, so there is "
            "nothing to test; lower --noise-ceiling."
        )
    tested = what_is_tested(workspace, request, shown)
    if threshold.control is Control.INTERVAL:
        return shown.with_evidence(
            _intervals(workspace, request, tested, shown, threshold, scheduler, progress)
        )
    null = null_of(workspace, request)
    result = _test(workspace, replace(request, null=null), tested, scheduler, progress)
    passes = threshold.passes(result.p, result.p_max, result.q)
    said = f"{_said(threshold)}; {result.n_draws:,} {_NULLS[null]}"
    return shown.with_evidence(
        Evidence(
            said,
            shown.shown,
            _spread(passes, tested, shown, False),
            p=_spread(result.p, tested, shown),
            p_max=_spread(result.p_max, tested, shown),
            q=_spread(result.q, tested, shown),
        )
    )


def null_of(workspace: Workspace, request: MapRequest) -> Null:
    """Return the null hypothesis that a request is tested against."""
    if request.null is not Null.USUAL:
        return request.null
    if request.reading is Reading.ENCODER:
        banded = workspace.encoder(request.encoder_path).contrast is not None
        return Null.IMAGES if banded else Null.PARTIAL
    return Null.IMAGES


def what_is_tested(workspace: Workspace, request: MapRequest, shown: ConceptMap) -> Tested:
    """Return the training responses and embeddings that a map's test stands on."""
    if request.reading is Reading.ENCODER:
        header = workspace.encoder(request.encoder_path).header
    else:
        header = workspace.decoder(request.decoder_path).header
    data = averaged_responses(workspace, header.roi, header.split or FULL_SPLIT)
    columns = np.flatnonzero(shown.reliable)
    return Tested(
        data,
        columns,
        SelectedResponses(data.train, columns),
        workspace.image_embeddings(data.train.nsd_ids),
        direction_of(workspace, request.concept, request.decoder_path),
    )


def tested_alphas(encoder: Encoder, columns: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the penalties of some sites; a site that could not be fitted gets another's."""
    alphas = encoder.ridge.alphas[columns]
    known = np.isfinite(alphas)
    return np.where(known, alphas, alphas[known][0] if known.any() else 1.0).astype(np.float32)


def in_psc(tested: Tested, encoder: Encoder) -> SelectedResponses:
    """Return the tested responses in percent signal change, so that all made of them is too."""
    return replace(tested.responses, scales=encoder.sd_psc[tested.columns])


def _test(
    workspace: Workspace,
    request: MapRequest,
    tested: Tested,
    scheduler: Scheduler,
    progress: Progress,
) -> PermutationResult:
    common = (tested.n_repeats, request.n_draws, request.seed, scheduler, progress)
    if request.reading is not Reading.ENCODER:
        return _test_decoder(workspace, request, tested, scheduler, progress)
    encoder = workspace.encoder(request.encoder_path)
    alphas = tested_alphas(encoder, tested.columns)
    if encoder.contrast is None:
        return assess_encoder_map(
            request.null,
            tested.responses,
            tested.embeddings,
            tested.direction,
            alphas,
            *common,
        )
    contrast = stimulus_contrast(workspace.stimuli, tested.data.train.nsd_ids, progress)
    share = np.nan_to_num(encoder.contrast.embedding_share[tested.columns])
    reading = banded_encoder_reading(
        tested.embeddings, FeatureScale.of(contrast).standardise(contrast), tested.direction,
        alphas, share,
    )  # fmt: skip
    return permutation_test(tested.responses, reading, *common)


def _test_decoder(
    workspace: Workspace,
    request: MapRequest,
    tested: Tested,
    scheduler: Scheduler,
    progress: Progress,
) -> PermutationResult:
    decoder = workspace.decoder(request.decoder_path)
    assert isinstance(decoder, LinearDecoder)
    make = decoder_reading if request.reading is Reading.DECODER else pattern_reading
    # The decoder listens to all of its sites, whichever are shown.
    everything = tested.data.train
    scales = voxel_scales(tested.data, tested.embeddings, decoder.header.seed)
    reading = make(
        everything, tested.embeddings, tested.direction, float(decoder.ridge.alphas[0]), scheduler,
        PartProgress(progress, 0.0, 0.4), scales,
        tested.n_repeats.astype(np.float64),
    )  # fmt: skip
    part = type(reading)(
        reading.rows, reading.row_of_site[tested.columns], reading.scores, reading.operator
    )
    return permutation_test(
        tested.responses, part, tested.n_repeats, request.n_draws, request.seed, scheduler,
        PartProgress(progress, 0.4, 1.0),
    )  # fmt: skip


def _intervals(
    workspace: Workspace,
    request: MapRequest,
    tested: Tested,
    shown: ConceptMap,
    threshold: Threshold,
    scheduler: Scheduler,
    progress: Progress,
) -> Evidence:
    encoder = workspace.encoder(request.encoder_path)
    found = bootstrap_intervals(
        in_psc(tested, encoder), tested.embeddings, tested.direction,
        tested_alphas(encoder, tested.columns), tested.n_repeats, request.seed, scheduler,
        progress, threshold.level, request.n_draws,
    )  # fmt: skip
    return Evidence(
        f"{_said(threshold)}, voxel by voxel, uncorrected; {request.n_draws:,} bootstrap samples of "
        "pictures",
        shown.shown,
        _spread(excludes_zero(found.lower, found.upper), tested, shown, False),
        estimate=_spread(found.estimate, tested, shown),
        lower=_spread(found.lower, tested, shown),
        upper=_spread(found.upper, tested, shown),
    )


def _said(threshold: Threshold) -> str:
    return _CONTROLS[threshold.control].format(level=threshold.level)


def _spread(
    values: NDArray[Any], tested: Tested, shown: ConceptMap, elsewhere: float | bool = np.nan
) -> NDArray[Any]:
    """Return one value a site of the whole map."""
    whole = np.full(len(shown.values), elsewhere, values.dtype)
    whole[tested.columns] = values
    return whole
