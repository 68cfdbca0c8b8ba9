from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nsdviewer.errors import CheckpointError, RequestError
from nsdviewer.models.checkpoints import save_checkpoint
from nsdviewer.models.diffusion.config import FlowConfig
from nsdviewer.models.diffusion.network import FlowNetwork
from nsdviewer.models.lafite.config import LafiteConfig
from nsdviewer.models.lafite.generator import Generator
from nsdviewer.models.painter import interpolate, noise_of_each
from nsdviewer.models.painting import SHIPPED, load_painter, shipped_generator

NAMES = list(SHIPPED)


def unit(n: int, d: int = 384, seed: int = 0) -> np.ndarray:
    g = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(n, d, generator=g), dim=1).numpy()


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_generator_is_small_and_named(name: str) -> None:
    assert shipped_generator(name).stat().st_size <= 20e6
    painter = load_painter(Path(name))
    assert painter.path == shipped_generator(name)
    assert painter.embedding == "conse"
    with pytest.raises(CheckpointError, match="embedding"):
        painter.require("open_clip:ViT-B-32-quickgelu/openai")


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_its_embedding_and_seed_alone(name: str) -> None:
    painter = load_painter(Path(name))
    vectors = unit(3)
    together = painter.paint(vectors, 1)
    assert together.shape == (3, 64, 64, 3)
    assert together.dtype == np.uint8
    np.testing.assert_array_equal(together, painter.paint(vectors, 1))
    each = painter.paint(vectors, [1, 2, 1])
    # Batches of another size may round differently in their last bit.
    assert np.abs(each[[0, 2]].astype(int) - together[[0, 2]]).max() <= 1
    assert np.abs(each[1].astype(int) - together[1]).max() > 1
    alone = painter.paint(vectors[2:], 1)
    assert np.abs(alone[0].astype(int) - together[2]).max() <= 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        (unit(2, 512), "384 dimensions"),
        (unit(1)[0], "384 dimensions"),
        (np.zeros((2, 384), np.float32), "Embedding 0 of 2 is zero"),
        (np.vstack([unit(1), np.full((1, 384), np.nan)]), "Embedding 1 of 2 holds a value"),
        (np.vstack([unit(1), np.full((1, 384), np.inf)]), "Embedding 1 of 2 holds a value"),
    ],
)
def test_an_embedding_that_shows_nothing_is_refused(
    name: str, vectors: np.ndarray, words: str
) -> None:
    with pytest.raises(RequestError, match=words):
        load_painter(Path(name)).paint(vectors, 0)


def test_a_flow_shows_itself_on_the_way_and_stops_when_asked() -> None:
    class Stop(Exception):
        pass

    painter = load_painter(Path("flow"))
    seen: list[tuple[float, np.ndarray]] = []
    last = painter.paint(unit(2), 0, preview=lambda f, p: seen.append((f, p)))
    fractions = [f for f, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert all(p.shape == last.shape for _, p in seen)
    distances = [np.abs(p.astype(float) - last).mean() for _, p in seen]
    assert distances[-1] < 0.5 * distances[0]

    class Impatient:
        n = 0

        def report(self, fraction: float, message: str = "") -> None:
            self.n += 1
            if self.n == 3:
                raise Stop

    with pytest.raises(Stop):
        painter.paint(unit(2), 0, progress=Impatient())
    np.testing.assert_array_equal(painter.paint(unit(2), 0), last)


def test_seeds_are_one_or_one_each() -> None:
    painter = load_painter()
    for seed, words in (([1, 2], "one for each"), (-1, "from 0 upwards"), ([1, 2, -3], "got -3")):
        with pytest.raises(RequestError, match=words):
            painter.paint(unit(3), seed)
    noise = noise_of_each([4, 5, 4], (7,))
    assert torch.equal(noise[0], noise[2])
    assert not torch.equal(noise[0], noise[1])


def test_an_interpolation_keeps_the_length_and_equal_angles() -> None:
    a, b = unit(2)
    way = interpolate(a, 3 * b, 9)
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(way[0], a, atol=1e-6)
    np.testing.assert_allclose(way[-1], b, atol=1e-6)
    steps = np.arccos(np.clip((way[1:] * way[:-1]).sum(1), -1, 1))
    np.testing.assert_allclose(steps, np.arccos(a @ b) / 8, atol=1e-4)
    np.testing.assert_allclose(interpolate(a, a, 3), np.stack([a] * 3), atol=1e-6)
    for first, second, n, words in (
        (a, -a, 3, "Opposite"), (a, b, 1, "at least two"), (a, 0 * b, 3, "without a direction"),
    ):  # fmt: skip
        with pytest.raises(RequestError, match=words):
            interpolate(first, second, n)


def test_a_file_of_another_resolution_does_not_load(tmp_path: Path) -> None:
    small = LafiteConfig.small(16, 8)
    header = {"network": LafiteConfig.small(32, 8).to_dict(), "embedding": "conse"}
    path = tmp_path / "g.safetensors"
    save_checkpoint(path, "lafite", Generator(small).state_dict(), header)
    with pytest.raises(CheckpointError, match="do not fit its header"):
        load_painter(path)
    flow = FlowNetwork(FlowConfig(16, 8, widths=(8, 16)))
    header = {
        "network": FlowConfig(16, 8, widths=(16, 16)).to_dict(), "embedding": "conse",
        "sampling": {"n_steps": 2, "order": 1, "guidance": 1.0},
    }  # fmt: skip
    save_checkpoint(path, "flow", flow.state_dict(), header)
    with pytest.raises(CheckpointError, match="do not fit its header"):
        load_painter(path)


def test_what_is_no_generator_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_checkpoint(path, "decoder", {"a": torch.zeros(1)}, {})
    with pytest.raises(CheckpointError, match="holds a decoder, no generator"):
        load_painter(path)
    (tmp_path / "x.pkl").write_bytes(b"anything")
    with pytest.raises(CheckpointError, match="nsdviewer import"):
        load_painter(tmp_path / "x.pkl")
    with pytest.raises(CheckpointError, match="no model file"):
        load_painter(tmp_path / "missing.safetensors")
    with pytest.raises(RequestError, match="device"):
        load_painter(device="tpu")


def test_two_branches_take_one_embedding_or_two(tmp_path: Path) -> None:
    config = LafiteConfig(16, 8, 4, 8, 2, 64, 8, 8, n_branches=2)
    path = tmp_path / "g.safetensors"
    header = {"network": config.to_dict(), "embedding": "conse"}
    torch.manual_seed(0)
    save_checkpoint(path, "lafite", Generator(config).state_dict(), header)
    painter = load_painter(path)
    image, caption = unit(3, 8), unit(3, 8, 1)
    same = painter.paint(image, 0)
    np.testing.assert_array_equal(same, painter.paint(np.stack([image, image], 1), 0))
    assert not np.array_equal(same, painter.paint(np.stack([image, caption], 1), 0))
