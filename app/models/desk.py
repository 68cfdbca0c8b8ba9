"""Between the inventory of models and one window: reading it, and doing what is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QMessageBox

from app import questions
from app.bench.generators import FLOW
from app.models.dialog import ModelsDialog
from app.models.download_dialog import DownloadDialog
from app.models.links import leads_to_models
from app.models.listing import size_said
from app.style import palette_of
from app.tasks import Lane
from nsdviewer.background import JobStage
from nsdviewer.errors import NsdViewerError
from nsdviewer.state import Theme

if TYPE_CHECKING:
    from app.window import MainWindow
    from nsdviewer.background import JobView
    from nsdviewer.models.catalogue import CatalogueEntry
    from nsdviewer.session.model_entries import ModelEntry

_KINDS = "Models (*.safetensors *.pkl *.pt *.bin);;All files (*)"
_MOST_CHOSEN = 50
_ASK_TIMEOUT_S = 8.0
_HOME = ("root", "subject", "space", "version", "embedding", "decoder", "encoder", "generator")


class ModelsDesk(QObject):
    """Opens the manager, keeps it as the window is, and carries out what its buttons ask."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self.dialog: ModelsDialog | None = None
        self.download_dialog: DownloadDialog | None = None
        self.entries: tuple[ModelEntry, ...] = ()
        window.controller.viewChanged.connect(self._on_view)
        window.controller.failed.connect(self._on_failed)
        window.application.jobs.ended.connect(self._on_ended)

    # --- opening -----------------------------------------------------------------------------

    def open(self) -> None:
        """Show the manager."""
        if self.dialog is None:
            self.dialog = ModelsDialog(self._window)
            self.dialog.asked.connect(self._act)
            self.dialog.opened.connect(self.read)
        self.dialog.come()

    def read(self, then: Callable[[], None] | None = None) -> None:
        """Read the inventory on a worker's thread, and show it."""
        view, settings = self._window.controller.view, self._window.settings
        workspace = view.workspace if view is not None else None
        state = view.state if view is not None else None
        chosen = [Path(name) for name in settings.chosen_models]
        training = Path(settings.training_folder) if settings.training_folder else None

        def run(_: Any) -> tuple[ModelEntry, ...]:
            from nsdviewer.session.model_inventory import list_models

            # The generator in the making that was watched last, where its folder is still there.
            watched = [training] if training is not None and training.is_dir() else []
            return list_models(workspace, state, [*chosen, *watched])

        def show(entries: tuple[ModelEntry, ...]) -> None:
            self._show(entries)
            if then is not None:
                then()

        self._window.controller.tasks.submit(Lane.DATA, "models", run, show)

    def _show(self, entries: tuple[ModelEntry, ...]) -> None:
        self.entries = entries
        if self.dialog is not None:
            may_use = "" if self._window.controller.view else "Open a subject first."
            self.dialog.show_models(entries, self._theme(), may_use)

    def _theme(self) -> Theme:
        view = self._window.controller.view
        return view.state.theme if view is not None else Theme(self._window.settings.theme)

    def _remember(self, state: Any) -> None:
        """Keep the files that a person used among those the manager shows."""
        settings = self._window.settings
        used = [getattr(state, name) for name in ("decoder", "encoder", "generator")]
        news = [n for n in used if n and n != FLOW and n not in settings.chosen_models]
        if news:
            settings.chosen_models = [*news, *settings.chosen_models][:_MOST_CHOSEN]

    def _on_view(self, before: Any, after: Any) -> None:
        if before is None or before.state is not after.state:
            self._remember(after.state)
        if self.dialog is None or not self.dialog.isVisible():
            return
        moved = before is None or before.workspace is not after.workspace
        fields = (*_HOME, "theme")
        if moved or any(getattr(before.state, f) != getattr(after.state, f) for f in fields):
            self.read()

    def _on_failed(self, sentence: str, _details: str) -> None:
        """Say what went wrong here too: the window's own line may lie behind the manager."""
        if self.dialog is not None and self.dialog.isVisible():
            self.dialog.say(sentence)

    # --- what is asked -----------------------------------------------------------------------

    def _act(self, what: str) -> None:
        entry = self.dialog.chosen() if self.dialog is not None else None
        if what == "choose-file":
            self._add(questions.ask_file(self.dialog, "Choose a model's file", _KINDS))
        elif what == "choose-folder":
            self._add(questions.ask_folder(self.dialog, "Choose a pipeline's or training's folder"))
        elif entry is not None:
            {
                "use": self.use, "fit": self.fit, "download": self.ask_download,
                "folder": _show_folder, "remove": self.remove,
            }[what](entry)  # fmt: skip

    def use(self, entry: ModelEntry) -> None:
        """Use a model for what is shown; another embedding opens the subject anew."""
        self._window.request(**{entry.kind.value: entry.value})
        if self.dialog is not None:
            self.dialog.say(f"asked for {entry.title}…")

    def _add(self, path: Path | None) -> None:
        """Remember a file or folder that the person chose, and show what it is."""
        if path is None:
            return
        settings = self._window.settings
        others = [name for name in settings.chosen_models if name != str(path)]
        settings.chosen_models = [str(path), *others][:_MOST_CHOSEN]
        settings.choose(path)
        settings.save()
        if self.dialog is not None:
            self.dialog.search.clear()

        def choose() -> None:
            for entry in self.entries:
                if self.dialog is not None and entry.path in (path, path.absolute()):
                    self.dialog.list.choose(entry)

        self.read(choose)

    def fit(self, entry: ModelEntry) -> None:
        """Start the job that fits a model."""
        self._start(f"Fit {entry.title.removesuffix(' (usual)')}", entry.command)

    def remove(self, entry: ModelEntry) -> None:
        """Delete a model's file from a cache of ours, after asking."""
        if not self._agrees(
            f"Delete {entry.path}? A fit can be made again, a download fetched again."
        ):
            return
        view = self._window.controller.view
        workspace = view.workspace if view is not None else None

        def run(_: Any) -> None:
            from nsdviewer.session.model_inventory import remove_model

            remove_model(entry, workspace)

        self._window.controller.tasks.submit(Lane.DATA, "models-remove", run, lambda _: self.read())

    def _agrees(self, question: str) -> bool:
        box = QMessageBox(self.dialog or self._window)
        box.setWindowTitle("Remove a model")
        box.setText(question)
        box.setTextFormat(box.textFormat().PlainText)
        delete = box.addButton("Delete it", QMessageBox.ButtonRole.DestructiveRole)
        box.setDefaultButton(box.addButton("Keep it", QMessageBox.ButtonRole.RejectRole))
        box.exec()
        box.deleteLater()
        return box.clickedButton() is delete

    def _start(self, title: str, command: tuple[str, ...]) -> None:
        try:
            self._window.application.jobs.start(title, command)
        except NsdViewerError as error:
            self._say(str(error))
            return
        self._say(f"{title}: running as a job; Ctrl+J shows it")

    def _say(self, text: str) -> None:
        if self.dialog is not None:
            self.dialog.say(text)
        self._window.status.say(text)

    # --- downloads ---------------------------------------------------------------------------

    def ask_download(self, entry: ModelEntry) -> None:
        """Show what would be fetched; it is fetched when the person agrees."""
        from nsdviewer.models.catalogue import find_entry

        found = find_entry(entry.download)
        self.download_dialog = dialog = DownloadDialog(
            self.dialog or self._window, found, self._theme()
        )
        dialog.sizeWanted.connect(lambda: self._ask_size(dialog, found))
        dialog.finished.connect(lambda agreed: self._end_asking(dialog, bool(agreed)))
        dialog.open()

    def _end_asking(self, dialog: DownloadDialog, agreed: bool) -> None:
        self.download_dialog = None
        dialog.deleteLater()
        if agreed:
            self._start(f"Download {dialog.entry.title}", dialog.words())

    def _ask_size(self, dialog: DownloadDialog, entry: CatalogueEntry) -> None:
        def run(_: Any) -> int | None:
            from nsdviewer.models.downloading import ask_size

            return ask_size(entry.remote, timeout_s=_ASK_TIMEOUT_S)

        def tell(text: str) -> None:
            # The answer may come when nobody asks any more.
            if self.download_dialog is dialog:
                dialog.show_size(text)

        def failed(error: BaseException) -> None:
            tell(str(error) if isinstance(error, NsdViewerError) else "not to be had")

        self._window.controller.tasks.submit(
            Lane.FILES, "download-size", run,
            lambda n: tell(size_said(n) or "the server does not say"), failed,
        )  # fmt: skip

    def _on_ended(self, job: JobView) -> None:
        words = tuple(job.record.command)
        if words[:1] not in (("fit",), ("download",), ("train",)) or job.stage is not JobStage.DONE:
            return
        if self.dialog is not None and self.dialog.isVisible():
            self.read()
        view = self._window.controller.view
        if words[:1] == ("download",) and view is not None and self._awaits(words[1]):
            self._window.message.offer(
                "The weights that this subject's embedding needs are here.",
                "Open it with them",
                lambda: self._window.controller.open_state(view.state),
                palette_of(self._theme()).text,
            )

    def _awaits(self, name: str) -> bool:
        from nsdviewer.models.catalogue import find_entry

        view = self._window.controller.view
        return view is not None and view.workspace.embedding_name == find_entry(name).embedding

    # --- where sentences lead ----------------------------------------------------------------

    def offer(self, sentence: str, details: str = "") -> None:
        """Put the way here beside a message that names a model that is missing."""
        if leads_to_models(f"{sentence} {details}"):
            message = self._window.message
            message.add_action("Models…", self.open)


def _show_folder(entry: ModelEntry) -> None:
    if entry.path is not None:
        folder = entry.path if entry.path.is_dir() else entry.path.parent
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
