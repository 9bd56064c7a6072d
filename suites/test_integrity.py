"""Is the adapter what it claims to be, and does it act? Seconds, before anything costly."""

from harness import integrity


def test_safetensors_only(adapter_directory, gate):
    gate(integrity.adapter_is_safe(adapter_directory))


def test_tensors_map_to_modules_and_back(adapter_directory, base, assay, gate):
    trusted = assay.settings.trust_remote_code
    gate(integrity.tensors_map_both_ways(adapter_directory, base.directory, trust_remote_code=trusted))


def test_values_are_finite(adapter_directory, gate):
    gate(integrity.adapter_is_finite(adapter_directory))


def test_lora_b_is_not_zero(adapter_directory, gate):
    gate(integrity.adapter_is_trained(adapter_directory))


def test_changes_the_base(loaded_model, margins, gate):
    gate(integrity.changes_the_base(loaded_model, least_kl=margins.effect_kl))


def test_merged_equals_unmerged(loaded_model, margins, gate):
    gate(integrity.merges_cleanly(loaded_model, most_kl=margins.merge_kl))


def test_answers_end_by_themselves(task_name, compare, margins, gate):
    gate(compare(task_name).metric("stops_with_eos").at_least(margins.stops_with_eos))
