"""What of a generation_config changes greedy answers is stated, measured, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.checks.integrity import decoding_is_as_stated, served_directories
from harness.config.checking import check as validated
from harness.config.checking import location
from harness.config.decoding import UNMEASURED, Decoding, acting
from harness.config.spec import parse_model_spec
from harness.errors import ConfigError, ModelError
from harness.models.identity import Identity
from harness.models.resolve import ResolvedAdapter, ResolvedModel
from harness.models.subject import Subject

# Keys of transformers' that leave greedy answers alone, or that are a task's own (how long they may be).
LEFT_ALONE = {
    "max_length", "max_new_tokens", "max_time", "early_stopping", "length_penalty", "diversity_penalty", "low_memory",
    "do_sample", "use_cache", "cache_implementation", "cache_config", "max_cache_len", "temperature", "top_k", "top_p",
    "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff", "renormalize_logits", "remove_invalid_values",
    "num_return_sequences", "output_attentions", "output_hidden_states", "output_scores", "output_logits",
    "return_dict_in_generate", "pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id", "is_assistant",
    "num_assistant_tokens", "num_assistant_tokens_schedule", "assistant_confidence_threshold", "prompt_lookup_num_tokens",
    "max_matching_ngram_size", "assistant_early_exit", "assistant_lookbehind", "target_lookbehind",
    "assistant_ensemble_weight", "speculation_type", "use_mtp", "compile_config", "disable_compile",
    "continuous_batching_config", "prefill_chunk_size",
}  # fmt: skip

ACTING = [
    ("repetition_penalty", 1.3),
    ("encoder_repetition_penalty", 0.9),
    ("no_repeat_ngram_size", 3),
    ("encoder_no_repeat_ngram_size", 2),
    ("bad_words_ids", [[5], [6, 7]]),
    ("sequence_bias", [[[5], -4.0]]),
    ("suppress_tokens", [0]),
    ("begin_suppress_tokens", [5]),
    ("forced_bos_token_id", 0),
    ("forced_eos_token_id", [2, 3]),
    ("min_length", 8),
    ("min_new_tokens", 4),
    ("exponential_decay_length_penalty", [10, 1.5]),
]
IDLE = {
    "repetition_penalty": 1.0, "encoder_repetition_penalty": 1, "no_repeat_ngram_size": 0, "bad_words_ids": [],
    "suppress_tokens": None, "min_length": 0, "num_beams": 1, "guidance_scale": 1.0, "sequence_bias": [], "min_new_tokens": 0,
    "exponential_decay_length_penalty": [10, 1.0], "temperature": 0.6, "top_p": 0.9, "top_k": 20, "do_sample": True,
    "max_length": 4096, "eos_token_id": [2], "something_else": 7,
}  # fmt: skip


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "base").mkdir()
    return tmp_path / "base"


def decide(directory: Path, said: dict[str, Any], stated: dict[str, Any] | None = None, place: str = "the base") -> Any:
    (directory / "generation_config.json").write_text(json.dumps(said))
    return decoding_is_as_stated({place: directory}, read(stated or {}))


def read(stated: dict[str, Any]) -> Decoding:
    return validated(Decoding, stated, location("assay.yaml"), ConfigError)


def test_every_key_that_transformers_knows_is_told_to_act_or_not() -> None:
    from transformers import GenerationConfig

    known = {key for key in vars(GenerationConfig()) if not key.startswith("_") and key != "transformers_version"}
    assert known - LEFT_ALONE == set(Decoding.model_fields)
    assert not LEFT_ALONE & set(Decoding.model_fields)


@pytest.mark.parametrize(("key", "value"), ACTING)
def test_a_rule_that_changes_greedy_answers_fails_until_it_is_stated(base: Path, key: str, value: Any) -> None:
    check = decide(base, {key: value})
    assert (
        not check.holds
        and f"of the base sets {key} to {value!r}" in check.reason
        and "serving: decoding:" in check.remedy
    )
    stated = decide(base, {key: value}, {key: value})
    assert stated.holds and f"decoded by {key} {value!r}" in stated.reason and "must not read" not in stated.reason


def test_a_rule_may_be_stated_not_to_be_used(base: Path) -> None:
    check = decide(base, {"repetition_penalty": 1.3}, {"repetition_penalty": 1.0})
    assert check.holds and "its server must not read repetition_penalty 1.3" in check.reason


def test_what_greedy_answers_pass_over_is_let_be(base: Path) -> None:
    check = decide(base, IDLE)
    assert check.holds and check.reason == "nothing changes greedy answers"
    assert decoding_is_as_stated({"the adapter": base.parent}, Decoding()).holds


@pytest.mark.parametrize(
    ("key", "value", "idle"),
    [
        ("num_beams", 4, 1), ("guidance_scale", 1.5, 1.0), ("force_words_ids", [[1]], []), ("penalty_alpha", 0.6, 0.0),
        ("dola_layers", "high", []), ("token_healing", True, False), ("watermarking_config", {"bias": 2.0}, {}),
        ("stop_strings", ["END"], []), ("constraints", [1], []), ("num_beam_groups", 2, 1),
    ],
)  # fmt: skip
def test_what_is_not_measured_is_refused_by_name(base: Path, key: str, value: Any, idle: Any) -> None:
    check = decide(base, {key: value})
    assert not check.holds and key in check.reason and "not measured" in check.remedy
    with pytest.raises(
        ConfigError, match=f"{key} is .*not measured: {UNMEASURED[key].partition('(')[0]}".replace("`", ".")
    ):
        read({key: value})
    assert decide(base, {key: value}, {key: idle}).holds


def test_a_model_without_the_file_goes_by_its_config(base: Path) -> None:
    (base / "config.json").write_text(
        '{"model_type": "llama", "min_length": 0, "text_config": {"no_repeat_ngram_size": 3}}'
    )
    check = decoding_is_as_stated({"the base": base}, Decoding())
    assert not check.holds and "config.json of the base sets no_repeat_ngram_size to 3" in check.reason
    assert decide(base, {}).holds


def test_several_rules_and_several_places_are_named(base: Path) -> None:
    adapter = base.parent
    (adapter / "generation_config.json").write_text('{"min_length": 5}')
    (base / "generation_config.json").write_text('{"repetition_penalty": 1.3, "num_beams": 2}')
    check = decoding_is_as_stated({"the base": base, "the adapter": adapter}, read({"repetition_penalty": 1.3}))
    assert "of the base sets num_beams to 2" in check.reason and check.reason.endswith("nor of min_length")


def test_a_torn_file_is_an_error(base: Path) -> None:
    (base / "generation_config.json").write_text("{")
    with pytest.raises(ModelError, match=r"generation_config\.json"):
        decoding_is_as_stated({"the base": base}, Decoding())


def subject(directory: Path, **more: Any) -> Subject:
    return Subject(ResolvedModel("base", directory), "float32", **more)


def test_files_are_read_where_serving_reads_them(base: Path, tmp_path: Path) -> None:
    adapter = ResolvedAdapter("mine", tmp_path / "converted", origin=tmp_path)
    assert served_directories(subject(base)) == {"the model": base}
    assert served_directories(subject(base, adapter=adapter), subject(tmp_path)) == {
        "the base": base, "the adapter": tmp_path, "what ships": tmp_path,
    }  # fmt: skip


def test_a_rule_is_part_of_who_answers(tiny_model_dir: Path) -> None:
    def who(**rules: Any) -> Identity:
        return subject(tiny_model_dir, decoding=rules).identity()

    assert "decoding" not in who().parts
    assert len({who().digest, who(min_length=3).digest, who(min_length=4).digest}) == 3


def test_a_server_decodes_by_itself() -> None:
    served = parse_model_spec("openai:mine@http://localhost:1/v1").served
    with pytest.raises(ConfigError, match=r"serving.decoding states min_length, and .*mine.* decodes by itself"):
        Subject(ResolvedModel("mine", served), "float32", decoding={"min_length": 3})


def test_what_is_stated_acts_only_where_it_changes_something() -> None:
    stated = read({"repetition_penalty": 1.2, "no_repeat_ngram_size": 0, "num_beams": 1})
    assert stated.acting == {"repetition_penalty": 1.2} == acting(stated.said)
