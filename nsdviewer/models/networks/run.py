"""A run folder as a value: the plan, the data and what they were begun with."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nsdviewer.errors import CheckpointError, DataError, RequestError
from nsdviewer.files import atomic_path, write_json
from nsdviewer.models.checkpoints import load_checkpoint, read_header
from nsdviewer.models.networks.data import TrainingData
from nsdviewer.models.networks.joint import JointSpace
from nsdviewer.models.networks.plan import TrainingPlan
from nsdviewer.models.networks.registry import build_network
from nsdviewer.models.runs.run_files import BACKBONE_FILE, BEST_KIND, PLAN_FILE

_BACKBONE_PARTS = ("backbone.", "shared_")


@dataclass(frozen=True)
class Run:
    """A prepared run folder.

    Attributes
    ----------
    fingerprint
        Of the data that the run was begun with.
    """

    folder: Path
    plan: TrainingPlan
    data: TrainingData
    fingerprint: str

    def build(self) -> nn.Module:
        """Return the network as it is before the first step, the same for the same seed."""
        shapes, plan = self.data.shapes, self.plan
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(plan.seed)
            network = build_network(plan.network, shapes.n_voxels, shapes.n_embedding, plan.sizes)
        if plan.frozen_backbone:
            assert isinstance(network, JointSpace)
            load_backbone(network, self.folder / BACKBONE_FILE)
        return network

    def describe(self) -> dict[str, Any]:
        """Return what a network's file has to say of how it was trained."""
        shapes = self.data.shapes
        return {
            "plan": self.plan.to_dict(),
            "fingerprint": self.fingerprint,
            "subjects": list(self.data.names),
            "n_voxels": list(shapes.n_voxels),
            "n_embedding": shapes.n_embedding,
        }


def prepare_run(
    folder: Path, plan: TrainingPlan, data: TrainingData, backbone: Path | None = None
) -> Run:
    """Write plan and data into a run folder; where they are there already, nothing is changed.

    Parameters
    ----------
    backbone
        Best weights of a finished ``joint`` run, for a plan with a frozen backbone.

    Raises
    ------
    CheckpointError
        If the folder was begun with another plan or other data, or the backbone does not fit.
    DataError, RequestError
        If the data cannot be learnt from, or too few pictures would be held out.
    """
    fingerprint = data.check()
    data.draw_held_out(plan.held_out_share, plan.seed)
    run = Run(folder, plan, data, fingerprint)
    if (folder / PLAN_FILE).exists():
        _require_same(open_run(folder), run)
        return run
    if (backbone is not None) != plan.frozen_backbone:
        raise RequestError(
            "A frozen backbone and its file belong together; give both, or neither of them."
        )
    if backbone is not None:
        read_header(backbone, BEST_KIND)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if backbone is not None:
            with atomic_path(folder / BACKBONE_FILE) as temporary:
                shutil.copyfile(backbone, temporary)
            run.build()
        data.save(folder)
        # Last, because it says that all the rest is there.
        write_json(folder / PLAN_FILE, run.describe())
    except OSError as error:
        raise DataError(
            f"The training's data cannot be written into {folder} ({error.strerror or error}); "
            "make room or choose another folder."
        ) from error
    return run


def open_run(folder: Path) -> Run:
    """Return a prepared run folder.

    Raises
    ------
    CheckpointError, DataError
        If it is none, or damaged.
    """
    path = folder / PLAN_FILE
    if not path.is_file():
        raise CheckpointError(
            f"{folder} holds no training ({PLAN_FILE} is missing); begin one there, or name its "
            "folder."
        )
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        names, plan = tuple(document["subjects"]), document["plan"]
        fingerprint = document["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} is damaged ({type(error).__name__}); delete the folder and begin the training "
            "again."
        ) from error
    data = TrainingData.open(folder, names)
    return Run(folder, TrainingPlan.from_dict(plan, str(path)), data, fingerprint)


def load_backbone(network: JointSpace, path: Path) -> None:
    """Fill the shared part of `network` from a finished ``joint`` run, and freeze it.

    Raises
    ------
    CheckpointError
        If the file is of another network, other sizes or another embedding, or not finished.
    """
    header, tensors = load_checkpoint(path, BEST_KIND)
    own = {k: v for k, v in network.state_dict().items() if k.startswith(_BACKBONE_PARTS)}
    shared = {k: v for k, v in tensors.items() if k.startswith(_BACKBONE_PARTS)}
    for name, value in own.items():
        if name not in shared or shared[name].shape != value.shape:
            found = tuple(shared[name].shape) if name in shared else "nothing"
            raise CheckpointError(
                f"{path} holds no backbone that fits ({name} is {found}, not "
                f"{tuple(value.shape)}): the plan's sizes and the embedding's dimension must be "
                "those of the joint training."
            )
    if not header.get("finished"):
        raise CheckpointError(
            f"{path} comes from a joint training that has not ended; let it end first."
        )
    network.load_state_dict(shared, strict=False)
    network.freeze_backbone()


def subject_number(names: Sequence[str], name: str | None, where: str) -> int:
    """Return which of `names` is `name`; the first where it is None."""
    if name is None:
        return 0
    if name not in names:
        raise RequestError(f"{where} knows {', '.join(names)}, but no {name}; name one of them.")
    return list(names).index(name)


def _require_same(found: Run, wanted: Run) -> None:
    differences = found.plan.differences(wanted.plan)
    if found.fingerprint != wanted.fingerprint or found.data.names != wanted.data.names:
        differences.append("data")
    if differences:
        raise CheckpointError(
            f"The training in {wanted.folder} was begun with other settings "
            f"({', '.join(differences)}); repeat those, or choose another folder."
        )
