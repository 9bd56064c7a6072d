"""How subjects are asked: with what system prompt, and whether their answers are looked through for thoughts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from harness.config.settings import Settings
from harness.engines.asking import NEVER, Asking, Reasoning, find_reasoning, has_marks
from harness.models.subject import Subject

if TYPE_CHECKING:
    from harness.models.loading import LoadOptions


class Askings:
    """How each is asked; where base or candidate thinks, the other's answers are looked through for thoughts too.

    Args:
        subject: finds what answers as a role.
        load_options: how the tokenizer of a subject is loaded.
    """

    def __init__(
        self,
        settings: Settings,
        subject: Callable[[str], Subject],
        load_options: Callable[[Subject], LoadOptions],
    ) -> None:
        self._settings = settings
        self._subject = subject
        self._load_options = load_options

    def of(self, role: str) -> Asking | None:
        """How one of them is asked: what is neither base nor candidate, as the candidate is."""
        if role in self._of_pair:
            return self._of_pair[role]
        alike = self._of_pair["candidate"]
        if alike is None:
            return None
        reasoning, count = self._thoughts(self._subject(role))
        return replace(alike, reasoning=reasoning or (NEVER if alike.reasoning else None), count=count)

    @cached_property
    def _of_pair(self) -> Mapping[str, Asking | None]:
        found = {role: self._thoughts(self._subject(role)) for role in ("base", "candidate")}
        thinks = any(reasoning for reasoning, _ in found.values())
        system = self._settings.config.system_prompt
        return {
            role: Asking(system, reasoning or (NEVER if thinks else None), count) if system or thinks else None
            for role, (reasoning, count) in found.items()
        }

    def _thoughts(self, subject: Subject) -> tuple[Reasoning | None, Callable[[str], int] | None]:
        """How a subject thinks, and how many tokens a text of its has; no tokenizer is loaded for one that does not."""
        how, budget = self._settings.reasoning, self._settings.config.reasoning_tokens
        named = None if isinstance(how, str) else Reasoning(*how, budget=budget)
        if how == "none" or subject.is_served:
            return named, None
        if named is None and not any(map(has_marks, subject.own_templates.values())):
            return None, None
        from harness.models.loading import load_tokenizer

        tokenizer = load_tokenizer(subject.weights.directory, self._load_options(subject))
        found = find_reasoning(tokenizer, budget, named)
        return found, lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])
