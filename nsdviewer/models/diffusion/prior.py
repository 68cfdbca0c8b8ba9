"""A prior: embeddings of pictures, as they may be given what was decoded from a brain.

The idea is DALL·E 2's (Ramesh et al. 2022, arXiv:2204.06125), where a generative model tells image
embeddings from those of texts; here they are told from decoded ones. Decoded embeddings are drawn
towards the mean and lie where no picture's embedding lies; a generator has never seen their like.
Samples of a prior are spread as embeddings of pictures are.

A sample is a guess among the likely ones, and not the best guess: its expected cosine with the
truth is below that of the posterior mean, which is what the decoder aims at. `Prior.sample` is for
pictures that look like pictures; `Prior.mean` for being near.

No guidance is offered: it would make samples less varied than the posterior is, and the prior's
claim is that its spread says how unsure the brain's reading is.
"""

from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nsdviewer.errors import CheckpointError, RequestError
from nsdviewer.models.checkpoints import load_checkpoint, save_checkpoint
from nsdviewer.models.diffusion.prior_calibration import Calibration, Levels, plain_levels
from nsdviewer.models.diffusion.prior_flow import PriorFlow, flow_to_end
from nsdviewer.models.diffusion.prior_pairs import Floats, Ints, require_finite
from nsdviewer.models.embeddings import unit_rows

KIND = "prior"
_N_STEPS = 12
_ROWS_AT_ONCE = 2048


@dataclass(frozen=True)
class PriorHeader:
    """Whose embeddings a prior was trained on.

    Attributes
    ----------
    decoder
        Fingerprint of the decoder's file (`nsdviewer.files.file_fingerprint`).
    decoder_model, space, version, roi, split
        The decoder's own.
    n_pictures, n_rows
        Size of the training set; a picture has a row for every trial and one for their mean.
    scores
        Named figures measured on held-out pictures.
    """

    subject: int
    embedding: str
    embedding_title: str
    decoder: str
    decoder_model: str = ""
    space: str = ""
    version: str = ""
    roi: str = ""
    split: str = ""
    simulated: bool = False
    seed: int = 0
    n_pictures: int = 0
    n_rows: int = 0
    scores: dict[str, float] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, document: dict[str, Any], path: Path) -> "PriorHeader":
        """Read a checkpoint's header; raises `CheckpointError` if a field is missing."""
        for f in fields(cls):
            if f.name not in document and f.default is MISSING and f.default_factory is MISSING:
                raise CheckpointError(f"{path} lacks '{f.name}' in its header; fit it again.")
        return cls(**{f.name: document[f.name] for f in fields(cls) if f.name in document})

    def require(self, subject: int, embedding: str, decoder: str) -> None:
        """Raise `CheckpointError` unless the prior belongs to this decoder file (fingerprint)."""
        for what, found, wanted in (
            ("subject", self.subject, subject),
            ("the embedding", self.embedding, embedding),
        ):
            if found != wanted:
                raise CheckpointError(
                    f"The prior was trained for {what} {found}, not {wanted}; fit one with "
                    "'nsdviewer fit prior'."
                )
        if self.decoder != decoder:
            raise CheckpointError(
                "The prior was trained on what another decoder file decodes (fingerprint "
                f"{self.decoder}, not {decoder}), whose errors differ; name that decoder, or fit a "
                "prior for this one with 'nsdviewer fit prior'."
            )


@dataclass(frozen=True)
class Prior:
    """A trained prior.

    Attributes
    ----------
    flow
        None where the linear-Gaussian posterior did no worse on held-out pictures.
    """

    header: PriorHeader
    calibration: Calibration
    flow: PriorFlow | None

    @property
    def n_embedding(self) -> int:
        """Dimension of the embedding."""
        return self.calibration.n_embedding

    def sample(
        self, decoded: Floats, n_repeats: Ints | int, seed: int | Ints, n_samples: int = 1
    ) -> Floats:
        """Draw embeddings as the picture's may be.

        Parameters
        ----------
        decoded
            (n, d) unit vectors that the decoder told.
        n_repeats
            (n,) or one for all: trials whose mean was decoded. Numbers beyond those of the training
            set count as the nearest there.
        seed
            A number: row i gets noise of its own, drawn from (seed, i). (n,) numbers: row i gets
            the noise of its number, so that equal numbers share noise. Sample k is the same however
            many are drawn.

        Returns
        -------
        (n_samples, n, d) unit float32.

        Raises
        ------
        RequestError
            If the dimension is another, a value is not finite, or the numbers do not fit.
        """
        decoded, repeats = self._checked(decoded, n_repeats)
        noise = _noise(seed, len(decoded), n_samples, self.n_embedding)
        return self._place(noise, decoded, repeats)

    def mean(
        self, decoded: Floats, n_repeats: Ints | int, seed: int | Ints = 0, n_samples: int = 16
    ) -> Floats:
        """Return (n, d) unit means of samples: the posterior's mean, for being near the truth.

        Every noise is used with both signs, so that what is linear is exact with two samples.
        Parameters and errors as `sample`; an odd number of samples is rounded up.
        """
        decoded, repeats = self._checked(decoded, n_repeats)
        noise = _noise(seed, len(decoded), (n_samples + 1) // 2, self.n_embedding)
        both = np.concatenate([noise, -noise])
        return unit_rows(self._place(both, decoded, repeats).mean(axis=0))

    def _place(self, noise: Floats, decoded: Floats, repeats: Ints) -> Floats:
        """Return unit embeddings (n_samples, n, d) of noise of that shape."""
        centre = self.calibration.centre(decoded, repeats)
        deviation = self.calibration.deviation(repeats)
        condition = torch.from_numpy(self.calibration.condition(centre, repeats))
        placed = np.empty_like(noise)
        step = max(_ROWS_AT_ONCE // max(len(noise), 1), 1)
        for start in range(0, len(decoded), step):
            rows = slice(start, start + step)
            white = self._whiten(noise[:, rows], condition[rows])
            for k, one in enumerate(white):
                placed[k, rows] = self.calibration.place(one, centre[rows], deviation[rows])
        return unit_rows(placed)

    def _whiten(self, noise: Floats, condition: torch.Tensor) -> Floats:
        """Return whitened residuals (n_samples, n, d) that noise flows to."""
        if self.flow is None:
            return noise
        n_samples, n, d = noise.shape
        flat = torch.from_numpy(np.ascontiguousarray(noise).reshape(-1, d))
        end = flow_to_end(self.flow, flat, condition.repeat(n_samples, 1), _N_STEPS)
        return np.asarray(end.numpy().reshape(n_samples, n, d))

    def _checked(self, decoded: Floats, n_repeats: Ints | int) -> tuple[Floats, Ints]:
        decoded = np.asarray(decoded, np.float32)
        if decoded.ndim != 2 or decoded.shape[1] != self.n_embedding:
            raise RequestError(
                f"The prior takes embeddings of {self.n_embedding} dimensions, and the array has "
                f"the shape {decoded.shape}; decode with the decoder that it was trained for."
            )
        require_finite(decoded, "decoded")
        repeats = np.asarray(n_repeats, np.int64)
        if repeats.shape not in ((), (len(decoded),)) or np.any(repeats < 1):
            raise RequestError(
                f"{len(decoded)} decoded embeddings need a number of repetitions from 1 each, or "
                "one for all."
            )
        return decoded, np.broadcast_to(repeats, len(decoded))

    def save(self, path: Path) -> None:
        """Write the prior, whole or not at all."""
        tensors = {k: torch.from_numpy(v) for k, v in self.calibration.arrays().items()}
        document = asdict(self.header) | {"levels": plain_levels(self.calibration.levels)}
        if self.flow is not None:
            tensors |= {f"flow.{k}": v for k, v in self.flow.state_dict().items()}
            document |= {"width": self.flow.width, "n_blocks": self.flow.n_blocks}
        save_checkpoint(path, KIND, tensors, document)


def load_prior(path: Path) -> Prior:
    """Read a prior's file.

    Raises
    ------
    CheckpointError
        If it is missing, damaged, or no prior.
    """
    document, tensors = load_checkpoint(path, KIND)
    header = PriorHeader.from_dict(document, path)
    try:
        # Training ends with finite weights; anything else would paint noise without a word.
        if not all(bool(torch.isfinite(t).all()) for t in tensors.values()):
            raise ValueError("it holds values that are not finite")
        names = [f.name for f in fields(Calibration)[1:]]
        arrays = {name: tensors[name].numpy() for name in names}
        calibration = Calibration(Levels(**document["levels"]), **arrays)
        _check_shapes(calibration)
        flow = None
        if "width" in document:
            d = calibration.n_embedding
            flow = PriorFlow(d, d + 1, document["width"], document["n_blocks"])
            mine = {k[5:]: v for k, v in tensors.items() if k.startswith("flow.")}
            flow.load_state_dict(mine)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} is no whole prior ({error}); fit it again.") from error
    return Prior(header, calibration, flow)


def _check_shapes(calibration: Calibration) -> None:
    d = calibration.n_embedding
    n_features = 2 * d + 1 if calibration.levels.sd else d
    wanted = {"weights": (n_features, d), "basis": (d, d), "level_gain": (), "usual_level": ()}
    for name, array in calibration.arrays().items():
        if array.shape != wanted.get(name, (d,)):
            raise ValueError(f"'{name}' has the shape {array.shape}")


def _noise(seed: int | Ints, n: int, n_samples: int, d: int) -> Floats:
    """Return (n_samples, n, d) white noise."""
    keys = [[int(seed), row] for row in range(n)] if np.ndim(seed) == 0 else np.atleast_2d(seed).T
    if len(keys) != n:
        raise RequestError(
            f"{len(keys)} seeds do not fit {n} embeddings; give one, or one to each."
        )
    if np.any(np.asarray(seed) < 0):
        raise RequestError("A seed is a number from 0 upwards; name another.")
    if n_samples < 1:
        raise RequestError(f"{n_samples} samples are none; ask for one or more.")
    noise = np.empty((n_samples, n, d), np.float32)
    for row, key in enumerate(keys):
        noise[:, row] = np.random.default_rng(list(map(int, key))).standard_normal((n_samples, d))
    return noise
