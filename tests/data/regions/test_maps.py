"""Maps leave in the units that their names promise, on voxels and on vertices."""

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from nsdviewer.data.formats.volumes import write_mgh, write_volume
from nsdviewer.data.layout import NsdRoot, SubjectFiles
from nsdviewer.data.regions.maps import list_maps, read_map
from nsdviewer.errors import DataError, RequestError
from nsdviewer.state import BetaVersion, Hemisphere, Space

SPACE, B3 = Space.FUNC1PT8MM, BetaVersion.B3
SHAPE = (3, 4, 5)
RNG = np.random.default_rng(0)


@pytest.fixture
def files(tmp_path: Path) -> SubjectFiles:
    (tmp_path / "nsddata/ppdata/subj01").mkdir(parents=True)
    files = NsdRoot.open(tmp_path).subject(1)
    write_volume(files.volume(SPACE, "brainmask"), np.ones(SHAPE, np.int16), np.eye(4))
    return files


def write(files: SubjectFiles, name: str, values: np.ndarray, version=None) -> None:
    folder = files.betas_folder(SPACE, version) if version else files.ppdata / SPACE.value
    write_volume(folder / f"{name}.nii.gz", values, np.eye(4))


@pytest.mark.parametrize(
    ("name", "unit", "words"),
    [
        ("prf_angle", "deg", "counter-clockwise from the right horizontal meridian"),
        ("prf_eccentricity", "deg", "fixation"),
        ("prf_R2", "%", "variance explained"),
        ("floc_facestval", "t", "faces"),
        ("floc_corridortval", "t", "corridor"),
        ("R2_session07", "%", "session07"),
        ("onoffbeta", "% signal change", "ON-OFF"),
        ("T1_to_func1pt8mm", "", "T1"),
        ("mean_nsdimagery", "", "nsdimagery"),
        ("of_my_own", "", "of_my_own"),
    ],
)
def test_a_scalar_map_keeps_its_values_and_says_what_they_are(
    files: SubjectFiles, name: str, unit: str, words: str
) -> None:
    values = RNG.normal(size=SHAPE).astype(np.float32)
    values[0] = np.nan
    write(files, name, values)
    found = read_map(files, SPACE, name)
    np.testing.assert_array_equal(found.values, values)
    assert (found.name, found.unit, found.is_labels) == (name, unit, False)
    assert words in found.description
    assert name in list_maps(files, SPACE)


def test_mean_betas_are_stored_times_300(files: SubjectFiles) -> None:
    psc = RNG.normal(size=SHAPE).astype(np.float32)
    for name in ("meanbeta", "meanbeta_session02"):
        write(files, name, psc * 300, B3)
        found = read_map(files, SPACE, name, version=B3)
        np.testing.assert_allclose(found.values, psc, rtol=1e-6)
        assert found.unit == "% signal change"


def test_hrf_indices_count_from_0(files: SubjectFiles) -> None:
    stored = RNG.integers(0, 21, SHAPE).astype(np.int16)
    write(files, "HRFindex_session01", stored, B3)
    found = read_map(files, SPACE, "HRFindex_session01", version=B3)
    np.testing.assert_array_equal(found.values, stored - 1)
    assert found.is_labels


def test_r2_is_of_the_model_that_it_lies_beside(files: SubjectFiles) -> None:
    write(files, "R2", np.zeros(SHAPE, np.float32))
    write(files, "R2", np.ones(SHAPE, np.float32), B3)
    assert "ON-OFF" in read_map(files, SPACE, "R2").description
    beside = read_map(files, SPACE, "R2", version=B3)
    assert "single-trial" in beside.description
    assert beside.values.all()


def test_files_of_several_maps_are_not_listed(files: SubjectFiles) -> None:
    for name in ("floc_betas", "R2run_session01", "HRFindexrun_session01"):
        write(files, name, np.ones((*SHAPE, 2), np.int16), B3)
        write(files, name, np.ones((*SHAPE, 2), np.int16))
    write(files, "betas_session01", np.ones((*SHAPE, 2), np.int16), B3)
    assert list_maps(files, SPACE) == ("brainmask",)
    assert list_maps(files, SPACE, version=B3) == ()
    # A fourth axis of one does no harm, a longer one does.
    write(files, "mean", np.ones((*SHAPE, 1), np.float32))
    assert read_map(files, SPACE, "mean").values.shape == SHAPE
    write(files, "mean", np.ones((*SHAPE, 2), np.float32))
    with pytest.raises(DataError, match=r"mean\.nii\.gz has 4 axes"):
        read_map(files, SPACE, "mean")


def test_another_grid_and_labels_that_are_none_are_refused(files: SubjectFiles) -> None:
    write(files, "prf_R2", np.ones((3, 4, 6), np.float32))
    with pytest.raises(DataError, match=r"prf_R2\.nii\.gz.*brainmask\.nii\.gz"):
        read_map(files, SPACE, "prf_R2")
    for wrong in (np.full(SHAPE, 1.5), np.full(SHAPE, np.nan)):
        write(files, "aseg", wrong)
        with pytest.raises(DataError, match=r"aseg\.nii\.gz.*whole numbers"):
            read_map(files, SPACE, "aseg")


@pytest.mark.parametrize("n_bytes", [0, 10, 100, 300])
def test_a_truncated_map_is_named(files: SubjectFiles, n_bytes: int) -> None:
    write(files, "prf_size", RNG.normal(size=SHAPE).astype(np.float32))
    path = files.volume(SPACE, "prf_size")
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(DataError, match=r"prf_size\.nii\.gz"):
        read_map(files, SPACE, "prf_size")


def test_maps_on_vertices(files: SubjectFiles) -> None:
    side, space = Hemisphere.RIGHT, Space.NATIVESURFACE
    values = RNG.uniform(0, 360, 9).astype(np.float32)
    write_mgh(files.label(space, side, "prfangle"), values)
    write_mgh(files.label(space, side, "streams"), np.ones(9))
    write_mgh(files.betas_folder(space, B3) / "rh.ncsnr.mgh", values)
    # A set of labels is no map.
    assert list_maps(files, space) == ("prfangle",)
    found = read_map(files, space, "prfangle", side)
    np.testing.assert_array_equal(found.values, values)
    assert found.unit == "deg"
    assert found.values.dtype.isnative
    np.testing.assert_array_equal(read_map(files, space, "ncsnr", side, B3).values, values)
    with pytest.raises(DataError, match=r"lh\.prfangle\.mgz is missing"):
        read_map(files, space, "prfangle", Hemisphere.LEFT)
    with pytest.raises(RequestError, match="hemisphere"):
        read_map(files, space, "prfangle")
    write_mgh(files.label(space, side, "flocbetas"), np.ones((9, 3)))
    assert list_maps(files, space) == ("prfangle",)
    surf = files.freesurfer / "surf"
    surf.mkdir()
    nib.freesurfer.write_geometry(surf / "rh.white", np.eye(3), np.array([[0, 1, 2]]))
    with pytest.raises(DataError, match=r"prfangle\.mgz has 9 vertices.*rh\.white has 3"):
        read_map(files, space, "prfangle", side)


def test_an_unknown_map_gets_a_suggestion(files: SubjectFiles) -> None:
    write(files, "prf_R2", np.ones(SHAPE, np.float32))
    for name in ("prf_r2", "pfr_R2"):
        with pytest.raises(RequestError, match=re.escape("Did you mean 'prf_R2'?")):
            read_map(files, SPACE, name)
    with pytest.raises(RequestError, match="There are: none"):
        read_map(files, SPACE, "ncsnr", version=B3)


def test_receptive_fields_of_the_simulated_subject(mini_root: Path) -> None:
    files = NsdRoot.open(mini_root).subject(1)
    angle = read_map(files, SPACE, "prf_angle").values
    assert np.nanmin(angle) >= 0
    assert np.nanmax(angle) <= 360
    for name in list_maps(files, SPACE):
        assert read_map(files, SPACE, name).values.shape == angle.shape
    for name in list_maps(files, SPACE, version=B3):
        assert read_map(files, SPACE, name, version=B3).values.shape == angle.shape
