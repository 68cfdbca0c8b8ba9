"""Laws of painters out of diffusers, on a tiny random pipeline of every kind."""

import json
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nsdviewer.errors import (
    Cancelled,
    CheckpointError,
    DataWarning,
    ModelUnavailableError,
    RequestError,
)
from nsdviewer.models.diffusion.pipelines import Offload, PipelinePainter, open_pipeline
from tests.models.diffusion import tiny_pipelines as tiny

EMBEDDING = "random:8"
KINDS = ("kandinsky", "stable_unclip", "unclip", "stable_diffusion")
# What the folders of these kinds do not say by themselves.
STATED: dict[str, dict[str, Any]] = {
    "kandinsky": {"embedding_norm": 3.0},
    "stable_diffusion": {"embedding_norm": 3.0},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pipelines")
    saved = {}
    for kind in KINDS:
        saved[kind] = root / f"tiny-{kind}"
        getattr(tiny, f"save_{kind}")(saved[kind])
    return saved


def opened(folder: Path, kind: str, **more: Any) -> PipelinePainter:
    adapter = {"ip_adapter": folder / "ip_adapter.safetensors"}
    given = {
        **STATED.get(kind, {}),
        **(adapter if kind == "stable_diffusion" else {}),
        **{"device": "cpu", "n_steps": 4, "embedding": EMBEDDING},
        **more,
    }
    return open_pipeline(folder, **given)


@pytest.fixture(scope="module", params=KINDS)
def painter(request: pytest.FixtureRequest, folders: dict[str, Path]) -> PipelinePainter:
    return opened(folders[request.param], request.param, n_per_batch=2)


@pytest.fixture
def kandinsky(folders: dict[str, Path]) -> PipelinePainter:
    return opened(folders["kandinsky"], "kandinsky")


@pytest.fixture
def copied(folders: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    return lambda kind: Path(shutil.copytree(folders[kind], tmp_path / f"copy-{kind}"))


def embeddings(n: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((n, tiny.N_EMBEDDING))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(int) - b).mean())


class Recorder:
    """Progress that remembers what it was told, and gives up at report number `stop`."""

    def __init__(self, stop: int | None = None) -> None:
        self.fractions: list[float] = []
        self._stop = stop

    def report(self, fraction: float, message: str = "") -> None:
        self.fractions.append(fraction)
        if len(self.fractions) == self._stop:
            raise Cancelled(message)


def test_seed_and_embedding_decide_the_picture(painter: PipelinePainter) -> None:
    one, other = embeddings(2)
    picture = painter.paint(one[None], 7)
    assert picture.shape == (1, painter.resolution, painter.resolution, 3)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(painter.paint(one[None], 7), picture)
    assert distance(painter.paint(one[None], 8), picture) > 3
    assert distance(painter.paint(other[None], 7), picture) > 1


def test_a_batch_paints_what_its_pictures_give_alone(painter: PipelinePainter) -> None:
    rows = embeddings(3)
    together = painter.paint(rows, [4, 5, 6])
    alone = [painter.paint(rows[i : i + 1], 4 + i)[0] for i in range(3)]
    assert np.abs(together.astype(int) - np.stack(alone)).max() <= 1
    shared = painter.paint(rows[[0, 0]], 4)
    assert np.abs(shared[0].astype(int) - shared[1]).max() <= 1
    assert painter.paint(rows[:0], 4).shape == (0, painter.resolution, painter.resolution, 3)


def test_progress_and_previews_grow_to_the_result(painter: PipelinePainter) -> None:
    recorder = Recorder()
    seen: list[tuple[float, np.ndarray]] = []
    pictures = painter.paint(embeddings(3), 1, recorder, lambda f, p: seen.append((f, p)))
    assert recorder.fractions == sorted(recorder.fractions)
    assert (recorder.fractions[0], recorder.fractions[-1]) == (0, 1)
    # Every step goes on; only one batch's end is the next one's beginning.
    n_batches = -(-3 // painter.n_per_batch)
    assert len(set(recorder.fractions)) == len(recorder.fractions) - (n_batches - 1)
    assert np.diff(recorder.fractions).max() < 1 / 3
    fractions = [f for f, _ in seen]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    assert len(seen) >= 4
    assert all(p.shape == pictures.shape and p.dtype == np.uint8 for _, p in seen)
    np.testing.assert_array_equal(seen[-1][1], pictures)
    # What is not begun is black, and the way leads to the picture.
    assert not seen[0][1][-1].any()
    assert distance(seen[0][1][0], pictures[0]) > 1


def test_cancelling_stops_within_a_step_and_leaves_the_painter_usable(
    painter: PipelinePainter,
) -> None:
    rows = embeddings(2)
    before = painter.paint(rows, 3)
    network = getattr(painter.pipeline, "unet", None) or painter.pipeline.decoder
    n_looks = 0

    def look(*_: Any) -> None:
        nonlocal n_looks
        n_looks += 1

    handle = network.register_forward_hook(look)
    # The first report is the batch's beginning, the third comes after the second step.
    recorder = Recorder(stop=3)
    with pytest.raises(Cancelled):
        painter.paint(rows, 3, recorder)
    handle.remove()
    assert n_looks == 2
    np.testing.assert_array_equal(painter.paint(rows, 3), before)
    # Whoever gave up hears nothing of later work.
    assert len(recorder.fractions) == 3


def test_the_name_says_folder_and_kind_and_claims_no_more(
    folders: dict[str, Path], painter: PipelinePainter
) -> None:
    assert painter.path in folders.values()
    assert painter.name.startswith(painter.path.name + " (")
    assert "CLIP" not in painter.name.replace("unCLIP", "")
    assert painter.embedding == EMBEDDING and painter.header["embedding"] == EMBEDDING
    painter.require(EMBEDDING)
    with pytest.raises(CheckpointError, match="'conse'"):
        painter.require("conse")


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (np.ones((2, 5), np.float32), r"8 dimensions"),
        (np.ones(8, np.float32), r"8 dimensions"),
        (np.array([[1.0] * 8, [np.nan] * 8], np.float32), "Embedding 1 of 2 .* no finite number"),
        (np.array([[1.0] * 8, [0.0] * 8], np.float32), "Embedding 1 of 2 is zero"),
    ],
)
def test_embeddings_that_show_nothing_are_named(
    kandinsky: PipelinePainter, rows: np.ndarray, sentence: str
) -> None:
    with pytest.raises(RequestError, match=sentence):
        kandinsky.paint(rows, 0)


def test_the_length_of_training_embeddings_is_restored(
    folders: dict[str, Path], kandinsky: PipelinePainter
) -> None:
    rows = embeddings(1)
    picture = kandinsky.paint(rows, 1)
    # Only the direction counts of what comes in; the length is the pipeline's.
    assert distance(kandinsky.paint(5 * rows, 1), picture) < 0.1
    longer = opened(folders["kandinsky"], "kandinsky", embedding_norm=30.0)
    assert distance(longer.paint(rows, 1), picture) > 1
    # Of embeddings with mean 1 and deviation 0.5 in each of 8 dimensions.
    stable = opened(folders["stable_unclip"], "stable_unclip")
    assert stable.embedding_norm == pytest.approx(np.sqrt(8 * 1.25))


def test_the_length_is_measured_with_the_image_network(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    torch.manual_seed(2)
    encoder = tiny.image_encoder()
    encoder.save_pretrained(tmp_path / "encoder")
    encoder.visual_projection.weight.data *= 3
    encoder.save_pretrained(tmp_path / "tripled")
    first, second = (
        opened(folders["kandinsky"], "kandinsky", embedding_norm=None, image_encoder=tmp_path / f)
        for f in ("encoder", "tripled")
    )
    assert second.embedding_norm == pytest.approx(3 * first.embedding_norm, rel=1e-5)
    with torch.no_grad():
        nothing = encoder(torch.zeros(1, 3, 16, 16)).image_embeds[0]
    torch.testing.assert_close(second.unconditional, nothing)
    assert not any("zeros" in note for note in second.notes)
    tiny.image_encoder(n_embedding=6).save_pretrained(tmp_path / "other")
    with pytest.raises(RequestError, match="gives 6 dimensions"):
        opened(folders["kandinsky"], "kandinsky", image_encoder=tmp_path / "other")


def test_what_nobody_said_is_asked_for(folders: dict[str, Path]) -> None:
    with pytest.raises(RequestError, match="from which embedding of 8 dimensions"):
        opened(folders["kandinsky"], "kandinsky", embedding=None)
    with pytest.raises(RequestError, match="how long the image embeddings were"):
        opened(folders["kandinsky"], "kandinsky", embedding_norm=None)
    with pytest.raises(RequestError, match="IP-Adapter"):
        opened(folders["stable_diffusion"], "stable_diffusion", ip_adapter=None)
    with pytest.raises(RequestError, match="takes embeddings by itself"):
        opened(folders["kandinsky"], "kandinsky", ip_adapter=Path("a.safetensors"))
    for wish in ({"n_steps": 1}, {"guidance_scale": float("nan")}, {"embedding_norm": 0.0}):
        with pytest.raises(RequestError, match=f"{next(iter(wish))} lies between"):
            opened(folders["kandinsky"], "kandinsky", **wish)


def test_the_card_speaks_where_the_caller_does_not(copied: Callable[[str], Path]) -> None:
    folder = copied("stable_diffusion")
    card = folder / "nsdviewer.json"
    said = {"embedding": "said", "embedding_norm": 2, "n_steps": 3, "guidance_scale": 1.0}
    card.write_text(json.dumps({**said, "ip_adapter": "ip_adapter.safetensors"}))
    painter = open_pipeline(folder, "cpu", n_steps=5)
    assert (painter.embedding, painter.embedding_norm, painter.n_steps) == ("said", 2.0, 5)
    assert painter.paint(embeddings(1), 0).std() > 0  # without guidance, too
    card.write_text(json.dumps({"embeding": "said"}))
    with pytest.raises(CheckpointError, match="Did you mean 'embedding'"):
        open_pipeline(folder, "cpu")
    card.write_text(json.dumps({"n_steps": "many"}))
    with pytest.raises(CheckpointError, match="n_steps: 'many'; write a number"):
        open_pipeline(folder, "cpu")


def test_pickles_are_refused_and_not_opened(copied: Callable[[str], Path]) -> None:
    folder = copied("kandinsky")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(CheckpointError, match=r"unet keeps its weights in .*\.bin, a pickle"):
        opened(folder, "kandinsky")
    (folder / "unet" / "diffusion_pytorch_model.bin").unlink()
    with pytest.raises(CheckpointError, match="unet holds no weights"):
        opened(folder, "kandinsky")
    adapter = folder / "ip_adapter.bin"
    adapter.write_bytes(b"no tensors")
    with pytest.raises(CheckpointError, match="no safetensors"):
        opened(copied("stable_diffusion"), "stable_diffusion", ip_adapter=adapter)


def test_code_in_a_folder_is_refused_and_not_run(
    copied: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = copied("kandinsky")
    index = json.loads((folder / "model_index.json").read_text())
    trace = tmp_path / "it ran"
    program = folder / "unet" / "mine.py"
    program.write_text(f"open({str(trace)!r}, 'w').close()\nclass Mine: pass\n")
    changes: list[dict[str, Any]] = [{"unet": ["mine", "Mine"]}, {"_class_name": ["mine", "Mine"]}]
    for change in changes:
        (folder / "model_index.json").write_text(json.dumps({**index, **change}))
        with pytest.raises(CheckpointError, match=r"the program unet/mine\.py"):
            opened(folder, "kandinsky")
    program.unlink()
    for change, sentence in zip(changes, ("'unet' from 'mine'", "a class of its own"), strict=True):
        (folder / "model_index.json").write_text(json.dumps({**index, **change}))
        with pytest.raises(CheckpointError, match=sentence):
            opened(folder, "kandinsky")
    assert not trace.exists()


def test_damaged_folders_are_named(copied: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copied("kandinsky")
    index = folder / "model_index.json"
    whole = index.read_text()

    def refused(sentence: str) -> None:
        with pytest.raises(CheckpointError, match=sentence):
            opened(folder, "kandinsky")

    index.write_text(whole[: len(whole) // 2])
    refused("is no JSON")
    index.write_text(whole.replace("KandinskyV22Pipeline", "KandinskyV22Pipelin"))
    refused("Did you mean 'KandinskyV22Pipeline'")
    index.write_text(json.dumps({k: v for k, v in json.loads(whole).items() if k != "movq"}))
    refused("cannot be read as a KandinskyV22Pipeline .*movq")
    index.write_text(whole)
    (folder / "movq").rename(folder / "elsewhere")
    refused("lacks the part 'movq'")
    (folder / "elsewhere").rename(folder / "movq")
    weights = folder / "movq" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    refused("cannot be read as a KandinskyV22Pipeline")
    index.unlink()
    refused("no model_index.json")
    with pytest.raises(ModelUnavailableError, match="no pipeline folder"):
        opened(tmp_path / "nowhere", "kandinsky")


def test_adapters_of_another_make_are_named(copied: Callable[[str], Path]) -> None:
    from safetensors.torch import load_file, save_file

    folder = copied("stable_diffusion")
    file = folder / "ip_adapter.safetensors"
    tensors = load_file(file)
    renamed = {
        k.replace("image_proj.proj.weight", "image_proj.latents"): v for k, v in tensors.items()
    }
    save_file(renamed, file)
    with pytest.raises(CheckpointError, match="'plus'"):
        opened(folder, "stable_diffusion")
    save_file({k: v for k, v in tensors.items() if "ip_adapter.3." not in k}, file)
    with pytest.raises(CheckpointError, match="does not fit"):
        opened(folder, "stable_diffusion")
    file.write_bytes(b"broken")
    with pytest.raises(CheckpointError, match="cannot be read"):
        opened(folder, "stable_diffusion")


def test_half_precision_files_are_found_by_their_names(
    copied: Callable[[str], Path], kandinsky: PipelinePainter
) -> None:
    folder = copied("kandinsky")
    for file in folder.rglob("*.safetensors"):
        file.rename(file.with_name(f"{file.stem}.fp16.safetensors"))
    again = opened(folder, "kandinsky")
    np.testing.assert_array_equal(again.paint(embeddings(1), 2), kandinsky.paint(embeddings(1), 2))


def test_published_unclip_folders_name_their_part_otherwise(
    copied: Callable[[str], Path], folders: dict[str, Path]
) -> None:
    folder = copied("unclip")
    index = json.loads((folder / "model_index.json").read_text())
    index["text_proj"] = ["unclip", "UnCLIPTextProjModel"]
    (folder / "model_index.json").write_text(json.dumps(index))
    pictures = [opened(f, "unclip").paint(embeddings(1), 2) for f in (folder, folders["unclip"])]
    np.testing.assert_array_equal(*pictures)


def test_the_hub_is_asked_in_its_cache_only(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    kept = tmp_path / "models--someone--tiny"
    commit = "0" * 40
    shutil.copytree(folders["kandinsky"], kept / "snapshots" / commit)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(commit)
    painter = open_pipeline("someone/tiny", "cpu", embedding=EMBEDDING, embedding_norm=1.0)
    assert painter.name == "someone/tiny (Kandinsky 2.2)"
    with pytest.raises(ModelUnavailableError, match="nothing is downloaded unasked"):
        open_pipeline("someone/else", "cpu")


@pytest.mark.parametrize("threshold", [-1.5, 1.5])
def test_a_checker_is_kept_and_what_it_blanks_is_said(tmp_path: Path, threshold: float) -> None:
    tiny.save_stable_diffusion(tmp_path, checker_threshold=threshold)
    painter = opened(tmp_path, "stable_diffusion")
    assert not painter.notes
    seen: list[np.ndarray] = []
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", DataWarning)
        pictures = painter.paint(embeddings(2), 0, preview=lambda _, p: seen.append(p))
    sentences = [str(w.message) for w in told if w.category is DataWarning]
    if threshold < 0:
        assert not pictures.any()
        assert [f"blanked picture {i};" in s for i, s in enumerate(sentences)] == [True, True]
        # Nothing of the picture shows on the way either.
        assert all(p[0].std() == 0 for p in seen)
    else:
        assert not sentences
        assert pictures.std() > 0 and seen[0][0].std() > 0


def test_lack_of_memory_names_what_takes_less(kandinsky: PipelinePainter) -> None:
    rows = embeddings(1)
    before = kandinsky.paint(rows, 0)
    handle = kandinsky.pipeline.unet.register_forward_hook(lambda *_: torch.empty(1 << 58))
    with pytest.raises(RequestError, match=r"fit into main memory; try .*offload"):
        kandinsky.paint(rows, 0)
    handle.remove()
    np.testing.assert_array_equal(kandinsky.paint(rows, 0), before)


def test_numbers_that_are_not_finite_are_named(kandinsky: PipelinePainter) -> None:
    kandinsky.pipeline.movq.decoder.conv_out.bias.data.fill_(float("nan"))
    with pytest.raises(CheckpointError, match="no finite number"):
        kandinsky.paint(embeddings(1), 0)


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_missing_devices_are_named(folders: dict[str, Path]) -> None:
    with pytest.raises(RequestError, match="cuda"):
        opened(folders["kandinsky"], "kandinsky", device="cuda")
    with pytest.raises(RequestError, match="Offload 'model'"):
        opened(folders["kandinsky"], "kandinsky", offload=Offload.MODEL)


def test_missing_packages_are_named(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(ModelUnavailableError, match=r"nsdviewer\[diffusion\]"):
        opened(folders["kandinsky"], "kandinsky")
