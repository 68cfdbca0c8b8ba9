"""The evaluation of one workspace's decoder and generator, with the controls that belong to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.pictures.stimuli import Stimuli
from nsdviewer.errors import CheckpointError, RequestError
from nsdviewer.evaluation.catalogue import ConditionKind
from nsdviewer.evaluation.conditions import (
    BrainResponses,
    Condition,
    EmbeddingAtHand,
    TestPictures,
)
from nsdviewer.evaluation.controls import (
    Paint,
    derangement,
    mean_embedding,
    nearest_training,
    true_embedding,
)
from nsdviewer.evaluation.evaluate import evaluate
from nsdviewer.evaluation.networks import feature_networks
from nsdviewer.evaluation.pictures import ArrayPictures
from nsdviewer.evaluation.protocol import PictureSet, Protocol, Split, SplitCheck, check_split
from nsdviewer.evaluation.report import Report
from nsdviewer.jobs import PartProgress, Progress
from nsdviewer.models.decoders.protocol import Decoder
from nsdviewer.session.decoding import decode_groups
from nsdviewer.session.responses import averaged_responses, split_trials
from nsdviewer.session.workspace import Workspace

_BRAIN_COLLECTIONS = ("prf-visualrois", "floc-faces", "floc-places", "floc-bodies", "floc-words")
_FEWEST_VOXELS = 10


@dataclass(frozen=True)
class EvaluationRequest:
    """What is evaluated.

    Attributes
    ----------
    split
        Which test pictures.
    networks
        Folder of the feature networks' weight files; torch hub's own where None.
    """

    decoder_path: str = ""
    encoder_path: str = ""
    generator_path: str = ""
    split: str = Split.FULL_40.value
    networks: Path | None = None
    seed: int = 0


@dataclass(frozen=True)
class StimulusPictures:
    """Pictures of the brick by 73k id; a `PictureSource`."""

    stimuli: Stimuli
    nsd_ids: NDArray[np.int64]

    @property
    def n_pictures(self) -> int:
        """How many there are."""
        return len(self.nsd_ids)

    def read(self, positions: NDArray[np.int64]) -> Sequence[NDArray[np.uint8]]:
        """Return those at `positions`."""
        return list(self.stimuli.read(self.nsd_ids[positions]))


def evaluate_workspace(
    workspace: Workspace, request: EvaluationRequest, progress: Progress
) -> Report:
    """Decode, paint and score the test pictures, and every control beside them.

    Raises
    ------
    RequestError
        If a test picture was among those that the decoder was fitted on, or fewer than two test
        pictures are on disk.
    CheckpointError
        If a model is missing, or fitted for something else.
    """
    decoder = workspace.decoder(request.decoder_path)
    groups = _test_groups(workspace, request.split)
    ids = np.array([workspace.table.column("nsd_id")[g[0]] for g in groups])
    check = split_check(workspace, decoder, ids)
    check.require_clean()
    workspace.betas(decoder.header.roi, PartProgress(progress, 0.0, 0.1))
    true = workspace.image_embeddings(ids, PartProgress(progress, 0.1, 0.2))
    paint = _paint(workspace, request)
    progress.report(0.2, "decoding and painting")
    conditions = _conditions(workspace, decoder, request, groups, true, paint)
    absent = {}
    if all(len(g) == 1 for g in groups):
        absent[ConditionKind.SINGLE] = "Every test picture was shown once; nothing is averaged."
    models = {"decoder": decoder.header.to_dict()}
    brain = _brain(workspace, request, ids)
    if brain is not None:
        models["encoder"] = workspace.encoder(request.encoder_path).header.to_dict()
    if paint is not None:
        models["generator"] = dict(workspace.painter(request.generator_path).header)
    return evaluate(
        TestPictures(ids, StimulusPictures(workspace.stimuli, ids), true),
        conditions,
        _protocol(workspace, decoder, request, groups, check, paint),
        EmbeddingAtHand(
            workspace.embedding.title, lambda pictures: workspace.embedding.encode_images(pictures)
        ),
        feature_networks(request.networks),
        brain,
        absent,
        models,
        request.seed,
        PartProgress(progress, 0.3, 1.0),
    )


def split_check(workspace: Workspace, decoder: Decoder, test_ids: NDArray[np.int64]) -> SplitCheck:
    """Look for a test picture among those that a decoder, and its z-scores, were fitted on."""
    trials, _ = split_trials(workspace, decoder.header.split)
    of_trials = workspace.table.column("nsd_id")[trials]
    # The file knows what was learnt from; the split, how often each picture was shown.
    unique = np.unique(decoder.train_ids) if len(decoder.train_ids) else np.unique(of_trials)
    shown = of_trials[np.isin(of_trials, unique)]
    train = np.concatenate([shown, np.setdiff1d(unique, shown)])
    return check_split(
        train,
        test_ids,
        of_trials,
        PictureSet(unique, workspace.image_embeddings(unique)),
        PictureSet(test_ids, workspace.image_embeddings(test_ids)),
    )


def _test_groups(workspace: Workspace, split: str) -> list[NDArray[np.int64]]:
    """Return the trials of each test picture, pictures in ascending order."""
    trials = workspace.table.select(f"test:{split}")
    ids = workspace.table.column("nsd_id")[trials]
    groups = [trials[ids == i] for i in np.unique(ids)]
    if len(groups) < 2:
        raise RequestError(
            f"{len(groups)} test pictures of '{split}' are in the sessions on disk; an evaluation "
            "needs two or more: download more sessions."
        )
    return groups


def _paint(workspace: Workspace, request: EvaluationRequest) -> Paint | None:
    if not workspace.can_paint(request.generator_path):
        return None
    painter = workspace.painter(request.generator_path)
    return lambda embeddings: painter.paint(embeddings, request.seed)


def _conditions(
    workspace: Workspace,
    decoder: Decoder,
    request: EvaluationRequest,
    groups: list[NDArray[np.int64]],
    true: NDArray[np.float32],
    paint: Paint | None,
) -> list[Condition]:
    def painted(kind: ConditionKind, embeddings: NDArray[np.float32], how: str) -> Condition:
        pictures = None if paint is None else ArrayPictures(paint(embeddings))
        return Condition(kind, embeddings, pictures, how)

    averaged = decode_groups(workspace, groups, request.decoder_path)
    order = derangement(len(groups), request.seed)
    # Decoded anew from the other picture's responses, so that a step that knows the picture shows.
    shuffled = decode_groups(workspace, [groups[i] for i in order], request.decoder_path)
    train_ids = np.unique(decoder.train_ids)
    if len(train_ids) == 0:
        raise CheckpointError(
            "The decoder's file does not say which pictures it was fitted on; fit it again."
        )
    train = workspace.image_embeddings(train_ids)
    n_repeats = sorted({len(g) for g in groups})
    found = [
        painted(
            ConditionKind.AVERAGED, averaged,
            f"Mean of {' or '.join(map(str, n_repeats))} repetitions.",
        ),
        painted(
            ConditionKind.SHUFFLED, shuffled,
            "Responses are handed round by a derangement, then decoded and painted anew.",
        ),
        mean_embedding(train, len(groups), paint),
        nearest_training(averaged, train, StimulusPictures(workspace.stimuli, train_ids)),
        true_embedding(true, paint),
    ]  # fmt: skip
    if any(len(g) > 1 for g in groups):
        first = decode_groups(workspace, [g[:1] for g in groups], request.decoder_path)
        found.append(painted(ConditionKind.SINGLE, first, "The first presentation of each."))
    return found


def _brain(
    workspace: Workspace, request: EvaluationRequest, ids: NDArray[np.int64]
) -> BrainResponses | None:
    """Return what the brain correlation needs; None where no encoder was fitted."""
    if not request.encoder_path and not workspace.model_path("encoder").exists():
        return None
    encoder = workspace.encoder(request.encoder_path)
    if encoder.contrast is not None:
        raise RequestError(
            "The brain correlation needs the contrast of painted pictures for a banded encoder, "
            "which is not computed; name a ridge encoder with --encoder."
        )
    check_split(encoder.train_ids, ids, encoder.train_ids).require_clean()
    data = averaged_responses(workspace, encoder.header.roi, request.split)
    if data.test is None:
        return None
    general = "nsdgeneral" if "nsdgeneral" in workspace.collections else encoder.header.roi
    masks = {general: workspace.inside(general, encoder.sites)}
    for collection in _BRAIN_COLLECTIONS:
        if collection in workspace.collections:
            masks[collection] = workspace.inside(collection, encoder.sites)
    masks = {name: mask for name, mask in masks.items() if mask.sum() >= _FEWEST_VOXELS}
    if not masks:
        return None
    used = np.flatnonzero(np.any(list(masks.values()), axis=0))
    rows = np.searchsorted(data.test.nsd_ids, ids)
    return BrainResponses(
        data.test.at(used)[rows],
        lambda embeddings: encoder.predict(embeddings, columns=used),
        {name: mask[used] for name, mask in masks.items()},
    )


def _protocol(
    workspace: Workspace,
    decoder: Decoder,
    request: EvaluationRequest,
    groups: list[NDArray[np.int64]],
    check: SplitCheck,
    paint: Paint | None,
) -> Protocol:
    header = decoder.header
    statements = [f"The decoder is of the kind '{header.model}', fitted with seed {header.seed}."]
    if paint is None:
        statements.append(
            f"No generator paints from {workspace.embedding.title}: only vectors are scored."
        )
    else:
        painter = workspace.painter(request.generator_path)
        statements.append(f"The generator is {painter.name}; its z comes from seed {request.seed}.")
    return Protocol(
        subject=workspace.subject,
        split=Split(request.split),
        space=workspace.space.value,
        beta_version=workspace.version.value,
        roi=header.roi,
        n_train_pictures=header.n_images,
        n_train_trials=header.n_trials,
        n_test_trials=sum(len(g) for g in groups),
        check=check,
        is_simulated=workspace.root.is_simulated,
        statements=tuple(statements),
    )
