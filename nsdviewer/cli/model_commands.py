"""Commands that fit, train and use models."""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nsdviewer.cli.data_commands import require_suffix
from nsdviewer.cli.model_options import DECODER_MODELS, ENCODER_MODELS
from nsdviewer.cli.workspace import open_workspace
from nsdviewer.errors import RequestError
from nsdviewer.files import atomic_path
from nsdviewer.jobs import StreamProgress
from nsdviewer.models.decoders.protocol import Decoder
from nsdviewer.models.decoders.registry import INVERTED, RIDGE, load_decoder
from nsdviewer.models.diffusion.prior import Prior
from nsdviewer.models.diffusion.prior_training import PriorPlan
from nsdviewer.models.encoder import Encoder
from nsdviewer.rendering.montage import write_montage
from nsdviewer.scheduling import open_scheduler
from nsdviewer.session.banded_fitting import fit_banded_encoder
from nsdviewer.session.decoding import decode_groups
from nsdviewer.session.fitting import (
    FitRequest,
    fit_workspace_decoder,
    fit_workspace_encoder,
)
from nsdviewer.session.network_fitting import (
    NetworkRequest,
    fit_network_decoder,
    learning_curve,
    run_folder,
)
from nsdviewer.session.prior_fitting import fit_workspace_prior, workspace_prior
from nsdviewer.session.scenes import seen_and_painted
from nsdviewer.session.workspace import Workspace


def run_embed(arguments: argparse.Namespace) -> int:
    """Embed all shown pictures."""
    workspace = open_workspace(arguments)
    ids = np.unique(workspace.table.column("nsd_id")[workspace.table.select("all")])
    workspace.image_embeddings(ids, StreamProgress())
    print(f"{len(ids)} pictures embedded with {workspace.embedding.title}")
    return 0


def run_fit(arguments: argparse.Namespace) -> int:
    """Fit a decoder, an encoder or a prior, and print its held-out figures."""
    if arguments.out is not None:
        require_suffix(arguments.out, ".safetensors")
    models = DECODER_MODELS if arguments.kind == "decoder" else ENCODER_MODELS
    if arguments.model not in models:
        raise RequestError(
            f"There is no {arguments.kind} '{arguments.model}'; choose one of {', '.join(models)}."
        )
    if arguments.decoder and not arguments.embedding:
        arguments.embedding = load_decoder(arguments.decoder).header.embedding
    workspace = open_workspace(arguments)
    model = _fit(workspace, arguments)
    out = arguments.out or workspace.model_path(arguments.kind)
    model.save(out)
    for name, value in model.header.scores.items():
        print(f"{name} {value:.4f}")
    print(out)
    return 0


def _require_used(arguments: argparse.Namespace) -> None:
    """Raise `RequestError` for an option that the model would pass over."""
    network = {
        "--epochs": arguments.epochs, "--batch-size": arguments.batch_size,
        "--device": arguments.device, "--subjects": arguments.subjects,
        "--backbone": arguments.backbone, "--learning-curve": arguments.learning_curve,
        "--generator-weight": arguments.generator_weight, "--generator": arguments.generator,
    }  # fmt: skip
    given = [name for name, value in network.items() if value]
    if arguments.kind == "prior":
        other_model = arguments.model != RIDGE
        own = {"--roi": arguments.roi, "--scheduler": arguments.scheduler, "--model": other_model}
        given += [name for name, value in own.items() if value]
        if given:
            raise RequestError(
                f"A prior takes voxels and model from its decoder, and has no {given[0]}; leave it out."
            )
        return
    if arguments.decoder:
        raise RequestError("Only a prior is fitted for a decoder; leave out --decoder.")
    if arguments.model in (RIDGE, INVERTED, "banded") and given:
        raise RequestError(f"The model '{arguments.model}' has no {given[0]}; leave it out.")
    if arguments.kind == "decoder" and arguments.scheduler:
        raise RequestError("A decoder is fitted in this process; leave out --scheduler.")


def _fit(workspace: Workspace, arguments: argparse.Namespace) -> Decoder | Encoder | Prior:
    _require_used(arguments)
    request = FitRequest(arguments.roi, arguments.seed, arguments.split)
    progress = StreamProgress()
    if arguments.kind == "prior":
        plan = PriorPlan(seed=arguments.seed)
        return fit_workspace_prior(workspace, progress, str(arguments.decoder or ""), plan)
    if arguments.kind == "encoder":
        with open_scheduler(arguments.scheduler) as scheduler:
            if arguments.model == "banded":
                return fit_banded_encoder(workspace, progress, request, scheduler)
            return fit_workspace_encoder(workspace, progress, request, scheduler)
    if arguments.model in (RIDGE, INVERTED):
        return fit_workspace_decoder(workspace, progress, request, arguments.model)
    network = NetworkRequest(
        model=arguments.model,
        n_epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        device=arguments.device,
        subjects=_numbers(arguments.subjects),
        backbone=arguments.backbone,
        generator_weight=arguments.generator_weight,
        generator=str(arguments.generator or ""),
    )
    if arguments.learning_curve:
        for point in learning_curve(workspace, request, network, progress):
            print(
                f"sessions {point.n_sessions} trials {point.n_trials} two_way {point.two_way:.4f} "
                f"cosine {point.cosine:.4f}"
            )
    asked = request.for_kind("decoder", workspace.space)
    folder = run_folder(workspace, asked, network, network.plan(workspace, request.seed))
    # Before the training: whoever watches wants to know where.
    print(f"run folder {folder}", flush=True)
    return fit_network_decoder(workspace, request, network, progress)


def _numbers(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdigit() for part in parts):
        raise RequestError(f"'{text}' names no subjects; write numbers, for example 2,5,7.")
    return tuple(int(part) for part in parts)


def run_decode(arguments: argparse.Namespace) -> int:
    """Decode trials, paint them, and lay them out beside what was seen."""
    if arguments.decoder and not arguments.embedding:
        arguments.embedding = load_decoder(arguments.decoder).header.embedding
    workspace = open_workspace(arguments)
    trials = workspace.table.select(arguments.trials)
    groups = _group(workspace, trials, arguments.trials, arguments.repeats)
    decoder_path = str(arguments.decoder or "")
    painter = workspace.painter(str(arguments.generator or ""), arguments.device, arguments.offload)
    workspace.betas(workspace.decoder(decoder_path).header.roi, StreamProgress())
    decoded = decode_groups(workspace, groups, decoder_path)
    painted_from = decoded
    if arguments.prior:
        prior = workspace_prior(workspace, str(arguments.prior), decoder_path)
        n_repeats = np.array([len(g) for g in groups])
        painted_from = prior.sample(decoded, n_repeats, arguments.seed)[0]
    painted = painter.paint(painted_from, arguments.seed, StreamProgress())
    data = "SIMULATED data" if workspace.root.is_simulated else "NSD"
    caption = (
        f"{data}, subject {workspace.subject} · {workspace.embedding.title} · {painter.name}, "
        f"seed {arguments.seed}" + (" · sampled from a prior" if arguments.prior else "")
    )
    known = workspace.decoder(decoder_path).train_ids
    in_training = np.isin(_pictures_of(workspace, groups), known)
    titles = [
        f"trial {g[0]} (n = {len(g)})" + (" TRAINING" if seen else "")
        for g, seen in zip(groups, in_training, strict=True)
    ]
    _write_decoded(workspace, groups, decoded, painted_from, painted, in_training, arguments.out)
    pairs = seen_and_painted(workspace, groups, painted)
    for suffix in (".png", ".pdf"):
        write_montage(pairs, titles, caption, arguments.out / f"montage{suffix}")
    print(arguments.out)
    return 0


def _group(
    workspace: Workspace, trials: NDArray[np.int64], expression: str, repeats: str
) -> list[NDArray[np.int64]]:
    """Return the trials of each row: one each, or all of a picture's among `trials`."""
    named = not any(c.isdigit() for c in expression.replace("full-40", "").replace("legacy-37", ""))
    if repeats == "single" or (repeats == "auto" and not named):
        return [np.array([t]) for t in trials]
    nsd_ids = workspace.table.column("nsd_id")[trials]
    _, first = np.unique(nsd_ids, return_index=True)
    return [trials[nsd_ids == nsd_ids[i]] for i in np.sort(first)]


def _pictures_of(workspace: Workspace, groups: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.asarray(workspace.table.column("nsd_id")[np.array([g[0] for g in groups])])


def _write_decoded(
    workspace: Workspace,
    groups: list[NDArray[np.int64]],
    decoded: NDArray[np.float32],
    painted_from: NDArray[np.float32],
    painted: NDArray[np.uint8],
    in_training: NDArray[np.bool_],
    folder: Path,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    first = np.array([g[0] for g in groups])
    nsd_ids = _pictures_of(workspace, groups)
    with atomic_path(folder / "embeddings.npz") as path, path.open("wb") as stream:
        np.savez(
            stream,
            decoded=decoded,
            painted_from=painted_from,
            true=workspace.image_embeddings(nsd_ids),
            trial=first,
            nsd_id=nsd_ids,
            n_repeats=np.array([len(g) for g in groups]),
            in_training=in_training,
        )
    for trial, picture in zip(first, painted, strict=True):
        with atomic_path(folder / f"recon_{trial:05d}.png") as path:
            Image.fromarray(picture).save(path)
