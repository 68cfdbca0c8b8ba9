"""Betas equal the file's own values, whatever way they are read, and damage is named."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from nsdviewer.data.betas import open_betas
from nsdviewer.data.layout import NsdRoot, SubjectFiles
from nsdviewer.data.rois import roi_mask
from nsdviewer.errors import Cancelled, DataError, RequestError
from nsdviewer.jobs import SilentProgress, Ticket
from nsdviewer.state import BetaVersion, Space
from tests.conftest import Subject

SPACE, VERSION = Space.FUNC1PT8MM, BetaVersion.B3


@pytest.fixture
def copy(mini_root: Path, tmp_path: Path) -> Iterator[SubjectFiles]:
    """A subject's files that a test may damage; pictures are left out."""
    root = tmp_path / "copy"
    ignore = shutil.ignore_patterns("nsddata_stimuli", ".nsdviewer")
    shutil.copytree(mini_root, root, ignore=ignore)
    yield NsdRoot.open(root).subject(1)
    shutil.rmtree(root)


def test_betas_equal_a_plain_reading_of_the_file(mini: Subject) -> None:
    w = mini.workspace
    betas = w.betas("nsdgeneral")
    mask = roi_mask(w.files, w.space, "nsdgeneral") & w.brain_mask
    trials = np.array([0, 749, 750, 1203])
    with_file = []
    for trial in trials:
        session, position = divmod(int(trial), 750)
        with h5py.File(w.files.betas(w.space, w.version, session + 1)) as file:
            with_file.append(file["betas"][position].T[mask] / np.float32(300))
    psc = betas.psc(trials)
    valid = np.isfinite(psc)
    assert valid.mean() > 0.9
    np.testing.assert_array_equal(psc[valid], np.stack(with_file)[valid])
    assert (np.stack(with_file)[~valid] == 0).all()


def test_columns_are_the_mask_in_c_order(mini: Subject) -> None:
    betas = mini.workspace.betas("nsdgeneral")
    mask = roi_mask(mini.workspace.files, SPACE, "nsdgeneral & brainmask")
    np.testing.assert_array_equal(betas.ijk, np.argwhere(mask))
    some = betas.ijk[[5, 0, 17]]
    assert betas.columns_of(some).tolist() == [5, 0, 17]
    assert betas.columns_of(np.array([[0, 0, 0]])).tolist() == [-1]


def test_voxels_without_data_are_nan_in_that_session_only(mini: Subject) -> None:
    betas = mini.workspace.betas("cortex")
    missing = np.isnan(betas.psc(np.arange(len(mini.workspace.table))))
    by_session = missing.reshape(-1, 750, betas.n_voxels)
    # All or nothing within a session, and the simulator takes some out of one session only.
    assert (by_session.all(1) == by_session.any(1)).all()
    invalid = by_session.all(1)
    assert (invalid.any(0) & ~invalid.all(0)).any()


def test_saturated_values_are_values(mini: Subject) -> None:
    betas = mini.workspace.betas("brainmask")
    psc = betas.psc(np.arange(len(mini.workspace.table)))
    assert np.nanmin(psc) == np.float32(-32768) / np.float32(300)
    assert np.nanmax(psc) == np.float32(32767) / np.float32(300)


def test_a_truncated_file_is_named(copy: SubjectFiles) -> None:
    path = copy.betas(SPACE, VERSION, 1)
    with path.open("r+b") as stream:
        stream.truncate(path.stat().st_size // 2)
    mask = roi_mask(copy, SPACE, "nsdgeneral")
    with pytest.raises(DataError, match="betas_session01"):
        open_betas(copy, SPACE, VERSION, mask, SilentProgress())


def test_a_changed_file_is_read_again(copy: SubjectFiles) -> None:
    mask = roi_mask(copy, SPACE, "nsdgeneral & brainmask")
    first = open_betas(copy, SPACE, VERSION, mask, SilentProgress())
    x, y, z = first.ijk[0]
    with h5py.File(copy.betas(SPACE, VERSION, 1), "r+") as file:
        file["betas"][0, z, y, x] = 12345
        # The chunk may have been there already, so the length says nothing.
        file["note"] = 1
    again = open_betas(copy, SPACE, VERSION, mask, SilentProgress())
    assert again.psc(np.array([0]))[0, 0] == np.float32(12345) / np.float32(300)


def test_a_cancelled_reading_leaves_nothing_that_counts(copy: SubjectFiles) -> None:
    mask = roi_mask(copy, SPACE, "nsdgeneral & brainmask")
    ticket = Ticket()
    ticket.cancel()
    with pytest.raises(Cancelled):
        open_betas(copy, SPACE, VERSION, mask, ticket)
    assert list(copy.cache.rglob("*.npy")) == []
    assert open_betas(copy, SPACE, VERSION, mask, SilentProgress()).n_voxels == mask.sum()


def test_without_betas_the_folder_is_named(copy: SubjectFiles) -> None:
    for path in copy.betas_folder(SPACE, VERSION).glob("*.hdf5"):
        path.unlink()
    with pytest.raises(DataError, match="betas_fithrf_GLMdenoise_RR"):
        copy.sessions(SPACE, VERSION)


def test_an_empty_mask_is_refused(copy: SubjectFiles) -> None:
    mask = np.zeros((2, 2, 2), bool)
    with pytest.raises(RequestError):
        open_betas(copy, SPACE, VERSION, mask, SilentProgress())
