"""The round trip: agreement is a correlation, taken apart; its references bracket it."""

from dataclasses import replace

import numpy as np
import pytest

from nsdviewer.errors import CheckpointError
from nsdviewer.session.decoding import reconstruct
from nsdviewer.session.reconstruction import Reconstruction
from nsdviewer.session.round_trip import (
    RoundTrip,
    measured_response,
    pattern_agreement,
    pattern_r,
    round_trip,
)
from tests.conftest import Subject
from tests.planted import PlantedSubject, plant_subject


@pytest.fixture(scope="module")
def planted() -> PlantedSubject:
    return plant_subject(3, n_train=10, n_test=60, n_voxels=600)


@pytest.fixture(scope="module")
def decoded(mini: Subject) -> Reconstruction:
    w = mini.workspace
    return reconstruct(w, int(w.table.select("shared")[0]), True, 0)


@pytest.fixture(scope="module")
def trip(mini: Subject, decoded: Reconstruction) -> RoundTrip:
    return round_trip(mini.workspace, mini.state, decoded)


def test_a_perfect_encoder_of_noiseless_responses_agrees(planted: PlantedSubject) -> None:
    tuned = planted.is_tuned
    signal = (planted.test - planted.mean) @ planted.weights
    for response in signal[:5]:
        assert pattern_r(response[tuned], response[tuned]) == pytest.approx(1)
        assert pattern_r(response[tuned], -response[tuned]) == pytest.approx(-1)
    others = [pattern_r(signal[k][tuned], signal[k + 1][tuned]) for k in range(40)]
    assert abs(np.mean(others)) < 0.15


def test_noise_takes_from_the_agreement_what_it_takes_from_the_ceiling(
    planted: PlantedSubject,
) -> None:
    tuned = planted.is_tuned
    signal = ((planted.test - planted.mean) @ planted.weights)[:, tuned]
    found = [pattern_r(a, b) for a, b in zip(planted.test_y[:, tuned], signal, strict=True)]
    noise = np.mean(planted.noise_sd[tuned] ** 2 / 3)
    expected = np.sqrt(signal.var(1) / (signal.var(1) + noise))
    assert np.mean(found) == pytest.approx(expected.mean(), abs=0.03)


def test_agreement_is_the_correlation_taken_apart() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 80)).astype(np.float32)
    first[5] = np.nan
    counts = rng.random(80) < 0.6
    counts[5] = False
    found = pattern_agreement(first, second, counts)
    assert np.isnan(found[~counts]).all()
    wanted = np.corrcoef(first[counts], second[counts])[0, 1]
    assert found[counts].mean() == pytest.approx(wanted, abs=1e-6)
    # A unit is no part of it.
    np.testing.assert_allclose(
        pattern_agreement(3 * first + 1, 0.2 * second - 4, counts), found, atol=1e-5
    )
    assert np.isnan(pattern_agreement(first, np.ones(80, np.float32), counts)).all()
    assert np.isnan(pattern_r(first[:3], second[:3]))


def test_the_measured_pattern_is_the_mean_of_its_trials(mini: Subject, trip: RoundTrip) -> None:
    w = mini.workspace
    encoder = w.encoder()
    psc = w.betas(encoder.header.roi).psc(np.array(trip.trials))
    sessions = w.table.column("session")
    statistics = encoder.statistics
    # Voxel by voxel and trial by trial; where one trial has no data, the others count.
    for site in range(0, len(encoder.sites), 37):
        z = [
            (psc[row, site] - statistics.mean_psc[at, site]) / statistics.sd_psc[at, site]
            for row, at in enumerate(sessions[list(trip.trials)] - 1)
        ]
        valid = [value for value in z if np.isfinite(value)]
        slow = np.mean(valid) if valid else np.nan
        np.testing.assert_allclose(trip.measured[site], slow, atol=1e-4)
    np.testing.assert_array_equal(trip.measured, measured_response(w, encoder, [trip.trials]))


def test_the_round_trip_of_a_reconstruction(
    mini: Subject, decoded: Reconstruction, trip: RoundTrip
) -> None:
    encoder = mini.workspace.encoder()
    reliable = np.nan_to_num(encoder.noise_ceiling) >= mini.state.noise_ceiling_floor_pct / 100
    np.testing.assert_array_equal(trip.reliable, reliable)
    assert trip.r == pytest.approx(
        np.corrcoef(trip.measured[reliable], trip.predicted[reliable])[0, 1], abs=1e-5
    )
    assert np.nanmean(trip.agreement) == pytest.approx(trip.r, abs=1e-5)
    assert trip.ceiling_r > trip.floor_r + 0.1
    assert abs(trip.floor_r) < 0.3
    assert not trip.in_training
    assert {"V1v", "EBA"} <= {region.name for region in trip.r_by_roi}
    lower = round_trip(mini.workspace, mini.state.replace(noise_ceiling_floor_pct=40.0), decoded)
    assert 0 < lower.reliable.sum() < reliable.sum()


def test_painting_the_seen_picture_reaches_the_ceiling(
    mini: Subject, decoded: Reconstruction
) -> None:
    found = round_trip(mini.workspace, mini.state, replace(decoded, painted=decoded.seen))
    assert found.r == found.ceiling_r
    for region in found.r_by_roi:
        assert region.r == region.ceiling_r
    # The references come by another way through the same network.
    w = mini.workspace
    direct = w.encoder().predict(w.image_embeddings(np.array([decoded.nsd_id])))[0]
    assert np.corrcoef(direct, found.predicted)[0, 1] > 0.99


def test_where_no_voxel_is_reliable_nothing_is_claimed(
    mini: Subject, decoded: Reconstruction
) -> None:
    found = round_trip(mini.workspace, mini.state.replace(noise_ceiling_floor_pct=99.9), decoded)
    assert np.isnan([found.r, found.ceiling_r, found.floor_r]).all()
    assert np.isnan(found.agreement).all()
    assert found.r_by_roi == ()


def test_without_an_encoder_the_round_trip_says_so(
    mini: Subject, decoded: Reconstruction, tmp_path
) -> None:
    missing = str(tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match=r"none\.safetensors"):
        round_trip(mini.workspace, mini.state.replace(encoder=missing), decoded)
