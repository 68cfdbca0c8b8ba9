"""An imported generator paints what a slow reading of the published one paints; all else is named."""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nsdviewer.cli.import_command import add_import
from nsdviewer.errors import CheckpointError
from nsdviewer.models.lafite.painter import load_lafite
from nsdviewer.models.published.importing import import_published
from tests.models.published.pickles import (
    LOW_PASS,
    Part,
    Sizes,
    View,
    generator,
    snapshot,
    write,
    zero_storage,
)

SIZES = Sizes()


def slow_connected(part: Part, x: torch.Tensor) -> torch.Tensor:
    """x W' + b with the gains that the published layer carries."""
    weight, bias = (part.parameters[name].double() for name in ("weight", "bias"))
    y = x @ weight.t() * part.attributes["weight_gain"] + bias * part.attributes["bias_gain"]
    return F.leaky_relu(y, 0.2) * 2**0.5 if part.attributes["activation"] == "lrelu" else y


def slow_style(sizes: Sizes, layer: Part, w: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
    if sizes.structure == 3:
        return slow_connected(layer.parts["affine"], w)
    condition = slow_connected(layer.parts["pre_0"], feature)
    condition = slow_connected(layer.parts["pre_1"], condition)
    if sizes.structure == 2:
        return slow_connected(layer.parts["affine_0"], torch.cat([condition, w], 1))
    return slow_connected(layer.parts["affine"], w) + slow_connected(
        layer.parts["affine_0"], condition
    )


def with_zeros_between(x: torch.Tensor) -> torch.Tensor:
    n, c, h, w = x.shape
    wide = x.new_zeros(n, c, 2 * h - 1, 2 * w - 1)
    wide[:, :, ::2, ::2] = x
    return wide


def low_pass(x: torch.Tensor, padding: tuple[int, int, int, int]) -> torch.Tensor:
    kernel = (LOW_PASS.double() * 4).expand(x.shape[1], 1, 4, 4)
    return F.conv2d(F.pad(x, padding), kernel, groups=x.shape[1])


def slow_convolution(
    layer: Part, x: torch.Tensor, style: torch.Tensor, up: bool, demodulate: bool
) -> torch.Tensor:
    """One kernel a sample, zeros between the samples, a true convolution, the filter."""
    rows = []
    for sample, s in zip(x, style, strict=True):
        kernel = layer.parameters["weight"].double() * s[None, :, None, None]
        if demodulate:
            kernel = kernel / torch.sqrt(kernel.square().sum((1, 2, 3), keepdim=True) + 1e-8)
        if up:
            wide = F.pad(with_zeros_between(sample[None]), (2, 2, 2, 2))
            y = low_pass(F.conv2d(wide, kernel.flip(2, 3)), (1, 1, 1, 1))
        else:
            y = F.conv2d(sample[None], kernel, padding=kernel.shape[-1] // 2)
        rows.append(y[0])
    return torch.stack(rows)


def clamped(sizes: Sizes, x: torch.Tensor) -> torch.Tensor:
    return x if sizes.clamp is None else x.clamp(-sizes.clamp, sizes.clamp)


def slow_pictures(
    sizes: Sizes, network: Part, z: torch.Tensor, feature: torch.Tensor, psi: float = 1.0
) -> torch.Tensor:
    """Paint from a published generator, read straight from its parts, in double precision."""
    w = z / torch.sqrt(z.square().mean(1, keepdim=True) + 1e-8)
    for k in range(sizes.n_layers):
        w = slow_connected(network.find(f"mapping.fc{k}"), w)
    average = network.find("mapping").buffers["w_avg"].double()
    w = average + psi * (w - average)
    image: torch.Tensor | None = None
    x = torch.zeros(0)
    for name, block in network.find("synthesis").parts.items():
        if name == "b4":
            x = block.parameters["const"].double().expand(len(z), -1, -1, -1)
        for part in ("conv0", "conv1"):
            if part not in block.parts:
                continue
            layer = block.parts[part]
            x = slow_convolution(
                layer, x, slow_style(sizes, layer, w, feature), part == "conv0", True
            )
            x = x + (layer.buffers["noise_const"] * layer.parameters["noise_strength"]).double()
            x = x + layer.parameters["bias"].double()[:, None, None]
            x = clamped(sizes, F.leaky_relu(x, 0.2) * 2**0.5)
        colour = block.parts["torgb"]
        style = slow_style(sizes, colour, w, feature) * colour.attributes["weight_gain"]
        y = slow_convolution(colour, x, style, False, False)
        y = clamped(sizes, y + colour.parameters["bias"].double()[:, None, None])
        image = y if image is None else y + low_pass(with_zeros_between(image), (2, 2, 2, 2))
    assert image is not None
    return image


def imported(folder: Path, network: Part, n_embedding: int = SIZES.n_feature) -> Path:
    source = write(folder / "published.pkl", snapshot(network))
    import_published(source, folder / "g.safetensors", "planted", n_embedding)
    return folder / "g.safetensors"


@pytest.mark.parametrize(
    "sizes",
    [
        SIZES,
        replace(SIZES, clamp=None),
        replace(SIZES, clamp=0.5),
        replace(SIZES, n_condition=6, resolution=32, channel_base=256, channel_max=8),
        replace(SIZES, structure=0),
        replace(SIZES, structure=3),
    ],
    ids=["published", "unclamped", "clamped", "narrow condition", "added", "plain"],
)
def test_an_imported_generator_paints_what_the_published_one_does(
    tmp_path: Path, sizes: Sizes
) -> None:
    network = generator(sizes)
    painter = load_lafite(imported(tmp_path, network, sizes.n_feature))
    rng = torch.Generator().manual_seed(1)
    z = torch.randn(3, sizes.n_z, generator=rng)
    feature = F.normalize(torch.randn(3, sizes.n_feature, generator=rng), dim=1)
    slow = slow_pictures(sizes, network, z.double(), feature.double())
    with torch.inference_mode():
        fast, moved = painter.network(z, feature), painter.network(z, feature.flip(0))
    assert fast.shape == (3, 3, sizes.resolution, sizes.resolution)
    torch.testing.assert_close(fast.double(), slow, atol=2e-5 * float(slow.abs().max()), rtol=0)
    assert painter.header["ignores_embedding"] == (sizes.structure == 3)
    assert torch.equal(moved, fast) == (sizes.structure == 3)


def test_truncation_draws_towards_the_published_average(tmp_path: Path) -> None:
    network = generator(SIZES)
    painter = load_lafite(imported(tmp_path, network))
    z, feature = torch.randn(2, SIZES.n_z), F.normalize(torch.randn(2, SIZES.n_feature), dim=1)
    slow = slow_pictures(SIZES, network, z.double(), feature.double(), psi=0.6)
    with torch.inference_mode():
        fast = painter.network(z, feature, psi=0.6)
    torch.testing.assert_close(fast.double(), slow, atol=2e-5 * float(slow.abs().max()), rtol=0)


def test_the_file_says_where_it_comes_from_and_reading_leaves_no_names(tmp_path: Path) -> None:
    painter = load_lafite(imported(tmp_path, generator(SIZES)))
    source = painter.header["imported_from"]
    assert source["file"] == "published.pkl"
    assert source["network"] == "G_ema"
    assert source["structures"] == [2]
    assert len(source["sha256"]) == 64
    assert painter.embedding == "planted"
    assert painter.n_embedding == SIZES.n_feature


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_binary_protocol_gives_the_same_weights(tmp_path: Path, protocol: int) -> None:
    network = generator(SIZES)
    one = imported(tmp_path, network)
    source = write(tmp_path / "other.pkl", snapshot(network), protocol)
    import_published(source, tmp_path / "other.safetensors", "planted", SIZES.n_feature)
    a, b = load_lafite(one).network.state_dict(), load_lafite(tmp_path / "other.safetensors")
    assert all(torch.equal(value, a[name]) for name, value in b.network.state_dict().items())


def test_the_averaged_weights_come_first(tmp_path: Path) -> None:
    averaged, last = generator(SIZES, seed=1), generator(SIZES, seed=2)
    one = load_lafite(imported(tmp_path, averaged)).network.state_dict()
    for content, same in (({"G": last, "G_ema": averaged}, True), ({"G": last}, False)):
        source = write(tmp_path / "both.pkl", content)
        import_published(source, tmp_path / "both.safetensors", "planted", SIZES.n_feature)
        both = load_lafite(tmp_path / "both.safetensors").network.state_dict()
        assert torch.equal(both["constant"], one["constant"]) == same


def broken(what: str) -> Part:
    """Return a generator with one defect."""
    if what.startswith("structure"):
        return generator(replace(SIZES, structure=1))
    network = generator(SIZES)
    block, conv = network.find("synthesis.b8"), network.find("synthesis.b8.conv0")
    match what:
        case "missing":
            del conv.parameters["bias"]
        case "left over":
            conv.parameters["extra"] = torch.zeros(2)
        case "shape":
            conv.parameters["bias"] = torch.zeros(3)
        case "nan":
            conv.parameters["weight"][0, 0, 0, 0] = torch.nan
        case "infinite":
            conv.parameters["noise_strength"] = torch.tensor(torch.inf)
        case "integers":
            conv.parameters["bias"] = torch.zeros(len(conv.parameters["bias"]), dtype=torch.int64)
        case "resolution":
            network.attributes["img_resolution"] = 32
        case "odd resolution":
            network.attributes["img_resolution"] = 24
        case "huge resolution":
            network.attributes["img_resolution"] = 2**30
        case "labels":
            network.attributes["c_dim"] = 10
        case "grey":
            network.attributes["img_channels"] = 1
        case "architecture":
            block.attributes["architecture"] = "resnet"
        case "activation":
            conv.attributes["activation"] = "relu"
        case "gain":
            network.find("mapping.fc1").attributes["weight_gain"] = 1.0
        case "filter":
            block.buffers["resample_filter"] = LOW_PASS.flip(0) + 0.01
        case "clamps":
            conv.attributes["conv_clamp"] = 3
        case "inside itself":
            block.parts["again"] = conv
            conv.parts["deeper"] = Part("Empty")
        case "no part":
            block.parts["conv0"] = 7  # type: ignore[assignment]
        case "no tensor":
            conv.parameters["bias"] = torch.zeros(1)
            conv.attributes["_buffers"] = {"bias": 3}
    return network


DEFECTS = {
    "missing": "lacks synthesis.b8.conv0.bias",
    "left over": "in addition synthesis.b8.conv0.extra",
    "shape": r"synthesis.b8.conv0.bias \(3,\) instead of \(9,\)",
    "nan": "layers.1.convolution.weight holds values that are no finite numbers",
    "infinite": "layers.1.noise_strength holds values",
    "integers": "int64 numbers where weights belong",
    "resolution": "synthesis.b32",
    "odd resolution": "paints 24 pixels",
    "huge resolution": "paints 1073741824 pixels",
    "labels": "c_dim is 10",
    "grey": "img_channels is 1",
    "architecture": "synthesis.b8.architecture is resnet",
    "activation": "synthesis.b8.conv0.activation is relu",
    "gain": "mapping.fc1.weight_gain is 1",
    "filter": "another low-pass filter",
    "clamps": "clamped at different values",
    "inside itself": "occurs twice",
    "no part": "no part of a network",
    "no tensor": "synthesis.b8.conv0.bias is no tensor",
    "structure 1": "structure 1",
}


@pytest.mark.parametrize("what", DEFECTS)
def test_a_generator_that_ours_cannot_stand_for_is_named(tmp_path: Path, what: str) -> None:
    source = write(tmp_path / "odd.pkl", snapshot(broken(what)))
    with pytest.raises(CheckpointError, match=DEFECTS[what]) as error:
        import_published(source, tmp_path / "g.safetensors", "planted", SIZES.n_feature)
    assert "odd.pkl" in str(error.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["odd.pkl"]


def test_an_embedding_of_another_dimension_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="14 dimensions, and the embedding has 384"):
        imported(tmp_path, generator(SIZES), 384)


@pytest.mark.parametrize("content", [[1, 2], {"D": Part("D")}, "text", {"G_ema": {"a": 1}}])
def test_a_pickle_of_something_else_is_named(tmp_path: Path, content: object) -> None:
    source = write(tmp_path / "other.pkl", content)
    with pytest.raises(CheckpointError, match="holds no generator that can be taken over"):
        import_published(source, tmp_path / "g.safetensors", "planted", 14)


def test_tensors_that_share_one_storage_do_not_unfold_a_short_file(tmp_path: Path) -> None:
    sizes = replace(SIZES, n_w=64, n_condition=64, n_feature=64)
    network, shared = generator(sizes), zero_storage(1 << 14)
    for part in network.all_parts():
        part.parameters = {
            name: View(shared, tuple(value.shape))  # type: ignore[misc]
            for name, value in part.parameters.items()
        }
    source = write(tmp_path / "bomb.pkl", {"G": network})
    with pytest.raises(CheckpointError, match="bytes of tensors in"):
        import_published(source, tmp_path / "g.safetensors", "planted", 64)


def test_the_command_writes_the_file_and_says_what_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = replace(SIZES, n_feature=512)
    source = write(tmp_path / "published.pkl", snapshot(generator(sizes)))
    out = tmp_path / "g.safetensors"
    name = "open_clip:ViT-B-32-quickgelu/openai"
    parser = argparse.ArgumentParser()
    add_import(parser.add_subparsers())
    arguments = parser.parse_args(["import", str(source), "--out", str(out), "--embedding", name])
    assert arguments.run(arguments) == 0
    assert load_lafite(out).embedding == name
    printed = capsys.readouterr().out
    assert "16" in printed and str(out) in printed
    assert np.isfinite(load_lafite(out).paint(np.eye(1, 512, dtype=np.float32), 0)).all()
