"""What of a generation_config changes greedy answers, by transformers' own names: stated for serving, and so measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, Strict, model_validator

from harness.config.base import Section, objection

Penalty = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[int, Field(ge=0)]
TokenIds = Annotated[tuple[NonNegative, ...], Strict(False)]

# Of 1 these do nothing.
_FACTORS = frozenset({
    "repetition_penalty", "encoder_repetition_penalty", "num_beams", "num_beam_groups", "guidance_scale",
})  # fmt: skip
_TOKENS = frozenset({"forced_bos_token_id", "forced_eos_token_id"})
_DECAY = "exponential_decay_length_penalty"
UNMEASURED = {
    "num_beams": "beam search keeps several answers",
    "num_beam_groups": "beam search keeps several answers",
    "constraints": "constrained search keeps several answers",
    "force_words_ids": "constrained search keeps several answers",
    "guidance_scale": "guidance asks the model a second time without the prompt",
    "penalty_alpha": "contrastive search compares hidden states",
    "dola_layers": "DoLa compares layers",
    "token_healing": "token healing changes the prompt",
    "watermarking_config": "a watermark shifts each token by those before it",
    "stop_strings": "where an answer stops is the task's (`stop:`)",
}
"""Keys that change greedy answers, and that nothing here decodes by: why, in words."""


class Decoding(Section):
    """By what rules answers are decoded greedily where it is served, by the names of transformers' generation_config; null says
    nothing. What is stated is measured, of base and candidate alike, and the values 1, 0 and [] state that a rule is not used.
    """

    repetition_penalty: Penalty | None = None
    """divides the likelihood of tokens that prompt or answer hold already"""
    encoder_repetition_penalty: Penalty | None = None
    """multiplies that of the prompt's tokens"""
    no_repeat_ngram_size: NonNegative | None = None
    """no run of so many tokens comes twice in prompt and answer"""
    encoder_no_repeat_ngram_size: NonNegative | None = None
    """no run of so many tokens of the prompt comes in the answer"""
    bad_words_ids: Annotated[tuple[TokenIds, ...], Strict(False)] | None = None
    """sequences of token ids that no answer holds"""
    sequence_bias: Annotated[tuple[Annotated[tuple[TokenIds, float], Strict(False)], ...], Strict(False)] | None = None
    """pairs of token ids and what is added to the log-likelihood of the last, behind the others"""
    suppress_tokens: TokenIds | None = None
    """tokens that no answer holds"""
    begin_suppress_tokens: TokenIds | None = None
    """tokens that no answer begins with"""
    forced_bos_token_id: NonNegative | Annotated[tuple[()], Strict(False)] | None = None
    """token that follows a prompt of one token"""
    forced_eos_token_id: NonNegative | TokenIds | None = None
    """token that an answer ends with where it reaches its longest"""
    min_length: NonNegative | None = None
    """tokens of prompt and answer before which none ends"""
    min_new_tokens: NonNegative | None = None
    """tokens of an answer before which it does not end"""
    exponential_decay_length_penalty: Annotated[tuple[NonNegative, Penalty], Strict(False)] | None = None
    """tokens of an answer from which its end becomes likelier, and by what factor a token"""
    num_beams: int | None = None
    """1: answers are measured without beams, and another value is refused"""
    num_beam_groups: int | None = None
    """likewise 1"""
    guidance_scale: float | None = None
    """likewise 1"""
    constraints: tuple[()] | list[Any] | None = None
    """likewise []"""
    force_words_ids: tuple[()] | list[Any] | None = None
    """likewise []"""
    penalty_alpha: float | None = None
    """likewise 0"""
    dola_layers: str | list[int] | None = None
    """likewise []"""
    token_healing: bool | None = None
    """likewise false"""
    watermarking_config: dict[str, Any] | None = None
    """likewise {}"""
    stop_strings: str | list[str] | None = None
    """likewise []: stop texts are a task's own"""

    @model_validator(mode="after")
    def _can_be_measured(self) -> Decoding:
        for key, why in UNMEASURED.items():
            if acts(key, value := getattr(self, key)):
                raise objection(
                    f"{key} is {value!r}, which is not measured: {why}",
                    "serve without it, and state that here with the value that does nothing",
                )
        return self

    @property
    def said(self) -> Mapping[str, Any]:
        """What is stated."""
        return {key: value for key in type(self).model_fields if (value := getattr(self, key)) is not None}

    @property
    def acting(self) -> Mapping[str, Any]:
        """What of it changes answers."""
        return acting(self.said)


def acting(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The keys of a generation_config that change greedy answers, with their values."""
    return {key: config[key] for key in Decoding.model_fields if acts(key, config.get(key))}


def acts(key: str, value: object) -> bool:
    """Whether a value of a key of `Decoding` changes greedy answers."""
    if value is None:
        return False
    if key in _FACTORS:
        return value != 1
    if key in _TOKENS:
        return value not in ([], ())
    if key == _DECAY and isinstance(value, list | tuple) and len(value) == 2:
        return bool(value[1] != 1)
    return bool(value)
