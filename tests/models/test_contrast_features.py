"""Contrast features see edges and their place, and predict the voxels that answer to them."""

import numpy as np
import pytest
from PIL import Image

from nsdviewer import open_nsd
from nsdviewer.data.layout import NsdRoot
from nsdviewer.data.pictures.contrast import contrast_energy, pooling_weights
from nsdviewer.data.pictures.photographs import apply_crop, choose_crop, load_catalogue
from nsdviewer.data.pictures.stimuli import Stimuli
from nsdviewer.errors import Cancelled, DataError
from nsdviewer.jobs import SilentProgress, Ticket
from nsdviewer.models.contrast_features import (
    N_FEATURES,
    FeatureScale,
    contrast_features,
    stimulus_contrast,
)
from nsdviewer.models.embeddings import Embedding
from tests.nsd_tree import TinyTree, build_tree

SILENT = SilentProgress()


def crops(held_out: bool, n: int, seed: int) -> np.ndarray:
    """Return (n, 224, 224, 3) crops of the shipped photographs."""
    rng = np.random.default_rng(seed)
    photographs = [p for p in load_catalogue() if p.held_out is held_out]
    made = []
    for k in range(n):
        with Image.open(photographs[k % len(photographs)].path) as image:
            crop = choose_crop(*image.size, rng)
            made.append(np.asarray(apply_crop(image.convert("RGB"), crop, 224)))
    return np.stack(made)


def plant_early_voxels(energy: np.ndarray, n_voxels: int, rng: np.random.Generator) -> np.ndarray:
    """Return (n_pictures, n_voxels) noiseless responses, one receptive field and orientation each."""
    eccentricity = np.exp(rng.uniform(np.log(0.3), np.log(3.5), n_voxels))
    angle = rng.uniform(0, 2 * np.pi, n_voxels)
    x_deg, y_deg = eccentricity * np.cos(angle), eccentricity * np.sin(angle)
    fields = pooling_weights(x_deg, y_deg, 0.25 + 0.2 * eccentricity)
    gains = rng.gamma(1.0, 1.0, (n_voxels, 8))
    drive = np.einsum("vk,nck,vc->nv", fields, energy, gains, optimize=True)
    return np.sqrt(drive)


def held_out_r(x: np.ndarray, y: np.ndarray, n_train: int) -> np.ndarray:
    """Return each voxel's correlation with the best of a few ridge predictions, kernel form."""
    scale = FeatureScale.of(x[:n_train])
    train, test = scale.standardise(x[:n_train]), scale.standardise(x[n_train:])
    kernel, centred = train @ train.T, y[:n_train] - y[:n_train].mean(0)
    best = np.full(y.shape[1], -1.0)
    for alpha in x.shape[1] * np.array([0.3, 3, 30, 300]):
        dual = np.linalg.solve(kernel + alpha * np.eye(n_train), centred)
        predicted = test @ train.T @ dual
        pairs = zip(predicted.T, y[n_train:].T, strict=True)
        best = np.maximum(best, [np.corrcoef(p, t)[0, 1] for p, t in pairs])
    return best


def test_early_voxels_need_contrast_and_late_voxels_the_embedding(conse: Embedding) -> None:
    n_train, n_voxels = 200, 60
    pictures = np.concatenate([crops(False, n_train, 0), crops(True, 60, 1)])
    rng = np.random.default_rng(2)
    embeddings = conse.encode_images(list(pictures))
    early = plant_early_voxels(contrast_energy(list(pictures)), n_voxels, rng)
    late = embeddings @ rng.standard_normal((conse.dimension, n_voxels))
    y = np.concatenate([early, late], axis=1)
    y = (y - y.mean(0)) / y.std(0)
    y[:n_train] += rng.standard_normal((n_train, 2 * n_voxels))
    features = contrast_features(pictures)
    by_contrast, by_embedding = (held_out_r(x, y, n_train) for x in (features, embeddings))
    assert by_contrast[:n_voxels].mean() > 0.85
    assert by_contrast[:n_voxels].mean() > by_embedding[:n_voxels].mean() + 0.45
    assert by_embedding[n_voxels:].mean() > by_contrast[n_voxels:].mean() + 0.4


def test_features_are_those_of_the_field_that_a_pattern_lies_in() -> None:
    picture = np.full((425, 425, 3), 128, np.uint8)
    # Upright bars in the upper right quarter: horizontal modulation of the low frequency.
    wave = 127 * np.sin(2 * np.pi * 8 * np.arange(425) / 425)
    picture[:212, 213:] = (128 + wave)[None, 213:, None]
    features = contrast_features([picture]).reshape(8, 62)
    outermost = features[0, 49:]
    angle = 2 * np.pi * (np.arange(13) + 0.5) / 13
    assert 0 < angle[outermost.argmax()] < np.pi / 2
    assert features[:, 49:].max(axis=1).argmax() == 0


def test_a_batch_gives_what_its_pictures_give_alone() -> None:
    pictures = crops(False, 70, 3)
    together = contrast_features(pictures)
    assert together.shape == (70, N_FEATURES) and together.dtype == np.float32
    alone = np.concatenate([contrast_features([p]) for p in pictures[[0, 63, 64, 69]]])
    np.testing.assert_allclose(together[[0, 63, 64, 69]], alone, rtol=1e-5, atol=1e-6)
    assert contrast_features([]).shape == (0, N_FEATURES)


def test_scales_are_those_of_the_training_pictures() -> None:
    features = np.random.default_rng(0).normal(5, 3, (200, 6)).astype(np.float32)
    features[:, 2] = 1.5
    scale = FeatureScale.of(features)
    standard = scale.standardise(features)
    np.testing.assert_allclose(standard.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(standard.std(0), [1, 1, 0, 1, 1, 1], atol=1e-5)
    np.testing.assert_allclose(
        scale.standardise(features + scale.sd), standard + (scale.sd > 0), atol=1e-4
    )
    assert not contrast_features(np.zeros((2, 50, 50, 3), np.uint8)).any()


@pytest.fixture
def tree(tmp_path) -> TinyTree:
    return build_tree(tmp_path / "nsd", surfaces=False, transforms=False)


def shown(tree: TinyTree, n: int) -> np.ndarray:
    return np.unique(open_nsd(tree.root).subject(1).trials().column("nsd_id"))[:n]


def test_what_was_computed_is_kept_and_a_stopped_run_goes_on(tree) -> None:
    stimuli, ids = Stimuli(NsdRoot(tree.root)), shown(tree, 150)
    expected = contrast_features(stimuli.read(ids))
    reports = []

    def count(fraction: float, message: str) -> None:
        reports.append(fraction)
        if len(reports) == 2:
            ticket.cancel()

    ticket = Ticket(count)
    with pytest.raises(Cancelled):
        stimulus_contrast(stimuli, ids, ticket)
    rest = []
    found = stimulus_contrast(stimuli, ids, Ticket(lambda fraction, _: rest.append(fraction)))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert len(rest) < 3 and len(reports) == 2 and found.any()
    again = stimulus_contrast(stimuli, ids[::-1], Ticket(lambda fraction, _: rest.append(-1)))
    np.testing.assert_array_equal(again, found[::-1])
    assert -1 not in rest


def test_damaged_leftovers_are_made_again(tree) -> None:
    stimuli, ids = Stimuli(NsdRoot(tree.root)), shown(tree, 20)
    expected = stimulus_contrast(stimuli, ids, SILENT)
    (kept,) = stimuli.root.cache_folder.glob("contrast_*.sqlite")
    for damaged in (b"", b"nonsense" * 500, kept.read_bytes()[:9000]):
        kept.write_bytes(damaged)
        np.testing.assert_array_equal(stimulus_contrast(stimuli, ids, SILENT), expected)


def test_missing_pictures_are_said(tmp_path) -> None:
    stimuli = Stimuli(NsdRoot(tmp_path))
    with pytest.raises(DataError, match="download"):
        stimulus_contrast(stimuli, np.array([3]), SILENT)
