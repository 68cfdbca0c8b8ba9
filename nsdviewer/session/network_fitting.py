"""Training a network decoder on a workspace: its own process, its own folder, and it goes on there."""

import json
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.sites import Sites
from nsdviewer.errors import RequestError
from nsdviewer.jobs import PartProgress, Progress
from nsdviewer.models.checkpoints import read_header
from nsdviewer.models.decoders.network import NeuralDecoder
from nsdviewer.models.networks.data import SubjectTrials, TrainingData
from nsdviewer.models.networks.further_subject import (
    LearningPoint,
    further_plan,
)
from nsdviewer.models.networks.further_subject import learning_curve as network_curve
from nsdviewer.models.networks.launching import train_in_process
from nsdviewer.models.networks.network_decoder import NetworkDecoder
from nsdviewer.models.networks.plan import GeneratorPlan, TrainingPlan, preset
from nsdviewer.models.networks.registry import JOINT
from nsdviewer.models.networks.run import prepare_run
from nsdviewer.models.runs.distribution import resolve_device
from nsdviewer.models.runs.run_files import BEST_FILE, BEST_KIND
from nsdviewer.session.decoding import zscored
from nsdviewer.session.fitting import FitRequest, header_of, held_out_scores
from nsdviewer.session.responses import Averaged, averaged_responses, split_trials
from nsdviewer.session.workspace import Workspace


@dataclass(frozen=True)
class NetworkRequest:
    """Which network, and what differs from its usual plan.

    Attributes
    ----------
    subjects
        Further subjects of the same root that share the backbone of ``joint``.
    backbone
        Run folder of a finished joint training; only this subject's layer is fitted.
    generator_weight
        Weight of the loss term through a generator; 0 for none.
    generator
        File of that generator; the shipped one where "".
    """

    model: str
    n_epochs: int | None = None
    batch_size: int | None = None
    device: str = ""
    subjects: tuple[int, ...] = ()
    backbone: Path | None = None
    generator_weight: float = 0.0
    generator: str = ""

    def plan(self, workspace: Workspace, seed: int) -> TrainingPlan:
        """Return the training plan.

        Raises
        ------
        RequestError, CheckpointError
            If the parts of the request do not go together, or a file does not fit.
        """
        if self.model != JOINT and (self.subjects or self.backbone):
            raise RequestError(
                f"Only the model '{JOINT}' shares a backbone between subjects, not '{self.model}'; "
                "leave out --subjects and --backbone."
            )
        if self.subjects and self.backbone:
            raise RequestError(
                "With --backbone only this subject's layer is fitted; leave out --subjects."
            )
        if self.generator_weight < 0:
            raise RequestError(
                f"The weight of a loss term is 0 or above, not {self.generator_weight:g}."
            )
        changes: dict[str, Any] = {"seed": seed}
        if self.n_epochs is not None:
            changes["n_epochs"] = self.n_epochs
        if self.batch_size is not None:
            changes["batch_size"] = self.batch_size
        if self.device:
            changes["device"] = self.device
        if self.generator_weight:
            changes["generator"] = self._generator_plan(workspace)
        if self.backbone is not None:
            self._require_further(workspace.subject)
            return further_plan(self.backbone, **changes)
        return preset(self.model, **changes)

    def _require_further(self, subject: int) -> None:
        """Raise `RequestError` if the backbone has learnt from this subject already."""
        assert self.backbone is not None
        known = read_header(self.backbone / BEST_FILE, BEST_KIND)["subjects"]
        if _name(subject) in known:
            raise RequestError(
                f"The backbone in {self.backbone} was trained on subject {subject} too, so a fit on "
                "it would show nothing; name a backbone of others."
            )

    def _generator_plan(self, workspace: Workspace) -> GeneratorPlan:
        painter = workspace.painter(self.generator)  # raises unless it paints from this embedding
        file = self.generator or str(painter.path)
        return GeneratorPlan(file, pixel_weight=self.generator_weight)


def fit_network_decoder(
    workspace: Workspace, request: FitRequest, network: NetworkRequest, progress: Progress
) -> NeuralDecoder:
    """Train a network on single trials of the training pictures, and score it on the shared ones.

    The run folder, in the subject's cache, is named after the request: the same request goes on
    where it was interrupted, whatever ended it.

    Raises
    ------
    NsdViewerError
        If the request makes no sense, the data are too few, or memory or a device is missing.
    """
    request = request.for_kind("decoder", workspace.space)
    plan = network.plan(workspace, request.seed)
    resolve_device(plan.device)  # refused before anything is written
    data = averaged_responses(workspace, request.roi, request.split, PartProgress(progress, 0, 0.1))
    training = _training_data(workspace, request, network, data, PartProgress(progress, 0.1, 0.2))
    folder = run_folder(workspace, request, network, plan)
    backbone = network.backbone / BEST_FILE if network.backbone else None
    prepare_run(folder, plan, training, backbone)
    progress.report(0.2, f"training in {folder}")
    # The process that trains reads its own copy; a second one here may be gigabytes.
    del training
    train_in_process(folder, PartProgress(progress, 0.2, 0.98))
    trained = NetworkDecoder.from_run(folder, _name(workspace.subject))
    scores = {"held_out_two_way": float(trained.summary["held_out_two_way"])}
    header = header_of(workspace, request, data, data.train.sites, network.model, scores)
    header = replace(header, run_folder=str(folder))
    decoder = NeuralDecoder(header, data.train.sites, data.statistics, trained, data.train.nsd_ids)
    scores |= held_out_scores(workspace, decoder, data)
    progress.report(1.0, "decoder trained")
    return decoder


def run_folder(
    workspace: Workspace, request: FitRequest, network: NetworkRequest, plan: TrainingPlan
) -> Path:
    """Return the folder that a request trains in."""
    asked = {
        "plan": plan.to_dict(),
        "roi": request.roi,
        "split": request.split,
        "embedding": workspace.embedding.name,
        "space": workspace.space.value,
        "version": workspace.version.value,
        "sessions": workspace.sessions,
        "subjects": network.subjects,
        "backbone": str(network.backbone or ""),
    }
    digest = sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]
    return workspace.files.cache / "runs" / f"{network.model}_{digest}"


def learning_curve(
    workspace: Workspace, request: FitRequest, network: NetworkRequest, progress: Progress
) -> list[LearningPoint]:
    """Return test scores of this subject on a frozen backbone, by number of sessions.

    Raises
    ------
    RequestError
        If there is no backbone, or no test picture.
    """
    if network.backbone is None:
        raise RequestError("A learning curve is that of one subject on a --backbone; name one.")
    request = request.for_kind("decoder", workspace.space)
    data = averaged_responses(workspace, request.roi, request.split)
    if data.test is None:
        raise RequestError("No test picture is in the sessions on disk; a curve needs some.")
    trials, _ = split_trials(workspace, request.split)
    training = _training_data(workspace, request, replace(network, subjects=()), data, progress)
    sessions = workspace.table.column("session")[trials]
    n_sessions = len(np.unique(sessions))
    counts = sorted({n for n in (1, 2, 3, 5, 10, 20, 40) if n < n_sessions} | {n_sessions})
    plan = network.plan(workspace, request.seed)
    return network_curve(
        run_folder(workspace, request, network, plan) / "curve",
        network.backbone,
        training.subjects[0],
        sessions,
        training.embeddings,
        (data.test.whole(), workspace.image_embeddings(data.test.nsd_ids)),
        counts,
        plan,
        progress,
    )


def _training_data(
    workspace: Workspace,
    request: FitRequest,
    network: NetworkRequest,
    data: Averaged,
    progress: Progress,
) -> TrainingData:
    """Return single trials of all subjects, and the embeddings of all pictures that they saw."""
    everyone = [(workspace, data)]
    for number in network.subjects:
        if number != workspace.subject:
            other = Workspace(
                workspace.root, number, workspace.space, workspace.version, workspace.embedding_name
            )
            everyone.append((other, averaged_responses(other, request.roi, request.split)))
    ids = np.unique(np.concatenate([d.train.nsd_ids for _, d in everyone]))
    subjects = tuple(_trials_of(w, request, d, ids) for w, d in everyone)
    return TrainingData(subjects, workspace.image_embeddings(ids, progress))


def _trials_of(
    workspace: Workspace, request: FitRequest, data: Averaged, ids: NDArray[np.int64]
) -> SubjectTrials:
    trials, _ = split_trials(workspace, request.split)
    sites: Sites = data.train.sites
    z = zscored(workspace, trials, request.roi, sites, data.statistics)
    image = np.searchsorted(ids, workspace.table.column("nsd_id")[trials])
    return SubjectTrials(_name(workspace.subject), z, image)


def _name(subject: int) -> str:
    return f"subj{subject:02d}"
