"""The chat templates beside a tokenizer, wherever it keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import AdapterError
from harness.models.adapters.files import read_json
from harness.paths import read_text_file

_DEFAULT, _WITH_TOOLS = "default", "tool_use"


def read_chat_templates(directory: Path) -> dict[str, str]:
    """Name -> template, as transformers finds them; a single one is named "default", and there may be none.

    Files (`chat_template.jinja`, `additional_chat_templates/NAME.jinja`) come before tokenizer_config.json, which has
    one text, or a list of {"name": ..., "template": ...}.

    Raises:
        AdapterError: a file cannot be read, or holds no templates where it should.
    """
    files = {path.stem: path for path in sorted((directory / "additional_chat_templates").glob("*.jinja"))}
    if (directory / "chat_template.jinja").is_file():
        files[_DEFAULT] = directory / "chat_template.jinja"
    if files:
        return {name: _read(path) for name, path in files.items()}
    config = directory / "tokenizer_config.json"
    held = read_json(config).get("chat_template") if config.is_file() else None
    if held is None:
        return {}
    try:
        return _named(held)
    except (KeyError, TypeError, ValueError) as exc:
        raise AdapterError(f"chat_template in {config} is {held!r}", "save the tokenizer again") from exc


def template_for(templates: Mapping[str, str], *, tools: bool) -> str | None:
    """The template that transformers takes for a conversation (`get_chat_template`); None where there is none."""
    return templates.get(_WITH_TOOLS if tools and _WITH_TOOLS in templates else _DEFAULT)


def _read(path: Path) -> str:
    return read_text_file(path, AdapterError, "save the tokenizer again, as UTF-8")


def _named(held: Any) -> dict[str, str]:
    templates = {_DEFAULT: held} if isinstance(held, str) else {entry["name"]: entry["template"] for entry in held}
    if not all(isinstance(text, str) for item in templates.items() for text in item):
        raise ValueError(held)
    return templates
