"""Everything is a command: each is run in a real window, with and without a subject."""

import shlex
from collections import Counter
from collections.abc import Iterator

import pytest

pytest.importorskip("PySide6")
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QGuiApplication, QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit

from app import asking, questions
from app.commands import COMMANDS
from app.focusing import areas
from app.matching import fit_of
from app.palette import Palette
from app.settings import Settings
from app.window import MainWindow
from nsdviewer.cli.parser import build_parser
from nsdviewer.cli.state_options import state_from
from nsdviewer.session import Session
from nsdviewer.state import PIAL, Sides, Theme, Underlay

# These end the window, open others, make a subject or a probe in processes of their own, which have
# tests of their own; the rest is run here.
ELSEWHERE = {
    "file.quit", "file.close", "file.new-window", "file.subject-window", "file.demo", "help.opengl",
    "figure.compose",
}  # fmt: skip
SLOW = {
    "concept.test-fdr:0.05", "concept.test-fdr:0.01", "concept.test-fwe:0.05",
    "concept.test-p:0.001", "concept.test-ci:0.9", "models.seeds",
}  # fmt: skip


@pytest.fixture(scope="module")
def faults() -> Iterator[list[str]]:
    """What Python would print to a terminal that nobody watches."""
    import sys
    import traceback

    found: list[str] = []
    before = sys.excepthook
    sys.excepthook = lambda *about: found.append("".join(traceback.format_exception(*about)))
    yield found
    sys.excepthook = before


@pytest.fixture(scope="module")
def shared(application: QApplication, mini) -> Iterator[MainWindow]:
    made = MainWindow(Session(mini.state), Settings(size=(1280, 800)))
    made.show()
    assert made.wait_idle(180)
    yield made
    made.close()
    made.deleteLater()


@pytest.fixture
def window(shared: MainWindow, mini, no_questions) -> MainWindow:
    shared.controller.open_session(Session(mini.state.replace(concept="animal", trials=(4,))))
    assert shared.wait_idle(120)
    # Without a window manager nobody else gives it the keyboard.
    shared.activateWindow()
    assert QTest.qWaitForWindowActive(shared, 5000)
    return shared


@pytest.fixture
def no_questions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Files and texts are not given."""
    for name in ("ask_folder", "ask_file", "ask_new_file", "ask_text"):
        monkeypatch.setattr(questions, name, lambda *_, **__: None)
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_DontUseNativeDialogs)
    yield
    close_what_waits()


@pytest.fixture
def all_rejected(no_questions) -> Iterator[None]:
    """Whatever waits for an answer is closed soon, the palette and menus too."""
    closing = QTimer(interval=100)
    closing.timeout.connect(close_what_waits)
    closing.start()
    yield
    closing.stop()


def close_what_waits() -> None:
    for each in (QApplication.activeModalWidget(), QApplication.activePopupWidget()):
        if each is not None:
            each.close()


def close_dialogs(window: MainWindow) -> None:
    close_what_waits()
    for each in QApplication.topLevelWidgets():
        if each.isVisible() and each is not window and each.parentWidget() is not None:
            each.close()


def test_names_shortcuts_and_menus_are_fit():
    shortcuts = [QKeySequence(c.shortcut).toString() for c in COMMANDS if c.shortcut]
    assert all(shortcuts)
    for each in (shortcuts, [c.name for c in COMMANDS]):
        assert [name for name, n in Counter(each).items() if n > 1] == []
    assert [c.name for c in COMMANDS if not c.text.strip() or "&" in c.text] == []
    places = Counter((c.menu, c.text) for c in COMMANDS)
    assert [place for place, n in places.items() if n > 1] == []


def test_every_command_runs_without_a_subject(application, faults, all_rejected):
    bare = MainWindow(None, Settings(size=(1280, 800)), use_3d=False)
    bare.show()
    n_run = 0
    for command in bare.command_table:
        enabled = bare.commands[command.name].isEnabled()
        assert enabled == (not command.hindrance(bare))
        assert not (command.needs_view and enabled)
        if enabled and command.name not in ELSEWHERE:
            bare.commands[command.name].trigger()
            close_dialogs(bare)
            n_run += 1
    assert n_run >= 8 and faults == []
    bare.close()
    bare.deleteLater()


def test_every_command_runs_with_a_subject(window, faults, all_rejected):
    """In the order of the table; what cannot be done says why, and does nothing."""
    ran, refused = set(), {}
    for command in window.command_table:
        if command.name in ELSEWHERE | SLOW or command.name.startswith("file.recent"):
            continue
        hindrance = command.hindrance(window)
        before = window.controller.view.state
        command.run(window)
        if hindrance:
            refused[command.name] = hindrance
            assert window.controller.view.state == before
        else:
            ran.add(command.name)
        close_dialogs(window)
    assert window.wait_idle(120)
    assert faults == [], faults[0]
    assert all(why.endswith(".") for why in refused.values()), refused
    assert len(ran) > 110, sorted(refused)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SLOW))
def test_commands_that_compute_for_long_run_too(window, faults, all_rejected, name):
    window.commands[name].trigger()
    assert window.wait_idle(120)
    close_dialogs(window)
    assert faults == [] and window.commands[name].isChecked() == (name != "models.seeds")


def test_commands_do_what_they_say(window):
    def run(name: str) -> None:
        window.commands[name].trigger()
        QTest.qWait(0)

    state = lambda: window.controller.view.state  # noqa: E731
    run("view.hemispheres-lh")
    assert state().hemispheres is Sides.LEFT
    run("slices.epi")
    assert state().underlay is Underlay.EPI
    was = state().layers[-1].opacity
    run("layers.opacity-down")
    assert state().layers[-1].opacity == pytest.approx(was - 0.1)
    run("layers.threshold-up")
    assert state().layers[-1].threshold > 0
    run("layers.shown")
    assert not state().layers[-1].visible
    run("bench.next-seed")
    assert state().seed == 1
    run("view.roi-names")
    assert not state().roi_labels
    run("trials.table")
    assert state().trials_as.value == "table"
    run("view.light")
    assert state().theme is Theme.LIGHT is window.theme
    voxel = window.controller.view.voxel
    run("cursor.axial-next")
    assert state().voxel == (voxel[0], voxel[1], voxel[2] + 1)
    # What is chosen is marked, in the menus as in the palette.
    assert window.wait_idle(60)
    QTest.qWait(100)
    for command in window.command_table:
        if command.checked is not None:
            assert window.commands[command.name].isChecked() == command.checked(window), (
                command.name
            )


def test_the_palette_lists_all_and_runs_the_one_that_is_typed(window):
    QTest.keyClick(
        window,
        Qt.Key.Key_P,
        Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier,
    )
    palette = next(p for p in window.findChildren(Palette) if p.isVisible())
    assert palette.list.count() == len(COMMANDS)
    QTest.keyClicks(palette.field, "cortex pia")
    assert palette.current().name == "view.pial"
    QTest.keyClick(palette.field, Qt.Key.Key_Return)
    assert window.controller.view.state.morph == PIAL
    assert window.settings.recent_commands[0] == "view.pial"
    asking.show_palette(window)
    palette = next(p for p in window.findChildren(Palette) if p.isVisible())
    assert palette.current().name == "view.pial", "the recent one comes first"
    palette.field.setText("only the first of the selected")
    assert palette.note.full_text() == "Not more than one trial is selected."
    QTest.keyClick(palette.field, Qt.Key.Key_Return)
    assert palette.isVisible(), "what cannot be done is not run"
    palette.close()


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("pial", "Pial cortex"), ("cortex pial", "Pial cortex"), ("pc", "Pial cortex"),
        ("ial", "Pial cortex"), ("plcx", "Pial cortex"), ("view pial", "Pial cortex"), ("", "x"),
    ],
)  # fmt: skip
def test_letters_fit_in_any_order_as_initials_and_in_parts(typed, text):
    assert fit_of(typed, text, "View ▸ Shape") > 0
    assert fit_of("zq", text) == 0 == fit_of(f"{typed} zq", text)


def test_the_better_fit_comes_first():
    fits = [fit_of("pial", text) for text in ("Pial cortex", "Epial map", "Pit and a lake")]
    assert fits == sorted(fits, reverse=True) and fits[-1] > 0


def test_single_letters_stay_in_text_fields(window):
    fields = [f for f in window.findChildren(QLineEdit) if f.isVisible() and f.validator() is None]
    assert window.header.concept in fields and window.trials.search in fields
    singles = [c.shortcut for c in COMMANDS if len(c.shortcut) == 1]
    assert set(singles) >= {"[", "]", "?"}
    before = window.controller.view.state
    for field in fields:
        field.setFocus()
        field.clear()
        for key in singles:
            QTest.keyClicks(field, key)
        assert field.text() == "".join(singles)
        field.clear()
    assert window.controller.view.state.trials == before.trials
    assert not any(p.isVisible() for p in window.findChildren(Palette))


def test_the_shortcuts_are_searched_and_fit_a_small_screen(window):
    asking.show_shortcuts(window)
    dialog = window.findChildren(asking.ShortcutsDialog)[-1]
    from PySide6.QtWidgets import QLabel

    def lines() -> list[str]:
        return [each.text() for each in dialog.area.widget().findChildren(QLabel)]

    everything = lines()
    assert all(c.text in everything for c in COMMANDS if c.shortcut)
    dialog.search.setText("palette" if "palette" in " ".join(everything).lower() else "commands")
    assert 0 < len(lines()) < len(everything) / 4
    assert dialog.height() <= 720
    dialog.close()


def test_f6_goes_through_the_parts_of_the_window(window):
    window.activateWindow()
    window.commands["view.go-header"].trigger()
    seen = []
    for _ in range(12):
        focused = QApplication.focusWidget()
        seen.append(next(n for n, w in areas(window).items() if w.isAncestorOf(focused)))
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_F6)
    assert "header" in seen[1:], seen
    once = seen[: seen.index("header", 1)]
    assert once[:7] == ["header", "trials", "cortex", "slices", "voxel", "bench", "below"]
    QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_F6, Qt.KeyboardModifier.ShiftModifier)


def test_the_copied_line_is_the_view(window):
    for name in ("copy.figure", "copy.map", "copy.decode", "copy.betas"):
        window.commands[name].trigger()
        line = QGuiApplication.clipboard().text()
        arguments = build_parser().parse_args(shlex.split(line)[1:])
        if name == "copy.figure":
            assert state_from(arguments) == window.controller.view.state
        else:
            assert str(arguments.root) == window.controller.view.state.root
