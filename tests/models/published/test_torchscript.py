"""TorchScript archives are read as data: torch's own reading is the reference, and no program runs."""

import io
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from nsdviewer.errors import CheckpointError
from nsdviewer.models.published.torchscript import is_torchscript, read_torchscript

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.lines = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2, bias=False)).half()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lines(self.norm(x).half())


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner()
        self.scale = nn.Parameter(torch.tensor(2.5))
        # A view whose strides are no plain row.
        self.register_buffer("turned", torch.arange(6.0).view(2, 3).t())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) * self.scale + self.turned[0]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("script") / "weights.pt"
    torch.jit.save(torch.jit.trace(Outer().eval(), torch.zeros(1, 4)), str(path))
    return path


def members(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def write(path: Path, content: dict[str, bytes], packed: bool = False) -> Path:
    kind = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as opened:
        for name, value in content.items():
            opened.writestr(name, value)
    return path


def test_the_weights_are_those_that_torch_reads(archive: Path) -> None:
    expected = torch.jit.load(str(archive)).state_dict()
    found = read_torchscript(archive)
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor.float() if tensor.is_floating_point() else tensor)
    assert is_torchscript(archive)


def test_what_is_no_script_is_told_apart(archive: Path, tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "plain.pt")
    (tmp_path / "half.pt").write_bytes(archive.read_bytes()[:-200])
    (tmp_path / "empty.pt").write_bytes(b"")
    for name in ("plain.pt", "half.pt", "empty.pt", "missing.pt"):
        assert not is_torchscript(tmp_path / name)


class Harm:
    def __reduce__(self) -> tuple[object, ...]:
        return exec, ("raise SystemExit('executed')",)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_program_in_the_description_is_refused(
    archive: Path, tmp_path: Path, protocol: int
) -> None:
    content = members(archive)
    name = next(n for n in content if n.endswith("/data.pkl"))
    content[name] = pickle.dumps({"weights": Harm()}, protocol)
    with pytest.raises(CheckpointError, match=r"nothing in it was executed|cannot be read"):
        read_torchscript(write(tmp_path / "harm.pt", content))


def test_packed_missing_and_short_storages_are_refused(archive: Path, tmp_path: Path) -> None:
    content = members(archive)
    storage = next(n for n in content if n.endswith("/data/0"))
    cases = {
        "packed.pt": write(tmp_path / "packed.pt", content, packed=True),
        "missing.pt": write(
            tmp_path / "missing.pt", {k: v for k, v in content.items() if k != storage}
        ),
        "short.pt": write(tmp_path / "short.pt", {**content, storage: content[storage][:-4]}),
    }
    for path in cases.values():
        with pytest.raises(CheckpointError):
            read_torchscript(path)


def test_damage_anywhere_is_one_sentence_or_other_numbers(archive: Path, tmp_path: Path) -> None:
    raw = archive.read_bytes()
    for at in range(0, len(raw), max(len(raw) // 60, 1)):
        damaged = tmp_path / "damaged.pt"
        damaged.write_bytes(raw[:at] + bytes([raw[at] ^ 0xFF]) + raw[at + 1 :])
        try:
            read_torchscript(damaged)
        except CheckpointError as error:
            assert "\n" not in str(error)


def test_a_description_that_nests_in_itself_ends(archive: Path, tmp_path: Path) -> None:
    content = members(archive)
    name = next(n for n in content if n.endswith("/data.pkl"))
    # Proto 2, a module kept as number 0 whose attribute 'a' is itself.
    content[name] = b"\x80\x02c__torch__\nA\nq\x00)\x81q\x01}(X\x01\x00\x00\x00ah\x01ub."
    with pytest.raises(CheckpointError, match="nested deeper"):
        read_torchscript(write(tmp_path / "loop.pt", content))


def test_an_archive_without_a_description_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "none.pt", {"a/constants.pkl": b"", "b": io.BytesIO().getvalue()})
    with pytest.raises(CheckpointError, match="cannot be read as TorchScript"):
        read_torchscript(path)
