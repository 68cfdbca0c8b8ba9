"""The trial table joins what the files say, shifted to 0 once, and splits by rule."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nsdviewer import open_nsd
from nsdviewer.data.trials.design import (
    SESSIONS_OF_SUBJECT,
    Design,
    legacy_sessions,
    read_design,
)
from nsdviewer.data.trials.table import TrialTable, build_trial_table
from nsdviewer.errors import DataError, DataWarning, RequestError
from nsdviewer.state import BetaVersion
from tests.conftest import Subject
from tests.nsd_tree import TinyTree, build_tree


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> TinyTree:
    """Sessions 1 and 3 of three, one run's behaviour lost."""
    folder = tmp_path_factory.mktemp("trials")
    return build_tree(
        folder / "nsd",
        sessions=(1, 3),
        stimuli=False,
        transforms=False,
        surfaces=False,
        missing_runs={1: ((3, 2),)},
        side_experiments=("nsdsynthetic", "nsdimagery"),
    )


@pytest.fixture
def tree(template: TinyTree, tmp_path: Path) -> TinyTree:
    """A copy that a test may damage."""
    shutil.copytree(template.root, tmp_path / "nsd")
    return replace(template, root=tmp_path / "nsd")


def trials_of(tree: TinyTree, with_pictures: bool = True) -> TrialTable:
    return open_nsd(tree.root).subject(1).trials(with_pictures=with_pictures)


def responses_of(tree: TinyTree) -> Path:
    return tree.root / "nsddata/ppdata/subj01/behav/responses.tsv"


def edit(path: Path, change: object) -> None:
    path.write_bytes(change(path.read_bytes()))


# --- what is joined ----------------------------------------------------------------------------


def test_the_table_equals_the_independent_truth(template: TinyTree) -> None:
    table, truth = trials_of(template), template.subjects[1].trials
    assert len(table) == len(truth) == 2250
    for name in ("trial", "session", "run", "nsd_id", "image_10k", "repetition", "shared"):
        np.testing.assert_array_equal(table.column(name), truth[name])
    np.testing.assert_array_equal(table.column("has_betas"), truth["session"] != 2)


def test_runs_have_63_and_62_trials(template: TinyTree) -> None:
    sizes = (
        trials_of(template).frame.groupby(["session", "run"])["trial_in_run"].agg(["size", "max"])
    )
    assert sizes["size"].tolist() == sizes["max"].tolist() == [63, 62] * 6 * 3


def test_behaviour_is_that_of_its_trial(template: TinyTree) -> None:
    frame = trials_of(template).frame
    written = pd.read_csv(responses_of(template), sep="\t")
    for ours, theirs in (("rt_ms", "RT"), ("button", "BUTTON"), ("is_old", "ISOLD")):
        np.testing.assert_array_equal(frame[ours], written[theirs])
    lost = (frame["session"] == 3) & (frame["run"] == 2)
    np.testing.assert_array_equal(frame["missing_data"] == 1, lost)
    assert frame.loc[lost, "rt_ms"].isna().all()
    assert frame.loc[lost, "has_betas"].all()


def test_rows_of_behaviour_may_come_in_any_order(tree: TinyTree) -> None:
    expected = trials_of(tree).frame
    lines = responses_of(tree).read_text().splitlines()
    order = np.random.default_rng(0).permutation(np.arange(1, len(lines)))
    responses_of(tree).write_text("\n".join([lines[0], *(lines[k] for k in order)]) + "\n")
    pd.testing.assert_frame_equal(trials_of(tree).frame, expected)


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.replace(b"\n", b"\r\n"),
        lambda raw: b"\xef\xbb\xbf" + raw,
        lambda raw: raw + b"\n\n",
    ],
    ids=["CRLF", "BOM", "blank lines"],
)
def test_how_an_editor_saves_text_changes_nothing(tree: TinyTree, change: object) -> None:
    expected = trials_of(tree).frame
    edit(responses_of(tree), change)
    edit(tree.root / "nsddata/experiments/nsd/nsd_stim_info_merged.csv", change)
    pd.testing.assert_frame_equal(trials_of(tree).frame, expected)


def test_pictures_are_those_of_the_csv(template: TinyTree) -> None:
    frame = trials_of(template).frame
    written = pd.read_csv(
        template.root / "nsddata/experiments/nsd/nsd_stim_info_merged.csv", index_col=0
    ).iloc[frame["nsd_id"]]
    np.testing.assert_array_equal(frame["coco_id"], written["cocoId"])
    np.testing.assert_array_equal(frame["flagged"], written["flagged"])
    boxes = [tuple(float(x) for x in text[1:-1].split(",")) for text in written["cropBox"]]
    columns = ["crop_top", "crop_bottom", "crop_left", "crop_right"]
    np.testing.assert_array_equal(frame[columns], boxes)


def test_the_stimulus_table_names_the_same_trials(template: TinyTree) -> None:
    """Two files of NSD number alike: the table counts trials from 1 and pictures from 0."""
    info = pd.read_csv(
        template.root / "nsddata/experiments/nsd/nsd_stim_info_merged.csv", index_col=0
    )
    frame = trials_of(template).frame
    assert (info["shared1000"].to_numpy()[frame["nsd_id"]] == frame["shared"]).all()
    for repetition in range(3):
        rows = frame[frame["repetition"] == repetition + 1]
        numbers = info[f"subject1_rep{repetition}"].to_numpy()[rows["nsd_id"]]
        assert (numbers - 1 == rows["trial"]).all()


def test_without_behaviour_and_pictures_the_rest_stands(tree: TinyTree) -> None:
    whole = trials_of(tree).frame
    responses_of(tree).unlink()
    (tree.root / "nsddata/experiments/nsd/nsd_stim_info_merged.csv").unlink()
    bare = trials_of(tree).frame
    pd.testing.assert_frame_equal(bare, whole[bare.columns])


def test_without_betas_the_table_covers_what_was_done(tree: TinyTree) -> None:
    shutil.rmtree(tree.root / "nsddata_betas")
    table = trials_of(tree)
    assert len(table) == 2250
    assert not table.column("has_betas").any()


def test_synthetic_trials_have_their_own_pictures(template: TinyTree) -> None:
    subject = open_nsd(template.root).subject(1)
    frame = subject.trials(version=BetaVersion.SYNTHETIC_B3).frame
    assert len(frame) == 744
    assert frame.groupby("run").size().tolist() == [93] * 8
    assert (frame["nsd_id"] == -1).all()
    assert frame["synthetic_id"].between(0, 283).all()
    assert len(subject.trials(version=BetaVersion.IMAGERY_B3)) == 576


# --- sets by rule ------------------------------------------------------------------------------


def planned(n_shared_triples: int = 0) -> Design:
    """A design of NSD's true size whose order is drawn at random."""
    rng = np.random.default_rng(n_shared_triples)
    order = rng.permutation(np.repeat(np.arange(10_000), 3))
    shared = np.sort(rng.choice(73_000, 1000, replace=False))
    others = np.setdiff1d(np.arange(73_000), shared).reshape(8, 9000)
    images = np.hstack([np.tile(shared, (8, 1)), others])
    return Design(order, images, shared, None)


def test_sets_of_a_random_design_follow_their_rules() -> None:
    """Slow counting over every trial gives the same sets."""
    design = planned()
    seen = {}
    for subject, n_sessions in SESSIONS_OF_SUBJECT.items():
        done = design.image_10k[: 750 * n_sessions]
        counts = design.count_repetitions(n_sessions)
        for k in (0, 17, 999, 1000, 9999):
            assert counts[k] == (done == k).sum()
        seen[subject] = counts
    for at_least in (1, 2, 3):
        expected = [
            design.shared[k] for k in range(1000) if min(c[k] for c in seen.values()) >= at_least
        ]
        found = design.shared_seen_by_all(at_least, SESSIONS_OF_SUBJECT)
        assert found.tolist() == expected


def test_the_legacy_split_ends_three_sessions_early() -> None:
    assert [legacy_sessions(s) for s in range(1, 9)] == [37, 37, 29, 27, 37, 29, 37, 27]


def test_the_two_splits_of_a_long_experiment(tmp_path: Path) -> None:
    """A 30-session subject: the legacy split knows 27, a cut-off download changes no side."""
    tree = build_tree(tmp_path / "nsd", subjects=(4,), sessions=(1,), stimuli=False, surfaces=False)
    root = open_nsd(tree.root).root
    table = build_trial_table(root, 4, tuple(range(1, 31)))
    full, legacy = table.select("test:full-40"), table.select("test:legacy-37")
    np.testing.assert_array_equal(legacy, full[table.column("session")[full] <= 27])
    shorter = build_trial_table(root, 4, tuple(range(1, 29)))
    np.testing.assert_array_equal(shorter.select("test:legacy-37"), legacy)
    assert len(table.select("train:legacy-37")) + len(legacy) == 27 * 750


def test_the_test_set_and_the_training_set_share_no_picture(template: TinyTree) -> None:
    table = trials_of(template)
    ids = table.column("nsd_id")
    train, test = ids[table.select("train")], ids[table.select("test:full-40")]
    assert len(np.intersect1d(train, test)) == 0
    assert len(train) + len(test) == len(table.select("all")) == 1500


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


def test_a_missing_session_keeps_the_numbers_and_is_named(template: TinyTree) -> None:
    table = trials_of(template)
    assert table.select("session:3").tolist() == list(range(1500, 2250))
    with pytest.raises(RequestError, match="session 2"):
        table.select("800")


# --- damage ------------------------------------------------------------------------------------


def test_behaviour_of_another_subject_is_left_out_with_a_warning(tree: TinyTree) -> None:
    lines = responses_of(tree).read_text().splitlines()
    lines[5] = "2" + lines[5][1:]
    responses_of(tree).write_text("\n".join(lines) + "\n")
    with pytest.warns(DataWarning, match="1 of 2250"):
        frame = trials_of(tree).frame
    assert np.isnan(frame["onset_days"][4])
    assert frame["onset_days"].isna().sum() == 1


def test_behaviour_that_names_a_trial_twice_is_left_out(tree: TinyTree) -> None:
    lines = responses_of(tree).read_text().splitlines()
    responses_of(tree).write_text("\n".join([*lines, lines[-1]]) + "\n")
    with pytest.warns(DataWarning, match=r"responses\.tsv.*twice"):
        assert "rt_ms" not in trials_of(tree).frame


def test_a_word_where_a_number_belongs_is_named(tree: TinyTree) -> None:
    edit(responses_of(tree), lambda raw: raw.replace(b"NaN", b"n/a", 1))
    with pytest.warns(DataWarning, match=r"responses\.tsv holds 'n/a' in row"):
        assert "rt_ms" not in trials_of(tree).frame


def test_pictures_that_contradict_the_design_are_refused(tree: TinyTree) -> None:
    path = tree.root / "nsddata/experiments/nsd/nsd_stim_info_merged.csv"
    frame = pd.read_csv(path, index_col=0)
    frame["shared1000"] = np.roll(frame["shared1000"], 1)
    frame.to_csv(path)
    with pytest.raises(DataError, match="do not agree on the shared pictures"):
        trials_of(tree)


def test_a_design_that_contradicts_itself_is_refused(tree: TinyTree) -> None:
    import scipy.io

    path = open_nsd(tree.root).root.design_file
    content = {k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith("__")}
    for name, value in (
        ("masterordering", content["masterordering"] + 9999),
        ("subjectim", content["subjectim"][:, ::-1]),
        ("sharedix", np.full((1, 1000), np.nan)),
    ):
        scipy.io.savemat(path, {**content, name: value})
        with pytest.raises(DataError, match="nsd_expdesign"):
            read_design(open_nsd(tree.root).root)
