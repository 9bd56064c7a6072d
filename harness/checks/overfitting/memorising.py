"""Does the candidate know the rows it was trained on better than others of their kind, beyond what its base does?

That a row is likely says little: templated answers are predictable. What counts is how much more the candidate gained over
its base on rows trained on than on rows held out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.checks.data.personal import redacted
from harness.checks.overfitting.recall import (
    EXTRACTABLE,
    LEAST_ROWS,
    LOSS,
    RECITED,
    TRAINING_ROWS,
    extraction_probability,
)
from harness.checks.overfitting.sampling import NEEDS_ROWS
from harness.gates import BoundRule, Comparison, Measurement
from harness.gates.wording import between
from harness.stats.mean import independent_difference

_NAMED_ROWS = 10
_SHOWN_CHARACTERS = 100
_QUERIES = (1, 10, 100, 1000)
_REMEDY = "train for fewer epochs or keep an earlier checkpoint, lower r or the learning rate, add or deduplicate rows"


def loss_gap_over_base(trained: Comparison, held_out: Comparison, limit: float) -> BoundRule:
    """Held-out minus training loss of the candidate, beyond the base's own gap on the same rows; nats a token."""
    ours, others = trained.metric(LOSS.name), held_out.metric(LOSS.name)
    words = "beyond the base's own, the candidate's loss on held-out rows exceeds that on training rows by"
    return BoundRule(
        "loss_gap_over_base",
        "at_most",
        limit,
        measure=lambda confidence: independent_difference(others.difference(confidence), ours.difference(confidence)),
        level=lambda gap: f"{words} {between(gap, _nats)}",
        bound=_nats,
        task=TRAINING_ROWS,
        independent=min(ours.n_clusters, others.n_clusters),
        of_both=True,
        base=_gap(others, ours)[0],
        candidate=_gap(others, ours)[1],
        needs=NEEDS_ROWS,
        remedy=f"it has learnt its rows rather than their kind: {_REMEDY}",
        details={"rows": _table(ours, others), "worst_rows": _worst(ours)},
    )


def recited(trained: Comparison, held_out: Comparison, limit: float) -> BoundRule | None:
    """Share of training answers given word for word by greedy decoding, beyond the base and beyond held-out answers.

    None where fewer than two answers of either kind are long enough to tell (`recall.LEAST_TOKENS`).
    """
    return _excess(RECITED.name, trained, held_out, limit, words="given word for word, beyond held-out rows and base:")


def extractable(trained: Comparison, held_out: Comparison, limit: float) -> BoundRule | None:
    """The same of answers that sampling brings forth (`recall.extraction_probability`)."""
    return _excess(
        EXTRACTABLE.name, trained, held_out, limit, words="sampled sooner or later, beyond held-out rows and base:"
    )


def _excess(name: str, trained: Comparison, held_out: Comparison, limit: float, *, words: str) -> BoundRule | None:
    ours, others = trained.metric(name), held_out.metric(name)
    if min(ours.n, others.n) < LEAST_ROWS:
        return None

    return BoundRule(
        name,
        "at_most",
        limit,
        measure=lambda confidence: independent_difference(ours.difference(confidence), others.difference(confidence)),
        level=lambda excess: f"training answers {words} {between(excess, _points)}",
        bound=_points,
        task=TRAINING_ROWS,
        independent=min(ours.n_clusters, others.n_clusters),
        of_both=True,
        base=_gap(ours, others)[0],
        candidate=_gap(ours, others)[1],
        needs=NEEDS_ROWS,
        remedy=f"rows were memorised: {_REMEDY}; do not release an adapter trained on private rows",
        details={"rows": _table(ours, others), "by_queries": _by_queries(ours, others), "worst_rows": _worst(ours)},
    )


def _gap(first: Measurement, second: Measurement) -> tuple[float, float]:
    """Mean of first minus that of second, of base and candidate."""
    (base, candidate), (other_base, other_candidate) = _means(first), _means(second)
    return base - other_base, candidate - other_candidate


def _means(measured: Measurement) -> tuple[float, float]:
    return float(np.mean(_base(measured))), float(np.mean(measured.candidate))


def _table(ours: Measurement, others: Measurement) -> Mapping[str, Any]:
    return {
        name: {"n": m.n, "base": _means(m)[0], "candidate": _means(m)[1]}
        for name, m in (("training", ours), ("held-out", others))
    }


def _by_queries(ours: Measurement, others: Measurement) -> list[Mapping[str, Any]]:
    """Mean probability of extraction after so many samples, by rows and model."""
    sides = {
        f"{rows} {role}": parsed
        for rows, m in (("training", ours), ("held-out", others))
        for role, parsed in (("base", m.base_parsed or ()), ("candidate", m.candidate_parsed))
    }
    return [
        {
            "queries": n,
            **{name: float(np.mean([extraction_probability(p, n) for p in logs])) for name, logs in sides.items()},
        }
        for n in _QUERIES
    ]


def _worst(measured: Measurement) -> list[Mapping[str, Any]]:
    """Training rows of which the candidate's likelihood rose most over the base's."""
    ours, base = (np.asarray(logs, dtype=float) for logs in (measured.candidate_parsed, measured.base_parsed))
    first = np.argsort(base - ours, kind="stable")[:_NAMED_ROWS]
    return [
        {
            "row": measured.item_ids[i],
            "answer": _short(redacted(str(measured.targets[i]))),
            "base": float(_base(measured)[i]),
            "candidate": float(measured.candidate[i]),
            "log-likelihood rose by": float(ours[i] - base[i]),
        }
        for i in first
    ]


def _base(measured: Measurement) -> Any:
    if measured.base is None:
        raise ValueError("only the candidate was measured")
    return measured.base


def _nats(value: float) -> str:
    return f"{value:.3g} nats"


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"
