"""Feature networks through the real code path, on random weights that are labelled as such."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.transforms import v2

from nsdviewer.evaluation.catalogue import Metric
from nsdviewer.evaluation.features import TorchvisionNetwork, hub_folder
from nsdviewer.evaluation.networks import ClipNetwork, feature_networks
from nsdviewer.evaluation.scores import NotComputed

SMALL_CLIP = "ViT-S-32-alt"
IMAGES = torch.rand((2, 3, 256, 256), generator=torch.Generator().manual_seed(0))


def network(folder: Path, metric: Metric) -> TorchvisionNetwork:
    found = next(s for s in feature_networks(folder) if metric in s.metrics)
    assert isinstance(found, TorchvisionNetwork)
    return found


def prepared(side_px: int) -> torch.Tensor:
    steps = [
        v2.Resize((side_px, side_px), antialias=True),
        v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
    return v2.Compose(steps)(IMAGES)


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    torch.manual_seed(0)
    with torch.no_grad():
        yield


def test_alexnet_is_read_after_the_relu_of_conv2_and_conv5(tmp_path: Path) -> None:
    reference = models.alexnet(weights=None).eval()
    torch.save(reference.state_dict(), tmp_path / "alexnet-owt-7be5be79.pth")
    loaded = network(tmp_path, Metric.ALEXNET_2).load()
    assert not isinstance(loaded, NotComputed)
    assert loaded.origin.is_published is False
    assert "NOT the published" in loaded.origin.text
    found = loaded.extract(IMAGES)
    x = prepared(256)
    seen = []
    for layer in reference.features:
        x = layer(x)
        seen.append(x.clone())
    convolutions = [k for k, m in enumerate(reference.features) if isinstance(m, torch.nn.Conv2d)]
    for metric, number in ((Metric.ALEXNET_2, 2), (Metric.ALEXNET_5, 5)):
        after_relu = seen[convolutions[number - 1] + 1].flatten(1)
        assert float(after_relu.min()) == 0
        np.testing.assert_allclose(found[metric], after_relu, rtol=1e-4, atol=1e-5)


def test_inception_scales_its_input_twice_and_is_read_at_avgpool(tmp_path: Path) -> None:
    reference = models.inception_v3(weights=None, transform_input=True, init_weights=False).eval()
    torch.save(reference.state_dict(), tmp_path / "inception_v3_google-0cc3c7bd.pth")
    loaded = network(tmp_path, Metric.INCEPTION).load()
    assert not isinstance(loaded, NotComputed)
    expected = create_feature_extractor(reference, ["avgpool"])(prepared(342))["avgpool"]
    found = loaded.extract(IMAGES)[Metric.INCEPTION]
    assert found.shape == (2, 2048)
    np.testing.assert_allclose(found, expected.flatten(1), rtol=1e-3, atol=1e-5)


def test_efficientnet_is_read_at_avgpool(tmp_path: Path) -> None:
    reference = models.efficientnet_b1(weights=None).eval()
    torch.save(reference.state_dict(), tmp_path / "efficientnet_b1-c27df63c.pth")
    loaded = network(tmp_path, Metric.EFFNET).load()
    assert not isinstance(loaded, NotComputed)
    expected = reference.avgpool(reference.features(prepared(255))).flatten(1)
    found = loaded.extract(IMAGES)[Metric.EFFNET]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_swav_comes_from_a_file_with_heads_and_without_a_classifier(tmp_path: Path) -> None:
    reference = models.resnet50(weights=None).eval()
    state = {f"module.{k}": v for k, v in reference.state_dict().items() if "fc." not in k}
    state["module.prototypes.weight"] = torch.zeros(4, 4)
    state["module.projection_head.0.weight"] = torch.zeros(4, 4)
    torch.save(state, tmp_path / "swav_800ep_pretrain.pth.tar")
    loaded = network(tmp_path, Metric.SWAV).load()
    assert not isinstance(loaded, NotComputed)
    assert loaded.origin.is_published is None
    trunk = torch.nn.Sequential(*list(reference.children())[:-1])
    found = loaded.extract(IMAGES)[Metric.SWAV]
    np.testing.assert_allclose(found, trunk(prepared(224)).flatten(1), rtol=1e-3, atol=1e-5)


def test_clip_gets_224_pixels_and_its_own_colours(tmp_path: Path) -> None:
    reference = open_clip.create_model(SMALL_CLIP, pretrained=None).eval()
    torch.save(reference.state_dict(), tmp_path / "small.pt")
    loaded = ClipNetwork(tmp_path, model=SMALL_CLIP, file_name="small.pt").load()
    assert not isinstance(loaded, NotComputed)
    resize = v2.Resize((224, 224), antialias=True)
    colours = v2.Normalize(
        [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    )
    expected = reference.encode_image(colours(resize(IMAGES)))
    found = loaded.extract(IMAGES)[Metric.CLIP]
    for a, b in zip(found, expected.numpy(), strict=True):
        assert np.corrcoef(a, b)[0, 1] == pytest.approx(1, abs=1e-6)


def test_missing_weights_name_the_file_and_its_folder(tmp_path: Path) -> None:
    for source in feature_networks(tmp_path):
        loaded = source.load()
        assert isinstance(loaded, NotComputed)
        assert str(tmp_path) in loaded.reason
        assert "put" in loaded.reason
    assert "alexnet-owt-7be5be79.pth" in feature_networks(tmp_path)[0].load().reason  # type: ignore[union-attr]


def test_torch_home_moves_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert hub_folder() == tmp_path / "hub" / "checkpoints"
    loaded = feature_networks()[0].load()
    assert isinstance(loaded, NotComputed)
    assert str(tmp_path) in loaded.reason


def damaged(kind: str, folder: Path) -> None:
    file = folder / "efficientnet_b1-c27df63c.pth"
    if kind == "truncated":
        torch.save(models.efficientnet_b1(weights=None).state_dict(), file)
        file.write_bytes(file.read_bytes()[:1_000_000])
    elif kind == "empty":
        file.write_bytes(b"")
    elif kind == "text":
        file.write_text("<html>404</html>", encoding="utf-8")
    elif kind == "other network":
        torch.save(models.squeezenet1_1(weights=None).state_dict(), file)
    else:
        torch.save([1, 2, 3], file)


@pytest.mark.parametrize("kind", ["truncated", "empty", "text", "other network", "a list"])
def test_damaged_weights_are_a_reason_and_no_crash(kind: str, tmp_path: Path) -> None:
    damaged(kind, tmp_path)
    loaded = network(tmp_path, Metric.EFFNET).load()
    assert isinstance(loaded, NotComputed)
    assert "efficientnet_b1-c27df63c.pth" in loaded.reason
    assert "again" in loaded.reason
    assert "\n" not in loaded.reason


def test_damaged_clip_weights_are_a_reason(tmp_path: Path) -> None:
    (tmp_path / "small.pt").write_bytes(b"PK\x03\x04 broken")
    loaded = ClipNetwork(tmp_path, model=SMALL_CLIP, file_name="small.pt").load()
    assert isinstance(loaded, NotComputed)
    assert "small.pt" in loaded.reason


def test_every_published_network_metric_has_a_network() -> None:
    served = [m for source in feature_networks() for m in source.metrics]
    assert len(served) == len(set(served)) == 6
