"""The chat templates beside a tokenizer, wherever it keeps them, and what they make of turns."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.bounded import computed
from harness.errors import AdapterError, AssayError, ModelError
from harness.models.adapters.files import read_json
from harness.paths import read_text_file, show_size

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_DEFAULT, _WITH_TOOLS = "default", "tool_use"
_LONGEST_S = 5.0
_MOST_BYTES = 1 << 30
_MOST_CHARACTERS = 1 << 24
"""More than any model reads; a template writes little beside the turns."""


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


def render_turns(
    tokenizer: PreTrainedTokenizerBase,
    turns: Sequence[Mapping[str, Any]],
    *,
    template: str | None = None,
    tools: Sequence[Mapping[str, Any]] | None = None,
    open_ended: bool = False,
) -> str:
    """What a chat template makes of turns. It is a program of someone else's, so it is bounded in time and memory.

    Args:
        template: in place of the tokenizer's own.
        open_ended: ends in the opening of an answer.

    Raises:
        ModelError: it does not end, or asks for or writes more than any conversation takes.
        Exception: whatever a template raises by itself.
    """

    def render() -> str:
        return str(
            tokenizer.apply_chat_template(
                [dict(turn) for turn in turns],
                **({"chat_template": template} if template is not None else {}),
                tools=None if tools is None else [dict(tool) for tool in tools],
                add_generation_prompt=open_ended,
                tokenize=False,
            )
        )

    try:
        text = computed(render, longest_s=_LONGEST_S, more_bytes=_MOST_BYTES)
    except TimeoutError:
        told = f"takes more than {_LONGEST_S:g} s for a conversation"
    except MemoryError:
        told = f"asks for more than {show_size(_MOST_BYTES)} of memory for a conversation"
    except RecursionError:
        told = "calls itself without end"
    else:
        if len(text) <= _MOST_CHARACTERS + 2 * sum(len(str(turn)) for turn in turns):
            return text
        told = f"writes {len(text):,} characters for a conversation"
    raise ModelError(
        f"the chat template {_origin(tokenizer, template)} {told}: it is refused",
        "correct the template, or name another one: --template=FILE (`template:` in assay.yaml)",
    )


def _origin(tokenizer: PreTrainedTokenizerBase, template: str | None) -> str:
    """Where a template is from, for people."""
    directory = Path(tokenizer.name_or_path)
    with contextlib.suppress(AssayError):
        found = read_chat_templates(directory)
        if template is None and tokenizer.chat_template in (found, found.get(_DEFAULT)):
            return f"in {directory}"
    return "that was saved beside the adapter, or chosen in place of the base's,"


def _read(path: Path) -> str:
    return read_text_file(path, AdapterError, "save the tokenizer again, as UTF-8")


def _named(held: Any) -> dict[str, str]:
    templates = {_DEFAULT: held} if isinstance(held, str) else {entry["name"]: entry["template"] for entry in held}
    if not all(isinstance(text, str) for item in templates.items() for text in item):
        raise ValueError(held)
    return templates
