"""Ridge recovers planted maps, equals its closed form, and its files carry what is needed."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from nsdviewer.errors import CheckpointError
from nsdviewer.models.checkpoints import load_checkpoint, save_checkpoint
from nsdviewer.models.decoders.registry import load_decoder
from nsdviewer.models.encoder import load_encoder
from nsdviewer.models.regression.folds import image_folds
from nsdviewer.models.regression.ridge import fit_ridge
from nsdviewer.session.fitting import fit_workspace_decoder
from nsdviewer.state import BetaVersion, Space
from tests.conftest import Subject


def planted(n: int, p: int, t: int, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, p)).astype(np.float32)
    weights = rng.standard_normal((p, t)).astype(np.float32)
    y = x @ weights + noise * rng.standard_normal((n, t)).astype(np.float32) + 3
    return x, y.astype(np.float32), weights


@pytest.mark.parametrize(("n", "p"), [(300, 40), (120, 200)])
@pytest.mark.parametrize("per_target", [True, False])
def test_the_fit_equals_the_closed_form_at_its_alpha(n: int, p: int, per_target: bool) -> None:
    x, y, _ = planted(n, p, 6, noise=2.0)
    fit = fit_ridge(x, y, image_folds(np.arange(len(x))), alpha_per_target=per_target)
    assert len(np.unique(fit.alphas)) == 1 or per_target
    xc, yc = (x - x.mean(0)).astype(float), (y - y.mean(0)).astype(float)
    for target, alpha in enumerate(fit.alphas):
        expected = np.linalg.solve(xc.T @ xc + alpha * np.eye(p), xc.T @ yc[:, target])
        np.testing.assert_allclose(fit.weights[:, target], expected, rtol=2e-3, atol=2e-4)


def test_planted_weights_are_recovered() -> None:
    x, y, weights = planted(600, 30, 5, noise=0.5)
    fit = fit_ridge(x, y, image_folds(np.arange(len(x))), alpha_per_target=True)
    np.testing.assert_allclose(fit.weights, weights, atol=0.1)
    assert (fit.cv_r2 > 0.98).all()


def test_noise_is_not_predicted() -> None:
    x, y, _ = planted(300, 30, 4, noise=0.0)
    rng = np.random.default_rng(1)
    fit = fit_ridge(x, rng.permutation(y), image_folds(np.arange(len(x))), alpha_per_target=True)
    assert (fit.cv_r2 < 0.05).all()


def test_a_decoder_comes_back_from_its_file(mini: Subject, tmp_path: Path) -> None:
    decoder = mini.workspace.decoder()
    decoder.save(tmp_path / "d.safetensors")
    again = load_decoder(tmp_path / "d.safetensors")
    assert again.header == decoder.header
    z = np.random.default_rng(0).standard_normal((3, len(decoder.sites))).astype(np.float32)
    np.testing.assert_array_equal(again.decode(z), decoder.decode(z))
    assert again.header.simulated
    assert again.header.n_trials == len(mini.workspace.table.select("train"))


def test_the_same_seed_gives_the_same_decoder(mini: Subject) -> None:
    from nsdviewer.jobs import SilentProgress

    first = mini.workspace.decoder()
    second = fit_workspace_decoder(mini.workspace, SilentProgress())
    np.testing.assert_allclose(second.ridge.weights, first.ridge.weights, atol=1e-6)


def test_the_statistics_are_those_of_training_trials(mini: Subject) -> None:
    w = mini.workspace
    decoder = w.decoder()
    betas = w.betas(decoder.header.roi)
    train = w.table.select("train")
    first = train[w.table.column("session")[train] == 1]
    np.testing.assert_allclose(
        decoder.statistics.mean_psc[0], betas.psc(first).mean(0), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(
    "other",
    [
        (2, Space.FUNC1PT8MM, BetaVersion.B3, "conse"),
        (1, Space.FUNC1MM, BetaVersion.B3, "conse"),
        (1, Space.FUNC1PT8MM, BetaVersion.B2, "conse"),
        (1, Space.FUNC1PT8MM, BetaVersion.B3, "open_clip:x/y"),
    ],
)
def test_a_map_for_others_is_refused(mini: Subject, other: tuple) -> None:
    with pytest.raises(CheckpointError):
        mini.workspace.decoder().header.require(*other)


def test_an_encoder_is_no_decoder(mini: Subject) -> None:
    with pytest.raises(CheckpointError, match="encoder"):
        load_decoder(mini.workspace.model_path("encoder"))
    assert load_encoder(mini.workspace.model_path("encoder")).header.roi == "cortex"


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "executed",))

    path = tmp_path / "model.safetensors"
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load_checkpoint(path)
    assert not (tmp_path / "executed").exists()


def test_damaged_and_foreign_files_are_named(tmp_path: Path) -> None:
    good = tmp_path / "good.safetensors"
    save_checkpoint(good, "decoder", {"a": np.zeros(1000, np.float32)}, {})
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(good.read_bytes()[:-100])
    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": np.zeros(3)}, foreign)
    for path in (cut, foreign, tmp_path / "none.safetensors"):
        with pytest.raises(CheckpointError, match=path.name):
            load_checkpoint(path, "decoder")
