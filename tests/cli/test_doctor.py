"""The doctor says what is broken, and never breaks, never names a person."""

import getpass
import json
import os
from pathlib import Path

import pytest

from nsdviewer.cli import main
from nsdviewer.diagnosis import opengl, report
from nsdviewer.diagnosis.fault_log import last_faults, log_fault
from nsdviewer.diagnosis.privacy import without_names
from nsdviewer.diagnosis.surroundings import display_server, remote_session, why_no_window


def test_every_section_is_there_in_lines_and_as_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    log_fault("planted", "Traceback: planted fault", None)
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {
        "system", "packages", "devices", "folders", "weights", "OpenGL", "last faults",
    }  # fmt: skip
    assert found["packages"]["torch"].startswith("2")
    assert "LAFITE" in found["weights"]["generator"]
    assert found["OpenGL"]["answer"] in (opengl.HARDWARE, opengl.SOFTWARE) or (
        found["OpenGL"]["answer"].endswith(".")
    )
    assert "planted fault" in found["last faults"]["1"]
    text = report.as_text(found)
    assert all(section in text for section in found)
    assert str(Path.home()) not in text or len(str(Path.home())) == 1


def test_a_crash_of_opengl_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIBGL_DRIVERS_PATH", "/nonexistent")
    monkeypatch.setenv("__EGL_VENDOR_LIBRARY_FILENAMES", "/nonexistent")
    monkeypatch.setenv("SSH_CONNECTION", "1 2 3 4")
    key = opengl.machine_key()
    found = opengl.examine_opengl()
    if found.works:
        pytest.skip("this machine draws in spite of a driver folder that is not there")
    assert found.answer.endswith(".") and "\n" not in found.answer
    monkeypatch.delenv("SSH_CONNECTION")
    assert key != opengl.machine_key()


def test_what_is_broken_does_not_break_the_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "file" / name))
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(report, "examine_opengl", lambda: opengl.OpenGL("It does not draw."))
    found = report.diagnose()
    assert "CANNOT be written" in found["folders"]["settings"]
    assert found["OpenGL"] == {"answer": "It does not draw."}
    log_fault("nowhere", "to write")
    assert last_faults() == []


def test_the_log_stays_small_and_keeps_the_last(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "faults.log"
    for k in range(60):
        log_fault(f"fault {k}", "x" * 20_000, path)
    assert sum(p.stat().st_size for p in path.parent.iterdir()) < 800_000
    assert last_faults(1, path)[0].splitlines()[0].endswith("fault 59")


def test_names_are_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home of somebody"))
    monkeypatch.setattr(getpass, "getuser", lambda: "somebody")
    text = f"{tmp_path}/home of somebody/x.nii and /data/somebody/y and somebody's"
    assert without_names(text) == "~/x.nii and /data/USER/y and somebody's"


def test_remote_sessions_and_displays_are_told() -> None:
    assert remote_session({"SSH_CONNECTION": "a"}) == "SSH"
    assert remote_session({"XRDP_SESSION": "1", "VNCDESKTOP": "x"}) == "VNC, RDP"
    assert remote_session({}) == ""
    if os.uname().sysname == "Linux":
        assert display_server({"WAYLAND_DISPLAY": "w", "DISPLAY": ":0"}) == "Wayland and X11"
        assert "neither DISPLAY" in why_no_window({})
        assert why_no_window({"QT_QPA_PLATFORM": "offscreen"}) == ""
