"""Whether a run and its baseline stand on one base: what each stored of it, part by part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.gates.decision import Decision
from harness.records import ModelFacts, Verdict
from harness.runs.comparability import differing

_GATE = "same_base"
_PARTS = {"weights": "weights", "config": "configuration", "tokenizer": "tokenizer", "chat_template": "chat template"}
_REMEDY = (
    "measure the released adapter on this base and set that run as the baseline; or, where the base is to change with this "
    "release, accept it by name under `waivers:` in assay.yaml (gate: baseline/same_base)"
)


def same_base(now: ModelFacts, before: ModelFacts, name: str) -> Verdict:
    """Inconclusive where weights, configuration, tokenizer or chat template of the base are not those of the baseline: a change
    then is the base's as well as the adapter's.

    Args:
        now, before: the base of this run, and of the baseline.
        name: of the baseline.
    """
    mine, theirs = (_digests(facts.parts) for facts in (now, before))
    if mine and theirs:
        differ = [_PARTS[part] for part in differing(mine, theirs)]
        told = "the base has the weights, configuration, tokenizer and chat template that it had there"
    elif mine or theirs:
        differ = ["the digests, which one of the two runs has not"]
        told = ""
    else:
        differ = [] if now.parts == before.parts else ["what its server tells of it"]
        told = "the base goes by the same name on the same server; another copy under it cannot be told apart"
    decision = Decision("inconclusive", ("obstacle",)) if differ else Decision("pass")
    reason = f"the base {now.name!r} is not that of the baseline ({before.name!r}): {', '.join(differ)} differ"
    return Verdict(
        _GATE,
        decision.outcome,
        f"against {name}: {reason if differ else told}",
        kind="holds",
        rule="holds",
        method="exact",
        remedy=_REMEDY if differ else "",
        open_because=decision.because if differ else (),
        details={"differing": differ, "base": {"now": mine, "then": theirs}},
        against=name,
    )


def _digests(parts: Mapping[str, Any]) -> Mapping[str, str]:
    """Of the parts that are kept of a base on disk."""
    return {part: str(parts[part]) for part in _PARTS if part in parts} if "weights" in parts else {}
