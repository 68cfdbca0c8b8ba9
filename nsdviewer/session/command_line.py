"""What is shown as a line for a shell, which makes the same figure, map, pictures or numbers again."""

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from nsdviewer.errors import RequestError
from nsdviewer.session.bench_trials import group_trials
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import Reading, Space, ViewState
from nsdviewer.state.assignments import assignments_of

PROGRAM = "nsdviewer"
# Linux takes 131,072 bytes an argument, the command prompt of Windows 8,191 characters a line.
MOST_BYTES, MOST_CHARACTERS_WINDOWS = 100_000, 8_000

_PLAIN_WINDOWS = re.compile(r"[\w@+=:,./\\-]+", re.ASCII)
# What the command prompt reads itself, quoted or not, unless a caret stands before it.
_META_WINDOWS = re.compile(r'([()%!^"<>&|])')


@dataclass(frozen=True)
class CommandLine:
    """A command and what it leaves out.

    Attributes
    ----------
    words
        What the shell is to hand over, the program's name first.
    left_out
        What of the view the command knows nothing of, in words; empty where nothing is lost.
    """

    words: tuple[str, ...]
    left_out: str = ""

    def text(self, windows: bool = os.name == "nt") -> str:
        """Return the line, quoted for a POSIX shell or for the command prompt of Windows.

        Raises
        ------
        RequestError
            If no line can carry it: it is too long, or holds characters that steer a terminal.
        """
        for word in self.words:
            _require_sayable(word)
        if windows:
            line = " ".join(map(_quoted_for_windows, self.words))
            too_long = len(line) > MOST_CHARACTERS_WINDOWS
        else:
            line = shlex.join(self.words)
            too_long = len(line.encode()) > MOST_BYTES
        if too_long:
            raise RequestError(
                f"The command would have {len(line):,} characters, more than a shell takes; save the "
                "view, and name its file in place of the folder."
            )
        return line


def figure_command(state: ViewState, out: str = "figure.png") -> CommandLine:
    """Return the command that draws the figure of a view; it leaves nothing out."""
    settings = [
        word for each in assignments_of(state, ViewState(state.root)) for word in ("--set", each)
    ]
    return CommandLine(_with_root(state, "figure", *settings, "-o", out))


def map_command(state: ViewState, out: str = "") -> CommandLine:
    """Return the command that writes the concept's map with its test; raises without a concept."""
    if not state.concept:
        raise RequestError("There is no concept to map; type one first.")
    usual = "map.nii.gz" if _is_volume(state) else "map.mgz"
    model = state.encoder if state.reading is Reading.ENCODER else state.decoder
    kind = "encoder" if state.reading is Reading.ENCODER else "decoder"
    words = _with_root(
        state, "map", *_home(state), *_embedding(state),
        *_option("concept", state.concept), *_option("reading", state.reading.value),
        *_option("stat", state.statistic), *_option("null", state.null.value),
        *_option("noise-ceiling", f"{state.noise_ceiling_floor_pct:g}"),
        *(_option(kind, model) if model else ()), *_option("out", out or usual),
    )  # fmt: skip
    return CommandLine(words)


def decode_command(workspace: Workspace, state: ViewState, out: str = "decoded") -> CommandLine:
    """Return the command that decodes and paints the selected trials; raises where there is none."""
    trials = _trials(workspace, state, state.average_repeats)
    words = _with_root(
        state, "decode", *_home(state), *_embedding(state), "--trials", _numbers(trials),
        "--repeats", "average" if state.average_repeats else "single",
        *(_option("seed", str(state.seed)) if state.seed else ()),
        *(_option("decoder", state.decoder) if state.decoder else ()),
        *(_option("generator", state.generator) if state.generator else ()),
        *_option("out", out),
    )  # fmt: skip
    left_out = []
    if any(factor != 1 for _, factor in state.scaling):
        left_out.append("the scaled regions")
    if len(group_trials(workspace.table, state.trials, state.average_repeats)) > 1:
        left_out.append("the average over several pictures")
    return CommandLine(words, " and ".join(left_out))


def betas_command(workspace: Workspace, state: ViewState, out: str = "betas.npz") -> CommandLine:
    """Return the command that writes the selected trials' betas; raises where there is none."""
    trials = _trials(workspace, state, state.average_repeats)
    words = _with_root(
        state, "betas", *_home(state), "--trials", _numbers(trials), *_option("out", out)
    )
    return CommandLine(words)


def _trials(workspace: Workspace, state: ViewState, average_repeats: bool) -> list[int]:
    """Return the selected trials, with all repetitions of their pictures where they are averaged."""
    if not state.trials:
        raise RequestError("No trial is selected; choose one first.")
    groups = group_trials(workspace.table, state.trials, average_repeats)
    return [int(trial) for group in groups for trial in group]


def _with_root(state: ViewState, command: str, *words: str) -> tuple[str, ...]:
    # A folder whose name begins as an option does stands behind all options.
    if state.root.startswith("-"):
        return PROGRAM, command, *words, "--", state.root
    return PROGRAM, command, state.root, *words


def _home(state: ViewState) -> tuple[str, ...]:
    return (
        "--subject", str(state.subject), "--space", state.space.value,
        "--version", state.version.short,
    )  # fmt: skip


def _embedding(state: ViewState) -> tuple[str, ...]:
    return _option("embedding", state.embedding) if state.embedding else ()


def _option(name: str, value: str) -> tuple[str, ...]:
    """Return an option in two words, in one where its value would be taken for another option."""
    return (f"--{name}={value}",) if value.startswith("-") else (f"--{name}", value)


def _is_volume(state: ViewState) -> bool:
    return state.space in (Space.FUNC1PT8MM, Space.FUNC1MM, Space.MNI)


def _numbers(trials: Sequence[int]) -> str:
    return ",".join(map(str, trials))


def _require_sayable(word: str) -> None:
    """Raise `RequestError` for what a terminal takes for keys, or no clipboard carries."""
    steers = any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u2028\u2029" for c in word)
    broken = any(0xD800 <= ord(c) < 0xE000 for c in word)
    if steers or broken:
        raise RequestError(
            f"'{word.encode('ascii', 'backslashreplace').decode()[:80]}' holds characters that no "
            "line of a shell can carry; save the view, and name its file in place of the folder."
        )


def _quoted_for_windows(word: str) -> str:
    """Return a word as the command prompt hands it over unchanged.

    Quoted as programs read their line (Microsoft's rules for backslashes before quotes); where the
    prompt itself would read something in it, a caret stands before each such character.
    """
    if _PLAIN_WINDOWS.fullmatch(word):
        return word
    doubled = re.sub(r'(\\*)"', r'\1\1\\"', word)
    doubled = re.sub(r"(\\+)$", r"\1\1", doubled)
    quoted = f'"{doubled}"'
    if _META_WINDOWS.search(word):
        return _META_WINDOWS.sub(r"^\1", quoted)
    return quoted
