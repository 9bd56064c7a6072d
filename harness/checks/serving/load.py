"""Does the server answer under load as it does alone, and how fast?"""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import quantiles

import numpy as np

from harness.checks.serving.asking import LOAD, Heard
from harness.checks.serving.finding import Finding, Untold, between
from harness.checks.serving.parity import Parity
from harness.checks.serving.strength import change
from harness.errors import EngineError
from harness.gates import Check, Gateable
from harness.records import Estimate, Limit
from harness.stats import clopper_pearson

_LONGER, _TOKENS = 32, 32
_FEWEST = "name tasks whose answers are longer (`tasks:`), so that there are more places to ask at"


@dataclass(frozen=True)
class Load:
    """What was seen while so many requests were under way at once.

    Attributes:
        latencies_s: of the answers of several tokens.
        tokens_per_s: that the server wrote in all.
    """

    heard: Heard
    latencies_s: list[float]
    tokens_per_s: float

    @property
    def slowest_s(self) -> float:
        """The latency that 19 in 20 answers keep."""
        return (
            quantiles(self.latencies_s, n=20, method="inclusive")[-1]
            if len(self.latencies_s) > 1
            else self.latencies_s[0]
        )

    @property
    def speed(self) -> str:
        """In words."""
        return f"{self.tokens_per_s:.3g} tokens/s, 95% of answers of {_TOKENS} tokens within {self.slowest_s:.2g} s"


def under_load(parity: Parity) -> Load:
    """Ask the probes again, 32 requests at once, and answers of several tokens among them."""
    line, started_s = parity.line, time.perf_counter()
    longer = min(_LONGER, len(line.probes))
    written = parity.server.ask(line.probes, at_once=LOAD, longer=longer, tokens=_TOKENS)
    took_s = time.perf_counter() - started_s
    short, long = written[: len(line.probes)], written[len(line.probes) :]
    tokens = sum(one.completion_tokens for one in written)
    return Load(parity.server.hear(line, short), [one.latency_s for one in long], tokens / took_s)


def stability(parity: Parity, most: float, most_turned: float) -> Gateable:
    """Under load, 32 requests at once, the server answers as it did alone, and within the limits of `serving:` on latency and
    throughput where any are set.

    Args:
        most: times what rounding moves, by which log-probabilities may differ.
        most_turned: without log-probabilities, share of the places at which it may write another token.
    """
    if not parity.line.probes:
        return Untold("stability", "there is no place to ask this server at", _FEWEST)
    alone = parity.alone
    try:
        load = under_load(parity)
    except EngineError as exc:
        return Check("stability", holds=False, reason=f"under load {exc.problem}", remedy=exc.remedy)
    if slow := _too_slow(parity, load):
        return slow
    details = {
        "requests_at_once": LOAD,
        "latency_s_p95": load.slowest_s,
        "latency_s": load.latencies_s,
        "tokens_per_s": load.tokens_per_s,
    }

    def told(found: Estimate) -> str:
        if alone.tells:
            moved = between(found, "{:.2g}".format)
            return f"under load its log-probabilities move by {moved} times what rounding does ({load.speed})"
        turned = between(found, "{:.0%}".format)
        return f"under load it writes another token at {turned} of the places ({load.speed})"

    turned = int(np.sum(load.heard.chosen != alone.chosen))
    return Finding(
        "stability",
        lambda confidence: (
            change(parity.line, load.heard, alone, confidence)
            if alone.tells
            else clopper_pearson(turned, len(alone.chosen), confidence=confidence)
        ),
        (Limit(most if alone.tells else most_turned, "below"),),
        told,
        f"at most {most:g} times" if alone.tells else f"at most {most_turned:.0%}",
        remedy="answers depend on what else is asked: look for caches of prefixes or of adapters that overflow, for requests "
        "that are mixed up, and for a quantised cache; serve fewer at once (vLLM --max-num-seqs) until the cause is found",
        needs=_FEWEST,
        details=details,
    )


def _too_slow(parity: Parity, load: Load) -> Check | None:
    most_s, least = parity.serving.latency_s, parity.serving.tokens_per_s
    late = most_s is not None and load.slowest_s > most_s
    slow = least is not None and load.tokens_per_s < least
    if not late and not slow:
        return None
    limit = f"within {most_s:g} s" if late else f"at least {least:g} tokens/s"
    return Check(
        "stability",
        holds=False,
        reason=f"with {LOAD} requests at once it writes {load.speed}; {limit} is asked for",
        remedy="serve it on more or faster hardware, or set `serving: latency_s:` and `tokens_per_s:` to what is enough",
        details={"latency_s_p95": load.slowest_s, "tokens_per_s": load.tokens_per_s},
    )
