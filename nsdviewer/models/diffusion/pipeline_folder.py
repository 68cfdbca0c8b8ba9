"""A pipeline's folder before anything of it is loaded: what it is, whole or not, and safe or not.

A folder of `diffusers` has a ``model_index.json`` that names the pipeline's class and its parts, and
one folder a part. What its authors leave unsaid (from which embedding it paints, above all) stands
in a `PipelineCard`, the file ``nsdviewer.json`` beside the index.
"""

import json
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nsdviewer.errors import CheckpointError, ModelUnavailableError, suggestion
from nsdviewer.files import expanded

CARD_FILE = "nsdviewer.json"
INSTALL = (
    "Painting with a pipeline of diffusers needs the packages diffusers, transformers and "
    "accelerate; install them with: pip install 'nsdviewer[diffusion]'."
)
_INDEX_FILE = "model_index.json"
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
# Where classes of parts may come from; any other name stands for code in the folder.
_LIBRARIES = frozenset({"diffusers", "transformers", "stable_diffusion", "unclip"})
# Parts that hold settings and word lists, but no weights.
_WITHOUT_WEIGHTS = ("Scheduler", "Tokenizer", "TokenizerFast", "Processor", "FeatureExtractor")
_PICKLES = frozenset({".bin", ".ckpt", ".pt", ".pth", ".pkl"})
_HALF = ".fp16"
# What a card may say, and as what.
_SAID_AS: dict[str, type | tuple[type, ...]] = {
    "embedding": str,
    "embedding_norm": (int, float),
    "image_encoder": str,
    "n_steps": int,
    "guidance_scale": (int, float),
    "ip_adapter": str,
    "ip_adapter_scale": (int, float),
}


@dataclass(frozen=True)
class PipelineCard:
    """What a pipeline's own files do not say; None is left to what the rest knows.

    Attributes
    ----------
    embedding
        Name of the embedding it paints from, for example ``open_clip:ViT-L-14-quickgelu/openai``.
    embedding_norm
        Mean length of the embeddings it was trained on: these were not scaled to length 1.
    image_encoder
        Folder of the CLIP image network that made them; see `pipeline_scale`.
    n_steps, guidance_scale
        Denoising steps, and how far to go beyond the picture without an embedding (1: not at all).
    ip_adapter, ip_adapter_scale
        Weights file of an IP-Adapter, and the share of the picture's attention it gets (0..1).
    """

    embedding: str | None = None
    embedding_norm: float | None = None
    image_encoder: Path | None = None
    n_steps: int | None = None
    guidance_scale: float | None = None
    ip_adapter: Path | None = None
    ip_adapter_scale: float | None = None

    def with_wishes(self, wishes: "PipelineCard") -> "PipelineCard":
        """Return the card with what `wishes` says put in its place."""
        return replace(self, **{k: v for k, v in asdict(wishes).items() if v is not None})


@dataclass(frozen=True)
class PipelineFolder:
    """A folder whose parts are all there, as tensors, and ask for no code of their own.

    Attributes
    ----------
    name
        What it is called: the folder's name, or the hub's.
    parts
        The class of each part that there is.
    variant
        Which of two precisions the weights' file names speak of, as `diffusers` calls it.
    """

    path: Path
    name: str
    class_name: str
    index: dict[str, Any]
    card: PipelineCard
    parts: dict[str, str]
    variant: str | None


def find_folder(path_or_name: Path | str, allow_download: bool = False) -> tuple[Path, str]:
    """Return the folder of a pipeline and its name.

    Parameters
    ----------
    path_or_name
        A folder, or OWNER/NAME on the hub.
    allow_download
        Fetch from the hub what is not in its cache. Otherwise the network is left alone.

    Raises
    ------
    ModelUnavailableError
        If there is no such folder, and the hub's cache has none of the name.
    """
    path, name = expanded(path_or_name), str(path_or_name)
    if path.is_dir():
        return path, path.resolve().name
    if isinstance(path_or_name, Path) or path.exists() or not _HUB_NAME.fullmatch(name):
        raise ModelUnavailableError(
            f"There is no pipeline folder at {path}; name the folder that holds its {_INDEX_FILE}, "
            "or OWNER/NAME as the hub calls it."
        )
    return _hub_folder(name, allow_download), name


def _hub_folder(name: str, allow_download: bool) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ModelUnavailableError(INSTALL) from error
    try:
        if allow_download:
            from diffusers import DiffusionPipeline

            # Chooses the files that the pipeline needs, and no pickles among them.
            return Path(DiffusionPipeline.download(name, use_safetensors=True))
        return Path(snapshot_download(name, local_files_only=True))
    except ImportError as error:
        raise ModelUnavailableError(INSTALL) from error
    except Exception as error:  # the hub client raises many kinds
        how = (
            f"could not be fetched ({type(error).__name__}); check the name and the network"
            if allow_download
            else "is not in the hub's cache, and nothing is downloaded unasked; allow the download"
        )
        raise ModelUnavailableError(
            f"The pipeline '{name}' {how}, or name a folder that holds it."
        ) from error


def read_folder(path: Path, name: str, known: Collection[str]) -> PipelineFolder:
    """Return what a pipeline's folder holds, with nothing of it loaded.

    Parameters
    ----------
    known
        Classes of pipelines that can be painted with.

    Raises
    ------
    CheckpointError
        If the folder is no pipeline of a known class, lacks a part or its weights, keeps weights
        in pickles only, or brings code.
    """
    index = _read_object(path / _INDEX_FILE, "so it is no pipeline of diffusers")
    class_name = index.get("_class_name")
    code = sorted(path.rglob("*.py"))
    if code or not isinstance(class_name, str):
        what = f"the program {code[0].relative_to(path)}" if code else "a class of its own"
        raise CheckpointError(
            f"{path} brings {what}, and code out of a model's folder is not run; choose a pipeline "
            f"of diffusers itself: {', '.join(sorted(known))}."
        )
    if class_name not in known:
        raise CheckpointError(
            f"{path} holds a '{class_name}', which paints from no image embedding that nsdviewer "
            f"knows of; choose one of: {', '.join(sorted(known))}.{suggestion(class_name, known)}"
        )
    sources = {
        part: (str(source[0]), str(source[1]))
        for part, source in index.items()
        if isinstance(source, list) and len(source) == 2 and source != [None, None]
    }
    halves = [_check_part(path, part, *source) for part, source in sources.items()]
    parts = {part: part_class for part, (_, part_class) in sources.items()}
    variant = "fp16" if any(halves) else None
    return PipelineFolder(path, name, class_name, index, _read_card(path), parts, variant)


def has_weights(class_name: str) -> bool:
    """Return whether a part of this class is a network, not settings or a word list."""
    return not class_name.endswith(_WITHOUT_WEIGHTS)


def _check_part(path: Path, part: str, library: str, class_name: str) -> bool:
    """Return whether a part's weights are there in half precision only."""
    if library not in _LIBRARIES:
        raise CheckpointError(
            f"{path / _INDEX_FILE} takes its part '{part}' from '{library}', and code from outside "
            "diffusers and transformers is not run; choose another pipeline."
        )
    folder = path / part
    if not folder.is_dir():
        raise CheckpointError(
            f"{path} lacks the part '{part}' that its {_INDEX_FILE} lists; download it again."
        )
    return has_weights(class_name) and _check_weights(folder)


def _check_weights(folder: Path) -> bool:
    """Return whether a network's safetensors files are in half precision only."""
    weights = [f.name for f in folder.glob("*.safetensors")]
    if weights:
        return all(_HALF in name for name in weights)
    pickles = sorted(f.name for f in folder.iterdir() if f.suffix in _PICKLES)
    if pickles:
        raise CheckpointError(
            f"{folder} keeps its weights in {pickles[0]}, a pickle, which can run any program when "
            "read; get the pipeline as safetensors."
        )
    raise CheckpointError(f"{folder} holds no weights (*.safetensors); download it again.")


def check_network_folder(folder: Path) -> None:
    """Raise `CheckpointError` unless a single network's folder has its settings and safetensors."""
    _read_object(folder / "config.json", "so it is no network's folder")
    _check_weights(folder)


def _read_card(path: Path) -> PipelineCard:
    file = path / CARD_FILE
    if not file.is_file():
        return PipelineCard()
    values = _read_object(file, "")
    for key, value in values.items():
        if key not in _SAID_AS:
            raise CheckpointError(
                f"{file} says '{key}', which means nothing; it may say: "
                f"{', '.join(sorted(_SAID_AS))}.{suggestion(key, _SAID_AS)}"
            )
        if not isinstance(value, _SAID_AS[key]) or isinstance(value, bool):
            wanted = "a text" if _SAID_AS[key] is str else "a number"
            raise CheckpointError(f"{file} says {key}: {value!r}; write {wanted}.")
    places = {k: path / v for k, v in values.items() if k in ("image_encoder", "ip_adapter")}
    return PipelineCard(**(values | places))


def _read_object(file: Path, consequence: str) -> dict[str, Any]:
    """Return the JSON object in `file`."""
    if not file.is_file():
        raise CheckpointError(
            f"There is no {file.name} in {file.parent}, {consequence}; name another folder, or "
            "download this one again."
        )
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{file} is no JSON ({error}); mend it or download it again."
        ) from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{file} holds no JSON object; mend it or download it again.")
    return values
