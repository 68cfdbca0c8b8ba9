"""`--set FIELD=VALUE`: what is understood, and what is said where it is not."""

import argparse
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsdviewer.cli.main import main
from nsdviewer.cli.state_options import add_state, state_from
from nsdviewer.errors import RequestError
from nsdviewer.session.session_file import SessionDocument
from nsdviewer.state import LayerChoice, Page, Reading, ViewState
from nsdviewer.state.assignments import assigned


def read(*words: str) -> ViewState:
    parser = argparse.ArgumentParser()
    add_state(parser)
    return state_from(parser.parse_args(list(words)))


def test_a_folder_is_the_usual_view_of_it(tmp_path):
    assert read(str(tmp_path)) == ViewState(str(tmp_path))
    found = read(str(tmp_path), "--set", "trials=3, 5", "--set", "reading=decoder",
                 "--set", "layers=concept,noise-ceiling", "--set", "version=b2")  # fmt: skip
    assert found.trials == (3, 5) and found.reading is Reading.DECODER
    assert found.layers == (LayerChoice("concept"), LayerChoice("noise-ceiling"))


def test_a_view_and_a_page_are_changed(tmp_path):
    state = ViewState(str(tmp_path), concept="face", seed=3)
    state.save(tmp_path / "view.json")
    Page(state).save(tmp_path / "page.json")
    for name in ("view.json", "page.json"):
        assert read(str(tmp_path / name)) == state
        assert read(str(tmp_path / name), "--set", "seed=4") == state.replace(seed=4)


def test_a_session_is_read_by_its_own_rules(tmp_path):
    state = ViewState(str(tmp_path), concept="face", seed=3)
    file = tmp_path / "session.json"
    SessionDocument(state).save(file)
    assert read(str(file), "--set", "seed=4") == state.replace(seed=4)
    document = json.loads(file.read_text(encoding="utf-8"))
    document["format_version"] += 1
    file.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(RequestError, match="later"):
        read(str(file))


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("seed", "FIELD=VALUE"), ("triels=3", "Did you mean 'trials'"), ("reading=encodr", "'encoder'"),
        ("trials=x", "as 3,5"), ("trials=1.5", "as 3,5"), ("voxel=1,2", "as 41,63,22"),
        ("average_repeats=1", "true or false"), ("seed=1e3", "whole number"), ("morph=NaN", "a number"),
        ("camera=1,2", "numbers"), ("layers={}", "list in JSON"), ("trials=1e999", "too large"),
        ("layers=" + "[" * 100_000, "list in JSON"), ('layers=[{"sorce":1}]', "no value of a view"),
        ("layers=concept,concept", "two of the layer"), ("version=b9", "b1, b2, b3"),
        ("morph=3", "from 0 (pial)"), ("roi_collections=[1]", "list of names"), ("vertex=[1]", "lh"),
    ],
)  # fmt: skip
def test_what_is_no_value_is_one_sentence(word, said):
    with pytest.raises(RequestError, match=said.replace("(", r"\(").replace(")", r"\)")):
        assigned(ViewState("/data"), [word])


@given(st.text(max_size=40), st.sampled_from([*ViewState.__dataclass_fields__, "x"]))
def test_any_text_is_a_state_or_a_sentence(text, name):
    try:
        state = assigned(ViewState("/data"), [f"{name}={text}"])
    except RequestError:
        return
    assert ViewState.from_dict(json.loads(json.dumps(state.to_dict()))) == state


def test_the_command_says_so_and_ends_with_1(tmp_path, capsys):
    assert main(["figure", str(tmp_path), "--set", "nix=1", "-o", str(tmp_path / "x.png")]) == 1
    told = capsys.readouterr().err
    assert told.startswith("nsdviewer: A view has no 'nix'.") and "Traceback" not in told
    assert main(["figure", str(tmp_path / "none.json"), "-o", str(tmp_path / "x.png")]) == 1
