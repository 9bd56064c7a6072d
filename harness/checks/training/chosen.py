"""Do preferred answers stay likely? A margin also widens while both answers lose, the rejected one faster: then what is preferred
is written no more than before, and the probability goes to something that no row has.

Known of DPO (Pal et al. 2024, arXiv 2402.13228; Razin et al. 2025, arXiv 2410.08847); every method of pairs can do it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from harness.checks.training.curves import noise
from harness.checks.training.quantities import LEAST_VALUES, first_mean, last_mean, quarter, shown, values_of
from harness.gates import Scalar
from harness.training.history import TrainingHistory

_NATS_A_TOKEN = 1.0
_FEWEST_TOKENS = 25.0
_LIKELIEST_SUM = -10.0  # of an answer; no model worth training gives its tokens less than that each


def chosen_fall(history: TrainingHistory) -> Scalar | None:
    """How much less likely preferred answers are at the end than by the reference, in nats a token; at most a limit.

    Without a reference it is by the beginning of the log. Logs of methods with one give sums over answers: these are divided by
    the mean length of the answers where the harness trained, else by what they had at about one nat a token, 25 or more. None
    where no such log-probability was logged often enough.
    """
    found = _against_reference(history) or _since_the_start(history)
    if found is None:
        return None
    fall, error, start, end = found
    return Scalar(
        "chosen_logps_fall",
        fall,
        "nats a token",
        higher_is_better=False,
        error=error,
        remedy="preferred answers became unlikely together with the rejected ones: lower the learning rate, raise beta, keep an "
        "earlier checkpoint, or add their own likelihood to the loss (loss_type: [sigmoid, sft] of DPO, rpo_alpha of an older "
        "TRL); see that the two answers of a pair are not nearly the same",
        details=shown(history, start=start, end=end),
    )


Fall = tuple[float, float, float, float]
"""The fall and its standard error in nats a token; what was logged at its start and at its end."""


def _against_reference(history: TrainingHistory) -> Fall | None:
    """By the rewards of preferred answers: beta times what they gained over the reference."""
    rewards, logps = dict(history.quantity("chosen_reward")), dict(history.quantity("chosen_logp"))
    steps = [step for step in rewards if step in logps]
    if len(steps) < LEAST_VALUES:
        return None
    of_reward, of_logp = [rewards[step] for step in steps], [logps[step] for step in steps]
    one_over_beta = _one_over_beta(history, of_reward, of_logp)
    reference = statistics.fmean(of_logp) - one_over_beta * statistics.fmean(of_reward)
    tokens = _answer_tokens(history) or max(_FEWEST_TOKENS, abs(reference) / _NATS_A_TOKEN)
    gained = one_over_beta * last_mean(of_reward)
    error = one_over_beta * noise(of_reward) / math.sqrt(quarter(of_reward))
    return -gained / tokens, error / tokens, reference, reference + gained


def _one_over_beta(history: TrainingHistory, rewards: Sequence[float], logps: Sequence[float]) -> float:
    """By the recipe, or the slope of log-probabilities over rewards: how likely a batch's answers are to the reference has
    no part in the rewards. 0 where these hardly differ."""
    beta = (history.trainer or {}).get("beta")
    if beta:
        return 1 / float(beta)
    mean = statistics.fmean(rewards)
    spread = sum((one - mean) ** 2 for one in rewards)
    slope = sum((one - mean) * logp for one, logp in zip(rewards, logps, strict=True))
    return max(0.0, slope / spread) if spread else 0.0


def _answer_tokens(history: TrainingHistory) -> float | None:
    return None if history.summary is None else history.summary.answer_tokens


def _since_the_start(history: TrainingHistory) -> Fall | None:
    """By the log-probability a token of methods that have no reference."""
    negative = values_of(history, "chosen_nll")
    values = [-one for one in negative or ()] if any(negative or ()) else values_of(history, "chosen_logp_per_token")
    if values is None or first_mean(values) < _LIKELIEST_SUM:
        return None
    start, end = first_mean(values), last_mean(values)
    return start - end, noise(values) * math.sqrt(2 / quarter(values)), start, end
