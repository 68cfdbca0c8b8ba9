"""The haemodynamic response that NSD's single-trial models chose for each voxel.

``nsddata/templates/hrfs_func1mm.mat`` and ``hrfs_func1pt8mm.mat`` hold 20 responses; beside the
betas of b2 and b3, ``HRFindex_sessionNN.nii.gz`` says which of them fits a voxel, from 1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.formats.hdf5 import open_hdf5
from nsdviewer.data.layout import TR_S, NsdRoot, SubjectFiles, nifti
from nsdviewer.data.regions.maps import read_on_grid
from nsdviewer.errors import DataError, RequestError
from nsdviewer.state import BetaVersion, Experiment, Space

N_HRFS = 20
NO_HRF = -1


@dataclass(frozen=True)
class HrfLibrary:
    """The responses a model chooses from.

    Attributes
    ----------
    curves
        (20, n_samples) response to one trial, in the file's units.
    dt_s
        Time between samples in seconds.
    """

    curves: NDArray[np.float64]
    dt_s: float

    @property
    def times_s(self) -> NDArray[np.float64]:
        """(n_samples,) seconds since the trial's onset."""
        return np.arange(self.curves.shape[1], dtype=np.float64) * self.dt_s


def read_hrf_library(root: NsdRoot, space: Space) -> HrfLibrary:
    """Read the responses that the models of `space` chose from.

    Raises
    ------
    RequestError
        If the models of `space` have no library of their own.
    DataError
        If the file is missing or damaged.
    """
    _require_space(space)
    path = root.templates / f"hrfs_{space.value}.mat"
    if not path.exists():
        raise DataError(f"The file {path} is missing; download it from NSD's bucket.")
    try:
        with open_hdf5(path) as file:
            # MATLAB's axes come reversed: one response a row.
            curves = np.asarray(file["hrfs"][()], np.float64)
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path} is damaged ({error}); download it again.") from error
    if curves.ndim != 2 or len(curves) != N_HRFS or not np.isfinite(curves).all():
        raise DataError(
            f"{path} holds {curves.shape} where {N_HRFS} responses are expected; download it again."
        )
    return HrfLibrary(curves, TR_S[space])


def read_hrf_index(
    files: SubjectFiles, space: Space, version: BetaVersion, session: int
) -> NDArray[np.int64]:
    """Return which response (0 to 19) each voxel has, X × Y × Z; `NO_HRF` where it has none.

    The file counts from 1; it is shifted here, once.

    Parameters
    ----------
    session
        From 1; of no account for the side experiments, which have one.

    Raises
    ------
    RequestError
        If the model does not choose responses: b1 assumes one.
    DataError
        If the file is missing or damaged.
    """
    _require_space(space)
    if version is BetaVersion.B1:
        raise RequestError("b1 assumes one response for all voxels; choose b2 or b3.")
    is_side = version.experiment in (Experiment.SYNTHETIC, Experiment.IMAGERY)
    stem = version.experiment.value if is_side else f"session{session:02d}"
    path = nifti(files.betas_folder(space, version), f"HRFindex_{stem}")
    written = read_on_grid(files, space, path)
    # A comparison with NaN is False, so NaN counts as bad.
    good = (written >= 0) & (written <= N_HRFS) & (written == np.floor(written))
    if not good.all():
        raise DataError(
            f"{path} holds {written[~good][0]} where 1 to {N_HRFS}, or 0 for none, is expected; "
            "download it again."
        )
    return np.where(written > 0, written.astype(np.int64) - 1, NO_HRF)


def hrf_of(
    library: HrfLibrary, index: NDArray[np.int64], ijk: tuple[int, int, int]
) -> NDArray[np.float64]:
    """Return the response (n_samples,) of voxel `ijk` (0-based) at the library's `times_s`.

    Raises
    ------
    RequestError
        If the voxel lies outside the grid or has no response.
    """
    if len(ijk) != 3 or not all(0 <= i < n for i, n in zip(ijk, index.shape, strict=True)):
        raise RequestError(f"Voxel {ijk} lies outside the grid of {index.shape} voxels.")
    chosen = int(index[ijk])
    if chosen == NO_HRF:
        raise RequestError(f"Voxel {ijk} has no response: it lies outside the brain mask.")
    return np.asarray(library.curves[chosen])


def _require_space(space: Space) -> None:
    if space not in TR_S:
        here = " and ".join(s.value for s in TR_S)
        raise RequestError(f"There are no responses chosen in {space.value}; choose {here}.")
