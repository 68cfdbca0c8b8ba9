"""The trial table agrees with the design, with the picture list, and with its own rules."""

import numpy as np
import pandas as pd
import pytest

from nsdviewer.data.trials import build_trial_table
from nsdviewer.errors import RequestError
from tests.conftest import Subject


def test_runs_have_63_and_62_trials_in_turn(mini: Subject) -> None:
    frame = mini.workspace.table.frame
    counts = frame.groupby(["session", "run"]).size().unstack()
    assert (counts.loc[:, 1::2] == 63).all().all()
    assert (counts.loc[:, 2::2] == 62).all().all()


def test_the_table_agrees_with_the_picture_list(mini: Subject) -> None:
    """The csv numbers trials from 1 and pictures from 0, the design pictures from 1."""
    info = pd.read_csv(mini.workspace.root.stim_info_file, index_col=0)
    frame = mini.workspace.table.frame
    assert (info.shared1000.to_numpy()[frame.nsd_id] == frame.shared).all()
    for repetition in range(3):
        rows = frame[frame.repetition == repetition + 1]
        numbers = info[f"subject1_rep{repetition}"].to_numpy()[rows.nsd_id]
        assert (numbers - 1 == rows.trial).all()


def test_the_test_set_and_the_training_set_share_no_picture(mini: Subject) -> None:
    table = mini.workspace.table
    ids = table.column("nsd_id")
    train, test = ids[table.select("train")], ids[table.select("test:full-40")]
    assert len(np.intersect1d(train, test)) == 0
    assert len(train) + len(test) == len(table)


def test_selections_name_what_they_say(mini: Subject) -> None:
    table = mini.workspace.table
    assert table.select("0,5,750:753").tolist() == [0, 5, 750, 751, 752]
    assert table.select("5, 5,0").tolist() == [0, 5]
    assert (table.column("session")[table.select("session:2")] == 2).all()


@pytest.mark.parametrize(
    "expression", ["", "1500", "1499:1501", "7:7", "session:9", "some", "-3", "0,zebra"]
)
def test_a_selection_of_what_is_not_there_is_refused(mini: Subject, expression: str) -> None:
    with pytest.raises(RequestError):
        mini.workspace.table.select(expression)


def test_a_missing_session_keeps_the_numbers_and_is_named(mini: Subject) -> None:
    table = build_trial_table(mini.workspace.root, 1, sessions=(2,))
    assert len(table) == 1500
    assert table.select("all").tolist() == list(range(750, 1500))
    with pytest.raises(RequestError, match="session 1"):
        table.select("10")
