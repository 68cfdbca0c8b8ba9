"""Training of a network in a run folder: killed at any moment, it goes on and ends the same.

All that is random at a step (its trials, their mixing, dropout, the generator's noise) follows from
the seed and the step's number, and so does the learning rate. What a checkpoint has to hold is then
only what was learnt: weights, the optimiser's moments, the best weights so far and the curves.
"""

import time
from typing import Any

import numpy as np
import torch
from torch import nn

from nsdviewer.errors import Cancelled, CheckpointError
from nsdviewer.jobs import Progress
from nsdviewer.models.networks.batches import Batch, Batches, read_rows
from nsdviewer.models.networks.curve import Curve
from nsdviewer.models.networks.held_out import HeldOut, HeldOutScore
from nsdviewer.models.networks.joint import JointSpace
from nsdviewer.models.networks.losses import mix
from nsdviewer.models.networks.objective import Objective, load_generator_term, prepare_targets
from nsdviewer.models.networks.optimisation import make_optimizer
from nsdviewer.models.networks.plan import Precision, learning_rate
from nsdviewer.models.networks.run import Run
from nsdviewer.models.networks.subject_layer import learn_shared_map, start_from_ridge
from nsdviewer.models.runs.distribution import World
from nsdviewer.models.runs.memory import memory_errors
from nsdviewer.models.runs.moments import load_moments, moment_tensors
from nsdviewer.models.runs.run_files import (
    Log,
    TrainingState,
    write_best,
    write_state,
)


class Trainer:
    """One training run.

    Parameters
    ----------
    batch_size
        Trials a step; the plan's, or fewer where memory is short.
    state
        What to go on from; None begins.

    Raises
    ------
    CheckpointError
        If the state belongs to another plan or other data.
    """

    def __init__(
        self,
        run: Run,
        device: torch.device,
        world: World,
        batch_size: int,
        state: TrainingState | None = None,
    ) -> None:
        self.plan, self._run, self._device, self._world = run.plan, run, device, world
        plan, data = run.plan, run.data
        self._batch_size = batch_size
        self._held_out_images = data.draw_held_out(plan.held_out_share, plan.seed)
        self._batches = Batches(data, self._held_out_images, batch_size, plan.seed, world.size)
        self.n_steps = plan.n_epochs * self._batches.steps_per_epoch
        embeddings = torch.from_numpy(np.array(data.embeddings, np.float32))
        targets = prepare_targets(embeddings, plan.target_clamp).to(device)
        self._targets = (
            targets if targets.ndim == 3 else targets[:, None]
        )  # (n_images, variants, d)
        self._objective = Objective(plan.losses)
        self._generator_term = load_generator_term(plan, data.shapes.n_embedding, device)
        self.network = run.build().to(device)
        self._optimizer = make_optimizer(self.network, plan)
        is_scaled = plan.precision is Precision.FLOAT16 and device.type == "cuda"
        self._scaler = torch.amp.GradScaler(device.type, enabled=is_scaled)
        if world.leads:
            self._held_out = HeldOut(data, self._held_out_images, self._targets[:, 0])
        self.step = 0
        self.seconds = 0.0
        self.best: dict[str, Any] = {}
        self._best_weights: dict[str, torch.Tensor] = {}
        self._n_stale_epochs = 0
        self._sums: dict[str, torch.Tensor] = {}
        self._n_summed = 0
        self.finished = False
        self._best_is_written = True
        self._curve = Curve(plan.n_epochs)
        if state is not None:
            self._restore(state)
        elif plan.frozen_backbone:
            assert isinstance(self.network, JointSpace)
            start_from_ridge(self.network, data, self._held_out_images, self._targets[:, 0])
        if world.leads:
            self._log = Log(run.folder, state.values["log_bytes"] if state is not None else 0)
        self._model = self.network
        if world.size > 1:
            self._model = nn.parallel.DistributedDataParallel(self.network)

    def note(self, text: str) -> None:
        """Write a remark among the curves."""
        if text and self._world.leads:
            self._log.write({"step": self.step, "note": text})

    def train(self, progress: Progress) -> None:
        """Train to the end, with checkpoints on the way.

        Raises
        ------
        Cancelled
            If `progress` does; the state is written before.
        RequestError
            If memory runs out.
        """
        gpus = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(gpus), memory_errors(self._batch_size, self._device):
            try:
                self._loop(progress)
            except Cancelled:
                self.save()
                raise

    def _loop(self, progress: Progress) -> None:
        last_save = last_tick = time.monotonic()
        if self.step == 0:
            self._judge(0)
        self.network.train()
        while not self._is_over():
            progress.report(self.step / self.n_steps, self._curve.message)
            self._descend()
            now = time.monotonic()
            self.seconds += now - last_tick
            last_tick = now
            epoch, place = divmod(self.step, self._batches.steps_per_epoch)
            if place == 0:
                self._judge(epoch)
            elif self.step % self.plan.log_every_steps == 0:
                self._write_line({})
            if now - last_save >= self.plan.checkpoint_every_s:
                self.save()
                last_save = time.monotonic()
        if not self.finished:
            self._finish()
        elif not self._best_is_written:
            self.save()
        progress.report(1.0, self._curve.message)

    def _is_over(self) -> bool:
        return self.step >= self.n_steps or self._n_stale_epochs >= self.plan.patience

    def _descend(self) -> None:
        """Take one step."""
        plan = self.plan
        seeds = np.random.SeedSequence([plan.seed, self.step, self._world.rank])
        torch.manual_seed(int(seeds.generate_state(1)[0]))
        is_mixed = self._objective.is_mixed(self.step, self.n_steps)
        batch = self._batches.at(self.step, plan.losses.mixco_beta if is_mixed else None)
        rate = learning_rate(plan, self.step, self.n_steps, self._batches.steps_per_epoch)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        terms, loss = self._losses(batch)
        self._optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        self._scaler.step(self._optimizer)
        self._scaler.update()
        for name, value in terms.items():
            total = self._sums.get(name, torch.zeros((), device=self._device))
            self._sums[name] = total + value.detach()
        self._n_summed += 1
        self.step += 1

    def _losses(self, batch: Batch) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Return the terms of the loss, and what to differentiate."""
        device, rank = self._device, self._world.rank
        half = torch.float16 if self.plan.precision is Precision.FLOAT16 else torch.bfloat16
        is_half = self.plan.precision is not Precision.FLOAT32 and device.type == "cuda"
        with torch.autocast(device.type, dtype=half, enabled=is_half):
            own = self._model(*self._read(batch)).float()
        image, variant = torch.from_numpy(batch.image), torch.from_numpy(batch.variant)
        target = self._targets[image.to(device), variant.to(device)]
        pairs: tuple[torch.Tensor, ...] = ()
        if batch.partner is not None and batch.share is not None:
            pairs = tuple(torch.from_numpy(x).to(device) for x in (batch.partner, batch.share))
        terms = self._objective.terms(self._world.gather(own), target, *pairs)
        # Every process holds the whole loss but the gradient of its own rows only, and the mean
        # over processes is taken afterwards: times their number, the mean is the whole gradient.
        loss = torch.stack(list(terms.values())).sum() * self._world.size
        if self._generator_term is not None and self.plan.generator is not None and not pairs:
            n = min(self.plan.generator.n_pictures, len(own))
            noise = torch.randn(n, self._generator_term.n_z, device=device)
            painted = self._generator_term(own[:n], target[batch.own(rank)][:n], noise)
            loss = loss + torch.stack(list(painted.values())).sum()
            terms |= painted
        return terms, loss

    def _read(self, batch: Batch) -> list[torch.Tensor]:
        """Return the responses of this process's rows, one tensor a subject, mixed if so wanted."""
        read = []
        for part, subject in zip(
            batch.parts(self._world.rank), self._run.data.subjects, strict=True
        ):
            z = read_rows(subject.z, batch.row[part]).to(self._device)
            if batch.partner is not None and batch.share is not None:
                others = read_rows(subject.z, batch.row[batch.partner[part]]).to(self._device)
                z = mix(z, others, torch.from_numpy(batch.share[part]).to(self._device))
            read.append(z)
        return read

    def _judge(self, epoch: int) -> None:
        """Score held-out pictures after an epoch, and keep the weights if they are the best."""
        figures = [0.0, 0.0, 0.0]
        if self._world.leads:
            score = self._held_out.score(self.network, self._objective)
            figures = [score.loss, score.cosine, score.two_way]
        score = HeldOutScore(*self._world.from_leader(figures))
        if not self.best or score.loss < self.best["held_out_loss"]:
            self.best = {"epoch": epoch, **score.to_dict()}
            weights = self.network.state_dict().items()
            self._best_weights = {k: v.detach().cpu().clone() for k, v in weights}
            self._n_stale_epochs, self._best_is_written = 0, False
        elif not self._objective.is_mixed(self.step, self.n_steps):
            # While responses are mixed, another loss falls than the one that is looked at here.
            self._n_stale_epochs += 1
        self._write_line(score.to_dict())

    def _write_line(self, figures: dict[str, float]) -> None:
        """Log the mean of each term since the last line."""
        terms = {k: float(v) / self._n_summed for k, v in self._sums.items()}
        steps = (self.n_steps, self._batches.steps_per_epoch)
        line = {
            "step": self.step,
            "epoch": self.step / self._batches.steps_per_epoch,
            **({"loss": sum(terms.values()), "terms": terms} if terms else {}),
            **figures,
            "learning_rate": learning_rate(self.plan, max(self.step - 1, 0), *steps),
            "seconds": round(self.seconds, 2),
        }
        if self._world.leads:
            self._log.write(line)
        self._curve.follow(line)
        self._sums, self._n_summed = {}, 0

    def _finish(self) -> None:
        if isinstance(self.network, JointSpace) and not self.plan.frozen_backbone:
            last = {k: v.clone() for k, v in self.network.state_dict().items()}
            self.network.load_state_dict(self._best_weights)
            targets = self._targets[:, 0]
            learn_shared_map(self.network, self._run.data, self._held_out_images, targets)
            for name in ("shared_weights", "shared_offset"):
                self._best_weights[name] = self.network.state_dict()[name].cpu().clone()
            self.network.load_state_dict(last)
        self.finished, self._best_is_written = True, False
        self.save()

    def save(self) -> None:
        """Write the state to go on from, and the best weights if they are better than before."""
        if not self._world.leads:
            return
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"best.{k}": v for k, v in self._best_weights.items()}
        tensors |= {f"optimizer.{k}": v for k, v in moment_tensors(self._optimizer).items()}
        tensors |= {f"sum.{k}": v for k, v in self._sums.items()}
        values = {
            **self._run.describe(),
            "step": self.step,
            "batch_size": self._batch_size,
            "best": self.best,
            "n_stale_epochs": self._n_stale_epochs,
            "n_summed": self._n_summed,
            "log_bytes": self._log.n_bytes,
            "seconds": self.seconds,
            "scaler": self._scaler.state_dict(),
            "finished": self.finished,
            "device": self._device.type,
        }
        write_state(self._run.folder, TrainingState(values, tensors))
        if not self._best_is_written:
            kept = ("batch_size", "best", "seconds", "finished", "device")
            header = {**self._run.describe(), **{k: values[k] for k in kept}}
            write_best(self._run.folder, self._best_weights, header)
            self._best_is_written = True

    def _restore(self, state: TrainingState) -> None:
        wanted, values = self._run.describe(), state.values
        different = [k for k, v in wanted.items() if values.get(k) != v]
        if different:
            raise CheckpointError(
                f"The state in {self._run.folder} was written with another "
                f"{' and '.join(different)}; delete the folder and begin the training again."
            )
        self.network.load_state_dict(state.below("network"))
        load_moments(self._optimizer, state.below("optimizer"))
        self._best_weights = state.below("best")
        self._sums = {k: v.to(self._device) for k, v in state.below("sum").items()}
        self.step, self.best = values["step"], values["best"]
        self._n_stale_epochs, self._n_summed = values["n_stale_epochs"], values["n_summed"]
        self.seconds, self.finished = values["seconds"], values["finished"]
        self._scaler.load_state_dict(values["scaler"])
        # The process may have ended between the state and the best weights.
        self._best_is_written = False
