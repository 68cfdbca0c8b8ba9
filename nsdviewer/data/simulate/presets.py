"""How large a simulated subject is: three presets and NSD's true grid sizes."""

from dataclasses import dataclass

from nsdviewer.errors import RequestError

SIMULATED_FLAG = "SIMULATED.json"
TR_S = 4.0 / 3.0

# Grid sizes (X, Y, Z) of the eight subjects' 1.8 mm functional space (NSD data manual).
TRUE_FUNC_SHAPES: tuple[tuple[int, int, int], ...] = (
    (81, 104, 83),
    (82, 106, 84),
    (81, 106, 82),
    (85, 99, 80),
    (79, 97, 78),
    (85, 113, 83),
    (78, 95, 81),
    (80, 103, 78),
)
# Median ncsnr inside nsdgeneral of the eight subjects (b3, 1.8 mm).
TRUE_MEDIAN_NCSNR = (0.361, 0.361, 0.324, 0.296, 0.415, 0.343, 0.281, 0.226)


@dataclass(frozen=True)
class Preset:
    """One size of simulated data.

    Attributes
    ----------
    n_sessions
        Sessions written where the caller names no number.
    func_shape
        Voxels of the functional grid; None for the subject's own true size.
    mesh_order
        Subdivisions of the icosahedron: 4 has 2,562 vertices a hemisphere, 5 has 10,242 (stock
        fsaverage5), 7 has 163,842.
    mni_voxel_mm
        Voxel size of the MNI grid of the MNI transforms; None writes none.
    shell_mm
        Brain mask limited to this distance from the cortical ribbon, which keeps the betas small;
        None for the whole brain.
    stores_empty_voxels
        Whether beta files hold the voxels outside the brain too, as NSD's do.
    n_timeseries_runs
        Runs of the first session that get time series.
    """

    name: str
    n_sessions: int
    func_shape: tuple[int, int, int] | None
    func_voxel_mm: float
    anat_size: int
    anat_voxel_mm: float
    mesh_order: int
    mni_voxel_mm: float | None
    shell_mm: float | None
    stores_empty_voxels: bool = False
    n_timeseries_runs: int = 0

    def shape_of(self, subject: int) -> tuple[int, int, int]:
        """Return the functional grid (X, Y, Z) of `subject` (1–8)."""
        return self.func_shape or TRUE_FUNC_SHAPES[subject - 1]


PRESETS: dict[str, Preset] = {
    "mini": Preset("mini", 2, (24, 28, 22), 6.6, 48, 4.0, 4, None, None, n_timeseries_runs=2),
    "demo": Preset("demo", 3, (62, 76, 60), 2.5, 100, 2.0, 5, 2.0, 2.5),
    "full": Preset("full", 40, None, 1.8, 320, 0.8, 7, 1.0, None, stores_empty_voxels=True),
}


def find_preset(name: str) -> Preset:
    """Return the preset called `name`.

    Raises
    ------
    RequestError
        If there is no such preset.
    """
    if name not in PRESETS:
        raise RequestError(
            f"There is no simulation preset '{name}'; choose one of {', '.join(PRESETS)}."
        )
    return PRESETS[name]
