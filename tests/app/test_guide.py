"""The guide tells the truth: what it names exists, what it shows is there, its window shows it."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("PySide6")
from PySide6.QtCore import QUrl
from PySide6.QtGui import QImage, QTextDocument
from PySide6.QtWidgets import QApplication

from app.commands import COMMANDS
from app.composer.page_commands import PAGE_COMMANDS
from app.guide import GuideDialog
from app.settings import Settings
from app.style import palette_of
from app.window import MainWindow
from nsdviewer.resources import resource_path
from nsdviewer.state import Theme

ROOT = Path(__file__).resolve().parents[2]
GUIDE = resource_path("guide")
PAGES = sorted(GUIDE.glob("*.md"))
# As in **File → Save as…** (Ctrl+Shift+S).
NAMED = re.compile(
    r"\*\*(\w+(?: → [^*→]+)*) → ([^*→]+)\*\*(?: \(((?:Ctrl|Alt|Shift|F\d|\?)[^)]*)\))?"
)


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "packaging" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_command_that_a_page_names_exists_with_those_keys(page: Path) -> None:
    known = {(c.menu.replace("/", " → "), c.text): c.shortcut for c in (*COMMANDS, *PAGE_COMMANDS)}
    for menu, text, keys in NAMED.findall(" ".join(page.read_text(encoding="utf-8").split())):
        assert (menu, text) in known, f"{page.name} names {menu} → {text}"
        if keys:
            assert known[menu, text] == keys, f"{page.name}: {menu} → {text}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_link_and_picture_of_a_page_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} → {target}"
    for alternative in re.findall(r"!\[([^\]]*)\]", text):
        assert alternative.strip(), f"a picture of {page.name} says nothing to those who cannot see"


def test_every_page_is_reached_from_the_first() -> None:
    first = (GUIDE / "index.md").read_text(encoding="utf-8")
    assert {p.name for p in PAGES} == {"index.md", *re.findall(r"\]\((\w+\.md)\)", first)}


def test_the_list_of_commands_is_the_table() -> None:
    written = (GUIDE / "commands.md").read_text(encoding="utf-8")
    assert written == script("command_list").command_list(), "run: make screenshots"


def test_every_picture_of_the_guide_is_made_by_the_script() -> None:
    made = {shot.name for shot in script("screenshots").SHOTS}
    shown = {
        Path(target).stem
        for page in PAGES
        for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    }
    assert shown == made


def test_the_window_shows_each_page_with_its_pictures(application: QApplication) -> None:
    dialog = GuideDialog()
    dialog.show()
    try:
        assert dialog.pages.count() == len(PAGES)
        for k in range(dialog.pages.count()):
            dialog.pages.setCurrentRow(k)
            document = dialog.page.document()
            assert document.toPlainText().startswith(dialog.pages.item(k).text())
            for target in re.findall(r"\]\((\.\./screenshots/[^)]+)\)",
                                     dialog._file_of(k).read_text(encoding="utf-8")):  # fmt: skip
                picture = dialog.page.loadResource(
                    QTextDocument.ResourceType.ImageResource.value, QUrl(target)
                )
                assert isinstance(picture, QImage) and not picture.isNull()
                assert picture.deviceIndependentSize().width() <= dialog.page.viewport().width()
    finally:
        dialog.close()


def test_searching_leaves_the_pages_that_hold_the_word(application: QApplication) -> None:
    dialog = GuideDialog()
    dialog.search.setText("weights turned into activation")
    visible = [
        dialog.pages.item(k).text() for k in range(dialog.pages.count())
        if not dialog.pages.item(k).isHidden()
    ]  # fmt: skip
    assert visible == ["Concepts and statistics"]
    assert dialog.page.textCursor().selectedText() == dialog.search.text()
    dialog.close()


def test_links_have_the_colour_of_the_theme_that_is_worn(application: QApplication) -> None:
    window = MainWindow(None, Settings(), use_3d=False)
    window.show()
    dialog = GuideDialog(window)
    dialog.show()
    for theme in (Theme.LIGHT, Theme.DARK, Theme.LIGHT):
        window.set_theme(theme)
        assert palette_of(theme).accent in dialog.page.document().defaultStyleSheet()
    dialog.close()
    window.close()
    window.deleteLater()
