"""Which embeddings there are, by name; one line registers another."""

from collections.abc import Callable
from pathlib import Path

from nsdviewer.errors import RequestError
from nsdviewer.models.clip import OpenClipEmbedding
from nsdviewer.models.conse import ConseEmbedding
from nsdviewer.models.embeddings import Embedding

DEFAULT_OPEN_CLIP = "open_clip:ViT-B-32-quickgelu/openai"

_FACTORIES: dict[str, Callable[[str], Embedding]] = {}


def register_embedding(prefix: str, factory: Callable[[str], Embedding]) -> None:
    """Make `factory` answer for names that start with ``prefix`` (``prefix`` or ``prefix:rest``).

    `factory` receives what follows the colon.
    """
    _FACTORIES[prefix] = factory


def load_embedding(name: str) -> Embedding:
    """Load the embedding called `name`.

    Parameters
    ----------
    name
        ``conse``; ``open_clip:MODEL/TAG``, with a pretrained tag of open_clip; or
        ``open_clip:MODEL@FILE``, with local weights.

    Raises
    ------
    RequestError
        If no registered embedding answers to `name`.
    ModelUnavailableError
        If its weights are not on this machine.
    """
    prefix, _, rest = name.partition(":")
    if prefix not in _FACTORIES:
        known = ", ".join(sorted(_FACTORIES))
        raise RequestError(f"There is no embedding called '{name}'; choose one of: {known}.")
    return _FACTORIES[prefix](rest)


def _load_conse(rest: str) -> Embedding:
    if rest:
        raise RequestError(f"The embedding 'conse' takes no options; got 'conse:{rest}'.")
    return ConseEmbedding()


def _load_open_clip(rest: str) -> Embedding:
    rest = rest or DEFAULT_OPEN_CLIP.partition(":")[2]
    if "@" in rest:
        model, _, file = rest.partition("@")
        return OpenClipEmbedding(model, weights=Path(file))
    model, _, tag = rest.partition("/")
    if not tag:
        raise RequestError(
            f"'open_clip:{rest}' names no weights; write open_clip:MODEL/TAG or "
            "open_clip:MODEL@FILE."
        )
    return OpenClipEmbedding(model, tag=tag)


register_embedding("conse", _load_conse)
register_embedding("open_clip", _load_open_clip)
