"""What is said beside a concept map: reliability, controls, and regions with intervals."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.jobs import PartProgress, Progress
from nsdviewer.mapping.maps import ConceptMap
from nsdviewer.mapping.statistics.bootstrap import roi_intervals
from nsdviewer.mapping.statistics.controls import Rank, random_text_control
from nsdviewer.mapping.statistics.reliability import split_half_reliability
from nsdviewer.mapping.vocabulary import load_vocabulary, vocabulary_vectors
from nsdviewer.scheduling import Scheduler
from nsdviewer.session.evidence import (
    MapRequest,
    Tested,
    in_psc,
    null_of,
    tested_alphas,
    what_is_tested,
)
from nsdviewer.session.map_regions import map_regions
from nsdviewer.session.notices import warn_of
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import Reading

INTERVAL_LEVEL = 0.9
_N_DRAWS = 200
_FEWEST_SITES = 3
_N_SPLITS = 5


def map_report(
    workspace: Workspace,
    request: MapRequest,
    shown: ConceptMap,
    scheduler: Scheduler,
    progress: Progress,
) -> dict[str, Any]:
    """Return what is known of a map, as JSON-serialisable values.

    Of every reading: the test and how many sites passed. Of a ridge encoder's also split-half
    reliability and, where a test was asked for, where the map's strength ranks among those of a
    vocabulary's words, and the means of regions with bootstrap intervals.
    """
    found: dict[str, Any] = {"evidence": _evidence(workspace, request, shown)}
    if request.reading is not Reading.ENCODER:
        return found
    encoder = workspace.encoder(request.encoder_path)
    if encoder.contrast is not None or shown.reliable.sum() < _FEWEST_SITES:
        return found
    tested = what_is_tested(workspace, request, shown)
    alphas = tested_alphas(encoder, tested.columns)
    halves = split_half_reliability(
        tested.responses, tested.embeddings, tested.direction, alphas, tested.n_repeats,
        request.seed, scheduler, PartProgress(progress, 0.0, 0.3), _N_SPLITS,
    )  # fmt: skip
    found["split_half_reliability"] = {
        "spearman_brown": halves.mean, "sd": halves.sd, "n_splits": len(halves.correlations),
    }  # fmt: skip
    if request.statistic == "none":
        return found
    weights = encoder.ridge.weights[:, tested.columns] * encoder.sd_psc[tested.columns]
    found["random_text_control"] = _text_control(
        workspace, tested, weights, PartProgress(progress, 0.3, 0.5)
    )
    found["rois"] = _rois(
        workspace, request, shown, tested, scheduler, PartProgress(progress, 0.5, 1.0)
    )
    return found


def _evidence(workspace: Workspace, request: MapRequest, shown: ConceptMap) -> dict[str, Any]:
    if shown.evidence is None:
        return {"said": "not tested"}
    return {
        "said": shown.evidence.said,
        "null": "none" if shown.evidence.p is None else null_of(workspace, request).value,
        "n_draws": request.n_draws,
        "seed": request.seed,
        "n_tested": int(shown.evidence.tested.sum()),
        "n_significant": int(shown.evidence.significant.sum()),
    }


def _text_control(
    workspace: Workspace, tested: Tested, weights: NDArray[np.float32], progress: Progress
) -> dict[str, Any]:
    vocabulary = load_vocabulary()
    vectors = vocabulary_vectors(workspace.embedding, workspace.root.cache_folder, progress)
    control = random_text_control(weights, vectors, tested.direction)
    alike = np.argsort(-control.correlations)[:5]
    return {
        "n_words": len(vocabulary),
        "rms": _rank(control.rms),
        "most_alike": [
            {"word": vocabulary.words[i], "r": round(float(control.correlations[i]), 4)}
            for i in alike
        ],
    }


def _rank(rank: Rank) -> dict[str, float]:
    return {"value": rank.value, "percentile_among_words": rank.percentile}


def _rois(
    workspace: Workspace,
    request: MapRequest,
    shown: ConceptMap,
    tested: Tested,
    scheduler: Scheduler,
    progress: Progress,
) -> dict[str, Any]:
    """Return the mean of the unpenalised map over regions, with bootstrap intervals."""
    encoder = workspace.encoder(request.encoder_path)
    regions, faults = map_regions(workspace, shown.sites)
    warn_of(faults)
    sets = {
        region.name: sites
        for region in regions
        if len(sites := np.flatnonzero(region.inside[tested.columns])) >= _FEWEST_SITES
    }
    if not sets:
        return {}
    found = roi_intervals(
        in_psc(tested, encoder), tested.embeddings, tested.direction,
        tested_alphas(encoder, tested.columns), tested.n_repeats, sets, request.seed, scheduler,
        progress, INTERVAL_LEVEL, _N_DRAWS,
    )  # fmt: skip
    return {
        "unit": "% signal change per unit, not shrunk by the penalty",
        "level": INTERVAL_LEVEL,
        "means": {
            name: {
                "mean": i.estimate,
                "lower": i.lower,
                "upper": i.upper,
                "n_sites": i.n_sites,
            }
            for name, i in found.items()
        },
    }
