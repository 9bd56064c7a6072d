"""Is the adapter what it claims to be? Facts about files, tensors and behaviour, each a check with a remedy."""

from harness.integrity.behaviour import changes_the_base
from harness.integrity.chat_template import chat_template_is_the_bases
from harness.integrity.consistency import config_agrees_with_tensors
from harness.integrity.conversation import special_tokens_agree
from harness.integrity.files import adapter_is_finite, adapter_is_safe, adapter_is_trained
from harness.integrity.mapping import tensors_map_both_ways
from harness.integrity.merging import merged_copy_is_the_candidate, merges_cleanly
from harness.integrity.norms import norms_are_even
from harness.integrity.observed import Observed
from harness.integrity.precision import precision_is_as_served
from harness.integrity.record import base_as_trained, strength_as_trained
from harness.integrity.stability import answers_repeat, padding_changes_nothing, survives_saving, switches_cleanly
from harness.integrity.tokenizer import tokenizer_is_the_bases

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
