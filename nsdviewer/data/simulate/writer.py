"""The whole simulation: plan, render, plant, write, and put the finished tree in its place."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.simulate import design as designs
from nsdviewer.data.simulate import freesurfer, maps
from nsdviewer.data.simulate.anatomy import Anatomy, build_anatomy
from nsdviewer.data.simulate.behaviour import write_responses
from nsdviewer.data.simulate.betas import BETA_VERSION, TrialPlan, choose_invalid, write_betas
from nsdviewer.data.simulate.design import N_SESSIONS, N_SUBJECTS, N_TRIALS, Design
from nsdviewer.data.simulate.presets import SIMULATED_FLAG, Preset, find_preset
from nsdviewer.data.simulate.stimuli import (
    JointEmbedding,
    Stimulus,
    StimulusSet,
    plan_stimuli,
    write_stimuli,
)
from nsdviewer.data.simulate.timeseries import SessionRuns, write_timeseries
from nsdviewer.data.simulate.transforms import write_transforms
from nsdviewer.data.simulate.truth import save_truth, truth_folder
from nsdviewer.data.simulate.tuning import Tuning, plant_tuning
from nsdviewer.errors import DataError, RequestError
from nsdviewer.files import write_json
from nsdviewer.jobs import PartProgress, Progress

_STIMULI_SHARE = 0.5
_BYTES_PER_IMAGE = 425 * 425 * 3
# 750 int16 and the chunk's entry in the file's index.
_BYTES_PER_VOXEL_SESSION = 1600
_NOTE = (
    "Simulated by nsdviewer: NSD's file layout with free photographs, fsaverage's surfaces, the "
    "MNI152 brain and invented responses. No part of it comes from the Natural Scenes Dataset."
)


def simulate(
    out: Path,
    preset: str,
    n_subjects: int,
    seed: int,
    embedding: JointEmbedding,
    progress: Progress,
    n_sessions: int | None = None,
) -> Path:
    """Write simulated subjects in the Natural Scenes Dataset's layout.

    Parameters
    ----------
    out
        The tree's root; made, or an empty folder. The planted truth goes to ``<out>.truth``.
    preset
        ``"mini"``, ``"demo"`` or ``"full"``.
    n_subjects
        1–8.
    seed
        The same seed, preset and embedding give byte-identical betas.
    embedding
        Whose space higher visual areas respond in.
    progress
        Reported to; when it raises, nothing is left behind.
    n_sessions
        1–40; the preset's own number where None.

    Returns
    -------
    `out`.

    Raises
    ------
    RequestError
        If a number or the preset is out of range.
    DataError
        If `out` or the truth beside it holds something, or the disk is too small.
    """
    size = find_preset(preset)
    n_sessions = size.n_sessions if n_sessions is None else n_sessions
    for name, value, largest in (
        ("subjects", n_subjects, N_SUBJECTS),
        ("sessions", n_sessions, N_SESSIONS),
    ):
        if not 1 <= value <= largest:
            raise RequestError(f"{value} {name} cannot be simulated; ask for 1 to {largest}.")
    out = Path(out).absolute()
    with _finished_or_nothing(out) as (root, truth):
        design = designs.make_design(n_sessions, seed)
        plan = plan_stimuli(design, n_subjects, seed)
        _check_room(out.parent, size, n_subjects, n_sessions, len(plan))
        stimuli = _write_experiment(root, design, plan, embedding, seed, progress)
        for k in range(n_subjects):
            share = (1 - _STIMULI_SHARE) / n_subjects
            start = _STIMULI_SHARE + k * share
            part = PartProgress(progress, start, start + share)
            writer = _SubjectWriter(root, truth, size, design, stimuli, embedding, seed)
            writer.write(k + 1, part)
        flag = _flag(size, n_subjects, n_sessions, seed, embedding, plan)
        write_json(root / SIMULATED_FLAG, flag)
    progress.report(1.0, f"Simulated data are in {out}")
    return out


@contextmanager
def _finished_or_nothing(out: Path) -> Iterator[tuple[Path, Path]]:
    """Yield temporary folders for tree and truth; move them into place when the block succeeds."""
    truth = truth_folder(out)
    for folder in (out, truth):
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise DataError(
                f"{folder} already holds something and is left as it is; "
                "name another folder, or delete this one first."
            )
    out.parent.mkdir(parents=True, exist_ok=True)
    workplace = Path(tempfile.mkdtemp(prefix=f".{out.name}.writing-", dir=out.parent))
    try:
        made = workplace / "tree", workplace / "truth"
        for folder in made:
            folder.mkdir()
        yield made
        # The truth first: a tree that is there is complete.
        for folder, target in zip(reversed(made), (truth, out), strict=True):
            if target.exists():
                target.rmdir()
            folder.replace(target)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def _check_room(
    folder: Path, preset: Preset, n_subjects: int, n_sessions: int, n_images: int
) -> None:
    """Refuse to begin what the disk cannot hold; about half of a grid is brain."""
    part = 1 if preset.stores_empty_voxels else 2
    n_voxels = sum(int(np.prod(preset.shape_of(s + 1))) // part for s in range(n_subjects))
    n_bytes = n_images * _BYTES_PER_IMAGE + n_voxels * n_sessions * _BYTES_PER_VOXEL_SESSION
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise DataError(
            f"The simulation needs about {n_bytes / 1e9:.1f} GB and {folder} has "
            f"{free / 1e9:.1f} GB left; choose another disk, fewer subjects or fewer sessions."
        )


def _write_experiment(
    root: Path,
    design: Design,
    plan: Sequence[Stimulus],
    embedding: JointEmbedding,
    seed: int,
    progress: Progress,
) -> StimulusSet:
    """Write what all subjects share: design, stimulus table, pictures and label names."""
    experiment = root / "nsddata/experiments/nsd"
    designs.write_design(experiment, design)
    designs.write_stim_info(experiment, design, {s.nsd_id: s.crop for s in plan}, seed)
    shown = np.array([s.nsd_id for s in plan])
    designs.write_image_lists(root / "nsddata/stimuli/nsd", design, shown)
    freesurfer.write_template_tables(root / "nsddata/templates")
    return write_stimuli(
        root / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5",
        plan,
        embedding,
        PartProgress(progress, 0.02, _STIMULI_SHARE),
    )


class _SubjectWriter:
    """Writes one subject after the other into the same tree."""

    def __init__(
        self,
        root: Path,
        truth: Path,
        preset: Preset,
        design: Design,
        stimuli: StimulusSet,
        embedding: JointEmbedding,
        seed: int,
    ) -> None:
        self._root, self._truth, self._preset = root, truth, preset
        self._design, self._stimuli = design, stimuli
        self._embedding, self._seed = embedding, seed

    def write(self, subject: int, progress: Progress) -> None:
        """Write everything of `subject` (1–8)."""
        name = f"subj{subject:02d}"
        progress.report(0, f"{name}: anatomy")
        anatomy = build_anatomy(self._preset, subject, self._seed)
        self._write_anatomy(name, anatomy)
        progress.report(0.15, f"{name}: tuning")
        rows, plan = self._plan_trials(subject)
        tuning = plant_tuning(
            anatomy,
            self._stimuli.embeddings[rows],
            self._stimuli.energy[rows],
            self._embedding,
            self._seed,
        )
        save_truth(self._truth, subject, self._embedding.name, tuning)
        invalid = choose_invalid(anatomy, tuning, plan.n_sessions)
        progress.report(0.2, f"{name}: maps")
        functional = self._root / f"nsddata/ppdata/{name}/func1pt8mm"
        maps.write_functional(
            functional, anatomy, tuning, invalid, plan.n_sessions, self._preset, self._seed
        )
        maps.write_rois(functional / "roi", anatomy)
        betas = self._root / f"nsddata_betas/ppdata/{name}/func1pt8mm/{BETA_VERSION}"
        part = PartProgress(progress, 0.3, 1)
        whole = self._preset.stores_empty_voxels
        write_betas(betas, anatomy, tuning, plan, invalid, self._seed, part, whole)
        if self._preset.n_timeseries_runs:
            self._write_timeseries(name, anatomy, tuning, plan)

    def _write_timeseries(
        self, name: str, anatomy: Anatomy, tuning: Tuning, plan: TrialPlan
    ) -> None:
        responses = tuning.signal_psc(slice(None))[:, plan.image[0]].T
        write_timeseries(
            self._root / f"nsddata_timeseries/ppdata/{name}",
            anatomy.brainmask,
            anatomy.func.affine,
            SessionRuns(
                1, self._design.stimpattern[0], self._design.nsd_ids(anatomy.subject)[:N_TRIALS]
            ),
            tuple(range(1, self._preset.n_timeseries_runs + 1)),
            responses,
            np.random.default_rng([self._seed, 10, anatomy.subject]),
        )

    def _write_anatomy(self, name: str, anatomy: Anatomy) -> None:
        folder = self._root / "nsddata"
        if anatomy.subject == 1:
            freesurfer.write_fsaverage(folder / "freesurfer/fsaverage", anatomy)
        freesurfer.write_subject(folder / f"freesurfer/{name}", anatomy)
        person = folder / f"ppdata/{name}"
        write_transforms(person / "transforms", anatomy, self._preset)
        maps.write_anatomical(person / "anat", anatomy, self._preset)
        write_responses(person / "behav/responses.tsv", self._design, anatomy.subject, self._seed)

    def _plan_trials(self, subject: int) -> tuple[NDArray[np.int64], TrialPlan]:
        """Return the subject's rows of the stimulus set, and the trials in terms of them."""
        nsd_ids = self._design.nsd_ids(subject)
        own, image = np.unique(nsd_ids, return_inverse=True)
        by_session = (self._design.n_sessions, N_TRIALS)
        repetition = self._design.repetitions()[: len(nsd_ids)]
        ten_k = self._design.subjectim[subject - 1, self._design.shown_ids - 1] - 1
        plan = TrialPlan(
            image.reshape(by_session),
            repetition.reshape(by_session),
            np.searchsorted(own, ten_k),
        )
        return self._stimuli.rows_of(own), plan


def _flag(
    preset: Preset,
    n_subjects: int,
    n_sessions: int,
    seed: int,
    embedding: JointEmbedding,
    plan: Sequence[Stimulus],
) -> dict[str, object]:
    """What says that these data are simulated, and which photograph stands for which image."""
    return {
        "simulated": True,
        "note": _NOTE,
        "preset": preset.name,
        "n_subjects": n_subjects,
        "n_sessions": n_sessions,
        "seed": seed,
        "embedding": embedding.name,
        "photographs": {
            str(s.nsd_id): {
                "file": s.photograph.path.name,
                "category": s.photograph.category,
                "label": s.photograph.label,
                "held_out": s.photograph.held_out,
            }
            for s in plan
        },
    }
