"""Chat templates are found where transformers finds them, and by the names it gives them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import AdapterError
from harness.models.chat_templates import read_chat_templates, template_for
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
