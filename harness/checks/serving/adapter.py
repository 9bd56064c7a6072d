"""Is it the candidate that answers, at its strength, as precisely as stated, and whoever asked before?"""

from __future__ import annotations

from harness.checks.serving.finding import Finding, Untold, between
from harness.checks.serving.line import BASE
from harness.checks.serving.parity import Parity
from harness.checks.serving.strength import drift, nearer_the_candidate, strength
from harness.gates import Gateable
from harness.records import Limit
from harness.stats.mean import independent_difference

NO_LOGPROBS = "this server gives no log-probabilities, without which rounding cannot be told from what was asked"
NO_BASE = "the base is not named where it is served: pass --served-base=openai:NAME@URL"
_MORE = "name tasks of which base and candidate answer more items unlike (`tasks:`), or use a server that gives log-probabilities"
_ALIKE = "name the base on a server that takes prompts as the candidate's does (/completions)"


def effect(parity: Parity, least: float) -> Gateable:
    """The served answers are the candidate's, and not the base's: at the places where the two differ most, the server is nearer
    the candidate.

    By the log-probabilities of the next token where the server gives them, else by the token that it writes.

    Args:
        least: share of the places at which it must be.
    """
    line = parity.line
    if not line.probes:
        return Untold("effect", "base and candidate nowhere go on unlike in a way that this server can tell", _MORE)
    return Finding(
        "effect",
        lambda confidence: nearer_the_candidate(line, parity.alone, confidence),
        (Limit(least),),
        lambda share: (
            f"at {between(share, '{:.0%}'.format)} of {len(line.probes)} places {parity.place} answers as the candidate "
            "and not as the base"
        ),
        f"at least {least:.0%}",
        remedy="the base answers, or another adapter: see that the name asked for is the adapter's and not its base's, that the "
        "server loaded it (its log, /v1/models), from the files that were approved, and, of a merged model, that it was merged",
        needs=_MORE,
        details={"asked": parity.place, "sent_as": parity.server.way.form, "log_probabilities": parity.alone.tells},
    )


def strength_is_the_candidates(parity: Parity, least: float) -> Gateable:
    """The adapter is served at the strength it was measured at: log-probabilities lie where its scale puts them, on the line from
    base to candidate.

    The scale of a LoRA is exact, so that the candidate is asked here at several; the served one is estimated among them. Of
    written tokens alone it is known less closely, and may stay open.

    Args:
        least: smallest strength, and the largest is as far above 1.
    """
    if not parity.line.probes:
        return Untold("strength", "base and candidate nowhere go on unlike in a way that this server can tell", _MORE)
    return Finding(
        "strength",
        lambda confidence: strength(parity.line, parity.alone, confidence),
        (Limit(least), Limit(2 - least, "below")),
        lambda found: f"{parity.place} answers at {between(found, '{:.2f}'.format)} times the candidate's strength",
        f"between {least:.2f} and {2 - least:.2f}",
        remedy="at 0 the adapter is off; else its scale was read wrongly: PEFT scales by lora_alpha / r, with use_rslora by "
        "lora_alpha / sqrt(r), and by module with alpha_pattern and rank_pattern, of which converters and servers know alpha / r "
        "alone; convert it with assay export, or merge it, and see that the server scales it by nothing more",
        needs=_MORE,
        details={"asked": parity.place, "positions": len(parity.line.probes)},
    )


def quantisation(parity: Parity, most: float) -> Finding | None:
    """What is left between the server and the candidate at the served strength is no more than the precision stated for serving
    explains; None where the server gives no log-probabilities.

    How far rounding moves the candidate is measured here: what each of its layers gives is moved at random by up to a step of
    that precision.

    Args:
        most: times what rounding moves.
    """
    if not parity.line.probes or not parity.alone.tells:
        return None
    line, at = parity.line, parity.strength.value
    return Finding(
        "quantisation",
        lambda confidence: drift(line, parity.alone, at, confidence),
        (Limit(most, "below"),),
        lambda found: (
            f"its log-probabilities are off by {between(found, '{:.2g}'.format)} times what rounding explains "
            f"({line.noise:.2g} nats)"
        ),
        f"at most {most:g} times",
        remedy="see what the server quantises (its weights, or its cache: FP8 and 4 bits must be asked for or are read from "
        "config.json) and which files it loaded; if that is what is to be served, state it (`serving: quantization:`) and "
        "measure the candidate so, or put the quantised model on trial (--shipped)",
        needs="serve in the precision that was measured, or read the candidate along more answers (`tasks:`)",
        details={"explained_nats": line.noise, "strength": at},
    )


def isolation(parity: Parity, least_strength: float, least_share: float) -> Gateable | None:
    """Base and candidate, asked in turn on the same prefixes, answer as asked alone; None where the base is not served.

    A server that keeps prefixes by their tokens alone answers with what another adapter, or none, made of them.

    Args:
        least_strength: how near 1 the candidate's strength must stay to what it is alone, and the base's to 0.
        least_share: without log-probabilities, share of the places at which each must write its own token.
    """
    if parity.base_server is None:
        return None
    if not parity.line.probes:
        return Untold("isolation", "base and candidate nowhere go on unlike in a way that this server can tell", _MORE)
    if not parity.base_can_be_asked:
        return Untold(
            "isolation", f"{parity.base_server.served} takes conversations alone, and {parity.place} more", _ALIKE
        )
    assert parity.in_turn is not None
    (base, candidate, after), fresh, line = parity.in_turn, parity.fresh, parity.line
    remedy = (
        "the server mixes what it keeps of prefixes: update it, or switch that off (vLLM --no-enable-prefix-caching, SGLang "
        "--disable-radix-cache, llama.cpp cache_prompt: false), and empty it whenever an adapter is loaded or replaced"
    )
    if not (base.tells and candidate.tells and after.tells):
        return Finding(
            "isolation",
            lambda confidence: min(
                nearer_the_candidate(fresh, candidate, confidence),
                nearer_the_candidate(line, after, confidence, other=BASE),
                key=lambda share: share.value,
            ),
            (Limit(least_share),),
            lambda share: (
                f"asked in turn, base and candidate write their own next token at {between(share, '{:.0%}'.format)} of "
                "the places or more"
            ),
            f"at least {least_share:.0%}",
            remedy=remedy,
            needs=_MORE,
        )
    return Finding(
        "isolation",
        lambda confidence: max(
            independent_difference(strength(fresh, candidate, confidence), strength(line, parity.alone, confidence)),
            strength(fresh, base, confidence),
            strength(line, after, confidence),
            key=lambda one: abs(one.value),
        ),
        (Limit(1 - least_strength, "within"),),
        lambda found: (
            f"asked in turn on the same prefixes, base and candidate are off by up to {between(found, '{:.2f}'.format)} times "
            "the candidate's strength"
        ),
        f"at most {1 - least_strength:.2f}",
        remedy=remedy,
        needs=_MORE,
        details={
            "candidate_alone": parity.strength.value,
            "candidate_after_base": strength(fresh, candidate).value,
            "base_before_candidate": strength(fresh, base).value,
            "base_after_candidate": strength(line, after).value,
        },
    )
