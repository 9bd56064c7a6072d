"""Parsers of a judge's verdict: of the last line of its reply, or of how likely it finds each option."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

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
class ParsedVerdict:
    """One verdict or rating of a judge.

    Attributes:
        label: the option chosen, or the most likely one; None where the reply holds none.
        value: as a number: of a verdict the preference for the first answer in [0, 1], of a rating 1 to 10.
        weights: probability of each option, where they are known.
    """

    label: str | None = None
    value: float | None = None
    weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class VerdictParser:
    """What a judge is to reply, and what a reply means.

    Attributes:
        values: option -> number, in the order in which they are offered.
        short: asks for an option and nothing else, in words for the prompt.
        line: the last line of a reply that gives its reasons, in words for the prompt.
        pattern: finds verdicts in a reply, however they are decorated; the last one counts.
        interpret: what the pattern found -> what it means.
    """

    values: Mapping[str, float]
    short: str
    line: str
    pattern: re.Pattern[str]
    interpret: Callable[[str], ParsedVerdict]

    @property
    def is_of_one_token(self) -> bool:
        """Whether the first character of an option tells it from the others, as "1" does not from "10"."""
        return len({option[0] for option in self.values}) == len(self.values)

    def parse_text(self, text: str) -> ParsedVerdict:
        """The last verdict or rating of a reply."""
        found = [match[1] or match[2] for match in self.pattern.finditer(text)]
        return self.interpret(found[-1]) if found else ParsedVerdict()

    def parse_logprobs(self, logprobs: Sequence[float | None]) -> ParsedVerdict:
        """The verdict by the log-likelihoods (nats) of the options, in their order: the value is their expectation.

        One that is not known (None) is next to nothing; where none is, nothing was said.
        """
        known = [value for value in logprobs if value is not None]
        if not known:
            return ParsedVerdict()
        top = max(known)
        weights = [0.0 if value is None else math.exp(value - top) for value in logprobs]
        shares = {option: weight / sum(weights) for option, weight in zip(self.values, weights, strict=True)}
        label = max(shares, key=lambda option: shares[option])
        return ParsedVerdict(label, sum(share * self.values[option] for option, share in shares.items()), shares)


_PREFERENCE: Mapping[str, float] = {"1": 1.0, "2": 0.0, "tie": 0.5}


def _verdict(said: str) -> ParsedVerdict:
    label = _NAMES.get(said.lower(), "tie")
    return ParsedVerdict(label, _PREFERENCE[label])


def _rating(said: str) -> ParsedVerdict:
    value = float(said)
    return ParsedVerdict(f"{value:g}", value) if 1 <= value <= 10 else ParsedVerdict()


VERDICT = VerdictParser(
    _PREFERENCE,
    short="one word and nothing else: `1`, `2` or `tie`",
    line="`Verdict: 1`, `Verdict: 2` or `Verdict: tie`",
    pattern=_VERDICT,
    interpret=_verdict,
)
RATING = VerdictParser(
    {str(n): float(n) for n in range(1, 11)},
    short="one number from 1 to 10 and nothing else",
    line="`Rating: N`, with N from 1 to 10",
    pattern=_RATING,
    interpret=_rating,
)
