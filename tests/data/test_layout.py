"""What is on disk is found, whatever way a download came to be there."""

import shutil
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest

from nsdviewer import open_nsd
from nsdviewer.data.formats.hdf5 import open_hdf5
from nsdviewer.data.inventory import inventory
from nsdviewer.data.layout import NsdRoot, Storage
from nsdviewer.data.verify.verification import verify
from nsdviewer.errors import DataError, RequestError
from nsdviewer.jobs import SilentProgress
from nsdviewer.state import BetaVersion, Experiment, Space
from tests.nsd_tree import B2, B3, TinyTree, build_tree


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> TinyTree:
    """One session as HDF5, and as NIfTI of another version."""
    folder = tmp_path_factory.mktemp("layout")
    betas = (("func1pt8mm", B3, "hdf5"), ("func1pt8mm", B3, "nii.gz"), ("MNI", B2, "nii.gz"))
    return build_tree(folder / "nsd", sessions=(1,), betas=betas, stimuli=False, surfaces=False)


def test_any_folder_of_the_bucket_opens_it(tree: TinyTree, tmp_path: Path) -> None:
    for name in ("", "nsddata", "nsddata_betas"):
        assert NsdRoot.open(tree.root / name).path == tree.root.resolve()
    with pytest.raises(DataError, match="no NSD root"):
        NsdRoot.open(tree.root / "nsddata/ppdata")
    # Betas on another disk, linked to: the link's neighbours count, not those of what it leads to.
    linked, other = tmp_path / "linked", tmp_path / "other"
    shutil.copytree(tree.root / "nsddata", linked / "nsddata")
    shutil.copytree(tree.root / "nsddata_betas", other / "nsddata_betas")
    (linked / "nsddata_betas").symlink_to(other / "nsddata_betas")
    assert NsdRoot.open(linked / "nsddata_betas").path == linked.resolve()
    assert NsdRoot.open(linked).subject(1).sessions(Space.FUNC1PT8MM, BetaVersion.B3) == (1,)


def test_roots_of_one_name_share_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSDVIEWER_CACHE", str(tmp_path / "cache"))
    folders = set()
    for parent in ("a", "b"):
        (tmp_path / parent / "nsd/nsddata").mkdir(parents=True)
        folders.add(NsdRoot.open(tmp_path / parent / "nsd").cache_folder)
    assert len(folders) == 2
    assert {f.parent for f in folders} == {tmp_path / "cache"}


def test_an_empty_file_gives_way_to_another_format(tree: TinyTree, tmp_path: Path) -> None:
    shutil.copytree(tree.root, tmp_path / "nsd")
    files = NsdRoot.open(tmp_path / "nsd").subject(1)
    (quick,) = files.beta_files(Space.FUNC1PT8MM, BetaVersion.B3)
    assert quick.storage is Storage.HDF5
    quick.path.write_bytes(b"")
    (other,) = files.beta_files(Space.FUNC1PT8MM, BetaVersion.B3)
    assert other.storage is Storage.NIFTI_GZ
    assert open_nsd(tmp_path / "nsd").subject(1).betas("nsdgeneral").n_voxels > 0


def test_what_macos_leaves_behind_is_neither_data_nor_damage(
    tree: TinyTree, tmp_path: Path
) -> None:
    shutil.copytree(tree.root, tmp_path / "nsd")
    root = NsdRoot.open(tmp_path / "nsd")
    before = {(e.path, e.n_files) for e in inventory(root)}
    for path in list(root.path.rglob("*")):
        if path.is_file():
            path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7")
    (root.path / "nsddata/.DS_Store").write_bytes(b"\0\0\0\1Bud1")
    assert {(e.path, e.n_files) for e in inventory(root)} == before
    assert not verify(root.path, SilentProgress(), quick=True).is_damaged


def test_a_file_that_is_held_without_a_lock_opens_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w") as file:
        file["betas"] = np.arange(3)
    with h5py.File(path, "r", locking=False), open_hdf5(path) as file:
        np.testing.assert_array_equal(file["betas"][()], np.arange(3))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(OSError, match="truncated"):
        open_hdf5(path)


def test_every_version_has_a_name_that_parses_back() -> None:
    for version in BetaVersion:
        assert BetaVersion.parse(version.short) is BetaVersion.parse(version.value) is version
    assert BetaVersion.SYNTHETIC_B3.experiment is Experiment.SYNTHETIC
    assert {v for v in BetaVersion if v.experiment is Experiment.CORE} == {
        BetaVersion.B1, BetaVersion.B2, BetaVersion.B3,
    }  # fmt: skip
    with pytest.raises(RequestError, match="b1, b2, b3"):
        BetaVersion.parse("b9")


def test_only_volumes_have_an_affine(tree: TinyTree) -> None:
    subject = open_nsd(tree.root).subject(1)
    shape = tree.subjects[1].func_shape
    expected = -(np.array(shape) - 1) / 2 * 1.8
    np.testing.assert_allclose(subject.affine()[:3, 3], expected, rtol=1e-6)
    assert subject.affine(Space.MNI).shape == (4, 4)
    with pytest.raises(RequestError, match="vertices"):
        subject.affine(Space.FSAVERAGE)


def test_reliability_is_read_without_betas(tree: TinyTree, tmp_path: Path) -> None:
    shutil.copytree(tree.root, tmp_path / "nsd")
    subject = open_nsd(tmp_path / "nsd").subject(1)
    for path in (tmp_path / "nsd/nsddata_betas").rglob("betas_session*"):
        path.unlink()
    assert len(subject.ncsnr("nsdgeneral")) == subject.mask("nsdgeneral").sum()


def test_a_voxels_response_is_the_one_its_index_names(tree: TinyTree) -> None:
    """The index counts from 1, the library's rows from 0."""
    subject = open_nsd(tree.root).subject(1)
    index = tree.betas_folder(1) / "HRFindex_session01.nii.gz"
    stored = np.asarray(nib.load(index).dataobj)
    ijk = tuple(int(v) for v in np.argwhere(stored == 7)[0])
    with h5py.File(tree.root / "nsddata/templates/hrfs_func1pt8mm.mat") as file:
        expected = file["hrfs"][6]
    times_s, response = subject.hrf(ijk)
    np.testing.assert_allclose(response, expected)
    np.testing.assert_allclose(np.diff(times_s), 4 / 3)
    assert open_nsd(tree.root).n_noise_components().shape[1] == 8
