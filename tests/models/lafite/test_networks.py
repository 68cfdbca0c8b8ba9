"""What the whole networks promise: branches, truncation, number types, and the fast way to paint."""

import copy
from dataclasses import asdict, replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from nsdviewer.errors import CheckpointError, RequestError
from nsdviewer.models.lafite import fast_synthesis
from nsdviewer.models.lafite.config import LafiteConfig
from nsdviewer.models.lafite.discriminator import Discriminator
from nsdviewer.models.lafite.generator import Generator, LayerStyle, two_branch_state

TINY = LafiteConfig(
    resolution=16, n_embedding=12, n_z=8, n_w=16, n_mapping_layers=2, channel_base=256,
    channel_max=16, n_condition=16,
)  # fmt: skip
CLAMPED = replace(TINY, clamp=256.0)
BRANCHES = replace(TINY, n_branches=2)
TRUNCATING = replace(TINY, w_avg_decay=0.9)


def unit(*shape: int) -> torch.Tensor:
    return F.normalize(torch.randn(*shape), dim=-1)


def make(config: LafiteConfig) -> Generator:
    """A generator whose noise and biases show."""
    torch.manual_seed(0)
    network = Generator(config).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(("bias", "noise_strength")):
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return network


def plainly(network: Generator, z: torch.Tensor, embedding: torch.Tensor, **options: Any) -> Any:
    """Paint with gradients allowed, which is never the fast way."""
    with torch.enable_grad():
        return network(z, embedding, **options).detach()


def assert_alike(a: torch.Tensor, b: torch.Tensor, tolerance: float = 1e-5) -> None:
    assert float((a - b).detach().abs().max()) <= tolerance * float(b.detach().abs().max())


# --- what a picture depends on ---


def test_pictures_depend_on_embedding_and_seed_alone() -> None:
    network = make(TINY)
    e, z = unit(2, 12), torch.randn(2, TINY.n_z)
    with torch.no_grad():
        torch.testing.assert_close(network(z, e), network(z, e), rtol=0, atol=0)
        assert not torch.allclose(network(z, e), network(z, e.flip(0)))
        assert not torch.allclose(network(z, e), network(z.flip(0), e))
        assert not torch.allclose(network(z, e, random_noise=True), network(z, e))


@pytest.mark.parametrize("config", [TINY, BRANCHES])
def test_a_logit_depends_on_its_own_condition_alone(config: LafiteConfig) -> None:
    """And on that by the inner product with f_D, summed over branches."""
    torch.manual_seed(0)
    network = Discriminator(config)
    image, h = torch.randn(4, 3, 16, 16), unit(4, *config.embedding_shape)
    other = h.clone()
    other[1:] = unit(3, *config.embedding_shape)
    (first, semantic), (second, _) = network(image, h), network(image, other)
    torch.testing.assert_close(first[0], second[0])
    assert not torch.allclose(first[1:], second[1:])
    bare, _ = network(image, torch.zeros_like(h))
    assert semantic.shape == h.shape
    for i in range(4):
        torch.testing.assert_close(first[i] - bare[i], (h[i] * semantic[i]).sum())


# --- two branches ---


def test_branches_meet_in_their_larger_values() -> None:
    torch.manual_seed(0)
    style = LayerStyle(BRANCHES, 5).double()
    w = torch.randn(3, BRANCHES.n_w, dtype=torch.double)
    e = unit(3, 2, 12).double().requires_grad_()
    fast = style(w, e)
    assert style.caption_condition is not None
    rows = []
    for i in range(3):
        image = style.condition(e[i : i + 1, 0] * 12**0.5)[0]
        caption = style.caption_condition(e[i : i + 1, 1] * 12**0.5)[0]
        larger = [a if a > b else b for a, b in zip(image, caption, strict=True)]
        rows.append(style.affine(torch.cat([w[i], torch.stack(larger)])[None])[0])
    slow = torch.stack(rows)
    torch.testing.assert_close(fast, slow, atol=1e-5, rtol=0)
    weights = torch.randn_like(fast)
    torch.testing.assert_close(
        torch.autograd.grad((fast * weights).sum(), e),
        torch.autograd.grad((slow * weights).sum(), e),
        atol=1e-5, rtol=0,
    )  # fmt: skip


def test_a_second_branch_starts_as_a_copy_of_the_first() -> None:
    """The same embedding in both branches paints, and is judged, as in the one-branch network."""
    one, two = make(TINY), Generator(BRANCHES).eval()
    two.load_state_dict(two_branch_state(one.state_dict()))
    z, e = torch.randn(2, TINY.n_z), unit(2, 12)
    with torch.no_grad():
        torch.testing.assert_close(two(z, torch.stack([e, e], 1)), one(z, e))
        assert not torch.allclose(two(z, torch.stack([e, e.flip(0)], 1)), one(z, e))
    judge, judges = Discriminator(TINY), Discriminator(BRANCHES)
    judges.load_state_dict(two_branch_state(judge.state_dict()))
    image = torch.randn(2, 3, 16, 16)
    logit, semantic = judge(image, e)
    both, _ = judges(image, torch.stack([e, e], 1))
    torch.testing.assert_close(both, logit + (e * semantic).sum(1))


@pytest.mark.parametrize(
    ("config", "shape"), [(TINY, (2, 13)), (TINY, (2, 2, 12)), (BRANCHES, (2, 12))]
)
def test_embeddings_of_another_shape_are_refused(
    config: LafiteConfig, shape: tuple[int, ...]
) -> None:
    with pytest.raises(RequestError, match="embeddings of shape"):
        Generator(config)(torch.randn(2, 8), torch.randn(*shape))
    with pytest.raises(RequestError, match="embeddings of shape"):
        Discriminator(config)(torch.randn(2, 3, 16, 16), torch.randn(*shape))


# --- truncation ---


def test_truncation_draws_towards_the_average() -> None:
    network = make(TRUNCATING)
    network.mapping.w_avg.normal_()
    z, e = torch.randn(2, TINY.n_z), unit(2, 12)
    w = network.mapping(z).detach()
    average = network.mapping.w_avg
    for psi, n_truncated in [(0.0, None), (0.7, None), (0.4, 3), (1.0, None)]:
        styles = w.unsqueeze(1).repeat(1, network.n_styles, 1)
        for k in range(network.n_styles if n_truncated is None else n_truncated):
            styles[:, k] = average + psi * (w - average)
        expected = network.synthesise(styles, e).detach()
        assert_alike(plainly(network, z, e, psi=psi, n_truncated=n_truncated), expected)
    same = plainly(network, z, e[:1].expand(2, -1), psi=0.0)
    torch.testing.assert_close(same[0], same[1])


def test_the_average_follows_w() -> None:
    network = make(TRUNCATING)
    batches = torch.randn(3, 5, TINY.n_w)
    expected = torch.zeros(TINY.n_w)
    for batch in batches:
        network.mapping.track(batch)
        expected = 0.9 * expected + 0.1 * batch.mean(0)
    torch.testing.assert_close(network.mapping.w_avg, expected)
    assert "mapping.w_avg" in network.state_dict()


def test_without_an_average_nothing_is_truncated() -> None:
    network = make(TINY)
    before = copy.deepcopy(network.state_dict())
    network.mapping.track(torch.randn(2, TINY.n_w))
    assert list(network.state_dict()) == list(before)
    with pytest.raises(RequestError, match=r"psi = 0\.5"):
        network(torch.randn(1, 8), unit(1, 12), psi=0.5)


# --- half precision ---


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 0.01), (torch.bfloat16, 0.06)])
def test_half_precision_paints_and_judges_alike(dtype: torch.dtype, tolerance: float) -> None:
    config = replace(CLAMPED, resolution=64, channel_base=512)
    network, judge = make(config), Discriminator(config)
    z, e = torch.randn(2, TINY.n_z), unit(2, 12)
    whole = plainly(network, z, e)
    logit, semantic = judge(whole, e)
    keys = {name: value.dtype for name, value in network.state_dict().items()}
    network.half_dtype = judge.half_dtype = dtype
    half = plainly(network, z, e)
    half_logit, half_semantic = judge(whole, e)
    for value in (half, half_logit, half_semantic):
        assert value.dtype is torch.float32
    assert_alike(half, whole, tolerance)
    assert not torch.equal(half, whole)
    assert_alike(half_semantic, semantic, 2 * tolerance)
    assert_alike(half_logit, logit, 2 * tolerance)
    assert {name: value.dtype for name, value in network.state_dict().items()} == keys
    half_logit.sum().backward()
    assert all(p.grad is not None and p.grad.dtype is torch.float32 for p in judge.parameters()
               if p is not judge.semantic.bias)  # fmt: skip


def test_half_precision_is_for_the_top_four_resolutions() -> None:
    network = make(replace(CLAMPED, resolution=128))
    network.half_dtype = torch.bfloat16
    seen: list[tuple[int, torch.dtype]] = []
    for layer in network.layers:
        layer.convolution.register_forward_hook(
            lambda _module, _inputs, y: seen.append((y.shape[-1], y.dtype))
        )
    plainly(network, torch.randn(1, 8), unit(1, 12))
    for resolution, dtype in seen:
        assert dtype is (torch.bfloat16 if resolution >= 16 else torch.float32)
    assert len(seen) == len(network.layers)


@pytest.mark.parametrize(
    ("dtype", "reason"), [(torch.float16, "clamp"), (torch.float64, "float16 or bfloat16")]
)
def test_half_precision_that_cannot_hold_is_refused(dtype: torch.dtype, reason: str) -> None:
    for network in (Generator(TINY), Discriminator(TINY)):
        with pytest.raises(RequestError, match=reason):
            network.half_dtype = dtype
        assert network.half_dtype is None


# --- the fast way to paint ---


@pytest.mark.parametrize("config", [TINY, BRANCHES, replace(TINY, clamp=0.5)])
@pytest.mark.parametrize("random_noise", [False, True])
@pytest.mark.parametrize("largest_kept_bytes", [0, 2**25])
def test_painting_without_gradients_changes_no_picture(
    config: LafiteConfig, random_noise: bool, largest_kept_bytes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(fast_synthesis, "_LARGEST_KEPT_BYTES", largest_kept_bytes)
    network = make(config)
    z, e = torch.randn(3, TINY.n_z), unit(3, *config.embedding_shape)
    # Noise that is drawn is drawn in single precision.
    for tolerance in (1e-5, 1e-6 if random_noise else 1e-12):
        torch.manual_seed(1)
        expected = plainly(network, z, e, random_noise=random_noise)
        for context in (torch.no_grad(), torch.inference_mode()):
            with context:
                torch.manual_seed(1)
                painted = network(z, e, random_noise=random_noise)
            assert painted.is_contiguous()
            assert_alike(painted, expected, tolerance)
        network, z, e = network.double(), z.double(), e.double()


def test_what_is_kept_follows_the_weights() -> None:
    """After a step, a loaded file, and in a copy that goes its own way."""
    network = make(TINY)
    z, e = torch.randn(1, TINY.n_z), unit(1, 12)

    def assert_true_to(network: Generator) -> torch.Tensor:
        with torch.inference_mode():
            painted = network(z, e).clone()
        assert_alike(painted, plainly(network, z, e))
        return painted

    first = assert_true_to(network)
    average = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
    network(z, e).square().mean().backward()
    optimizer.step()
    assert not torch.allclose(assert_true_to(network), first)
    torch.testing.assert_close(assert_true_to(average), first, rtol=0, atol=0)
    with torch.no_grad():
        for mean, value in zip(average.parameters(), network.parameters(), strict=True):
            mean.lerp_(value, 0.5)
    assert not torch.allclose(assert_true_to(average), first)
    average.load_state_dict(make(TINY).state_dict())
    torch.testing.assert_close(assert_true_to(average), first, rtol=0, atol=0)


def test_painting_leaves_the_network_as_it_was() -> None:
    network = make(TINY)
    before = copy.deepcopy(network.state_dict())
    with torch.no_grad():
        network(torch.randn(2, 8), unit(2, 12))
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


# --- the configuration ---


def test_published_sizes() -> None:
    config = LafiteConfig.published(256, 512)
    assert [config.n_channels(r) for r in config.resolutions] == [512] * 5 + [256, 128]
    assert (config.n_z, config.n_w, config.n_mapping_layers, config.n_condition) == (512,) * 2 + (
        8,
        512,
    )
    assert (config.clamp, config.w_avg_decay, config.embedding_factor) == (256.0, 0.995, 1.0)
    with torch.device("meta"):
        network = Generator(config)
    assert network.n_styles == 14


@pytest.mark.parametrize(
    "config", [TINY, BRANCHES, LafiteConfig.small(64, 384), LafiteConfig.published(64, 768, 2)]
)
def test_a_header_describes_its_network(config: LafiteConfig) -> None:
    assert LafiteConfig.from_dict(config.to_dict()) == config


def test_a_header_without_the_optional_fields_means_what_it_always_meant() -> None:
    document = LafiteConfig.small(64, 384).to_dict()
    assert set(asdict(LafiteConfig())) - set(document) == {
        "n_branches", "embedding_gain", "clamp", "w_avg_decay",
    }  # fmt: skip
    config = LafiteConfig.from_dict(document)
    assert config.n_branches == 1
    assert config.embedding_factor == 384**0.5
    assert config.clamp is None
    assert config.w_avg_decay is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_brances", 1),
        ("n_branches", 3),
        ("n_branches", True),
        ("n_embedding", 0),
        ("n_z", 12.5),
        ("channel_base", "many"),
        ("channel_max", -1),
        ("clamp", 0.0),
        ("clamp", float("nan")),
        ("embedding_gain", "1"),
        ("w_avg_decay", 1.0),
        ("condition_lr_multiplier", None),
    ],
)
def test_unknown_fields_and_wrong_values_are_named(name: str, value: object) -> None:
    with pytest.raises(CheckpointError, match=name):
        LafiteConfig.from_dict({**TINY.to_dict(), name: value})


def test_a_missing_field_is_named() -> None:
    document = TINY.to_dict()
    del document["n_embedding"]
    with pytest.raises(CheckpointError, match="n_embedding"):
        LafiteConfig.from_dict(document)


def test_a_resolution_that_is_no_power_of_two_is_refused() -> None:
    with pytest.raises(RequestError, match="power of two"):
        LafiteConfig.small(48, 384)
