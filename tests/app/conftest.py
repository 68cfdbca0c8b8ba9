"""What all tests of the window share."""

import os
from collections.abc import Iterator

import pytest

pytest.importorskip("PySide6")
from PySide6.QtWidgets import QApplication


@pytest.fixture(scope="session", autouse=True)
def folders_of_nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Settings, recovery documents and jobs of the person who runs the tests are left alone."""
    patch = pytest.MonkeyPatch()
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
    yield
    patch.undo()


@pytest.fixture(scope="session")
def application() -> QApplication:
    """The one application, on a real screen where there is one."""
    if not os.environ.get("DISPLAY"):
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    found = QApplication.instance() or QApplication(["nsdviewer"])
    found.setStyle("Fusion")
    return found
