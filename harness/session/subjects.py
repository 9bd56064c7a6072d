"""Who is measured: base and candidate, what ships of the latter, and what it was merged from."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

from harness.config import FILE_NAME
from harness.config.settings import Settings
from harness.config.spec import SubjectSpec
from harness.engines.backends import served_identity
from harness.errors import ConfigError
from harness.models import Identity, ResolvedModel, ServedModel
from harness.models.subject import Subject
from harness.records import Role
from harness.session.finding import Finder
from harness.session.parents import Parent, as_it_lies, parents_of
from harness.training.staged import AnyRecipe

log = logging.getLogger(__name__)

ROLES: tuple[Role, ...] = ("base", "candidate")
SHIPPED: Role = "shipped"


def no_shipped() -> ConfigError:
    """What to raise where what ships is not named."""
    return ConfigError("nothing is named that ships", f"pass --shipped=SPEC, or name it as `shipped:` in {FILE_NAME}")


def no_candidate() -> ConfigError:
    """What to raise where neither a candidate nor a recipe was named."""
    return ConfigError(
        "there is no adapter to judge, and no other candidate",
        f"pass --adapter=DIRECTORY or --candidate=MODEL, or name a `recipe:` in {FILE_NAME}",
    )


class Subjects:
    """Base and candidate, and further subjects by name, each found when first asked for, and kept.

    Attributes:
        finder: finds what was named, and trains a recipe.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.finder = Finder(settings)
        self._further: dict[str, Subject] = {}
        self._identities: dict[str, Identity] = {}

    @property
    def base(self) -> ResolvedModel:
        """The base model, on disk or served."""
        return self.finder.base

    @property
    def recipe(self) -> AnyRecipe | None:
        """The recipe that the candidate is trained by; None where the candidate is there."""
        return self.finder.recipe

    @cached_property
    def reference(self) -> Subject:
        """The base as it is measured. Without a chat template of its own it is asked by that chosen for the candidate."""
        subject = Subject(
            self.base,
            self.finder.dtype,
            self.finder.quantization,
            self.finder.device,
            template_args=self.settings.config.template_args,
            system_prompt=self.settings.config.system_prompt,
            decoding=self.settings.config.serving.decoding.acting,
            trust_remote_code=self.settings.trust_remote_code,
        )
        if self.chosen_template in (None, "base") or subject.is_served or subject.own_templates:
            return subject
        return replace(subject, chat_template=self.candidate.chat_template)

    @property
    def chosen_template(self) -> str | None:
        """The candidate's chat template, as it was chosen; None where nobody chose."""
        spec = self.settings.candidate_spec
        return (spec.template if spec is not None else None) or self.settings.template

    @cached_property
    def candidate(self) -> Subject:
        """What is on trial, on disk or served; its adapter is trained now if it was named by its recipe.

        Raises:
            ConfigError: neither a candidate nor a recipe was named.
        """
        if self.spec is None:
            raise no_candidate()
        return self.finder.resolve(self.spec, template=self.chosen_template, recipe=self.recipe)

    @cached_property
    def spec(self) -> SubjectSpec | None:
        """The candidate as it was named; an adapter that was trained on another adapter, with that one."""
        named = self.settings.candidate_spec
        return None if named is None else _as_it_lies(named)

    @cached_property
    def parents(self) -> Mapping[str, Parent]:
        """What the candidate was merged from, by the names of their gates."""
        return {parent.name: parent for parent in parents_of(self.spec)}

    def subject(self, role: str) -> Subject:
        """Base, candidate, what ships of it (`shipped`), or one of its parents by its name.

        Raises:
            AssayError: it is not named, or not what it was.
        """
        if role in ROLES:
            return self.reference if role == "base" else self.candidate
        if role not in self._further:
            self._further[role] = self._shipped() if role == SHIPPED else self._parent(self.parents[role])
        return self._further[role]

    def _shipped(self) -> Subject:
        """A whole model is taken as its files are, or as `serving:` says that they are loaded; on the base's weights, and where
        neither says otherwise, precision and template are those of the candidate.
        """
        named, serving = self.settings.shipped_spec, self.settings.config.serving
        if named is None:
            raise no_shipped()
        spec = _as_it_lies(named)
        found = self.finder.find(spec)
        on_base = found.weights == self.base
        return self.finder.resolve(
            replace(spec, dtype=spec.dtype or serving.dtype),
            found=found,
            template=self.chosen_template if on_base else None,
            quantization=serving.quantization or (self.finder.quantization if on_base else "none"),
        )

    def _parent(self, parent: Parent) -> Subject:
        """Measured as the candidate is; on the base's weights, asked by its template too."""
        spec = _as_it_lies(parent.spec)
        found = self.finder.find(spec)
        subject = self.finder.resolve(spec, found=found)
        parent.check(identity_of(subject))
        if self.chosen_template is None or subject.is_served or found.weights != self.base:
            return subject
        return replace(subject, chat_template=self.candidate.chat_template)

    def check_candidate(self) -> None:
        """Refuse what is named and lies on this machine, but is neither a model nor an adapter; nothing is fetched or trained.

        Raises:
            AssayError: the candidate, or what it was merged from, cannot be measured.
        """
        if self.spec is None:
            raise no_candidate()
        self.finder.check(self.spec, *(parent.spec for parent in self.parents.values()))

    def check_shipped(self) -> None:
        """The same of what ships.

        Raises:
            AssayError: it cannot be measured.
        """
        if self.settings.shipped_spec is not None:
            self.finder.check(self.settings.shipped_spec)

    def identity(self, role: str) -> Identity:
        """Who one of them was when it was first asked; that of the base needs no adapter."""
        if role not in self._identities:
            self._identities[role] = identity_of(self.subject(role))
        return self._identities[role]

    @cached_property
    def identities(self) -> dict[Role, Identity]:
        """Identity of base and candidate.

        Raises:
            ConfigError: they are one model, by its name or place.
        """
        if self.candidate == self.reference:
            raise ConfigError(
                f"the candidate is the base ({self.base.name}): there is nothing to compare",
                "pass what is to be released as --adapter or --candidate, and with --model what it is held against",
            )
        return {role: self.identity(role) for role in ROLES}

    @property
    def shares_weights(self) -> bool:
        """Whether base and candidate are one model in memory, with the adapter off and on."""
        return self._shares_weights("candidate")

    @property
    def shares_base(self) -> bool:
        """Whether the candidate is an adapter that is switched on and off on the base."""
        return self.is_on_base("candidate")

    def _shares_weights(self, role: str) -> bool:
        if self.subject(role).is_served or self.base.is_served:
            return False
        return self.identity(role).shares_weights_with(self.identity("base"))

    def is_on_base(self, role: str) -> bool:
        """Whether one of them is an adapter on the base's weights, as these are measured."""
        return self.subject(role).adapter is not None and self._shares_weights(role)


def identity_of(subject: Subject) -> Identity:
    """Who a subject is now."""
    return served_identity(subject.location) if isinstance(subject.location, ServedModel) else subject.identity()


def _as_it_lies(named: SubjectSpec) -> SubjectSpec:
    spec = as_it_lies(named)
    if spec != named:
        log.info(
            "%s was trained on the adapter %s, which is merged first", *(one.value for one in spec.adapters[:-3:-1])
        )
    return spec
