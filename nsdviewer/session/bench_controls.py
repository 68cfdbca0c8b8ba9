"""Controls beside a reconstruction: what is painted without the brain, or with a perfect decoder.

A picture that looks right proves little where a picture without this brain looks as right
(Shirakawa et al. 2024, spurious reconstruction; Mayo et al. 2024, BrainBits).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import DataError, ModelUnavailableError, RequestError
from nsdviewer.jobs import PartProgress, Progress
from nsdviewer.session.bench_nearest import nearest_pictures, training_vectors
from nsdviewer.session.bench_painting import paint_vectors, painter_of
from nsdviewer.session.bench_scores import UNKNOWN, Rgb, short
from nsdviewer.session.bench_trials import group_trials
from nsdviewer.session.decoding import (
    decode_groups,
    decode_responses,
    mean_of_valid,
    mean_responses,
    trained_on,
)
from nsdviewer.session.reconstruction import Reconstruction
from nsdviewer.session.scaling import site_factors
from nsdviewer.session.workspace import Workspace

Floats = NDArray[np.float32]

# Single trials whose mean cosine is told; a hundred say it to two digits.
_MOST_SINGLES = 100


class Control(Enum):
    """What stands beside a reconstruction; the values are short names for people."""

    SHUFFLED = "shuffled"
    MEAN = "mean"
    NEAREST = "nearest"
    CEILING = "ceiling"
    SINGLE = "single"
    AVERAGE = "average"


@dataclass(frozen=True, eq=False)
class ControlPicture:
    """One control.

    Attributes
    ----------
    picture
        (r, r, 3) uint8; None where `missing` says why.
    cosine
        Of its vector with that of the seen picture.
    meaning
        What it shows, in words.
    """

    kind: Control
    picture: Rgb | None
    cosine: float
    meaning: str
    missing: str = ""


@dataclass(frozen=True, eq=False)
class _Vector:
    """What a control is painted from; None where there is a reason."""

    kind: Control
    meaning: str
    vector: Floats | None = None
    missing: str = ""


def control_pictures(
    workspace: Workspace, reconstruction: Reconstruction, progress: Progress
) -> tuple[ControlPicture, ...]:
    """Return shuffled brain, mean embedding, nearest picture, ceiling, and single or average.

    All are painted with the generator and the seed of the reconstruction. A control that cannot be
    had says why.

    Raises
    ------
    RequestError
        If memory does not suffice to paint.
    """
    part = PartProgress(progress, 0.0, 0.4)
    wanted = [
        _shuffled(workspace, reconstruction),
        _mean(workspace, reconstruction, part),
        _ceiling(reconstruction),
        _other_average(workspace, reconstruction),
    ]
    painted = _paint(workspace, reconstruction, wanted, PartProgress(progress, 0.4, 1.0))
    nearest = _nearest(workspace, reconstruction, part)
    return (*painted[:2], nearest, *painted[2:])


def other_trials(
    workspace: Workspace, reconstruction: Reconstruction, seed: int
) -> list[NDArray[np.int64]]:
    """Draw held-out pictures that were not seen in these trials, as many trials of each.

    Fewer pictures where there are not as many; none where there is no other.
    """
    table = workspace.table
    nsd_ids = table.column("nsd_id")
    here = table.column("has_betas").astype(bool)
    decoder = workspace.decoder(reconstruction.state.decoder)
    candidates = np.unique(nsd_ids[here])
    candidates = candidates[~np.isin(candidates, reconstruction.nsd_ids)]
    candidates = candidates[~trained_on(workspace, decoder, candidates)]
    counts = dict(zip(*np.unique(nsd_ids[here], return_counts=True), strict=True))
    order = np.random.default_rng([seed, 73]).permutation(candidates)
    found: list[NDArray[np.int64]] = []
    for group in reconstruction.groups:
        # Of those left, the first with as many repetitions; else the one with the most.
        if not len(order):
            break
        n_shown = np.array([counts[i] for i in order])
        enough = np.flatnonzero(n_shown >= len(group))
        at = int(enough[0]) if len(enough) else int(n_shown.argmax())
        found.append(np.flatnonzero((nsd_ids == order[at]) & here)[: len(group)])
        order = np.delete(order, at)
    return found


def _shuffled(workspace: Workspace, reconstruction: Reconstruction) -> _Vector:
    others = other_trials(workspace, reconstruction, reconstruction.state.seed)
    n = sum(len(g) for g in others)
    meaning = (
        f"Shuffled brain: decoded from {n} {'trials' if n != 1 else 'trial'} in which other held-out "
        "pictures were seen. What looks as right as the reconstruction owes nothing to this brain."
    )
    if not others:
        return _Vector(
            Control.SHUFFLED, meaning, missing="There is no other held-out picture with betas."
        )
    return _Vector(Control.SHUFFLED, meaning, _decode(workspace, reconstruction, others))


def _mean(workspace: Workspace, reconstruction: Reconstruction, progress: Progress) -> _Vector:
    meaning = (
        "Mean embedding: painted from the average of the training pictures, the same whatever was "
        "seen."
    )
    try:
        training = training_vectors(workspace, reconstruction.state.decoder, progress)
    except (DataError, RequestError, ModelUnavailableError) as error:
        return _Vector(Control.MEAN, meaning, missing=str(error))
    return _Vector(Control.MEAN, meaning, training.mean)


def _ceiling(reconstruction: Reconstruction) -> _Vector:
    meaning = (
        "True-embedding ceiling: painted from the seen picture's own embedding, the best that this "
        "generator could do with a perfect decoder."
    )
    missing = "" if reconstruction.true is not None else (
        reconstruction.seen_missing or "The seen picture cannot be embedded."
    )  # fmt: skip
    return _Vector(Control.CEILING, meaning, reconstruction.true, missing)


def _other_average(workspace: Workspace, reconstruction: Reconstruction) -> _Vector:
    """A single trial beside an average, and the average beside a single trial."""
    trials = reconstruction.trials
    if len(trials) == 1:
        groups = group_trials(workspace.table, trials, average_repeats=True)
        n = len(groups[0])
        meaning = f"Average: decoded from all {n} repetitions of the picture."
        if n == 1:
            return _Vector(Control.AVERAGE, meaning, missing="The picture was shown only once.")
        return _Vector(Control.AVERAGE, meaning, _decode(workspace, reconstruction, groups))
    singles = _decode_each(workspace, reconstruction, trials)
    meaning = f"Single trial: decoded from trial {trials[0]:,} alone."
    if reconstruction.true is not None:
        mean = short(float((singles @ reconstruction.true).mean()))
        meaning += f" Over {len(singles):,} trials, each alone, the mean cosine is {mean}."
    return _Vector(Control.SINGLE, meaning, singles[0])


def _decode(
    workspace: Workspace, reconstruction: Reconstruction, groups: Sequence[NDArray[np.int64]]
) -> Floats:
    """Decode the mean of some groups, scaled as the reconstruction's own responses are."""
    decoder = workspace.decoder(reconstruction.state.decoder)
    mean = mean_of_valid(mean_responses(workspace, groups, decoder))[None]
    factors = site_factors(workspace, reconstruction.state, decoder.sites)
    return np.asarray(decode_responses(decoder, mean, factors)[0])


def _decode_each(
    workspace: Workspace, reconstruction: Reconstruction, trials: Sequence[int]
) -> Floats:
    state = reconstruction.state
    factors = site_factors(workspace, state, workspace.decoder(state.decoder).sites)
    groups = [np.array([t], np.int64) for t in trials[:_MOST_SINGLES]]
    return decode_groups(workspace, groups, state.decoder, factors)


def _paint(
    workspace: Workspace,
    reconstruction: Reconstruction,
    wanted: list[_Vector],
    progress: Progress,
) -> list[ControlPicture]:
    state = reconstruction.state
    shown = [ControlPicture(w.kind, None, _cosine(reconstruction, w.vector), w.meaning, w.missing)
             for w in wanted]  # fmt: skip
    there = [k for k, w in enumerate(wanted) if w.vector is not None]
    painter, missing = painter_of(workspace, state.generator)
    if painter is None:
        return [c if c.missing else replace(c, missing=missing) for c in shown]
    vectors = np.stack([w.vector for w in wanted if w.vector is not None])
    painted = paint_vectors(painter, vectors, state.seed, progress)
    for k, picture in zip(there, painted, strict=True):
        shown[k] = replace(shown[k], picture=picture)
    return shown


def _nearest(
    workspace: Workspace, reconstruction: Reconstruction, progress: Progress
) -> ControlPicture:
    meaning = (
        "Nearest training picture: the one whose embedding is nearest to the decoded one. It is "
        "retrieved, not painted."
    )
    try:
        found = nearest_pictures(workspace, reconstruction, progress, n=1)[0]
        training = training_vectors(workspace, reconstruction.state.decoder, progress)
    except (DataError, RequestError, ModelUnavailableError) as error:
        return ControlPicture(Control.NEAREST, None, UNKNOWN, meaning, str(error))
    own = training.vectors[int(np.searchsorted(training.nsd_ids, found.nsd_id))]
    said = f"{meaning} It shows: {found.label}{' (the seen one itself)' if found.is_seen else ''}."
    return ControlPicture(Control.NEAREST, found.rgb, _cosine(reconstruction, own), said)


def _cosine(reconstruction: Reconstruction, vector: Floats | None) -> float:
    if vector is None or reconstruction.true is None:
        return UNKNOWN
    return float(vector @ reconstruction.true)
