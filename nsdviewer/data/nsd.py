"""The library's front door: a folder, its subjects, and what is known of each.

>>> from nsdviewer import open_nsd
>>> subject = open_nsd("/data/nsd").subject(1)
>>> trials = subject.trials()
>>> betas = subject.betas("nsdgeneral & prf-visualrois:V1v")
>>> x = betas.psc(trials.select("test:full-40"))  # (3000, n_voxels) percent signal change
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.matrix import BetaMatrix, open_betas
from nsdviewer.data.betas.reliability import (
    Reliability,
    compute_reliability,
    read_ncsnr,
    stream_reliability,
)
from nsdviewer.data.betas.sites import Mask, MaskOrMasks, sites_of
from nsdviewer.data.betas.sources import read_header
from nsdviewer.data.information import read_n_noise_components
from nsdviewer.data.layout import SURFACE_SPACES, NsdRoot, SubjectFiles
from nsdviewer.data.pictures.categories import pictures_by_category
from nsdviewer.data.pictures.coco import join_coco
from nsdviewer.data.pictures.stimuli import Stimuli
from nsdviewer.data.regions.maps import VoxelMap, read_map
from nsdviewer.data.regions.rois import roi_mask, roi_vertices
from nsdviewer.data.runs.hrf import hrf_of, read_hrf_index, read_hrf_library
from nsdviewer.data.runs.timeseries import Run, list_runs
from nsdviewer.data.runs.traces import RunTraces, open_run
from nsdviewer.data.spaces.layers import Layer
from nsdviewer.data.spaces.places import Place, affine_of
from nsdviewer.data.spaces.resampling import Interpolation
from nsdviewer.data.spaces.routes import known_grid
from nsdviewer.data.surfaces.meshes import Surface, read_surface
from nsdviewer.data.trials.table import TrialTable, build_side_table, build_trial_table
from nsdviewer.errors import DataError, RequestError
from nsdviewer.jobs import Progress, SilentProgress
from nsdviewer.state import BetaVersion, Experiment, Hemisphere, Space

# Responses that may stay cached after they were asked for once: nsdgeneral's 15,000 voxels in all of
# 30,000 trials are, a whole brain's are not.
_KEPT_VALUES = 1_000_000_000


class Nsd:
    """A folder laid out as NSD's bucket; any part of it may be missing."""

    def __init__(self, root: NsdRoot) -> None:
        self.root = root
        self.stimuli = Stimuli(root)

    @property
    def subjects(self) -> tuple[int, ...]:
        """Numbers of the subjects that are here."""
        return self.root.subjects

    def n_noise_components(self, space: Space = Space.FUNC1PT8MM) -> NDArray[np.float64]:
        """Return (n_sessions, n_subjects) noise components that b3 took out, NaN for none."""
        return read_n_noise_components(self.root, space)

    def subject(self, number: int) -> "Subject":
        """Return one subject; raises `RequestError` if it is not here."""
        return Subject(self.root.subject(number))


def open_nsd(root: Path | str) -> Nsd:
    """Open a folder laid out as NSD's bucket, real or simulated.

    Raises
    ------
    DataError
        If there is no such folder, or it holds no ``nsddata``.
    """
    return Nsd(NsdRoot.open(root))


class Subject:
    """One subject; nothing is read before it is asked for.

    Every method takes the space and the version of the betas; ``func1pt8mm`` and b3 are what most
    published decoders use.
    """

    def __init__(self, files: SubjectFiles) -> None:
        self.files = files
        self.number = files.number

    def trials(
        self,
        space: Space = Space.FUNC1PT8MM,
        version: BetaVersion = BetaVersion.B3,
        with_pictures: bool = False,
        coco: Path | None = None,
    ) -> TrialTable:
        """Return the trial table; see `nsdviewer.data.trials.table.TrialTable` for its columns.

        Parameters
        ----------
        with_pictures
            Also join what is known of each picture, COCO's annotations included where they are in
            the root or in `coco`.
        coco
            Folder of COCO's annotation files.
        """
        sessions = tuple(sorted({f.session for f in self.files.beta_files(space, version)}))
        if version.experiment is Experiment.CORE:
            table = build_trial_table(self.files.root, self.number, sessions, with_pictures)
            shown = pictures_by_category(self.files.root, table.column("nsd_id"), coco)
            table = replace(table, categories=shown)
            if "coco_id" not in table.frame:
                return table
            return replace(table, frame=join_coco(table.frame, self.files.root, coco))
        self.files.sessions(space, version)
        n_trials = read_header(self.files.beta_files(space, version)[0]).n_trials
        return build_side_table(
            self.files.root, self.number, version.experiment, n_trials, sessions
        )

    def mask(self, roi: str, space: Space = Space.FUNC1PT8MM) -> MaskOrMasks:
        """Return where a ROI expression is true and the space has betas.

        X × Y × Z for volumes, within the brain mask; a mask a hemisphere for surfaces. NSD has no
        ROIs in MNI: ``all`` is where any session has data.

        Raises
        ------
        RequestError
            If the expression cannot be read or names what is not there.
        """
        if space in SURFACE_SPACES:
            return roi_vertices(self.files, space, roi)
        return np.asarray(roi_mask(self.files, space, roi) & self.brain_mask(space))

    def brain_mask(self, space: Space = Space.FUNC1PT8MM) -> Mask:
        """Return X × Y × Z: where there are betas."""
        return roi_mask(self.files, space, "brainmask")

    def betas(
        self,
        roi: str = "nsdgeneral",
        space: Space = Space.FUNC1PT8MM,
        version: BetaVersion = BetaVersion.B3,
        progress: Progress | None = None,
    ) -> BetaMatrix:
        """Return the responses of a ROI's voxels or vertices; their cache is built at first use.

        Raises
        ------
        RequestError
            If the ROI is unknown or empty.
        DataError
            If there are no betas, or a file is damaged.
        """
        mask = self.mask(roi, space)
        return open_betas(self.files, space, version, mask, progress or SilentProgress())

    def reliability(
        self,
        roi: str = "nsdgeneral",
        space: Space = Space.FUNC1PT8MM,
        version: BetaVersion = BetaVersion.B3,
        progress: Progress | None = None,
    ) -> Reliability:
        """Return reliability recomputed from the betas; `ncsnr` reads what NSD computed."""
        progress = progress or SilentProgress()
        table = self.trials(space, version)
        mask = self.mask(roi, space)
        n_values = len(sites_of(mask)) * len(table)
        if n_values <= _KEPT_VALUES:
            betas = open_betas(self.files, space, version, mask, progress)
            return compute_reliability(betas, table, progress)
        return stream_reliability(self.files, space, version, mask, table, progress)

    def ncsnr(
        self,
        roi: str = "nsdgeneral",
        space: Space = Space.FUNC1PT8MM,
        version: BetaVersion = BetaVersion.B3,
    ) -> NDArray[np.float32]:
        """Return (n_sites,) noise-ceiling SNR from NSD's file; raises `DataError` without it."""
        found = read_ncsnr(self.files, space, version, sites_of(self.mask(roi, space)))
        if found is None:
            raise DataError(
                f"{self.files.ncsnr(space, version)} is missing; download it, or recompute it with "
                "'nsdviewer ncsnr'."
            )
        return found

    def map(
        self,
        name: str,
        space: Space = Space.FUNC1PT8MM,
        hemisphere: Hemisphere | None = None,
        version: BetaVersion | None = None,
    ) -> VoxelMap:
        """Return a scalar map such as ``prf_eccentricity`` with its unit and meaning.

        Parameters
        ----------
        hemisphere
            Which one, in a surface space.
        version
            Look among what accompanies these betas, for example for ``meanbeta``.
        """
        return read_map(self.files, space, name, hemisphere, version)

    def affine(self, space: Space = Space.FUNC1PT8MM) -> NDArray[np.float64]:
        """Return a volume space's 4 × 4 affine, which relates it to no other space.

        Raises
        ------
        RequestError
            If the space is a surface.
        DataError
            If no file on disk says how large the grid is.
        """
        if space in SURFACE_SPACES:
            raise RequestError(f"{space.value} has vertices, and no affine; ask for a volume.")
        place = Place.of(space)
        return affine_of(self.files, place, known_grid(self.files, place))

    def surface(self, hemisphere: Hemisphere, shape: str = "inflated") -> Surface:
        """Return a mesh, for example ``white``, ``pial``, ``inflated`` or ``layerB2``."""
        return read_surface(self.files.freesurfer, hemisphere, shape)

    def runs(self, space: Space = Space.FUNC1PT8MM) -> tuple[Run, ...]:
        """Return the runs of time series that are here, rest runs included."""
        return list_runs(self.files, space)

    def run(
        self,
        session: int,
        nsd_run: int | None = None,
        rest: int | None = None,
        space: Space = Space.FUNC1PT8MM,
    ) -> RunTraces:
        """Return one run's traces, opened when they are asked for.

        Parameters
        ----------
        nsd_run
            The experiment's run, 1 to 12, wherever its file stands.
        rest
            1 or 2: the rest run before or after.
        """
        return open_run(self.files, space, session, nsd_run=nsd_run, rest=rest)

    def hrf(
        self,
        ijk: tuple[int, int, int],
        session: int = 1,
        space: Space = Space.FUNC1PT8MM,
        version: BetaVersion = BetaVersion.B3,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return times (s) and the haemodynamic response that a voxel's model chose.

        Raises
        ------
        RequestError
            If the voxel lies outside the grid or has no response.
        DataError
            If the library or the index is missing or damaged.
        """
        library = read_hrf_library(self.files.root, space)
        index = read_hrf_index(self.files, space, version, session)
        return library.times_s, hrf_of(library, index, ijk)

    def layer(
        self,
        name: str,
        space: Space = Space.FUNC1PT8MM,
        hemisphere: Hemisphere | None = None,
        version: BetaVersion | None = None,
    ) -> Layer:
        """Return a scalar map as a layer, which carries its space; parameters as in `map`."""
        found = self.map(name, space, hemisphere, version)
        place = Place.of(space, hemisphere)
        return Layer(found.values, place, self.number, found.name, found.unit)

    def move(
        self, layer: Layer, target: str, interpolation: Interpolation = Interpolation.CUBIC
    ) -> Layer:
        """Return a layer moved to another space by this subject's transforms.

        >>> subject.move(subject.layer("prf_R2"), "lh.fsaverage")

        Raises
        ------
        RequestError
            If there is no space `target`.
        SpaceError
            If the layer is another subject's, or nothing leads there.
        DataError
            If a transform file is missing or damaged.
        """
        return layer.to(self.files, Place.parse(target), interpolation)
