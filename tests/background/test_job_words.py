"""What jobs say and write, without a process."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsdviewer.background.log import read_log_state
from nsdviewer.background.outputs import resumed, written_place
from nsdviewer.background.pace import Paces

HOME = Path("/place")


def test_a_log_tells_of_its_last_attempt_only(tmp_path):
    log = tmp_path / "log.txt"
    first = "$ nsdviewer fit\n 10% a\n 90% almost\nnsdviewer: The first sentence.\n"
    log.write_text(first + "$ nsdviewer fit\nrun folder /data/runs/x\n  5% begun anew\n")
    state = read_log_state(log, len(first))
    assert (state.fraction, state.message, state.fault) == (0.05, "begun anew", "")
    assert state.run_folder == Path("/data/runs/x")
    assert "sentence" not in state.tail and "5%" not in state.tail
    assert read_log_state(log, 0).fault == "The first sentence."


@given(st.binary(max_size=200), st.integers(-5, 300))
def test_any_bytes_can_be_a_log(tmp_path_factory, content, start):
    log = tmp_path_factory.mktemp("log") / "log.txt"
    log.write_bytes(content)
    assert 0.0 <= read_log_state(log, start).fraction <= 1.0


def test_warnings_are_no_failures(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("nsdviewer: It broke.\nnsdviewer: warning: A file is odd.\n")
    assert read_log_state(log, 0).fault == "It broke."


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("ncsnr", "R", "--out", "a.nii.gz"), ("betas", "R", "--out=/place/a.nii.gz"), True),
        (("fit", "decoder", "R", "--subject", "1"),
         ("fit", "decoder", "R", "--seed", "2", "--subject", "1"), True),
        (("fit", "decoder", "R", "--subject", "1"), ("fit", "encoder", "R", "--subject", "1"), False),
        (("fit", "decoder", "R", "--subject", "1"), ("fit", "decoder", "R", "--subject", "2"), False),
        (("simulate", "S"), ("simulate", "/place/S", "--seed", "1"), True),
        (("verify", "R"), ("verify", "Q"), False),
    ],
)  # fmt: skip
def test_two_commands_that_write_one_place_are_told(one, other, same):
    assert (written_place(one, HOME) == written_place(other, HOME)) is same


def test_only_a_training_that_has_begun_is_told_to_go_on(tmp_path):
    train = ("train", "generator", "--images", "P", "--out", "run")
    assert resumed(train, tmp_path) == train
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "plan.json").write_text("{}")
    once = resumed(train, tmp_path)
    assert once == (*train, "--resume") and resumed(once, tmp_path) == once
    assert resumed(("fit", "decoder"), tmp_path) == ("fit", "decoder")


@given(st.integers(1, 100), st.integers(0, 60))
def test_a_steady_pace_is_foretold_whatever_a_resumed_job_leaps_to(percent_a_minute, leap):
    paces = Paces()
    fractions = [f / 100 for f in range(leap, 100, percent_a_minute)]
    foretold = [paces.seconds_left("job", 60.0 * k, f) for k, f in enumerate(fractions)]
    assert foretold[0] is None
    for fraction, left in zip(fractions, foretold, strict=True):
        if left is not None:
            assert left == pytest.approx(60 * 100 * (1 - fraction) / percent_a_minute, rel=1e-6)
    if len(fractions) > 3:
        assert foretold[-1] is not None
    # Begun anew, nothing is known.
    assert paces.seconds_left("job", 1e6, 0.0) is None
