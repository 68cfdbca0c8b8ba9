"""What a file says is shown letter by letter: no text is markup, and none opens a picture."""

import ast
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("PySide6")
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QTextDocument
from PySide6.QtWidgets import QApplication, QLabel, QWidget

from app.documents.dialogs import RelocateDialog, TrustDialog
from app.message_bar import MessageBar
from app.offer_bar import OfferBar
from app.plain_text import caption, plain
from nsdviewer.state.named_paths import NamedPath, PathUse

APP = Path(__file__).resolve().parents[2] / "app"
MARKUP = st.lists(
    st.sampled_from(["<b>", "</b>", "<img src='x.png'>", "&amp;", "&", "<", "a", " ", "\n", '"']),
    max_size=12,
).map("".join)


@given(MARKUP | st.text(max_size=30))
def test_a_tooltip_shows_its_text_as_it_is(text: str) -> None:
    given_to_qt = plain(text)
    if given_to_qt != text:
        document = QTextDocument()
        document.setHtml(given_to_qt)
        assert document.toPlainText() == text.rstrip("\n") or document.toPlainText() == text


@given(MARKUP | st.text(max_size=30))
def test_a_caption_has_no_key_and_no_shortcut(text: str) -> None:
    shown = caption(text)
    assert QKeySequence.mnemonic(shown).isEmpty() and len(shown.splitlines()) <= 1
    assert "\t" not in shown and shown.replace("&&", "&").split() == text.split()


def is_said_plainly(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return True
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "plain"
    )


def test_every_label_is_plain_and_every_tooltip_said_plainly() -> None:
    wrong = []
    for path in sorted(APP.rglob("*.py")):
        if path.name == "plain_text.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            is_label = isinstance(node.func, ast.Name) and node.func.id == "QLabel"
            is_tip = name == "setToolTip" or (name == "showText" and len(node.args) >= 2)
            if is_label or (is_tip and not is_said_plainly(node.args[-1])):
                wrong.append(f"{path.relative_to(APP)}:{node.lineno}")
    assert not wrong, "use app.plain_text: " + ", ".join(wrong)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.timeout(60)
def test_no_text_of_a_file_opens_what_it_names(application: QApplication, tmp_path: Path) -> None:
    # Whoever opened it would wait for ever.
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    text = f'<img src="{pipe}">'
    message, window = MessageBar(), QWidget()
    message.show_message(text, text, "#ffffff")
    offer = OfferBar()
    offer.offer("it", text, ())
    places = (PathUse.ROOT, text), (PathUse.LAYER, f"/x/{text}.nii")
    strange = tuple(NamedPath(*each) for each in places)
    trust, moved = TrustDialog(window, text, strange), RelocateDialog(window, text, strange)
    for each in (message, offer, trust, moved):
        each.show()
        each.grab()
        for label in each.findChildren(QLabel):
            assert label.textFormat() is Qt.TextFormat.PlainText, label.text()
        each.close()
    assert "&lt;img" in trust.list.topLevelItem(0).toolTip(1)
