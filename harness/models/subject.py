"""A subject: what is measured. Weights, an adapter on them, precision, template, and what runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.config.spec import ServedModel
from harness.digests import digest_bytes, digest_json
from harness.errors import ConfigError
from harness.models.chat_templates import read_chat_templates
from harness.models.identity import Identity, model_identity
from harness.models.resolve import ResolvedAdapter, ResolvedModel
from harness.models.stack import Stack
from harness.paths import read_text_file, user_path


@dataclass(frozen=True)
class Member:
    """One of several adapters that make a subject, and the model that it is put on."""

    name: str
    directory: Path
    base: ResolvedModel


@dataclass(frozen=True)
class Subject:
    """What is measured, found on this machine or served.

    Attributes:
        weights: the model.
        adapter: on it; of several that were combined the one that they make.
        stack: those that `adapter` is made of, where they are several or weighted.
        members: all adapters that it was named with, where they are several; those merged into `weights` first.
        dtype, quantization, device: resolved names, never "auto".
        chat_template: text of the template in place of the model's own, or of several by their names.
        template_args: further arguments of the template.
        system_prompt: put before conversations that bring none.
        decoding: rules that its greedy answers are decoded by, as `serving: decoding:` states them.

    Raises:
        ConfigError: it is served, and there are such rules.
    """

    weights: ResolvedModel
    dtype: str
    quantization: str = "none"
    device: str = "cpu"
    adapter: ResolvedAdapter | None = None
    stack: Stack | None = None
    members: Sequence[Member] = ()
    chat_template: str | Mapping[str, str] | None = None
    template_args: Mapping[str, Any] = field(default_factory=dict)
    system_prompt: str | None = None
    decoding: Mapping[str, Any] = field(default_factory=dict)
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        if self.decoding and self.is_served:
            raise ConfigError(
                f"serving.decoding states {', '.join(self.decoding)}, and {self.weights.location} decodes by itself",
                "set these where it is served, and take them out of `serving:`",
            )

    @property
    def name(self) -> str:
        """What reports call it: its adapter, which on a base is the candidate, or its model."""
        return self.weights.name if self.adapter is None else self.adapter.name

    @property
    def recipe(self) -> str | None:
        """The recipe that its adapter was trained from, or its model where it has none; None where that is not known."""
        return self.weights.recipe if self.adapter is None else self.adapter.recipe

    @property
    def is_served(self) -> bool:
        """Whether only its answers can be had."""
        return self.weights.is_served

    @property
    def location(self) -> Path | ServedModel:
        """Where its weights are."""
        return self.weights.location

    @property
    def own_templates(self) -> Mapping[str, str]:
        """Its chat templates by name, as transformers calls them: the chosen one, or those of its model."""
        if self.chat_template is None:
            return read_chat_templates(self.weights.directory)
        return {"default": self.chat_template} if isinstance(self.chat_template, str) else self.chat_template

    @property
    def directory(self) -> Path:
        """Where the files are that make it: of its adapter, or of the model where it has none.

        Raises:
            ModelError: it is served.
        """
        return self.weights.directory if self.adapter is None else self.adapter.directory

    def identity(self) -> Identity:
        """Who it is, if it is on disk: parts that are as they come from the model's files add nothing to the digest."""
        parts = dict(
            model_identity(
                self.weights.directory,
                dtype=self.dtype,
                quantization=self.quantization,
                device=self.device,
                trust_remote_code=self.trust_remote_code,
                adapter=None if self.adapter is None or self.stack is not None else self.adapter.directory,
            ).parts
        )
        if self.stack is not None:
            parts["adapter"] = self.stack.digest
        if self.chat_template is not None:
            own = self.chat_template
            parts["chat_template"] = digest_bytes(own.encode()) if isinstance(own, str) else digest_json(dict(own))
        if self.template_args:
            parts["template_args"] = digest_json(dict(self.template_args))
        if self.system_prompt is not None:
            parts["system_prompt"] = digest_bytes(self.system_prompt.encode())
        if self.decoding:
            parts["decoding"] = digest_json(dict(self.decoding))
        return Identity(parts)


def chosen_template(template: str | None, adapter: ResolvedAdapter | None) -> str | Mapping[str, str] | None:
    """The text of a chat template that was chosen over the model's own: a file, or `adapter` for those beside the adapter.

    Raises:
        ConfigError: there is none.
    """
    if template in (None, "base"):
        return None
    if template == "adapter":
        found = {} if adapter is None else read_chat_templates(adapter.as_left)
        if "default" not in found:
            raise ConfigError("template: adapter, and no chat template lies beside one", "name the template's file")
        return found["default"] if len(found) == 1 else found
    return read_text_file(user_path(str(template), "template"), ConfigError, "give the path of a Jinja file")
