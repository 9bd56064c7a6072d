"""Tokenizer, chat template and special tokens: drift is told by what it does to a text, not by how it is written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tiny import CHATML

from harness import integrity
from harness.gates import Check
from harness.models.loading import load_tokenizer

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


@pytest.fixture
def with_tokenizer(adapter: Path, tiny_model_dir: Path) -> Path:
    """An adapter saved with its tokenizer, as trainers do."""
    for name in TOKENIZER_FILES:
        shutil.copy(tiny_model_dir / name, adapter)
    return adapter


@pytest.fixture
def base(tiny_model_dir: Path, tmp_path: Path) -> Path:
    """A copy of the base, for a test to change."""
    return Path(shutil.copytree(tiny_model_dir, tmp_path / "base"))


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


class TestTokenizer:
    def test_the_bases_own_beside_the_adapter_holds(self, with_tokenizer: Path, tiny_model_dir: Path) -> None:
        cut = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
        edit(with_tokenizer / "tokenizer.json", truncation=cut)
        check = integrity.tokenizer_is_the_bases(with_tokenizer, tiny_model_dir)
        assert check.holds
        assert check.details["own_tokenizer"]

    def test_added_tokens_are_named(self, with_tokenizer: Path, tiny_model_dir: Path) -> None:
        tokenizer = load_tokenizer(with_tokenizer)
        tokenizer.add_tokens(["<tool_call>", "</tool_call>"])
        tokenizer.save_pretrained(with_tokenizer)
        check = integrity.tokenizer_is_the_bases(with_tokenizer, tiny_model_dir)
        assert not check.holds
        assert "2 tokens added, such as '</tool_call>', '<tool_call>'" in check.reason

    def test_a_token_added_for_padding_alone_is_no_drift(self, with_tokenizer: Path, tiny_model_dir: Path) -> None:
        tokenizer = load_tokenizer(with_tokenizer)
        tokenizer.add_special_tokens({"pad_token": "<|PAD|>"})
        tokenizer.save_pretrained(with_tokenizer)
        assert integrity.tokenizer_is_the_bases(with_tokenizer, tiny_model_dir).holds

    def test_other_rules_on_the_same_vocabulary_name_the_text(self, with_tokenizer: Path, tiny_model_dir: Path) -> None:
        edit(with_tokenizer / "tokenizer.json", normalizer={"type": "Lowercase"})
        check = integrity.tokenizer_is_the_bases(with_tokenizer, tiny_model_dir)
        assert not check.holds
        assert "'The harbour was quiet" in check.reason

    def test_another_eos_is_named(self, with_tokenizer: Path, tiny_model_dir: Path) -> None:
        edit(with_tokenizer / "tokenizer_config.json", eos_token="<|endoftext|>")
        check = integrity.tokenizer_is_the_bases(with_tokenizer, tiny_model_dir)
        assert "eos_token is '<|endoftext|>' beside the adapter, '<|im_end|>' of the base" in check.reason


class TestTemplate:
    @staticmethod
    def check(adapter: Path, base: Path) -> Check:
        return integrity.chat_template_is_the_bases(adapter, base, load_tokenizer(base))

    def test_no_template_and_the_bases_own_hold(self, adapter: Path, tiny_model_dir: Path) -> None:
        assert self.check(adapter, tiny_model_dir).holds
        shutil.copy(tiny_model_dir / "chat_template.jinja", adapter)
        assert self.check(adapter, tiny_model_dir).holds

    def test_another_spelling_of_the_same_template_holds(self, adapter: Path, tiny_model_dir: Path) -> None:
        respelt = CHATML.replace("message", "turn").replace("turns", "messages")
        (adapter / "chat_template.jinja").write_text("{# for training #}" + respelt)
        check = self.check(adapter, tiny_model_dir)
        assert check.holds
        assert "renders as the base's does" in check.reason

    @pytest.mark.parametrize(
        "template",
        [
            CHATML.replace("<|im_start|>", "### "),
            CHATML.replace("<|im_end|>\n", "<|im_end|>"),
            CHATML.replace("assistant\n", "assistant:"),
            "{{ raise_exception('no system prompt') }}",
        ],
        ids=["marks", "line end", "opening of the answer", "refuses"],
    )
    def test_a_template_that_renders_otherwise_is_shown(
        self, adapter: Path, tiny_model_dir: Path, template: str
    ) -> None:
        (adapter / "chat_template.jinja").write_text(template)
        check = self.check(adapter, tiny_model_dir)
        assert not check.holds
        assert "<|im_start|>user" in check.reason  # the base's, beside it


class TestSpecialTokens:
    def test_the_tiny_base_is_sound_and_says_that_pad_is_eos(self, tiny_model_dir: Path) -> None:
        check = integrity.special_tokens_agree(tiny_model_dir, load_tokenizer(tiny_model_dir))
        assert check.holds
        assert check.details["pad_is_eos"]
        assert check.details["stops_at"] == ["<|im_end|>"]

    def test_a_turn_that_ends_in_no_stop_token_is_told(self, base: Path) -> None:
        edit(base / "generation_config.json", eos_token_id=0)
        edit(base / "tokenizer_config.json", eos_token="<|endoftext|>")
        check = integrity.special_tokens_agree(base, load_tokenizer(base))
        assert not check.holds
        assert "ends in ['<|im_end|>'" in check.reason
        assert "generation stops at ['<|endoftext|>']" in check.reason

    def test_one_of_several_stop_tokens_is_enough(self, base: Path) -> None:
        edit(base / "generation_config.json", eos_token_id=[0, 2])
        edit(base / "tokenizer_config.json", eos_token="<|endoftext|>")
        assert integrity.special_tokens_agree(base, load_tokenizer(base)).holds

    def test_a_conversation_that_starts_with_bos_twice_is_told(self, base: Path) -> None:
        (base / "chat_template.jinja").write_text("{{ bos_token }}{{ bos_token }}" + CHATML)
        check = integrity.special_tokens_agree(base, load_tokenizer(base))
        assert not check.holds
        assert "'<|im_start|>' twice" in check.reason
