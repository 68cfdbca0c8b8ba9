"""A prior is trained on what its decoder has not learnt from, and helps where it says it does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nsdviewer.cli import main
from nsdviewer.errors import CheckpointError, RequestError
from nsdviewer.evaluation.frechet import frechet_distance, moments_of
from nsdviewer.jobs import SilentProgress
from nsdviewer.models.decoders.linear import LinearDecoder
from nsdviewer.models.diffusion.prior import Prior, PriorHeader
from nsdviewer.models.diffusion.prior_pairs import DecodedPairs
from nsdviewer.models.diffusion.prior_training import PriorPlan, train_prior
from nsdviewer.models.regression.folds import N_FOLDS, image_folds
from nsdviewer.models.regression.ridge import RidgeFit, fit_ridge
from nsdviewer.session.fitting import fit_workspace_decoder, training_embeddings
from nsdviewer.session.prior_fitting import (
    Refit,
    decode_with,
    fit_workspace_prior,
    refit_in_folds,
    refit_of,
    workspace_prior,
)
from nsdviewer.session.prior_scores import rank_distance, score_prior
from nsdviewer.session.responses import averaged_responses
from tests.conftest import Subject
from tests.planted import PlantedSubject, plant_subject

SILENT = SilentProgress()
PLAN = PriorPlan(width=48, n_blocks=1, n_steps=40, batch_size=128)
HEADER = PriorHeader(subject=1, embedding="planted", embedding_title="Planted", decoder="abc")
N_TEST = 500


@pytest.fixture(scope="module")
def planted() -> PlantedSubject:
    """Few pictures beside the voxels, so that a decoder knows its training pictures far too well."""
    return plant_subject(3, n_train=700, n_test=N_TEST, n_embedding=32, n_voxels=500)


def at_penalty(alpha: float | None) -> Refit:
    def refit(z: np.ndarray, e: np.ndarray, ids: np.ndarray, repeats: np.ndarray) -> RidgeFit:
        alphas = None if alpha is None else np.array([alpha])
        return fit_ridge(z, e, image_folds(ids), alphas, row_weights=repeats.astype(float))

    return refit


@pytest.fixture(scope="module")
def whole(planted: PlantedSubject) -> RidgeFit:
    ids = np.arange(len(planted.train))
    return at_penalty(None)(planted.train_y, planted.train, ids, planted.train_repeats)


def left_out(planted: PlantedSubject, refit: Refit, embeddings: np.ndarray) -> np.ndarray:
    ids = np.arange(len(embeddings))
    folds, maps = refit_in_folds(
        planted.train_y, embeddings, ids, planted.train_repeats, refit, 0, SILENT
    )
    decoded = np.empty_like(planted.train)
    for fold, fitted in enumerate(maps):
        decoded[folds == fold] = decode_with(fitted, planted.train_y[folds == fold])
    return decoded


def prior_of(planted: PlantedSubject, decoded: np.ndarray) -> Prior:
    ids = np.arange(len(decoded))
    return train_prior(
        DecodedPairs(decoded, planted.train_repeats, ids, planted.train), HEADER, PLAN
    )


@pytest.fixture(scope="module")
def honest(planted: PlantedSubject, whole: RidgeFit) -> np.ndarray:
    return left_out(planted, at_penalty(float(whole.alphas[0])), planted.train)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float((a * b).sum(1).mean())


def test_left_out_pictures_are_decoded_as_test_pictures_are(
    planted: PlantedSubject, whole: RidgeFit, honest: np.ndarray
) -> None:
    three = planted.train_repeats == 3
    test = cosine(decode_with(whole, planted.test_y), planted.test)
    learnt = cosine(decode_with(whole, planted.train_y)[three], planted.train[three])
    assert cosine(honest[three], planted.train[three]) == pytest.approx(test, abs=0.01)
    assert learnt > test + 0.03


def test_a_pictures_embedding_has_no_part_in_what_is_decoded_of_it(
    planted: PlantedSubject, whole: RidgeFit, honest: np.ndarray
) -> None:
    fold = image_folds(np.arange(len(honest)), seed=0) == N_FOLDS - 1
    other = np.where(fold[:, None], planted.train[::-1], planted.train)
    again = left_out(planted, at_penalty(float(whole.alphas[0])), other)
    np.testing.assert_array_equal(again[fold], honest[fold])
    assert np.abs(again[~fold] - honest[~fold]).max() > 0.01


def test_samples_are_of_the_truths_kind_and_their_mean_is_no_worse_than_ridge(
    planted: PlantedSubject, whole: RidgeFit, honest: np.ndarray
) -> None:
    decoded = decode_with(whole, planted.test_y)
    prior = prior_of(planted, honest)
    scores = score_prior(prior, planted.test, decoded, planted.test_repeats)
    told = {k.removeprefix("test_"): v for k, v in scores.items()}
    assert told["cosine_mean"] > told["cosine_decoded"] - 0.001
    assert told["two_way_mean"] > told["two_way_decoded"] - 0.003
    assert told["cosine_sample"] < told["cosine_decoded"]
    assert told["spread_sample"] == pytest.approx(1, abs=0.1) and told["spread_decoded"] < 0.8
    floor = frechet_distance(moments_of(planted.train[:N_TEST]), moments_of(planted.test))
    assert told["frechet_sample"] < 1.5 * floor < told["frechet_decoded"] / 2
    # By chance 0.04; maps from four fifths of the pictures leave it a little too unsure of itself.
    assert told["rank_distance"] < 0.1
    # Trained on pictures that the decoder knows, it is far too sure.
    leaky = prior_of(planted, decode_with(whole, planted.train_y))
    assert rank_distance(leaky, planted.test, decoded, planted.test_repeats, 0) > 0.2
    assert leaky.calibration.variance.sum() < 0.8 * prior.calibration.variance.sum()


@pytest.mark.parametrize("model", ["ridge", "inverted"])
def test_refitted_on_all_pictures_the_decoder_is_itself(mini: Subject, model: str) -> None:
    decoder = fit_workspace_decoder(mini.workspace, SILENT, model=model)
    data = averaged_responses(mini.workspace, decoder.header.roi)
    true = training_embeddings(mini.workspace, data, SILENT)
    z, ids, n_repeats = data.train.whole(), data.train.nsd_ids, data.train.n_repeats
    again = refit_of(decoder)(z, true, ids, n_repeats)
    scale = np.abs(decoder.ridge.weights).max()
    np.testing.assert_allclose(again.weights, decoder.ridge.weights, atol=1e-3 * scale)
    np.testing.assert_allclose(decode_with(again, z), decoder.decode(z), atol=1e-3)


def test_a_prior_is_fitted_kept_and_used(
    mini: Subject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = mini.workspace
    prior = fit_workspace_prior(workspace, SILENT, plan=PLAN)
    header, scores = prior.header, prior.header.scores
    assert header.n_rows > header.n_pictures == len(workspace.decoder().train_ids)
    assert prior.calibration.levels.fewest == 1 < prior.calibration.levels.most
    assert scores["test_cosine_mean"] > scores["test_cosine_decoded"] - 0.01
    assert scores["test_spread_sample"] == pytest.approx(1, abs=0.3)
    path = tmp_path / "p.safetensors"
    prior.save(path)
    assert workspace_prior(workspace, str(path)).header == header
    trials = ("--trials", "0,1,2", "--repeats", "single", "--out", str(tmp_path / "out"))
    command = ["decode", str(mini.root), "--subject", "1", *trials]
    assert main([*command, "--prior", str(path)]) == 0
    with np.load(tmp_path / "out" / "embeddings.npz") as found:
        expected = prior.sample(found["decoded"], found["n_repeats"], 0)[0]
        np.testing.assert_allclose(found["painted_from"], expected, atol=1e-5)
    # What another decoder decodes has other errors.
    other = tmp_path / "other.safetensors"
    fit_workspace_decoder(workspace, SILENT, model="inverted").save(other)
    with pytest.raises(CheckpointError, match="another decoder file"):
        workspace_prior(workspace, str(path), str(other))
    with pytest.raises(CheckpointError, match="no prior at"):
        workspace_prior(workspace, str(tmp_path / "absent.safetensors"))
    capsys.readouterr()
    fit = ["fit", "prior", str(mini.root), "--subject", "1"]
    for words, named in ((["--roi", "all"], "--roi"), (["--epochs", "3"], "--epochs")):
        assert main([*fit, *words]) == 1
        assert named in capsys.readouterr().err
    assert main(["fit", "decoder", *fit[2:], "--decoder", str(other)]) == 1
    assert "leave out --decoder" in capsys.readouterr().err


def test_a_decoder_that_cannot_be_refitted_is_refused(mini: Subject) -> None:
    decoder = mini.workspace.decoder()
    assert isinstance(decoder, LinearDecoder)
    network = replace(decoder, header=replace(decoder.header, model="residual"))
    with pytest.raises(RequestError, match="'residual' decoder would have to be trained"):
        refit_of(network)
    several = replace(decoder.ridge, alphas=np.arange(1, 1 + len(decoder.ridge.alphas)))
    with pytest.raises(RequestError, match="one penalty"):
        refit_of(replace(decoder, ridge=several))
