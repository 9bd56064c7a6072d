"""Is the loss that training logged that of the candidate as it is asked? The same weights on the same rows have one loss.

They have two where training saw other text than is asked, or scored other tokens: a mask that covers prompts too, packed rows
that see each other, another template, an adapter that is not switched on.
"""

from __future__ import annotations

import math
import statistics

from harness.checks.data import Corpus
from harness.checks.data.corpus import VALIDATION
from harness.checks.overfitting.memorising import LOSS, is_scored_whole
from harness.gates import Comparison, Scalar
from harness.training.history import TrainingHistory

_REMEDY = (
    "training did not see these rows as they are asked: look at them with `assay train NAME --show 3`, keep the loss to answers, "
    "pack by packing_strategy: bfd, and serve with the template and precision trained with"
)


def loss_as_logged(held_out: Comparison, corpus: Corpus, history: TrainingHistory) -> Scalar | None:
    """How far the logged validation loss of the kept weights is from the candidate's own on those rows; nats a token.

    Training counts the token that ends an answer, and what is asked here does not: up to one token an answer may cost
    nothing. The error is that of measuring some of the rows. None where the log has no validation loss of that step, or no
    cross-entropy; where it is of a stage, whose weights others moved on from; and where rows have several answers or such that
    are scored by their beginning.

    Args:
        corpus: the rows that `held_out` was drawn from.
    """
    rows = corpus.of(VALIDATION)
    logged = [p.eval_loss for p in history.points if p.step == history.kept_step and p.eval_loss is not None]
    if history.stage is not None or not logged or not history.method.loss_is_cross_entropy:
        return None
    if not all(map(is_scored_whole, rows)):
        return None
    measured = held_out.metric(LOSS.name)
    losses = [float(loss) for loss in measured.candidate]
    tokens = [
        -float(total) / loss if loss else 1.0 for total, loss in zip(measured.candidate_parsed, losses, strict=True)
    ]
    mean = math.fsum(loss * n for loss, n in zip(losses, tokens, strict=True)) / math.fsum(tokens)
    with_ends = mean * math.fsum(tokens) / (math.fsum(tokens) + len(tokens))
    return Scalar(
        "loss_as_logged",
        max(logged[-1] - mean, with_ends - logged[-1], 0.0),
        unit="nats",
        higher_is_better=False,
        error=statistics.stdev(losses)
        / math.sqrt(len(losses))
        * math.sqrt(1 - len(losses) / max(len(rows), len(losses))),
        remedy=_REMEDY,
        details={
            "kept_step": history.kept_step,
            "logged": logged[-1],
            "measured": mean,
            "measured_with_ends": with_ends,
            "rows": len(losses),
        },
    )
