"""A session file comes back as it was; what is not one is refused in a sentence, nothing opened."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsdviewer.errors import NsdViewerError, RequestError
from nsdviewer.session import Session
from nsdviewer.session.session_data import data_of, difference_in_words, differences
from nsdviewer.session.session_file import DataFile, SessionDocument, state_of
from nsdviewer.state import LayerChoice, Page, Panel, PanelKind, Theme, ViewState
from nsdviewer.state.history import History
from nsdviewer.state.named_paths import PathUse, below, moved, paths_of
from tests.test_state import states

FIRST = ViewState("/data/nsd", concept="tool")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


def a_session() -> SessionDocument:
    last = FIRST.replace(decoder="/models/mine.safetensors", theme=Theme.LIGHT)
    history = History().recorded(FIRST, last)
    data = (DataFile("responses", "nsddata_betas/a.hdf5", "12ab"),)
    return SessionDocument(last, history, {"size": [1280, 800]}, data, {"page": None})


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(states, st.lists(states, max_size=4), st.dictionaries(st.text(max_size=5), JSON, max_size=3))
def test_a_session_comes_back_from_its_file(tmp_path, first, others, layout):
    history, state = History(), first
    for after in others:
        if after != state:
            history, state = history.recorded(state, after), after
    written = SessionDocument(state, history, layout, saved_as="x", is_modified=True)
    path = tmp_path / "a session é.json"
    written.save(path)
    assert replace(SessionDocument.load(path), history=history) == written
    assert SessionDocument.load(path).history.past == history.past
    assert state_of(path) == state


def test_views_figures_and_sessions_are_read_alike(tmp_path):
    page = Page(FIRST, (Panel(PanelKind.CORTEX, 1, 1, 40, 40),))
    for k, document in enumerate((FIRST, page, a_session())):
        document.save(tmp_path / f"{k}.json")
    assert state_of(tmp_path / "0.json") == state_of(tmp_path / "1.json") == FIRST
    assert state_of(tmp_path / "2.json") == a_session().state
    assert SessionDocument.load(tmp_path / "1.json").extras["page"] == page.to_dict()


def edited(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """Return a session's document with one value changed by hand."""
    document = json.loads(json.dumps(a_session().to_dict()))
    inside = document
    for name in path[:-1]:
        inside = inside[name]
    inside[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), "other"),
        (("format_version",), 99),
        (("format_version",), "1"),
        (("format_version",), None),
        (("state",), None),
        (("state",), [1]),
        (("state", "root"), 5),
        (("state", "subject"), "two"),
        (("state", "subject"), 1.5),
        (("state", "subject"), True),
        (("state", "trials"), ["a"]),
        (("state", "trials"), 7),
        (("state", "trials"), list(range(200_000))),
        (("state", "voxel"), [1, 2]),
        (("state", "camera"), [None] * 10),
        (("state", "morph"), "pial"),
        # No float is as large.
        (("state", "morph"), 10**400),
        (("state", "camera"), [10**400] * 10),
        (("state", "camera"), [1e300, 0, 0, 0, 0, 0, 0, 0, 1, 90]),
        (("state", "camera"), [0, 9, 0, 0, 9, 0, 0, 0, 1, 90]),
        (("state", "camera"), [0, 9, 0, 0, 0, 0, 0, 0, 0, 90]),
        (("state", "camera"), [0, 9, 0, 0, 0, 0, 0, 1, 0, 90]),
        (("state", "camera"), [0, 9, 0, 0, 0, 0, 0, 0, 1, -90]),
        (("state", "layers"), [{"source": "concept", "limit": 10**400}]),
        (("state", "scaling"), [["V1", 10**400]]),
        (("state", "reading"), list(range(5000))),
        (("state", "concept"), ["__import__('os')"]),
        (("state", "concept"), "x" * 100_000),
        (("state", "theme"), "neon"),
        (("state", "layers"), [{"source": f"map:{k}"} for k in range(5000)]),
        (("state", "layers"), [{"source": 3}]),
        (("state", "layers"), [{"source": "concept", "opacity": "full"}]),
        (("state", "layers"), [{"source": "concept", "__class__": "x"}]),
        (("state", "patches"), [{"name": f"p{k}", "hemisphere": "lh", "vertices": "0-999999"}
                                for k in range(200)]),
        (("state", "scaling"), [["V1", "loud"]]),
    ],
)  # fmt: skip
def test_a_hand_edited_session_is_refused_in_a_sentence(tmp_path, path, value):
    file = tmp_path / "edited.json"
    file.write_text(json.dumps(edited(path, value)), encoding="utf-8")
    for read in (SessionDocument.load, state_of):
        with pytest.raises(NsdViewerError) as refused:
            read(file)
        assert len(str(refused.value)) < 400 and "\n" not in str(refused.value).strip()


@pytest.mark.parametrize("name", ["history", "layout", "data", "extras"])
@pytest.mark.parametrize("value", ["x", 5, [None], {"past": [5]}, [{"what": 3}]])
def test_what_the_picture_does_not_stand_on_may_be_damaged(name, value):
    read = SessionDocument.from_dict(edited((name,), value))
    assert read.state == a_session().state
    assert read.faults or isinstance(value, dict)


@pytest.mark.parametrize("page", [{"format": "nsdviewer-figure"}, 5, None, {"format_version": 99}])
def test_a_damaged_figure_is_left_out_of_its_session(page):
    read = SessionDocument.from_dict(edited(("extras",), {"page": page, "other": 1}))
    assert read.state == a_session().state and read.extras == {"other": 1}
    assert "figure" in read.faults[0]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "NaN", "5", '"x"', "[" * 100_000, '{"format": "nsdviewer-session"}', "\xff",
     '{"format": "nsdviewer-session", "format_version": NaN}', "\0" * 100],
)  # fmt: skip
def test_what_is_no_document_is_refused(tmp_path, text):
    file = tmp_path / "x.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(RequestError):
        SessionDocument.load(file)


def test_a_session_cut_off_anywhere_is_refused(tmp_path):
    whole = json.dumps(a_session().to_dict())
    file = tmp_path / "cut.json"
    for n in range(0, len(whole) - 1, 37):
        file.write_text(whole[:n], encoding="utf-8")
        with pytest.raises(RequestError):
            SessionDocument.load(file)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    for path in (tmp_path / "pipe.json", tmp_path, tmp_path / "nowhere.json"):
        with pytest.raises(RequestError):
            SessionDocument.load(path)


def test_every_path_of_a_session_is_listed_and_none_is_opened(tmp_path):
    layers = (LayerChoice("concept"), LayerChoice("file:/maps/t.nii.gz"))
    state = FIRST.replace(layers=layers, embedding="open_clip:ViT@/weights/w.pt", generator="flow")
    before = state.replace(root="/elsewhere", encoder="//server/share/e.safetensors")
    document = SessionDocument(state, History().recorded(before, state))
    named = {(each.use, each.path) for each in document.named_paths()}
    assert named == {
        (PathUse.ROOT, "/data/nsd"), (PathUse.LAYER, "/maps/t.nii.gz"),
        (PathUse.EMBEDDING, "/weights/w.pt"), (PathUse.ROOT, "/elsewhere"),
        (PathUse.ENCODER, "//server/share/e.safetensors"),
    }  # fmt: skip
    (share,) = (each for each in document.named_paths() if each.is_on_network)
    assert share.use is PathUse.ENCODER
    page = Page(FIRST.replace(root="/third"), (Panel(PanelKind.CORTEX, 1, 1, 40, 40),))
    with_page = replace(document, extras={"page": page.to_dict()})
    assert "/third" in {each.path for each in with_page.named_paths()}


@pytest.mark.parametrize(
    "path", ["data", "../data", "/data/../etc", "C:\\data\\..\\x", "", "/a\0b"]
)
def test_a_path_that_is_not_whole_is_refused(path):
    with pytest.raises(RequestError, match="whole path"):
        SessionDocument(ViewState(path)).named_paths()


def test_what_lies_below_a_folder_moves_along_with_it():
    layers = (LayerChoice("file:/data/nsd/maps/a.nii"), LayerChoice("file:/data/nsd2/b.nii"))
    state = FIRST.replace(layers=layers, decoder="/data/nsd/models/d.st", generator="lafite")
    there = moved(state, {"/data/nsd": "/new/place", "/data/nsd/maps": "/maps"})
    assert (there.root, there.decoder, there.generator) == (
        "/new/place", "/new/place/models/d.st", "lafite")  # fmt: skip
    assert [each.source for each in there.layers] == ["file:/maps/a.nii", "file:/data/nsd2/b.nii"]
    assert moved(state, {"/other": "/new"}) is state
    back = {"/new/place": "/data/nsd", "/maps": "/data/nsd/maps"}
    assert moved(there, back) == state
    document = a_session().moved({"/data/nsd": "/new"})
    assert {each.root for each in document.states()} == {"/new"}


def test_the_figure_of_a_session_moves_along_with_it():
    panels = (
        Panel(PanelKind.CORTEX, 2, 2, 40, 40, "a"),
        Panel(PanelKind.BARS, 50, 2, 40, 40, "b", "", (("decoder", "/data/nsd/models/b.st"),)),
    )
    page = Page(FIRST, panels)
    document = SessionDocument(FIRST, extras={"page": page.to_dict(), "other": 1})
    there = document.moved({"/data/nsd": "/new"})
    assert {each.path for each in there.named_paths()} == {"/new", "/new/models/b.st"}
    assert there.extras["other"] == 1
    assert there.moved({"/new": "/data/nsd"}) == document


def test_only_whole_names_count_as_below():
    assert below("/a/b/c", "/a/b") == ("c",) and below("/a/b", "/a/b") == ()
    assert below("/a/bc", "/a/b") is None and below("/a/b/../c", "/a/b") is None
    assert below("C:\\nsd\\x", "C:\\nsd") == ("x",)


def test_data_that_differ_are_named_and_those_that_do_not_are_not(mini, tmp_path):
    map_file = tmp_path / "map.nii"
    map_file.write_bytes(b"as it was")
    state = mini.state.replace(layers=(LayerChoice(f"file:{map_file}"),))
    found = data_of(mini.workspace, state)
    kinds = {each.what for each in found}
    assert kinds >= {"experimental design", "responses", "transform", "decoder", "encoder", "map"}
    assert all(each.fingerprint for each in found)
    assert [p for each in found if Path(p := each.path).is_absolute()] == [str(map_file)]
    assert differences(found, data_of(mini.workspace, state)) == ()
    map_file.write_bytes(b"as it is")
    (other,) = differences(found, data_of(mini.workspace, state))
    assert (other.file.what, other.how) == ("map", "differs")
    map_file.unlink()
    (gone,) = differences(found, data_of(mini.workspace, state))
    assert gone.how == "gone"
    sentence, details = difference_in_words((gone,), len(found))
    assert sentence.startswith(f"1 of the {len(found)} files") and str(map_file) in details
    assert difference_in_words((), 3) == ("", "")


def test_a_session_goes_on_from_a_file(mini, tmp_path):
    session = Session(mini.state)
    camera = (0.0, -400.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 90.0)
    for change in ({"concept": "tool"}, {"seed": 4}, {"camera": camera}):
        session.update(**change)
    session.undo()
    SessionDocument(session.state, session.history).save(tmp_path / "s.json")
    read = SessionDocument.load(tmp_path / "s.json")
    again = Session(read.state, read.history)
    assert again.redo() and again.state.camera == camera and not again.redo()
    while again.undo():
        pass
    assert again.state == mini.state
    assert paths_of([again.state])[0].path == str(mini.root)
