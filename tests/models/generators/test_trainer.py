import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nsdviewer.errors import Cancelled, CheckpointError, DataError
from nsdviewer.jobs import SilentProgress
from nsdviewer.models.conse import ConseEmbedding
from nsdviewer.models.generators.run import WEIGHTS_FILE
from nsdviewer.models.painting import load_painter
from nsdviewer.models.runs.run_files import STATE_FILE, read_log
from tests.models.generators.colours import Colours
from tests.models.generators.tiny import (
    curves_of,
    make_trainer,
    same_tensors,
    tiny_plan,
    weights_of,
)

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "flow": ("flow", {}),
    "flow, rollouts": ("flow", {"rollout_share": 0.5, "n_sampling_steps": 3}),
    "lafite, small": ("lafite", {"paired_share": 0.5}),
    "lafite, published": (
        "lafite",
        {
            "paired_share": 0.0, "pixel_weight": 0.0, "feature_weight": 0.0, "path_weight": 2.0,
            "path_every": 2, "style_mixing": 0.9, "r1_every": 3, "ada": True,
            "perturbation": "trainable", "semantic_weight": 10.0, "contrastive_weight": 10.0,
        },
    ),
    "lafite, image and caption": (
        "lafite", {"n_branches": 2, "paired_share": 0.5, "caption_share": 1.0}
    ),
}  # fmt: skip


class StopAfter:
    """Progress that gives up at the n-th report."""

    def __init__(self, n: int) -> None:
        self.n = n

    def report(self, fraction: float, message: str = "") -> None:
        self.n -= 1
        if self.n < 0:
            raise Cancelled


@pytest.mark.parametrize("name", VARIANTS)
def test_a_stopped_training_goes_on_and_ends_with_the_same_bits(
    tmp_path: Path, conse: ConseEmbedding, name: str
) -> None:
    kind, recipe = VARIANTS[name]
    plan = tiny_plan(kind, conse, **recipe)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    make_trainer(whole, plan, conse).train(SilentProgress())
    for n_reports in (3, 2):
        torch.manual_seed(n_reports)  # what others draw meanwhile changes nothing
        with pytest.raises(Cancelled):
            make_trainer(broken, plan, conse).train(StopAfter(n_reports))
    make_trainer(broken, plan, conse).train(SilentProgress())
    assert same_tensors(weights_of(whole), weights_of(broken))
    assert curves_of(whole) == curves_of(broken)
    assert [p.name for p in sorted(whole.glob("sheet*"))] == [
        "sheet_00000016.png", "sheet_00000032.png",
    ]  # fmt: skip
    painter = load_painter(whole / WEIGHTS_FILE)
    vector = np.eye(1, 384, dtype=np.float32)
    np.testing.assert_array_equal(painter.paint(vector, 3), painter.paint(vector, [3]))


@pytest.mark.parametrize("name", VARIANTS)
def test_every_term_is_learnt_from(tmp_path: Path, conse: ConseEmbedding, name: str) -> None:
    kind, recipe = VARIANTS[name]
    trainer = make_trainer(tmp_path, tiny_plan(kind, conse, **recipe), conse)
    modules = trainer._recipe.modules
    before = {n: [p.clone() for p in m.parameters()] for n, m in modules.items()}
    trainer.train(SilentProgress())
    for module, weights in before.items():
        moved = [
            not torch.equal(a, b)
            for a, b in zip(weights, modules[module].parameters(), strict=True)
        ]
        assert all(moved), f"{moved.count(False)} weights of {module} never move"
    terms = {k for line in read_log(tmp_path) for k in line.get("terms", {})}
    expected = {
        "flow": {"velocity", "feature", "cosine"},
        "flow, rollouts": {"velocity", "own_pixel", "own_feature", "own_cosine", "own_contrastive"},
        "lafite, published": {
            "game", "semantic", "contrastive", "path", "d_game", "d_semantic", "d_r1",
            "perturbation",
        },
    }  # fmt: skip
    assert expected.get(name, {"pixel", "feature", "cosine", "game", "d_game"}) <= terms
    for line in read_log(tmp_path):
        assert all(math.isfinite(v) for v in line.get("terms", {}).values())


def test_weights_that_were_lost_after_the_end_come_back(
    tmp_path: Path, conse: ConseEmbedding
) -> None:
    plan = tiny_plan("flow", conse, 8)
    make_trainer(tmp_path, plan, conse).train(SilentProgress())
    weights = weights_of(tmp_path)
    (tmp_path / WEIGHTS_FILE).unlink()
    make_trainer(tmp_path, plan, conse).train(SilentProgress())
    assert same_tensors(weights, weights_of(tmp_path))


def test_a_training_that_diverges_keeps_its_last_good_checkpoint(
    tmp_path: Path, conse: ConseEmbedding
) -> None:
    plan = tiny_plan("flow", conse)
    with pytest.raises(Cancelled):
        make_trainer(tmp_path, plan, conse).train(StopAfter(3))
    state = (tmp_path / STATE_FILE).read_bytes()
    trainer = make_trainer(tmp_path, plan, conse)
    with torch.no_grad():
        next(iter(trainer._recipe.modules["network"].parameters())).fill_(math.nan)
    with pytest.raises(CheckpointError, match="diverged"):
        trainer.train(StopAfter(1))
    assert (tmp_path / STATE_FILE).read_bytes() == state


@pytest.mark.parametrize("name", ["lafite, published", "lafite, small", "flow"])
def test_any_embedding_that_reads_pictures_will_do(tmp_path: Path, name: str) -> None:
    kind, recipe = VARIANTS[name]
    colours = Colours()
    make_trainer(tmp_path, tiny_plan(kind, colours, 12, **recipe), colours).train(SilentProgress())
    painter = load_painter(tmp_path / WEIGHTS_FILE)
    assert painter.embedding == "colours"
    assert painter.n_embedding == colours.dimension
    terms = {k for line in read_log(tmp_path) for k in line.get("terms", {})}
    assert terms & {"contrastive", "cosine"}


def test_the_loss_falls_on_pictures_it_can_learn(tmp_path: Path, conse: ConseEmbedding) -> None:
    plan = tiny_plan("flow", conse, 600, n_warm_up_images=40, cosine_weight=0.0, feature_weight=0.0)
    make_trainer(tmp_path, plan, conse).train(SilentProgress())
    found = [line["terms"]["velocity"] for line in read_log(tmp_path) if "terms" in line]
    assert np.mean(found[-20:]) < 0.8 * np.mean(found[:10])


def test_a_state_of_another_plan_is_refused_by_name(tmp_path: Path, conse: ConseEmbedding) -> None:
    make_trainer(tmp_path, tiny_plan("flow", conse, 8), conse).train(SilentProgress())
    with pytest.raises(CheckpointError, match="another plan"):
        make_trainer(tmp_path, tiny_plan("flow", conse, 16), conse)


def test_a_disk_that_fills_up_costs_nothing_that_was_saved(
    tmp_path: Path, conse: ConseEmbedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource
    import signal

    plan = tiny_plan("flow", conse)
    with pytest.raises(Cancelled):
        make_trainer(tmp_path, plan, conse).train(StopAfter(4))
    state = (tmp_path / STATE_FILE).read_bytes()
    weights = (tmp_path / WEIGHTS_FILE).read_bytes()
    trainer = make_trainer(tmp_path, plan, conse)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        # Smaller than a state: the system refuses to write on, as a full disk does.
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
        with pytest.raises(DataError, match="make room"):
            trainer.train(SilentProgress())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert (tmp_path / STATE_FILE).read_bytes() == state
    assert (tmp_path / WEIGHTS_FILE).read_bytes() == weights
    make_trainer(tmp_path, plan, conse).train(SilentProgress())
    assert json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])["n_shown"] == 32
