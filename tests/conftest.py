"""Fixtures shared by all tests: each real thing is made once."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

# A test must fail rather than ask a hub for weights.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")

from nsdviewer.jobs import SilentProgress
from nsdviewer.models.embeddings import Embedding
from nsdviewer.models.registry import load_embedding
from nsdviewer.session import open_workspace
from nsdviewer.session.demo import first_state, make_demo, simulate_subjects
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import ViewState
from tests.display import own_display

MINI_SEED = 7


def pytest_configure(config: pytest.Config) -> None:
    # Windows of two processes on one screen would take the keyboard from each other.
    if "PYTEST_XDIST_WORKER" in os.environ and os.environ.get("QT_QPA_PLATFORM") == "xcb":
        config.add_cleanup(own_display())


@dataclass(frozen=True)
class Subject:
    """A simulated subject with both of its maps fitted."""

    state: ViewState
    workspace: Workspace

    @property
    def root(self) -> Path:
        return self.workspace.root.path


@pytest.fixture(scope="session")
def conse() -> Embedding:
    """The download-free embedding."""
    return load_embedding("conse")


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that `make` fills; several processes make it once and take a copy each.

    What was planted lies beside the folder, and goes with it.
    """
    own = factory.mktemp("simulated")
    if "PYTEST_XDIST_WORKER" not in os.environ:
        make(own / name)
        return own / name
    first = factory.getbasetemp().parent / f"{name}-of-all"
    with FileLock(first.with_suffix(".lock")):
        if not first.exists():
            holding = first.with_name(f"{name}-in-the-making")
            shutil.rmtree(holding, ignore_errors=True)
            make(holding / name)
            holding.rename(first)
    shutil.copytree(first, own, dirs_exist_ok=True)
    return own / name


def make_mini(root: Path) -> None:
    simulate_subjects(root, "mini", 1, MINI_SEED, SilentProgress())
    first_state(root, SilentProgress())


@pytest.fixture(scope="session")
def mini_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated subject of the smallest size, decoder and encoder fitted."""
    return made_once(tmp_path_factory, "mini", make_mini)


@pytest.fixture(scope="session")
def mini(mini_root: Path) -> Subject:
    """The smallest subject."""
    state = first_state(mini_root, SilentProgress())
    return Subject(state, open_workspace(state))


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """The demo subject, as `nsdviewer demo` makes it."""
    state = make_demo(SilentProgress(), tmp_path_factory.mktemp("demo") / "demo")
    return Subject(state, open_workspace(state))
