"""Who hears whom: the signals of the panels, the controller and the window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app import asking
from app.concept.memory import ConceptMemory
from app.faults import copy_report

if TYPE_CHECKING:
    from app.window import MainWindow


def connect(window: MainWindow) -> None:
    """Connect all parts of `window`."""
    _connect_controller(window)
    _connect_panels(window)
    _connect_generators(window)
    _connect_welcome(window)


def _connect_controller(window: MainWindow) -> None:
    controller = window.controller
    controller.viewChanged.connect(window.show_view)
    controller.failed.connect(window.show_error)
    controller.tasks.progressed.connect(window.show_progress)
    controller.tasks.finished.connect(window.show_finished)
    window.message.reportWanted.connect(lambda details: copy_report(window, details))
    controller.exported.connect(lambda p: window.status.say(f"figure written: {p}"))
    controller.thumbnailsReady.connect(window.trials.add_thumbnails)


def _connect_panels(window: MainWindow) -> None:
    controller = window.controller
    for panel in window.panels.values():
        panel.wanted.connect(controller.request)
    window.trials.thumbnailsWanted.connect(controller.want_thumbnails)
    window.header.conceptTyped.connect(controller.typed.type)
    window.header.conceptMoved.connect(lambda text: controller.typed.type(text, at_once=True))
    controller.typed.ended.connect(window.header.box.leave_typing)
    window.header.use_memory(ConceptMemory(window.settings))
    window.header.figureWanted.connect(lambda: asking.ask_figure(window))
    window.cortex.vertexClicked.connect(window.go_to_vertex)
    window.status.cancelled.connect(controller.tasks.cancel)
    window.lesion.watchedChanged.connect(controller.watch)
    window.training.left.connect(window.leave_training)


def _connect_generators(window: MainWindow) -> None:
    controller, gallery, sampler, bench = (
        window.controller, window.gallery, window.sampler, window.bench,
    )  # fmt: skip
    bench.generatorFileWanted.connect(lambda: asking.ask_generator_file(window))
    bench.generatorFolderWanted.connect(lambda: asking.ask_generator_folder(window))
    bench.moreSeedsWanted.connect(window.show_gallery)
    bench.sheetWanted.connect(lambda: window.sheet.open_for(controller.view))
    for panel in (bench, window.header, window.bars):
        panel.models_link.clicked.connect(window.models.open)
    bench.cancelWanted.connect(lambda: controller.tasks.cancel("reconstruction"))
    controller.viewChanged.connect(gallery.show_view)
    gallery.wanted.connect(controller.request)
    gallery.opened.connect(sampler.open)
    gallery.closed.connect(sampler.close)
    gallery.pageTurned.connect(sampler.turn_page)
    gallery.cancelled.connect(sampler.cancel)
    gallery.goOnWanted.connect(sampler.go_on)
    sampler.changed.connect(gallery.show_samples)
    sampler.progressed.connect(gallery.show_progress)


def _connect_welcome(window: MainWindow) -> None:
    welcome = window.welcome
    welcome.openWanted.connect(lambda: asking.ask_root(window))
    welcome.demoWanted.connect(window.open_demo)
    welcome.rootWanted.connect(lambda root: window.open(Path(root)))
    welcome.cancelled.connect(window.controller.openings.cancel)
    welcome.sessionWanted.connect(lambda path: window.open(Path(path)))
    welcome.lostWanted.connect(window.recovering.open)
    welcome.lostForgotten.connect(window.recovering.forget)
    welcome.jobsWanted.connect(window.desk.toggle)
    window.recovering.offered.connect(welcome.show_lost)
    window.desk.interruptedChanged.connect(welcome.show_interrupted)
    window.documents.changed.connect(window.show_document)
    window.autosave.failed.connect(window.show_warning)
