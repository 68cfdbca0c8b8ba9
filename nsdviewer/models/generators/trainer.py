"""Training of a generator in a run folder: killed at any moment, it goes on and ends the same.

All that is random at a step (its pictures, their mirroring, noise, perturbation) follows from the
seed, the step's number and the process's; a checkpoint then holds only what was learnt.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nsdviewer.errors import Cancelled, CheckpointError
from nsdviewer.jobs import Progress
from nsdviewer.models.checkpoints import save_checkpoint
from nsdviewer.models.generators.image_set import ImageSet
from nsdviewer.models.generators.plan import Precision
from nsdviewer.models.generators.recipe import (
    Descent,
    Moment,
    PictureBatch,
    Recipe,
    pictures_of_each,
)
from nsdviewer.models.generators.run import WEIGHTS_FILE, GeneratorRun
from nsdviewer.models.generators.watching import Curves, write_sheet
from nsdviewer.models.painter import Seeds, seed_of_each, to_pixels
from nsdviewer.models.runs.distribution import World
from nsdviewer.models.runs.memory import memory_errors
from nsdviewer.models.runs.moments import load_moments, moment_tensors
from nsdviewer.models.runs.run_files import Log, TrainingState, write_state, writing

# What judges the generator on the way: from a function that paints embeddings (n, d), each with its
# seed, to figures.
Paint = Callable[[NDArray[np.float32], Seeds], NDArray[np.uint8]]
Judge = Callable[[Paint], dict[str, float]]


class Trainer:
    """One training of one generator.

    Parameters
    ----------
    recipe
        As built from the run's plan, its random start drawn from the plan's seed.
    state
        What to go on from; None begins.
    judge
        Figures of the averaged generator, logged with each sheet; None for none.

    Raises
    ------
    CheckpointError
        If the state belongs to another plan or other pictures.
    """

    def __init__(
        self,
        run: GeneratorRun,
        recipe: Recipe,
        device: torch.device,
        world: World,
        state: TrainingState | None = None,
        judge: Judge | None = None,
    ) -> None:
        self.plan, self._run, self._recipe = run.plan, run, recipe
        self._device, self._world, self._judge = device, world, judge
        scaled = run.plan.precision is Precision.FLOAT16 and device.type == "cuda"
        self._descent = Descent(world, device, scaled)
        self._n_own = pictures_of_each(run.plan.batch_size, world.size)
        self._batch_size = run.plan.batch_size
        self.n_steps = -(-run.plan.n_images // self._batch_size)
        self.step = 0
        self.seconds = 0.0
        self._sums: dict[str, torch.Tensor] = {}
        self._n_summed: dict[str, int] = {}
        self.finished = False
        if state is not None:
            self._restore(state)
        if world.leads:
            n_bytes = state.values["log_bytes"] if state is not None else 0
            self._log = Log(run.folder, n_bytes)
            self._curves = Curves(run.folder, self.n_shown)

    @property
    def n_shown(self) -> int:
        """Pictures shown so far."""
        return self.step * self._batch_size

    def train(self, progress: Progress) -> None:
        """Train to the end, with checkpoints on the way.

        Raises
        ------
        Cancelled
            If `progress` does; the state is written before.
        RequestError
            If memory runs out.
        DataError
            If the folder takes no more; the last checkpoint stays.
        CheckpointError
            If the loss is no longer a number.
        """
        gpus = [self._device] if self._device.type == "cuda" else []
        with (
            torch.random.fork_rng(gpus),
            memory_errors(self.plan.batch_size, self._device),
            writing(self._run.folder),
        ):
            try:
                self._loop(progress)
            except Cancelled:
                self.save()
                raise
            finally:
                if self._world.leads:
                    self._curves.close()

    def _loop(self, progress: Progress) -> None:
        last_save = last_tick = time.monotonic()
        message = ""
        while self.step < self.n_steps:
            self._report(progress, self.step / self.n_steps, message)
            self._take_step()
            now = time.monotonic()
            self.seconds += now - last_tick
            last_tick = now
            if self.step % self.plan.log_every_steps == 0:
                message = self._write_line()
            if self._is_at_a_sheet() and self.step < self.n_steps:
                self._show()
            if now - last_save >= self.plan.checkpoint_every_s:
                self.save()
                last_save = time.monotonic()
        if not self.finished:
            self._write_line()
            self._show()
            self.finished = True
            self.save()
        elif self._world.leads:
            self._save_weights()
        # Who asks to stop a training that has just ended has what they want.
        with suppress(Cancelled):
            progress.report(1.0, f"{self.n_shown} pictures in {self.seconds / 60:.0f} min")

    def _report(self, progress: Progress, fraction: float, message: str) -> None:
        """Report; where one of several processes is asked to stop, all stop at the same step."""
        is_asked = 0
        try:
            progress.report(fraction, message)
        except Cancelled:
            is_asked = 1
        if self._world.least(-is_asked) < 0:
            raise Cancelled(message)

    def _is_at_a_sheet(self) -> bool:
        every = self.plan.sheet_every_images
        return self.n_shown // every != (self.n_shown - self._batch_size) // every

    def _take_step(self) -> None:
        seeds = np.random.SeedSequence([self.plan.seed, self.step, self._world.rank])
        torch.manual_seed(int(seeds.generate_state(1)[0]))
        batch = draw_batch(self._run.images, self._n_own, self.plan.mirror, self._device)
        at = Moment(self.step, self.n_shown, self.plan.n_images, self._batch_size)
        for name, value in self._recipe.step(batch, at, self._descent).items():
            self._sums[name] = self._sums.get(name, torch.zeros((), device=self._device)) + value
            self._n_summed[name] = self._n_summed.get(name, 0) + 1
        self.step += 1

    def _write_line(self) -> str:
        """Log the mean of each term since the last line; returns it as a person reads it."""
        if not self._sums:
            return ""
        self._require_finite()
        terms = {k: float(v) / self._n_summed[k] for k, v in self._sums.items()}
        self._sums, self._n_summed = {}, {}
        if self._world.leads:
            line = {"n_shown": self.n_shown, "seconds": round(self.seconds, 1), "terms": terms}
            self._log.write(line)
            self._curves.add(self.n_shown, terms)
        return f"{self.n_shown} " + " ".join(f"{k} {v:.3f}" for k, v in terms.items())

    def _show(self) -> None:
        """Write a sheet of pictures, and what judges them."""
        if not self._world.leads:
            return

        def paint(embeddings: NDArray[np.float32], seed: Seeds) -> NDArray[np.uint8]:
            seeds = seed_of_each(seed, len(embeddings))
            return to_pixels(self._recipe.paint(torch.from_numpy(embeddings), seeds))

        # Looking must not change what is learnt next.
        with torch.random.fork_rng([self._device] if self._device.type == "cuda" else []):
            path = write_sheet(self._run.folder, self.n_shown, self._run.images, paint)
            figures = self._judge(paint) if self._judge is not None else {}
        self._curves.show(self.n_shown, path, figures)
        line = {"n_shown": self.n_shown, "sheet": path.name, "figures": figures}
        self._log.write(line)

    def save(self) -> None:
        """Write the state to go on from, and the averaged weights."""
        if not self._world.leads:
            return
        tensors = {
            f"{name}.{key}": value
            for name, module in self._recipe.modules.items()
            for key, value in module.state_dict().items()
        }
        for name, optimizer in self._recipe.optimizers.items():
            moments = moment_tensors(optimizer).items()
            tensors |= {f"optimizer.{name}.{k}": v for k, v in moments}
        tensors |= {f"sum.{k}": v for k, v in self._sums.items()}
        self._require_finite()
        # Weights first: once the state says that the training is finished, they have to be there.
        self._save_weights()
        values = {
            **self._describe(),
            "n_summed": self._n_summed,
            "log_bytes": self._log.n_bytes,
            "scalers": {k: v.state_dict() for k, v in self._descent.scalers.items()},
        }
        write_state(self._run.folder, TrainingState(values, tensors))

    def _save_weights(self) -> None:
        header = {**self._describe(), **self._recipe.header(), "embedding": self.plan.embedding}
        path = self._run.folder / WEIGHTS_FILE
        save_checkpoint(path, self._recipe.kind, self._recipe.weights(), header)

    def _require_finite(self) -> None:
        """Raise `CheckpointError` where a term of the loss is no number: nothing may keep that."""
        wrong = [k for k, v in self._sums.items() if not bool(torch.isfinite(v))]
        if wrong:
            raise CheckpointError(
                f"The training in {self._run.folder} diverged at {self.n_shown} pictures "
                f"({', '.join(wrong)} is no finite number); begin again in another folder with a "
                "lower learning rate or another seed. The last checkpoint is kept."
            )

    def _describe(self) -> dict[str, Any]:
        return {
            **self._run.describe(),
            "step": self.step,
            "n_shown": self.n_shown,
            "n_processes": self._world.size,
            "seconds": round(self.seconds, 1),
            "device": self._device.type,
            "finished": self.finished,
        }

    def _restore(self, state: TrainingState) -> None:
        wanted, values = self._run.describe(), state.values
        different = [k for k in wanted if values.get(k) != wanted[k]]
        if values["n_processes"] != self._world.size:
            different.append(f"number of processes ({values['n_processes']})")
        if different:
            raise CheckpointError(
                f"The state in {self._run.folder} was written with another "
                f"{' and '.join(different)}; repeat the first command, or train into another folder."
            )
        for name, module in self._recipe.modules.items():
            module.load_state_dict(state.below(name))
        for name, optimizer in self._recipe.optimizers.items():
            load_moments(optimizer, state.below(f"optimizer.{name}"))
        self._sums = {k: v.to(self._device) for k, v in state.below("sum").items()}
        self._n_summed = dict(values["n_summed"])
        self.step, self.seconds = values["step"], values["seconds"]
        self.finished = values["finished"]
        for name, scaler in values["scalers"].items():
            if scaler:  # empty where gradients were not scaled
                self._descent.scaler(name).load_state_dict(scaler)


def draw_batch(images: ImageSet, n: int, mirror: bool, device: torch.device) -> PictureBatch:
    """Draw n pictures, with replacement, by torch's global random numbers."""
    n_all = len(images.pixels)
    chosen = torch.randint(n_all, (n,)).numpy()
    pixels = torch.from_numpy(np.ascontiguousarray(images.pixels[chosen])).to(device)
    real = pixels.permute(0, 3, 1, 2).float() / 127.5 - 1
    if mirror:
        flip = (torch.rand(n, 1, 1, 1) < 0.5).to(device)
        real = torch.where(flip, real.flip(3), real)
    other = torch.randint(n_all, (n,)).numpy()
    own, others = (
        torch.from_numpy(np.array(images.embeddings[i], np.float32)).to(device)
        for i in (chosen, other)
    )
    return PictureBatch(real, own, others, _draw_captions(images, chosen, device))


def _draw_captions(
    images: ImageSet, chosen: NDArray[np.int64], device: torch.device
) -> torch.Tensor | None:
    """Return one caption's embedding (n, d) a picture, drawn among its own."""
    if images.caption_embeddings is None:
        return None
    rows = []
    for crop in chosen:
        place = images.source[crop]
        first, stop = np.searchsorted(images.caption_source, [place, place + 1])
        rows.append(images.caption_embeddings[int(torch.randint(int(first), int(stop), ()))])
    return torch.from_numpy(np.stack(rows).astype(np.float32)).to(device)
