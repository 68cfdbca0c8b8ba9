"""The 39 traps of NSD's files, one test each, against a tree that knows nothing of our readers.

The numbers and their order are those of section 7 of the format's specification.
"""

import dataclasses
import json
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch

from nsdviewer import noise_ceiling, open_nsd
from nsdviewer.cli.main import main
from nsdviewer.data.betas.averages import build_averages
from nsdviewer.data.formats.volumes import read_mgh
from nsdviewer.data.layout import NsdRoot
from nsdviewer.data.nsd import Subject
from nsdviewer.data.pictures.coco import read_coco
from nsdviewer.data.regions.maps import read_map
from nsdviewer.data.regions.roi_collections import load_collection
from nsdviewer.data.regions.rois import read_ctab
from nsdviewer.data.runs.hrf import NO_HRF, hrf_of, read_hrf_index, read_hrf_library
from nsdviewer.data.runs.timeseries import Part
from nsdviewer.data.runs.traces import open_run
from nsdviewer.data.spaces.layers import Layer
from nsdviewer.data.spaces.places import Place
from nsdviewer.data.spaces.routes import route
from nsdviewer.data.surfaces.surface_files import read_scalars
from nsdviewer.errors import CheckpointError, DataError, DataWarning, RequestError, SpaceError
from nsdviewer.jobs import SilentProgress
from nsdviewer.models.decoders.protocol import Decoder
from nsdviewer.models.decoders.registry import load_decoder
from nsdviewer.models.embeddings import ImageLike, as_pil, unit_rows
from nsdviewer.models.encoder import Encoder
from nsdviewer.models.registry import register_embedding
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import BetaVersion, Hemisphere, Space
from tests.nsd_tree import B2, B3, TinyTree, build_tree, picture
from tests.nsd_tree.betas import (
    write_betas_hdf5,
    write_betas_nifti,
    write_fsaverage_betas,
    write_nativesurface_betas,
)
from tests.nsd_tree.design import CORE_SESSIONS, trial_table, write_design
from tests.nsd_tree.formats import centred_affine, write_mgh, write_nifti
from tests.nsd_tree.geometry import Geometry, apply_affine
from tests.nsd_tree.rois import COLLECTIONS, SURFACE_COLLECTIONS
from tests.nsd_tree.surfaces import FLAT_PATCH
from tests.nsd_tree.transforms import INVALID, INVALID_VERTEX
from tests.nsd_tree.volumes import companions

FUNC = Space.FUNC1PT8MM
HALF_A_STEP = 0.5 / 300 + 1e-5
LIMITS = np.float32(-32768 / 300), np.float32(32767 / 300)
LOST_RUN = (2, 5)
REST_SESSION = 21


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> TinyTree:
    """One subject, three sessions, betas in every space; session 21's runs, with rest."""
    return build_tree(
        tmp_path_factory.mktemp("traps") / "nsd",
        sessions=(1, 2, 3),
        betas=(
            ("func1pt8mm", B3, "hdf5"),
            ("func1pt8mm", B2, "nii.gz"),
            ("func1mm", B3, "hdf5"),
            ("MNI", B2, "nii.gz"),
            ("nativesurface", B3, "hdf5"),
            ("fsaverage", B3, "mgh"),
        ),
        missing_runs={1: (LOST_RUN,)},
        timeseries=(("func1pt8mm", 1), ("func1pt8mm", REST_SESSION)),
    )


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> TinyTree:
    """Subjects 1 and 4 after 30 sessions each, of whose betas none is downloaded."""
    return build_tree(
        tmp_path_factory.mktemp("people") / "nsd",
        subjects=(1, 4),
        sessions=(30,),
        betas=(),
        stimuli=False,
        surfaces=False,
        transforms=False,
    )


@pytest.fixture
def small(tmp_path: Path) -> TinyTree:
    """One session of one subject, for a test to alter."""
    return build_tree(
        tmp_path / "nsd",
        sessions=(1,),
        stim_info=False,
        stimuli=False,
        surfaces=False,
        transforms=False,
    )


class ColourEmbedding:
    """Pictures by the colour of one of their pixels; no text."""

    name = title = "colours"
    dimension = 8

    def encode_images(self, images: Sequence[ImageLike]) -> np.ndarray:
        colours = np.array([np.asarray(as_pil(image))[200, 300] for image in images], float) / 255
        waves = [np.cos(k * colours.sum(axis=1) + k) for k in range(self.dimension - 3)]
        return unit_rows(np.column_stack([colours, *waves]))

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        return unit_rows(np.ones((len(texts), self.dimension)))

    encode_sentences = encode_texts

    def unknown_words(self, text: str) -> list[str]:
        return text.split()

    def to(self, device: torch.device) -> None:
        return None

    def encode_tensor(self, images: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


register_embedding("colours", lambda options: ColourEmbedding())


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[TinyTree, Decoder]:
    """A decoder of b2, fitted from the command line on one session."""
    folder = tmp_path_factory.mktemp("fitted")
    tree = build_tree(
        folder / "nsd",
        sessions=(1,),
        betas=(("func1pt8mm", B2, "nii.gz"), ("func1pt8mm", B3, "hdf5")),
        surfaces=False,
        transforms=False,
        stim_info=False,
    )
    out = folder / "decoder.safetensors"
    words = ["fit", "decoder", str(tree.root), "--subject", "1", "--version", "b2"]
    assert main([*words, "--embedding", "colours", "--out", str(out)]) == 0
    return tree, load_decoder(out)


def of(tree: TinyTree, number: int = 1) -> Subject:
    return open_nsd(tree.root).subject(number)


def stored_path(tree: TinyTree, session: int = 1) -> Path:
    return tree.betas_folder(1) / f"betas_session{session:02d}.hdf5"


def every_trial(tree: TinyTree, number: int = 1) -> np.ndarray:
    return np.arange(len(tree.subjects[number].trials))


def ramp(shape: tuple[int, ...]) -> np.ndarray:
    """A volume whose value tells the place: linear in all three indices."""
    return 100 * np.indices(shape)[0] + 10 * np.indices(shape)[1] + np.indices(shape)[2] + 7.0


def seen_ramp(geometry: Geometry, source: str, target: str) -> np.ndarray:
    """What the source's ramp looks like in the target, NaN outside; by geometry, not by files."""
    positions = geometry.positions(target)
    index = np.round(apply_affine(np.linalg.inv(geometry.to_anat_mm[source]), positions), 4)
    size = np.array(geometry.shapes[source])
    inside = ((index >= 0) & (index <= size - 1)).all(axis=-1)
    if source == "MNI":
        # NSD's own files run from left to right, the template from right to left.
        index[..., 0] = size[0] - 1 - index[..., 0]
    return np.where(inside, index @ [100, 10, 1] + 7.0, np.nan)


def transform(
    tree: TinyTree, source: str, target: str, given: Path, out: Path, interp: str = "linear"
) -> int:
    words = ["transform", str(tree.root), "--subject", "1", "--from", source, "--to", target]
    return main([*words, "--interp", interp, str(given), str(out)])


# --- numbers and their bases -------------------------------------------------------------------


def test_trap_01_numbers_of_pictures_are_shifted_once(tree: TinyTree, small: TinyTree) -> None:
    frame = of(tree).trials(with_pictures=True).frame
    truth = tree.subjects[1].trials
    np.testing.assert_array_equal(frame["nsd_id"], truth["nsd_id"])
    np.testing.assert_array_equal(frame["image_10k"], truth["image_10k"])
    coco_ids = tree.design.stimuli["cocoId"].to_numpy()
    np.testing.assert_array_equal(frame["coco_id"], coco_ids[truth["nsd_id"]])
    for nsd_id in truth["nsd_id"][:3]:
        shown = open_nsd(tree.root).stimuli.read(np.array([nsd_id]))[0]
        np.testing.assert_array_equal(shown, picture(int(nsd_id)))
    # Behaviour is joined only where its own numbers agree with the design's.
    assert frame["is_old"].notna().all()
    # Numbers that were shifted twice, or never, do not get past the table of pictures.
    table = "nsddata/experiments/nsd/nsd_stim_info_merged.csv"
    shutil.copy(tree.root / table, small.root / table)
    design = small.design
    slipped = dataclasses.replace(
        design, sharedix=design.sharedix + 1, subjectim=(design.subjectim + 1) % 73_000
    )
    write_design(small.root, slipped)
    with (
        pytest.warns(DataWarning, match="names another"),
        pytest.raises(DataError, match=r"nsd_stim_info_merged\.csv.*download"),
    ):
        of(small).trials(with_pictures=True)


def test_trap_02_repetitions_in_the_table_count_from_1_and_reach_beyond_the_last_session(
    people: TinyTree, tmp_path: Path
) -> None:
    out = tmp_path / "trials.csv"
    assert main(["trials", str(people.root), "--subject", "4", "--out", str(out)]) == 0
    written = pd.read_csv(out)
    n_trials = len(written)
    assert n_trials == 750 * 30
    table = pd.read_csv(people.root / "nsddata/experiments/nsd/nsd_stim_info_merged.csv")
    planned = table[[f"subject4_rep{k}" for k in range(3)]].to_numpy()
    assert (planned > n_trials).any()
    picture_of = np.full(n_trials, -1)
    for numbers in planned.T:
        done = (numbers > 0) & (numbers <= n_trials)
        picture_of[numbers[done] - 1] = table["nsdId"][done]
    np.testing.assert_array_equal(written["nsd_id"], picture_of)


# --- betas -------------------------------------------------------------------------------------


def test_trap_03_only_integer_files_are_divided_by_300(tree: TinyTree) -> None:
    trials = every_trial(tree)
    truth = tree.subjects[1].betas
    for space, version in (("func1pt8mm", B3), ("func1pt8mm", B2), ("func1mm", B3), ("MNI", B2)):
        roi = "all" if space == "MNI" else "brainmask"
        betas = of(tree).betas(roi, Space(space), BetaVersion(version))
        expected = truth[space, version, None].psc[(slice(None), *betas.ijk.T)].clip(*LIMITS)
        np.testing.assert_allclose(betas.psc(trials), expected, atol=HALF_A_STEP)
    for space, tolerance in ((Space.NATIVESURFACE, HALF_A_STEP), (Space.FSAVERAGE, 0)):
        betas = of(tree).betas("all", space)
        expected = [truth[space.value, B3, h.value].psc for h in Hemisphere]
        np.testing.assert_allclose(betas.psc(trials), np.hstack(expected), atol=tolerance)


def test_trap_04_the_mean_of_the_integers_is_divided_too(tree: TinyTree) -> None:
    shown = read_map(of(tree).files, FUNC, "meanbeta", version=BetaVersion.B3)
    expected = tree.subjects[1].betas["func1pt8mm", B3, None].stored.mean(axis=0) / 300
    np.testing.assert_allclose(shown.values, expected, rtol=1e-5, atol=1e-6)
    assert shown.unit == "% signal change"


def test_trap_05_axes_of_hdf5_are_reversed(tree: TinyTree, small: TinyTree) -> None:
    with h5py.File(stored_path(tree)) as file:
        assert file["betas"].shape == (750, *tree.subjects[1].func_shape[::-1])
    betas = of(tree).betas("brainmask")
    assert betas.shape == tree.subjects[1].func_shape
    stored = tree.subjects[1].betas["func1pt8mm", B3, None].stored
    np.testing.assert_allclose(
        betas.psc(np.arange(750)), stored[:750][(slice(None), *betas.ijk.T)] / 300, rtol=1e-6
    )
    unturned = small.subjects[1].betas["func1pt8mm", B3, None].stored
    with h5py.File(stored_path(small), "w") as file:
        file.create_dataset("betas", data=unturned, chunks=(750, 1, 1, 1))
    with pytest.raises(DataError, match=r"betas_session01\.hdf5.*axes.*download"):
        of(small).betas("brainmask")


def test_trap_06_pictures_are_not_reversed(tree: TinyTree) -> None:
    ids = tree.shown[[5, 0, 77, 5]]
    shown = open_nsd(tree.root).stimuli.read(ids)
    for row, nsd_id in zip(shown, ids, strict=True):
        np.testing.assert_array_equal(row, picture(int(nsd_id)))
    # Would a turned picture pass?
    assert not np.array_equal(picture(int(ids[0])), picture(int(ids[0])).transpose(1, 0, 2))


def test_trap_07_no_trial_is_ever_read_from_hdf5(
    tree: TinyTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NSDVIEWER_CACHE", str(tmp_path))
    n_reads = 0
    plain = h5py.Dataset.__getitem__

    def counted(self: h5py.Dataset, at: Any, new_dtype: Any = None) -> Any:
        nonlocal n_reads
        n_reads += 1
        return plain(self, at)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", counted)
    betas = of(tree).betas("brainmask")
    # A handful for each of the three sessions; trials and voxels have hundreds.
    assert n_reads < 20 < min(betas.n_voxels, 750)
    n_reads = 0
    for trial in (1700, 3, 749):
        betas.psc(np.array([trial]))
        betas.site_psc(trial % betas.n_voxels)
    of(tree).betas("brainmask").psc(np.array([11, 12]))
    assert n_reads == 0


def test_trap_08_missing_data_are_nan_however_they_are_stored(tree: TinyTree) -> None:
    trials = every_trial(tree)
    truth = tree.subjects[1]
    betas = of(tree).betas("brainmask")
    volume = truth.betas["func1pt8mm", B3, None]
    at = (slice(None), *betas.ijk.T)
    found = betas.psc(trials)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(volume.psc[at]))
    assert np.isnan(found).any()
    # A single 0 is a response like any other.
    is_zero = (volume.stored[at] == 0) & ~np.isnan(volume.psc[at])
    assert is_zero.any()
    assert (found[is_zero] == 0).all()
    assert (of(tree).mask("all") == truth.spaces["func1pt8mm"].brainmask).all()
    for space in (Space.NATIVESURFACE, Space.FSAVERAGE):
        expected = np.hstack([truth.betas[space.value, B3, h.value].psc for h in Hemisphere])
        assert np.isnan(expected).any()
        found = of(tree).betas("all", space).psc(trials)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_array_equal(
        of(tree).ncsnr("brainmask"), volume.ncsnr["ncsnr"][tuple(betas.ijk.T)]
    )
    # A comparison never takes a voxel without a value.
    r2 = truth.spaces["func1pt8mm"].maps["prf_R2"]
    np.testing.assert_array_equal(of(tree).mask("prf_R2 < 10"), r2 < 10)


def test_trap_09_a_voxel_may_be_invalid_in_one_session_only(
    tree: TinyTree, small: TinyTree, tmp_path: Path
) -> None:
    space = tree.subjects[1].spaces["func1pt8mm"]
    subject = of(tree)
    betas = subject.betas("brainmask")
    column = int(betas.columns_of(np.array([space.invalid_voxel]))[0])
    by_session = np.isnan(betas.site_psc(column)).reshape(3, 750)
    expected = [session == space.invalid_session for session in (1, 2, 3)]
    np.testing.assert_array_equal(by_session, np.tile(np.array(expected)[:, None], 750))
    np.testing.assert_array_equal(subject.mask("valid & brainmask"), space.valid.all(axis=0))
    table = subject.trials()
    train = table.select("train")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        statistics, found = build_averages(
            betas, table, train, {"train": train}, tmp_path, SilentProgress()
        )
        z = found["train"].whole()
    np.testing.assert_array_equal(np.isnan(statistics.sd_psc[:, column]), expected)
    assert np.isfinite(z).all()
    assert z[:, column].any()
    # The session's mask counts even where the betas are not 0.
    place = small.subjects[1].spaces["func1pt8mm"]
    denied = place.maps["valid_session01"].copy()
    i, j, k = np.argwhere(place.rois["nsdgeneral"] > 0)[4]
    denied[i, j, k] = 0
    write_nifti(small.ppdata(1, "func1pt8mm") / "valid_session01.nii.gz", denied, place.affine)
    blanked = of(small).betas("nsdgeneral")
    column = int(blanked.columns_of(np.array([[i, j, k]]))[0])
    assert np.isnan(blanked.site_psc(column)).all()


def test_trap_10_saturated_integers_are_the_extremes_and_stay_out_of_rois(tree: TinyTree) -> None:
    voxel = tree.subjects[1].spaces["func1pt8mm"].saturated_voxel
    truth = tree.subjects[1].betas["func1pt8mm", B3, None].psc[(slice(None), *voxel)]
    betas = of(tree).betas("brainmask")
    found = betas.site_psc(int(betas.columns_of(np.array([voxel]))[0]))
    assert (truth > LIMITS[1]).any()
    assert (truth < LIMITS[0]).any()
    # Neither wrapped around nor taken for missing.
    assert (found[truth > LIMITS[1]] == LIMITS[1]).all()
    assert (found[truth < LIMITS[0]] == LIMITS[0]).all()
    assert np.abs(found).max() < 109.3
    for collection in COLLECTIONS:
        assert not of(tree).mask(collection)[voxel]


# --- regions -----------------------------------------------------------------------------------


def test_trap_11_minus_one_is_no_region(tree: TinyTree) -> None:
    space = tree.subjects[1].spaces["func1pt8mm"]
    for collection in COLLECTIONS:
        volume = space.rois[collection]
        assert (volume == -1).any() == (collection in SURFACE_COLLECTIONS)
        np.testing.assert_array_equal(of(tree).mask(collection), volume > 0)
    np.testing.assert_array_equal(of(tree).mask("cortex"), space.rois["nsdgeneral"] >= 0)


def test_trap_12_hemispheres_come_from_their_own_files(tree: TinyTree) -> None:
    rois = tree.subjects[1].spaces["func1pt8mm"].rois
    n_on_both = 0
    for collection in ("prf-visualrois", "streams", "MTL"):
        for label, name in enumerate(COLLECTIONS[collection], start=1):
            sides = [of(tree).mask(f"{h}.{collection}:{name}") for h in ("lh", "rh")]
            for hemisphere, side in zip(("lh", "rh"), sides, strict=True):
                np.testing.assert_array_equal(side, rois[f"{hemisphere}.{collection}"] == label)
            both = of(tree).mask(f"{collection}:{name}")
            np.testing.assert_array_equal(sides[0] | sides[1], both)
            assert not (sides[0] & sides[1]).any()
            n_on_both += bool(sides[0].any() and sides[1].any())
    assert n_on_both >= 5


def test_trap_13_tables_of_names_have_two_tokens_a_line(tree: TinyTree) -> None:
    ctab = tree.freesurfer(1) / "label/HCP_MMP1.mgz.ctab"
    assert ctab.read_text().splitlines()[1].endswith(" \t ")
    for collection, names in COLLECTIONS.items():
        found = load_collection(of(tree).files, FUNC, collection).names
        assert list(found.items()) == list(enumerate(names, start=1))
    text = "0 Unknown\n1\tV1v \t \n2  V1d 120 30 4 0\n\n3 hV4\r\n"
    assert read_ctab(text) == {1: "V1v", 2: "V1d", 3: "hV4"}


def test_trap_14_a_region_that_a_subject_lacks_is_empty(tree: TinyTree) -> None:
    assert not (tree.subjects[1].spaces["func1pt8mm"].rois["floc-faces"] == 5).any()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("floc-faces:aTL-faces", "floc-faces:5", "aTL-faces", "lh.aTL-faces"):
            assert not of(tree).mask(name).any()
    assert load_collection(of(tree).files, FUNC, "floc-faces").names[5] == "aTL-faces"
    with pytest.raises(RequestError, match="no label"):
        of(tree).mask("floc-faces:FFA-3")


# --- spaces ------------------------------------------------------------------------------------


def test_trap_15_affines_do_not_relate_spaces(tree: TinyTree, tmp_path: Path) -> None:
    geometry = tree.subjects[1].geometry
    fine, coarse = geometry.shapes["func1mm"], geometry.shapes["func1pt8mm"]
    given, out = tmp_path / "fine.nii.gz", tmp_path / "coarse.nii.gz"
    write_nifti(given, ramp(fine), geometry.affines["func1mm"])
    assert transform(tree, "func1mm", "func1pt8mm", given, out) == 0
    found = nib.load(out).get_fdata()
    # 1-based: i1 = N1 + 1.8 (i18 − N18) along X and Y, k1 = 1 + 1.8 (k18 − 1) along Z.
    grid = np.moveaxis(np.indices(coarse), 0, -1).astype(float)
    offset = [fine[0] - 1 - 1.8 * (coarse[0] - 1), fine[1] - 1 - 1.8 * (coarse[1] - 1), 0]
    index = np.round(1.8 * grid + offset, 6)
    inside = ((index >= 0) & (index <= np.array(fine) - 1)).all(axis=-1)
    expected = np.where(inside, index @ [100, 10, 1] + 7, np.nan)
    np.testing.assert_allclose(found, expected, atol=1e-2)
    by_affine = np.linalg.inv(geometry.affines["func1mm"]) @ geometry.affines["func1pt8mm"]
    assert np.abs(apply_affine(by_affine, grid) - index).max() > 0.3
    layers = [
        Layer(ramp(geometry.shapes[name]), Place.parse(name), 1) for name in ("func1mm", "anat0pt8")
    ]
    with pytest.raises(SpaceError, match="transform"):
        layers[0] + layers[1]
    moved = layers[1].to(of(tree).files, layers[0].space)
    assert (layers[0] + moved).values.shape == fine


def test_trap_16_transforms_pull_back_from_1_and_turn_mni(tree: TinyTree, tmp_path: Path) -> None:
    subject = tree.subjects[1]
    geometry = subject.geometry
    pairs = [
        ("func1pt8mm", "anat0pt8"), ("anat0pt8", "func1pt8mm"), ("func1pt8mm", "MNI"),
        ("MNI", "func1pt8mm"), ("anat0pt8", "MNI"),
    ]  # fmt: skip
    for source, target in pairs:
        given, out = tmp_path / f"{source}.nii.gz", tmp_path / f"{source}_{target}.nii.gz"
        write_nifti(given, ramp(geometry.shapes[source]), geometry.affines[source])
        assert transform(tree, source, target, given, out) == 0
        expected = seen_ramp(geometry, source, target)
        assert np.isfinite(expected).any()
        image = nib.load(out)
        # Coordinates in the files are rounded to a tenth of a thousandth of a voxel.
        np.testing.assert_allclose(image.get_fdata(), expected, atol=0.02, err_msg=source + target)
        np.testing.assert_allclose(image.affine, geometry.affines[target], atol=1e-5)
    # The template itself is stored from right to left: the same brain, turned once.
    flipped = geometry.affines["MNI"] @ np.diag([-1.0, 1, 1, 1])
    flipped[0, 3] = geometry.affines["MNI"][0, 3] + geometry.shapes["MNI"][0] - 1
    write_nifti(tmp_path / "las.nii.gz", ramp(geometry.shapes["MNI"])[::-1], flipped)
    out = tmp_path / "from_template.nii.gz"
    assert transform(tree, "MNI", "func1pt8", tmp_path / "las.nii.gz", out) == 0
    expected = seen_ramp(geometry, "MNI", "func1pt8mm")
    np.testing.assert_allclose(nib.load(out).get_fdata(), expected, atol=0.02)
    for hemisphere, edge in (("lh", 1), ("rh", subject.func_shape[0])):
        out = tmp_path / f"{hemisphere}.white.mgz"
        given = tmp_path / "func1pt8mm.nii.gz"
        assert transform(tree, "func1pt8", f"{hemisphere}.white", given, out) == 0
        stored = subject.surface_maps[f"{hemisphere}.func1pt8-to-white"].astype(float)
        expected = (stored - 1) @ [100, 10, 1] + 7
        expected[(stored == INVALID).any(axis=1)] = np.nan
        # The outermost voxel layer is part of the grid; 9999 is no place.
        assert (stored[np.isfinite(expected), 0] == edge).any()
        assert np.isnan(expected[INVALID_VERTEX])
        np.testing.assert_allclose(nib.load(out).get_fdata().ravel(), expected, atol=0.01)
    # Vertices of fsaverage count from 1, too.
    native = np.arange(subject.n_vertices["lh"], dtype=np.float64)
    way = route(of(tree).files, Place.parse("lh.white"), Place.parse("lh.fsaverage"))
    np.testing.assert_array_equal(
        way.apply(native), subject.surface_maps["lh.white-to-fsaverage"] - 1
    )


def test_trap_17_folders_and_transforms_spell_spaces_differently(
    tree: TinyTree, tmp_path: Path
) -> None:
    assert not list(tree.ppdata(1, "transforms").glob("*func1mm*"))
    assert not tree.ppdata(1, "func1pt0").exists()
    geometry = tree.subjects[1].geometry
    given = tmp_path / "given.nii.gz"
    write_nifti(given, ramp(geometry.shapes["func1mm"]), geometry.affines["func1mm"])
    for number, name in enumerate(("func1mm", "func1pt0")):
        out = tmp_path / f"{number}.nii.gz"
        assert transform(tree, name, "anat1pt0", given, out) == 0
        expected = seen_ramp(geometry, "func1mm", "anat1pt0")
        np.testing.assert_allclose(nib.load(out).get_fdata(), expected, atol=0.02)
    words = ["betas", str(tree.root), "--subject", "1", "--space", "func1mm", "--trials", "7"]
    assert main([*words, "--out", str(tmp_path / "x.npz")]) == 0
    with np.load(tmp_path / "x.npz") as held:
        truth = tree.subjects[1].betas["func1mm", B3, None].psc[7][tuple(held["ijk"].T)]
        np.testing.assert_allclose(held["betas"][0], truth.clip(*LIMITS), atol=HALF_A_STEP)


def test_trap_18_headers_that_say_little_are_read_and_written_in_full(
    tree: TinyTree, tmp_path: Path
) -> None:
    geometry = tree.subjects[1].geometry
    given = tmp_path / "T1.nii.gz"
    shutil.copy(tree.ppdata(1, "anat") / "T1_0pt8_masked.nii.gz", given)
    assert transform(tree, "anat0pt8", "func1pt8", given, tmp_path / "moved.nii.gz") == 0
    words = ["ncsnr", str(tree.root), "--subject", "1", "--out", str(tmp_path / "ncsnr.nii.gz")]
    assert main(words) == 0
    for name in ("moved", "ncsnr"):
        image = nib.load(tmp_path / f"{name}.nii.gz")
        header = image.header
        codes = int(header["sform_code"]), int(header["qform_code"]), int(header["xyzt_units"])
        assert codes == (1, 0, 0)
        np.testing.assert_allclose(image.affine, geometry.affines["func1pt8mm"], atol=1e-5)
        np.testing.assert_allclose(header["pixdim"][1:4], 1.8, rtol=1e-5)
        assert header.get_slope_inter() in ((None, None), (1.0, 0.0))
        assert header.get_data_dtype() == np.float32
    np.testing.assert_allclose(of(tree).affine(FUNC), geometry.affines["func1pt8mm"])
    # Units are not known, yet time has one.
    assert open_run(of(tree).files, FUNC, 1, nsd_run=1).tr_s == pytest.approx(4 / 3)


# --- sessions, repetitions and splits ----------------------------------------------------------


def test_trap_19_the_plan_is_cut_off_at_the_subjects_last_session(people: TinyTree) -> None:
    assert CORE_SESSIONS[3] == 30
    truth = people.subjects[4].trials
    table = of(people, 4).trials()
    assert len(table) == len(truth) == 22_500
    np.testing.assert_array_equal(table.frame["nsd_id"], truth["nsd_id"])
    responses = people.ppdata(4, "behav") / "responses.tsv"
    aside = responses.rename(responses.with_suffix(".aside"))
    try:
        assert len(of(people, 4).trials()) == 22_500
    finally:
        aside.rename(responses)
    with pytest.raises(RequestError, match="22499"):
        of(people, 4).trials().select("22500")


def test_trap_20_pictures_seen_once_or_twice_weigh_in(people: TinyTree) -> None:
    truth = people.subjects[4].trials
    frame = of(people, 4).trials().frame
    counts = np.bincount(truth["image_10k"], minlength=10_000)
    np.testing.assert_array_equal(frame["n_repetitions"], counts[truth["image_10k"]])
    np.testing.assert_array_equal(frame["repetition"], truth["repetition"])
    n_once, n_twice, n_thrice = (int((counts == n).sum()) for n in (1, 2, 3))
    assert min(n_once, n_twice, n_thrice) > 0
    ncsnr = np.array([0.2, 0.5, 1.3])
    share = (n_thrice / 3 + n_twice / 2 + n_once) / (n_thrice + n_twice + n_once)
    expected = ncsnr**2 / (ncsnr**2 + share)
    np.testing.assert_allclose(noise_ceiling(ncsnr, counts[counts > 0]), expected, rtol=1e-5)


def test_trap_21_sessions_are_those_on_disk_and_gaps_keep_their_place(
    people: TinyTree, tmp_path: Path
) -> None:
    tree = build_tree(
        tmp_path / "gap", sessions=(1, 3), stim_info=False, stimuli=False, surfaces=False
    )
    subject = of(tree)
    table, betas = subject.trials(), subject.betas("nsdgeneral")
    truth = tree.subjects[1]
    np.testing.assert_array_equal(table.frame["nsd_id"], truth.trials["nsd_id"])
    late = np.arange(1500, 2250)
    expected = truth.betas["func1pt8mm", B3, None].psc[late][(slice(None), *betas.ijk.T)]
    np.testing.assert_allclose(betas.psc(late), expected, atol=HALF_A_STEP)
    assert np.isnan(betas.psc(np.arange(750, 1500))).all()
    for name in ("all", "train", "shared"):
        assert set(table.frame["session"][table.select(name)]) == {1, 3}
    for wanted in ("800", "session:2", "700:760"):
        with pytest.raises(RequestError, match="not on this disk"):
            table.select(wanted)
    # An old download lacks the last three sessions: both splits are then one.
    folder = people.betas_folder(4)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for session in range(1, 31):
            (folder / f"betas_session{session:02d}.hdf5").touch()
        whole = of(people, 4).trials()
        assert len(whole.select("test:legacy-37")) < len(whole.select("test:full-40"))
        for session in (28, 29, 30):
            (folder / f"betas_session{session:02d}.hdf5").unlink()
        old = of(people, 4).trials()
        assert old.n_sessions == 27
        for side in ("test", "train"):
            chosen = old.select(f"{side}:full-40")
            np.testing.assert_array_equal(chosen, old.select(f"{side}:legacy-37"))
            np.testing.assert_array_equal(chosen, whole.select(f"{side}:legacy-37"))
    finally:
        shutil.rmtree(folder)


def test_trap_22_shared_pictures_test_everyone_and_none_is_on_both_sides(people: TinyTree) -> None:
    shared = set(people.design.sharedix.tolist())
    sides: dict[tuple[int, str], set[int]] = {}
    for number in (1, 4):
        frame = of(people, number).trials().frame
        for split in ("split_full_40", "split_legacy_37"):
            on = {side: set(frame["nsd_id"][frame[split] == side]) for side in ("train", "test")}
            assert on["test"] <= shared
            assert not on["train"] & shared
            assert on["train"]
        sides |= {(number, side): on[side] for side in on}
        is_test = frame["split_full_40"] == "test"
        np.testing.assert_array_equal(is_test, people.subjects[number].trials["image_10k"] < 1000)
        np.testing.assert_array_equal(frame["shared"], is_test)
    assert not sides[1, "train"] & sides[4, "train"]
    assert sides[1, "test"] & sides[4, "test"]


# --- the table of pictures ---------------------------------------------------------------------


def test_trap_23_true_and_false_are_words(tree: TinyTree) -> None:
    text = (tree.root / "nsddata/experiments/nsd/nsd_stim_info_merged.csv").open().readline
    header, row = text(), text()
    assert "flagged" in header
    assert "False" in row
    frame = of(tree).trials(with_pictures=True).frame
    truth = tree.design.stimuli.iloc[tree.subjects[1].trials["nsd_id"]]
    for ours, theirs in (
        ("flagged", "flagged"),
        ("bold5000", "BOLD5000"),
        ("shared", "shared1000"),
    ):
        assert frame[ours].dtype == bool
        assert 0 < frame[ours].sum() < len(frame)
        np.testing.assert_array_equal(frame[ours], truth[theirs])


def test_trap_24_crops_are_top_bottom_left_right(tree: TinyTree, tmp_path: Path) -> None:
    frame = of(tree).trials(with_pictures=True).frame.drop_duplicates("nsd_id").set_index("nsd_id")
    width, height, box = 640, 480, [200.0, 150.0, 100.0, 120.0]
    chosen, images, objects = {}, [], []
    for nsd_id in tree.shown[:60]:
        row = tree.design.stimuli.iloc[nsd_id]
        top, bottom, left, right = (float(part) for part in row["cropBox"].strip("()").split(","))
        chosen[int(nsd_id)] = top, bottom, left, right
        coco_id = int(row["cocoId"])
        images.append({"id": coco_id, "width": width, "height": height})
        objects.append({"image_id": coco_id, "category_id": 1, "bbox": box, "iscrowd": 0})
    assert len(set(chosen.values())) == 10
    (tmp_path / "instances_train2017.json").write_text(
        json.dumps(
            {
                "images": images,
                "categories": [{"id": 1, "name": "cat", "supercategory": "animal"}],
                "annotations": objects,
            }
        )
    )
    found = read_coco(open_nsd(tree.root).root, np.array(list(chosen)), tmp_path)
    for nsd_id, (top, bottom, left, right) in chosen.items():
        row = frame.loc[nsd_id]
        crop = row["crop_top"], row["crop_bottom"], row["crop_left"], row["crop_right"]
        assert crop == (top, bottom, left, right)
        scale_x, scale_y = 425 / (width * (1 - left - right)), 425 / (height * (1 - top - bottom))
        x, y = (box[0] - left * width) * scale_x, (box[1] - top * height) * scale_y
        seen = found[nsd_id].objects[0].box_px
        np.testing.assert_allclose(seen, (x, y, box[2] * scale_x, box[3] * scale_y), rtol=1e-6)


# --- statistics --------------------------------------------------------------------------------


def test_trap_25_sessions_are_standardised_before_they_are_pooled(
    tree: TinyTree, tmp_path: Path
) -> None:
    subject = of(tree)
    betas = subject.betas("nsdgeneral")
    found = subject.reliability("nsdgeneral")
    truth = tree.subjects[1].betas["func1pt8mm", B3, None].ncsnr
    at = tuple(betas.ijk.T)
    for values, name in ((found.ncsnr, "ncsnr"), (found.split1, "ncsnr_split1")):
        np.testing.assert_allclose(values, truth[name][at], rtol=1e-3, atol=1e-4)
    # Sessions differ so much that pooling first would give other values.
    psc = betas.psc(every_trial(tree))
    pooled = (psc - np.nanmean(psc, axis=0)) / np.nanstd(psc, axis=0, ddof=1)
    images = tree.subjects[1].trials["image_10k"].to_numpy()
    thrice = np.flatnonzero(np.bincount(images) == 3)
    variance = [pooled[images == image].var(axis=0, ddof=1) for image in thrice]
    noise = np.nanmean(variance, axis=0)
    other = np.sqrt(np.maximum(0, 1 - noise) / noise)
    assert np.nanmax(np.abs(other - truth["ncsnr"][at])) > 0.02
    # What pools sessions for the models does the same: no session stands out afterwards.
    table = subject.trials()
    trials = table.select("all")
    statistics, _ = build_averages(
        betas, table, trials, {"all": trials}, tmp_path, SilentProgress()
    )
    z = statistics.zscore(psc[trials], table.column("session")[trials])
    for session in (1, 3):
        here = z[table.column("session")[trials] == session]
        np.testing.assert_allclose(here.mean(axis=0), 0, atol=1e-4)
        np.testing.assert_allclose(here.std(axis=0, ddof=1), 1, atol=1e-4)


def test_trap_26_the_decoder_is_scaled_by_training_trials_only(
    fitted: tuple[TinyTree, Decoder],
) -> None:
    tree, decoder = fitted
    trials = tree.subjects[1].trials
    stored = tree.subjects[1].betas["func1pt8mm", B2, None].stored
    train = stored[~trials["shared"].to_numpy()][(slice(None), *decoder.sites.ijk.T)] / 300
    everything = stored[(slice(None), *decoder.sites.ijk.T)] / 300
    mean, sd = decoder.statistics.mean_psc[0], decoder.statistics.sd_psc[0]
    there = tree.subjects[1].spaces["func1pt8mm"].valid[0][tuple(decoder.sites.ijk.T)]
    assert 0 < there.sum() < len(there)
    expected = np.where(there, train.mean(axis=0), np.nan)
    np.testing.assert_allclose(mean, expected, atol=1e-4)
    np.testing.assert_allclose(sd[there], train.std(axis=0, ddof=1)[there], rtol=1e-4)
    assert np.abs(everything.mean(axis=0) - mean)[there].max() > 1e-3
    # And it says so.
    assert decoder.header.split == "full-40"
    assert decoder.header.n_trials == len(train)
    assert decoder.header.n_images == trials.loc[~trials["shared"], "nsd_id"].nunique()


def test_trap_27_the_ceiling_bounds_the_squared_correlation(
    fitted: tuple[TinyTree, Decoder],
) -> None:
    rng = np.random.default_rng(0)
    ncsnr = np.array([0.3, 0.7, 1.5])
    signal = rng.standard_normal((200_000, 3)) * ncsnr
    _, decoder = fitted
    for n in (1, 3):
        average = signal + rng.standard_normal(signal.shape) / np.sqrt(n)
        r = np.array([np.corrcoef(signal[:, v], average[:, v])[0, 1] for v in range(3)])
        ceiling = noise_ceiling(ncsnr, np.full(50, n))
        np.testing.assert_allclose(r**2, ceiling, atol=0.01)
        assert (np.abs(r - ceiling) > 0.05).all()
        # A perfect model scores 1 where the encoder compares the two.
        encoder = Encoder(
            decoder.header, decoder.sites, decoder.statistics, decoder.ridge, ceiling, r, r**2,
            decoder.train_ids,
        )  # fmt: skip
        np.testing.assert_allclose(encoder.score_normalised(0.0), 1, atol=0.06)


# --- runs --------------------------------------------------------------------------------------


def test_trap_28_files_are_one_run_ahead_in_sessions_with_rest(tree: TinyTree) -> None:
    subject = of(tree)
    truth = trial_table(tree.design, 1, REST_SESSION)
    truth = truth[truth["session"] == REST_SESSION]
    files = {run.number: run for run in tree.subjects[1].runs["func1pt8mm", REST_SESSION]}
    assert len(files) == 14
    for nsd_run in (1, 7, 12):
        run = open_run(subject.files, FUNC, REST_SESSION, nsd_run=nsd_run)
        path = run.run.path(Part.VOLUMES)
        assert path is not None
        assert path.name == f"timeseries_session21_run{nsd_run + 1:02d}.nii.gz"
        expected = truth[truth["run"] == nsd_run]
        np.testing.assert_array_equal(run.trials.nsd_ids, expected["nsd_id"])
        np.testing.assert_array_equal(run.trials.trials, expected["trial"])
        np.testing.assert_allclose(run.trials.onsets_s, 4 * expected["slot"])
        np.testing.assert_array_equal(run.volume(40), files[nsd_run + 1].volumes[..., 40])
        np.testing.assert_allclose(run.motion, files[nsd_run + 1].motion, atol=1e-6)
    for rest, number in ((1, 1), (2, 14)):
        run = open_run(subject.files, FUNC, REST_SESSION, rest=rest)
        assert run.run.file_run == number
        assert not len(run.design.onset_volumes)
    plain = open_run(subject.files, FUNC, 1, nsd_run=3)
    assert plain.run.file_run == 3
    first = tree.subjects[1].trials
    first = first[(first["session"] == 1) & (first["run"] == 3)]
    np.testing.assert_array_equal(plain.trials.trials, first["trial"])


def test_trap_29_the_design_is_a_row_shorter_than_the_volumes(tree: TinyTree) -> None:
    run = open_run(of(tree).files, FUNC, 1, nsd_run=2)
    truth = tree.subjects[1].runs["func1pt8mm", 1][1]
    n_volumes = truth.volumes.shape[-1]
    assert len(truth.design) == n_volumes - 1 == 225
    assert run.n_volumes == len(run.design.values) == len(run.times_s) == n_volumes
    np.testing.assert_array_equal(run.design.values[:-1], truth.design - 1)
    assert run.design.values[-1] == -1
    np.testing.assert_array_equal(run.design.onset_volumes, np.flatnonzero(truth.design))
    path = run.run.path(Part.DESIGN)
    assert path is not None
    text = path.read_text()
    try:
        path.write_text(text + "0\n")
        with pytest.raises(DataError, match=r"design_session01_run02\.tsv.*225.*download"):
            open_run(of(tree).files, FUNC, 1, nsd_run=2).design
    finally:
        path.write_text(text)


def test_trap_30_lost_answers_leave_the_betas(tree: TinyTree) -> None:
    subject = of(tree)
    frame = subject.trials().frame
    lost = (frame["session"] == LOST_RUN[0]) & (frame["run"] == LOST_RUN[1])
    assert lost.sum() == 63
    np.testing.assert_array_equal(frame["missing_data"], lost)
    assert frame.loc[lost, ["rt_ms", "is_correct", "button"]].isna().all(axis=None)
    assert frame.loc[lost, "has_betas"].all()
    trials = np.flatnonzero(lost)
    assert set(trials) <= set(subject.trials().select("all").tolist())
    psc = subject.betas("nsdgeneral & valid").psc(trials)
    assert np.isfinite(psc).all()
    # Only the answers are lost: what was shown is known.
    np.testing.assert_array_equal(
        frame.loc[lost, "is_old"], tree.subjects[1].responses.loc[lost.to_numpy(), "ISOLD"]
    )


def test_trap_31_chosen_responses_count_from_1(tree: TinyTree) -> None:
    subject = of(tree)
    truth = tree.subjects[1].betas["func1pt8mm", B3, None]
    stored = companions(truth, 2, B3, tree.seed)["HRFindex_session02"]
    assert {1, 20} <= set(np.unique(stored))
    index = read_hrf_index(subject.files, FUNC, BetaVersion.B3, 2)
    np.testing.assert_array_equal(index, np.where(stored > 0, stored - 1, NO_HRF))
    shown = read_map(subject.files, FUNC, "HRFindex_session02", version=BetaVersion.B3)
    np.testing.assert_array_equal(shown.values, stored - 1)
    library = read_hrf_library(open_nsd(tree.root).root, FUNC)
    with h5py.File(tree.root / "nsddata/templates/hrfs_func1pt8mm.mat") as file:
        curves = file["hrfs"][()]
    for number in (1, 20):
        voxel = tuple(int(i) for i in np.argwhere(stored == number)[0])
        np.testing.assert_array_equal(hrf_of(library, index, voxel), curves[number - 1])


# --- files of FreeSurfer and MATLAB ------------------------------------------------------------


def test_trap_32_mgh_is_big_endian_with_idle_axes(tree: TinyTree) -> None:
    subject = of(tree)
    path = tree.betas_folder(1, "fsaverage") / "lh.ncsnr.mgh"
    image = nib.load(path)
    assert image.get_data_dtype().byteorder == ">"
    assert image.shape[1:3] == (1, 1)
    truth = tree.subjects[1].betas["fsaverage", B3, "lh"]
    values = read_mgh(path)
    assert values.dtype.isnative
    np.testing.assert_array_equal(values, truth.ncsnr["ncsnr"])
    session = read_mgh(tree.betas_folder(1, "fsaverage") / "lh.betas_session01.mgh")
    assert session.dtype.isnative
    np.testing.assert_array_equal(session, truth.psc[:750].T)
    betas = subject.betas("all", Space.FSAVERAGE)
    for array in (betas.by_trial, betas.by_site, betas.psc(np.arange(3))):
        assert array.dtype.isnative
        # What cannot be native cannot become a tensor.
        torch.from_numpy(np.array(array))
    ncsnr = subject.ncsnr("all", Space.FSAVERAGE)
    assert ncsnr.shape == (betas.n_voxels,)
    assert ncsnr.dtype.isnative
    np.testing.assert_array_equal(ncsnr[betas.sites.columns(Hemisphere.LEFT)], values)
    labels = read_scalars(tree.freesurfer(1) / "label/rh.prf-visualrois.mgz")
    assert labels.dtype.isnative
    np.testing.assert_array_equal(labels, tree.subjects[1].labels["rh", "prf-visualrois"])


def test_trap_33_mgh_and_mgz_are_one_format(tmp_path: Path) -> None:
    tree = build_tree(
        tmp_path / "nsd",
        sessions=(1,),
        betas=(("fsaverage", B3, "mgh"),),
        stim_info=False,
        stimuli=False,
    )

    def everything() -> list[np.ndarray]:
        subject = of(tree)
        files = subject.files
        native = np.arange(tree.subjects[1].n_vertices["lh"], dtype=float)
        volume = ramp(tree.subjects[1].func_shape)
        ways = [
            (native, "lh.white", "lh.fsaverage"),
            (volume, "func1pt8", "lh.pial"),
            (volume, "func1pt8", "rh.fsaverage"),
        ]
        return [
            subject.betas("nsdgeneral", Space.FSAVERAGE).psc(np.arange(750)),
            subject.ncsnr("nsdgeneral", Space.FSAVERAGE),
            *subject.mask("prf-visualrois:V1v", Space.NATIVESURFACE).values(),
            *(route(files, Place.parse(a), Place.parse(b)).apply(values) for values, a, b in ways),
        ]

    expected = everything()
    other = {".mgh": ".mgz", ".mgz": ".mgh"}
    paths = [p for p in tree.root.rglob("*.mg[hz]") if "mri" not in p.parts]
    assert {p.suffix for p in paths} == set(other)
    for path in paths:
        values = np.asarray(nib.load(path).dataobj)
        write_mgh(path.with_suffix(other[path.suffix]), values.reshape(len(values), -1).squeeze())
        path.unlink()
    for before, after in zip(expected, everything(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_trap_34_unsigned_numbers_do_not_wrap(small: TinyTree) -> None:
    table = of(small).trials()
    for name in ("nsd_id", "image_10k"):
        values = table.column(name)
        assert values.dtype == np.int64
        np.testing.assert_array_equal(values, small.subjects[1].trials[name])
        assert (np.diff(values) < 0).any()
    # A 0 in the file is one too few, and not 65,535.
    design = small.design
    lowered = dataclasses.replace(design, masterordering=design.masterordering.copy())
    lowered.masterordering[5] = -1
    write_design(small.root, lowered)
    with pytest.raises(DataError, match=r"nsd_expdesign\.mat.*below 1.*download"):
        of(small).trials()


def test_trap_35_sessions_have_750_trials_and_pictures_425_pixels(
    small: TinyTree, tmp_path: Path
) -> None:
    stored = small.subjects[1].betas["func1pt8mm", B3, None].stored
    affine = small.subjects[1].spaces["func1pt8mm"].affine
    for n_trials in (749, 751):
        wrong = np.resize(stored, (n_trials, *stored.shape[1:]))
        stored_path(small).unlink(missing_ok=True)
        write_betas_nifti(stored_path(small).with_suffix(".nii.gz"), wrong, affine)
        with pytest.raises(DataError, match=rf"betas_session01.*{n_trials}.*750.*download"):
            of(small).betas("nsdgeneral")
        stored_path(small).with_suffix(".nii.gz").unlink()
        write_betas_hdf5(stored_path(small), wrong)
        with pytest.raises(DataError, match=rf"betas_session01.*{n_trials}.*750.*download"):
            of(small).betas("nsdgeneral")
    for space, write in (
        ("nativesurface", write_nativesurface_betas),
        ("fsaverage", write_fsaverage_betas),
    ):
        suffix = "hdf5" if space == "nativesurface" else "mgh"
        for hemi in ("lh", "rh"):
            labels = small.freesurfer(1 if space == "nativesurface" else None) / "label"
            n_vertices = nib.load(labels / f"{hemi}.nsdgeneral.mgz").shape[0]
            path = small.betas_folder(1, space) / f"{hemi}.betas_session01.{suffix}"
            dtype = np.int16 if suffix == "hdf5" else np.float32
            write(path, np.ones((749, n_vertices), dtype))
        with pytest.raises(DataError, match=r"[lr]h\.betas_session01.*749.*750.*download"):
            of(small).betas("nsdgeneral", Space(space))
    brick = small.root / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"
    brick.parent.mkdir(parents=True)
    with h5py.File(brick, "w") as file:
        file.create_dataset("imgBrick", (9, 424, 425, 3), np.uint8)
    with pytest.raises(DataError, match=r"nsd_stimuli\.hdf5.*425.*download"):
        open_nsd(small.root).stimuli.read(np.array([1]))


def test_trap_36_anatomy_never_comes_from_freesurfers_mri_folder(
    tree: TinyTree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mri = tree.freesurfer(1) / "mri"
    ours = nib.load(tree.ppdata(1, "anat") / "T1_0pt8_masked.nii.gz")
    theirs = nib.load(mri / "T1.mgz")
    assert theirs.shape == ours.shape
    # Named as data in anat0pt8, it is refused: it would be turned and a voxel off.
    out = tmp_path / "out.nii.gz"
    assert transform(tree, "anat0pt8", "func1pt8", mri / "T1.mgz", out) == 1
    told = capsys.readouterr().err
    assert "T1.mgz" in told
    assert "FreeSurfer" in told
    assert not out.exists()
    # Nothing that we say of the anatomy changes when the folder goes.
    given = tree.ppdata(1, "anat") / "T1_0pt8_masked.nii.gz"
    first, second = tmp_path / "first.nii.gz", tmp_path / "second.nii.gz"
    assert transform(tree, "anat0pt8", "func1pt8", given, first, "nearest") == 0
    aside = mri.rename(mri.with_name("aside"))
    try:
        assert transform(tree, "anat0pt8", "func1pt8", given, second, "nearest") == 0
        affine = nib.load(given).affine
        warped = nib.load(second)
        assert first.read_bytes()[10:] == second.read_bytes()[10:]
        assert not np.allclose(theirs.affine, affine)
    finally:
        aside.rename(mri)
    # The moved anatomy is the tissue that stands at each voxel, but for borders.
    aseg = tree.subjects[1].spaces["func1pt8mm"].aseg
    intensities = np.asarray(warped.dataobj)
    for tissue in np.unique(aseg):
        values = intensities[aseg == tissue]
        assert (values == np.median(values)).mean() > 0.6


def test_trap_37_flat_patches_hold_some_vertices_and_mark_their_border(tree: TinyTree) -> None:
    for hemisphere in Hemisphere:
        truth = tree.subjects[1].hemispheres[hemisphere.value]
        flat = of(tree).surface(hemisphere, FLAT_PATCH)
        assert 0 < truth.patch_border.sum() < truth.in_patch.sum() < truth.n_vertices
        inside = np.isfinite(flat.vertices_mm).all(axis=1)
        np.testing.assert_array_equal(inside, truth.in_patch)
        np.testing.assert_allclose(flat.vertices_mm[inside], truth.flat[inside], rtol=1e-5)
        whole = truth.faces[truth.in_patch[truth.faces].all(axis=1)]
        np.testing.assert_array_equal(flat.faces, whole)


def test_trap_38_another_count_of_nsdgeneral_is_no_error(
    small: TinyTree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = small.subjects[1].spaces["func1pt8mm"]
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        roi = place.rois["nsdgeneral"]
        np.testing.assert_array_equal(of(small).mask("nsdgeneral"), roi == 1)
        # As if an earlier release were on disk, whose region was smaller.
        fewer = roi.copy()
        fewer[tuple(np.argwhere(roi == 1)[0])] = 0
        path = small.ppdata(1, "func1pt8mm") / "roi/nsdgeneral.nii.gz"
        write_nifti(path, fewer, place.affine)
        assert of(small).betas("nsdgeneral").n_voxels == (fewer == 1).sum() == (roi == 1).sum() - 1
    # Of a subject that has the published grid, a count that is far off is worth a warning.
    shape, root = (81, 104, 83), tmp_path / "real"
    folder, affine = root / "nsddata/ppdata/subj01/func1pt8mm", centred_affine(shape, 1.8)
    mask = np.arange(np.prod(shape)).reshape(shape) < 370_503
    write_nifti(folder / "brainmask.nii.gz", mask.astype(np.int16), affine)
    for n_voxels, is_told in ((15_724, False), (15_100, False), (12_000, True)):
        place = np.arange(np.prod(shape)).reshape(shape)
        roi = np.where(place < n_voxels, 1.0, np.where(place < 107_104, 0.0, -1.0))
        write_nifti(folder / "roi/nsdgeneral.nii.gz", roi, affine)
        assert main(["verify", str(root)]) == 0
        said = capsys.readouterr().out
        assert ("nsdgeneral 12000 (15724)" in said) == is_told
        assert "Damaged" not in said
        assert open_nsd(root).subject(1).mask("nsdgeneral").sum() == n_voxels


def test_trap_39_every_model_says_which_betas_it_is_made_of(
    fitted: tuple[TinyTree, Decoder], tmp_path: Path
) -> None:
    tree, decoder = fitted
    assert decoder.header.version == "betas_fithrf"
    decoder.header.require(1, FUNC, BetaVersion.B2, "colours")
    with pytest.raises(CheckpointError, match="version"):
        decoder.header.require(1, FUNC, BetaVersion.B3, "colours")
    # Both versions are on offer, b3 unless asked otherwise, and they are not the same numbers.
    found = {}
    for version, options in (("b3", []), ("b2", ["--version", "b2"])):
        out = tmp_path / f"{version}.npz"
        words = ["betas", str(tree.root), "--subject", "1", "--trials", "0:9", "--out", str(out)]
        assert main([*words, *options]) == 0
        with np.load(out) as held:
            found[version] = dict(held)
    for version, folder in (("b3", B3), ("b2", B2)):
        held = found[version]
        stored = tree.subjects[1].betas["func1pt8mm", folder, None].stored[:9]
        at = (slice(None), *held["ijk"].T)
        there = np.isfinite(held["betas"])
        np.testing.assert_allclose(held["betas"][there], (stored[at] / 300)[there], rtol=1e-5)
    assert not np.allclose(found["b2"]["betas"], found["b3"]["betas"], equal_nan=True)
    # A decoder of b2 is not put to betas of b3.
    path = tmp_path / "decoder.safetensors"
    decoder.save(path)
    with pytest.raises(CheckpointError, match=r"version betas_fithrf, not .*fit one"):
        Workspace(NsdRoot.open(tree.root), 1, FUNC, BetaVersion.B3, "colours").decoder(str(path))
    assert Workspace(NsdRoot.open(tree.root), 1, FUNC, BetaVersion.B2, "colours").decoder(str(path))
