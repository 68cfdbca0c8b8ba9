"""Fixtures shared by all tests: each real thing is made once."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

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

MINI_SEED = 7


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


@pytest.fixture(scope="session")
def mini_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated subject of the smallest size."""
    root = tmp_path_factory.mktemp("simulated") / "mini"
    simulate_subjects(root, "mini", 1, MINI_SEED, SilentProgress())
    return root


@pytest.fixture(scope="session")
def mini(mini_root: Path) -> Subject:
    """The smallest subject, decoder and encoder fitted."""
    state = first_state(mini_root, SilentProgress())
    return Subject(state, open_workspace(state))


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """The demo subject, as `nsdviewer demo` makes it."""
    state = make_demo(SilentProgress(), tmp_path_factory.mktemp("demo") / "demo")
    return Subject(state, open_workspace(state))
