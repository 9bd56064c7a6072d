"""Tokenizer, chat template and special tokens: drift is told by what it does to a text, not by how it is written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tiny import CHATML
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from harness.checks import integrity
from harness.checks.integrity.tokenizer import encoding_faults
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

    @pytest.mark.parametrize("side", ["lstrip", "rstrip", "single_word"])
    def test_a_special_token_that_parts_a_text_otherwise_is_named(
        self, with_tokenizer: Path, tiny_model_dir: Path, side: str
    ) -> None:
        file = with_tokenizer / "tokenizer.json"
        tokens = json.loads(file.read_text())["added_tokens"]
        edit(file, added_tokens=[{**t, side: t["content"] == "<|im_end|>"} for t in tokens])
        check = integrity.tokenizer_is_the_bases(with_tokenizer, tiny_model_dir)
        assert check.holds is (side == "single_word")  # no probe has a special token within a word
        if not check.holds:
            assert "'It ends <|im_end|> here" in check.reason

    def test_tokens_added_beside_a_vocabulary_that_cannot_be_read_are_named(
        self, adapter: Path, tiny_model_dir: Path
    ) -> None:
        (adapter / "tokenizer.model").write_bytes(b"not sentencepiece")
        (adapter / "added_tokens.json").write_text('{"<tool>": 999, "<|im_end|>": 2}')
        check = integrity.tokenizer_is_the_bases(adapter, tiny_model_dir)
        assert not check.holds
        assert "1 tokens added, such as '<tool>'" in check.reason

    def test_a_vocabulary_that_cannot_be_read_is_not_said_to_be_the_bases(
        self, adapter: Path, tiny_model_dir: Path
    ) -> None:
        (adapter / "tokenizer.model").write_bytes(b"not sentencepiece")
        check = integrity.tokenizer_is_the_bases(adapter, tiny_model_dir)
        assert check.holds
        assert "cannot be compared with the base's: the adapter has tokenizer.model" in check.reason
        assert not check.details["compared"]

    def test_a_base_without_a_readable_tokenizer_is_told(self, with_tokenizer: Path, base: Path) -> None:
        (base / "tokenizer.json").rename(base / "tokenizer.model")
        check = integrity.tokenizer_is_the_bases(with_tokenizer, base)
        assert check.holds
        assert "cannot be compared with the base's: the base has tokenizer.model" in check.reason
        shutil.copy(base / "tokenizer.model", with_tokenizer)
        (with_tokenizer / "tokenizer.json").unlink()
        assert "gives the base's tokens" in integrity.tokenizer_is_the_bases(with_tokenizer, base).reason

    def test_older_files_are_read_through_transformers(self, adapter: Path, tiny_model_dir: Path, base: Path) -> None:
        for directory in (adapter, base):
            (directory / "tokenizer.json").unlink(missing_ok=True)
            (directory / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "to"]))
            (directory / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
        assert integrity.tokenizer_is_the_bases(adapter, base).details["compared"]
        with (adapter / "vocab.txt").open("a") as vocabulary:
            vocabulary.write("\nand")
        check = integrity.tokenizer_is_the_bases(adapter, base)
        assert not check.holds
        assert "1 tokens added, such as 'and'" in check.reason


def name_templates(directory: Path, **templates: str) -> None:
    """Keep chat templates as a list in tokenizer_config.json, as older repositories do."""
    (directory / "chat_template.jinja").unlink(missing_ok=True)
    listed = [{"name": name, "template": template} for name, template in templates.items()]
    edit(directory / "tokenizer_config.json", chat_template=listed)


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

    def test_named_templates_hold_however_they_are_saved(self, adapter: Path, base: Path) -> None:
        name_templates(base, default=CHATML, tool_use=CHATML + "{# for tools #}")
        load_tokenizer(base).save_pretrained(adapter)
        assert (adapter / "additional_chat_templates" / "tool_use.jinja").is_file()
        assert self.check(adapter, base).holds
        (adapter / "additional_chat_templates" / "tool_use.jinja").write_text("other" + CHATML)
        assert "differs from the base's on a question with tools" in self.check(adapter, base).reason

    @pytest.mark.parametrize(
        ("added", "what"),
        [
            ("{% if tools %}TOOLS{% endif %}", "a question with tools"),
            ("{% if messages[-1].role == 'tool' %}RESULT{% endif %}", "a tool's call and its result"),
            ("{% for m in messages %}{% if m.tool_calls %}CALL{% endif %}{% endfor %}", "a tool's call and its result"),
        ],
    )
    def test_what_only_tools_bring_out_is_shown(
        self, adapter: Path, tiny_model_dir: Path, added: str, what: str
    ) -> None:
        (adapter / "chat_template.jinja").write_text(added + CHATML)
        check = self.check(adapter, tiny_model_dir)
        assert not check.holds
        assert f"differs from the base's on {what}" in check.reason

    def test_what_both_refuse_is_no_difference(self, adapter: Path, base: Path) -> None:
        refusing = "{% if tools %}{{ raise_exception('WHY') }}{% endif %}" + CHATML
        (base / "chat_template.jinja").write_text(refusing.replace("WHY", "no tools"))
        (adapter / "chat_template.jinja").write_text(refusing.replace("WHY", "tools are not known"))
        assert self.check(adapter, base).holds

    @pytest.mark.parametrize("broken", ["{{ messages + 1 }}", "{{ 1 / 0 }}", "{% for"])
    def test_a_template_that_breaks_is_a_difference(self, adapter: Path, tiny_model_dir: Path, broken: str) -> None:
        (adapter / "chat_template.jinja").write_text(broken + CHATML)
        check = self.check(adapter, tiny_model_dir)
        assert not check.holds
        assert "(refused: " in check.reason

    def test_a_template_that_is_no_text_is_named(self, adapter: Path, tiny_model_dir: Path) -> None:
        (adapter / "chat_template.jinja").write_bytes(b"\xff\xfe")
        check = self.check(adapter, tiny_model_dir)
        assert not check.holds
        assert "chat_template.jinja cannot be read" in check.reason
        assert "UTF-8" in check.remedy


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

    @pytest.mark.parametrize("stops", [0, [0], None])
    def test_an_end_that_the_tokenizer_alone_knows_is_told_by_who_runs_past_it(self, base: Path, stops: object) -> None:
        edit(base / "generation_config.json", eos_token_id=stops)
        check = integrity.special_tokens_agree(base, load_tokenizer(base))
        assert not check.holds
        assert "an answer's turn ends in <|im_end|>, the tokenizer's EOS; model.generate stops" in check.reason
        assert "by generation_config.json" in check.reason
        assert check.remedy.startswith("add 2 (<|im_end|>) to eos_token_id")

    def test_without_a_generation_config_generation_goes_by_the_models(self, base: Path) -> None:
        (base / "generation_config.json").unlink()
        assert integrity.special_tokens_agree(base, load_tokenizer(base)).holds
        edit(base / "config.json", eos_token_id=0)
        check = integrity.special_tokens_agree(base, load_tokenizer(base))
        assert "model.generate stops at <|endoftext|> alone, by config.json" in check.reason

    def test_an_end_that_generation_knows_and_the_tokenizer_does_not_holds_and_says_so(self, base: Path) -> None:
        edit(base / "tokenizer_config.json", eos_token="<|endoftext|>")
        check = integrity.special_tokens_agree(base, load_tokenizer(base))
        assert check.holds
        assert "an answer's turn ends in <|im_end|>, and generation stops at <|im_end|>" in check.reason
        assert "the tokenizer's EOS is <|endoftext|>: what stops at that alone runs on" in check.reason

    def test_without_a_chat_template_a_text_ends_in_the_tokenizers_eos(self, base: Path) -> None:
        (base / "chat_template.jinja").unlink()
        assert integrity.special_tokens_agree(base, load_tokenizer(base)).holds
        edit(base / "generation_config.json", eos_token_id=0)
        assert "a text ends in <|im_end|>" in integrity.special_tokens_agree(base, load_tokenizer(base)).reason

    def test_a_conversation_that_starts_with_bos_twice_is_told(self, base: Path) -> None:
        (base / "chat_template.jinja").write_text("{{ bos_token }}{{ bos_token }}" + CHATML)
        check = integrity.special_tokens_agree(base, load_tokenizer(base))
        assert not check.holds
        assert "'<|im_start|>' twice" in check.reason


@pytest.fixture(scope="module")
def plain() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = (
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        decoders.ByteLevel(),
    )
    words = [
        "a farmer keeps sheep",
        "the harbour sleeps",
        "no ship leaves before seven",
        "hammers and harvesters",
    ] * 4
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(words, trainer)
    return tokenizer


class TestRules:
    """Two tokenizers of one vocabulary that split by other rules."""

    def test_written_anew_they_are_the_same(self, plain: Tokenizer) -> None:
        assert encoding_faults(plain, Tokenizer.from_str(plain.to_str())) == []

    def test_merges_in_another_order_show_in_the_words_they_make(self, plain: Tokenizer) -> None:
        written = json.loads(plain.to_str())
        merges = written["model"]["merges"]
        merges[5:] = merges[5:][::-1]
        fault = encoding_faults(plain, Tokenizer.from_str(json.dumps(written)))
        assert fault and "where the base has" in fault[0]

    def test_a_normaliser_shows_in_the_letters_it_changes(self, plain: Tokenizer) -> None:
        other = Tokenizer.from_str(plain.to_str())
        other.normalizer = normalizers.NFD()
        assert encoding_faults(plain, other)

    def test_what_is_written_otherwise_and_splits_alike_is_no_fault(self, plain: Tokenizer) -> None:
        other = Tokenizer.from_str(plain.to_str())
        other.normalizer = normalizers.Sequence([])
        assert encoding_faults(plain, other) == []
