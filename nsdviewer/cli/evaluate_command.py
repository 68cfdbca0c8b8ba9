"""`nsdviewer evaluate`: metrics, controls, and a report that can be believed."""

import argparse

from nsdviewer.cli.workspace import open_workspace
from nsdviewer.evaluation.tables import verdict_sentence
from nsdviewer.evaluation.writing import write_report
from nsdviewer.jobs import StreamProgress
from nsdviewer.models.decoders.registry import load_decoder
from nsdviewer.session.evaluating import EvaluationRequest, evaluate_workspace


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Write ``report.json``, ``report.md`` and ``report.html``; print the verdict."""
    if arguments.decoder and not arguments.embedding:
        arguments.embedding = load_decoder(arguments.decoder).header.embedding
    workspace = open_workspace(arguments)
    request = EvaluationRequest(
        decoder_path=str(arguments.decoder or ""),
        encoder_path=str(arguments.encoder or ""),
        generator_path=str(arguments.generator or ""),
        split=arguments.split,
        networks=arguments.networks,
        seed=arguments.seed,
    )
    report = evaluate_workspace(workspace, request, StreamProgress())
    for path in write_report(report, arguments.out):
        print(path)
    print(verdict_sentence(report))
    return 0
