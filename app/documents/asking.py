"""What commands about documents ask before they act."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QMenu

from app import questions
from app.documents.documents import OPENED_KINDS

if TYPE_CHECKING:
    from app.window import MainWindow


def open_document(window: MainWindow) -> None:
    """Ask for a session, a saved view or a figure, and open it."""
    path = questions.ask_file(window, "Open a session, a view or a figure", OPENED_KINDS)
    if path is not None:
        window.open(path)


def open_subject_window(window: MainWindow) -> None:
    """Offer the subjects of this data folder, each in a window of its own."""
    view = window.controller.view
    if view is None:
        return
    menu = QMenu(window)
    menu.setAccessibleName("Subject for a new window")
    for subject in view.choices.subjects:
        action = menu.addAction(f"Subject {subject}")
        action.triggered.connect(lambda _=False, n=subject: show_subject(window, n))
    menu.aboutToHide.connect(menu.deleteLater)
    menu.popup(window.mapToGlobal(window.rect().center()))
    menu.setActiveAction(menu.actions()[0])


def show_subject(window: MainWindow, subject: int) -> MainWindow | None:
    """Open another window on a subject of this one's data, seen as this one sees its own."""
    session = window.controller.session
    if session is None:
        return None
    other = window.application.new_window()
    if subject == session.state.subject:
        other.controller.open_state(session.state)
    else:
        other.controller.open_other(session.state, {"subject": subject})
    return other
