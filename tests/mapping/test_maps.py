"""Three readings of one direction: what each shows where the others would mislead."""

from pathlib import Path

import numpy as np
import pytest

from nsdviewer.data.betas.sites import Sites, Vertices, Voxels, columns_in
from nsdviewer.data.betas.zscores import SessionStatistics
from nsdviewer.errors import ConceptError, SpaceError
from nsdviewer.mapping.maps import Evidence, decoder_map, encoder_map, pattern_map
from nsdviewer.models.decoders.linear import LinearDecoder
from nsdviewer.models.decoders.registry import load_decoder
from nsdviewer.models.encoder import ContrastBand, Encoder, load_encoder
from nsdviewer.models.mapping_file import MappingHeader, site_fields
from nsdviewer.models.regression.folds import image_folds
from nsdviewer.models.regression.ridge import RidgeFit, fit_ridge
from nsdviewer.state import Hemisphere, Reading

VOXELS = Voxels((2, 2, 2), np.argwhere(np.ones((2, 2, 2), bool))[:3])
IDS = np.array([3, 14, 15])
VERTICES = Vertices(
    {Hemisphere.LEFT: 9, Hemisphere.RIGHT: 7},
    {Hemisphere.LEFT: np.array([1, 4]), Hemisphere.RIGHT: np.array([0])},
)


def header_of(sites: Sites, n_images: int = 100) -> MappingHeader:
    return MappingHeader(
        subject=1, space="func1pt8mm", version="betas_fithrf", roi="all", embedding="conse",
        embedding_title="ConSE", split="full-40", seed=0, n_images=n_images, n_trials=n_images,
        simulated=True, scores={}, **site_fields(sites),
    )  # fmt: skip


def statistics(n: int) -> SessionStatistics:
    return SessionStatistics(np.zeros((1, n), np.float32), np.full((1, n), 2.0, np.float32))


def fitted(x: np.ndarray, y: np.ndarray) -> RidgeFit:
    return fit_ridge(x, y, image_folds(np.arange(len(x))))


@pytest.fixture(scope="module")
def cancelling() -> tuple[LinearDecoder, np.ndarray]:
    """Voxel 0 carries the score and a disturbance, voxel 1 the disturbance alone, voxel 2 nothing."""
    rng = np.random.default_rng(0)
    score, disturbance = rng.standard_normal((2, 4000))
    z = np.stack([score + disturbance, disturbance, rng.standard_normal(4000)], 1)
    z = (z + 0.1 * rng.standard_normal(z.shape)).astype(np.float32)
    embeddings = np.stack([score, 0.1 * rng.standard_normal(4000)], 1).astype(np.float32)
    return LinearDecoder(header_of(VOXELS), VOXELS, statistics(3), fitted(z, embeddings), IDS), z


def test_the_decoder_listens_to_a_voxel_that_only_cancels_noise(
    cancelling: tuple[LinearDecoder, np.ndarray],
) -> None:
    decoder, z = cancelling
    direction = np.array([1, 0], np.float32)
    everywhere = np.ones(3, bool)
    weights = decoder_map(decoder, direction, everywhere).values
    pattern = pattern_map(decoder, direction, z, everywhere).values
    assert weights[1] < -0.8 * weights[0] < 0
    assert abs(pattern[1]) < 0.05 * pattern[0]
    assert abs(weights[2]) < 0.02
    # One deviation of the score moves voxel 0 by one deviation of the score, times 2 % a z-score.
    assert pattern[0] == pytest.approx(2.0, rel=0.05)


def test_a_pattern_of_a_score_that_never_varies_is_refused(
    cancelling: tuple[LinearDecoder, np.ndarray],
) -> None:
    decoder, z = cancelling
    with pytest.raises(ConceptError, match="does not vary"):
        pattern_map(decoder, np.array([1, 0], np.float32), np.zeros_like(z), np.ones(3, bool))


def encoder_on(sites: Sites, band: ContrastBand | None = None) -> Encoder:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((100, 2)).astype(np.float32)
    y = (x @ rng.standard_normal((2, 3))).astype(np.float32)
    ceiling = np.array([0.5, np.nan, 0.05], np.float32)
    r, r2 = np.zeros(3, np.float32), np.ones(3, np.float32)
    return Encoder(header_of(sites), sites, statistics(3), fitted(x, y), ceiling, r, r2, IDS, band)


def test_the_encoder_reading_is_linear_in_the_direction() -> None:
    encoder = encoder_on(VOXELS)
    a, b = np.eye(2, dtype=np.float32)
    both = encoder_map(encoder, a + b, 0.1)
    single = [encoder_map(encoder, d, 0.1).values for d in (a, b)]
    np.testing.assert_allclose(both.values, single[0] + single[1], rtol=1e-5)
    np.testing.assert_array_equal(both.shown, [True, False, False])
    assert both.reading is Reading.ENCODER


def test_a_concept_of_another_embedding_is_refused() -> None:
    with pytest.raises(ConceptError, match="3 dimensions and the model 2"):
        encoder_map(encoder_on(VOXELS), np.ones(3, np.float32), 0.1)


def test_evidence_hides_what_does_not_pass() -> None:
    shown = encoder_map(encoder_on(VOXELS), np.ones(2, np.float32), 0.0)
    tested = shown.with_evidence(Evidence("a test", shown.shown, np.array([True, False, False])))
    assert tested.shown.sum() == 1
    np.testing.assert_array_equal(tested.reliable, shown.shown)
    assert np.isfinite(tested.masked()).sum() == 1


@pytest.mark.parametrize("sites", [VOXELS, VERTICES])
def test_an_encoder_comes_back_from_its_file(sites: Sites, tmp_path: Path) -> None:
    band = ContrastBand(
        np.full(3, 0.5, np.float32), np.ones((4, 3), np.float32), np.ones(4, np.float32),
        np.zeros(3, np.float32),
    )  # fmt: skip
    encoder = encoder_on(sites, band)
    encoder.save(tmp_path / "e.safetensors")
    again = load_encoder(tmp_path / "e.safetensors")
    assert again.header == encoder.header
    np.testing.assert_array_equal(again.train_ids, IDS)
    np.testing.assert_array_equal(columns_in(again.sites, sites), np.arange(3))
    x, contrast = np.ones((2, 2), np.float32), np.full((2, 4), 2, np.float32)
    np.testing.assert_array_equal(again.predict(x, contrast), encoder.predict(x, contrast))
    np.testing.assert_allclose(again.predict(x, contrast) - again.predict(x), 4, rtol=1e-5)


def test_a_decoder_on_vertices_comes_back_from_its_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    z = rng.standard_normal((50, 3)).astype(np.float32)
    decoder = LinearDecoder(header_of(VERTICES), VERTICES, statistics(3), fitted(z, z[:, :2]), IDS)
    decoder.save(tmp_path / "d.safetensors")
    again = load_decoder(tmp_path / "d.safetensors")
    np.testing.assert_array_equal(again.decode(z), decoder.decode(z))
    with pytest.raises(SpaceError):
        decoder_map(again, np.ones(2, np.float32), np.ones(3, bool)).volume()


def test_columns_of_other_sites_are_found_or_refused() -> None:
    some = Voxels((2, 2, 2), VOXELS.ijk[[2, 0]])
    np.testing.assert_array_equal(columns_in(VOXELS, some), [2, 0])
    absent = Voxels((2, 2, 2), np.array([[1, 1, 1]]))
    np.testing.assert_array_equal(columns_in(VOXELS, absent), [-1])
    right = Vertices({Hemisphere.RIGHT: 7}, {Hemisphere.RIGHT: np.array([0, 5])})
    np.testing.assert_array_equal(columns_in(VERTICES, right), [2, -1])
    for other in (Voxels((3, 2, 2), VOXELS.ijk), VERTICES):
        with pytest.raises(SpaceError):
            columns_in(VOXELS, other)
