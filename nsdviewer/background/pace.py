"""How long a job will still take, from how it went on while somebody looked."""

from collections import deque

# A resumed job leaps to where it was: only what was seen to be done tells how fast it goes.
_LEAST_SECONDS, _LEAST_DONE = 5.0, 0.02
_N_LATE = 60


class Paces:
    """The progress of jobs as it was seen, by id."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[tuple[float, float]]] = {}

    def seconds_left(self, job_id: str, now_s: float, fraction: float) -> float | None:
        """Note how far a job is, and return the time it still takes; None while little is known.

        Parameters
        ----------
        now_s
            On a clock that never goes back.
        fraction
            0..1.
        """
        seen = self._seen.setdefault(job_id, deque(maxlen=_N_LATE))
        if seen and fraction < seen[-1][1]:  # begun anew
            seen.clear()
        if not seen or fraction > seen[-1][1]:
            seen.append((now_s, fraction))
        began_s, first = seen[0]
        last_s, last = seen[-1]
        seconds, done = last_s - began_s, last - first
        if seconds < _LEAST_SECONDS or done < _LEAST_DONE or last >= 1:
            return None
        left = (1 - last) * seconds / done
        return max(left - (now_s - last_s), 0.0)

    def forget(self, job_id: str) -> None:
        """Drop what was seen of a job."""
        self._seen.pop(job_id, None)
