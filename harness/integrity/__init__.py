"""Is the adapter what it claims to be? Facts about files, tensors and behaviour, each a check with a remedy."""

from harness.integrity.behaviour import changes_the_base, merges_cleanly
from harness.integrity.files import adapter_is_finite, adapter_is_safe, adapter_is_trained
from harness.integrity.mapping import tensors_map_both_ways

__all__ = [
    "adapter_is_finite",
    "adapter_is_safe",
    "adapter_is_trained",
    "changes_the_base",
    "merges_cleanly",
    "tensors_map_both_ways",
]
