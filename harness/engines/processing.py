"""The rules that change which token is most likely, as transformers applies them (`serving: decoding:` of assay.yaml).

The classes are those of transformers, in the order in which `generate` puts them
(https://huggingface.co/docs/transformers/internal/generation_utils#logitsprocessor).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import EngineError, first_line

if TYPE_CHECKING:
    import torch


def processors_of(
    decoding: Mapping[str, Any], prompt: Sequence[int], room: int, eos: Collection[int], device: Any
) -> Callable[[Sequence[int], torch.Tensor], torch.Tensor]:
    """What the rules make of the logits of one answer: (its tokens so far, logits of shape (vocabulary,)) -> logits, float32.

    Args:
        decoding: keys of `harness.config.decoding.Decoding` that act.
        prompt: token ids.
        room: tokens that the answer may have.
        eos: tokens that end it.

    Raises:
        EngineError: a value is none that transformers takes, or names tokens that the model has not; of the returned as well.
    """
    import torch
    from transformers.generation import logits_process as rules

    read, ends, length = torch.tensor([prompt], device=device), torch.tensor(sorted(eos), device=device), len(prompt)

    def listed(value: Any) -> Any:
        return [listed(one) for one in value] if isinstance(value, list | tuple) else value

    makers: dict[str, Callable[[Any], rules.LogitsProcessor]] = {
        "sequence_bias": rules.SequenceBiasLogitsProcessor,
        "encoder_repetition_penalty": lambda value: rules.EncoderRepetitionPenaltyLogitsProcessor(value, read),
        "repetition_penalty": rules.RepetitionPenaltyLogitsProcessor,
        "no_repeat_ngram_size": rules.NoRepeatNGramLogitsProcessor,
        "encoder_no_repeat_ngram_size": lambda value: rules.EncoderNoRepeatNGramLogitsProcessor(value, read),
        "bad_words_ids": lambda value: rules.NoBadWordsLogitsProcessor(value, ends),
        "min_length": lambda value: rules.MinLengthLogitsProcessor(value, ends, device=device),
        "min_new_tokens": lambda value: rules.MinNewTokensLengthLogitsProcessor(length, value, ends, device=device),
        "forced_bos_token_id": rules.ForcedBOSTokenLogitsProcessor,
        "forced_eos_token_id": lambda value: rules.ForcedEOSTokenLogitsProcessor(length + room, value, device=device),
        "exponential_decay_length_penalty": lambda value: rules.ExponentialDecayLengthPenalty(value, ends, length),
        "suppress_tokens": lambda value: rules.SuppressTokensLogitsProcessor(value, device=device),
        "begin_suppress_tokens": lambda value: rules.SuppressTokensAtBeginLogitsProcessor(value, length, device=device),
    }
    processors = rules.LogitsProcessorList()
    for key in (key for key in makers if key in decoding):
        with _named(decoding):
            processors.append(makers[key](listed(decoding[key])))

    def process(answer: Sequence[int], logits: torch.Tensor) -> torch.Tensor:
        seen = torch.tensor([[*prompt, *answer]], device=device)
        with _named(decoding):
            processed: torch.Tensor = processors(seen, logits[None].float())
        return processed[0]

    return process


@contextlib.contextmanager
def _named(decoding: Mapping[str, Any]) -> Iterator[None]:
    try:
        yield
    except (ValueError, IndexError, TypeError) as exc:
        raise EngineError(
            f"serving.decoding ({', '.join(decoding)}) cannot be applied to this model: {first_line(exc)}",
            "give token ids of its vocabulary, and values as a generation_config.json has them",
        ) from exc
