"""What is known of one voxel."""

import contextlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.matrix import BetaMatrix
from nsdviewer.data.betas.sites import Voxels, columns_in
from nsdviewer.data.regions.maps import list_maps, read_map
from nsdviewer.data.regions.rois import load_collection
from nsdviewer.errors import CheckpointError, DataError, RequestError
from nsdviewer.mapping.preference import NearestWords
from nsdviewer.models.encoder import Encoder
from nsdviewer.session.cursor import Voxel
from nsdviewer.session.repetitions import Repetitions, repetitions_of
from nsdviewer.session.workspace import Workspace

_PRF_MAPS = ("angle", "eccentricity", "size", "R2")
# Where the model explains less, its parameters are those of noise.
LEAST_PRF_R2_PCT = 10.0


@dataclass(frozen=True)
class ReceptiveField:
    """NSD's population receptive field of one voxel.

    Attributes
    ----------
    angle_deg
        Polar angle, counter-clockwise from the right horizontal meridian.
    eccentricity_deg, size_deg
        Distance from fixation, and one deviation of the field, in degrees of visual angle.
    r2_pct
        Variance that the model explains, in percent.
    """

    angle_deg: float
    eccentricity_deg: float
    size_deg: float
    r2_pct: float

    @property
    def is_trusted(self) -> bool:
        """Whether it explains enough to be relied on: a tenth of the variance."""
        return self.r2_pct >= LEAST_PRF_R2_PCT

    @property
    def centre_deg(self) -> tuple[float, float]:
        """(x, y) of its centre from fixation, right and up positive."""
        angle = np.deg2rad(self.angle_deg)
        x, y = self.eccentricity_deg * np.cos(angle), self.eccentricity_deg * np.sin(angle)
        return float(x), float(y)


@dataclass(frozen=True)
class VoxelCard:
    """What is known of one voxel.

    Attributes
    ----------
    trials, psc
        (n_trials,) all its responses in percent signal change, NaN where it has none.
    repetitions
        The same by repetition of each picture, with their reliability.
    noise_ceiling, test_r
        Ceiling on r² (0..1) and correlation of the encoder on repeat-averaged test responses; NaN
        where undefined.
    best_nsd_ids
        Pictures with the largest repeat-averaged responses, best first.
    prf
        None where nothing was measured, or no maps are on disk.
    words
        Those that its encoder weights are nearest to; None where they are not known, or not yet.
    notes
        What is missing, and why: ``responses``, ``prf``, ``encoder`` or ``words`` → a sentence.
    """

    ijk: Voxel
    trials: NDArray[np.int64]
    psc: NDArray[np.float32]
    repetitions: Repetitions
    rois: tuple[str, ...]
    noise_ceiling: float
    test_r: float
    best_nsd_ids: NDArray[np.int64]
    prf: ReceptiveField | None
    words: NearestWords | None
    notes: dict[str, str]


def voxel_card(
    workspace: Workspace, ijk: Voxel, n_best: int = 6, encoder_path: str = ""
) -> VoxelCard:
    """Return what is known of the voxel `ijk` (0-based), without its words.

    What is not on disk is left out and named in `notes`.

    Raises
    ------
    RequestError
        If it lies outside the grid.
    """
    if any(not 0 <= v < n for v, n in zip(ijk, workspace.grid, strict=True)):
        raise RequestError(
            f"Voxel {ijk} lies outside the grid {workspace.grid}; choose one inside."
        )
    notes: dict[str, str] = {}
    encoder, betas = _models(workspace, encoder_path, notes)
    trials = workspace.table.select("all")
    psc = _responses(betas, ijk, trials, notes)
    ceiling, test_r = float("nan"), float("nan")
    at = column_of(encoder, workspace, ijk)
    if encoder is not None and at >= 0:
        ceiling, test_r = float(encoder.noise_ceiling[at]), float(encoder.test_r[at])
    elif encoder is not None:
        notes["encoder"] = f"outside '{encoder.header.roi}', which the encoder predicts"
    return VoxelCard(
        ijk=ijk,
        trials=trials,
        psc=psc,
        repetitions=repetitions_of(workspace, trials, psc),
        rois=rois_at(workspace, ijk),
        noise_ceiling=ceiling,
        test_r=test_r,
        best_nsd_ids=_best_pictures(workspace, trials, psc, n_best),
        prf=receptive_field_at(workspace, ijk, notes),
        words=None,
        notes=notes,
    )


def column_of(encoder: Encoder | None, workspace: Workspace, ijk: Voxel) -> int:
    """Return the encoder's column of a voxel, −1 where it predicts none there."""
    if encoder is None or not isinstance(encoder.sites, Voxels):
        return -1
    return int(columns_in(encoder.sites, Voxels(workspace.grid, np.array([ijk])))[0])


def rois_at(workspace: Workspace, ijk: Voxel) -> tuple[str, ...]:
    """Return the names of the regions that hold the voxel."""
    names = []
    for name in workspace.collections:
        collection = workspace.keep(
            ("collection", name),
            lambda n=name: load_collection(workspace.files, workspace.space, n),  # type: ignore[misc]
        )
        label = int(collection.labels[ijk])
        if label > 0:
            names.append(collection.names.get(label, f"{name} {label}"))
    return tuple(dict.fromkeys(names))


def receptive_field_at(
    workspace: Workspace, ijk: Voxel, notes: dict[str, str]
) -> ReceptiveField | None:
    """Return the population receptive field of a voxel; None, with a note, where there is none."""
    maps = workspace.keep("prf maps", lambda: _prf_maps(workspace))
    if not maps:
        notes["prf"] = "no pRF maps on disk"
        return None
    values = [float(maps[name][ijk]) for name in _PRF_MAPS]
    if not np.isfinite(values).all() or values[2] <= 0:
        notes["prf"] = "no pRF measured here"
        return None
    return ReceptiveField(*values)


def _prf_maps(workspace: Workspace) -> dict[str, NDArray[np.float32]]:
    files, space = workspace.files, workspace.space
    if not {f"prf_{name}" for name in _PRF_MAPS} <= set(list_maps(files, space)):
        return {}
    try:
        return {name: read_map(files, space, f"prf_{name}").values for name in _PRF_MAPS}
    except DataError:
        # A damaged map is as good as none; whoever shows it as a layer is told.
        return {}


def _models(
    workspace: Workspace, encoder_path: str, notes: dict[str, str]
) -> tuple[Encoder | None, BetaMatrix | None]:
    """Return the encoder, and the responses of the region that a model was fitted on.

    Responses come through the cache that fitting made: no other voxel is quick to read in forty
    sessions' files.
    """
    encoder = None
    try:
        encoder = workspace.encoder(encoder_path)
    except CheckpointError as error:
        notes["encoder"] = str(error)
    roi = encoder.header.roi if encoder is not None else ""
    if encoder is None:
        with contextlib.suppress(CheckpointError):
            roi = workspace.decoder().header.roi
    if not roi:
        notes["responses"] = "no responses: fit an encoder or a decoder first"
        return encoder, None
    try:
        return encoder, workspace.betas(roi)
    except (DataError, RequestError) as error:
        notes["responses"] = f"no responses: {error}"
        return encoder, None


def _responses(
    betas: BetaMatrix | None, ijk: Voxel, trials: NDArray[np.int64], notes: dict[str, str]
) -> NDArray[np.float32]:
    column = -1 if betas is None else int(betas.columns_of(np.array([ijk]))[0])
    if betas is None or column < 0:
        notes.setdefault("responses", "no responses here: outside the fitted voxels")
        return np.full(len(trials), np.nan, np.float32)
    return betas.psc(trials, np.array([column]))[:, 0]


def _best_pictures(
    workspace: Workspace, trials: NDArray[np.int64], psc: NDArray[np.float32], n_best: int
) -> NDArray[np.int64]:
    nsd_ids, image = workspace.keep(
        "pictures of trials",
        lambda: np.unique(workspace.table.column("nsd_id")[trials], return_inverse=True),
    )
    valid = np.isfinite(psc)
    if not valid.any():
        return np.zeros(0, np.int64)
    total = np.bincount(image[valid], psc[valid], minlength=len(nsd_ids))
    count = np.bincount(image[valid], minlength=len(nsd_ids))
    seen = np.flatnonzero(count)
    best = np.argsort(-total[seen] / count[seen])[:n_best]
    return np.asarray(nsd_ids[seen[best]])
