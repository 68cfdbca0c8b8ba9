"""A whole tree in a folder, and the truth about it in memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from . import betas as beta_files
from .betas import BetaTruth
from .design import Design, make_design, write_design, write_stim_info, write_stimulus_lists
from .formats import Array, write_mgh
from .geometry import FUNC_TR_S, HEMISPHERES, Shape
from .information import write_information, write_templates
from .responses import MissingRuns, write_responses
from .rois import (
    ATLASES,
    all_vertex_labels,
    roi_volumes,
    write_labels,
    write_rois,
    write_template_ctabs,
)
from .runs import PHYSIO_SESSIONS, make_runs, write_physio, write_timeseries
from .side import (
    SyntheticDesign,
    make_side_betas,
    make_synthetic_design,
    write_side_experiment,
    write_synthetic_design,
    write_synthetic_runs,
)
from .stimuli import write_shared_pngs, write_stimuli
from .subjects import TinySubject, add_betas, make_subject
from .surfaces import Hemisphere, fsaverage_hemisphere, write_surfaces
from .transforms import write_transforms
from .volumes import (
    SpaceTruth,
    companions,
    mri_volume,
    of_sessions,
    overall_companions,
    write_anat,
    write_anat_to_mni,
    write_volumes,
)

B2, B3 = "betas_fithrf", "betas_fithrf_GLMdenoise_RR"
FORMATS = {
    "func1mm": ("hdf5", "nii.gz", "mat"),
    "func1pt8mm": ("hdf5", "nii.gz", "mat"),
    "MNI": ("nii.gz",),
    "nativesurface": ("hdf5",),
    "fsaverage": ("mgh",),
}
BetaRequest = tuple[str, str, str]


@dataclass
class TinyTree:
    """Where the files are, and what they say.

    Attributes
    ----------
    design, synthetic
        Tables of the core experiment and of nsdsynthetic; they count from 0.
    subjects
        By number, from 1.
    fsaverage
        Meshes by hemisphere, "lh" and "rh".
    """

    root: Path
    seed: int
    design: Design
    synthetic: SyntheticDesign
    subjects: dict[int, TinySubject]
    fsaverage: dict[str, Hemisphere]

    @property
    def atlas_labels(self) -> dict[tuple[str, str], Array]:
        """Labels (V,) of fsaverage by (hemisphere, collection)."""
        return all_vertex_labels(self.fsaverage, ATLASES)

    @property
    def shown(self) -> Array:
        """0-based 73k IDs, ascending, that were shown: the pictures in the brick."""
        ids = [subject.trials["nsd_id"].to_numpy() for subject in self.subjects.values()]
        return np.unique(np.concatenate(ids))

    def ppdata(self, subject: int, space: str = "") -> Path:
        """`nsddata/ppdata/subjSS[/space]`."""
        return self.root / "nsddata/ppdata" / f"subj{subject:02d}" / space

    def betas_folder(self, subject: int, space: str = "func1pt8mm", version: str = B3) -> Path:
        """`nsddata_betas/ppdata/subjSS/space/version`."""
        return self.root / "nsddata_betas/ppdata" / f"subj{subject:02d}" / space / version

    def freesurfer(self, subject: int | None = None) -> Path:
        """`nsddata/freesurfer/subjSS`, or fsaverage's."""
        name = "fsaverage" if subject is None else f"subj{subject:02d}"
        return self.root / "nsddata/freesurfer" / name


def build_tree(
    root: Path,
    *,
    subjects: tuple[int, ...] = (1,),
    sessions: tuple[int, ...] = (1, 2, 3),
    seed: int = 0,
    betas: tuple[BetaRequest, ...] = (("func1pt8mm", B3, "hdf5"),),
    func_shape: Shape = (7, 9, 8),
    fsaverage_order: int = 2,
    missing_runs: Mapping[int, MissingRuns] | None = None,
    stim_info: bool = True,
    stimuli: bool = True,
    reduced_brick: bool = False,
    surfaces: bool = True,
    transforms: bool = True,
    anat_rois: bool = False,
    timeseries: tuple[tuple[str, int], ...] = (),
    side_experiments: tuple[str, ...] = (),
) -> TinyTree:
    """Write a tree and return the truth about it.

    Parameters
    ----------
    sessions
        Whose files are there. Subjects did all sessions up to the last of them: a gap is a partial
        download, and ncsnr and trials know of the missing session.
    betas
        (space, version, format) to write, e.g. ("func1mm", "betas_fithrf", "nii.gz"),
        ("fsaverage", "betas_fithrf_GLMdenoise_RR", "mgh").
    func_shape
        The 1.8-mm grid; the 1-mm grid follows.
    fsaverage_order
        1 for 42 vertices a hemisphere, 2 for 162.
    missing_runs
        By subject, (session, run) whose behaviour was lost.
    timeseries
        (space, session) to write, any of the 40 sessions; 21 to 30 come with physiology.
    side_experiments
        "nsdsynthetic", "nsdimagery", in every functional space that the tree has.
    """
    _check(betas)
    spaces = {"func1pt8mm", *(space for space, *_ in betas), *(space for space, _ in timeseries)}
    design = make_design(seed)
    fsaverage = {hemi: fsaverage_hemisphere(hemi, fsaverage_order) for hemi in HEMISPHERES}
    people = {
        number: make_subject(
            design,
            fsaverage,
            number,
            sessions,
            seed=seed,
            func_shape=func_shape,
            spaces=tuple(sorted(spaces - {"fsaverage", "nativesurface"})),
            missing_runs=(missing_runs or {}).get(number, ()),
        )
        for number in subjects
    }
    tree = TinyTree(root, seed, design, make_synthetic_design(seed), people, fsaverage)
    write_shared_files(tree, stim_info=stim_info, surfaces=surfaces)
    if stimuli:
        write_stimuli(root, tree.shown, reduced=reduced_brick)
        write_shared_pngs(root, design.sharedix, 2)
    for subject in people.values():
        write_subject(tree, subject, anat_rois=anat_rois)
        if surfaces:
            write_native_surfaces(tree, subject)
        if transforms:
            write_subject_transforms(tree, subject)
        for request in betas:
            write_betas(tree, subject, *request)
        for space, session in timeseries:
            write_session_runs(tree, subject, space, session)
        for experiment in side_experiments:
            write_side(tree, subject, experiment)
    return tree


def _check(betas: tuple[BetaRequest, ...]) -> None:
    for space, version, file_format in betas:
        if file_format not in FORMATS[space]:
            raise ValueError(f"{space} betas come as {FORMATS[space]}, not as {file_format}")
        if space == "MNI" and version != B2:
            raise ValueError(f"MNI carries only {B2}, not {version}")


def write_shared_files(tree: TinyTree, *, stim_info: bool = True, surfaces: bool = True) -> None:
    """Write what belongs to no subject: design, lists, templates, information, fsaverage."""
    write_design(tree.root, tree.design)
    write_stimulus_lists(tree.root, tree.design)
    if stim_info:
        write_stim_info(tree.root, tree.design)
    write_template_ctabs(tree.root)
    write_templates(tree.root, next(iter(tree.subjects.values())).geometry)
    write_information(tree.root)
    write_labels(tree.freesurfer(), tree.atlas_labels)
    if surfaces:
        write_surfaces(tree.freesurfer(), tree.fsaverage)


def write_subject(tree: TinyTree, subject: TinySubject, *, anat_rois: bool = False) -> None:
    """Write a subject's behaviour, masks, maps, ROIs, labels and anatomy."""
    write_responses(tree.root, subject.responses)
    write_labels(tree.freesurfer(subject.number), subject.labels)
    for name, space in subject.spaces.items():
        if name not in FUNC_TR_S:
            continue
        folder = tree.ppdata(subject.number, name)
        volumes = of_sessions(space.maps, subject.sessions)
        write_volumes(folder, volumes, space.affine, tr_s=space.tr_s)
        write_rois(folder / "roi", space.rois, space.affine, tr_s=space.tr_s)
    anat = tree.ppdata(subject.number, "anat")
    write_anat(anat, subject.geometry)
    write_anat_to_mni(anat, subject.geometry)
    if anat_rois:
        volumes = roi_volumes(subject.geometry, subject.hemispheres, "anat0pt8")
        write_rois(anat / "roi", volumes, subject.geometry.affines["anat0pt8"])


def write_native_surfaces(tree: TinyTree, subject: TinySubject) -> None:
    """Write a subject's `surf` folder, and the anatomy in FreeSurfer's own grid."""
    folder = tree.freesurfer(subject.number)
    write_surfaces(folder, subject.hemispheres, subject.geometry.shapes["anat0pt8"])
    (folder / "mri").mkdir(exist_ok=True)
    nib.save(nib.MGHImage(*mri_volume(subject.geometry)), folder / "mri/T1.mgz")


def write_subject_transforms(tree: TinyTree, subject: TinySubject) -> None:
    """Write a subject's `transforms` folder."""
    folder = tree.ppdata(subject.number, "transforms")
    write_transforms(folder, subject.geometry, subject.warps, subject.surface_maps)


def write_betas(
    tree: TinyTree, subject: TinySubject, space: str, version: str, file_format: str
) -> None:
    """Write betas in one space, version and format, with the files that stand beside them."""
    add_betas(subject, space, version, tree.seed)
    folder = tree.betas_folder(subject.number, space, version)
    if space in ("nativesurface", "fsaverage"):
        for hemi in HEMISPHERES:
            truth = subject.betas[space, version, hemi]
            _write_surface_betas(folder, hemi, truth, subject.sessions, file_format)
        return
    truth, place = subject.betas[space, version, None], subject.spaces[space]
    for session in subject.sessions:
        path = folder / f"betas_session{session:02d}.{file_format}"
        _write_volume_betas(path, truth.stored[truth.session(session)], place)
        volumes = companions(truth, session, version, tree.seed)
        if space == "MNI":
            name = f"valid_session{session:02d}"
            volumes = {name: place.maps[name]}
        write_volumes(folder, volumes, place.affine, tr_s=place.tr_s)
    if space != "MNI":
        write_volumes(folder, overall_companions(truth), place.affine, tr_s=place.tr_s)


def _write_volume_betas(path: Path, stored: Array, place: SpaceTruth) -> None:
    if path.suffix == ".hdf5":
        beta_files.write_betas_hdf5(path, stored)
    elif path.suffix == ".mat":
        beta_files.write_betas_mat(path, stored)
    else:
        beta_files.write_betas_nifti(path, stored, place.affine, tr_s=place.tr_s)


def _write_surface_betas(
    folder: Path, hemi: str, truth: BetaTruth, sessions: tuple[int, ...], file_format: str
) -> None:
    for session in sessions:
        trials = truth.session(session)
        path = folder / f"{hemi}.betas_session{session:02d}.{file_format}"
        if file_format == "mgh":
            beta_files.write_fsaverage_betas(path, truth.psc[trials])
        else:
            beta_files.write_nativesurface_betas(path, truth.stored[trials])
    for name, values in truth.ncsnr.items():
        write_mgh(folder / f"{hemi}.{name}.mgh", values)


def write_session_runs(tree: TinyTree, subject: TinySubject, space: str, session: int) -> None:
    """Write the runs of a session, with physiology where NSD has it."""
    place = subject.spaces[space]
    runs = make_runs(tree.design, subject.number, place, session, seed=tree.seed)
    subject.runs[space, session] = runs
    write_timeseries(tree.root, subject.number, place, session, runs)
    if session in PHYSIO_SESSIONS:
        write_physio(tree.root, subject.number, session)


def write_side(tree: TinyTree, subject: TinySubject, experiment: str) -> None:
    """Write a side experiment in every functional space of the tree."""
    if experiment == "nsdsynthetic":
        write_synthetic_design(tree.root, tree.synthetic)
    for name, place in subject.spaces.items():
        if name not in FUNC_TR_S:
            continue
        truth = make_side_betas(subject.number, place, experiment, tree.seed)
        subject.side[name, experiment] = truth
        write_side_experiment(tree.root, subject.number, place, experiment, truth)
        if experiment == "nsdsynthetic":
            write_synthetic_runs(tree.root, subject.number, place, tree.synthetic)
