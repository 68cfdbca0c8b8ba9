"""The first state of a root: whatever is missing is made, fitted and kept."""

import getpass
import shutil
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path

from platformdirs import user_data_path

from nsdviewer.data.layout import SIMULATED_FLAG, NsdRoot
from nsdviewer.errors import DataError, DataWarning, NsdViewerError
from nsdviewer.jobs import PartProgress, Progress
from nsdviewer.models.image_cache import CachedEmbedding
from nsdviewer.models.registry import load_embedding
from nsdviewer.session.concepts import search_trials
from nsdviewer.session.fitting import fit_workspace_decoder, fit_workspace_encoder
from nsdviewer.session.workspace import DEFAULT_EMBEDDING_SIMULATED, Workspace
from nsdviewer.state import ViewState

DEMO_SEED = 0
DEMO_CONCEPT = "animal"
_PREFERRED_OUTLINES = ("floc-faces", "floc-places", "floc-bodies")


def demo_root() -> Path:
    """Return where the demo subject is kept: the user's data folder."""
    return user_data_path("nsdviewer", appauthor=False) / "demo"


def make_demo(progress: Progress, root: Path | None = None) -> ViewState:
    """Return the demo's first state; simulate the subject and fit its maps where missing."""
    root = root or _place_of_demo()
    if not (root / SIMULATED_FLAG).exists():
        simulate_subjects(root, "demo", 1, DEMO_SEED, PartProgress(progress, 0.0, 0.6))
    return first_state(root, PartProgress(progress, 0.6, 1.0))


def _place_of_demo() -> Path:
    """Return the usual place, or one among the temporary files where that cannot be written."""
    usual = demo_root()
    if (usual / SIMULATED_FLAG).exists():
        return usual
    try:
        usual.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=usual.parent):
            return usual
    except OSError as error:
        folder = Path(tempfile.gettempdir()) / f"nsdviewer-demo-{getpass.getuser()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.owner() != getpass.getuser():
            raise DataError(
                f"{usual.parent} cannot be written ({error.strerror}), and {folder} is another "
                "person's; set XDG_DATA_HOME to a folder that can be written."
            ) from error
        warnings.warn(
            f"The demo subject is kept in {folder}, among the temporary files, because "
            f"{usual.parent} cannot be written.",
            DataWarning,
            stacklevel=2,
        )
        return folder / "demo"


def simulate_subjects(
    root: Path,
    preset: str,
    n_subjects: int,
    seed: int,
    progress: Progress,
    n_sessions: int | None = None,
) -> None:
    """Simulate subjects with the download-free embedding, keeping its vectors beside the tree."""
    # The simulator loads surfaces and anatomy libraries that nothing else needs.
    from nsdviewer.data.simulate import simulate

    # The vectors are made before the tree has its place; they move into it afterwards.
    holding = root.with_name(root.name + ".embedding")
    embedding = CachedEmbedding(load_embedding(DEFAULT_EMBEDDING_SIMULATED), holding)
    try:
        simulate(root, preset, n_subjects, seed, embedding, progress, n_sessions)
        cache = NsdRoot.open(root).cache_folder
        cache.mkdir(parents=True, exist_ok=True)
        for file in holding.glob("*.npz"):
            shutil.move(file, cache / file.name)
    finally:
        shutil.rmtree(holding, ignore_errors=True)


def first_state(root: Path, progress: Progress) -> ViewState:
    """Return the state a root opens with, fitting decoder and encoder where they are missing.

    Where they cannot be fitted, nothing is decoded and no concept is mapped in it.

    Raises
    ------
    NsdViewerError
        If the folder is no NSD root, or holds no subject with betas and a design.
    """
    opened = NsdRoot.open(root)
    subject = opened.subjects[0] if opened.subjects else 1
    workspace = Workspace(opened, subject)
    fit_missing(workspace, progress)
    outlines = tuple(c for c in _PREFERRED_OUTLINES if c in workspace.collections)
    fitted = {kind: workspace.model_path(kind).exists() for kind in ("decoder", "encoder")}
    return ViewState(
        root=str(opened.path),
        subject=subject,
        trials=_first_trials(workspace) if fitted["decoder"] else (),
        roi_collections=outlines,
        concept=DEMO_CONCEPT if fitted["encoder"] else "",
    )


def _first_trials(workspace: Workspace) -> tuple[int, ...]:
    shared = workspace.table.select("shared")
    chosen = shared if len(shared) else workspace.table.select("all")
    # A test picture that suits the concept: chosen by the picture, not by how well it decodes.
    with suppress(DataError):
        chosen = search_trials(workspace, DEMO_CONCEPT, chosen)
    return tuple(int(t) for t in chosen[:1])


def fit_missing(workspace: Workspace, progress: Progress) -> str:
    """Fit and keep the workspace's decoder and encoder where they are missing.

    Returns
    -------
    str
        Why one of them could not be fitted; empty where both are there. Without them a subject
        still has a cortex, slices and trials.
    """
    reasons = []
    for k, kind in enumerate(("decoder", "encoder")):
        path = workspace.model_path(kind)
        if path.exists():
            continue
        part = PartProgress(progress, k / 2, (k + 1) / 2)
        try:
            _require_pictures_and_weights(workspace)
            if kind == "decoder":
                fit_workspace_decoder(workspace, part).save(path)
            else:
                fit_workspace_encoder(workspace, part).save(path)
        except NsdViewerError as error:
            reasons.append(str(error))
    progress.report(1.0, "ready")
    return " ".join(dict.fromkeys(reasons))


def _require_pictures_and_weights(workspace: Workspace) -> None:
    """Raise where a picture is missing, or what embeds it.

    Sessions take minutes to read, and would be for nothing.
    """
    nsd_ids = workspace.table.column("nsd_id")[workspace.table.select("all")[:1]]
    workspace.stimuli.read(nsd_ids)
    workspace.image_embeddings(nsd_ids)
