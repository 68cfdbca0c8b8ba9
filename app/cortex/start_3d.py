"""Whether the cortex can be drawn here: asked of OpenGL once a machine, off the GUI thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from app.cortex.probe import HARDWARE, NO_ANSWER, OpenGL, examine_opengl, machine_key
from app.style import palette_of
from app.tasks import Lane

if TYPE_CHECKING:
    from app.window import MainWindow


def start_3d(window: MainWindow, use_3d: bool) -> None:
    """Have the cortex drawn where OpenGL works, and say why not where it does not."""
    if not use_3d:
        window.cortex.say("The cortex is not drawn: 3D is switched off.")
        return

    known = window.settings.opengl.get(machine_key())

    def ready(found: OpenGL) -> None:
        answer = found.answer
        # A machine that was too busy to answer may answer the next time.
        window.settings.opengl = {} if NO_ANSWER in answer else {machine_key(): answer}
        if found.works:
            window.cortex.start_3d(smooth=answer == HARDWARE)
            return
        window.cortex.start_without_opengl()
        if answer != known:
            said = f"The cortex is drawn without OpenGL, which is slower. {answer}"
            colour = palette_of(window.theme).text
            window.message.offer(
                said, "Try again", lambda: try_again(window), colour, found.details
            )

    def failed(error: BaseException) -> None:
        window.cortex.say(f"The cortex is not drawn: its library cannot be loaded ({error}).")

    window.cortex.say("preparing the cortex…")
    window.controller.tasks.submit(
        Lane.OPENING, "opengl", lambda _: _ready_for_3d(known), ready, failed
    )


def try_again(window: MainWindow) -> None:
    """Ask OpenGL again, as after a driver was mended."""
    window.settings.opengl = {}
    start_3d(window, use_3d=True)


def _ready_for_3d(known: str | None) -> OpenGL:
    """Ask for OpenGL where the answer is not known, and load the drawing library off the GUI."""
    # The trial runs in a process of its own: meanwhile this one loads.
    with ThreadPoolExecutor(1) as asking_meanwhile:
        trial = asking_meanwhile.submit(examine_opengl) if known is None else None
        from nsdviewer.rendering.loading import load_before_opengl

        load_before_opengl()
        import app.cortex.brain_view
        import app.cortex.software  # noqa: F401

        return trial.result() if trial is not None else OpenGL(str(known))
