"""The process that draws: it stays, says faults, dies, and is there again."""

import os
import time

import pytest

pytest.importorskip("PySide6")

from app.export.drawing_process import DrawingProcess
from nsdviewer.errors import Cancelled, NsdViewerError
from nsdviewer.jobs import Ticket


def test_the_process_stays_says_faults_dies_and_is_there_again():
    drawing = DrawingProcess()
    try:
        first = drawing.run(os.getpid)
        assert drawing.run(os.getpid) == first != os.getpid()
        with pytest.raises(NsdViewerError, match="a mess"):
            drawing.run(_raise, "a mess")
        assert drawing.pid == first
        with pytest.raises(NsdViewerError, match="exit status 3"):
            drawing.run(os._exit, 3)
        # Killed while it waits: the next request starts another, and nobody hears of it.
        second = drawing.run(os.getpid)
        os.kill(second, 9)
        third = drawing.run(os.getpid)
        assert len({first, second, third}) == 3
        ticket = Ticket()
        ticket.cancel()
        begun = time.monotonic()
        with pytest.raises(Cancelled):
            drawing.run(time.sleep, 30.0, progress=ticket)
        assert time.monotonic() - begun < 10
    finally:
        drawing.close()
    assert drawing.pid is None


def _raise(sentence: str) -> None:
    raise NsdViewerError(sentence)
