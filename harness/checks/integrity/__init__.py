"""Is the adapter what it claims to be? Facts about files, tensors and behaviour, each a check with a remedy."""

from harness.checks.integrity.behaviour import (
    answers_repeat,
    changes_the_base,
    padding_changes_nothing,
    survives_saving,
    switches_cleanly,
)
from harness.checks.integrity.chat_template import chat_template_is_the_bases, special_tokens_agree
from harness.checks.integrity.files import adapter_is_finite, adapter_is_safe, adapter_is_trained
from harness.checks.integrity.merging import merged_copy_is_the_candidate, merges_cleanly
from harness.checks.integrity.norms import norms_are_even
from harness.checks.integrity.probe import Observed
from harness.checks.integrity.provenance import base_as_trained, precision_is_as_served, strength_as_trained
from harness.checks.integrity.tensors import config_agrees_with_tensors, tensors_map_both_ways
from harness.checks.integrity.tokenizer import tokenizer_is_the_bases

__all__ = [
    "Observed",
    "adapter_is_finite",
    "adapter_is_safe",
    "adapter_is_trained",
    "answers_repeat",
    "base_as_trained",
    "changes_the_base",
    "chat_template_is_the_bases",
    "config_agrees_with_tensors",
    "merged_copy_is_the_candidate",
    "merges_cleanly",
    "norms_are_even",
    "padding_changes_nothing",
    "precision_is_as_served",
    "special_tokens_agree",
    "strength_as_trained",
    "survives_saving",
    "switches_cleanly",
    "tensors_map_both_ways",
    "tokenizer_is_the_bases",
]
