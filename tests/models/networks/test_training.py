"""A training that is stopped anywhere ends the same, and what is damaged is survived or named."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nsdviewer.errors import Cancelled, CheckpointError, DataError, RequestError
from nsdviewer.jobs import SilentProgress
from nsdviewer.models.checkpoints import save_checkpoint
from nsdviewer.models.lafite.config import LafiteConfig
from nsdviewer.models.lafite.generator import Generator
from nsdviewer.models.networks.data import SubjectTrials, TrainingData
from nsdviewer.models.networks.launching import train_here
from nsdviewer.models.networks.network_decoder import NetworkDecoder
from nsdviewer.models.networks.plan import (
    GeneratorPlan,
    LossWeights,
    OptimizerKind,
    Schedule,
    TrainingPlan,
    learning_rate,
    preset,
)
from nsdviewer.models.networks.registry import NETWORKS
from nsdviewer.models.networks.run import prepare_run
from nsdviewer.models.networks.sizes import NetworkSizes
from nsdviewer.models.runs.memory import memory_errors
from nsdviewer.models.runs.run_files import PREVIOUS_STATE_FILE, STATE_FILE, read_log
from tests.models.networks.runs import (
    TINY,
    curves,
    same_weights,
    tiny_data,
    two_subjects,
    weights_of,
)


class StopAfter:
    """Progress whose person gives up at a report."""

    def __init__(self, n_reports: int) -> None:
        self.left = n_reports

    def report(self, fraction: float, message: str = "") -> None:
        self.left -= 1
        if self.left < 0:
            raise Cancelled(message)


def finish(folder: Path, plan: TrainingPlan, data: TrainingData) -> Path:
    prepare_run(folder, plan, data)
    train_here(folder, SilentProgress())
    return folder


KINDS = {
    "residual": TINY,
    "mindreader": replace(
        preset("mindreader", n_epochs=3, batch_size=16, device="cpu", log_every_steps=3),
        sizes=NetworkSizes(n_channels=4, n_blocks=1, n_hidden=4),
    ),
    "joint": replace(TINY, network="joint", n_epochs=3, schedule=Schedule.ONE_CYCLE),
}


def kind_data(name: str) -> TrainingData:
    return two_subjects() if name == "joint" else tiny_data()


@pytest.mark.parametrize("name", NETWORKS)
def test_a_training_stopped_anywhere_ends_the_same(name: str, tmp_path: Path) -> None:
    plan, data = KINDS[name], kind_data(name)
    alone = finish(tmp_path / "alone", plan, data)
    stopped = tmp_path / "stopped"
    run = prepare_run(stopped, plan, data)
    for n_reports in (2, 5, 1):
        torch.manual_seed(n_reports)  # what the process drew before is no business of the training
        with pytest.raises(Cancelled):
            train_here(stopped, StopAfter(n_reports))
    train_here(stopped, SilentProgress())
    assert same_weights(alone, stopped)
    assert curves(alone) == curves(stopped)
    steps = [line["step"] for line in read_log(stopped)]
    assert steps == sorted(steps)
    begun = run.build().state_dict()
    learnt = weights_of(stopped)
    assert any(not torch.equal(value, learnt[f"network.{key}"]) for key, value in begun.items())


def test_another_seed_ends_elsewhere_and_training_leaves_the_random_state_alone(
    tmp_path: Path,
) -> None:
    before = torch.get_rng_state()
    one = finish(tmp_path / "one", TINY, tiny_data())
    assert torch.equal(before, torch.get_rng_state())
    assert not same_weights(one, finish(tmp_path / "other", replace(TINY, seed=1), tiny_data()))


def test_training_again_where_it_has_ended_changes_nothing(tmp_path: Path) -> None:
    folder = finish(tmp_path, TINY, tiny_data())
    before, lines = weights_of(folder), read_log(folder)
    prepare_run(folder, TINY, tiny_data())
    train_here(folder, SilentProgress())
    after = weights_of(folder)
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert read_log(folder) == lines


def test_the_loss_falls_and_pictures_are_told_apart(tmp_path: Path) -> None:
    plan = replace(TINY, n_epochs=20, learning_rate=3e-3)
    lines = read_log(finish(tmp_path, plan, tiny_data()))
    judged = [line for line in lines if "held_out_loss" in line]
    assert judged[-1]["held_out_loss"] < judged[0]["held_out_loss"] - 0.3
    summary = NetworkDecoder.from_run(tmp_path).summary
    assert summary["held_out_loss"] == min(line["held_out_loss"] for line in judged)


def test_training_stops_when_held_out_pictures_gain_nothing(tmp_path: Path) -> None:
    """Targets without any relation to the responses: what is learnt does not carry over."""
    data = tiny_data()
    shuffled = np.random.default_rng(0).permutation(data.embeddings)
    plan = replace(
        TINY, n_epochs=60, patience=3, learning_rate=1e-2, schedule=Schedule.CONSTANT,
        losses=LossWeights(cosine=1.0, soft_clip=0.5, temperature=0.1),
    )  # fmt: skip
    finish(tmp_path, plan, replace(data, embeddings=shuffled))
    summary = NetworkDecoder.from_run(tmp_path).summary
    assert summary["n_epochs"] == summary["epoch"] + 3 < 60


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_a_damaged_state_falls_back_to_the_one_before(damage: str, tmp_path: Path) -> None:
    data = tiny_data()
    alone = finish(tmp_path / "alone", TINY, data)
    folder = tmp_path / "damaged"
    prepare_run(folder, TINY, data)
    for _ in range(2):
        with pytest.raises(Cancelled):
            train_here(folder, StopAfter(4))
    path = folder / STATE_FILE
    whole = bytearray(path.read_bytes())
    whole[-40] ^= 1
    path.write_bytes(
        {"cut": bytes(whole[:-9]), "flipped": bytes(whole), "empty": b"", "text": b"{}"}[damage]
    )
    (folder / ".writing-torn.safetensors").write_bytes(b"half")
    with (folder / "log.jsonl").open("a") as stream:
        stream.write('{"step": 99, "epo')
    with pytest.raises(Cancelled):
        train_here(folder, StopAfter(1))
    train_here(folder, SilentProgress())
    assert same_weights(alone, folder)
    assert curves(alone) == curves(folder)
    assert not list(folder.glob(".writing-*"))


def test_two_damaged_states_are_named(tmp_path: Path) -> None:
    finish(tmp_path, replace(TINY, checkpoint_every_s=0), tiny_data())
    for name in (STATE_FILE, PREVIOUS_STATE_FILE):
        assert (tmp_path / name).exists()
        (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"No state in .* can be read"):
        train_here(tmp_path, SilentProgress())


def test_a_folder_keeps_the_plan_and_the_data_that_it_was_begun_with(tmp_path: Path) -> None:
    prepare_run(tmp_path, TINY, tiny_data())
    with pytest.raises(CheckpointError, match=r"other settings \(batch_size, seed\)"):
        prepare_run(tmp_path, replace(TINY, seed=3, batch_size=8), tiny_data())
    with pytest.raises(CheckpointError, match=r"other settings \(data\)"):
        prepare_run(tmp_path, TINY, tiny_data(seed=1))
    with pytest.raises(Cancelled):
        train_here(tmp_path, StopAfter(3))
    plan = (
        (tmp_path / "plan.json")
        .read_text()
        .replace('"learning_rate": 0.001', '"learning_rate": 0.5')
    )
    (tmp_path / "plan.json").write_text(plan)
    with pytest.raises(CheckpointError, match="written with another plan"):
        train_here(tmp_path, SilentProgress())
    (tmp_path / "plan.json").write_text(plan[:-30])
    with pytest.raises(CheckpointError, match="is damaged"):
        train_here(tmp_path, SilentProgress())
    with pytest.raises(CheckpointError, match="holds no training"):
        train_here(tmp_path / "elsewhere", SilentProgress())


def test_damaged_data_is_named(tmp_path: Path) -> None:
    prepare_run(tmp_path, TINY, tiny_data())
    (tmp_path / "z-0.npy").write_bytes((tmp_path / "z-0.npy").read_bytes()[:-100])
    with pytest.raises(DataError, match=r"z-0\.npy cannot be read"):
        train_here(tmp_path, SilentProgress())


def test_plans_survive_json() -> None:
    for name in NETWORKS:
        plan = preset(name, generator=GeneratorPlan("g.safetensors"))
        assert TrainingPlan.from_dict(plan.to_dict(), "here") == plan
    with pytest.raises(CheckpointError, match="no training plan"):
        TrainingPlan.from_dict({**preset("joint").to_dict(), "optimizer": "sgd"}, "here")


def test_learning_rates_follow_their_schedules() -> None:
    def rates(plan: TrainingPlan) -> list[float]:
        return [learning_rate(plan, step, 400, 10) for step in range(400)]

    mindreader = rates(preset("mindreader"))
    assert mindreader[:100] == [2e-4] * 100
    assert mindreader[100] == pytest.approx(1.6e-4)
    assert mindreader[399] == pytest.approx(2e-4 * 0.8**3)
    cycle = rates(replace(TINY, schedule=Schedule.ONE_CYCLE))
    assert np.argmax(cycle) == 120
    assert max(cycle) == pytest.approx(1e-3)
    assert cycle[-1] < 1e-6 < cycle[0]
    cosine = rates(replace(TINY, schedule=Schedule.COSINE))
    assert cosine == sorted(cosine, reverse=True)
    assert cosine[200] == pytest.approx(5e-4)


def test_weight_decay_pulls_matrices_and_not_biases(tmp_path: Path) -> None:
    losses = LossWeights(cosine=1.0)
    free = replace(TINY, losses=losses, weight_decay=0.0, n_epochs=6)
    norms = {}
    for decay in (0.0, 30.0):
        plan = replace(free, weight_decay=decay, patience=50)
        folder = finish(tmp_path / f"{decay}", plan, tiny_data())
        weights = weights_of(folder)
        norms[decay] = [float(weights[f"network.first.{n}"].norm()) for n in ("weight", "bias")]
    assert norms[30.0][0] < 0.6 * norms[0.0][0]
    assert norms[30.0][1] > 0.6 * norms[0.0][1]
    assert preset("mindreader").optimizer is OptimizerKind.ADAM


def test_targets_with_variants_are_drawn_from_all_and_judged_by_the_first(tmp_path: Path) -> None:
    data = tiny_data()
    away = np.random.default_rng(1).standard_normal(data.embeddings.shape).astype(np.float32)
    first = replace(data, embeddings=np.stack([data.embeddings, away], 1))
    lines = read_log(finish(tmp_path / "two", replace(TINY, n_epochs=1), first))
    alone = read_log(finish(tmp_path / "one", replace(TINY, n_epochs=1), data))
    assert lines[0]["held_out_cosine"] == alone[0]["held_out_cosine"]
    assert lines[-1]["terms"] != alone[-1]["terms"]


def test_bad_data_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    data = tiny_data()
    (subject,) = data.subjects

    def refused(error: type[Exception], words: str, **changes: Any) -> None:
        z, image = changes.pop("z", subject.z), changes.pop("image", subject.image)
        bad = replace(data, subjects=(SubjectTrials("subj01", z, image),), **changes)
        with pytest.raises(error, match=words):
            prepare_run(tmp_path / "run", TINY, bad)
        assert not (tmp_path / "run").exists()

    refused(DataError, "hold infinite", z=np.where(subject.z > 2, np.inf, subject.z))
    refused(DataError, "No voxel of subj01 varies", z=np.ones_like(subject.z))
    refused(DataError, "No voxel of subj01 varies", z=np.full_like(subject.z, np.nan))
    refused(DataError, "trials of picture 90", image=subject.image + 31)
    refused(DataError, "one row of voxels and one picture", image=subject.image[:-1])
    refused(DataError, "no table of finite", embeddings=np.full_like(data.embeddings, np.nan))
    few = subject.image < 6
    refused(RequestError, "Of 6 pictures, 1 would be held out",
            z=subject.z[few], image=subject.image[few])  # fmt: skip
    with pytest.raises(RequestError, match="held-out share"):
        replace(TINY, held_out_share=1.0)
    with pytest.raises(RequestError, match="batch_size is at least 2"):
        replace(TINY, batch_size=1)


def test_voxels_without_data_or_variance_teach_nothing_and_break_nothing(tmp_path: Path) -> None:
    data = tiny_data()
    (subject,) = data.subjects
    z = subject.z.copy()
    z[:, 0], z[:, 1], z[3, 5] = np.nan, 0.0, np.nan
    holed = replace(data, subjects=(replace(subject, z=z),))
    decoder = NetworkDecoder.from_run(finish(tmp_path / "holed", TINY, holed))
    filled = replace(data, subjects=(replace(subject, z=np.nan_to_num(z)),))
    other = NetworkDecoder.from_run(finish(tmp_path / "filled", TINY, filled))
    assert np.array_equal(decoder.decode(z), other.decode(z))
    assert np.isfinite(decoder.decode(z)).all()


def test_the_generator_takes_part_in_training(tmp_path: Path) -> None:
    config = LafiteConfig(
        resolution=8, n_embedding=12, n_z=3, n_w=4, n_mapping_layers=1, channel_base=32,
        channel_max=4, n_condition=4,
    )  # fmt: skip
    torch.manual_seed(0)
    file = tmp_path / "generator.safetensors"
    header = {"network": config.to_dict(), "embedding": "conse"}
    save_checkpoint(file, "lafite", Generator(config).state_dict(), header)
    plan = replace(TINY, generator=GeneratorPlan(str(file), n_pictures=3))
    alone = finish(tmp_path / "with", plan, tiny_data())
    assert read_log(alone)[-1]["terms"]["generator_pixel"] > 0
    assert not same_weights(alone, finish(tmp_path / "without", TINY, tiny_data()))
    stopped = tmp_path / "stopped"
    prepare_run(stopped, plan, tiny_data())
    with pytest.raises(Cancelled):
        train_here(stopped, StopAfter(13))
    train_here(stopped, SilentProgress())
    assert same_weights(alone, stopped)
    data = tiny_data()
    wider = np.repeat(data.embeddings, 2, axis=1)
    prepare_run(tmp_path / "wider", plan, replace(data, embeddings=wider))
    with pytest.raises(CheckpointError, match="embeddings of 12 dimensions, the pictures have 24"):
        train_here(tmp_path / "wider", SilentProgress())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_named(tmp_path: Path) -> None:
    for number, (name, words) in enumerate(
        {"cuda": "no GPU for 'cuda'", "cuda:3": "no GPU", "tpu": "no device to compute on"}.items()
    ):
        folder = tmp_path / str(number)
        prepare_run(folder, replace(TINY, device=name), tiny_data())
        with pytest.raises(RequestError, match=words) as caught:
            train_here(folder, SilentProgress())
        assert "'cpu'" in str(caught.value)


def test_running_out_of_memory_is_one_sentence() -> None:
    """A petabyte is refused by torch's own allocator, which raises no MemoryError."""
    cpu = torch.device("cpu")
    for allocate in (lambda: torch.empty(1 << 50), lambda: np.empty(1 << 50)):
        with (
            pytest.raises(RequestError, match="Memory ran out on cpu at a batch of 64"),
            memory_errors(64, cpu),
        ):
            allocate()
    with pytest.raises(RuntimeError, match="shapes"), memory_errors(64, cpu):
        torch.ones(2, 3) @ torch.ones(2, 3)


def test_a_full_disk_leaves_the_last_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on the size of files stands in for a full disk: the system refuses the same write."""
    import resource

    plan, data = replace(TINY, n_epochs=6), tiny_data()
    alone = finish(tmp_path / "alone", plan, data)
    folder = tmp_path / "full"
    prepare_run(folder, plan, data)
    with pytest.raises(Cancelled):
        train_here(folder, StopAfter(5))
    before = (folder / STATE_FILE).read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(DataError, match=r"cannot write into .* make room"):
            train_here(folder, SilentProgress())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (folder / STATE_FILE).read_bytes() == before
    assert not list(folder.glob(".writing-*"))
    train_here(folder, SilentProgress())
    assert same_weights(alone, folder)
