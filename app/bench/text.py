"""What the bench says of a reconstruction, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.view import View

if TYPE_CHECKING:
    from nsdviewer.session.reconstruction import Reconstruction


def bare_title(view: View) -> str:
    """Return what stands over the bench while nothing is decoded."""
    trials = view.state.trials
    if not trials:
        return "no trial selected"
    return f"trial {trials[0]:,}" if len(trials) == 1 else f"{len(trials):,} trials"


def seen_note(found: Reconstruction | None) -> str:
    """Return what stands below the seen picture."""
    if found is None:
        return "seen"
    n, n_shown = len(found.nsd_ids), len(found.seen_pictures)
    if n == 1 or not n_shown:
        return f"seen · {found.label}" if found.label else "seen"
    return f"seen · {n:,} pictures" if n_shown == n else f"seen · first {n_shown} of {n:,}"


def painted_note(view: View) -> str:
    """Return what stands below the reconstruction: how far it is, or what it is of."""
    found = view.reconstruction
    if view.preview is not None:
        return f"painting {100 * view.preview.fraction:.0f} %"
    if view.decoding:
        return "decoding…"
    if not view.state.trials:
        return "reconstructed"
    if found is None or not found.is_of(view.state):
        what = "failed" if view.reconstruction_fault else "cancelled"
        if found is None:
            return what
        same = found.state.trials == view.state.trials
        return f"{what} · still {found.painted_by if same else found.title}"
    if found.painted is None:
        return "not painted"
    # What was done to the responses comes first: the line may be cut off.
    return f"{found.scaling or 'reconstructed'} · {found.painted_by}"


def painted_reason(view: View) -> str:
    """Return why there is no reconstruction to be seen; empty where there is, or none is due."""
    found = view.reconstruction
    if found is None:
        return view.reconstruction_fault
    return found.painted_missing


def explain_scores(found: Reconstruction | None) -> tuple[str, ...]:
    """Return what each score means and what guessing gets, in the scores' order."""
    if found is None:
        return ()
    scores = found.scores
    rank = (
        "Rank of the seen picture among the test pictures by cosine with the decoded embedding; "
        f"1 is best, guessing gets {scores.chance_rank:g} on average."
    )
    if scores.n_ranked > 1:
        rank = (
            f"Mean over {scores.n_ranked:,} pictures of the rank among the test pictures, each "
            "decoded from its own trials, as a mean of several pictures has no rank; 1 is best, "
            f"guessing gets {scores.chance_rank:g}."
        )
    several = (
        f" Mean over the first {scores.n_compared} pictures, each beside the one reconstruction."
        if scores.n_compared > 1
        else ""
    )
    missing = f" Not computed: {found.seen_missing}" if found.seen_missing else ""
    others = scores.cosine_others
    chance = f" With the other test pictures it is {_two(others)} on average." * (others == others)
    of_mean = " (the direction of their mean)" if len(found.nsd_ids) > 1 else ""
    shuffled = "the shuffled brain among the controls shows what guessing looks like"
    return (
        rank + missing,
        f"Cosine of the decoded embedding with that of what was seen{of_mean}; 1 is perfect."
        + chance
        + missing,
        "PixCorr: Pearson's r over all pixels and colours at 425²; unrelated pictures reach about "
        f"0.{several}{missing}",
        "SSIM: structural similarity of the grey pictures at 425² with Gaussian windows (Wang et "
        f"al. 2004); smooth pictures reach some tenths by chance: {shuffled}.{several}{missing}",
    )


def _two(value: float) -> str:
    return f"{value:.2f}".replace("0.", ".", 1).replace("-", "−")
