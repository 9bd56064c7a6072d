"""Is the candidate what it claims to be, and does it act? Seconds, before anything costly.

Where one of these fails, the suites that measure are skipped; --keep-going runs them all the same.
"""

import pytest

from harness.checks import integrity

pytestmark = pytest.mark.integrity


@pytest.fixture(scope="session")
def observed(assay, loaded_model):
    """What base and candidate say to the probe texts, asked once for all tests."""
    return assay.models.observed


def test_safetensors_only(adapter_directory, assay, gate):
    gate(integrity.adapter_is_safe(adapter_directory, allowed=assay.settings.config.integrity.allow_files))


def test_files_are_those_recorded(candidate_directory, subject, assay, gate):
    base = None if assay.models.base.is_served else assay.models.base.directory
    gate(integrity.files_are_as_recorded(candidate_directory, base))


def test_each_of_the_stack_is_sound(members, assay, gate):
    options = assay.models.load_options
    how = {"allowed": options.allowed_files, "quantization": options.quantization}
    for member in members:
        for check in integrity.member_is_sound(member, **how, trust_remote_code=options.trust_remote_code):
            gate(check)


def test_stack_is_as_named(members, subject, gate):
    gate(integrity.combination_is_as_named(subject))


def test_model_is_complete(model_files, gate):
    gate(integrity.model_is_complete(model_files))


def test_model_is_finite(model_files, gate):
    gate(integrity.model_is_finite(model_files))


def test_no_layer_of_the_model_stands_out(model_files, gate):
    gate(integrity.model_changes_are_even(model_files))


def test_models_tokens_are_the_bases(model_files, gate):
    gate(integrity.model_keeps_the_tokens(model_files))


def test_models_chat_template_is_the_bases(model_files, gate):
    gate(integrity.model_keeps_the_template(model_files))


def test_models_answers_end(model_files, gate):
    gate(integrity.model_ends_answers(model_files))


def test_tensors_map_to_modules_and_back(adapter_directory, subject, assay, gate):
    trusted = assay.settings.trust_remote_code
    gate(integrity.tensors_map_both_ways(adapter_directory, subject.weights.directory, trust_remote_code=trusted))


def test_config_fits_the_tensors(adapter_directory, subject, assay, gate):
    trusted = assay.settings.trust_remote_code
    gate(integrity.config_agrees_with_tensors(adapter_directory, subject.weights.directory, trust_remote_code=trusted))


def test_strength_is_as_trained(adapter_directory, assay, gate):
    gate(integrity.strength_as_trained(adapter_directory, assay.models.training_record))


def test_base_is_as_trained(adapter_directory, subject, assay, gate):
    base = subject.weights
    settings = {
        "quantization": assay.models.load_options.quantization,
        "served": assay.settings.config.serving.quantization,
        "record": assay.models.training_record,
    }
    gate(integrity.base_as_trained(adapter_directory, base.directory, base_name=base.name, **settings))


def test_tokenizer_is_the_bases(adapter_directory, subject, gate):
    gate(integrity.tokenizer_is_the_bases(adapter_directory, subject.weights.directory))


def test_chat_template_is_the_bases(adapter_directory, subject, assay, gate):
    from harness.models.loading import load_tokenizer

    weights = subject.weights.directory
    tokenizer = load_tokenizer(weights, trust_remote_code=assay.settings.trust_remote_code)
    chosen = assay.models.chosen_template
    gate(integrity.chat_template_is_the_bases(adapter_directory, weights, tokenizer, chosen))


def test_special_tokens_agree(adapter_directory, subject, assay, gate):
    from harness.models.loading import load_tokenizer

    weights = subject.weights.directory
    tokenizer = load_tokenizer(weights, trust_remote_code=assay.settings.trust_remote_code)
    gate(integrity.special_tokens_agree(weights, tokenizer))


def test_values_are_finite(adapter_directory, gate):
    gate(integrity.adapter_is_finite(adapter_directory))


def test_lora_b_is_not_zero(adapter_directory, subject, assay, gate):
    trusted = assay.settings.trust_remote_code
    gate(integrity.adapter_is_trained(adapter_directory, subject.weights.directory, trust_remote_code=trusted))


def test_no_module_stands_out(adapter_directory, subject, assay, gate):
    trusted = assay.settings.trust_remote_code
    gate(integrity.norms_are_even(adapter_directory, subject.weights.directory, trust_remote_code=trusted))


def test_base_is_intact(adapter_directory, loaded_model, observed, gate):
    gate(integrity.base_is_intact(loaded_model, observed=observed))


def test_changes_the_base(loaded_model, observed, margins, gate):
    gate(integrity.changes_the_base(loaded_model, least_kl=margins.effect_kl, observed=observed))


def test_answers_repeat(loaded_model, gate):
    gate(integrity.answers_repeat(loaded_model))


def test_switches_on_and_off(adapter_directory, loaded_model, gate):
    gate(integrity.switches_cleanly(loaded_model))


def test_batched_equals_single(loaded_model, observed, margins, gate):
    gate(integrity.padding_changes_nothing(loaded_model, most_kl=margins.padding_kl, observed=observed))


def test_survives_saving(adapter_directory, loaded_model, gate):
    gate(integrity.survives_saving(loaded_model, adapter_directory))


def test_merged_equals_unmerged(adapter_directory, loaded_model, observed, assay, margins, gate):
    limits = {"most_share": margins.merge_share, "most_flips": margins.merge_flips, "most_kl": margins.merge_kl}
    served_merged = assay.settings.config.serving.is_merged
    if not served_merged and (why := integrity.unmergeable(loaded_model)):
        pytest.skip(why)
    gate(integrity.merges_cleanly(loaded_model, **limits, served_merged=served_merged, observed=observed))


def test_measured_as_served(candidate_directory, assay, gate):
    serving, options = assay.settings.config.serving, assay.models.load_options
    if serving.dtype is None and serving.quantization is None:
        pytest.skip("`serving:` in assay.yaml says nothing of dtype and quantization")
    measured = options.dtype, options.quantization
    gate(integrity.precision_is_as_served(measured, (serving.dtype, serving.quantization)))


def test_decoded_as_served(candidate_directory, subject, assay, gate):
    shipped = assay.models.subject("shipped") if assay.settings.shipped_spec is not None else None
    gate(
        integrity.decoding_is_as_stated(
            integrity.served_directories(subject, shipped), assay.settings.config.serving.decoding
        )
    )


def test_answers_end_by_themselves(task_name, compare, margins_of, gate):
    gate(integrity.answers_end(compare(task_name), margins_of(task_name).stops_with_eos))
