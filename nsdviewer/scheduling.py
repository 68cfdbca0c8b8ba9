"""Where independent pieces of work run: in this process, or on Dask's workers.

Results come back in the order of the pieces, and every piece is computed with the same number of
threads wherever it runs, so that a map does not depend on the machines that made it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from nsdviewer.errors import RequestError
from nsdviewer.jobs import Progress

T = TypeVar("T")
R = TypeVar("R")

_LOCAL = "local:"
_CONNECT_TIMEOUT_S = 20


class Scheduler(Protocol):
    """What runs pieces of work."""

    def map(
        self, function: Callable[[T], R], pieces: Sequence[T], progress: Progress, what: str
    ) -> list[R]:
        """Return ``[function(piece) for piece in pieces]``.

        Parameters
        ----------
        function
            Picklable where the work may leave this process; large arrays inside it are sent to
            each worker once.
        what
            What progress says is being done.
        """
        ...


class InProcess:
    """Runs one piece after the other, here."""

    def map(
        self, function: Callable[[T], R], pieces: Sequence[T], progress: Progress, what: str
    ) -> list[R]:
        """Return the results in order; see `Scheduler`."""
        results = []
        for done, piece in enumerate(pieces):
            progress.report(done / len(pieces), what)
            results.append(function(piece))
        return results


class OnDask:
    """Runs pieces on the workers of a Dask cluster.

    Parameters
    ----------
    client
        A connected ``distributed.Client``.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def map(
        self, function: Callable[[T], R], pieces: Sequence[T], progress: Progress, what: str
    ) -> list[R]:
        """Return the results in order; see `Scheduler`."""
        from distributed import as_completed

        shared = self._client.scatter(function, broadcast=True, hash=False)
        futures = [self._client.submit(_call, shared, piece, pure=False) for piece in pieces]
        try:
            for done, future in enumerate(as_completed(futures)):
                if future.status == "error":
                    future.result()  # raises what the piece raised
                progress.report((done + 1) / len(pieces), what)
            return list(self._client.gather(futures))
        finally:
            self._client.cancel(futures)


def _call(function: Callable[[T], R], piece: T) -> R:
    return function(piece)


@contextmanager
def open_scheduler(where: str = "") -> Iterator[Scheduler]:
    """Open the scheduler that a name means, and close it afterwards.

    Parameters
    ----------
    where
        ``""`` for this process, ``local:N`` for N worker processes on this machine, or the address
        of a running Dask scheduler, as in ``tcp://10.0.0.1:8786``. Its workers need nsdviewer
        installed and the data at the same path.

    Raises
    ------
    RequestError
        If the name cannot be read or nobody answers at the address.
    """
    if not where:
        yield InProcess()
        return
    import dask
    from distributed import Client, LocalCluster

    quiet = {"distributed.logging.distributed": "error", "distributed.admin.log-format": ""}
    with dask.config.set({k: v for k, v in quiet.items() if v}):
        if where.startswith(_LOCAL):
            n_workers = _count(where)
            with (
                LocalCluster(
                    n_workers=n_workers, threads_per_worker=1, dashboard_address=None,
                    memory_limit=0,
                ) as cluster,
                Client(cluster) as client,
            ):  # fmt: skip
                yield OnDask(client)
            return
        try:
            client = Client(where, timeout=_CONNECT_TIMEOUT_S)
        except (OSError, ValueError) as error:
            raise RequestError(
                f"No Dask scheduler answers at '{where}' ({type(error).__name__}); start one with "
                "'dask scheduler', or leave out --scheduler."
            ) from error
        with client:
            yield OnDask(client)


def _count(where: str) -> int:
    text = where.removeprefix(_LOCAL)
    if not text.isdigit() or int(text) < 1:
        raise RequestError(
            f"'{where}' names no cluster; write local:2 for two workers on this machine, or an "
            "address such as tcp://10.0.0.1:8786."
        )
    return int(text)
