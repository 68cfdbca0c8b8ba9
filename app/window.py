"""The window: its panels, where they stand, and who hears whom."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtGui import (
    QCloseEvent,
    QContextMenuEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QFont,
)
from PySide6.QtWidgets import QMainWindow

from app import asking, style
from app.application import Application
from app.bench.sampling import Sampler
from app.bench.sheet import SheetDialog
from app.collector import Collector
from app.commands import COMMANDS
from app.composer.composer import FigureComposer
from app.controller import Controller
from app.cortex.start_3d import start_3d
from app.data_warnings import DataWarnings
from app.documents.autosave import Autosave
from app.documents.documents import Documents
from app.documents.recovering import Recovering
from app.documents.window_layout import layout_of
from app.dropping import Dropping
from app.export.dialog import export_menu
from app.icons import themed_icon
from app.jobs.desk import JobDesk
from app.jobs.watching import TrainingWatch
from app.layout import SMALLEST_PX, lay_out
from app.memory import share_one_arena
from app.menus import fill_menus
from app.message_bar import MessageBar
from app.models.desk import ModelsDesk
from app.offer_bar import OfferBar
from app.panels.bars import BarsPanel
from app.panels.bench import BenchPanel
from app.panels.cortex import CortexPanel
from app.panels.gallery import GalleryPanel
from app.panels.header import HeaderPanel
from app.panels.lesion import LesionPanel
from app.panels.slices import SlicesPanel
from app.panels.status import StatusPanel
from app.panels.training import TrainingPanel
from app.panels.trials import TrialsPanel
from app.panels.voxel import VoxelPanel
from app.panels.welcome import WelcomePanel
from app.settings import Settings
from app.tabs import Tabs
from app.view import View, state_differs
from app.waiting import wait_until
from app.wiring import connect
from nsdviewer.rendering.view_kinds import ExportedView
from nsdviewer.state import Theme

if TYPE_CHECKING:
    from nsdviewer.rendering.scene import Scene
    from nsdviewer.session import Session

# A panel is shown by one entry here and one place in `app.layout`.
PANELS: dict[str, type] = {
    "header": HeaderPanel,
    "trials": TrialsPanel,
    "cortex": CortexPanel,
    "slices": SlicesPanel,
    "voxel": VoxelPanel,
    "bench": BenchPanel,
    "bars": BarsPanel,
    "lesion": LesionPanel,
    "status": StatusPanel,
}
# On the cortex itself the right button enlarges; the File menu exports it.
EXPORTED_PANELS = {
    "trials": ExportedView.TRIALS,
    "slices": ExportedView.SLICES,
    "voxel": ExportedView.VOXEL,
    "bench": ExportedView.BENCH,
    "bars": ExportedView.BARS,
}


class MainWindow(QMainWindow):
    """The whole window.

    Parameters
    ----------
    session
        What to show at once; None shows the welcome page.
    use_3d
        Whether to try OpenGL at all.
    application
        What it shares with other windows; None where it is alone.
    """

    header: HeaderPanel
    trials: TrialsPanel
    cortex: CortexPanel
    slices: SlicesPanel
    voxel: VoxelPanel
    bench: BenchPanel
    bars: BarsPanel
    lesion: LesionPanel
    status: StatusPanel

    def __init__(
        self,
        session: Session | None,
        settings: Settings,
        use_3d: bool = True,
        application: Application | None = None,
    ) -> None:
        super().__init__()
        share_one_arena()
        Collector.install()
        self.settings = settings
        self.application = application or Application(settings)
        self.application.add(self)
        self.controller = Controller(self)
        self.controller.drawing = self.application.drawing
        self._theme: Theme | None = None
        self.setWindowIcon(themed_icon("nsdviewer", ""))
        self.setAcceptDrops(True)
        self.setMinimumSize(*SMALLEST_PX)
        font = QFont()
        font.setFamilies(style.FONT_FAMILIES)
        font.setPixelSize(style.TEXT_PX)
        self.setFont(font)
        self.panels: dict[str, Any] = {name: kind() for name, kind in PANELS.items()}
        self.__dict__.update(self.panels)
        self.welcome = WelcomePanel()
        self.training = TrainingPanel()
        self.gallery = GalleryPanel(self)
        self.sheet = SheetDialog(self, self.controller, settings)
        self.sampler = Sampler(self.controller)
        self.watch = TrainingWatch(
            self.training, self.controller.tasks, settings,
            self.show_training, lambda: asking.ask_training(self),
        )  # fmt: skip
        self.message = MessageBar()
        self.offers = OfferBar()
        self.desk = JobDesk(self)
        self.models = ModelsDesk(self)
        self.composer = FigureComposer(self)
        self.pages, self.workbench = lay_out(self)
        self.documents = Documents(self)
        self.autosave = Autosave(
            self.controller.tasks, self.application.recovery, self.documents.document,
            lambda: layout_of(self), self,
        )  # fmt: skip
        self.composer.travel_with(self.documents, self.autosave)
        self.recovering = Recovering(self, self.application.recovery)
        self.command_table = COMMANDS
        self.commands = fill_menus(self)
        connect(self)
        self.dropping = Dropping(self)
        self._wear(Theme(settings.theme))
        self.welcome.show_recent(settings.recent_roots, settings.recent_files)
        self.show_document()
        self.resize(*settings.size)
        start_3d(self, use_3d)
        if session is not None:
            self.controller.open_session(session)

    # --- what the window does ----------------------------------------------------------------

    def request(self, **changes: Any) -> None:
        self.controller.request(changes)

    def open(self, path: Path) -> None:
        """Open an NSD root, a session, a saved view or a figure that a person chose."""
        self.message.hide()
        self.documents.open(path)

    def open_demo(self) -> None:
        self.message.hide()
        self.controller.open_demo(self._theme or Theme.DARK)

    def save_view(self, path: Path) -> None:
        """Write the state as JSON."""
        view = self.controller.view
        if view is None:
            return
        try:
            view.state.save(path)
        except OSError as error:
            self.show_error(f"The view cannot be written to {path}: {error.strerror}.", "")

    def export_figure(self, path: Path) -> None:
        """Write the figure, and the state beside it as JSON."""
        self.controller.export(path)

    @property
    def below(self) -> Tabs:
        """The bars and the lesion, one of them in sight."""
        return self.workbench.below

    @property
    def theme(self) -> Theme:
        """What the window wears."""
        return self._theme or Theme.DARK

    def toggle_theme(self) -> None:
        self.set_theme(Theme.LIGHT if self._theme is Theme.DARK else Theme.DARK)

    def set_theme(self, theme: Theme) -> None:
        """Wear a theme that a person chose; with a subject open it belongs to the view."""
        self.settings.follows_system_theme = False
        self.wear(theme)

    def wear(self, theme: Theme) -> None:
        """Wear a theme, chosen or the system's."""
        if self.controller.view is None:
            self._wear(theme)
        else:
            self.request(theme=theme)

    def show_gallery(self) -> None:
        """Open more seeds of what is reconstructed, over the brain."""
        self.gallery.show_over(self.cortex)

    def show_training(self) -> None:
        """Show the training that is watched in place of the brain."""
        self.pages.setCurrentWidget(self.training)
        self.header.hide()
        self.training.setFocus()

    def leave_training(self) -> None:
        """Go back to the brain, or to the welcome page where none is open."""
        has_view = self.controller.view is not None
        self.pages.setCurrentWidget(self.workbench if has_view else self.welcome)
        self.header.setVisible(has_view)

    def scene(self) -> Scene | None:
        """Return the scene that is shown."""
        return self.controller.view.scene if self.controller.view is not None else None

    def show_error(self, sentence: str, details: str) -> None:
        theme = self._theme or Theme.DARK
        self.message.show_message(sentence, details, style.palette_of(theme).text)
        self.models.offer(sentence, details)

    def show_warning(self, sentence: str) -> None:
        self.show_error(sentence, "")

    def heed(self, found: DataWarnings) -> None:
        # Warnings come from worker threads; a queued call reaches this one.
        found.noticed.connect(self._heed, Qt.ConnectionType.QueuedConnection)

    def _heed(self, sentence: str, thread_id: int) -> None:
        if self.application.is_meant(self, thread_id):
            self.show_warning(sentence)

    @property
    def idle(self) -> bool:
        """Whether nothing is under way or about to be."""
        parts = (self.documents, self.composer, *self.panels.values())
        return self.controller.idle and not any(getattr(part, "busy", False) for part in parts)

    def wait_idle(self, timeout_s: float = 60.0) -> bool:
        """Let the window work until nothing is under way; returns whether it got there."""
        return wait_until(lambda: self.idle, timeout_s)

    # --- what the window hears ---------------------------------------------------------------

    def show_view(self, before: View | None, after: View) -> None:
        changed_home = before is not None and before.workspace is not after.workspace
        if before is not None and before.state is not after.state:
            # What a person goes on from is no news any more.
            self.message.hide()
        if before is None or changed_home:
            self.leave_training()
        if before is None:
            self.workbench.share_out(self.width(), self.height())
            self.trials.list.setFocus()
            self.status.show()
        if state_differs(before, after, "theme"):
            self._wear(after.state.theme)
        for panel in self.panels.values():
            panel.show_view(None if changed_home else before, after)
        if before is None or changed_home:
            self.settings.remember_state(after.state)

    def show_document(self) -> None:
        """Say in the title what is open, and whether its file holds it."""
        state = self.controller.session.state if self.controller.session is not None else None
        file = self.documents.file
        parts = [file.name] if file is not None else []
        if state is not None:
            parts += [Path(state.root).name, f"subject {state.subject}"]
        # Two marks in a row stand for the mark itself.
        name = " · ".join(parts).replace("[*]", "[*][*]")
        self.setWindowTitle(f"{name}[*] – nsdviewer" if parts else "nsdviewer[*]")
        self.setWindowModified(self.documents.is_modified)
        self.autosave.note()

    def _wear(self, theme: Theme) -> None:
        if theme is not self._theme:
            self._theme = theme
            self.settings.theme = theme.value
            self.setPalette(style.application_palette(theme))
            self.setStyleSheet(style.style_sheet(theme))
            self.training.wear(theme)
            self.desk.wear(theme)

    def show_progress(self, kind: str, fraction: float, text: str) -> None:
        self.status.show_progress(kind, fraction, text)
        if kind == "open" and self.pages.currentIndex() == 0:
            self.welcome.show_progress(fraction, text)

    def show_finished(self, kind: str) -> None:
        self.status.finish(kind)
        if kind == "open":
            self.welcome.finish()

    def go_to_vertex(self, hemisphere: Any, vertex: int) -> None:
        from nsdviewer.session.cursor import voxel_of_vertex

        view = self.controller.view
        if view is None:
            return
        voxel = voxel_of_vertex(view.workspace, hemisphere, vertex)
        if voxel is None:
            self.status.say("no voxel for this vertex: outside the volume, or no transforms")
        else:
            self.request(voxel=voxel, vertex=(hemisphere, vertex))

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer to export the panel under the pointer, where it has no menu of its own."""
        if self.controller.view is None:
            return
        for name, view in EXPORTED_PANELS.items():
            panel = self.panels[name]
            if panel.isVisible() and panel.rect().contains(panel.mapFromGlobal(event.globalPos())):
                export_menu(self, view).popup(event.globalPos())
                return

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        self.dropping.enter(event)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self.dropping.leave()

    def dropEvent(self, event: QDropEvent) -> None:
        self.dropping.drop(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        if not self.desk.may_close():
            event.ignore()
            return
        self.documents.close()
        self.autosave.close()
        self.settings.size = (self.width(), self.height())
        self.settings.save()
        # What still works may take a moment to notice, and the person has closed the window.
        self.hide()
        self.composer.close()
        self.cortex.close_3d()
        self.application.remove(self)
        super().closeEvent(event)
