"""The kinds of jobs that the window offers, and the command that runs them."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from nsdviewer.background.kinds import (
    JOB_KINDS,
    FieldKind,
    Home,
    JobField,
    JobKind,
    command_of,
)
from nsdviewer.background.records import END_FILE, RECORD_FILE
from nsdviewer.background.running import run_job
from nsdviewer.cli import main
from nsdviewer.cli.parser import build_parser
from nsdviewer.errors import DataError, RequestError

HOME = Home("/data with blanks/nsd", "3", "func1mm", "b2", "conse")
ANYTHING = {
    FieldKind.NUMBER: "7", FieldKind.TEXT: "-odd & words", FieldKind.SWITCH: "yes",
    FieldKind.FILE: "/a b.safetensors", FieldKind.FOLDER: "/a b", FieldKind.NEW_FILE: "/new",
    FieldKind.NEW_FOLDER: "/new folder",
}  # fmt: skip


def filled(kind: JobKind, choose) -> dict[str, str]:
    return {
        f.option: choose(f) if f.kind is FieldKind.CHOICE else ANYTHING[f.kind] for f in kind.fields
    }


def parsed(command: tuple[str, ...]) -> argparse.Namespace:
    return build_parser().parse_args(list(command))


@pytest.mark.parametrize("kind", JOB_KINDS, ids=lambda kind: kind.title)
def test_whatever_is_filled_in_the_command_line_understands(kind):
    for choose in (lambda f: f.choices[0], lambda f: f.choices[-1], lambda _: ""):
        arguments = vars(parsed(command_of(kind, HOME, filled(kind, choose))))
        known = {field.option.lstrip("-").replace("-", "_"): field for field in kind.fields}
        for name, field in known.items():
            if field.kind is FieldKind.TEXT and not field.models:
                assert arguments[name] == "-odd & words"
            if field.kind is FieldKind.NUMBER and not field.models:
                assert arguments[name] == 7
    if "subject" in kind.needs:
        assert (arguments["root"], arguments["subject"]) == (Path(HOME.root), 3)
        assert (arguments["space"], arguments["version"]) == ("func1mm", "b2")


@pytest.mark.parametrize("kind", JOB_KINDS, ids=lambda kind: kind.title)
def test_what_the_command_line_requires_is_asked_for(kind):
    needed = {f.option: ANYTHING[f.kind] for f in kind.fields if f.is_required}
    parsed(command_of(kind, HOME, needed))
    for option in needed:
        without = {k: v for k, v in needed.items() if k != option}
        with pytest.raises(RequestError, match="is empty"):
            command_of(kind, HOME, without)
    if kind.needs:
        with pytest.raises(RequestError, match="name the"):
            command_of(kind, Home(), needed)


def test_choices_are_the_command_lines_own():
    fields = [f for kind in JOB_KINDS for f in kind.fields if f.kind is FieldKind.CHOICE]
    assert fields
    for kind in JOB_KINDS:
        for field in kind.fields:
            for choice in field.choices:
                values = {f.option: ANYTHING[f.kind] for f in kind.fields if f.is_required}
                parsed(command_of(kind, HOME, {**values, field.option: choice}))


def test_a_number_that_is_none_is_refused_before_anything_runs():
    kind = JobKind("x", "", ("simulate",), (), (JobField("--seed", "Seed", FieldKind.NUMBER),))
    with pytest.raises(RequestError, match="whole number"):
        command_of(kind, HOME, {"--seed": "1; rm"})


def test_a_job_runs_at_a_shell_too_and_writes_its_end(tmp_path, capfd):
    folder = tmp_path / "20260101-000000-0000aa"
    folder.mkdir()
    record = {"format": "nsdviewer-job", "title": "t", "created": 1, "command": ["verify", "/none"]}
    (folder / RECORD_FILE).write_text(json.dumps(record))
    assert main(["job-run", str(folder)]) == 1
    assert "There is no folder /none" in capfd.readouterr().err
    assert json.loads((folder / END_FILE).read_text())["status"] == 1
    (folder / RECORD_FILE).write_text("{}")
    assert main(["job-run", str(folder)]) == 1
    assert "damaged" in capfd.readouterr().err


def test_a_defect_is_told_in_a_sentence_and_its_traceback_is_in_the_log(tmp_path, capfd):
    folder = tmp_path / "20260101-000000-0000aa"
    folder.mkdir()
    record = {"format": "nsdviewer-job", "title": "t", "created": 1, "command": ["verify", "x"]}
    (folder / RECORD_FILE).write_text(json.dumps(record))

    def broken(_words):
        raise ZeroDivisionError("of ours")

    assert run_job(folder, broken) == 1
    assert "ZeroDivisionError" in json.loads((folder / END_FILE).read_text())["fault"]
    assert "Traceback" in capfd.readouterr().err
    with pytest.raises(DataError):
        run_job(tmp_path / "nothing", broken)


def test_whoever_swallows_the_interruption_is_ended_in_time(tmp_path):
    folder = tmp_path / "20260101-000000-0000aa"
    folder.mkdir()
    record = {"format": "nsdviewer-job", "title": "t", "created": 1, "command": ["verify", "x"]}
    (folder / RECORD_FILE).write_text(json.dumps(record))
    script = (
        "import os, signal, sys, time\nfrom pathlib import Path\n"
        "from nsdviewer.background.running import run_job\n"
        "class Last:\n"
        "    def __del__(self):\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        time.sleep(0.01)\n"
        "def once(_):\n"
        "    last = Last()\n"
        "    del last\n"
        "    time.sleep(20)\n"
        "def stubborn(_):\n"
        "    while True:\n"
        "        try:\n"
        "            os.kill(os.getpid(), signal.SIGTERM)\n"
        "            time.sleep(20)\n"
        "        except KeyboardInterrupt:\n"
        "            pass\n"
        "began = time.monotonic()\n"
        "assert run_job(Path(sys.argv[1]), once, 60.0) == 130\n"
        "assert time.monotonic() - began < 10\n"
        "run_job(Path(sys.argv[1]), stubborn, 0.6)\n"
    )
    words = [sys.executable, "-c", script, str(folder)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 130, ended.stderr
    assert json.loads((folder / END_FILE).read_text())["cancelled"] is True
