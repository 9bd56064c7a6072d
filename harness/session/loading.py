"""Subjects in memory: each loaded when it is first asked for, in turn where memory does not hold all."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from harness.errors import AdapterError
from harness.models import Identity
from harness.models.memory import fits
from harness.models.subject import Subject
from harness.session.subjects import identity_of

if TYPE_CHECKING:
    from harness.models.in_memory import Weights
    from harness.models.loading import LoadedModel, LoadOptions

log = logging.getLogger(__name__)


class LoadedModels:
    """Subjects in memory, by role.

    Args:
        subject: what answers as a role.
        identity: who that was when it was first asked.
        load_options: how it is loaded.
        device: that it is loaded to.
    """

    def __init__(
        self,
        subject: Callable[[str], Subject],
        identity: Callable[[str], Identity],
        load_options: Callable[[Subject], LoadOptions],
        device: Callable[[], str],
    ) -> None:
        self._subject = subject
        self._identity = identity
        self._load_options = load_options
        self._device = device
        self._models: dict[str, LoadedModel] = {}

    def __getitem__(self, role: str) -> LoadedModel:
        """The model that answers as a role. Others may have to give way to its weights, and to theirs when they are used."""
        if role not in self._models:
            self._models[role] = self._load(role)
        return self._models[role]

    @cached_property
    def base_within_candidate(self) -> LoadedModel:
        """The candidate's model, read as the base reads: by its own tokenizer and template."""
        from harness.models.loading import load_tokenizer

        parts = (self._identity(role).parts for role in ("base", "candidate"))
        own, theirs = ([one.get(part) for part in ("tokenizer", "chat_template", "template_args")] for one in parts)
        candidate, base = self["candidate"], self._subject("base")
        if own == theirs:
            return candidate
        return replace(candidate, tokenizer=load_tokenizer(base.weights.directory, self._load_options(base)))

    def is_released(self, role: str) -> bool:
        """Whether a role's weights had to give way to others."""
        return role in self._models and self._models[role].weights.is_released

    def _load(self, role: str) -> LoadedModel:
        from harness.models.loading import load_model

        subject, before = self._subject(role), self._identity(role).digest
        others = {other: loaded for other, loaded in self._models.items() if other != role}
        if others and not fits(subject, self._device()):
            log.info("%s does not fit in memory beside what is there: they are loaded in turn", subject.name)
            for other, loaded in others.items():
                loaded.weights.release(partial(self._load_again, other))
        adapter = None if subject.adapter is None else subject.adapter.directory
        loaded = load_model(subject.weights.directory, self._load_options(subject), adapter=adapter)
        if identity_of(subject).digest != before:
            raise AdapterError(f"{subject.name} or its base changed while it was being measured", "start again")
        return loaded

    def _load_again(self, role: str) -> Weights:
        return self._load(role).in_memory()
