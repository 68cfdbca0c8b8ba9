"""One subject and all that is computed from it: what window and command line share.

A `Workspace` holds what is loaded and answers questions; it knows no window and no state. Its
answers are safe to ask for from a worker thread.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.matrix import BetaMatrix
from nsdviewer.data.betas.reliability import read_ncsnr
from nsdviewer.data.betas.sites import Sites, Vertices, Voxels, sites_of
from nsdviewer.data.layout import SURFACE_SPACES, NsdRoot
from nsdviewer.data.nsd import Subject
from nsdviewer.data.pictures.categories import PictureCategories, read_categories
from nsdviewer.data.pictures.stimuli import Stimuli
from nsdviewer.data.regions.maps import HemisphereMissingError, read_on_grid
from nsdviewer.data.regions.rois import list_collections, load_collection, roi_mask
from nsdviewer.data.spaces.layers import Layer
from nsdviewer.data.spaces.places import Place, voxel_mm_of
from nsdviewer.data.spaces.transforms import VertexOperator, load_vertex_operator
from nsdviewer.data.surfaces.meshes import Hemimesh, load_hemimesh
from nsdviewer.data.trials.table import TrialTable, build_trial_table
from nsdviewer.errors import CheckpointError, DataError, RequestError
from nsdviewer.jobs import Progress, SilentProgress
from nsdviewer.models.decoders.protocol import Decoder
from nsdviewer.models.decoders.registry import load_decoder
from nsdviewer.models.embeddings import Embedding
from nsdviewer.models.encoder import Encoder, load_encoder
from nsdviewer.models.image_cache import CachedEmbedding
from nsdviewer.models.painter import Painter
from nsdviewer.models.painting import load_painter, shipped_embedding
from nsdviewer.models.registry import DEFAULT_OPEN_CLIP, load_embedding
from nsdviewer.rendering.outlines import OutlineTopology, outline_topology
from nsdviewer.rendering.slices import scale_underlay
from nsdviewer.state import BetaVersion, Hemisphere, Space, Underlay

T = TypeVar("T")

DEFAULT_EMBEDDING_SIMULATED = "conse"


class Workspace:
    """One subject, one space, one version of the betas, one embedding.

    Parameters
    ----------
    embedding
        Name of the embedding; "" takes ConSE for simulated subjects and CLIP ViT-B/32 for real
        ones.

    Raises
    ------
    RequestError, DataError
        If the subject is not there, or has no betas or design.
    """

    def __init__(
        self,
        root: NsdRoot,
        subject: int,
        space: Space = Space.FUNC1PT8MM,
        version: BetaVersion = BetaVersion.B3,
        embedding: str = "",
    ) -> None:
        self.root = root
        self.files = root.subject(subject)
        self.reader = Subject(self.files)
        self.subject = subject
        self.space = space
        self.version = version
        self.embedding_name = embedding or (
            DEFAULT_EMBEDDING_SIMULATED if root.is_simulated else DEFAULT_OPEN_CLIP
        )
        self.stimuli = Stimuli(root)
        self.sessions = self.files.sessions(space, version)
        self.table: TrialTable = replace(
            build_trial_table(root, subject, self.sessions),
            categories=lambda: self.picture_categories.pictures_of,
        )
        self._lock = threading.RLock()
        self._kept: dict[object, object] = {}
        self._making: dict[object, threading.RLock] = {}

    def keep(self, key: object, make: Callable[[], T]) -> T:
        """Return what `make` returned for `key` the first time.

        What is made while the data folder is away, often nothing, is not kept: it may come back.
        """
        with self._lock:
            making = self._making.setdefault(key, threading.RLock())
        # One lock a key: what is slow to make must not hold up what is there already.
        with making:
            if key in self._kept:
                return self._kept[key]  # type: ignore[return-value]
            made = make()
            if self.root.is_there:
                self._kept[key] = made
            return made

    def has_kept(self, key: object) -> bool:
        """Whether `keep` has something for `key`."""
        with self._lock:
            return key in self._kept

    @property
    def grid(self) -> tuple[int, int, int]:
        """Grid of the functional volume."""
        x, y, z = self.brain_mask.shape
        return x, y, z

    @property
    def voxel_mm(self) -> float:
        """Edge of a functional voxel; 0 in a space that has none."""
        if not self.is_volume:
            return 0.0
        return self.keep(
            "voxel mm", lambda: voxel_mm_of(self.files, Place.of(self.space), self.grid)
        )

    @property
    def brain_mask(self) -> NDArray[np.bool_]:
        """X × Y × Z: where there are betas."""
        return self.keep("brain_mask", lambda: roi_mask(self.files, self.space, "brainmask"))

    @property
    def underlay(self) -> Layer:
        """Anatomy on the functional grid, 0..1; the mean EPI, or the mask, where it is missing."""
        return self.underlay_of(Underlay.ANATOMY)

    def underlay_of(self, kind: Underlay) -> Layer:
        """Return an underlay on the functional grid, 0..1; where it is missing, the next best.

        Raises
        ------
        RequestError
            If the space has no voxels.
        """

        def make() -> Layer:
            place = Place.of(self.space)
            names = [f"T1_to_{self.space.value}", "mean"]
            for name in names if kind is Underlay.ANATOMY else names[::-1]:
                path = self.files.volume(self.space, name)
                if path.exists():
                    volume = read_on_grid(self.files, self.space, path)
                    return Layer(scale_underlay(volume), place, self.subject, name)
            mask = self.brain_mask.astype(np.float32) * 0.4
            return Layer(mask, place, self.subject, "brainmask")

        return self.keep(("underlay", kind), make)

    @property
    def hemispheres(self) -> tuple[Hemimesh, ...]:
        """The hemispheres whose surfaces are on disk; raises `DataError` if neither's are."""
        if not self.meshes:
            raise DataError(next(iter(self.missing_surfaces.values())))
        return tuple(self.meshes.values())

    @property
    def meshes(self) -> dict[Hemisphere, Hemimesh]:
        """The surfaces on disk, those of the space of the betas; none, one or both."""
        return self._surfaces[0]

    @property
    def missing_surfaces(self) -> dict[Hemisphere, str]:
        """Why a hemisphere is not among `hemispheres`, in a sentence."""
        return self._surfaces[1]

    @property
    def _surfaces(self) -> tuple[dict[Hemisphere, Hemimesh], dict[Hemisphere, str]]:
        def make() -> tuple[dict[Hemisphere, Hemimesh], dict[Hemisphere, str]]:
            meshes, missing = {}, {}
            for hemisphere in Hemisphere:
                try:
                    meshes[hemisphere] = load_hemimesh(
                        self.files.freesurfer_of(self.space), hemisphere
                    )
                except DataError as error:
                    missing[hemisphere] = str(error)
            return meshes, missing

        return self.keep("hemispheres", make)

    def vertex_operator(self, hemisphere: Hemisphere) -> VertexOperator:
        """Volume → vertices through the transform files."""
        return self.keep(
            ("operator", hemisphere),
            lambda: load_vertex_operator(self.files, self.space, self.grid, hemisphere),
        )

    def outlines(self, collection: str) -> dict[Hemisphere, OutlineTopology]:
        """Boundaries of one ROI collection on each hemisphere that has labels of it.

        Raises
        ------
        DataError
            If a file of labels is damaged, or of another mesh.
        """
        space = self.space if not self.is_volume else Space.NATIVESURFACE

        def make() -> dict[Hemisphere, OutlineTopology]:
            found = {}
            for hemisphere, mesh in self.meshes.items():
                try:
                    loaded = load_collection(self.files, space, collection, hemisphere)
                except (HemisphereMissingError, RequestError):
                    continue
                found[hemisphere] = outline_topology(mesh.faces, loaded.labels, loaded.names)
            return found

        return self.keep(("outlines", collection), make)

    @property
    def collections(self) -> tuple[str, ...]:
        """ROI collections on disk."""
        return self.keep("collections", lambda: list_collections(self.files, self.space))

    def betas(self, roi: str, progress: Progress | None = None) -> BetaMatrix:
        """Responses of the voxels of a ROI expression, through the cache."""
        return self.keep(
            ("betas", roi),
            lambda: self.reader.betas(roi, self.space, self.version, progress),
        )

    def ncsnr(self, roi: str, progress: Progress | None = None) -> NDArray[np.float32]:
        """Return (n_sites,) reliability of a ROI: NSD's own file where it is there, else recomputed.

        NaN where it is undefined, everywhere if no picture was shown three times.
        """

        def make() -> NDArray[np.float32]:
            sites = sites_of(self.reader.mask(roi, self.space))
            stored = read_ncsnr(self.files, self.space, self.version, sites)
            if stored is not None:
                return stored
            try:
                return self.reader.reliability(roi, self.space, self.version, progress).ncsnr
            except RequestError:
                return np.full(len(sites), np.nan, np.float32)

        return self.keep(("ncsnr", roi), make)

    @property
    def is_volume(self) -> bool:
        """Whether responses are on voxels, not on vertices."""
        return self.space not in SURFACE_SPACES

    def inside(self, roi: str, sites: Sites) -> NDArray[np.bool_]:
        """Return (n_sites,) which of some voxels or vertices a ROI expression holds.

        Raises
        ------
        RequestError
            If a name in the expression is unknown.
        """
        mask = self.reader.mask(roi, self.space)
        if isinstance(sites, Voxels) and not isinstance(mask, Mapping):
            return np.asarray(mask[tuple(sites.ijk.T)])
        if isinstance(sites, Vertices) and isinstance(mask, Mapping):
            parts = [
                mask[h][vertices] if h in mask else np.zeros(len(vertices), bool)
                for h, vertices in sites.vertex.items()
            ]
            return np.concatenate(parts)
        raise RequestError("Voxels and vertices do not mix; use a model of this space.")

    @property
    def picture_categories(self) -> PictureCategories:
        """What the pictures of the trials show, by name; empty where nothing on disk says."""
        nsd_ids = np.unique(self.table.column("nsd_id"))
        return self.keep("categories", lambda: read_categories(self.stimuli, nsd_ids))

    @property
    def embedding(self) -> CachedEmbedding:
        """The joint embedding, its picture vectors cached beside the data."""
        folder = self.root.cache_folder
        return self.keep(
            "embedding", lambda: CachedEmbedding(_shared_embedding(self.embedding_name), folder)
        )

    def image_embeddings(
        self, nsd_ids: NDArray[np.int64], progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Return (n, n_embedding) vectors of pictures by 0-based 73k id."""
        known: dict[int, NDArray[np.float32]] = self.keep("image_vectors", dict)
        missing = np.array([i for i in np.unique(nsd_ids) if int(i) not in known], dtype=np.int64)
        if len(missing):
            vectors = self.embedding.encode_stream(
                len(missing),
                lambda at: self.stimuli.read(missing[at]),
                progress or SilentProgress(),
                self.stimuli.names(missing),
            )
            known.update(zip(missing.tolist(), vectors, strict=True))
        if len(nsd_ids) == 0:
            return np.zeros((0, self.embedding.dimension), np.float32)
        return np.stack([known[int(i)] for i in nsd_ids])

    def model_path(self, kind: str) -> Path:
        """Where the model fitted for this subject, space, version and embedding is kept."""
        safe = "".join(c if c.isalnum() else "-" for c in self.embedding.name)
        name = f"{kind}_{self.space.value}_{self.version.short}_{safe}.safetensors"
        return self.files.cache / "models" / name

    def decoder(self, path: str = "") -> Decoder:
        """Load a decoder; raises `CheckpointError` unless it was fitted for this workspace."""

        def make() -> Decoder:
            decoder = load_decoder(Path(path) if path else self._fitted("decoder"))
            decoder.header.require(self.subject, self.space, self.version, self.embedding.name)
            return decoder

        return self.keep(("decoder", path), make)

    def encoder(self, path: str = "") -> Encoder:
        """Load an encoder; raises `CheckpointError` unless it was fitted for this workspace."""

        def make() -> Encoder:
            encoder = load_encoder(Path(path) if path else self._fitted("encoder"))
            encoder.header.require(self.subject, self.space, self.version, self.embedding.name)
            if self.is_volume and encoder.header.shape != self.grid:
                raise CheckpointError(
                    f"The encoder's grid {encoder.header.shape} is not this subject's {self.grid}; "
                    "fit it again."
                )
            return encoder

        return self.keep(("encoder", path), make)

    def can_paint(self, path: str = "") -> bool:
        """Whether a generator is named, or the shipped one paints from this embedding."""
        return (
            bool(path) or self.keep("shipped embedding", shipped_embedding) == self.embedding.name
        )

    def painter(self, path: str = "", device: str = "auto", offload: str = "none") -> Painter:
        """Load a generator that paints from this embedding; the shipped one by default."""

        def make() -> Painter:
            painter = load_painter(Path(path) if path else None, device, offload)
            painter.require(self.embedding.name)
            return painter

        # A training writes its generator's file anew; the key must notice.
        written_ns = Path(path).stat().st_mtime_ns if path and Path(path).exists() else 0
        return self.keep(("painter", path, written_ns, device, offload), make)

    @property
    def test_nsd_ids(self) -> NDArray[np.int64]:
        """Shared pictures that were shown, ascending 0-based 73k ids."""
        trials = self.table.select("shared")
        return np.unique(self.table.column("nsd_id")[trials])

    def _fitted(self, kind: str) -> Path:
        path = self.model_path(kind)
        if not path.exists():
            raise CheckpointError(
                f"No {kind} has been fitted for subject {self.subject} yet; run 'nsdviewer fit "
                f"{kind} {self.root.path} --subject {self.subject}'."
            )
        return path


@lru_cache(maxsize=2)
def _shared_embedding(name: str) -> Embedding:
    """Two workspaces share one set of networks."""
    return load_embedding(name)
