"""The window as a screen reader and a keyboard meet it, walked through QAccessible."""

from collections.abc import Iterator

import pytest

pytest.importorskip("PySide6")
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QAccessibleInterface, QColor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QApplication,
    QLabel,
    QLineEdit,
    QScrollBar,
    QTabBar,
    QWidget,
)
from shiboken6 import isValid

from app.documents.dialogs import RelocateDialog, TrustDialog
from app.focusing import areas, tab_order
from app.jobs.dialogs import NewJobDialog
from app.settings import Settings
from app.style import style_sheet
from app.waiting import wait_until
from app.window import MainWindow
from nsdviewer.rendering.theme import PALETTES
from nsdviewer.session import Session
from nsdviewer.state import PIAL, Theme
from nsdviewer.state.named_paths import NamedPath, PathUse

# What only holds others, or is read by itself.
_PASSIVE = {
    QAccessible.Role.Client, QAccessible.Role.Pane, QAccessible.Role.Window, QAccessible.Role.Splitter,
    QAccessible.Role.Separator, QAccessible.Role.ScrollBar, QAccessible.Role.Grip,
    QAccessible.Role.LayeredPane, QAccessible.Role.NoRole, QAccessible.Role.Grouping,
    QAccessible.Role.Dialog, QAccessible.Role.PopupMenu, QAccessible.Role.MenuBar,
    QAccessible.Role.StaticText, QAccessible.Role.Border, QAccessible.Role.TitleBar,
}  # fmt: skip
# Arrows go through it while the field above it has the keyboard.
_DRIVEN_FROM_A_FIELD = ": what fits"
# Tab goes through the links of a page of the guide, too.
_MOST_LINKS = 60
DIALOGS = (
    "trials.filter", "concept.sliders", "models.sheet", "models.manager", "jobs.new", "figure.view",
    "help.guide", "help.palette", "help.shortcuts", "help.provenance", "help.report", "layers.add",
)  # fmt: skip


@pytest.fixture(scope="module")
def window(application: QApplication, mini) -> Iterator[MainWindow]:
    state = mini.state.replace(concept="animal", trials=(4,), scaling=(("nsdgeneral", 0.5),))
    made = MainWindow(Session(state), Settings(size=(1440, 900)))
    made.show()
    assert made.wait_idle(180)
    made.activateWindow()
    yield made
    made.close()
    made.deleteLater()


def walk(interface: QAccessibleInterface) -> Iterator[tuple[QAccessibleInterface, QWidget]]:
    """Go through everything that a screen reader is told of and that is on the screen."""
    for k in range(interface.childCount()):
        child = interface.child(k)
        if child is None or not child.isValid():
            continue
        widget = child.object()
        if isinstance(widget, QWidget) and widget.isVisible():
            yield child, widget
            yield from walk(child)


def faults_of(root: QWidget) -> list[str]:
    """Return what has no name, or is for the mouse alone."""
    found = []
    for interface, widget in walk(QAccessible.queryAccessibleInterface(root)):
        name = interface.text(QAccessible.Text.Name).strip()
        said = f"{type(widget).__name__} '{name}' in {type(widget.parent()).__name__}"
        empty_label = isinstance(widget, QLabel) and not widget.text()
        takes_keys = widget.focusPolicy() != Qt.FocusPolicy.NoFocus and not empty_label
        if (interface.role() not in _PASSIVE or takes_keys) and name in ("", type(widget).__name__):
            found.append(f"no name: {said}")
        if is_for_the_mouse(widget) and not name.endswith(_DRIVEN_FROM_A_FIELD):
            found.append(f"no key reaches it: {said}")
    return found


def is_for_the_mouse(widget: QWidget) -> bool:
    clicked = isinstance(widget, QAbstractButton | QLineEdit | QAbstractSlider | QAbstractItemView)
    pointed = widget.cursor().shape() == Qt.CursorShape.PointingHandCursor
    # A field's own buttons do what its keys do; lists are scrolled by their arrows.
    inner = isinstance(widget.parent(), QLineEdit) or isinstance(widget, QScrollBar | QTabBar)
    by_tab = bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus)
    header = "Header" in type(widget).__name__
    return (clicked or pointed) and not inner and not by_tab and not header and widget.isEnabled()


def opened_by(window: MainWindow, name: str) -> list[QWidget]:
    def found() -> list[QWidget]:
        popup = QApplication.activePopupWidget()
        if popup is not None:
            return [popup]
        return [
            each for each in QApplication.topLevelWidgets()
            if each.isVisible() and each is not window and each.parentWidget() is not None
        ]  # fmt: skip

    window.commands[name].trigger()
    QTest.qWait(30)
    # What a dialog shows may be looked up first.
    wait_until(lambda: bool(found()), 20)
    return found()


def test_everything_in_the_window_has_a_name_and_a_key(window):
    for k in range(len(window.below.chips)):
        window.below.turn_to(k)
        assert window.wait_idle(60)
        assert faults_of(window) == []
    window.commands["layers.list"].trigger()
    assert faults_of(window.cortex) == []
    window.commands["layers.list"].trigger()
    window.commands["jobs.show"].trigger()
    assert faults_of(window) == []
    window.commands["jobs.show"].trigger()


def test_the_welcome_page_too(application):
    bare = MainWindow(None, Settings(size=(1280, 800)), use_3d=False)
    bare.show()
    assert faults_of(bare) == []
    bare.close()
    bare.deleteLater()


@pytest.mark.parametrize("name", DIALOGS)
def test_dialogs_and_popups_have_names_keys_and_a_way_out(window, name):
    opened = opened_by(window, name)
    assert opened, f"{name} opened nothing"
    for each in opened:
        assert each.windowTitle() or each.accessibleName()
        assert faults_of(each) == []
        QTest.keyClick(each.focusWidget() or each, Qt.Key.Key_Escape)
        QTest.qWait(10)
        if is_open(each) and each.focusWidget() is not None:
            QTest.keyClick(each.focusWidget(), Qt.Key.Key_Escape)
            QTest.qWait(10)
        assert not is_open(each), f"Escape does not leave {name}"


@pytest.mark.parametrize("name", [*DIALOGS, "figure.turntable", "figure.compose"])
def test_tab_goes_round_every_dialog_and_can_be_seen(window, name):
    (dialog, *_) = opened_by(window, name)
    if name == "figure.compose":
        dialog = window.composer.window
    goes_round(dialog)
    dialog.close()
    QTest.qWait(10)


def test_tab_goes_round_what_is_asked_on_the_way(window):
    named = [NamedPath(PathUse.ROOT, "/a/nsd"), NamedPath(PathUse.DECODER, "/b.safetensors")]
    for dialog in (
        TrustDialog(window, "s.json", named), RelocateDialog(window, "s.json", named),
        NewJobDialog(window, window.desk.home(), lambda *_: ""),
    ):  # fmt: skip
        dialog.open()
        assert faults_of(dialog) == []
        goes_round(dialog)
        dialog.reject()
        dialog.deleteLater()


def goes_round(root: QWidget) -> None:
    """Press Tab and Shift+Tab until each has been everywhere and come back, seen at every stop."""
    root.activateWindow()
    assert QTest.qWaitForWindowActive(root)
    order = [each for each in tab_order(root) if each.window() is root.window()]
    first = next(each for each in order if not is_one_of_some(each))
    for forward in (True, False):
        first.setFocus(Qt.FocusReason.TabFocusReason)
        reached, has_left = {first}, False
        for _ in range(len(order) + _MOST_LINKS):
            here = QApplication.focusWidget()
            step = Qt.KeyboardModifier.NoModifier if forward else Qt.KeyboardModifier.ShiftModifier
            QTest.keyClick(here, Qt.Key.Key_Tab if forward else Qt.Key.Key_Backtab, step)
            reached.add(QApplication.focusWidget())
            has_left = has_left or QApplication.focusWidget() is not first
            if has_left and QApplication.focusWidget() is first:
                break
        missed = [each for each in order if each not in reached and not is_one_of_some(each)]
        assert missed == [] and QApplication.focusWidget() is first
    unseen = []
    for widget in order if len(order) > 1 else ():
        order[order[0] is widget].setFocus(Qt.FocusReason.TabFocusReason)
        without = widget.grab().toImage()
        widget.setFocus(Qt.FocusReason.TabFocusReason)
        if widget.grab().toImage() == without:
            unseen.append(f"{type(widget).__name__} '{widget.accessibleName()}'")
    assert unseen == []


def is_open(widget: QWidget) -> bool:
    # Some are deleted when they close.
    return isValid(widget) and widget.isVisible()


def test_tab_goes_through_everything_as_the_eye_does(window):
    """No control holds the keyboard, and the parts of the window come in their order."""
    window.below.turn_to(0)
    window.activateWindow()
    assert QTest.qWaitForWindowActive(window)
    order = tab_order(window)
    parts = list(areas(window).items())
    window.header.concept.setFocus()
    walk, first = [], {}
    for _ in range(3 * len(order)):
        walk.append(QApplication.focusWidget())
        for name, area in parts:
            if area.isAncestorOf(walk[-1]):
                first.setdefault(name, len(walk))
        # Within the concept Tab completes words where something is offered.
        window.focusNextChild()
    reached = set(walk)
    wanted = [
        n for n in ("header", "trials", "cortex", "slices", "voxel", "bench", "below") if n in first
    ]
    assert sorted(wanted, key=first.__getitem__) == wanted
    # Of chips of which one is on, Tab reaches that one, and arrows the others.
    missed = [w.accessibleName() for w in order if w not in reached and not is_one_of_some(w)]
    assert missed == [], missed


def is_one_of_some(widget: QWidget) -> bool:
    return isinstance(widget, QAbstractButton) and widget.group() is not None


@pytest.mark.parametrize("theme", list(Theme))
def test_where_the_keyboard_is_can_be_seen(window, theme):
    window.below.turn_to(1)
    window.set_theme(theme)
    assert window.wait_idle(60)
    alike = []
    for widget in tab_order(window):
        window.setFocus()
        without = widget.grab().toImage()
        widget.setFocus(Qt.FocusReason.TabFocusReason)
        if widget.grab().toImage() == without:
            alike.append(f"{type(widget).__name__} '{widget.accessibleName()}'")
    assert alike == [], alike


def test_what_colours_show_is_said_and_follows(window):
    """Painted views have words for what they show, other words when they show something else."""
    window.below.turn_to(0)

    def said() -> dict[str, str]:
        widgets = {
            "cortex": window.cortex.view3d, "slice": window.slices.views[2],
            "bars": window.bars.chart, "betas": window.voxel.scatter, "seen": window.bench.seen,
            "field": window.voxel.prf,
        }  # fmt: skip
        return {n: f"{w.accessibleName()}; {w.accessibleDescription()}" for n, w in widgets.items()}

    window.request(morph=PIAL, concept="animal", voxel=None)
    assert window.wait_idle(60)
    before = said()
    assert "pial cortex" in before["cortex"] and "% signal" in before["cortex"]
    at = window.controller.view.voxel
    assert "{}, {}, {}".format(*at) in before["slice"] and "‘animal’" in before["slice"]
    window.request(morph=1.0, concept="tool", voxel=(at[0], at[1] + 1, at[2]), trials=(9,))
    assert window.wait_idle(60)
    after = said()
    assert [name for name in before if before[name] == after[name] and name != "field"] == []
    assert "inflated cortex" in after["cortex"] and "‘tool’" in after["slice"]


def test_keys_turn_and_enlarge_the_cortex(window):
    view = window.cortex.view3d
    start = view.seen_from()
    view.setFocus()
    QTest.keyClick(view, Qt.Key.Key_Right)
    assert view.seen_from()[:3] != start[:3]
    QTest.keyClick(view, Qt.Key.Key_Left)
    assert view.seen_from() == pytest.approx(start, abs=1e-6)
    QTest.keyClick(view, Qt.Key.Key_Plus)
    assert view.seen_from()[9] < start[9]
    assert window.wait_idle(30)
    assert window.controller.view.state.camera == pytest.approx(view.seen_from())


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2.1."""
    parts = [c / 255 for c in QColor(colour).getRgb()[:3]]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", list(Theme))
def test_text_stands_out_from_its_ground(theme):
    from app.style import mix

    colours = PALETTES[theme]
    washes = [mix(colours.accent, colours.raised, 0.74), mix(colours.warning, colours.panel, 0.84)]
    for ground in (colours.window, colours.panel, colours.raised, *washes):
        assert contrast(colours.text, ground) >= 4.5
    for ground in (colours.window, colours.panel, colours.raised):
        for text in (colours.muted, colours.accent, colours.warning):
            assert contrast(text, ground) >= 4.5, (text, ground)
    on_accent = colours.window if theme is Theme.DARK else colours.raised
    assert on_accent in style_sheet(theme) and contrast(on_accent, colours.accent) >= 4.5
