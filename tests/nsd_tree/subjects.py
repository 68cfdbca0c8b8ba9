"""One subject: the truth about it, drawn from a seed before any file is written."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from .betas import BetaTruth, encode, simulate_psc, stimulus_features
from .design import Design, trial_table
from .formats import Array, seeded
from .geometry import FUNC_TR_S, HEMISPHERES, Geometry, Shape, make_geometry
from .responses import MissingRuns, make_responses
from .rois import LABEL_FOLDER_ONLY, SURFACE_COLLECTIONS, all_vertex_labels
from .runs import RunTruth
from .side import SideBetas
from .surfaces import LAYER_DEPTHS, Hemisphere, native_hemisphere
from .transforms import INVALID, surface_maps, volume_warps
from .volumes import SpaceTruth, make_space

# Space, version, and hemisphere where the space is a surface.
BetaKey = tuple[str, str, str | None]


@dataclass(frozen=True)
class TinySubject:
    """The truth about a subject; trials and sessions cover all that it did, downloaded or not.

    Attributes
    ----------
    sessions
        The sessions, from 1, whose files are there.
    trials
        See `design.trial_table`.
    responses
        The columns of `responses.tsv`, as stored.
    spaces
        Masks, maps and ROIs by folder name: func1pt8mm, func1mm, MNI.
    hemispheres
        Native meshes, "lh" and "rh".
    labels
        Native labels (V,) by (hemisphere, collection).
    warps, surface_maps
        Transforms by file stem, values as stored.
    betas
        By (space, version, hemisphere or None). For fsaverage `psc` is what the files hold.
    runs
        By (space, session).
    side
        By (space, experiment).
    """

    number: int
    n_sessions: int
    sessions: tuple[int, ...]
    trials: pd.DataFrame
    responses: pd.DataFrame
    geometry: Geometry
    spaces: dict[str, SpaceTruth]
    hemispheres: dict[str, Hemisphere]
    labels: dict[tuple[str, str], Array]
    warps: dict[str, Array]
    surface_maps: dict[str, Array]
    betas: dict[BetaKey, BetaTruth] = field(default_factory=dict)
    runs: dict[tuple[str, int], list[RunTruth]] = field(default_factory=dict)
    side: dict[tuple[str, str], SideBetas] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"subj{self.number:02d}"

    @property
    def func_shape(self) -> Shape:
        return self.geometry.shapes["func1pt8mm"]

    @property
    def func1mm_shape(self) -> Shape:
        return self.geometry.shapes["func1mm"]

    @property
    def n_vertices(self) -> dict[str, int]:
        return {hemi: mesh.n_vertices for hemi, mesh in self.hemispheres.items()}


def make_subject(
    design: Design,
    fsaverage: dict[str, Hemisphere],
    number: int,
    sessions: tuple[int, ...],
    *,
    seed: int = 0,
    func_shape: Shape = (7, 9, 8),
    spaces: tuple[str, ...] = ("func1pt8mm",),
    missing_runs: MissingRuns = (),
) -> TinySubject:
    """Draw a subject, without betas and runs, which are drawn where they are wanted."""
    n_sessions = max(sessions)
    geometry = make_geometry(func_shape)
    counts = {"lh": 130 + 3 * number, "rh": 142 + number}
    hemispheres = {hemi: native_hemisphere(geometry, hemi, counts[hemi]) for hemi in HEMISPHERES}
    return TinySubject(
        number=number,
        n_sessions=n_sessions,
        sessions=tuple(sessions),
        trials=trial_table(design, number, n_sessions),
        responses=make_responses(design, number, n_sessions, seed=seed, missing_runs=missing_runs),
        geometry=geometry,
        spaces={
            space: make_space(
                geometry, hemispheres, space, sessions, seeded("space", seed, number, space)
            )
            for space in spaces
        },
        hemispheres=hemispheres,
        labels=all_vertex_labels(hemispheres, SURFACE_COLLECTIONS | LABEL_FOLDER_ONLY),
        warps=volume_warps(geometry),
        surface_maps=surface_maps(geometry, hemispheres, fsaverage),
    )


def volume_betas(subject: TinySubject, space: str, version: str, seed: int) -> BetaTruth:
    """Betas on the grid of a volume space, strong in nsdgeneral."""
    place = subject.spaces[space]
    saturated = np.zeros(place.shape, bool)
    saturated[place.saturated_voxel] = True
    psc = simulate_psc(
        _features(subject, seed),
        place.valid,
        place.rois["nsdgeneral"] > 0,
        weights_rng=seeded("weights", seed, subject.number, space),
        noise_rng=seeded("noise", seed, subject.number, space, version),
        saturated=saturated,
    )
    return encode(psc, subject.trials["image_10k"].to_numpy())


def native_betas(subject: TinySubject, version: str, hemi: str, seed: int) -> BetaTruth:
    """Betas on native vertices, NaN where one of the layers leaves the functional grid."""
    layers = [subject.surface_maps[f"{hemi}.func1pt0-to-{layer}"] for layer in LAYER_DEPTHS]
    measured = ~(np.stack(layers) == INVALID).any(axis=(0, 2))
    psc = simulate_psc(
        _features(subject, seed),
        np.tile(measured, (subject.n_sessions, 1)),
        subject.labels[hemi, "nsdgeneral"] > 0,
        weights_rng=seeded("weights", seed, subject.number, hemi),
        noise_rng=seeded("noise", seed, subject.number, hemi, version),
    )
    return encode(psc, subject.trials["image_10k"].to_numpy())


def fsaverage_betas(subject: TinySubject, native: BetaTruth, hemi: str) -> BetaTruth:
    """Native betas of the nearest vertices."""
    nearest = subject.surface_maps[f"{hemi}.white-to-fsaverage"] - 1
    ncsnr = {name: values[nearest] for name, values in native.ncsnr.items()}
    return BetaTruth(native.psc[:, nearest], native.stored[:, nearest], ncsnr)


def add_betas(subject: TinySubject, space: str, version: str, seed: int) -> None:
    """Draw the betas of a space and version into `subject.betas`, once."""
    if space in (*FUNC_TR_S, "MNI"):
        if (space, version, None) not in subject.betas:
            subject.betas[space, version, None] = volume_betas(subject, space, version, seed)
        return
    for hemi in HEMISPHERES:
        native_key = ("nativesurface", version, hemi)
        if native_key not in subject.betas:
            subject.betas[native_key] = native_betas(subject, version, hemi, seed)
        native = subject.betas[native_key]
        if space == "fsaverage":
            subject.betas[space, version, hemi] = fsaverage_betas(subject, native, hemi)


def _features(subject: TinySubject, seed: int) -> Array:
    return stimulus_features(seed)[subject.trials["nsd_id"].to_numpy()]
