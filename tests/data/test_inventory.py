"""The listing counts what is there once, reads nothing, and is not caught in loops."""

import os
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest

from nsdviewer.data.information import read_n_noise_components
from nsdviewer.data.inventory import Holding, InventoryEntry, inventory
from nsdviewer.data.layout import NsdRoot, SubjectFiles
from nsdviewer.data.runs.hrf import NO_HRF, hrf_of, read_hrf_index, read_hrf_library
from nsdviewer.errors import DataError, RequestError
from nsdviewer.state import BetaVersion, Space

FILES = {
    "nsddata_timeseries/ppdata/subj01/eyedata/raw/a.edf": Holding.EYE,
    "nsddata_timeseries/ppdata/subj02/eyedata/b.mat": Holding.EYE,
    "nsddata_timeseries/ppdata/subj01/func1pt8mm/design/design_session01_run01.tsv": (
        Holding.RUN_DESIGN
    ),
    "nsddata_timeseries/ppdata/subj01/physio/physio_session21_run01_puls.tsv": Holding.PHYSIOLOGY,
    "nsddata_diffusion/tracts/x/y.trk": Holding.DIFFUSION,
    "nsddata_rawdata/sub-01/ses-nsd01/func/bold.nii.gz": Holding.RAW,
    "nsddata/bdata/meadows/m.mat": Holding.SIDE_BEHAVIOUR,
    "nsddata/information/b3pcnum_func1mm.tsv": Holding.INFORMATION,
    "nsddata/information/runmetrics.mat": Holding.INFORMATION,
    "nsddata/templates/hrfs_func1mm.mat": Holding.HRF_LIBRARY,
    "nsddata/templates/MTL.ctab": Holding.TEMPLATES,
    "nsddata/stimuli/prf/masks.mat": Holding.PRF_APERTURES,
    "nsddata_stimuli/stimuli/nsdimagery/n.hdf5": Holding.PICTURES,
    "nsddata_betas/ppdata/subj01/func1mm/betas_fithrf/HRFindex_session01.nii.gz": (
        Holding.HRF_INDEX
    ),
    "nsddata_betas/ppdata/subj01/MNI/betas_fithrf/betas_session01.nii.gz": Holding.BETAS,
    "nsddata/freesurfer/fsaverage/surf/lh.white": Holding.SURFACES,
    "nsddata/news/deep/er/z.txt": Holding.UNKNOWN,
}
OPENED = {Holding.RUN_DESIGN, Holding.PHYSIOLOGY, Holding.HRF_INDEX, Holding.HRF_LIBRARY}
LISTED = {Holding.EYE, Holding.DIFFUSION, Holding.RAW, Holding.PRF_APERTURES, Holding.UNKNOWN}


@pytest.fixture
def root(tmp_path: Path) -> NsdRoot:
    for size, name in enumerate(FILES):
        path = tmp_path / "nsd" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    return NsdRoot.open(tmp_path / "nsd")


def entry_of(entries: tuple[InventoryEntry, ...], path: Path) -> InventoryEntry:
    (entry,) = [e for e in entries if path.is_relative_to(e.path) and e.n_files + e.n_unread]
    return entry


def test_every_file_is_counted_once_under_what_it_is(root: NsdRoot) -> None:
    entries = inventory(root)
    assert sum(entry.n_files for entry in entries) == len(FILES)
    assert sum(entry.n_bytes for entry in entries) == sum(range(len(FILES)))
    for kind in set(FILES.values()):
        names = [name for name, k in FILES.items() if k is kind]
        mine = [entry for entry in entries if entry.kind is kind]
        assert sum(entry.n_files for entry in mine) == len(names)
        assert all(any((root.path / n).is_relative_to(e.path) for e in mine) for n in names)
        assert all(entry.description and entry.n_unread == 0 for entry in mine)
    assert all(entry.is_opened for entry in entries if entry.kind in OPENED)
    assert not any(entry.is_opened for entry in entries if entry.kind in LISTED)
    assert len({(e.kind, e.path, e.description) for e in entries}) == len(entries)


def test_a_subject_has_its_own_files_only(root: NsdRoot) -> None:
    entries = inventory(SubjectFiles(root, 1))
    assert all("subj01" in str(e.path) or "rawdata" in str(e.path) for e in entries)
    mine = [name for name in FILES if "subj01" in name or "sub-01" in name]
    assert sum(entry.n_files for entry in entries) == len(mine)
    assert inventory(SubjectFiles(root, 8)) == ()


def test_links_are_counted_and_never_followed_in_circles(root: NsdRoot, tmp_path: Path) -> None:
    before = inventory(root)
    eye = root.path / "nsddata_timeseries/ppdata/subj01/eyedata"
    (eye / "loop").symlink_to(root.path)
    (eye / "self").symlink_to("self")
    (eye / "gone").symlink_to("nowhere")
    (eye / "linked.edf").symlink_to(eye / "raw/a.edf")
    (root.path / "nsddata_again").symlink_to(root.path)
    (root.path / "nsddata_above").symlink_to(tmp_path)
    after = inventory(root)
    assert entry_of(after, eye).n_files == entry_of(before, eye).n_files + 1
    assert entry_of(after, eye).n_unread == 3
    for name in ("nsddata_again", "nsddata_above"):
        assert entry_of(after, root.path / name).n_files == 0
    # A part of the bucket may lie on another disk.
    elsewhere = tmp_path / "disk"
    (root.path / "nsddata_diffusion").rename(elsewhere)
    (root.path / "nsddata_diffusion").symlink_to(elsewhere)
    assert entry_of(inventory(root), root.path / "nsddata_diffusion").n_files == 1


def test_contents_are_not_read(root: NsdRoot) -> None:
    # To open this would wait for ever.
    os.mkfifo(root.path / "nsddata_rawdata/sub-01/pipe")
    assert entry_of(inventory(root), root.path / "nsddata_rawdata").n_files == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to the administrator")
def test_closed_folders_are_told(root: NsdRoot) -> None:
    closed = root.path / "nsddata_diffusion/tracts"
    closed.chmod(0)
    try:
        entry = entry_of(inventory(root), closed)
        assert (entry.n_files, entry.n_unread) == (0, 1)
    finally:
        closed.chmod(0o755)


def write_library(root: NsdRoot, name: str, curves: np.ndarray) -> None:
    root.templates.mkdir(parents=True, exist_ok=True)
    with h5py.File(root.templates / name, "w") as file:
        file["hrfs"] = curves


def write_index(files: SubjectFiles, stem: str, index: np.ndarray) -> Path:
    folder = files.betas_folder(Space.FUNC1MM, BetaVersion.B3)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"HRFindex_{stem}.nii.gz"
    nib.save(nib.Nifti1Image(index.astype(np.int16), np.eye(4)), path)
    return path


def test_the_files_first_response_is_the_librarys_row_0(root: NsdRoot) -> None:
    curves = np.arange(20.0)[:, None] * np.ones(31)
    write_library(root, "hrfs_func1mm.mat", curves)
    library = read_hrf_library(root, Space.FUNC1MM)
    np.testing.assert_array_equal(library.curves, curves)
    np.testing.assert_array_equal(library.times_s, np.arange(31))
    files = SubjectFiles(root, 1)
    written = np.array([[[1, 20], [0, 7]]])
    path = write_index(files, "session02", written)
    index = read_hrf_index(files, Space.FUNC1MM, BetaVersion.B3, 2)
    for ijk in np.argwhere(written > 0):
        one = tuple(int(i) for i in ijk)
        assert (hrf_of(library, index, one) == written[one] - 1).all()
    assert index[0, 1, 0] == NO_HRF
    for bad in ((0, 1, 0), (0, 0, 2), (-1, 0, 0)):
        with pytest.raises(RequestError):
            hrf_of(library, index, bad)
    write_index(files, "session02", written + 1)
    with pytest.raises(DataError, match=path.name):
        read_hrf_index(files, Space.FUNC1MM, BetaVersion.B3, 2)
    with pytest.raises(RequestError, match="b1 assumes one"):
        read_hrf_index(files, Space.FUNC1MM, BetaVersion.B1, 2)
    with pytest.raises(DataError, match=r"session03.*missing"):
        read_hrf_index(files, Space.FUNC1MM, BetaVersion.B3, 3)


def test_the_libraries_of_both_spaces_have_their_own_clock(root: NsdRoot) -> None:
    write_library(root, "hrfs_func1pt8mm.mat", np.ones((20, 23)))
    np.testing.assert_allclose(
        read_hrf_library(root, Space.FUNC1PT8MM).times_s, np.arange(23) * 4 / 3
    )
    write_library(root, "hrfs_func1pt8mm.mat", np.ones((23, 20)))
    with pytest.raises(DataError, match="20 responses are expected"):
        read_hrf_library(root, Space.FUNC1PT8MM)
    (root.templates / "hrfs_func1pt8mm.mat").write_bytes(b"MATLAB 5.0")
    with pytest.raises(DataError, match="damaged"):
        read_hrf_library(root, Space.FUNC1PT8MM)
    with pytest.raises(RequestError, match="choose"):
        read_hrf_library(root, Space.FSAVERAGE)


def test_noise_components_are_sessions_by_subjects(root: NsdRoot) -> None:
    counts = np.random.default_rng(0).integers(0, 9, (40, 8)).astype(float)
    counts[30:, 3] = np.nan
    text = "".join("\t".join("NaN" if x != x else f"{x:g}" for x in row) + "\n" for row in counts)
    (root.path / "nsddata/information/b3pcnum_func1pt8mm.tsv").write_text(text)
    np.testing.assert_array_equal(read_n_noise_components(root, Space.FUNC1PT8MM), counts)
    with pytest.raises(RequestError, match="choose"):
        read_n_noise_components(root, Space.MNI)
