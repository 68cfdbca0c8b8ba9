"""Looking on while a pipeline of diffusers takes its steps, by whichever door it has."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

# Called after each step with its number from 1, and the noisy sample as it stands.
OnStep = Callable[[int, torch.Tensor], None]


@contextmanager
def watched_steps(
    pipeline: Any, schedulers: Sequence[Any], on_step: OnStep
) -> Iterator[dict[str, Any]]:
    """Yield the arguments with which a call of `pipeline` tells `on_step` of each step.

    Pipelines have ``callback_on_step_end``, or the older ``callback``, or neither; then the steps of
    `schedulers`, which it takes one after the other, are counted, and let go at the end. What
    `on_step` raises passes through the pipeline and ends its work.
    """
    accepted = inspect.signature(type(pipeline).__call__).parameters
    n_done = 0

    def count(sample: torch.Tensor) -> None:
        nonlocal n_done
        n_done += 1
        on_step(n_done, sample)

    if "callback_on_step_end" in accepted:

        def at_end(_: Any, step: int, time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            count(tensors["latents"])
            return {}

        yield {"callback_on_step_end": at_end}
    elif "callback" in accepted:
        yield {"callback": lambda step, time, sample: count(sample), "callback_steps": 1}
    else:
        for scheduler in schedulers:
            scheduler.step = _counted(scheduler.step, count)
        try:
            yield {}
        finally:
            for scheduler in schedulers:
                # The instance's attribute goes, and the class's method shows again.
                del scheduler.step


def _counted(step: Callable[..., Any], count: Callable[[torch.Tensor], None]) -> Callable[..., Any]:
    def counted(*args: Any, **kwargs: Any) -> Any:
        result = step(*args, **kwargs)
        count(result[0])
        return result

    return counted
