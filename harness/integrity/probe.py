"""What two versions of a model say to the same text: their next-token distributions, compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.gates import Check

if TYPE_CHECKING:
    import torch

    from harness.models.loading import LoadedModel

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


def probe_log_probs(loaded: LoadedModel, model: Any, texts: Sequence[str] = PROBE_TEXTS) -> torch.Tensor:
    """Log-probabilities of the next token at every position of the texts, each read by itself.

    Returns:
        float32 tensor of shape (positions, vocabulary), on the CPU.
    """
    import torch

    rows = []
    with torch.inference_mode():
        for text in texts:
            ids = torch.tensor([loaded.tokenizer(text)["input_ids"]], device=loaded.device)
            rows.append(torch.log_softmax(model(input_ids=ids, use_cache=False).logits[0].float(), dim=-1).cpu())
    return torch.cat(rows)


def mean_kl(reference: torch.Tensor, other: torch.Tensor) -> float:
    """Mean Kullback-Leibler divergence KL(reference || other) over positions, in nats a token.

    Args:
        reference: log-probabilities of shape (positions, vocabulary).
        other: the same shape.
    """
    # rounding may put equal distributions just below zero; NaN stays NaN
    return float((reference.exp() * (reference - other)).sum(dim=-1).mean().clamp(min=0))


def nan_predictions(name: str, said: Mapping[str, torch.Tensor]) -> Check | None:
    """The failed check that there is nothing to compare, where predictions are NaN; None where none is.

    Args:
        name: of the check.
        said: who -> log-probabilities of shape (positions, vocabulary); the first who is at fault is named.
    """
    for who, log_probs in said.items():
        count = int(log_probs.isnan().any(dim=-1).sum())
        if count:
            return Check(
                name,
                holds=False,
                reason=f"{count} of {len(log_probs)} predictions of the {who} are NaN: there is nothing to compare",
                remedy="values overflow in the precision in use: measure with --dtype=bfloat16 or float32; if they still "
                "do, the weights are too large: train again with a lower learning rate",
                details={"nan_positions": count, "positions": len(log_probs)},
            )
    return None
