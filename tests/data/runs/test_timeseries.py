"""Runs keep their numbers, and traces share one clock with the experiment's trials."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from nsdviewer.data.runs.tables import DesignMeaning, read_physiology
from nsdviewer.data.runs.timeseries import (
    Numbering,
    Part,
    RunKind,
    Series,
    file_run_of,
    list_runs,
    nsd_run_of,
)
from nsdviewer.data.runs.traces import RunTraces, open_run
from nsdviewer.data.simulate import timeseries as simulation
from nsdviewer.data.simulate.design import make_design, write_design
from nsdviewer.data.trials.design import read_design
from nsdviewer.errors import DataError, DataWarning, RequestError
from nsdviewer.state import Space
from tests.data.runs.run_tree import (
    GRID,
    HIGH,
    LOW,
    SCAN_S,
    SHAPE,
    files_of,
    plan_of,
    touch,
    volumes_of,
    write_nifti,
    write_rows,
    write_run,
    write_session,
)


@pytest.mark.parametrize("has_rest", [False, True])
def test_numbers_of_files_and_runs_are_one_to_one(has_rest: bool) -> None:
    numbers = [nsd_run_of(k, has_rest) for k in range(1, 15 if has_rest else 13)]
    assert [n for n in numbers if n is not None] == list(range(1, 13))
    assert [i + 1 for i, n in enumerate(numbers) if n is None] == ([1, 14] if has_rest else [])
    for run in range(1, 13):
        assert nsd_run_of(file_run_of(run, has_rest), has_rest) == run
    for bad in (0, 15):
        with pytest.raises(RequestError):
            nsd_run_of(bad, has_rest)
        with pytest.raises(RequestError):
            file_run_of(bad, has_rest)


@pytest.mark.parametrize("session", [20, 21])
def test_runs_of_a_rest_session_are_shifted_by_one_file(tmp_path: Path, session: int) -> None:
    files, rest = files_of(tmp_path), session == 21
    write_session(files, session, rest)
    runs = list_runs(files, LOW)
    assert len(runs) == (14 if rest else 12)
    assert {run.numbering for run in runs} == {Numbering.FILES if rest else Numbering.DESIGN}
    for nsd_run in (1, 2, 12):
        traces = open_run(files, LOW, session, nsd_run=nsd_run)
        slots, ids = plan_of(nsd_run)
        stored = volumes_of(nsd_run + rest)
        np.testing.assert_array_equal(traces.voxel((3, 2, 1)), stored[3, 2, 1])
        np.testing.assert_allclose(traces.trials.onsets_s, slots * 4)
        np.testing.assert_array_equal(traces.trials.nsd_ids, ids - 1)
        first = 750 * (session - 1) + sum(63 if k % 2 else 62 for k in range(1, nsd_run))
        np.testing.assert_array_equal(traces.trials.trials, first + np.arange(len(ids)))
    if rest:
        for number, file_run in ((1, 1), (2, 14)):
            traces = open_run(files, LOW, session, rest=number)
            assert traces.run.kind is RunKind.REST
            assert (traces.design.values == -1).all() and len(traces.trials.trials) == 0
            np.testing.assert_array_equal(traces.volume(7), volumes_of(file_run)[..., 7])
    else:
        with pytest.raises(RequestError, match="no rest run 1 of session 20"):
            open_run(files, LOW, session, rest=1)


@pytest.mark.parametrize(
    ("subject", "name", "nsd_run", "numbering"),
    [
        (3, "session25_run05", 4, Numbering.SCHEDULE),
        (3, "session05_run05", 5, Numbering.SCHEDULE),
        (5, "session33_run05", 4, Numbering.SCHEDULE),
        (2, "session33_run05", 5, Numbering.SCHEDULE),
        (2, "session39_run14", None, Numbering.FILES),
    ],
)
def test_a_single_file_is_numbered_by_the_schedule(
    tmp_path: Path, subject: int, name: str, nsd_run: int | None, numbering: Numbering
) -> None:
    files = files_of(tmp_path, subject)
    touch(files, f"func1mm/motion/motion_{name}.tsv")
    (run,) = list_runs(files, HIGH)
    assert (run.nsd_run, run.numbering, run.parts) == (nsd_run, numbering, (Part.MOTION,))
    assert list_runs(files, LOW) == ()


def test_other_folders_and_designs_decide_where_the_schedule_would_err(tmp_path: Path) -> None:
    files = files_of(tmp_path, 2)
    touch(files, "func1pt8mm/timeseries/timeseries_session03_run02.nii.gz")
    assert list_runs(files, LOW)[0].nsd_run == 2
    touch(files, "physio/physio_session03_run13_puls.tsv")
    assert [run.nsd_run for run in list_runs(files, LOW)] == [1, 12]
    # Session 22 should have rest, but its first file shows pictures.
    write_run(files, "session22", 1, *plan_of(1), HIGH)
    touch(files, "func1pt8mm/motion/motion_session22_run02.tsv")
    run = list_runs(files, LOW)[-1]
    assert (run.session, run.nsd_run, run.numbering) == (22, 2, Numbering.DESIGN)


def test_a_session_with_some_files_opens_what_there_is(tmp_path: Path) -> None:
    files = files_of(tmp_path)
    write_session(files, 1, rest=False)
    folder = files.timeseries / LOW.value
    (folder / "timeseries/timeseries_session01_run02.nii.gz").unlink()
    (folder / "design/design_session01_run03.tsv").unlink()
    second, third = (open_run(files, LOW, 1, nsd_run=k) for k in (2, 3))
    assert second.n_volumes == 226 and second.motion.shape == (226, 6)
    assert len(second.trials.trials) == 62
    with pytest.raises(RequestError, match="no time series of session 1, run 2"):
        second.voxel((1, 1, 1))
    assert third.voxel((1, 1, 1)).shape == (226,)
    with pytest.raises(RequestError, match="no design of session 1, run 3"):
        third.design
    with pytest.raises(RequestError, match="NSD recorded them in sessions 21 to 30"):
        third.physiology
    with pytest.raises(RequestError, match=r"no run 1 of session 2 .*download"):
        open_run(files, LOW, 2, nsd_run=1)
    with pytest.raises(RequestError, match="choose func1pt8mm and func1mm"):
        list_runs(files, Space.FSAVERAGE)


@pytest.mark.parametrize("space", [LOW, HIGH])
def test_the_last_volume_has_no_onset_and_both_spaces_one_clock(
    tmp_path: Path, space: Space
) -> None:
    files = files_of(tmp_path)
    write_session(files, 2, rest=False, space=space)
    tr_s, n, _ = GRID[space]
    traces = open_run(files, space, 2, nsd_run=1)
    slots, ids = plan_of(1)
    assert traces.n_volumes == n and traces.tr_s == tr_s
    assert len(traces.design.values) == n and traces.design.values[-1] == -1
    np.testing.assert_allclose(traces.times_s, np.linspace(0, 300, n))
    np.testing.assert_allclose(traces.trials.onsets_s, 4.0 * slots)
    assert traces.design.meaning is DesignMeaning.NSD_ID
    assert traces.design.values.max() == ids.max() - 1
    short = files.timeseries / space.value / "design/design_session02_run01.tsv"
    write_rows(short, np.zeros(n))
    with pytest.raises(DataError, match=f"{n} rows where {n - 1}"):
        open_run(files, space, 2, nsd_run=1).design


def test_simulated_designs_agree_with_pattern_and_trial_order(tmp_path: Path) -> None:
    simulated, files = make_design(2, 3), files_of(tmp_path)
    write_design(files.root.experiment_folder("nsd"), simulated)
    design = read_design(files.root)
    assert design.stimpattern is not None
    mask = np.zeros(SHAPE, bool)
    mask[1:4, 1:3, 1:3] = True
    rng = np.random.default_rng(0)
    responses = rng.uniform(0.5, 4, (750, mask.sum()))
    ids = design.nsd_id[0, design.image_10k]
    plan = simulation.SessionRuns(2, simulated.stimpattern[1], simulated.nsd_ids(1)[750:1500])
    levels = simulation.SignalLevels(noise_percent=0.02, drift_percent=0.1)
    runs = (1, 8)
    simulation.write_timeseries(
        files.timeseries, mask, np.eye(4), plan, runs, responses, rng, levels
    )
    for run in runs:
        traces = open_run(files, LOW, 2, nsd_run=run)
        trials = traces.trials
        np.testing.assert_array_equal(trials.nsd_ids, ids[trials.trials])
        slots = np.flatnonzero(design.stimpattern[1, run - 1])
        np.testing.assert_allclose(trials.onsets_s, 4.0 * slots)
        assert len(traces.motion) == traces.n_volumes == 226
        # The planted responses come back out of the file.
        courses = traces.volumes.voxels(np.argwhere(mask)).T
        shapes = simulation.hrf(traces.times_s[:, None] - trials.onsets_s)
        ramp = np.linspace(-1, 1, 226)[:, None]
        model = np.hstack([shapes, np.ones((226, 1)), ramp, np.sin(np.pi / 2 * ramp)])
        weights = np.linalg.lstsq(model, courses, rcond=None)[0]
        percent = 100 * weights[: len(slots)] / weights[len(slots)]
        planted = responses[trials.trials - 750]
        assert np.corrcoef(percent.ravel(), planted.ravel())[0, 1] > 0.99
        stored = nib.load(traces.volumes.path)
        assert stored.get_data_dtype() == np.int16
        np.testing.assert_array_equal(np.asarray(stored.dataobj).any(axis=3), mask)


def test_a_simulated_rest_session_has_fourteen_files_and_physiology(tmp_path: Path) -> None:
    design, files = make_design(2, 3), files_of(tmp_path)
    plan = simulation.SessionRuns(1, design.stimpattern[0], design.nsd_ids(1)[:750], has_rest=True)
    mask, rng = np.ones((2, 2, 2), bool), np.random.default_rng(0)
    simulation.write_timeseries(files.timeseries, mask, np.eye(4), plan, (2,), np.ones((1, 8)), rng)
    assert [run.file_run for run in list_runs(files, LOW)] == [1, 3, 14]
    for traces in (open_run(files, LOW, 1, rest=2), open_run(files, LOW, 1, nsd_run=2)):
        physiology = traces.physiology
        for trace in (physiology.pulse, physiology.respiration):
            assert trace is not None and trace.times_s[-1] == pytest.approx(SCAN_S)
            assert np.isfinite(trace.at(traces.times_s)).all()


def test_headers_that_say_another_time_are_refused_and_known_slips_told(tmp_path: Path) -> None:
    files = files_of(tmp_path)
    folder = files.timeseries / "func1pt8mm/timeseries"
    for name, tr_s in (
        ("session01_run01", 2.0),
        ("session01_run02", 1.3333),
        ("session01_run03", 0),
    ):
        write_nifti(folder / f"timeseries_{name}.nii.gz", volumes_of(1), tr_s)
    write_nifti(folder / "timeseries_nsdimagery_run01.nii.gz", volumes_of(1), 1.0)
    with pytest.raises(DataError, match="2 s between volumes"):
        open_run(files, LOW, 1, nsd_run=1).tr_s
    assert open_run(files, LOW, 1, nsd_run=2).tr_s == 4 / 3
    imagery = RunTraces(list_runs(files, LOW)[-1])
    for traces in (open_run(files, LOW, 1, nsd_run=3), imagery):
        with pytest.warns(DataWarning, match="is taken"):
            assert traces.tr_s == 4 / 3


def test_designs_of_side_experiments_say_what_their_numbers_are(tmp_path: Path) -> None:
    files = files_of(tmp_path)
    folder = files.timeseries / "func1pt8mm"
    write_nifti(folder / "timeseries/timeseries_prffloc_run03.nii.gz", volumes_of(3), 4 / 3)
    conditions = np.zeros(225)
    conditions[[3, 9]] = 1, 10
    write_rows(folder / "design/design_floc_run01.tsv", conditions)
    pictures = np.zeros(321)
    pictures[[3, 6]] = 1, 284
    write_rows(folder / "design/design_nsdsynthetic_run01.tsv", pictures)
    touch(files, "func1pt8mm/motion/motion_prffloc_run01.tsv", "func1pt8mm/motion/notes.txt")
    bars, floc, synthetic = list_runs(files, LOW)
    assert "bars" in bars.title and bars.parts == (Part.MOTION,)
    # The session's third run is the localizer's first.
    assert (floc.series, floc.file_run, floc.nsd_run) == (Series.PRFFLOC, 3, None)
    assert set(floc.parts) == {Part.VOLUMES, Part.DESIGN}
    design = RunTraces(floc).design
    assert design.meaning is DesignMeaning.CONDITION
    assert design.values[design.onset_volumes].tolist() == [1, 10]
    design = RunTraces(synthetic).design
    assert design.meaning is DesignMeaning.SYNTHETIC_ID and len(design.values) == 322
    assert design.values[design.onset_volumes].tolist() == [0, 283]
    with pytest.raises(RequestError, match="no trials of the core experiment"):
        RunTraces(synthetic).trials


def test_files_that_contradict_the_run_are_named(tmp_path: Path) -> None:
    files = files_of(tmp_path)
    write_session(files, 21, rest=True)
    folder = files.timeseries / "func1pt8mm"
    design = folder / "design/design_session21_run02.tsv"
    lines = design.read_text().splitlines()
    first = next(k for k, line in enumerate(lines) if line != "0")
    for bad, words in (("73001", "0 to 73000"), ("1.5", "whole number"), ("NaN", "whole number")):
        design.write_text("\n".join([*lines[:first], bad, *lines[first + 1 :]]) + "\n")
        with pytest.raises(DataError, match=rf"run02.tsv, row {first + 1} says .* {words}"):
            open_run(files, LOW, 21, nsd_run=1).design
    design.write_text("\n".join([*lines[:first], "0", *lines[first + 1 :]]) + "\n")
    with pytest.raises(DataError, match="62 trials where run 1 has 63"):
        open_run(files, LOW, 21, nsd_run=1).trials
    (folder / "design/design_session21_run14.tsv").write_text(design.read_text())
    with pytest.raises(DataError, match="should have rest"):
        open_run(files, LOW, 21, rest=2).design
    write_rows(folder / "motion/motion_session21_run02.tsv", np.ones((225, 6)))
    with pytest.raises(DataError, match="225 rows where 226"):
        open_run(files, LOW, 21, nsd_run=1).motion


def test_physiology_runs_from_scan_start_to_scan_end(tmp_path: Path) -> None:
    path = tmp_path / "physio_session21_run01_puls.tsv"
    for n in (15_097, 15_101, 15_140):
        write_rows(path, np.linspace(0, SCAN_S, n))
        trace = read_physiology(path)
        times_s = np.arange(226) * 4 / 3
        # Each sample is its own time, so that reading at a time gives the time.
        np.testing.assert_allclose(trace.at(times_s), times_s, atol=1e-4)
        assert np.isnan(trace.at(np.array([-0.1, SCAN_S + 0.1]))).all()
    path.write_text(path.read_text()[:-4])
    with pytest.warns(DataWarning, match="row 15140, the last"):
        trace = read_physiology(path)
    assert len(trace.values) == 15_139 and trace.times_s[50] == 1.0
    write_rows(path, np.ones(9000))
    with pytest.raises(DataError, match="9000 samples where about 15101"):
        read_physiology(path)
