"""Pieces of linear algebra side by side, each on one thread.

The last bits of a matrix product depend on how many threads a BLAS library splits it among. Here
every piece is computed by one thread and the cores are kept busy by doing several pieces at once,
so that the numbers are the same on a laptop, on a cluster's workers, and whatever OMP_NUM_THREADS
says. It also does not stall where other programs want the cores: no thread waits for another in
the middle of a product.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from nsdviewer.jobs import Progress, SilentProgress

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def one_thread_each() -> Iterator[ThreadPoolExecutor]:
    """Open as many threads as BLAS may use, and leave BLAS one in each and outside them.

    What runs there calls numpy's products or scipy's LAPACK: torch keeps a thread pool of its own,
    which is not held back, and scipy's BLAS functions keep Python's lock.
    """
    # scipy's BLAS is another library than numpy's, and only counts once it is loaded.
    import scipy.linalg  # noqa: F401
    from threadpoolctl import ThreadpoolController

    controller = ThreadpoolController()
    blas = controller.select(user_api="blas").info()
    n_threads = max((library["num_threads"] for library in blas), default=1)
    with controller.limit(limits=1, user_api="blas"), ThreadPoolExecutor(n_threads) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def map_one_thread_each(
    function: Callable[[T], R],
    pieces: Sequence[T],
    progress: Progress | None = None,
    what: str = "",
) -> list[R]:
    """Return ``[function(piece) for piece in pieces]``; see `one_thread_each`.

    Parameters
    ----------
    progress, what
        Whom to tell after each piece, on the calling thread, and what to say.

    Raises
    ------
    Cancelled
        If `progress` says so; pieces that have not begun are dropped.
    """
    told = progress or SilentProgress()
    results: list[R] = []
    with one_thread_each() as pool:
        for done, result in enumerate(pool.map(function, pieces)):
            results.append(result)
            told.report((done + 1) / len(pieces), what)
    return results
