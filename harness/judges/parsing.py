"""What a judge says at the end of its reply, read from text or from the probabilities of its last words."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_SAID = r"(an?\s+(?:tie|draw)|tied?|draw|equal|both|neither|1|2|one|two|a|b|c)\b(?!\.\d)"
# "1, 2 or tie" repeats the question
_LISTED = r"(?!\W{0,3}(?:,|/|or\b|and\b)\W{0,3}(?:1|2|tie|a|b)\b)"
_VERDICT = re.compile(
    rf"\[\[\s*(A|B|C|1|2|tie)\s*\]\]|verdict[\W_]*(?:is[\W_]+)?(?:(?:answer|assistant|option|response)[\W_]*)?{_SAID}{_LISTED}",
    re.IGNORECASE,
)
_NAMES: Mapping[str, str] = {"1": "1", "one": "1", "a": "1", "2": "2", "two": "2", "b": "2"}
_RATING = re.compile(
    r"(?:rating|score)[\W_]*?(?:is[\W_]+?)?(-?\d+(?:\.\d+)?)|\[\[\s*(-?\d+(?:\.\d+)?)\s*\]\]", re.IGNORECASE
)


@dataclass(frozen=True)
class Reading:
    """What was said.

    Attributes:
        label: the option chosen, or the most likely one; None where the reply holds none.
        value: as a number: of a verdict the preference for the first answer in [0, 1], of a rating 1 to 10.
        weights: probability of each option, where they are known.
    """

    label: str | None
    value: float | None
    weights: Mapping[str, float]


@dataclass(frozen=True)
class Form:
    """How a judge is to end its reply: a word and one of some options.

    Attributes:
        values: option -> number, in the order in which they are offered.
    """

    word: str
    values: Mapping[str, float]

    @property
    def endings(self) -> tuple[str, ...]:
        """The last lines a reply may have, `Verdict: 1` and so on."""
        return tuple(f"{self.word}: {option}" for option in self.values)

    def read_text(self, text: str) -> Reading:
        """The last verdict or rating of a reply, however it is decorated."""
        if self is RATING:
            return _read_rating(text)
        label = None
        for match in _VERDICT.finditer(text):
            said = (match[1] or match[2]).lower()
            label = _NAMES.get(said, "tie")
        return Reading(label, None if label is None else self.values[label], {})

    def read_logprobs(self, logprobs: Sequence[float | None]) -> Reading:
        """What the log-likelihoods (nats) of the options, in their order, come to: the value is their expectation.

        One that is not known (None) is next to nothing; where none is, nothing was said.
        """
        known = [value for value in logprobs if value is not None]
        if not known:
            return Reading(None, None, {})
        top = max(known)
        weights = [0.0 if value is None else math.exp(value - top) for value in logprobs]
        shares = {option: weight / sum(weights) for option, weight in zip(self.values, weights, strict=True)}
        label = max(shares, key=lambda option: shares[option])
        return Reading(label, sum(share * self.values[option] for option, share in shares.items()), shares)


VERDICT = Form("Verdict", {"1": 1.0, "2": 0.0, "tie": 0.5})
RATING = Form("Rating", {str(n): float(n) for n in range(1, 11)})


def _read_rating(text: str) -> Reading:
    found = [match[1] or match[2] for match in _RATING.finditer(text)]
    value = float(found[-1]) if found else 0.0
    if not 1 <= value <= 10:
        return Reading(None, None, {})
    return Reading(f"{value:g}", value, {})
