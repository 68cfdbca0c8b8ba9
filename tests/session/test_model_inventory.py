"""The inventory of models: how each file stands to a subject, from headers alone."""

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nsdviewer.errors import CheckpointError, RequestError
from nsdviewer.models.catalogue import catalogue
from nsdviewer.models.checkpoints import load_checkpoint, read_header, save_checkpoint
from nsdviewer.models.painting import shipped_generator
from nsdviewer.models.registry import DEFAULT_OPEN_CLIP
from nsdviewer.session.model_entries import ModelEntry, Standing
from nsdviewer.session.model_files import ModelKind, Origin
from nsdviewer.session.model_inventory import list_models, remove_model
from tests.conftest import Subject


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def standing(entries: tuple[ModelEntry, ...], path: Path) -> ModelEntry:
    return next(entry for entry in entries if entry.path == path)


def changed(source: Path, target: Path, **changes: object) -> Path:
    header, tensors = load_checkpoint(source)
    kind = str(header.pop("kind"))
    header.pop("format")
    save_checkpoint(target, kind, tensors, {**header, **changes})
    return target


def test_what_is_in_use_and_what_is_missing(mini: Subject) -> None:
    entries = list_models(mini.workspace, mini.state)
    for kind in (ModelKind.DECODER, ModelKind.ENCODER):
        entry = standing(entries, mini.workspace.model_path(kind.value))
        assert (entry.standing, entry.value, entry.kind) == (Standing.IN_USE, "", kind)
        assert entry.simulated and entry.origin is Origin.FITTED and entry.scores
        assert "simulated responses" in dict(entry.facts)["fitted on"]
    prior = next(e for e in entries if e.kind is ModelKind.PRIOR)
    assert prior.standing is Standing.MISSING
    assert prior.command[:3] == ("fit", "prior", str(mini.root))
    used = {e.kind: e.value for e in entries if e.standing is Standing.IN_USE}
    assert used == dict.fromkeys(used, "") and len(used) == 4
    clip = next(e for e in entries if e.value == DEFAULT_OPEN_CLIP)
    assert clip.standing is Standing.MISSING and clip.download == "clip-vit-b-32"
    assert clip.n_bytes is None and clip.licence == "MIT"
    kinds = [e.kind for e in entries]
    assert kinds == sorted(kinds, key=list(ModelKind).index)


def test_every_entry_can_be_used_as_it_says(mini: Subject) -> None:
    flow = next(e for e in list_models(mini.workspace, mini.state) if e.value == "flow")
    assert flow.can_be_used and flow.origin is Origin.SHIPPED
    chosen = list_models(mini.workspace, mini.state.replace(generator=flow.value))
    assert [e.title for e in chosen if e.standing is Standing.IN_USE][-1] == flow.title
    assert next(e for e in chosen if e.title.startswith("LAFITE")).can_be_used


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"subject": 7}, "fitted for subject 7, not 1"),
        ({"space": "func1mm"}, "fitted for space func1mm"),
        ({"version": "betas_assumehrf"}, "fitted for version betas_assumehrf"),
        ({"embedding": DEFAULT_OPEN_CLIP}, "fitted for embedding open_clip"),
    ],
)
def test_a_file_for_another_says_for_which_as_loading_does(
    mini: Subject, tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    file = changed(mini.workspace.model_path("decoder"), tmp_path / "x ü.safetensors", **changes)
    entry = standing(list_models(mini.workspace, mini.state, [file]), file)
    assert entry.standing is Standing.ELSEWHERE
    assert said in entry.why and not entry.can_be_used
    with pytest.raises(CheckpointError) as refused:
        mini.workspace.decoder(str(file))
    assert str(refused.value) == entry.why


def test_generators_of_another_embedding_are_for_another(mini: Subject, tmp_path: Path) -> None:
    other = changed(shipped_generator(), tmp_path / "other.safetensors", embedding="else")
    random = changed(shipped_generator(), tmp_path / "random.safetensors", n_shown=0)
    taken = changed(
        shipped_generator(), tmp_path / "taken.safetensors", imported_from={"file": "x"}
    )
    entries = list_models(mini.workspace, mini.state, [other, random, taken])
    assert standing(entries, other).standing is Standing.ELSEWHERE
    assert "paints from the embedding 'else'" in standing(entries, other).why
    assert standing(entries, random).origin is Origin.RANDOM
    assert standing(entries, taken).origin is Origin.IMPORTED
    assert any(e.value == "else" and e.standing is Standing.MISSING for e in entries)


def test_damage_is_found_without_reading_tensors(mini: Subject, tmp_path: Path) -> None:
    whole = mini.workspace.model_path("decoder").read_bytes()
    n_header = int.from_bytes(whole[:8], "little")
    cases = {
        "empty": b"",
        "short": whole[: len(whole) // 2],
        "header only": whole[: 8 + n_header],
        "endless header": (1 << 62).to_bytes(8, "little") + whole[8:],
        "no json": whole[:8] + b"x" * n_header + whole[8 + n_header :],
        "longer": whole + b"more",
    }
    files = []
    for name, content in cases.items():
        files.append(tmp_path / f"decoder {name}.safetensors")
        files[-1].write_bytes(content)
    entries = list_models(mini.workspace, mini.state, files)
    for file in files:
        entry = standing(entries, file)
        assert (entry.standing, entry.kind) == (Standing.DAMAGED, ModelKind.DECODER)
        assert file.name in entry.why


@pytest.mark.parametrize(
    "header",
    ["[]", '"x"', '{"kind": "decoder"}', '{"kind": "decoder", "format": "1"}', "[" * 5000,
     '{"kind": "lafite", "format": 1, "network": {"resolution": []}, "embedding": {}}',
     '{"kind": "encoder", "format": 1, "subject": {}, "embedding": [], "scores": 3}',
     '{"kind": "prior", "format": 1, "subject": null, "embedding": "conse", "scores": {"a": "b"}}'],
)  # fmt: skip
def test_a_hostile_header_is_one_entry(mini: Subject, tmp_path: Path, header: str) -> None:
    file = tmp_path / "hostile.safetensors"
    save_file({"a": torch.zeros(1)}, file, metadata={"nsdviewer": header})
    entry = standing(list_models(mini.workspace, mini.state, [file]), file)
    assert not entry.can_be_used and entry.why


def test_what_is_no_model_is_told_why(mini: Subject, tmp_path: Path) -> None:
    pickle, folder, missing = tmp_path / "G.pkl", tmp_path / "folder", tmp_path / "gone.safetensors"
    pickle.write_bytes(b"\x80\x04N.")
    folder.mkdir()
    entries = list_models(mini.workspace, mini.state, [pickle, folder, missing])
    assert "nsdviewer import" in standing(entries, pickle).why
    assert standing(entries, folder).standing is Standing.UNFIT
    assert standing(entries, missing).standing is Standing.MISSING
    (folder / "model_index.json").write_text(json.dumps({"_class_name": ["mine", "Pipeline"]}))
    (folder / "mine.py").write_text("raise SystemExit")
    found = standing(list_models(None, None, [folder]), folder)
    assert found.standing is Standing.DAMAGED and "is not run" in found.why


def test_a_training_in_the_cache_is_a_decoder_in_the_making(mini: Subject) -> None:
    folder = mini.workspace.files.cache / "runs" / "residual_0"
    folder.mkdir(parents=True)
    try:
        (folder / "plan.json").write_text(json.dumps({"plan": {"network": "residual"}}))
        entry = standing(list_models(mini.workspace, mini.state), folder)
        assert entry.standing is Standing.UNFIT and "has not ended" in entry.why
        (folder / "plan.json").write_text("{")
        entry = standing(list_models(mini.workspace, mini.state), folder)
        assert entry.standing is Standing.DAMAGED
    finally:
        shutil.rmtree(folder)


def test_without_a_subject_there_are_embeddings_and_generators() -> None:
    entries = list_models(None, None)
    assert {e.kind for e in entries} == {ModelKind.EMBEDDING, ModelKind.GENERATOR}
    assert not any(e.standing is Standing.IN_USE for e in entries)


def test_a_hundred_files_are_read_in_half_a_second(mini: Subject, tmp_path: Path) -> None:
    files = []
    for k in range(100):
        files.append(tmp_path / f"decoder {k}.safetensors")
        files[-1].hardlink_to(mini.workspace.model_path("decoder")) if k else shutil.copyfile(
            mini.workspace.model_path("decoder"), files[-1]
        )
    list_models(mini.workspace, mini.state)
    took = []
    for _ in range(3):
        start = time.perf_counter()
        entries = list_models(mini.workspace, mini.state, files)
        took.append(time.perf_counter() - start)
    assert sum(e.standing is Standing.HERE for e in entries if e.kind is ModelKind.DECODER) == 100
    assert min(took) < 0.5


def test_searching_takes_words_in_any_order(mini: Subject) -> None:
    entries = list_models(mini.workspace, mini.state)
    found = [e for e in entries if e.matches("nsdgeneral RIDGE")]
    assert [e.kind for e in found] == [ModelKind.DECODER]
    assert all(e.matches("") for e in entries) and not any(e.matches("no such") for e in entries)


def test_only_what_lies_in_our_own_caches_is_removed(mini: Subject, tmp_path: Path) -> None:
    source = mini.workspace.model_path("decoder")
    mine, ours = tmp_path / "mine.safetensors", source.with_name("decoder_spare.safetensors")
    for file in (mine, ours):
        shutil.copyfile(source, file)
    link = source.with_name("decoder_link.safetensors")
    link.symlink_to(mine)
    entries = list_models(mini.workspace, mini.state, [mine])
    assert not standing(entries, link).is_ours
    for file in (source, mine, link):
        with pytest.raises(RequestError):
            remove_model(standing(entries, file), mini.workspace)
    forged = replace(standing(entries, mine), is_ours=True)
    with pytest.raises(RequestError):
        remove_model(forged, mini.workspace)
    remove_model(standing(entries, ours), mini.workspace)
    link.unlink()
    assert not ours.exists() and source.exists() and mine.exists()
    assert read_header(mine)["kind"] == "decoder"


def test_no_path_that_a_file_names_is_looked_at(mini: Subject, tmp_path: Path) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(b"secret")
    lure = changed(
        shipped_generator(), tmp_path / "lure.safetensors", embedding=f"open_clip:RN50@{secret}"
    )
    entries = list_models(mini.workspace, mini.state, [lure])
    assert standing(entries, lure).standing is Standing.ELSEWHERE
    assert not any(entry.path == secret for entry in entries)


def test_a_download_that_is_cut_off_is_damaged(mini: Subject) -> None:
    entry = catalogue()[0]
    entry.place().parent.mkdir(parents=True)
    entry.place().write_bytes(b"PK\x03\x04 and no more")
    found = standing(list_models(mini.workspace, mini.state), entry.place())
    assert (found.standing, found.download) == (Standing.DAMAGED, entry.name)
    assert "download it again" in found.why and found.is_ours
    remove_model(found, None)
    assert not entry.place().exists()
