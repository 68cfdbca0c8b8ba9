"""A sheet of many trials: seen left, reconstructed right, other seeds and controls beside them."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import DataError, RequestError
from nsdviewer.evaluation.controls import derangement, nearest_rows
from nsdviewer.jobs import PartProgress, Progress
from nsdviewer.rendering.montage import Sheet, SheetRow
from nsdviewer.session.bench_nearest import training_vectors
from nsdviewer.session.bench_painting import paint_vectors, painter_of
from nsdviewer.session.bench_scores import Rgb, short
from nsdviewer.session.bench_trials import Trials, group_trials
from nsdviewer.session.decoding import decode_groups, trained_on
from nsdviewer.session.scaling import scaling_words, site_factors
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import ViewState

MOST_ROWS = 40


class SheetTrials(Enum):
    """Which trials a sheet shows."""

    SELECTED = "selected"
    TEST = "test"


@dataclass(frozen=True)
class SheetRequest:
    """What a sheet is to hold.

    Attributes
    ----------
    n_seeds
        Columns with other noise, besides the reconstruction.
    with_controls
        Whether shuffled brain, nearest training picture and true embedding have columns.
    """

    trials: SheetTrials = SheetTrials.SELECTED
    n_seeds: int = 0
    with_controls: bool = False


def sheet_groups(workspace: Workspace, state: ViewState, which: SheetTrials) -> list[Trials]:
    """Return the trials of each row, a row a picture where repetitions are averaged.

    Raises
    ------
    RequestError
        If there are none.
    """
    table = workspace.table
    if which is SheetTrials.SELECTED:
        trials: tuple[int, ...] = state.trials
        if not trials:
            raise RequestError("No trial is selected; select some, or take the test pictures.")
    else:
        shared = table.select("shared")
        _, first = np.unique(table.column("nsd_id")[shared], return_index=True)
        trials = tuple(int(t) for t in shared[np.sort(first)])
        if not trials:
            raise RequestError("No test picture has betas on this disk; select trials instead.")
    return group_trials(table, trials, state.average_repeats)[:MOST_ROWS]


def paint_sheet(
    workspace: Workspace, state: ViewState, request: SheetRequest, progress: Progress
) -> Sheet:
    """Decode, paint and gather a sheet; the first `MOST_ROWS` rows of what was asked for.

    Raises
    ------
    RequestError
        If there are no trials, or memory does not suffice.
    DataError, CheckpointError
        If the pictures, the decoder or the generator are missing.
    Cancelled
        If `progress` does.
    """
    groups = sheet_groups(workspace, state, request.trials)
    painter, missing = painter_of(workspace, state.generator)
    if painter is None:
        raise RequestError(missing)
    decoder = workspace.decoder(state.decoder)
    factors = site_factors(workspace, state, decoder.sites)
    decoded = decode_groups(workspace, groups, state.decoder, factors)
    nsd_ids = workspace.table.column("nsd_id")[[int(g[0]) for g in groups]]
    true = workspace.image_embeddings(nsd_ids, progress)
    columns: dict[str, list[Rgb | None]] = {"seen": list(workspace.stimuli.read(nsd_ids))}
    seeds = [state.seed + k for k in range(1 + request.n_seeds)]
    parts = len(seeds) + int(request.with_controls)
    for k, seed in enumerate(seeds):
        share = PartProgress(progress, k / parts, (k + 1) / parts)
        name = f"seed {seed}" if k else "reconstructed"
        columns[name] = list(paint_vectors(painter, decoded, seed, share))
    if request.with_controls:
        share = PartProgress(progress, len(seeds) / parts, 1.0)
        columns["shuffled brain"] = _shuffled(columns["reconstructed"], state.seed)
        columns["nearest training"] = _nearest(workspace, state, decoded, share)
        columns["true embedding"] = list(paint_vectors(painter, true, state.seed, share))
    trained = trained_on(workspace, decoder, nsd_ids)
    cosines = (decoded * true).sum(1)
    rows = tuple(
        SheetRow(_title(workspace, g, int(i), bool(t), float(c)), pictures)
        for g, i, t, c, pictures in zip(
            groups, nsd_ids, trained, cosines, zip(*columns.values(), strict=True), strict=True
        )
    )
    caption = _caption(workspace, state, painter.name, request)
    return Sheet(tuple(columns), rows, caption)


def _shuffled(painted: list[Rgb | None], seed: int) -> list[Rgb | None]:
    """Hand the paintings round; as all share one noise, this is what the other brains paint."""
    if len(painted) < 2:
        return [None] * len(painted)
    return [painted[k] for k in derangement(len(painted), seed)]


def _nearest(
    workspace: Workspace, state: ViewState, decoded: NDArray[np.float32], progress: Progress
) -> list[Rgb | None]:
    try:
        training = training_vectors(workspace, state.decoder, progress)
        at = nearest_rows(decoded, training.vectors)
        return list(workspace.stimuli.read(training.nsd_ids[at]))
    except (DataError, RequestError):
        return [None] * len(decoded)


def _title(
    workspace: Workspace, group: Trials, nsd_id: int, in_training: bool, cosine: float
) -> str:
    label = workspace.stimuli.labels.get(nsd_id)
    name = f" · {label[1]}" if label else ""
    repeats = f" · n = {len(group)}" if len(group) > 1 else ""
    trained = " · TRAINING" if in_training else ""
    return f"trial {group[0]:,}{name}{repeats} · cosine {short(cosine)}{trained}"


def _caption(workspace: Workspace, state: ViewState, generator: str, request: SheetRequest) -> str:
    data = "SIMULATED data" if workspace.root.is_simulated else "NSD"
    decoder = workspace.decoder(state.decoder).header
    how = "repetitions averaged" if state.average_repeats else "single trials"
    lines = [
        f"{data}: subject {state.subject} · {state.space.value} · {state.version.short} · {how}",
        f"embedding: {workspace.embedding.title}",
        f"decoder: {decoder.model}, {decoder.roi}",
        f"generator: {generator}, seed {state.seed}",
        "above each row the cosine of the decoded vector with that of the seen picture",
    ]
    if request.with_controls:
        lines.append(
            "shuffled brain: painted from another row's responses · nearest training: retrieved, "
            "not painted · true embedding: painted from the seen picture's own vector"
        )
    scaled = scaling_words(state)
    return " | ".join([*lines, *([scaled] if scaled else [])])
