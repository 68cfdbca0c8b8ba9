"""Any view, copied as a line for a shell, is that view again."""

import random
import shlex
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

from nsdviewer.cli.parser import build_parser
from nsdviewer.cli.state_options import state_from
from nsdviewer.errors import RequestError
from nsdviewer.session import open_workspace
from nsdviewer.session.command_line import (
    betas_command,
    decode_command,
    figure_command,
    map_command,
)
from nsdviewer.session.evidence import MapRequest
from nsdviewer.session.possible import why_not
from nsdviewer.state import Hemisphere, Patch, Reading, ViewState
from nsdviewer.state.assignments import assigned, assignments_of
from tests.random_states import HOME_FIELDS, random_state, varied_fields

N_STATES = 120


@pytest.fixture(scope="module")
def odd_root(mini_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest subject in a folder that nobody would name so."""
    odd = tmp_path_factory.mktemp("odd") / 'it\'s "my" dätä $HOME; rm -r & (1)'
    odd.symlink_to(mini_root, target_is_directory=True)
    return odd


@pytest.fixture(scope="module")
def states(mini, odd_root: Path) -> list[ViewState]:
    rng = random.Random(7)
    first = mini.state.replace(root=str(odd_root))
    return [random_state(rng, mini.workspace, first) for _ in range(N_STATES)]


def parsed(line: str) -> ViewState:
    """Read a line as a POSIX shell and `nsdviewer` do."""
    program, *words = shlex.split(line)
    assert program == "nsdviewer"
    return state_from(build_parser().parse_args(words))


def test_the_random_states_vary_every_field(states):
    """What the laws below say, they say of every field."""
    for name in varied_fields():
        assert len({repr(getattr(state, name)) for state in states}) > 1, name
    everything = varied_fields() | HOME_FIELDS | {"decoder", "encoder", "generator"}
    assert everything == {f.name for f in fields(ViewState)}


def test_a_copied_line_is_the_same_view(states):
    for state in states:
        assert parsed(figure_command(state).text(windows=False)) == state


def test_models_and_home_travel_too(tmp_path):
    odd = str(tmp_path / 'a b\'s "model".safetensors')
    state = ViewState(str(tmp_path), subject=3, decoder=odd, encoder=odd, generator="flow",
                      embedding="open_clip:ViT-B-32@/x y/ü.pt")  # fmt: skip
    assert parsed(figure_command(state).text(windows=False)) == state


def test_a_shell_hands_over_exactly_the_words(states):
    """`sh` itself, and not a Python reading of it, splits the line."""
    lines = [figure_command(state).text(windows=False) for state in states]
    script = "nsdviewer() { printf '%s\\0' \"$@\"; printf '\\0'; }\n" + "\n".join(lines)
    told = subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout.decode()
    found = [tuple(each.split("\0")) for each in told.removesuffix("\0\0").split("\0\0")]
    assert found == [figure_command(state).words[1:] for state in states]


def test_only_what_differs_is_said():
    state = ViewState("/data", concept="face", trials=(3, 5))
    assert figure_command(state).text(windows=False) == (
        "nsdviewer figure /data --set trials=3,5 --set concept=face -o figure.png"
    )
    assert assignments_of(state, state) == ()


def test_the_command_prompt_of_windows_hands_over_the_words(states):
    for state in states:
        try:
            line = figure_command(state).text(windows=True)
        except RequestError as error:
            assert "more than a shell takes" in str(error)
            continue
        assert argv_of_windows(after_the_prompt(line)) == list(figure_command(state).words)


def after_the_prompt(line: str) -> str:
    """Return what `cmd.exe` makes of a line: carets taken, quotes kept, nothing expanded.

    By https://learn.microsoft.com/archive/blogs/twistylittlepassagesallalike: a caret quotes the
    next character outside of quotation marks, and is itself within them.
    """
    out, in_quotes, k = [], False, 0
    while k < len(line):
        c = line[k]
        if c == "^" and not in_quotes:
            k += 1
            out.append(line[k])
        else:
            if c == '"':
                in_quotes = not in_quotes
            assert in_quotes or c not in "&|<>()%!", f"the prompt reads {c} in {line}"
            assert c != "%", f"the prompt expands {line}"
            out.append(c)
        k += 1
    return "".join(out)


def argv_of_windows(line: str) -> list[str]:
    """Split a line as the C library of Windows does."""
    words, word, in_quotes, k, begun = [], "", False, 0, False
    while k < len(line):
        if line[k] == "\\":
            n = len(line[k:]) - len(line[k:].lstrip("\\"))
            k += n
            if k < len(line) and line[k] == '"':
                word += "\\" * (n // 2)
                if n % 2:
                    word, k = word + '"', k + 1
            else:
                word += "\\" * n
            begun = True
            continue
        if line[k] == '"':
            in_quotes, begun = not in_quotes, True
        elif line[k] == " " and not in_quotes:
            words, word, begun = ([*words, word] if begun else words), "", False
        else:
            word, begun = word + line[k], True
        k += 1
    return [*words, word] if begun else words


def test_what_no_shell_takes_is_said_with_the_way_out(tmp_path):
    rng = random.Random(1)
    vertices = tuple(sorted(rng.sample(range(160_000), 40_000)))
    large = ViewState("/data", patches=(Patch("large", Hemisphere.LEFT, vertices),))
    for state in (large, ViewState("/data\nrm"), ViewState("/data", search="\x1b[31m"),
                  ViewState("/data", search="\udcff")):  # fmt: skip
        with pytest.raises(RequestError, match="save the view"):
            figure_command(state).text(windows=False)


def test_a_folder_that_looks_like_an_option(tmp_path, monkeypatch, mini_root):
    monkeypatch.chdir(tmp_path)
    Path("-o").symlink_to(mini_root, target_is_directory=True)
    state = ViewState("-o", concept="-1*tool + animal")
    assert parsed(figure_command(state).text(windows=False)) == state
    words = shlex.split(map_command(state).text(windows=False))
    arguments = build_parser().parse_args(words[1:])
    assert str(arguments.root) == "-o" and arguments.concept == state.concept


@pytest.mark.parametrize("reading", list(Reading))
def test_map_decode_and_betas_speak_of_what_is_shown(mini, reading):
    trials = (4, int(mini.workspace.table.repeats_of(4)[-1]))
    state = mini.state.replace(
        reading=reading, statistic="p:0.001", trials=trials, seed=3, noise_ceiling_floor_pct=33.3,
        encoder="/e x.safetensors", decoder="/d.safetensors",
    )  # fmt: skip
    parser = build_parser()
    found = parser.parse_args(list(map_command(state).words[1:]))
    assert (found.concept, found.reading, found.stat) == (state.concept, reading.value, "p:0.001")
    assert found.noise_ceiling == state.noise_ceiling_floor_pct
    model = found.encoder if reading is Reading.ENCODER else found.decoder
    assert str(model) == (state.encoder if reading is Reading.ENCODER else state.decoder)
    table = mini.workspace.table
    for average in (True, False):
        shown = state.replace(average_repeats=average)
        for made in (decode_command(mini.workspace, shown), betas_command(mini.workspace, shown)):
            found = parser.parse_args(list(made.words[1:]))
            wanted = table.repeats_of(4).tolist() if average else list(dict.fromkeys(trials))
            assert sorted(table.select(found.trials)) == sorted(wanted)
    assert found.subject == state.subject


def test_what_decode_cannot_carry_is_said(mini):
    state = mini.state.replace(trials=(4,), scaling=(("V1", 0.0),))
    assert decode_command(mini.workspace, state).left_out == "the scaled regions"
    assert decode_command(mini.workspace, state.replace(scaling=())).left_out == ""
    with pytest.raises(RequestError, match="choose one first"):
        decode_command(mini.workspace, state.replace(trials=()))
    with pytest.raises(RequestError, match="type one first"):
        map_command(state.replace(concept=""))


@pytest.mark.parametrize("k", [0, 1])
def test_a_real_shell_draws_what_the_library_draws(states, tmp_path, k):
    """The line, run by `sh`, writes the bytes that an export of the same state writes."""
    drawable = [s for s in states if s.statistic == "none" and s.concept]
    assert_same_figure(drawable[k], tmp_path)


# Seconds a figure, and a test of a map takes a thousand permutations twice.
@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_hundred_lines_through_a_real_shell(states, tmp_path):
    workspace = open_workspace(states[0])
    drawn = [s for s in states if not why_not(workspace, MapRequest.of(s))][:100]
    assert len(drawn) == 100
    for k, state in enumerate(drawn):
        folder = tmp_path / str(k)
        folder.mkdir()
        assert_same_figure(state, folder)


def test_a_test_that_cannot_be_made_is_refused_by_the_line_as_by_the_window(states, tmp_path):
    workspace = open_workspace(states[0])
    found = ((s, why_not(workspace, MapRequest.of(s))) for s in states)
    state, why = next(pair for pair in found if pair[1])
    done = run_in_shell(state, tmp_path / "x.png")
    assert done.returncode == 1 and why in done.stderr
    assert not list(tmp_path.iterdir())


def assert_same_figure(state: ViewState, folder: Path) -> None:
    from nsdviewer.jobs import SilentProgress
    from nsdviewer.rendering.view_kinds import ExportedView, ExportRequest
    from nsdviewer.session.view_export import export_view

    ours, theirs = folder / "ours.png", folder / "it's theirs.png"
    request = ExportRequest(ExportedView.FIGURE, ours, 0.3)
    export_view(open_workspace(state), state, request, SilentProgress())
    done = run_in_shell(state, theirs, "--scale", "0.3")
    assert done.returncode == 0, f"{folder.name}: {done.stderr}"
    assert ViewState.load(theirs.with_suffix(".json")) == state
    assert theirs.read_bytes() == ours.read_bytes(), folder.name


def run_in_shell(state: ViewState, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    made = figure_command(state, str(out))
    line = replace(made, words=(*made.words, *more)).text(windows=False)
    program = shlex.join([sys.executable, "-m", "app"])
    script = f'nsdviewer() {{ {program} "$@"; }}\n{line}'
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)


def test_a_document_is_changed_by_what_is_set(tmp_path):
    state = ViewState("/data", seed=3, voxel=(1, 2, 3), vertex=(Hemisphere.LEFT, 5))
    assert assigned(state, ["voxel=1,2,3"]).vertex == state.vertex
    assert assigned(state, ["voxel=1,2,4"]).vertex is None
    assert assigned(state, ["seed=4", "seed=5"]).seed == 5
