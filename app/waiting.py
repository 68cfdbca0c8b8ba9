"""Letting the window work until it is at rest, without starving its workers."""

from collections.abc import Callable

from PySide6.QtCore import QEventLoop, QTimer


def wait_until(is_idle: Callable[[], bool], timeout_s: float) -> bool:
    """Run the event loop until `is_idle` holds twice in a row; returns whether it got there."""
    loop = QEventLoop()
    quiet = 0

    def look() -> None:
        nonlocal quiet
        quiet = quiet + 1 if is_idle() else 0
        if quiet >= 2:
            loop.quit()

    watch = QTimer(interval=5)
    watch.timeout.connect(look)
    watch.start()
    # Stopped with the loop: one that still waits would hold on to it.
    limit = QTimer(singleShot=True, interval=round(1000 * timeout_s))
    limit.timeout.connect(loop.quit)
    limit.start()
    loop.exec()
    watch.stop()
    limit.stop()
    return quiet >= 2
