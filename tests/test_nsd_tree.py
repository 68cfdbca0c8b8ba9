"""The tiny tree keeps the invariants of the dataset that it imitates."""

import gzip
import struct
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.io import loadmat
from scipy.ndimage import map_coordinates

from tests.nsd_tree import B2, B3, TinyTree, build_tree, picture, truncate

EVERY_FORMAT = (
    ("func1pt8mm", B3, "hdf5"),
    ("func1pt8mm", B3, "nii.gz"),
    ("func1pt8mm", B3, "mat"),
    ("func1mm", B3, "hdf5"),
    ("MNI", B2, "nii.gz"),
    ("nativesurface", B3, "hdf5"),
    ("fsaverage", B3, "mgh"),
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> TinyTree:
    """One subject, three sessions of which the second is not downloaded, and all kinds of files."""
    return build_tree(
        tmp_path_factory.mktemp("nsd"),
        sessions=(1, 3),
        betas=EVERY_FORMAT,
        timeseries=(("func1pt8mm", 1), ("func1mm", 21)),
        side_experiments=("nsdsynthetic",),
        missing_runs={1: ((2, 3),)},
    )


def volume(path: Path) -> np.ndarray:
    return np.asanyarray(nib.load(path).dataobj)


def expdesign(tree: TinyTree) -> dict[str, np.ndarray]:
    return loadmat(tree.root / "nsddata/experiments/nsd/nsd_expdesign.mat")


def test_the_design_has_the_sizes_and_invariants_of_the_real_one(tree: TinyTree) -> None:
    design = expdesign(tree)
    ordering, subjectim = design["masterordering"], design["subjectim"]
    assert ordering.shape == (1, 30_000) and subjectim.shape == (8, 10_000)
    assert all(design[name].dtype.kind == "u" for name in ("masterordering", "subjectim"))
    assert (np.bincount(ordering[0])[1:] == 3).all() and ordering.min() == 1
    shared = design["sharedix"][0]
    assert len(shared) == 1000 and (np.diff(shared.astype(int)) > 0).all()
    assert (shared[0], shared[-1]) == (2951, 72_949)
    assert (subjectim[:, :1000] == shared).all()
    assert len(np.unique(subjectim)) == 73_000
    pattern = design["stimpattern"].astype(int)
    assert pattern.shape == (40, 12, 75)
    assert (pattern.sum(axis=2) == np.tile([63, 62], 6)).all()
    assert design["basiccnt"].shape == (3, 40)


def test_a_few_sessions_hold_images_shown_once_twice_and_thrice(tree: TinyTree) -> None:
    trials = tree.subjects[1].trials
    for part in (trials, trials[trials["shared"]]):
        assert (part.groupby("nsd_id").size().value_counts().reindex([1, 2, 3]) > 10).all()


def test_the_stimulus_table_tells_of_the_same_trials_as_the_design(tree: TinyTree) -> None:
    path = tree.root / "nsddata/experiments/nsd/nsd_stim_info_merged.csv"
    table = pd.read_csv(path, index_col=0, dtype={"shared1000": str})
    assert (table["nsdId"] == np.arange(73_000)).all() and (table.index == table["nsdId"]).all()
    assert table["cocoId"].is_unique
    design = expdesign(tree)
    is_shared = np.zeros(73_000, bool)
    is_shared[design["sharedix"][0].astype(int) - 1] = True
    assert ((table["shared1000"] == "True") == is_shared).all()
    ordering, subjectim = (design[name].astype(int) for name in ("masterordering", "subjectim"))
    for subject in range(1, 9):
        planned = np.zeros(30_000, int)
        for number in range(3):
            trials = table[f"subject{subject}_rep{number}"]
            planned[trials[trials > 0] - 1] = table["nsdId"][trials > 0]
        assert (planned == subjectim[subject - 1, ordering[0] - 1] - 1).all()
        assert table[f"subject{subject}"].sum() == 10_000


def test_the_responses_tell_of_the_same_trials_as_the_design(tree: TinyTree) -> None:
    table = pd.read_csv(tree.ppdata(1, "behav") / "responses.tsv", sep="\t")
    trials = tree.subjects[1].trials
    assert table.shape == (2250, 19)
    assert (table["73KID"] == trials["nsd_id"] + 1).all()
    assert (table["10KID"] == trials["image_10k"] + 1).all()
    assert ((table["10KID"] <= 1000) == trials["shared"]).all()
    assert ((table["ISOLD"] == 1) == (trials["repetition"] > 1)).all()
    assert (table["MEMORYRECENT"].isna() == (table["ISOLD"] == 0)).all()
    assert table["TIME"].is_monotonic_increasing
    lost = table[table["MISSINGDATA"] == 1]
    assert len(lost) == 63 and set(zip(lost["SESSION"], lost["RUN"], strict=True)) == {(2, 3)}
    assert lost["BUTTON"].isna().all()
    answered = table.dropna(subset="BUTTON")
    is_correct = (answered["BUTTON"] == 2) == (answered["ISOLD"] == 1)
    assert (is_correct == (answered["ISCORRECT"] == 1)).all()


@pytest.mark.parametrize("session", [1, 3])
def test_the_three_formats_hold_the_same_betas(tree: TinyTree, session: int) -> None:
    folder = tree.betas_folder(1)
    nifti = volume(folder / f"betas_session{session:02d}.nii.gz")
    assert nifti.shape == (7, 9, 8, 750) and nifti.dtype == np.int16
    for suffix, compression in (("hdf5", None), ("mat", "gzip")):
        with h5py.File(folder / f"betas_session{session:02d}.{suffix}") as file:
            assert file["betas"].compression == compression
            assert file["betas"].chunks[0] == 750
            stored = file["betas"][()]
        assert (nifti == stored.T).all()
    truth = tree.subjects[1].betas["func1pt8mm", B3, None]
    assert (truth.stored[truth.session(session)] == np.moveaxis(nifti, -1, 0)).all()


def test_a_mat_file_says_what_it_is_before_its_hdf5_begins(tree: TinyTree) -> None:
    head = (tree.betas_folder(1) / "betas_session01.mat").read_bytes()[:520]
    assert head.startswith(b"MATLAB 7.3 MAT-file")
    assert head[124:128] == b"\x00\x02IM" and head[512:516] == b"\x89HDF"


def test_integers_are_rounded_saturated_and_zero_where_nothing_was_measured(
    tree: TinyTree,
) -> None:
    subject = tree.subjects[1]
    truth, place = subject.betas["func1pt8mm", B3, None], subject.spaces["func1pt8mm"]
    missing = np.isnan(truth.psc)
    assert (missing == ~np.repeat(place.valid, 750, axis=0)).all()
    assert (truth.stored[missing] == 0).all()
    error = np.abs(truth.stored / 300 - truth.psc)
    is_saturated = np.abs(truth.psc) > 109.2
    assert np.nanmax(np.where(is_saturated, 0, error)) <= 0.5 / 300 + 1e-6
    assert is_saturated[(slice(None), *place.saturated_voxel)].sum() == is_saturated.sum() > 10
    invalid = truth.stored[(slice(None), *place.invalid_voxel)].reshape(3, 750)
    assert ((invalid == 0).all(axis=1) == (np.arange(1, 4) == place.invalid_session)).all()


def test_a_raw_header_has_the_codes_of_the_real_files(tree: TinyTree) -> None:
    for name, tr_s in (("func1pt8mm", 4 / 3), ("func1mm", 1.0)):
        raw = gzip.decompress((tree.ppdata(1, name) / "mean.nii.gz").read_bytes())
        assert struct.unpack_from("<hh", raw, 252) == (0, 1)
        assert struct.unpack_from("<ff", raw, 112) == (0.0, 0.0)
        assert raw[123] == 0 and raw[344:348] == b"n+1\0"
        assert struct.unpack_from("<f", raw, 92)[0] == pytest.approx(tr_s)
        place = tree.subjects[1].spaces[name]
        centre = place.affine @ [*((np.array(place.shape) - 1) / 2), 1]
        assert np.allclose(centre[:3], 0)
        assert np.allclose(np.array(struct.unpack_from("<12f", raw, 280)), place.affine[:3].ravel())


def test_the_noise_ceiling_is_the_planted_one(tree: TinyTree) -> None:
    """Signal SD 2 and noise SD 1.5 in nsdgeneral, 0.3 and 1.5 elsewhere."""
    place = tree.subjects[1].spaces["func1pt8mm"]
    ncsnr = volume(tree.betas_folder(1) / "ncsnr.nii.gz")
    assert (np.isfinite(ncsnr) == place.brainmask).all()
    is_reliable = place.rois["nsdgeneral"] > 0
    assert np.nanmedian(ncsnr[is_reliable]) == pytest.approx(2 / 1.5, rel=0.2)
    assert np.nanmedian(ncsnr[~is_reliable]) < 0.5


def test_roi_volumes_mark_hemispheres_ribbon_and_labels(tree: TinyTree) -> None:
    folder = tree.ppdata(1, "func1pt8mm") / "roi"
    assert len(list(folder.iterdir())) == 39
    for name in ("prf-visualrois", "HCP_MMP1", "floc-faces"):
        both, left, right = (volume(folder / f"{h}{name}.nii.gz") for h in ("", "lh.", "rh."))
        assert both.dtype == np.float64 and both.min() == -1
        assert not ((left >= 0) & (right >= 0)).any()
        assert (both == np.where(left >= 0, left, right)).all()
    assert volume(folder / "MTL.nii.gz").min() == 0
    visual, rings = (volume(folder / f"prf-{name}rois.nii.gz") for name in ("visual", "ecc"))
    assert ((visual > 0) == (rings > 0)).all()
    assert not (volume(folder / "floc-faces.nii.gz") == 5).any()
    ctab = (tree.freesurfer(1) / "label/floc-faces.mgz.ctab").read_text().splitlines()
    assert ctab[0] == "0 Unknown" and ctab[5] == "5 aTL-faces" and ctab[1] != ctab[1].rstrip()


def test_functional_grids_share_a_corner(tree: TinyTree) -> None:
    """By the manual: i18 = (i1 - N1) / 1.8 + N18 in X and Y, k18 = (k1 - 1) / 1.8 + 1 in Z."""
    subject = tree.subjects[1]
    to_fine = subject.geometry.voxel_map("func1mm", "func1pt8mm")
    n18, n1 = np.array(subject.func_shape), np.array(subject.func1mm_shape)
    for index in np.ndindex(*n18):
        fine = (to_fine @ [*index, 1])[:3] + 1
        coarse = (fine - n1) / 1.8 + n18
        coarse[2] = (fine[2] - 1) / 1.8 + 1
        assert np.allclose(coarse, np.array(index) + 1)


def test_warps_pull_a_volume_to_where_the_brain_is(tree: TinyTree) -> None:
    """Through the files alone: 1-based, 9999, and the template's X running the other way."""
    transforms = tree.ppdata(1, "transforms")
    t1 = volume(tree.ppdata(1, "anat") / "T1_to_MNI.nii.gz")
    for name, space in (("func1pt8", "func1pt8mm"), ("func1pt0", "func1mm")):
        warp = volume(transforms / f"MNI-to-{name}.nii.gz").astype(float)
        expected = volume(tree.ppdata(1, space) / f"T1_to_{space}.nii.gz")
        inside = (warp[..., 0] != 9999) & (expected > 0)
        coordinates = (warp[inside] - 1).T
        agreement = [
            (map_coordinates(source, coordinates, order=0) == expected[inside]).mean()
            for source in (t1[::-1], t1)
        ]
        assert agreement[0] > 0.6 and agreement[1] < 0.45


def test_some_coordinates_lie_exactly_on_the_outermost_layers(tree: TinyTree) -> None:
    transforms = tree.ppdata(1, "transforms")
    assert len(list(transforms.glob("*.nii.gz"))) == 22
    assert len(list(transforms.glob("*.mgz"))) == 64
    n_x = tree.subjects[1].func1mm_shape[0]
    x = volume(transforms / "func1pt0-to-anat1pt0.nii.gz")[..., 0]
    assert (x == 1).any() and (x == n_x).any() and (x == 9999).any()
    assert (volume(transforms / "lh.func1pt8-to-layerB2.mgz")[:, 0, 0, 0] == 1).any()


def test_freesurfer_volumes_are_shifted_by_a_voxel(tree: TinyTree) -> None:
    mri = volume(tree.freesurfer(1) / "mri/T1.mgz")
    restored = np.roll(mri.transpose(0, 2, 1)[::-1, :, ::-1], (1, 1), axis=(0, 2))
    assert (restored == volume(tree.ppdata(1, "anat") / "T1_0pt8_masked.nii.gz")).all()


def test_surface_betas_are_psc_on_fsaverage_and_integers_on_native_vertices(
    tree: TinyTree,
) -> None:
    subject = tree.subjects[1]
    for hemi, n_vertices in subject.n_vertices.items():
        image = nib.load(tree.betas_folder(1, "fsaverage") / f"{hemi}.betas_session03.mgh")
        assert image.shape == (162, 1, 1, 750)
        psc = np.asanyarray(image.dataobj)[:, 0, 0].T
        with h5py.File(
            tree.betas_folder(1, "nativesurface") / f"{hemi}.betas_session03.hdf5"
        ) as file:
            native = file["betas"][()]
        assert native.shape == (750, n_vertices)
        nearest = volume(tree.ppdata(1, "transforms") / f"{hemi}.white-to-fsaverage.mgz")
        nearest = nearest.squeeze().astype(int) - 1
        assert np.isnan(psc).any() and not np.isnan(psc).all()
        assert np.allclose(np.nan_to_num(psc), native[:, nearest] / 300, atol=0.5 / 300 + 1e-5)


def test_a_flat_patch_names_its_vertices_from_1_and_its_border_below_0(tree: TinyTree) -> None:
    raw = (tree.freesurfer(1) / "surf/lh.full.flat.patch.3d").read_bytes()
    magic, n_vertices = struct.unpack_from(">ii", raw)
    records = np.frombuffer(raw, [("vertex", ">i4"), ("xyz", ">f4", 3)], offset=8)
    assert magic == -1 and len(records) == n_vertices < tree.subjects[1].n_vertices["lh"]
    hemisphere = tree.subjects[1].hemispheres["lh"]
    assert (np.flatnonzero(hemisphere.in_patch) == np.abs(records["vertex"]) - 1).all()
    assert 0 < (records["vertex"] < 0).sum() < n_vertices
    assert (records["xyz"][:, 2] == 0).all()


def test_the_brick_has_every_row_and_only_the_shown_pictures(tree: TinyTree) -> None:
    path = tree.root / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"
    shown = tree.shown
    with h5py.File(path) as file:
        brick = file["imgBrick"]
        assert brick.shape == (73_000, 425, 425, 3) and brick.dtype == np.uint8
        for nsd_id in shown[[0, 1, -1]]:
            assert (brick[nsd_id] == picture(nsd_id)).all()
        assert not brick[np.setdiff1d(np.arange(73_000), shown)[0]].any()


def test_pictures_differ_from_their_neighbours_and_their_flips() -> None:
    first = picture(100)
    others = [picture(101), first[::-1], first[:, ::-1], first[..., ::-1], first.swapaxes(0, 1)]
    assert not any((first == other).all() for other in others)


def test_sessions_with_rest_have_two_more_runs_and_shifted_numbers(tree: TinyTree) -> None:
    folder = tree.root / "nsddata_timeseries/ppdata/subj01"
    assert len(list((folder / "func1pt8mm/timeseries").iterdir())) == 12
    designs = sorted((folder / "func1mm/design").glob("design_session21_*.tsv"))
    onsets = [np.loadtxt(path, int) for path in designs]
    assert [len(rows) for rows in onsets] == [300] * 14
    assert [np.count_nonzero(rows) for rows in onsets] == [0, *[63, 62] * 6, 0]
    series = nib.load(folder / "func1mm/timeseries/timeseries_session21_run01.nii.gz")
    assert series.shape[3] == 301
    shown = np.concatenate(onsets)
    ordering = tree.design.masterordering[20 * 750 : 21 * 750]
    assert (shown[shown > 0] == tree.design.subjectim[0, ordering] + 1).all()
    assert len(list((folder / "physio").glob("physio_session21_run*_puls.tsv"))) == 14


def test_nsdsynthetic_has_744_trials(tree: TinyTree) -> None:
    folder = tree.betas_folder(1, version="nsdsyntheticbetas_fithrf")
    with h5py.File(folder / "betas_nsdsynthetic.hdf5") as file:
        assert file["betas"].shape == (744, 8, 9, 7)
    path = tree.root / "nsddata/experiments/nsdsynthetic/nsdsynthetic_expdesign.mat"
    design = loadmat(path)
    assert design["masterordering"].shape == (1, 744) and design["masterordering"].max() == 284
    assert (design["stimpattern"].sum(axis=2) == 93).all()


def test_sessions_that_are_not_downloaded_have_no_files(tree: TinyTree) -> None:
    assert not list(tree.root.rglob("*session02*"))


def test_a_format_that_a_space_does_not_come_in_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fsaverage"):
        build_tree(tmp_path, betas=(("fsaverage", B3, "hdf5"),))


def test_a_truncated_file_is_damaged(tmp_path: Path) -> None:
    tree = build_tree(tmp_path, stim_info=False, stimuli=False, surfaces=False, transforms=False)
    path = tree.betas_folder(1) / "betas_session01.hdf5"
    truncate(path)
    with pytest.raises(OSError, match="truncated"), h5py.File(path):
        pass
