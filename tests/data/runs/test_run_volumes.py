"""Volumes are the file's own, however they are read, and a damaged file is never read wrongly."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsdviewer.data.runs.traces import open_run
from nsdviewer.errors import Cancelled, DataError, RequestError
from nsdviewer.jobs import Ticket
from tests.data.runs.run_tree import (
    LOW,
    SHAPE,
    files_of,
    plan_of,
    volumes_of,
    write_nifti,
    write_run,
)


@pytest.mark.parametrize("way", ["kept", "streamed", "mapped"])
def test_volumes_are_the_files_own_whatever_way_they_are_read(tmp_path: Path, way: str) -> None:
    files, stored = files_of(tmp_path), volumes_of(1)
    suffix = ".nii" if way == "mapped" else ".nii.gz"
    path = files.timeseries / f"func1pt8mm/timeseries/timeseries_session01_run01{suffix}"
    write_nifti(path, stored, 4 / 3)
    run = open_run(files, LOW, 1, nsd_run=1, keep_bytes=0 if way == "streamed" else 1 << 30)
    for t in (225, 0, 100):
        np.testing.assert_array_equal(run.volume(t), stored[..., t])
    ijk = np.array([[4, 3, 2], [1, 0, 2], [0, 1, 1]])
    courses = run.volumes.voxels(ijk)
    assert courses.dtype == np.float32
    np.testing.assert_array_equal(courses[:2], stored[tuple(ijk[:2].T)])
    assert np.isnan(courses[2]).all()
    mask = np.random.default_rng(5).random(SHAPE) < 0.5
    with_data = mask & stored.any(axis=3)
    assert with_data.sum() < mask.sum()
    np.testing.assert_allclose(run.mean_over(mask), stored[with_data].mean(0), rtol=1e-6)
    assert np.isnan(run.mean_over(mask & ~with_data)).all()
    for bad in ((5, 0, 0), (0, 0, -1)):
        with pytest.raises(RequestError, match="outside the grid"):
            run.voxel(bad)
    with pytest.raises(RequestError, match="no volume 226"):
        run.volume(226)
    for mask in (np.zeros(SHAPE, bool), np.ones((2, 2, 2), bool)):
        with pytest.raises(RequestError, match="mask"):
            run.mean_over(mask)


def test_reading_ahead_can_be_cancelled_and_taken_up_again(tmp_path: Path) -> None:
    files = files_of(tmp_path)
    write_run(files, "session01", 1, *plan_of(1), LOW)
    run, ticket = open_run(files, LOW, 1, nsd_run=1), Ticket()
    ticket.cancel()
    with pytest.raises(Cancelled):
        run.load(ticket)
    run.load(Ticket())
    run.volumes.path.unlink()
    np.testing.assert_array_equal(run.voxel((2, 2, 2)), volumes_of(1)[2, 2, 2])
    run.volumes.release()
    with pytest.raises(DataError, match="download it again"):
        run.voxel((2, 2, 2))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_damaged_series_is_named_and_never_read_wrongly(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    files = files_of(tmp_path_factory.mktemp("damage"))
    path = files.timeseries / "func1pt8mm/timeseries/timeseries_session01_run01.nii.gz"
    write_nifti(path, volumes_of(1), 4 / 3)
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content = content[:position]
    else:
        content[position] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    run = open_run(files, LOW, 1, nsd_run=1)
    try:
        course = run.voxel((2, 1, 1))
    except DataError as error:
        assert path.name in str(error)
    else:
        # What a bit of gzip's own header changes is not the content.
        np.testing.assert_array_equal(course, volumes_of(1)[2, 1, 1])
