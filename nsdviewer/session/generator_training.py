"""Training a generator: pictures, embedding, plan, recipe and judge put together."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from nsdviewer.data.pictures.training_sources import open_picture_source
from nsdviewer.errors import CheckpointError, RequestError, suggestion
from nsdviewer.jobs import PartProgress, Progress
from nsdviewer.models.checkpoints import load_checkpoint, read_header
from nsdviewer.models.embeddings import Embedding
from nsdviewer.models.generators.image_set import SET_FILE, build_image_set, open_image_set
from nsdviewer.models.generators.memory import require_memory
from nsdviewer.models.generators.plan import GeneratorPlan
from nsdviewer.models.generators.recipe import Recipe
from nsdviewer.models.generators.registry import KINDS, build_recipe, check_plan
from nsdviewer.models.generators.run import (
    PICTURES_FOLDER,
    WEIGHTS_FILE,
    GeneratorRun,
    RunStart,
    begin_run,
    has_training,
    read_start,
)
from nsdviewer.models.generators.trainer import Trainer
from nsdviewer.models.registry import load_embedding
from nsdviewer.models.runs.distribution import World, join_world, resolve_device
from nsdviewer.models.runs.process import make_deterministic
from nsdviewer.models.runs.run_files import only_trainer, read_state, writing
from nsdviewer.session.generator_judging import DistanceJudge

_PICTURES_SHARE = 0.05
_RESOLUTION, _EMBEDDING, _N_CROPS = 64, "conse", 10
_N_PICTURES_WITH_CROPS = 2_000


@dataclass(frozen=True)
class GeneratorRequest:
    """What a person asks for; None is the usual value, or in a resumed training the one it has.

    Attributes
    ----------
    images
        A folder of pictures, the NSD brick or its root, or a COCO folder.
    kind
        ``lafite`` or ``flow``.
    full
        The published size and recipe instead of those for a CPU and few pictures.
    captions
        Condition on captions too, where the pictures have any.
    nsd_root
        NSD's folder, where a COCO folder is to leave out the pictures that decoders are tested on.
    start_from
        Generator's file to begin with; the network's settings are its own.
    changes
        Settings of plan, network or recipe by name, that differ from the usual ones.
    """

    out: Path
    images: Path | None = None
    resolution: int | None = None
    kind: str | None = None
    embedding: str | None = None
    full: bool = False
    n_crops: int | None = None
    captions: bool = False
    nsd_root: Path | None = None
    start_from: Path | None = None
    seed: int | None = None
    device: str = "auto"
    resume: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)


def train_generator(request: GeneratorRequest, progress: Progress) -> Path:
    """Train in the request's folder, or go on there; returns the weights' file.

    Under ``torchrun`` each process calls this, and they train together.

    Raises
    ------
    RequestError
        If a training is there and `resume` was not asked for, or the other way round; if a setting
        does not exist or memory does not suffice; if another process trains there.
    CheckpointError, DataError
        If the folder belongs to another training, is damaged or takes no more; if the pictures
        cannot be used.
    Cancelled
        If `progress` does; the training can be gone on with.
    """
    device = resolve_device(request.device)
    with join_world(device) as world:
        _require_state(request, world)
        with writing(request.out):
            request.out.mkdir(parents=True, exist_ok=True)
        with only_trainer(request.out, world.leads):
            start, embedding = _start(request)
            embedding.to(device)
            recipe = build_recipe(start.plan, embedding, device)
            require_memory(recipe, start.plan, embedding.dimension, device, world.size, progress)
            if start.start_from is not None:
                _begin_from(recipe, start.start_from)
            if world.leads:
                begin_run(request.out, start)
            world.wait()
            run = _with_pictures(request.out, start, embedding, world, progress)
            make_deterministic(start.plan.n_threads)
            # The leader first: it puts the files in order.
            state = read_state(request.out) if world.leads else None
            world.wait()
            state = state if world.leads else read_state(request.out)
            judge = DistanceJudge(run, device.type) if world.leads else None
            trainer = Trainer(run, recipe, device, world, state, judge)
            trainer.train(PartProgress(progress, _PICTURES_SHARE, 1))
    return request.out / WEIGHTS_FILE


def _require_state(request: GeneratorRequest, world: World) -> None:
    is_begun = has_training(request.out)
    # Nobody may write a plan before all have looked whether there is one.
    world.wait()
    if is_begun and not request.resume:
        raise RequestError(
            f"{request.out} holds a training already; add --resume to go on, or name another "
            "folder."
        )
    if request.resume and not is_begun:
        raise RequestError(
            f"{request.out} holds no training to resume; leave out --resume, or name its folder."
        )


def _start(request: GeneratorRequest) -> tuple[RunStart, Embedding]:
    """Return what the training is begun with, or was, and its embedding."""
    if not request.resume:
        if request.images is None:
            raise RequestError("A training needs pictures; name them with --images.")
        embedding = load_embedding(request.embedding or _EMBEDDING)
        plan = plan_generator(request, embedding)
        images = request.images.absolute()
        if request.out.absolute().is_relative_to(images):
            raise RequestError(
                f"{request.out} lies within {images}, and its sheets would be trained on; choose "
                "an --out elsewhere."
            )
        root, begun = (p.absolute() if p else None for p in (request.nsd_root, request.start_from))
        source = open_picture_source(images, nsd_root=root)
        if request.captions and not any(source.captions(i) for i in range(len(source))):
            raise RequestError(f"{source.title} has no captions; leave out --captions.")
        n_crops = request.n_crops
        if n_crops is None:
            # Many pictures make up for crops, and ten crops of each would fill a disk.
            n_crops = _N_CROPS if len(source) <= _N_PICTURES_WITH_CROPS else 1
        return RunStart(plan, images, n_crops, request.captions, root, begun), embedding
    start = read_start(request.out)
    embedding = load_embedding(request.embedding or start.plan.embedding)
    _require_same(request, start, embedding)
    if request.images is not None:
        start = replace(start, images=request.images.absolute())
    return start, embedding


def _require_same(request: GeneratorRequest, start: RunStart, embedding: Embedding) -> None:
    """Raise `CheckpointError` where what is asked for is not what the training was begun with."""
    plan = start.plan
    asked = replace(
        request,
        kind=request.kind or plan.kind,
        resolution=request.resolution or int(plan.network["resolution"]),
        seed=plan.seed if request.seed is None else request.seed,
    )
    given = plan_generator(asked, embedding)
    named = {*request.changes, "kind", "embedding", "resolution", "seed"}
    different = [d for d in plan.differences(given) if d in named]
    if request.n_crops is not None and request.n_crops != start.n_crops:
        different.append("crops")
    if request.captions and not start.captions:
        different.append("captions")
    if different:
        raise CheckpointError(
            f"The training in {request.out} was begun with another {' and '.join(different)}; "
            "repeat the first command's options or leave them out, or train into another folder."
        )


def plan_generator(request: GeneratorRequest, embedding: Embedding) -> GeneratorPlan:
    """Return the plan that a request comes to.

    Raises
    ------
    RequestError
        If the kind or a changed setting does not exist, or has an impossible value.
    """
    name = request.kind or next(iter(KINDS))
    if name not in KINDS:
        raise RequestError(
            f"There is no generator of the kind '{name}'; choose one of {', '.join(KINDS)}."
        )
    make = KINDS[name].plan_full if request.full else KINDS[name].plan
    plan = make(request.resolution or _RESOLUTION, embedding, request.captions)
    values = plan.to_dict() | {"seed": request.seed or 0}
    if request.start_from is not None:
        network = _network_of(request.start_from, name, embedding)
        if request.resolution not in (None, network["resolution"]):
            raise CheckpointError(
                f"{request.start_from} paints {network['resolution']} × {network['resolution']} "
                f"pixels, not {request.resolution}; leave out --resolution, or begin with another "
                "file."
            )
        values["network"] = network
    own = set(values) - {"kind", "embedding", "network", "recipe"}
    known_of = {"network": [f.name for f in fields(KINDS[name].network)], "recipe": plan.recipe}
    for key, value in request.changes.items():
        part = next((p for p, known in known_of.items() if key in known), None)
        if part is not None:
            values[part] = {**values[part], key: value}
        elif key in own:
            values[key] = value
        else:
            known = sorted({*known_of["network"], *known_of["recipe"], *own})
            raise RequestError(
                f"A '{name}' has no setting '{key}'.{suggestion(key, known)} There are: "
                f"{', '.join(known)}."
            )
    try:
        plan = GeneratorPlan.from_dict(values, "The request")
        check_plan(plan)
    except (CheckpointError, TypeError) as error:
        raise RequestError(f"A setting has an impossible value: {error}") from error
    return plan


def _network_of(path: Path, kind: str, embedding: Embedding) -> dict[str, Any]:
    """Return the network's settings in a generator's file, if it paints from `embedding`."""
    header = read_header(path, kind)
    if header.get("embedding") != embedding.name:
        raise CheckpointError(
            f"{path} paints from '{header.get('embedding')}', not from '{embedding.name}'; begin with "
            "another file, or train with its --embedding."
        )
    return dict(header["network"])


def _begin_from(recipe: Recipe, path: Path) -> None:
    _, tensors = load_checkpoint(path, recipe.kind)
    try:
        recipe.begin_from(tensors)
    except RuntimeError as error:
        raise CheckpointError(
            f"The weights of {path} do not fit the network that is asked for "
            f"({str(error).splitlines()[0]}); leave out --start-from or the changed settings."
        ) from error


def _with_pictures(
    folder: Path, start: RunStart, embedding: Embedding, world: World, progress: Progress
) -> GeneratorRun:
    """Return the run with its pictures, cropped and embedded by the leading process."""
    if world.leads and not (folder / PICTURES_FOLDER / SET_FILE).exists():
        source = open_picture_source(start.images, nsd_root=start.nsd_root)
        build_image_set(
            source, embedding, int(start.plan.network["resolution"]), start.n_crops,
            start.plan.seed, folder / PICTURES_FOLDER, PartProgress(progress, 0, _PICTURES_SHARE),
            start.captions,
        )  # fmt: skip
    world.wait()
    return GeneratorRun(folder, start.plan, open_image_set(folder / PICTURES_FOLDER))
