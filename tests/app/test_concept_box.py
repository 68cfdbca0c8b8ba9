"""The concept box, its menus, the test and the bars, in one window driven as a person would."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("PySide6")
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.concept.choices import STATISTICS
from app.concept.memory import ConceptMemory
from app.settings import Settings
from app.waiting import wait_until
from app.window import MainWindow
from nsdviewer.mapping.concepts import parse_concept
from nsdviewer.session import Session
from nsdviewer.session.command_line import figure_command
from nsdviewer.session.scenes import scene_of
from nsdviewer.state import Null, Reading


@pytest.fixture(scope="module")
def opened(application: QApplication, mini, tmp_path_factory) -> Iterator[MainWindow]:
    settings = Settings(path=tmp_path_factory.mktemp("settings") / "window.json", size=(1280, 800))
    made = MainWindow(Session(mini.state.replace(concept="animal - tool")), settings, use_3d=False)
    made.show()
    assert made.wait_idle(120)
    yield made
    made.close()
    made.deleteLater()


@pytest.fixture
def window(opened: MainWindow) -> MainWindow:
    opened.header.concept.suggestions.hide()
    opened.request(
        reading=Reading.ENCODER, statistic="none", null=Null.USUAL, concept="animal - tool"
    )
    opened.header.concept.setText("animal - tool")
    opened.controller.typed.type("animal - tool")
    assert opened.wait_idle(60)
    return opened


def view(window: MainWindow):
    return window.controller.view


def type_text(window: MainWindow, text: str) -> None:
    window.header.focus_concept()
    window.header.concept.clear()
    QTest.keyClicks(window.header.concept, text)


def test_tab_completes_the_word_and_the_map_follows(window):
    line = window.header.concept
    type_text(window, "animal - eleph")
    assert line.suggestions.isVisible() and line.suggestions.item(0).text() == "elephant"
    QTest.keyClick(line, Qt.Key.Key_Tab)
    assert line.text() == "animal - elephant" and not line.suggestions.isVisible()
    assert window.wait_idle() and view(window).state.concept == "animal - elephant"


def test_enter_takes_only_what_is_highlighted_and_escape_closes(window):
    line = window.header.concept
    type_text(window, "roi:FF")
    QTest.keyClick(line, Qt.Key.Key_Escape)
    assert not line.suggestions.isVisible() and line.text() == "roi:FF"
    QTest.keyClick(line, Qt.Key.Key_Backspace)
    QTest.keyClick(line, Qt.Key.Key_Down)
    QTest.keyClick(line, Qt.Key.Key_Down)
    chosen = line.suggestions.currentItem().text()
    QTest.keyClick(line, Qt.Key.Key_Return)
    assert line.text() == chosen == line.suggestions.found[1].text
    assert window.wait_idle() and view(window).state.concept == chosen


def test_history_is_walked_by_up_and_down(window):
    line = window.header.concept
    for text in ("fish", "bird"):
        type_text(window, text)
        QTest.keyClick(line, Qt.Key.Key_Return)
        assert window.wait_idle()
    assert window.settings.concept_history[:2] == ["bird", "fish"]
    line.setText("half a thou")
    for key, expected in (
        (Qt.Key.Key_Up, "bird"), (Qt.Key.Key_Up, "fish"), (Qt.Key.Key_Down, "bird"),
        (Qt.Key.Key_Down, "half a thou"), (Qt.Key.Key_Down, "half a thou"),
    ):  # fmt: skip
        QTest.keyClick(line, key)
        assert line.text() == expected


def test_choosing_the_present_concept_takes_nonsense_out_of_the_line(window):
    type_text(window, "animal - brzkfl")
    assert window.wait_idle() and view(window).concept_error
    # As from the palette of saved concepts, or a chip of a decoded word.
    window.controller.typed.type("animal - tool", at_once=True)
    assert window.wait_idle() and not view(window).concept_error
    assert window.header.concept.text() == "animal - tool" == view(window).state.concept


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"), ("animal - animal", "cancel out"), ("animal - brzkfl", "'brzkfl'"),
        ("elephnt", "Did you mean 'elephant'?"), ("image:99999999", "99999999"),
        ("trial:99999999", "99999999"), ("roi:Nowhere", "Nowhere"), ("animal +", "A word is missing"),
    ],
)  # fmt: skip
def test_a_bad_concept_is_one_sentence_in_the_box_and_the_map_stays(window, text, words):
    before = view(window).concept_map
    window.header.concept.put(text)
    assert window.wait_idle()
    assert words in view(window).concept_error
    assert window.header.note.full_text() == view(window).concept_error
    assert window.message.isHidden()
    assert view(window).state.concept == "animal - tool" and view(window).concept_map is before


def test_a_slider_rewrites_the_concept_and_the_map_follows(window):
    before = view(window).concept_map.values
    box = window.header.box
    box.open_sliders()
    assert [row.slider.value() for row in box.sliders.rows] == [20, -20]
    box.sliders.rows[1].slider.setValue(-6)
    assert window.header.concept.text() == "animal - 0.3*tool"
    assert window.wait_idle() and view(window).state.concept == "animal - 0.3*tool"
    assert not np.allclose(view(window).concept_map.values, before)
    box.sliders.add.setText("2*roi:FFA-1")
    QTest.keyClick(box.sliders.add, Qt.Key.Key_Return)
    assert window.wait_idle() and len(box.sliders.rows) == 3
    box.sliders.rows[0].remove.click()
    assert window.wait_idle() and view(window).state.concept == "-0.3*tool + 2*roi:FFA-1"
    for row in box.sliders.rows:
        row.slider.setValue(0)
    assert window.wait_idle() and "cancel out" in box.sliders.note.full_text()
    assert parse_concept(window.header.concept.text())[0].weight == 0
    box.sliders.hide()


def test_saved_concepts_are_kept_and_chosen_by_name(window):
    menu = window.header.box.menu
    menu.memory.save("mine", view(window).state.concept)
    type_text(window, "fish")
    assert window.wait_idle()
    menu.fill()
    action = next(a for a in menu.menu().actions() if a.text().startswith("mine:"))
    action.trigger()
    assert window.wait_idle() and view(window).state.concept == "animal - tool"
    again = ConceptMemory(Settings.load(window.settings.path))
    assert again.saved == {"mine": "animal - tool"}
    again.remove("mine")
    assert Settings.load(window.settings.path).saved_concepts == {}
    menu.memory.remove("mine")


def test_a_test_comes_after_the_map_and_goes_with_its_statistic(window):
    untested = view(window).concept_map
    window.request(statistic="fdr:0.05")
    assert window.header.note.full_text().startswith("testing FDR")
    assert window.wait_idle(60)
    tested = view(window).tested
    assert tested.belongs_to(view(window).state) and view(window).concept_map is tested.map
    assert tested.map.shown.sum() < untested.shown.sum()
    assert f"{tested.map.evidence.significant.sum():,} of" in window.header.note.full_text()
    window.request(statistic="none")
    assert window.wait_idle() and view(window).concept_map.evidence is None
    assert "ConSE" in window.header.note.full_text()


def test_a_test_that_does_not_exist_is_greyed_and_said_and_the_map_shows_untested(window):
    window.request(reading=Reading.PATTERN, statistic="ci:0.9")
    assert window.wait_idle(60)
    assert "pattern reading" in view(window).test_error and window.message.isHidden()
    assert window.header.note.full_text() == view(window).test_error
    assert (
        view(window).concept_map.reading is Reading.PATTERN and view(window).concept_map.shown.any()
    )
    window.request(statistic="none")
    assert window.wait_idle(60)
    actions = dict(zip(STATISTICS, window.header.statistic.menu().actions(), strict=False))
    assert not actions["ci:0.9"].isEnabled() and "permuting" in actions["ci:0.9"].toolTip()
    assert actions["fdr:0.05"].isEnabled()


def test_readings_change_map_unit_and_what_bars_stand_on(window):
    units = {}
    for reading in Reading:
        window.request(reading=reading)
        assert window.wait_idle(60)
        assert view(window).concept_map.reading is reading
        units[reading] = window.bars._unit.text()
        has = [bar.interval_psc is not None for bar in window.bars.chart.bars]
        assert has and all(has) == any(has) == (reading is Reading.ENCODER)
    assert len(set(units.values())) == 3 and "90 % bootstrap" in units[Reading.ENCODER]
    assert "decoder reading" not in window.bars._unit.toolTip()
    assert "pattern reading" in window.bars._unit.toolTip()


def test_a_bar_leads_to_the_peak_of_its_region_and_collections_can_be_left_out(window):
    chart = window.bars.chart
    names = [bar.name for bar in chart.bars]
    row = names.index("FFA-1")
    QTest.mouseClick(chart, Qt.MouseButton.LeftButton, pos=QPoint(30, 19 * row + 9))
    assert window.wait_idle()
    peaks = {place.name: place.peak for place in view(window).intervals.places}
    assert view(window).state.voxel == peaks["FFA-1"]
    assert "90 % interval" in chart.tip(row) and "FFA-1" in chart.accessibleName()


def test_the_collections_of_the_bars_are_part_of_the_view(window):
    def press(collection: str) -> list[str]:
        action = next(a for a in window.bars._menu.actions() if a.text() == collection)
        action.trigger()
        assert window.wait_idle(60)
        assert action.isChecked() == (collection in view(window).state.bar_collections)
        assert all(bar.interval_psc is not None for bar in window.bars.chart.bars)
        return [bar.name for bar in window.bars.chart.bars]

    names = [bar.name for bar in window.bars.chart.bars]
    fewer = press("floc-faces")
    assert fewer == [name for name in names if name not in ("OFA", "FFA-1", "FFA-2")] != names
    assert press("floc-faces") == names
    more = press("Kastner2015")
    assert more[: len(names)] == names and "Kastner2015:V1v" in more and "VO1" in more
    assert "Kastner2015" in window.bars.chart.tip(more.index("VO1"))
    state = view(window).state
    drawn = scene_of(view(window).workspace, state).roi_bars
    assert [bar.name for bar in drawn] == more
    assert "Kastner2015" in figure_command(state).text()
    for expected in (names, fewer, names):
        window.controller.step(forward=False)
        assert window.wait_idle(60)
        assert [bar.name for bar in window.bars.chart.bars] == expected


def test_the_collections_of_the_bars_stay_ticked_where_others_are_offered(window):
    before = view(window)
    fewer = replace(before.choices, collections=before.choices.collections[1:])
    window.bars.show_view(before, replace(before, choices=fewer))
    ticked = [a.data() for a in window.bars._menu.actions() if a.isChecked()]
    window.bars.show_view(replace(before, choices=fewer), before)
    assert set(ticked) == set(before.state.bar_collections) & set(fewer.collections) and ticked


def test_the_header_fits_at_its_narrowest(window):
    window.resize(1280, 800)
    QTest.qWait(20)
    header = window.header
    right = max(
        c.geometry().right()
        for c in header.findChildren(type(header.reading))
        if c.parent() is header
    )
    assert header.minimumSizeHint().width() <= 1280 and right < header.width()
    assert header.concept.width() >= 150


@pytest.mark.parametrize("typed", ["fish", "qqqq", ""])
def test_what_is_being_typed_is_left_by_undo(window, typed):
    window.request(noise_ceiling_floor_pct=20.0)
    undo = window.commands["edit.undo"]
    assert wait_until(undo.isEnabled, 10)
    window.header.focus_concept()
    QTest.keyClick(window.header.concept, Qt.Key.Key_Delete)
    QTest.keyClicks(window.header.concept, typed)
    if typed == "qqqq":
        assert window.wait_idle() and view(window).concept_error
    undo.trigger()
    assert window.wait_idle()
    state = view(window).state
    assert window.header.concept.text() == state.concept == "animal - tool"
    assert state.noise_ceiling_floor_pct != 20 and not view(window).concept_error
