"""Data are read as data, and a pickle that wants anything else is refused before anything runs."""

import builtins
import contextlib
import io
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsdviewer.errors import CheckpointError, NsdViewerError
from nsdviewer.models.published.importing import import_published
from nsdviewer.models.published.restricted import read_published
from nsdviewer.models.published.tensors import StoredTensor
from tests.models.published.pickles import (
    EasyDict,
    Part,
    Sizes,
    generator,
    planted_modules,
    snapshot,
    write,
    zero_storage,
)

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**100), 2**100)
    | st.floats(allow_nan=False)
    | st.text("aé☃\n")
    | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner)
        | st.sets(st.integers(0, 9))
    ),
    max_leaves=20,
)


@given(plain, st.integers(2, 5))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None
)
def test_plain_data_come_back_as_pickle_itself_reads_them(
    tmp_path: Path, value: object, protocol: int
) -> None:
    path = tmp_path / "plain.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    found = read_published(path).content
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
def test_views_keep_offset_and_strides(tmp_path: Path, dtype: torch.dtype) -> None:
    base = torch.arange(60, dtype=dtype).reshape(3, 4, 5)
    views = [base, base.permute(2, 0, 1), base[1:, ::2], base[2, 3, 4], base[:0]]
    path = tmp_path / "views.pkl"
    path.write_bytes(pickle.dumps(views))
    found = read_published(path).content
    assert isinstance(found, list)
    for view, tensor in zip(views, found, strict=True):
        assert isinstance(tensor, StoredTensor)
        assert torch.equal(torch.from_numpy(tensor.array()), view.float())


# --- pickles that want to act ---------------------------------------------------------------


class Reduced:
    """Pickles as a call of `function` with `arguments`."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.parts = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.parts


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def named(module: str, name: str) -> bytes:
    return text(module) + text(name) + b"\x93"


def legacy(payload: bytes) -> bytes:
    """What torch.save wrote in its older format, with `payload` where the storage belongs."""
    heading = b"".join(
        pickle.dumps(v, 2) for v in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    )
    return heading + payload + pickle.dumps(["0"], 2)


def storage_call(raw: bytes) -> bytes:
    return (
        b"\x80\x04" + named("torch.storage", "_load_from_bytes")
        + b"B" + struct.pack("<I", len(raw)) + raw + b"\x85R."
    )  # fmt: skip


@dataclass(frozen=True)
class Attack:
    """A pickle, the name that the refusal must mention, and whether Python's own reader falls."""

    make: Callable[[str], bytes]
    named: str
    python_runs_it: bool = True


def system(marker: str) -> bytes:
    """A pickle that has a shell create the marker."""
    return pickle.dumps(Reduced(os.system, f"touch '{marker}'"), 2)


def opened(marker: str) -> str:
    return f"open({marker!r}, 'w').close()"


ATTACKS = {
    "os.system": Attack(system, f"names {os.system.__module__}.system"),
    "eval": Attack(
        lambda m: pickle.dumps(Reduced(builtins.eval, opened(m))), "names builtins.eval"
    ),
    "subprocess": Attack(
        lambda m: pickle.dumps(Reduced(subprocess.check_call, ["touch", m])),
        "names subprocess.check_call",
    ),
    "inside a list": Attack(
        lambda m: pickle.dumps([1, {"a": Reduced(builtins.exec, opened(m))}]),
        "names builtins.exec",
    ),
    "before the end": Attack(
        lambda m: system(m)[:-1] + b"0" + pickle.dumps({"G_ema": 1}, 2)[2:], ".system"
    ),
    "inside a storage": Attack(
        lambda m: storage_call(legacy(system(m))), f"names {os.system.__module__}.system"
    ),
    "instead of a storage": Attack(lambda m: storage_call(system(m)), ".system"),
    "protocol 0": Attack(
        lambda m: pickle.dumps(Reduced(os.system, f"touch '{m}'"), 0), ".system"
    ),
    "INST": Attack(
        lambda m: b"(" + text(f"touch '{m}'") + b"ios\nsystem\n.", "names os.system"
    ),
    "OBJ": Attack(
        lambda m: b"\x80\x02(cos\nsystem\n" + text(f"touch '{m}'") + b"o.", "names os.system"
    ),
    "OBJ of a harmless name": Attack(
        lambda m: b"\x80\x02(ccollections\nOrderedDict\no.", "instruction OBJ", False
    ),
    "NEWOBJ": Attack(
        lambda m: b"\x80\x04" + named("subprocess", "Popen") + b"(" + text(f"touch '{m}'")
        + b"t\x81.",
        "names subprocess.Popen", False,
    ),
    "NEWOBJ_EX": Attack(
        lambda m: b"\x80\x04" + named("collections", "OrderedDict") + b")}\x92.",
        "instruction NEWOBJ_EX", False,
    ),
    "getattr chain": Attack(
        lambda m: b"\x80\x04" + named("torch._utils", "__builtins__") + b".",
        "names torch._utils.__builtins__", False,
    ),
    "dotted name": Attack(
        lambda m: b"\x80\x04" + named("collections", "OrderedDict.__init__.__globals__") + b".",
        "names collections.OrderedDict.__init__.__globals__", False,
    ),
    "dotted module": Attack(
        lambda m: b"\x80\x04" + named("torch._utils", "warnings.sys.modules") + b".",
        "names torch._utils.warnings.sys.modules", False,
    ),
    "getattr": Attack(
        lambda m: b"\x80\x04" + named("builtins", "getattr") + b".", "names builtins.getattr", False
    ),
    "name from numbers": Attack(lambda m: b"\x80\x04K\x01K\x02\x93.", "no text", False),
    "state of a class": Attack(
        lambda m: b"\x80\x04" + named("dnnlib.util", "EasyDict") + b"N}" + text("__setstate__")
        + named("collections", "OrderedDict") + b"s\x86b.",
        "instruction BUILD", False,
    ),
    "state of a dict": Attack(
        lambda m: b"\x80\x04" + named("dnnlib.util", "EasyDict") + b")R}" + text("__reduce__")
        + text("x") + b"sb.",
        "instruction BUILD", False,
    ),
    "state of a function": Attack(
        lambda m: b"\x80\x04" + named("torch._utils", "_rebuild_tensor_v2") + b"N}"
        + text("__defaults__") + b")s\x86b.",
        "instruction BUILD", False,
    ),
    "call of a value": Attack(lambda m: b"\x80\x04" + text("x") + b")R.", "no name", False),
    "call of a mere name": Attack(
        lambda m: b"\x80\x04" + named("torch", "float32") + b")R.", "calls torch.float32", False
    ),
    "EXT1": Attack(lambda m: b"\x80\x02\x82\x01.", "instruction EXT1", False),
    "EXT4": Attack(lambda m: b"\x80\x02\x84\x01\x00\x00\x00.", "instruction EXT4", False),
    "persistent id": Attack(lambda m: b"\x80\x02K\x01Q.", "BINPERSID", False),
    "persistent module": Attack(
        lambda m: storage_call(legacy(b"\x80\x02" + text("module") + b"\x85Q.")),
        "something else than a storage", False,
    ),
    "TensorFlow": Attack(
        lambda m: b"\x80\x04" + named("dnnlib.tflib.network", "Network") + b".",
        "convert it with legacy.py", False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", ATTACKS)
def test_a_pickle_that_wants_to_act_is_refused_and_nothing_runs(tmp_path: Path, kind: str) -> None:
    attack, marker, path = ATTACKS[kind], tmp_path / "marker", tmp_path / "bad.pkl"
    path.write_bytes(attack.make(str(marker)))
    modules = set(sys.modules)
    with pytest.raises(CheckpointError) as error:
        import_published(path, tmp_path / "g.safetensors", "planted", 14)
    assert attack.named in str(error.value)
    assert "bad.pkl" in str(error.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.pkl"]
    assert "dnnlib" not in set(sys.modules) - modules


@pytest.mark.parametrize("kind", [k for k, attack in ATTACKS.items() if attack.python_runs_it])
def test_the_same_pickles_do_act_where_python_reads_them(tmp_path: Path, kind: str) -> None:
    """The attacks are real: without this, a typing error in one would pass for safety."""
    marker = tmp_path / "marker"
    raw = ATTACKS[kind].make(str(marker))
    try:
        pickle.loads(raw)
    except Exception as error:
        assert marker.exists(), error
    assert marker.exists()


def test_the_source_text_of_a_module_is_never_run(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    network = generator(Sizes())
    network.source = f"open({str(marker)!r}, 'w').close()\nclass Generator: pass\n"
    path = write(tmp_path / "g.pkl", snapshot(network))
    import_published(path, tmp_path / "g.safetensors", "planted", Sizes().n_feature)
    assert (tmp_path / "g.safetensors").exists()
    assert not marker.exists()


def test_what_is_not_looked_at_is_refused_all_the_same(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    content = snapshot(generator(Sizes()))
    content["D"] = Part("Discriminator", hook=Reduced(os.system, f"touch '{marker}'"))
    path = write(tmp_path / "g.pkl", content)
    with pytest.raises(CheckpointError, match="system"):
        import_published(path, tmp_path / "out.safetensors", "planted", Sizes().n_feature)
    assert not marker.exists()
    assert not (tmp_path / "out.safetensors").exists()


# --- pickles that want all memory or all time -----------------------------------------------


def nested_key() -> bytes:
    """A tuple of itself, 60 times over, as a key: hashing it would never end."""
    doubled = b"".join(b"h" + bytes([k]) + b"h" + bytes([k]) + b"\x86\x940" for k in range(60))
    return b"\x80\x04}K\x01\x940" + doubled + b"h\x3cNs."


def unfolding_tensor() -> bytes:
    """A tensor of 10¹² elements on a storage of one, by strides of 0."""
    rebuild = torch._utils._rebuild_tensor_v2
    shape = (10**6, 10**6)
    return pickle.dumps(Reduced(rebuild, zero_storage(1), 0, shape, (0, 0), False, {}))


BOMBS = {
    "memo index": (b"\x80\x02Nr\xff\xff\xff\xff.", None),
    "long text": (b"\x80\x04\x8d" + struct.pack("<Q", 1 << 60) + b"abc", "cut off"),
    "long bytes": (b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"abc", "cut off"),
    "long number": (b"\x80\x02\x8b" + struct.pack("<i", 5000) + b"\x01" * 5000 + b".", "bits"),
    "deep": (b"\x80\x02" + b"(" * 10_000 + b".", "nested deeper"),
    "nested key": (nested_key(), "key of the kind tuple"),
    "unfolding tensor": (unfolding_tensor(), "in a storage of 1 elements"),
    "texts again": (
        b"\x80\x04" + text("x" * 100_000) + b"\x940"
        + (named("_codecs", "encode") + b"h\x00" + text("latin1") + b"\x86R0") * 50 + b"N.",
        "more bytes than the file has",
    ),
    "a text too long": (pickle.dumps("x" * (1 << 21)), "text of 2097152 characters"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BOMBS)
def test_bombs_are_refused_at_once(tmp_path: Path, kind: str) -> None:
    raw, told = BOMBS[kind]
    path = tmp_path / "bomb.pkl"
    path.write_bytes(raw)
    if told is None:
        assert read_published(path).content is None
    else:
        with pytest.raises(CheckpointError, match=told):
            read_published(path)


def test_a_dict_within_itself_is_read_and_then_refused(tmp_path: Path) -> None:
    part: dict[str, object] = {}
    part["G_ema"] = part
    path = tmp_path / "loop.pkl"
    path.write_bytes(pickle.dumps(part))
    with pytest.raises(CheckpointError, match="neither a G_ema nor a G"):
        import_published(path, tmp_path / "g.safetensors", "planted", 14)


# --- files that are no pickles, or were ------------------------------------------------------


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("data.pkl", b"")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "is empty"),
        (zipped(), "zip archive"),
        (b"<!DOCTYPE html><p>quota exceeded", "cannot be read as a pickle"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "is no pickle"),
        (bytes(1000), "is no pickle"),
        (pickle.dumps(1) + b"more", "goes on for 4 bytes"),
    ],
    ids=["empty", "zip", "page", "picture", "zeros", "trailing"],
)
def test_another_kind_of_file_is_named(tmp_path: Path, raw: bytes, told: str) -> None:
    path = tmp_path / "other.pkl"
    path.write_bytes(raw)
    with pytest.raises(CheckpointError, match=told):
        read_published(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pkl", tmp_path):
        with pytest.raises(CheckpointError, match="There is no file at"):
            read_published(path)


TINY = Sizes(resolution=8, channel_base=24, channel_max=3, n_layers=1, n_w=4, n_z=4)


@cache
def published_bytes() -> bytes:
    with planted_modules():
        return pickle.dumps(snapshot(generator(TINY)), protocol=4)


def test_a_file_cut_off_anywhere_is_named(tmp_path: Path) -> None:
    raw, path = published_bytes(), tmp_path / "cut.pkl"
    for end in [*range(1, 60), *range(60, len(raw), 991)]:
        path.write_bytes(raw[:end])
        with pytest.raises(CheckpointError):
            read_published(path)


@given(
    st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)),
        min_size=1,
        max_size=6,
    )
)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None
)
def test_damage_anywhere_raises_a_sentence_or_nothing(
    tmp_path: Path, damage: list[tuple[float, bytes]]
) -> None:
    raw = bytearray(published_bytes())
    for where, change in damage:
        start = int(where * len(raw))
        raw[start : start + len(change)] = change
    path, out = tmp_path / "hurt.pkl", tmp_path / "g.safetensors"
    out.unlink(missing_ok=True)
    path.write_bytes(raw)
    try:
        import_published(path, out, "planted", TINY.n_feature)
    except NsdViewerError:
        assert not out.exists()


@given(st.binary(max_size=60))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None
)
def test_random_instructions_raise_a_sentence_or_nothing(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "random.pkl"
    path.write_bytes(b"\x80\x04" + raw + b".")
    with contextlib.suppress(NsdViewerError):
        read_published(path)


def test_a_stand_in_for_a_dict_is_a_dict(tmp_path: Path) -> None:
    path = write(tmp_path / "easy.pkl", EasyDict(a=1, b=EasyDict()))
    assert read_published(path).content == {"a": 1, "b": {}}
