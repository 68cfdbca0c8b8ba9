"""A decoder made of a network: written and read, asked for directions, and given further subjects."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nsdviewer.errors import CheckpointError, RequestError
from nsdviewer.jobs import SilentProgress
from nsdviewer.models.checkpoints import load_checkpoint, save_checkpoint
from nsdviewer.models.networks.data import SubjectTrials, TrainingData
from nsdviewer.models.networks.further_subject import (
    fit_new_subject,
    further_plan,
    learning_curve,
)
from nsdviewer.models.networks.launching import train_here
from nsdviewer.models.networks.network_decoder import NetworkDecoder
from nsdviewer.models.networks.plan import TrainingPlan, preset
from nsdviewer.models.networks.registry import NETWORKS, build_network
from nsdviewer.models.networks.run import prepare_run
from nsdviewer.models.networks.sizes import NetworkSizes
from tests.models.networks.runs import TINY, tiny_data, zscored
from tests.planted import PlantedSubject, plant_subject

SIZES = NetworkSizes(width=8, n_blocks=1, n_channels=3, n_hidden=4)


def untrained(name: str, n_voxels: int = 20) -> NetworkDecoder:
    torch.manual_seed(0)
    network = build_network(name, [n_voxels], 6, SIZES).eval()
    return NetworkDecoder(preset(name, sizes=SIZES), network, n_voxels, 6, {})


def test_a_decoder_survives_its_file(tmp_path: Path) -> None:
    data = tiny_data()
    prepare_run(tmp_path, TINY, data)
    with pytest.raises(CheckpointError, match="no model file"):
        NetworkDecoder.from_run(tmp_path)
    train_here(tmp_path, SilentProgress())
    decoder = NetworkDecoder.from_run(tmp_path)
    path = tmp_path / "decoder.safetensors"
    header = {"model": decoder.name, **decoder.header()}
    save_checkpoint(path, "decoder", {"ijk": torch.zeros(40, 3), **decoder.to_tensors()}, header)
    read = NetworkDecoder.from_tensors(*load_checkpoint(path, "decoder"))
    z = data.subjects[0].z
    assert np.array_equal(decoder.decode(z), read.decode(z))
    assert read.plan == TINY
    assert read.summary == decoder.summary
    assert read.summary["epoch"] > 0
    with pytest.raises(RequestError, match="knows subj01, but no subj02"):
        NetworkDecoder.from_run(tmp_path, "subj02")
    document, tensors = load_checkpoint(path, "decoder")
    tensors.pop("network.first.weight")
    with pytest.raises(CheckpointError, match="do not fit their header"):
        NetworkDecoder.from_tensors(document, tensors)


@pytest.mark.parametrize("name", NETWORKS)
def test_decoding_gives_unit_rows_in_any_batch_and_counts_nan_as_the_mean(name: str) -> None:
    decoder = untrained(name)
    z = np.random.default_rng(0).standard_normal((300, 20)).astype(np.float32)
    decoded = decoder.decode(z)
    np.testing.assert_allclose(np.linalg.norm(decoded, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(decoder.decode(z[7:8]), decoded[7:8], atol=1e-6)
    assert decoder.decode(z[:0]).shape == (0, 6)
    holed, filled = z.copy(), z.copy()
    holed[:, 3], filled[:, 3] = np.nan, 0
    assert np.array_equal(decoder.decode(holed), decoder.decode(filled))


@pytest.mark.parametrize("name", NETWORKS)
def test_sensitivity_is_the_slope_of_what_is_decoded(name: str) -> None:
    decoder = untrained(name)
    precise = copy.deepcopy(decoder.network).double()
    rng = np.random.default_rng(0)
    direction = rng.standard_normal(6).astype(np.float32)
    z = rng.standard_normal((3, 20)).astype(np.float32)

    def along(points: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            output = precise(torch.from_numpy(points))
        return torch.nn.functional.normalize(output, dim=1).numpy() @ direction

    for points in (z, None):
        at = np.zeros((1, 20)) if points is None else points.astype(np.float64)
        slopes = np.empty(20)
        for voxel in range(20):
            step = np.zeros(20)
            step[voxel] = 1e-5
            slopes[voxel] = ((along(at + step) - along(at - step)) / 2e-5).mean()
        found = decoder.sensitivity(direction, points)
        np.testing.assert_allclose(found, slopes, atol=1e-4 * np.abs(slopes).max())


def test_sensitivity_finds_what_the_best_linear_decoder_listens_to(tmp_path: Path) -> None:
    planted = plant_subject(3, 600, 10, n_embedding=16, n_voxels=60, repeats=(3,))
    z = zscored(planted, planted.train_y)
    data = TrainingData((SubjectTrials("s", z, np.arange(600)),), planted.train)
    sizes = NetworkSizes(width=64, n_blocks=1, first_dropout=0.0)
    prepare_run(tmp_path, preset("residual", sizes=sizes, n_epochs=30, device="cpu"), data)
    train_here(tmp_path, SilentProgress())
    decoder = NetworkDecoder.from_run(tmp_path)
    weights, _ = planted.bayes_decoder()
    for direction in planted.directions[:3]:
        best = (weights @ direction) * planted.train_y.std(0)
        found = decoder.sensitivity(direction, z)
        assert np.corrcoef(found, best)[0, 1] > 0.6
        assert abs(np.corrcoef(np.roll(found, 1), best)[0, 1]) < 0.4


# Several brains, one law of pictures -----------------------------------------------------------

N_JOINT, N_SESSION, N_VOXELS = 700, 60, 200


def several_subjects(n: int) -> list[PlantedSubject]:
    """Subjects who saw the same pictures, and whose brains answer to the same directions.

    The first is planted as it is. The others' voxels mix its directions anew, and have noise of
    their own.
    """
    common = plant_subject(
        0, N_JOINT + 8 * N_SESSION, 300, n_embedding=24, n_voxels=N_VOXELS, median_ncsnr=0.3
    )
    subjects = [common]
    for seed in range(1, n):
        rng = np.random.default_rng([seed, 5])
        weights = common.directions.T @ rng.standard_normal((6, N_VOXELS))
        weights /= np.sqrt(np.einsum("dv,de,ev->v", weights, common.covariance, weights))
        weights[:, rng.permutation(N_VOXELS)[: N_VOXELS // 2]] = 0
        subjects.append(
            replace(
                common,
                weights=weights.astype(np.float32),
                train_y=respond(common, common.train, weights, common.train_repeats, rng),
                test_y=respond(common, common.test, weights, common.test_repeats, rng),
            )
        )
    return subjects


def respond(
    subject: PlantedSubject,
    embeddings: np.ndarray,
    weights: np.ndarray,
    repeats: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    noise = rng.standard_normal((len(embeddings), N_VOXELS)) * subject.noise_sd
    signal = (embeddings - subject.mean) @ weights
    return np.asarray(signal + noise / np.sqrt(repeats)[:, None], np.float32)


@pytest.fixture(scope="module")
def joint_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PlantedSubject]:
    """A finished joint training on three subjects, and a fourth who took no part."""
    *first, further = several_subjects(4)
    trained = tuple(
        SubjectTrials(f"subj{n}", zscored(s, s.train_y)[:N_JOINT], np.arange(N_JOINT))
        for n, s in enumerate(first)
    )
    folder = tmp_path_factory.mktemp("joint")
    plan = preset(
        "joint", sizes=NetworkSizes(width=64, n_blocks=1, first_dropout=0.0), n_epochs=20,
        device="cpu", n_threads=1,
    )  # fmt: skip
    prepare_run(folder, plan, TrainingData(trained, first[0].train))
    train_here(folder, SilentProgress())
    return folder, further


def session_data(subject: PlantedSubject, n_sessions: int) -> TrainingData:
    """Sessions of pictures that no joint subject saw."""
    rows = np.arange(N_JOINT, N_JOINT + n_sessions * N_SESSION)
    z = zscored(subject, subject.train_y)
    return TrainingData((SubjectTrials("further", z[rows], rows),), subject.train)


def test_every_subject_of_a_joint_training_is_decoded(
    joint_run: tuple[Path, PlantedSubject],
) -> None:
    folder, _ = joint_run
    for number, subject in enumerate(several_subjects(3)):
        decoder = NetworkDecoder.from_run(folder, f"subj{number}")
        assert not any(key.startswith("network.subjects.1") for key in decoder.to_tensors())
        decoded = decoder.decode(zscored(subject, subject.test_y))
        assert two_way(decoded, subject.test) > 0.8


def two_way(decoded: np.ndarray, true: np.ndarray) -> float:
    r = np.corrcoef(true, decoded)[: len(true), len(true) :]
    return float((r < np.diag(r)).sum() / (len(r) * (len(r) - 1)))


def test_one_session_on_the_joint_backbone_beats_one_session_alone(
    joint_run: tuple[Path, PlantedSubject], tmp_path: Path
) -> None:
    backbone, further = joint_run
    decoder = fit_new_subject(
        tmp_path / "on", backbone, session_data(further, 1), further_plan(backbone),
        SilentProgress(), in_process=False,
    )  # fmt: skip
    plan = replace(NetworkDecoder.from_run(backbone).plan, n_epochs=60)
    prepare_run(tmp_path / "scratch", plan, session_data(further, 1))
    train_here(tmp_path / "scratch", SilentProgress())
    scratch = NetworkDecoder.from_run(tmp_path / "scratch")
    z = zscored(further, further.test_y)
    with_it, without = (two_way(d.decode(z), further.test) for d in (decoder, scratch))
    assert with_it > without + 0.03
    assert with_it > 0.85
    kept = NetworkDecoder.from_run(backbone).network.state_dict()
    for key, value in decoder.network.state_dict().items():
        if key.startswith(("backbone.", "shared_")):
            assert torch.equal(value, kept[key])


def test_more_sessions_decode_better(
    joint_run: tuple[Path, PlantedSubject], tmp_path: Path
) -> None:
    backbone, further = joint_run
    data = session_data(further, 8)
    points = learning_curve(
        tmp_path, backbone, data.subjects[0], np.repeat(np.arange(8), N_SESSION), data.embeddings,
        (zscored(further, further.test_y), further.test), (1, 8),
        further_plan(backbone, n_epochs=4), SilentProgress(),
    )  # fmt: skip
    assert [p.n_trials for p in points] == [N_SESSION, 8 * N_SESSION]
    assert points[1].two_way > points[0].two_way + 0.02
    assert points[1].cosine > points[0].cosine


def test_a_backbone_that_does_not_fit_is_refused(
    joint_run: tuple[Path, PlantedSubject], tmp_path: Path
) -> None:
    backbone, further = joint_run
    data, plan = session_data(further, 1), further_plan(backbone)

    def refused(words: str, error: type[Exception], **parts: object) -> None:
        asked: tuple[TrainingPlan, TrainingData, Path] = (
            parts.get("plan", plan), parts.get("data", data), parts.get("backbone", backbone),
        )  # type: ignore[assignment]  # fmt: skip
        folder = tmp_path / words[:5]
        with pytest.raises(error, match=words):
            fit_new_subject(folder, asked[2], asked[1], asked[0], SilentProgress())
        assert not (folder / "plan.json").exists()

    narrow = replace(plan, sizes=replace(plan.sizes, width=32))
    refused("holds no backbone that fits", CheckpointError, plan=narrow)
    wide = replace(data, embeddings=np.repeat(data.embeddings, 2, 1))
    refused("no backbone that fits", CheckpointError, data=wide)
    refused("no model file", CheckpointError, backbone=tmp_path / "nowhere")
    refused("belong together", RequestError, plan=replace(plan, frozen_backbone=False))
    with pytest.raises(RequestError, match="Only the network 'joint' has a backbone"):
        preset("residual", frozen_backbone=True)
