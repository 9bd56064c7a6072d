"""Plain text: how well does the model still predict ordinary language, and how far has it drifted from its base?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from harness.digests import digest_json
from harness.engines.requests import Answer, Divergence, DivergenceRequest, Request, RollingRequest, Score
from harness.errors import show
from harness.metrics.base import Metric
from harness.tasks.answers import expect
from harness.tasks.base import Grade, Item
from harness.tasks.build import item_kind
from harness.tasks.items import ItemKeys
from harness.tasks.records import Record


@dataclass(frozen=True)
class PlainTextGrader:
    """Measures texts; a target is the text itself.

    `bits_per_byte` does not depend on the tokenizer: the text's log-likelihood over its UTF-8 bytes. `kl_per_token` is
    KL(base || candidate) in nats, 0 for the base itself; a server has no means to tell it.
    """

    optional: ClassVar[Sequence[type[Request]]] = (DivergenceRequest,)

    @property
    def metrics(self) -> Sequence[Metric]:
        """The metrics; less is better for both."""
        return (
            Metric("bits_per_byte", higher_is_better=False),
            Metric("kl_per_token", higher_is_better=False, is_optional=True),
        )

    @property
    def digest(self) -> str:
        return digest_json(["plain_text", 1])

    def requests(self, item: Item) -> Sequence[RollingRequest | DivergenceRequest]:
        """The likelihood of the text, and the drift along it."""
        return (RollingRequest(item.target), DivergenceRequest(item.target))

    def grade(self, item: Item, answers: Sequence[Answer]) -> Grade:
        score = expect(Score, item, answers[0])
        bits = -score.logprob / math.log(2)
        drift = [expect(Divergence, item, answer) for answer in answers[1:]]
        return Grade(
            {
                "bits_per_byte": bits / len(item.target.encode()),
                "kl_per_token": drift[0].kl / drift[0].tokens if drift else None,
            }
        )

    def target(self, record: Record, field: str, value: Any) -> str:
        """A row's text."""
        if not isinstance(value, str) or not value.strip():
            raise record.error(f"field {field!r} is {show(value)}, not a text to measure")
        return value


PLAIN_TEXT = item_kind("plain_text", ItemKeys, PlainTextGrader, generates=False)
