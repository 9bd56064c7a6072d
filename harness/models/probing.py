"""What a model says to the probe texts: its next-token distributions, and those of a base no adapter was ever put on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.models.forwards import plain_logits

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

# Plain sentences on several subjects: enough positions (about 150) for a stable mean, read in one forward.
PROBE_TEXTS = (
    "The harbour was quiet before dawn, and the first boats left without lights.",
    "To compute the area of a circle, square its radius and multiply the result by pi.",
    "Dear Sir or Madam, I am writing to ask about the parcel that was sent on Monday.",
    "def mean(values):\n    return sum(values) / len(values)\n",
    "Water boils at a lower temperature on a mountain, because the air presses less upon it.",
    "User: Which train goes to the coast?\nAssistant: The one at half past nine, from platform two.",
    '{"city": "Lisbon", "days": 3, "guests": ["Ana", "Rui"], "breakfast": true}',
)

# What tokenizers of one vocabulary split differently where a converter took the wrong rules for another's. Of characters such as
# the fraction one half llama.cpp's rules are never quite transformers'.
TOKEN_TEXTS = (
    *PROBE_TEXTS,
    "In 2024 the bill was 1,234,567.89 euros, or 00420 in 3.5 parts; call +41 44 123 45 67.",
    "Zürich, naïve café, Ångström, São Paulo, Łódź; cafe\u0301 decomposed.",
    "東京へ行きます。明日は雨でしょう。 안녕하세요",
    "Привет, мир! مرحبا بالعالم नमस्ते दुनिया",
    "Done \U0001f44d\U0001f3fd \U0001f468\u200d\U0001f469\u200d\U0001f467!",
    "WE'LL see, I'd say they've DON'T'd it's",
    "https://example.org/a_b?c=1&d=%20#top mail@example.org",
    "if x:\n    y  =  [1, 2]\n\n\n\tz != y  # ok\n",
    "  spaces at both ends  ",
)


def probe_log_probs(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str] = PROBE_TEXTS,
    *,
    rows: int = 1,
    after: Sequence[int] = (),
) -> torch.Tensor:
    """Log-probabilities of the next token at every position of the texts, each read by itself.

    Args:
        rows: how many copies of a text are read at once, of which the first is returned.
        after: tokens before each text, such as those that an adapter waits for.

    Returns:
        float32 tensor of shape (positions, vocabulary), on the CPU.

    Raises:
        AdapterError, ModelError: the model has no plain forward, with its adapter or without.
    """
    import torch

    found = []
    with torch.inference_mode():
        for text in texts:
            logits = plain_logits(model, [*after, *tokenizer(text)["input_ids"]], rows=rows)
            found.append(torch.log_softmax(logits.float(), dim=-1).cpu())
    return torch.cat(found)


def largest_shift(reference: torch.Tensor, other: torch.Tensor) -> float:
    """The most that any log-probability moved, in nats: 0 only where all are the same; NaN where one is NaN."""
    # infinitely unlikely in both is no move
    return float((reference - other).abs().masked_fill(reference == other, 0.0).max())


@dataclass(frozen=True)
class PlainBase:
    """What a base answers before PEFT wraps it: what it must still answer with an adapter switched off.

    Attributes:
        log_probs: on the probe texts, of shape (positions, vocabulary).
        rounding: `largest_shift` when a text is read beside a copy of itself, which changes nothing but the order of
            sums: what rounding does to this base in this precision on this device.
    """

    log_probs: torch.Tensor
    rounding: float


def ask_plain_base(model: Any, tokenizer: PreTrainedTokenizerBase, *, after: Sequence[int] = ()) -> PlainBase:
    """Ask a model that no adapter was put on yet; `after` is as for `probe_log_probs`."""
    alone, beside = (probe_log_probs(model, tokenizer, rows=rows, after=after) for rows in (1, 2))
    return PlainBase(alone, largest_shift(alone, beside))
