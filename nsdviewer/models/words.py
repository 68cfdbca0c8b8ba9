"""Whether a text network can be expected to know a word.

Sub-word tokenisers read anything, so a typing error yields a vector like any word; a person must be
told instead of shown a map of noise.
"""

import ast
import gzip
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

_SHORTEST_MEAN_PIECE = 3.0


@lru_cache(maxsize=1)
def caption_words() -> frozenset[str]:
    """Words frequent enough in CLIP's training captions to be one token of its vocabulary."""
    source = _open_clip_file("bpe_simple_vocab_16e6.txt.gz")
    if source is None:
        return frozenset()
    lines = gzip.decompress(source.read_bytes()).decode("utf-8").splitlines()[1:]
    # CLIP itself uses the first 48,894 merges of the file; </w> marks the end of a word.
    merged = ("".join(line.split()) for line in lines[: 49152 - 256 - 2])
    return frozenset(w.removesuffix("</w>") for w in merged if w.endswith("</w>"))


@lru_cache(maxsize=1)
def class_words() -> frozenset[str]:
    """All words of ImageNet's class names."""
    source = _open_clip_file("zero_shot_metadata.py")
    if source is None:
        return frozenset()
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and "IMAGENET_CLASSNAMES" in ast.unparse(node.targets[0]):
            names: list[str] = ast.literal_eval(node.value)
            return frozenset(w for name in names for w in name.lower().split())
    return frozenset()


def _open_clip_file(name: str) -> Path | None:
    """Return a file of open_clip without importing it, which takes seconds."""
    spec = find_spec("open_clip")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / name
    return path if path.exists() else None


def is_scrap(pieces: list[str], word: str) -> bool:
    """Return whether `word` is unknown: in no word list, and cut into scraps by its tokeniser.

    Parameters
    ----------
    pieces
        Sub-words of `word`, with or without the tokeniser's marks (``##``, ``</w>``).
    """
    lowered = word.lower()
    forms = {lowered, lowered.removesuffix("s"), lowered.removesuffix("es")}
    if len(pieces) <= 1 or forms & (caption_words() | class_words()):
        return False
    letters = [len(p.replace("##", "").replace("</w>", "")) for p in pieces]
    return sum(letters) / len(letters) < _SHORTEST_MEAN_PIECE
