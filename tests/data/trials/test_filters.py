"""Filters of trials: they are an algebra of sets, and what is written is read as the same."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsdviewer import open_nsd
from nsdviewer.data.pictures.categories import PictureCategories
from nsdviewer.data.trials.filter_terms import (
    Answer,
    Comparison,
    InSpans,
    Key,
    Numbers,
    ReactionTime,
    Showing,
    Span,
    Term,
    TrialSet,
)
from nsdviewer.data.trials.filters import AllOf, AnyOf, Not, TrialFilter
from nsdviewer.data.trials.table import TrialTable
from nsdviewer.errors import RequestError
from tests.conftest import Subject
from tests.nsd_tree import build_tree

N_TRIALS = 240
NAMES = ("animal", "a, b & (c)", "Tool", "dog|cat")


def make_table(with_behaviour: bool = True) -> TrialTable:
    """Four sessions, the third without betas, with every kind of answer."""
    draw = np.random.default_rng(5)
    trial = np.arange(N_TRIALS)
    nsd_id = draw.integers(0, 60, N_TRIALS)
    frame = pd.DataFrame(
        {
            "trial": trial,
            "session": trial // 60 + 1,
            "run": trial % 60 // 5 + 1,
            "nsd_id": nsd_id,
            "shared": nsd_id < 10,
            "split_full_40": np.where(nsd_id < 10, "test", "train"),
            "has_betas": trial // 60 != 2,
        }
    )
    frame["repetition"] = frame.groupby("nsd_id").cumcount() + 1
    frame["n_repetitions"] = frame.groupby("nsd_id")["trial"].transform("size")
    late = frame["session"] == 4
    frame["split_legacy_37"] = np.where(late, "", frame["split_full_40"])
    if with_behaviour:
        lost, missed = draw.random(N_TRIALS) < 0.1, draw.random(N_TRIALS) < 0.1
        silent = lost | missed
        frame["is_old"] = np.where(lost, np.nan, frame["repetition"] > 1)
        frame["is_correct"] = np.where(silent, np.nan, draw.random(N_TRIALS) < 0.7)
        frame["rt_ms"] = np.where(silent, np.nan, draw.integers(300, 3000, N_TRIALS))
        frame["button"] = np.where(silent, np.nan, 1)
        frame["missing_data"] = lost.astype(float)
    shows = {name.casefold(): np.arange(k, 60, 3 + k) for k, name in enumerate(NAMES)}
    return TrialTable(1, frame, np.arange(4), categories=lambda: shows)


TABLE = make_table()


def passes(term: Term, row: dict[str, float]) -> bool:
    """Decide on one trial, the long way."""
    if isinstance(term, Not):
        return not passes(term.term, row)
    if isinstance(term, AllOf):
        return all(passes(each, row) for each in term.terms)
    if isinstance(term, AnyOf):
        return any(passes(each, row) for each in term.terms)
    if isinstance(term, InSpans):
        return any(row[term.key.value] in range(s.first, s.last + 1) for s in term.spans)
    if isinstance(term, Numbers):
        return row["trial"] in range(term.start, term.stop)
    if isinstance(term, Showing):
        known = TABLE.categories()
        return any(row["nsd_id"] in known[name.casefold()].tolist() for name in term.names)
    if isinstance(term, ReactionTime):
        return bool(eval(f"{row['rt_ms']!r} {term.comparison.value} {term.limit_ms}", NAN))
    return {
        TrialSet.ALL: True,
        TrialSet.SHARED: row["nsd_id"] < 10,
        TrialSet.SPECIAL: row["nsd_id"] < 4,
        TrialSet.TRAIN: row["nsd_id"] >= 10,
        TrialSet.TRAIN_FULL: row["nsd_id"] >= 10,
        TrialSet.TEST_FULL: row["nsd_id"] < 10,
        TrialSet.TRAIN_LEGACY: row["nsd_id"] >= 10 and row["session"] < 4,
        TrialSet.TEST_LEGACY: row["nsd_id"] < 10 and row["session"] < 4,
        Answer.CORRECT: row.get("is_correct") == 1,
        Answer.INCORRECT: row.get("is_correct") == 0,
        Answer.OLD: row.get("is_old") == 1,
        Answer.NEW: row.get("is_old") == 0,
        Answer.MISSED: row["missing_data"] == 0 and row["button"] != row["button"],
    }[term]


NAN = {"nan": float("nan")}
spans = st.tuples(st.integers(1, 2), st.integers(0, 9)).map(lambda p: Span(p[0], p[0] + p[1]))
in_spans = st.builds(
    InSpans, st.sampled_from(Key), st.lists(spans, min_size=1, max_size=3).map(tuple)
)
numbers = st.tuples(st.integers(0, 119), st.integers(1, 119)).map(
    lambda p: Numbers(p[0], min(120, p[0] + p[1]))
)
single = st.one_of(
    st.sampled_from(TrialSet),
    st.sampled_from(Answer),
    in_spans,
    numbers,
    st.builds(Showing, st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(tuple)),
    st.builds(
        ReactionTime, st.sampled_from(Comparison), st.integers(0, 12_000).map(lambda n: n / 4)
    ),
)


def joined(kind: type, terms: list[Term]) -> Term:
    """Join as the parser does: brackets within the same kind say nothing."""
    flat = [t for term in terms for t in (term.terms if isinstance(term, kind) else (term,))]
    return kind(tuple(flat))


terms = st.recursive(
    single,
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=2, max_size=3).map(lambda t: joined(AllOf, t)),
        st.lists(inner, min_size=2, max_size=3).map(lambda t: joined(AnyOf, t)),
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(terms)
def test_a_filter_keeps_what_the_slow_way_keeps(term: Term) -> None:
    found = TABLE.find(str(TrialFilter(term)))
    rows = TABLE.frame.to_dict("records")
    assert found.tolist() == [r["trial"] for r in rows if r["has_betas"] and passes(term, r)]


@settings(max_examples=300, deadline=None)
@given(terms)
def test_what_is_written_is_read_as_the_same(term: Term) -> None:
    assert TrialFilter.parse(str(TrialFilter(term))).term == term
    spaced = re.sub(r"([,&()])", r"  \1 ", str(TrialFilter(term)))
    if not isinstance(term, Showing) and '"' not in spaced:
        assert TrialFilter.parse(spaced).term == term


@settings(max_examples=300, deadline=None)
@given(st.text('allshredcogt:,&()|-0123<>= "not', max_size=24))
def test_any_text_is_read_or_refused_in_a_sentence(text: str) -> None:
    try:
        read = TrialFilter.parse(text)
    except RequestError as error:
        assert str(error).endswith((".", "?")) and len(str(error)) < 500
    else:
        assert TrialFilter.parse(str(read)) == read


@given(st.lists(single, max_size=4))
def test_conditions_make_up_the_filter(chosen: list[Term]) -> None:
    made = TrialFilter.of(*chosen)
    assert made.conditions == tuple(t for t in chosen if t is not TrialSet.ALL)
    assert TrialFilter.of(*made.conditions) == made


def test_a_filter_that_nothing_passes_is_refused_but_found_empty() -> None:
    assert TABLE.find("shared & train").tolist() == []
    with pytest.raises(RequestError, match="shared & train"):
        TABLE.select("shared & train")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("shared & sesion:1", "sesion:1"),
        ("session:3", "Session 3 is not on this disk; there are 1, 2, 4"),
        ("run:1-3|99", "Run 99"),
        ("category:anymal", "Did you mean 'animal'"),
        ("run:1,2", r"run:1\|2"),
        ("(shared", "not closed"),
        ("shared)", "none opens"),
        ("shared &", "missing beside"),
        ("shared (train)", "comma or & is missing"),
        ("correc", "Did you mean 'correct'"),
        ("0:300", "Trial 299 does not exist"),
        ("100:130", "Trial 120 belongs to session 3"),
        ("not", "missing beside"),
        ("(" * 1000 + "all" + ")" * 1000, "too many brackets"),
        ("session:" + "9" * 5000, "cannot be read"),
    ],
)
def test_a_fault_is_named(text: str, named: str) -> None:
    with pytest.raises(RequestError, match=named):
        TABLE.find(text)


def test_without_behaviour_answers_are_refused_at_once() -> None:
    silent = make_table(with_behaviour=False)
    for text in ("correct", "shared & not missed", "rt<1500"):
        with pytest.raises(RequestError, match=r"responses\.tsv"):
            silent.check(text)
    assert len(silent.find("shared")) == len(TABLE.find("shared"))


def test_a_trial_without_data_is_neither_answered_nor_missed() -> None:
    lost = set(np.flatnonzero(TABLE.column("missing_data") == 1).tolist())
    assert lost and not lost & set(TABLE.find("correct, incorrect, missed").tolist())


def test_categories_of_a_simulated_subject_are_its_labels(mini: Subject) -> None:
    labels = mini.workspace.stimuli.labels
    table = open_nsd(mini.root).subject(1).trials()
    wide, narrow = next(iter(labels[i] for i in table.column("nsd_id").tolist()))
    for name, side in ((wide, 0), (narrow.upper(), 1)):
        shown = {i for i, pair in labels.items() if pair[side].casefold() == name.casefold()}
        expected = np.flatnonzero(np.isin(table.column("nsd_id"), list(shown)))
        np.testing.assert_array_equal(table.find(f'category:"{name}"'), expected)
        np.testing.assert_array_equal(mini.workspace.table.find(f'category:"{name}"'), expected)


def test_a_wide_category_holds_its_narrow_ones() -> None:
    known = PictureCategories(
        {
            1: (("dog", "animal"), ("car", "vehicle")),
            4: (("car", "vehicle"),),
            2: (("cat", "animal"),),
        }
    )
    found = {name: ids.tolist() for name, ids in known.pictures_of.items()}
    assert found == {
        "animal": [1, 2], "dog": [1], "cat": [2], "car": [1, 4], "vehicle": [1, 4]
    }  # fmt: skip


def test_coco_says_what_real_pictures_show(tmp_path: Path) -> None:
    tree = build_tree(tmp_path / "nsd", stimuli=False, transforms=False, surfaces=False)
    subject = open_nsd(tree.root).subject(1)
    ids = subject.trials().column("nsd_id")
    with pytest.raises(RequestError, match="annotations"):
        subject.trials().find("category:person")
    info = pd.read_csv(tree.root / "nsddata/experiments/nsd/nsd_stim_info_merged.csv")
    shown = {int(ids[0]): 1, int(ids[1]): 3}
    content = {
        "images": [
            {"id": int(info["cocoId"][i]), "width": 640, "height": 480} for i in shown
        ],
        "categories": [
            {"id": 1, "name": "person", "supercategory": "person"},
            {"id": 3, "name": "car", "supercategory": "vehicle"},
        ],
        "annotations": [
            {"image_id": int(info["cocoId"][i]), "category_id": kind, "bbox": [0, 0, 640, 480]}
            for i, kind in shown.items()
        ],
    }  # fmt: skip
    folder = tree.root / "annotations"
    folder.mkdir()
    (folder / "instances_train2017.json").write_text(json.dumps(content))
    table = subject.trials()
    for name, at in (("person", 0), ("car", 1), ("Vehicle", 1)):
        expected = np.flatnonzero((ids == ids[at]) & table.column("has_betas").astype(bool))
        assert len(expected)
        np.testing.assert_array_equal(table.find(f"category:{name}"), expected)
