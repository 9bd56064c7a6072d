"""Chat templates are found where transformers finds them, and by the names it gives them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tiny import trained_tokenizer
from transformers import PreTrainedTokenizerBase

from harness.errors import AdapterError, ModelError
from harness.models import chat_templates
from harness.models.chat_templates import read_chat_templates, render_turns, template_for
from harness.models.identity import chat_template_digest


def configure(directory: Path, template: object) -> None:
    (directory / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))


LIST = [{"name": "default", "template": "D"}, {"name": "tool_use", "template": "T"}]


def test_a_list_is_read_by_name_and_saved_as_files_it_is_the_same(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for directory in (old, new / "additional_chat_templates"):
        directory.mkdir(parents=True)
    configure(old, LIST)
    (new / "chat_template.jinja").write_text("D")
    (new / "additional_chat_templates" / "tool_use.jinja").write_text("T")
    assert read_chat_templates(old) == read_chat_templates(new) == {"default": "D", "tool_use": "T"}
    assert chat_template_digest(old) == chat_template_digest(new)
    (new / "additional_chat_templates" / "tool_use.jinja").write_text("U")
    assert chat_template_digest(old) != chat_template_digest(new)


def test_files_come_before_the_configuration(tmp_path: Path) -> None:
    configure(tmp_path, "old")
    assert read_chat_templates(tmp_path) == {"default": "old"}
    (tmp_path / "chat_template.jinja").write_text("new")
    assert read_chat_templates(tmp_path) == {"default": "new"}


def test_tools_take_the_template_named_for_them_where_there_is_one() -> None:
    assert template_for({"default": "D", "tool_use": "T"}, tools=True) == "T"
    assert template_for({"default": "D", "tool_use": "T"}, tools=False) == "D"
    assert template_for({"default": "D"}, tools=True) == "D"
    assert template_for({}, tools=False) is None


@pytest.mark.parametrize("template", [5, [{"name": "default"}], ["D"], [{"name": "default", "template": 1}]])
def test_what_is_no_template_is_named(tmp_path: Path, template: object) -> None:
    configure(tmp_path, template)
    with pytest.raises(AdapterError, match="chat_template in"):
        read_chat_templates(tmp_path)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return trained_tokenizer(300)


LOOPS = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
TREE = "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(100) }}"
PRINTS = "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}"
CALLS_ITSELF = "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"
NESTS = "{% set all = namespace(x=[]) %}{% for i in range(9999) %}{% set all.x = [all.x] %}{% endfor %}{{ all.x }}"


@pytest.mark.parametrize(
    ("template", "told"),
    [
        (LOOPS, "takes more than 0.2 s"),
        (TREE, "takes more than 0.2 s"),
        (PRINTS, "takes more than 0.2 s"),
        ("{{ 'a' * 10000000000000 }}", "asks for more than 1.0 GiB"),
        ("{{ '%0*d' % (10000000000000, 1) }}", "asks for more than 1.0 GiB"),
        ("{{ messages[0]['content'].ljust(10000000000000) }}", "asks for more than 1.0 GiB"),
        (CALLS_ITSELF, "calls itself"),
        (NESTS, "calls itself"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "calls itself"),
        ("{{ 'a' * 70000 }}", "writes 70,000 characters"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts a process's memory")
def test_a_template_that_would_not_end_is_refused(
    tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch, template: str, told: str
) -> None:
    if "takes" in told:
        monkeypatch.setattr(chat_templates, "_LONGEST_S", 0.2)
    monkeypatch.setattr(chat_templates, "_MOST_CHARACTERS", 1 << 16)
    with pytest.raises(ModelError, match=told) as refused:
        render_turns(tokenizer, [{"role": "user", "content": "Hello."}], template=template)
    assert "saved beside the adapter" in refused.value.problem


def test_the_template_of_a_base_is_refused_by_the_name_of_the_base(tmp_path: Path) -> None:
    tokenizer = trained_tokenizer(300)
    tokenizer.chat_template = CALLS_ITSELF
    tokenizer.save_pretrained(tmp_path)
    tokenizer.name_or_path = str(tmp_path)
    with pytest.raises(ModelError, match="calls itself") as refused:
        render_turns(tokenizer, [{"role": "user", "content": "Hello."}])
    assert f"in {tmp_path}" in refused.value.problem


def test_a_template_within_bounds_renders_as_it_does(tokenizer: PreTrainedTokenizerBase) -> None:
    turns = [{"role": "user", "content": "a" * 1_000_000}]
    assert render_turns(tokenizer, turns, open_ended=True) == tokenizer.apply_chat_template(
        turns, add_generation_prompt=True, tokenize=False
    )
