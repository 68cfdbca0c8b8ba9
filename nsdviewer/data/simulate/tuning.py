"""What each simulated voxel responds to, and how noisily.

Early voxels (V1–hV4) answer to contrast energy in their receptive field. All other voxels of
nsdgeneral answer linearly to the joint embedding, w·(e − mean), where w mixes directions of texts,
directions that vary smoothly over the cortex, and a private one. Everything else answers to
nothing. The weights lie in the span of the shown images' leading principal components: what no
image varies along, no analysis could recover.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.pictures.contrast import (
    FREQUENCIES,
    N_ORIENTATIONS,
    pooling_weights,
)
from nsdviewer.data.simulate import atlas
from nsdviewer.data.simulate.anatomy import Anatomy
from nsdviewer.data.simulate.areas import receptive_field_deg
from nsdviewer.data.simulate.presets import TRUE_MEDIAN_NCSNR
from nsdviewer.data.simulate.stimuli import JointEmbedding

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]

SPAN_VARIANCE = 0.90
# Share of a receptive field that must lie on the picture for the voxel to answer.
_LEAST_SHARE_ON_PICTURE = 0.1
# Parts of an embedding voxel's direction, in units of response SD.
_TEXT, _SMOOTH, _PRIVATE = 1.0, 0.45, 0.2
_SMOOTH_SCALE_MM = 14.0
_NCSNR_LOG_SD, _NCSNR_LARGEST = 0.55, 1.8
# S1's V1 has a mean of 2.2 and an SD of 3.3 % over trials (one published notebook).
_EARLY_MEAN_PSC, _EARLY_SD_PSC = 2.2, 3.2
_OTHER_MEAN_PSC, _OTHER_SD_PSC = 0.9, 2.5
_N_SATURATED, _SATURATED_SD_PSC = 6, 90.0


class Kind(IntEnum):
    """What a voxel answers to."""

    NOTHING = 0
    CONTRAST = 1
    EMBEDDING = 2


@dataclass(frozen=True)
class Tuning:
    """The planted responses of all n voxels of a brain mask.

    Attributes
    ----------
    ijk
        (n, 3) voxel indices, in the order of the beta files' chunks (X fastest).
    kind
        (n,) int8, see `Kind`.
    row
        (n,) the voxel's row in `contrast_psc` or `weights`, by kind.
    contrast_psc
        (n_contrast, n_images) float32 zero-mean responses.
    weights
        (n_embedding, d) float32 PSC per unit of embedding.
    centred
        (n_images, d) float32 embeddings of the subject's images less their mean.
    ncsnr, mean_psc, noise_sd_psc
        (n,) planted signal SD / noise SD, mean response and noise SD.
    x_deg, y_deg, size_deg
        (n,) receptive fields; NaN outside V1–hV4.
    domains
        Name → (d,) direction whose response over the images has unit SD.
    """

    ijk: Ints
    kind: NDArray[np.int8]
    row: Ints
    contrast_psc: Floats32
    weights: Floats32
    centred: Floats32
    embedding_mean: Floats32
    ncsnr: Floats
    mean_psc: Floats
    noise_sd_psc: Floats
    x_deg: Floats
    y_deg: Floats
    size_deg: Floats
    domains: dict[str, Floats32]

    def signal_psc(self, voxels: slice) -> Floats32:
        """Return (n_voxels, n_images) float32 noise-free responses less the mean."""
        kind, row = self.kind[voxels], self.row[voxels]
        signal = np.zeros((len(kind), len(self.centred)), np.float32)
        signal[kind == Kind.CONTRAST] = self.contrast_psc[row[kind == Kind.CONTRAST]]
        signal[kind == Kind.EMBEDDING] = self.weights[row[kind == Kind.EMBEDDING]] @ self.centred.T
        return signal


def plant_tuning(
    anatomy: Anatomy,
    embeddings: Floats32,
    energy: NDArray[np.float16],
    embedding: JointEmbedding,
    seed: int,
) -> Tuning:
    """Plant the tuning of one subject.

    Parameters
    ----------
    embeddings, energy
        (n_images, d) and (n_images, n_channels, n_cells) of the images the subject is shown.
    """
    rng = np.random.default_rng([seed, 7, anatomy.subject])
    ijk = np.argwhere(anatomy.brainmask.T)[:, ::-1]
    where = tuple(ijk.T)
    fields = _receptive_fields(anatomy)
    x_deg, y_deg, size_deg = (field[where] for field in fields)
    kind = _kinds(anatomy, where, x_deg, y_deg, size_deg)
    mni_mm = anatomy.func.to_mni(ijk)
    ncsnr = _draw_ncsnr(kind, mni_mm, TRUE_MEDIAN_NCSNR[anatomy.subject - 1], rng)
    mean_psc, sd_psc = _draw_scale(kind, rng)
    signal_sd = sd_psc * ncsnr / np.sqrt(1 + ncsnr**2)
    mean = embeddings.mean(0)
    centred = np.asarray(embeddings - mean, np.float32)
    domains, span = _domains(centred, embedding)
    is_contrast, is_embedding = kind == Kind.CONTRAST, kind == Kind.EMBEDDING
    early = _contrast_responses(
        energy, x_deg[is_contrast], y_deg[is_contrast], size_deg[is_contrast], rng
    )
    weights = _embedding_weights(
        _preferences(anatomy, where, is_embedding), domains, span, mni_mm[is_embedding], rng
    )
    weights /= (centred @ weights.T).std(0)[:, None]
    return Tuning(
        ijk=ijk,
        kind=kind,
        row=_rows_by_kind(kind),
        contrast_psc=np.asarray(early * signal_sd[is_contrast, None], np.float32),
        weights=np.asarray(weights * signal_sd[is_embedding, None], np.float32),
        centred=centred,
        embedding_mean=np.asarray(mean, np.float32),
        ncsnr=ncsnr,
        mean_psc=mean_psc,
        noise_sd_psc=sd_psc / np.sqrt(1 + ncsnr**2),
        x_deg=x_deg,
        y_deg=y_deg,
        size_deg=size_deg,
        domains=domains,
    )


def _rows_by_kind(kind: NDArray[np.int8]) -> Ints:
    """Return (n,) how many voxels of the same kind come before each."""
    row = np.zeros(len(kind), np.int64)
    for one in Kind:
        row[kind == one] = np.arange((kind == one).sum())
    return row


def _receptive_fields(anatomy: Anatomy) -> tuple[Floats, Floats, Floats]:
    centres = [receptive_field_deg(areas) for areas in anatomy.areas]
    return (
        anatomy.paint([c[0] for c in centres], np.nan),
        anatomy.paint([c[1] for c in centres], np.nan),
        anatomy.paint([areas.size_deg for areas in anatomy.areas], np.nan),
    )


def _kinds(
    anatomy: Anatomy, where: tuple[Ints, ...], x_deg: Floats, y_deg: Floats, size_deg: Floats
) -> NDArray[np.int8]:
    general = anatomy.label_volume("nsdgeneral")[where] > 0
    early = np.isfinite(x_deg)
    kind = np.where(general & ~early, Kind.EMBEDDING, Kind.NOTHING).astype(np.int8)
    share = pooling_weights(x_deg[early], y_deg[early], size_deg[early]).sum(1)
    kind[early] = np.where(share > _LEAST_SHARE_ON_PICTURE, Kind.CONTRAST, Kind.NOTHING)
    return kind


def smooth_fields(
    mni_mm: Floats, n_fields: int, scale_mm: float, rng: np.random.Generator
) -> Floats:
    """Return (n, n_fields) unit-variance random fields over space (random Fourier features)."""
    n_waves = 96
    waves = rng.normal(scale=1 / scale_mm, size=(3, n_waves))
    features = np.cos(mni_mm @ waves + rng.uniform(0, 2 * np.pi, n_waves))
    return np.asarray(features @ rng.normal(size=(n_waves, n_fields)) * np.sqrt(2 / n_waves))


def _draw_ncsnr(
    kind: NDArray[np.int8], mni_mm: Floats, median: float, rng: np.random.Generator
) -> Floats:
    """Log-normal with the given median where there is a signal, partly smooth over the cortex."""
    signal = kind != Kind.NOTHING
    smooth = smooth_fields(mni_mm[signal], 1, _SMOOTH_SCALE_MM, rng)[:, 0]
    mixed = 0.7 * smooth + 0.7 * rng.normal(size=len(smooth))
    mixed = (mixed - np.median(mixed)) / mixed.std()
    ncsnr = np.zeros(len(kind))
    ncsnr[signal] = np.minimum(median * np.exp(_NCSNR_LOG_SD * mixed), _NCSNR_LARGEST)
    return ncsnr


def _draw_scale(kind: NDArray[np.int8], rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return mean and total SD over trials in PSC; a few silent voxels vary absurdly."""
    means = np.array([0.1, _EARLY_MEAN_PSC, _OTHER_MEAN_PSC])[kind]
    sds = np.array([_OTHER_SD_PSC, _EARLY_SD_PSC, _OTHER_SD_PSC])[kind]
    mean_psc = means + 0.4 * rng.normal(size=len(kind))
    sd_psc = sds * np.exp(0.2 * rng.normal(size=len(kind)))
    silent = np.flatnonzero(kind == Kind.NOTHING)
    sd_psc[rng.choice(silent, _N_SATURATED, replace=False)] = _SATURATED_SD_PSC
    return mean_psc, sd_psc


def _domains(centred: Floats32, embedding: JointEmbedding) -> tuple[dict[str, Floats32], Floats32]:
    """Return the domains' directions, and (n_components, d) the span of the images."""
    _, singular, components = np.linalg.svd(centred, full_matrices=False)
    explained = np.cumsum(singular**2) / np.sum(singular**2)
    span = components[: int(np.searchsorted(explained, SPAN_VARIANCE)) + 1]
    directions = {}
    for name, texts in atlas.DOMAINS.items():
        mixed = np.array(list(texts.values())) @ embedding.encode_texts(list(texts))
        inside = (mixed @ span.T) @ span
        directions[name] = np.asarray(inside / (centred @ inside).std(), np.float32)
    return directions, np.asarray(span, np.float32)


def _preferences(
    anatomy: Anatomy, where: tuple[Ints, ...], voxels: NDArray[np.bool_]
) -> dict[str, Floats]:
    return {
        name: anatomy.paint([areas.preference[name] for areas in anatomy.areas], 0)[where][voxels]
        for name in atlas.PREFERENCES
    }


def _embedding_weights(
    preferences: Mapping[str, Floats],
    domains: Mapping[str, Floats32],
    span: Floats32,
    mni_mm: Floats,
    rng: np.random.Generator,
) -> Floats:
    """Return (n, d) directions: texts near category areas, smooth and private ones everywhere."""
    n = len(mni_mm)
    text = np.stack([preferences[name] for name in domains], axis=1) @ np.stack(
        list(domains.values())
    )
    typical = float(np.median([np.linalg.norm(d) for d in domains.values()]))
    # Equal weight along every component: a component counts as much as the images vary along it.
    per_component = typical / np.sqrt(len(span))
    smooth = smooth_fields(mni_mm, len(span), _SMOOTH_SCALE_MM, rng) @ span * per_component
    private = rng.normal(size=(n, len(span))) @ span * per_component
    return np.asarray(_TEXT * text + _SMOOTH * smooth + _PRIVATE * private)


def _contrast_responses(
    energy: NDArray[np.float16],
    x_deg: Floats,
    y_deg: Floats,
    size_deg: Floats,
    rng: np.random.Generator,
) -> Floats32:
    """Return (n_voxels, n_images) responses of zero mean and unit SD over the images."""
    n = len(x_deg)
    pooling = pooling_weights(x_deg, y_deg, size_deg)
    orientation = np.pi * np.arange(N_ORIENTATIONS) / N_ORIENTATIONS
    preferred = rng.uniform(0, np.pi, n)
    by_orientation = np.exp(0.7 * np.cos(2 * (orientation - preferred[:, None])))
    high = rng.uniform(0.3, 0.9, n) * np.clip(1.2 - size_deg / 3, 0.2, 1)
    by_frequency = np.stack([1 - high, 2 * high], axis=1)
    gains = (by_frequency[:, :, None] * by_orientation[:, None]).reshape(n, -1)
    drive = np.zeros((n, len(energy)), np.float32)
    for channel in range(len(FREQUENCIES) * N_ORIENTATIONS):
        pooled = pooling @ energy[:, channel].T.astype(np.float32)
        drive += gains[:, channel, None].astype(np.float32) * pooled
    response = np.sqrt(drive)  # contrast saturates
    response -= response.mean(1, keepdims=True)
    return np.asarray(response / response.std(1, keepdims=True), np.float32)
