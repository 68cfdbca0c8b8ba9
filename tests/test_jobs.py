"""Laws of the worker: the newest request wins, a cancelled one stops, results come home."""

import gc
import io
import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterator

import pytest

from nsdviewer.errors import Cancelled
from nsdviewer.jobs import Job, PartProgress, StreamProgress, Ticket, Worker


class Home:
    """A stand-in for a GUI thread: callbacks run when this thread says so."""

    def __init__(self) -> None:
        self.calls: queue.Queue[Callable[[], None]] = queue.Queue()

    def run(self, seconds: float = 5.0, until: Callable[[], bool] = lambda: False) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            try:
                self.calls.get(timeout=0.02)()
            except queue.Empty:
                continue


@pytest.fixture
def home() -> Home:
    return Home()


@pytest.fixture
def worker(home: Home) -> Iterator[Worker]:
    made = Worker(home.calls.put)
    yield made
    made.close()


def test_only_the_newest_of_a_kind_is_delivered(worker: Worker, home: Home) -> None:
    results: list[int] = []
    started = threading.Event()

    def work(ticket: Ticket, value: int) -> int:
        started.set()
        for _ in range(20):
            ticket.report(0.5)
            time.sleep(0.005)
        return value

    for value in range(5):
        job = Job("map", lambda t, v=value: work(t, v), results.append, lambda e: None)
        worker.submit(job)
    home.run(until=lambda: worker.idle)
    assert results == [4]


def test_kinds_do_not_supersede_each_other(worker: Worker, home: Home) -> None:
    results: list[str] = []
    for kind in ("map", "card", "search"):
        worker.submit(Job(kind, lambda t, k=kind: k, results.append, lambda e: None))
    home.run(until=lambda: worker.idle)
    assert results == ["map", "card", "search"]


def test_a_cancelled_job_ends_with_cancelled(worker: Worker, home: Home) -> None:
    errors: list[BaseException] = []
    started = threading.Event()

    def forever(ticket: Ticket) -> None:
        started.set()
        while True:
            ticket.report(0.1)
            time.sleep(0.005)

    worker.submit(Job("fit", forever, lambda r: None, errors.append))
    assert started.wait(5)
    worker.cancel("fit")
    home.run(until=lambda: worker.idle)
    assert len(errors) == 1
    assert isinstance(errors[0], Cancelled)


def test_an_error_reaches_the_asker_and_the_worker_goes_on(worker: Worker, home: Home) -> None:
    errors: list[BaseException] = []
    results: list[int] = []
    worker.submit(Job("a", lambda t: 1 // 0, results.append, errors.append))
    worker.submit(Job("b", lambda t: 2, results.append, errors.append))
    home.run(until=lambda: worker.idle)
    assert [type(e) for e in errors] == [ZeroDivisionError]
    assert results == [2]


def test_results_are_delivered_on_the_asking_thread(worker: Worker, home: Home) -> None:
    threads: list[threading.Thread] = []
    worker.submit(
        Job("a", lambda t: None, lambda r: threads.append(threading.current_thread()), print)
    )
    home.run(until=lambda: worker.idle)
    assert threads == [threading.current_thread()]


def test_parts_of_progress_add_up_to_the_whole() -> None:
    seen: list[float] = []
    whole = Ticket(lambda fraction, message: seen.append(fraction))
    for start, stop in ((0.0, 0.25), (0.25, 1.0)):
        part = PartProgress(whole, start, stop)
        part.report(0.0)
        part.report(1.0)
    assert seen == [0.0, 0.25, 0.25, 1.0]


def test_a_stream_that_is_no_terminal_gets_few_lines() -> None:
    stream = io.StringIO()
    progress = StreamProgress(stream, period_s=60)
    for k in range(1000):
        progress.report(k / 1000, "working")
    progress.report(1.0, "done")
    assert stream.getvalue().splitlines() == ["  0% working", "100% done"]


def test_a_worker_that_waits_holds_on_to_nothing(worker: Worker, home: Home) -> None:
    class Data:
        """What a job works on."""

    def submit() -> "weakref.ref[Data]":
        data = Data()
        worker.submit(Job("map", lambda _: id(data), lambda _: None, lambda _: None))
        return weakref.ref(data)

    held = submit()
    home.run(until=lambda: worker.idle)
    home.run(0.2, until=lambda: held() is None)
    gc.collect()
    assert held() is None
