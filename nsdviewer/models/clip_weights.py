"""Where the weights of an open_clip model are on this machine; the network is left alone."""

from pathlib import Path

from nsdviewer.models.catalogue import entry_of

# As open_clip tries them, the harmless kind first.
_HUB_FILES = (
    "open_clip_model.safetensors", "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
)  # fmt: skip


def find_weights(model: str, tag: str) -> Path | None:
    """Return the file of a model's pretrained weights; None where it is not on this machine.

    Downloads of ours come first, then what OpenAI's CLIP or an earlier open_clip left, then the
    hub's cache.
    """
    entry = entry_of(model, tag)
    if entry is not None:
        return entry.find() or _find_in_hub(entry.hub, "")
    import open_clip

    place = str((open_clip.get_pretrained_cfg(model, tag) or {}).get("hf_hub", ""))
    repository, _, name = place.rpartition("/")
    return _find_in_hub(repository, name) if repository else None


def _find_in_hub(repository: str, name: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    for file in (name,) if name else _HUB_FILES:
        found = try_to_load_from_cache(repository, file)
        if isinstance(found, str) and Path(found).is_file():
            return Path(found)
    return None
