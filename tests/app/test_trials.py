"""The list of trials: filtered, searched, selected and walked through, as a person would."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("PySide6")
from PySide6.QtCore import QItemSelectionModel, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.panels.trials import MOST_SELECTED, TrialsPanel
from app.settings import Settings
from app.trial_list.facets import (
    Facet,
    TrialFacets,
    conditions_of,
    in_words,
    numbers_in,
    spans_of,
    with_condition,
)
from app.trial_list.model import COLUMNS
from app.trial_list.thumbnail_reading import FoundThumbnails, read_thumbnails
from app.view import Choices, View
from app.window import MainWindow
from nsdviewer.data.pictures.stimuli import Stimuli
from nsdviewer.data.trials.filter_terms import Answer, InSpans, Key, TrialSet
from nsdviewer.data.trials.filters import TrialFilter
from nsdviewer.data.trials.table import TrialTable
from nsdviewer.errors import DataError
from nsdviewer.session import Session
from nsdviewer.session.searching import rank_trials
from nsdviewer.state import Theme, TrialsAs, ViewState
from tests.conftest import Subject

HAS_SCREEN = bool(os.environ.get("DISPLAY")) and os.environ.get("QT_QPA_PLATFORM") != "offscreen"
N_MANY = 30_000


@pytest.fixture(scope="module")
def opened(application: QApplication, mini: Subject) -> Iterator[MainWindow]:
    state = mini.state.replace(concept="animal", theme=Theme.DARK)
    made = MainWindow(Session(state), Settings(size=(1280, 800)), use_3d=False)
    made.show()
    made.activateWindow()
    assert made.wait_idle(120)
    yield made
    made.close()
    made.deleteLater()


@pytest.fixture
def window(opened: MainWindow, mini: Subject) -> MainWindow:
    """The one window, as it opened."""
    opened.message.hide()
    opened.request(
        subset="all", search="", trials=mini.state.trials, trials_as=TrialsAs.GRID
    )  # fmt: skip
    assert opened.wait_idle()
    return opened


def listed(window: MainWindow) -> list[int]:
    model = window.trials.model
    return [model.trial_at(row) for row in range(model.rowCount())]


def select(window: MainWindow, *rows: int) -> None:
    model = window.trials.model
    selection = window.trials.list.selectionModel()
    window.trials.list.setCurrentIndex(model.index(rows[0], 0))
    flags = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
    for row in rows[1:]:
        selection.select(model.index(row, 0), flags)
    assert window.wait_idle()


# --- filter --------------------------------------------------------------------------------------


def test_chips_and_popover_make_one_filter(window: MainWindow) -> None:
    filters, table = window.trials.filters, window.controller.view.workspace.table
    filters._sets[TrialSet.SHARED].click()
    assert window.wait_idle() and window.controller.view.state.subset == "shared"
    popover = filters.popover
    popover._numbers[Facet.REPETITION]._buttons[1].click()
    popover._numbers[Facet.REPETITION]._buttons[2].click()
    popover._answers[Answer.CORRECT].click()
    popover._slowest.setFocus()
    popover._slowest.setText("1200")
    popover._slowest.setModified(True)
    popover._slowest.editingFinished.emit()
    assert window.wait_idle()
    expected = "shared & repetition:1-2 & correct & rt<=1200"
    assert window.controller.view.state.subset == expected
    assert listed(window) == table.find(expected).tolist()
    assert window.trials._count.text() == f"{len(listed(window))} of {len(table):,}"
    texts = [tag.text() for tag in filters._tags]
    assert texts == ["repetition 1–2 ×", "correct ×", "RT ≤ 1,200 ms ×"]
    filters._tags[0].click()
    assert window.wait_idle()
    assert window.controller.view.state.subset == "shared & correct & rt<=1200"
    filters._sets[TrialSet.ALL].click()
    assert window.wait_idle() and len(listed(window)) == len(table)


def test_categories_are_offered_with_their_trials(window: MainWindow) -> None:
    popover = window.trials.filters.popover
    facets = window.controller.view.facets
    assert facets.categories and facets.categories[0].is_wide
    item = popover.categories.list.item(0)
    item.setCheckState(Qt.CheckState.Checked)
    assert window.wait_idle()
    assert len(listed(window)) == facets.categories[0].n_trials > 0
    labels = window.controller.view.workspace.stimuli.labels
    ids = {window.trials.model.nsd_id_at(r) for r in range(window.trials.model.rowCount())}
    assert {labels[i][0] for i in ids} == {facets.categories[0].name}
    item.setCheckState(Qt.CheckState.Unchecked)
    assert window.wait_idle() and window.controller.view.state.subset == "all"


@pytest.mark.parametrize("text", ["shared & sesion:1", "session:77", "(shared", "run:1,2"])
def test_a_faulty_text_is_told_beneath_it_and_changes_nothing(
    window: MainWindow, text: str
) -> None:
    before, popover = listed(window), window.trials.filters.popover
    popover.expression.setText(text)
    popover.expression.setModified(True)
    popover.expression.editingFinished.emit()
    assert window.wait_idle()
    assert not popover.note.isHidden() and popover.note.full_text().endswith((".", "?"))
    assert window.controller.view.state.subset == "all" and listed(window) == before
    assert window.message.isHidden()
    popover.expression.setModified(False)


def test_an_unknown_category_leaves_the_list(window: MainWindow) -> None:
    before = listed(window)
    window.request(subset="category:xqzzvv")
    assert window.wait_idle()
    assert "xqzzvv" in window.trials._fault.full_text() and window.trials._fault.isVisible()
    assert listed(window) == before and window.message.isHidden()


def test_where_nothing_fits_the_way_back_is_one_click(window: MainWindow) -> None:
    window.request(subset="shared & train", search="fish")
    assert window.wait_idle()
    assert window.trials._pages.currentWidget() is window.trials._nothing
    assert window.message.isHidden()
    window.trials._show_all.click()
    assert window.wait_idle()
    assert window.trials._pages.currentWidget() is window.trials.list
    assert len(listed(window)) == len(window.controller.view.workspace.table)


# --- search --------------------------------------------------------------------------------------


def test_like_this_one_begins_with_it(window: MainWindow) -> None:
    row = 7
    select(window, row)
    nsd_id, trial = window.trials.model.nsd_id_at(row), window.trials.model.trial_at(row)
    QTest.keyClick(window.trials.list, Qt.Key.Key_L)
    assert window.wait_idle()
    assert window.controller.view.state.search == f"image:{nsd_id}"
    model = window.trials.model
    assert model.nsd_id_at(0) == nsd_id and model.likeness_at(0) == pytest.approx(1, abs=1e-4)
    likeness = [model.likeness_at(r) for r in range(model.rowCount())]
    assert likeness == sorted(likeness, reverse=True)
    assert f"picture {nsd_id}" in window.trials._order.full_text()
    assert window.controller.view.state.trials == (trial,)
    assert window.trials.list.currentIndex().row() == model.row_of(trial)
    QTest.keyClick(window.trials.list, Qt.Key.Key_Escape)
    assert window.wait_idle()
    assert window.controller.view.state.search == "" and listed(window)[:3] == [0, 1, 2]


def test_a_search_shows_its_best_first_wherever_the_selected_trial_is(window: MainWindow) -> None:
    last = window.trials.model.rowCount() - 1
    select(window, last)
    assert window.trials.list.verticalScrollBar().value() > 0
    window.request(search=f"image:{window.trials.model.nsd_id_at(0)}")
    assert window.wait_idle()
    assert window.trials.model.row_of(window.controller.view.state.trials[0]) != 0
    assert window.trials.list.verticalScrollBar().value() == 0
    assert window.trials.sheet.verticalScrollBar().value() == 0


def test_search_and_filter_combine(window: MainWindow) -> None:
    select(window, 0)
    QTest.keyClick(window.trials.list, Qt.Key.Key_L, Qt.KeyboardModifier.ShiftModifier)
    window.request(subset="shared & repetition:1")
    assert window.wait_idle()
    w = window.controller.view.workspace
    expected = rank_trials(w, "trial:0", w.table.find("shared & repetition:1"))
    assert listed(window) == expected.trials.tolist()


def test_likeness_is_the_cosine(mini: Subject) -> None:
    w = mini.workspace
    trials = w.table.find("session:1")[:40]
    ranking = rank_trials(w, "image:{}".format(w.table.column("nsd_id")[3]), trials)
    vectors = w.image_embeddings(w.table.column("nsd_id")[ranking.trials]).astype(float)
    target = w.image_embeddings(w.table.column("nsd_id")[[3]])[0].astype(float)
    for vector, found in zip(vectors, ranking.likeness, strict=True):
        slow = (vector @ target) / np.sqrt((vector @ vector) * (target @ target))
        assert found == pytest.approx(slow, abs=1e-5)
    assert sorted(ranking.trials.tolist()) == trials.tolist()


# --- selection -----------------------------------------------------------------------------------


def test_grid_and_table_share_one_selection(window: MainWindow) -> None:
    select(window, 2, 5, 9)
    window.request(trials_as=TrialsAs.TABLE)
    assert window.wait_idle()
    sheet = window.trials.sheet
    assert window.trials._pages.currentWidget() is sheet
    assert sorted(i.row() for i in sheet.selectionModel().selectedRows()) == [2, 5, 9]
    at = sheet.visualRect(window.trials.model.index(11, 0)).center()
    QTest.mouseClick(sheet.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert window.wait_idle() and window.controller.view.state.trials == (11,)
    assert {i.row() for i in window.trials.list.selectedIndexes()} == {11}
    window.request(trials=(3, 4))
    assert window.wait_idle()
    assert sorted(i.row() for i in sheet.selectionModel().selectedRows()) == [3, 4]


def test_a_sorted_table_keeps_the_selection(window: MainWindow) -> None:
    select(window, 3)
    window.request(trials_as=TrialsAs.TABLE)
    assert window.wait_idle()
    table = window.controller.view.workspace.table
    by_rt = next(k for k, column in enumerate(COLUMNS) if column.title == "RT")
    window.trials.sheet.sortByColumn(by_rt, Qt.SortOrder.DescendingOrder)
    times = table.column("rt_ms")[listed(window)].astype(float)
    known = times[~np.isnan(times)]
    assert (np.diff(known) <= 0).all() and np.isnan(times[len(known) :]).all()
    assert window.controller.view.state.trials == (3,)
    assert window.trials.list.currentIndex().row() == window.trials.model.row_of(3)
    window.trials.sheet.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
    assert listed(window) == list(range(len(table)))


def test_no_more_than_so_many_are_averaged_and_it_is_said(window: MainWindow) -> None:
    window.trials.list.setFocus()
    window.trials.list.selectAll()
    trials = window.controller.view.state.trials
    assert trials == tuple(range(MOST_SELECTED))
    assert window.trials._too_many.isVisible()
    assert str(MOST_SELECTED) in window.trials._too_many.full_text()
    window.trials.filters._selection.click()
    assert window.wait_idle() and window.controller.view.state.trials == (0,)
    assert window.trials._too_many.isHidden()


def test_all_showings_of_a_picture_at_one_key(window: MainWindow) -> None:
    select(window, 4)
    QTest.keyClick(window.trials.list, Qt.Key.Key_R)
    assert window.wait_idle()
    table = window.controller.view.workspace.table
    shown = np.flatnonzero(table.column("nsd_id") == table.column("nsd_id")[4])
    assert window.controller.view.state.trials == tuple(shown.tolist())
    assert window.trials.filters._selection.text() == f"{len(shown)} trials of 1 picture ×"


def test_keys_go_through_the_trials(window: MainWindow) -> None:
    select(window, 0)
    last = window.trials.model.rowCount() - 1
    for look, view in (
        (TrialsAs.GRID, window.trials.list),
        (TrialsAs.TABLE, window.trials.sheet),
    ):
        window.request(trials_as=look)
        for key, row in ((Qt.Key.Key_End, last), (Qt.Key.Key_Home, 0)):
            QTest.keyClick(view, key)
            assert view.currentIndex().row() == row
        QTest.keyClick(view, Qt.Key.Key_PageDown)
        assert 3 < view.currentIndex().row() < last
        QTest.keyClick(view, Qt.Key.Key_Home)
        QTest.keyClick(view, Qt.Key.Key_Down)
        assert view.currentIndex().row() == (3 if look is TrialsAs.GRID else 1)
    window.trials.step(-1)
    assert window.wait_idle() and window.controller.view.state.trials == (0,)


def test_fast_keys_queue_no_reconstructions(window: MainWindow) -> None:
    select(window, 0)
    kept = [window.controller.view.reconstruction]

    def note(before: View, after: View) -> None:
        if after.reconstruction is not kept[-1]:
            kept.append(after.reconstruction)

    window.controller.viewChanged.connect(note)
    n_presses = 40
    for _ in range(n_presses):
        QTest.keyClick(window.trials.list, Qt.Key.Key_Right)
    assert window.controller.view.state.trials == (n_presses,)
    assert window.wait_idle()
    window.controller.viewChanged.disconnect(note)
    assert n_presses in kept[-1].trials
    assert len(kept) < n_presses / 2


# --- many rows -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many() -> TrialTable:
    draw = np.random.default_rng(0)
    nsd_id = draw.permutation(np.repeat(np.arange(N_MANY // 3), 3))
    trial = np.arange(N_MANY)
    frame = pd.DataFrame(
        {
            "trial": trial,
            "session": trial // 750 + 1,
            "run": trial % 750 // 63 + 1,
            "nsd_id": nsd_id,
            "shared": nsd_id < 1000,
            "split_full_40": np.where(nsd_id < 1000, "test", "train"),
            "split_legacy_37": "",
            "has_betas": True,
            "n_repetitions": 3,
        }
    )
    frame["repetition"] = frame.groupby("nsd_id").cumcount() + 1
    return TrialTable(1, frame, np.zeros(0, np.int64))


@pytest.fixture
def panel(application: QApplication, many: TrialTable) -> Iterator[TrialsPanel]:
    """The panel over 30,000 trials, of which nothing but the table is there."""
    made = TrialsPanel()
    made.resize(260, 760)
    view = View(
        workspace=SimpleNamespace(table=many),
        state=ViewState(root="/"),
        choices=Choices(),
        composer=None,
        listed=np.arange(N_MANY),
    )
    made.show_view(None, view)
    made.show()
    QTest.qWait(30)
    yield made
    made.close()
    made.deleteLater()


def shown_ids(panel: TrialsPanel) -> set[int]:
    grid = panel.list
    rect = grid.viewport().rect()
    return {
        panel.model.nsd_id_at(row)
        for row in range(panel.model.rowCount())
        if grid.visualRect(panel.model.index(row, 0)).intersects(rect)
    }


def test_only_what_is_in_sight_is_asked_for_the_newest_first(panel: TrialsPanel) -> None:
    asked: list[np.ndarray] = []
    panel.thumbnailsWanted.connect(asked.append)
    bar = panel.list.verticalScrollBar()
    # What was asked for first is under way while the person scrolls past much else.
    QTest.qWait(60)
    under_way = np.array(sorted(panel.model.thumbnails._under_way))
    assert len(under_way)
    asked.clear()
    for share in np.linspace(0.1, 0.8, 12):
        bar.setValue(round(share * bar.maximum()))
        panel.list.viewport().repaint()
    panel.add_thumbnails(FoundThumbnails(under_way))
    QTest.qWait(60)
    assert len(asked) == 1 and len(asked[0]) <= 48
    assert shown_ids(panel) <= set(asked[0].tolist())


@pytest.mark.parametrize("look", list(TrialsAs))
def test_a_frame_of_scrolling_takes_no_longer_than_one_of_the_screen(
    panel: TrialsPanel, look: TrialsAs
) -> None:
    view = panel._view
    panel.show_view(view, view.replace(state=view.state.replace(trials_as=look)))
    QTest.qWait(30)
    shown = panel.list if look is TrialsAs.GRID else panel.sheet
    bar = shown.verticalScrollBar()
    frames_s = []
    for value in np.linspace(0, bar.maximum(), 12):
        bar.setValue(int(value))
        start = time.perf_counter()
        shown.viewport().repaint()
        frames_s.append(time.perf_counter() - start)
    assert bar.maximum() > 10_000 and min(frames_s) < 0.016


def test_many_scattered_trials_are_marked_at_once(panel: TrialsPanel) -> None:
    chosen = tuple(range(0, N_MANY, 60))
    view = panel._view
    start = time.perf_counter()
    panel.show_view(view, view.replace(state=view.state.replace(trials=chosen)))
    assert time.perf_counter() - start < 0.5
    assert panel._chosen_rows().tolist() == list(chosen)


# --- what is not there ---------------------------------------------------------------------------


def test_pictures_that_are_missing_do_not_keep_the_others_away(mini: Subject) -> None:
    stimuli = mini.workspace.stimuli
    ids = np.unique(mini.workspace.table.column("nsd_id"))[:9]
    asked = np.append(ids, 10**9)
    found = read_thumbnails(stimuli, asked)
    assert set(found.pictures) == set(ids.tolist()) and str(10**9) in found.fault
    np.testing.assert_array_equal(found.pictures[int(ids[0])], stimuli.thumbnails(ids[:1])[0])


def test_without_pictures_ids_stand_there_and_the_reason_is_said_once(
    panel: TrialsPanel, mini: Subject, tmp_path
) -> None:
    bare = Stimuli(replace(mini.workspace.root, path=tmp_path))
    with pytest.raises(DataError):
        bare.read(np.array([3]))
    asked: list[np.ndarray] = []
    panel.thumbnailsWanted.connect(asked.append)
    for ids in (np.arange(4), np.arange(4, 9)):
        panel.add_thumbnails(read_thumbnails(bare, ids))
    assert panel._no_pictures.isVisible() and panel._no_pictures.full_text().count("missing") == 1
    panel.model.thumbnails._missing.clear()
    panel.model.thumbnails.picture(3)
    assert not panel.model.thumbnails._missing, "what is absent is not asked for again and again"


def test_what_is_unknown_is_greyed_with_the_reason(panel: TrialsPanel) -> None:
    facets = TrialFacets(
        sessions=(1, 3),
        sessions_without_betas=(2,),
        why_no_behaviour="responses.tsv is missing.",
        why_no_categories="No annotations.",
    )
    popover = panel.filters.popover
    view = panel._view
    panel.show_view(view, view.replace(facets=facets))
    assert not any(chip.isEnabled() for chip in popover._answers.values())
    assert popover._no_behaviour.full_text() == "responses.tsv is missing."
    sessions = popover._numbers[Facet.SESSION]._buttons
    assert [sessions[n].isEnabled() for n in (1, 2, 3)] == [True, False, True]
    assert popover.categories.why_not.full_text() == "No annotations."


# --- words ---------------------------------------------------------------------------------------


def test_facets_are_edited_one_by_one() -> None:
    chosen = TrialFilter.parse("shared & session:1-3|7 & correct")
    sessions = conditions_of(chosen, Facet.SESSION)
    assert numbers_in(sessions, range(1, 41)) == {1, 2, 3, 7}
    assert str(InSpans(Key.SESSION, spans_of((7, 3, 2, 1)))) == "session:1-3|7"
    wrong = with_condition(chosen, Facet.CORRECTNESS, Answer.INCORRECT)
    assert str(wrong) == "shared & session:1-3|7 & incorrect"
    assert str(with_condition(wrong, Facet.SET, None)) == "session:1-3|7 & incorrect"
    words = [in_words(t) for t in TrialFilter.parse("session:1-3|7 & not (5, rt<1500)").conditions]
    assert words == ["session 1–3, 7", "not trial 5 or RT < 1,500 ms"]
