"""A pipeline of diffusers as a painter: its steps, previews and cancelling."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nsdviewer.errors import CheckpointError, DataWarning
from nsdviewer.jobs import Progress, SilentProgress
from nsdviewer.models.diffusion.pipeline_kinds import Order, PipelineKind
from nsdviewer.models.diffusion.pipeline_loading import Offload, memory_named
from nsdviewer.models.diffusion.pipeline_steps import watched_steps
from nsdviewer.models.painter import (
    Preview,
    Seeds,
    checked_embeddings,
    require_embedding,
    seed_of_each,
    to_pixels,
)

_N_PREVIEWS = 4  # a call: decoding a preview costs about as much as a step


@dataclass(frozen=True, eq=False)
class PipelinePainter:
    """A pipeline of diffusers ready to use; see `nsdviewer.models.painter.Painter`.

    One thread at a time paints with it.

    Attributes
    ----------
    name
        The folder's name and the kind of pipeline.
    header
        The folder's ``model_index.json``, and beside it everything that decides the pictures:
        embedding, embedding_norm, n_steps, guidance_scale, dtype, notes.
    embedding_norm
        Length that the unit vectors are given; see `pipeline_scale`.
    notes
        Sentences that belong beside the pictures, such as that nothing filters them.
    unconditional
        (n_embedding,) embedding that stands for "no embedding".
    n_per_batch
        Pictures painted at once.
    """

    path: Path
    name: str
    header: Mapping[str, Any]
    embedding: str
    n_embedding: int
    resolution: int
    embedding_norm: float
    notes: tuple[str, ...]
    unconditional: torch.Tensor
    n_steps: int
    guidance_scale: float
    n_per_batch: int
    device: torch.device
    dtype: torch.dtype
    offload: Offload
    kind: PipelineKind
    pipeline: Any

    def require(self, embedding: str) -> None:
        """Raise `CheckpointError` unless the generator paints from `embedding`."""
        require_embedding(self, embedding)

    def paint(
        self,
        embeddings: NDArray[np.float32],
        seed: Seeds,
        progress: Progress | None = None,
        preview: Preview | None = None,
    ) -> NDArray[np.uint8]:
        """Return (n, r, r, 3) pictures of (n, n_embedding) vectors; their lengths do not matter.

        Parameters
        ----------
        seed
            One for all or one a picture. Noise is drawn on the CPU, one generator a picture: the
            same on every device up to the rounding of its precision, whatever the batch.
        progress
            Told after every step of every batch; its `Cancelled` ends the work within a step.
        preview
            Called with all n pictures, black where not begun: a few times a batch with the noisy
            sample as the pipeline's own decoder shows it, and at the batch's end with the result.

        Raises
        ------
        RequestError
            If the embeddings or seeds cannot be painted from, or memory does not suffice.
        CheckpointError
            If the networks produce what is no finite number.
        Cancelled
            If `progress` does; the painter stays usable.
        """
        progress = progress or SilentProgress()
        rows = checked_embeddings(embeddings, self.n_embedding).double()
        rows = (rows / rows.norm(dim=1, keepdim=True) * self.embedding_norm).to(self.dtype)
        seeds = seed_of_each(seed, len(rows))
        n, side = len(rows), self.resolution
        pictures = np.zeros((n, side, side, 3), np.uint8)
        for start in range(0, n, self.n_per_batch):
            progress.report(start / n, "painting")
            part = slice(start, min(start + self.n_per_batch, n))
            with self._tidy():
                pictures[part] = self._paint_batch(rows, seeds, part, pictures, progress, preview)
            progress.report(part.stop / n, "painting")
            if preview is not None:
                preview(part.stop / n, pictures.copy())
        return pictures

    def _paint_batch(
        self,
        rows: torch.Tensor,
        seeds: list[int],
        part: slice,
        pictures: NDArray[np.uint8],
        progress: Progress,
        preview: Preview | None,
    ) -> NDArray[np.uint8]:
        batch = rows[part].to(self.device)
        order = Order(
            batch,
            self.unconditional.to(batch).expand_as(batch),
            [torch.Generator("cpu").manual_seed(s) for s in seeds[part]],
            self.n_steps,
            self.guidance_scale,
        )

        def on_step(n_done: int, sample: torch.Tensor) -> None:
            n_all = self.kind.n_steps_all(self.pipeline, self.n_steps)
            # The last decoding counts as one more step.
            fraction = (part.start + len(batch) * min(n_done / (n_all + 1), 1)) / len(rows)
            progress.report(fraction, f"painting, step {n_done} of {n_all}")
            if preview is not None and n_done < n_all and n_done % -(-n_all // _N_PREVIEWS) == 0:
                shown = pictures.copy()
                shown[part] = to_pixels(self.kind.decode(self.pipeline, sample))
                preview(fraction, shown)

        schedulers = self.kind.schedulers(self.pipeline)
        with watched_steps(self.pipeline, schedulers, on_step) as told:
            result = self.pipeline(
                **self.kind.arguments(self.pipeline, order), **told, output_type="np"
            )
        self._tell_blanked(getattr(result, "nsfw_content_detected", None), part.start)
        images = torch.from_numpy(np.asarray(result.images, np.float32))
        if not bool(images.isfinite().all()):
            raise CheckpointError(
                f"{self.name} produced what is no finite number with {self.dtype}; open it on the "
                "CPU, which calculates in full precision, or download it again."
            )
        return to_pixels(images.permute(0, 3, 1, 2) * 2 - 1)

    def _tell_blanked(self, flags: list[bool] | None, start: int) -> None:
        blanked = [start + i for i, flag in enumerate(flags or []) if flag]
        if blanked:
            warnings.warn(
                f"The safety checker of {self.name} blanked picture {', '.join(map(str, blanked))}; "
                "this says nothing of the embedding. Another seed may pass.",
                DataWarning,
                stacklevel=4,
            )

    @contextmanager
    def _tidy(self) -> Iterator[None]:
        """Leave the pipeline as it was when the work breaks off, and name a lack of memory."""
        try:
            with memory_named(self.name, self.device, self.offload, self.n_per_batch):
                yield
        except BaseException:
            self.pipeline.maybe_free_model_hooks()
            raise
