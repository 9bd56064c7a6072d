"""What every part of a configuration or recipe is made of: frozen, typed strictly, and without unknown keys."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

T = TypeVar("T")
RENAMED_TO = "x-renamed-to"
noted_renamings: ContextVar[list[tuple[str, str]] | None] = ContextVar("noted_renamings", default=None)
"""Old and new names of the keys that a validation meets, for `check`: it knows the file, and a validator must not warn."""


class Section(BaseModel):
    """A mapping with known keys. Its fields are the schema: type, default, and a docstring that says what each means."""

    # built on first use: a pytest session that gates nothing does not pay for it
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True, defer_build=True)

    renamed: ClassVar[Mapping[str, str]] = {}
    """Old spelling of a key -> the one it has now; the old one is read with a warning, and `assay migrate` rewrites it."""

    migrated_by: ClassVar[str] = "assay migrate"
    """The command that does so in the files of this section."""

    null_is_absent: ClassVar[bool] = False
    """Whether a key without a value is not given, rather than null."""

    @model_validator(mode="before")
    @classmethod
    def _as_named_now(cls, given: Any) -> Any:
        """A section without a value is an empty one, and an old spelling of a key stands for the new one."""
        if given is None:
            return {}
        if not isinstance(given, dict):
            return given
        for old in cls.renamed.keys() & given.keys():
            new = cls.renamed[old]
            if new in given:
                raise objection(f"{old!r} is the old name of {new!r}, and both are given", f"keep {new!r}")
            if (noted := noted_renamings.get()) is not None:
                noted.append((old, new))
        kept = {key: value for key, value in given.items() if value is not None or not cls.null_is_absent}
        return {cls.renamed.get(key, key): value for key, value in kept.items()}

    @classmethod
    def schema_for_editors(cls) -> dict[str, Any]:
        """The JSON Schema, as a document of its own. A section or a map of entries may be left empty there too."""
        schema = cls.model_json_schema(schema_generator=_Untitled)
        for part in [schema, *schema.get("$defs", {}).values()]:
            for key, wanted in part.get("properties", {}).items():
                if "$ref" in wanted:
                    if schema["$defs"][wanted["$ref"].rpartition("/")[2]].get("required"):
                        continue
                    described = {name: value for name, value in wanted.items() if name != "$ref"}
                    part["properties"][key] = {"anyOf": [{"$ref": wanted["$ref"]}, {"type": "null"}], **described}
                elif wanted.get("type") == "object":
                    wanted["type"] = ["object", "null"]
        return {"$schema": _Untitled.schema_dialect, **schema}

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The old spellings are in the JSON schema too, deprecated: an editor strikes them through."""
        schema = handler(core)
        properties = handler.resolve_ref_schema(schema).setdefault("properties", {})
        for old, new in cls.renamed.items():
            properties[old] = {**properties[new], "deprecated": True, RENAMED_TO: new}
        return schema

    if not TYPE_CHECKING:  # a checker should see no attribute that is not there

        def __getattr__(self, name: str) -> Any:
            """Suites that `assay init` wrote long ago read the old spelling."""
            if name in type(self).renamed:
                new = type(self).renamed[name]
                warnings.warn(f"{name!r} is called {new!r} now; read `.{new}`", FutureWarning, stacklevel=2)
                return getattr(self, new)
            return super().__getattr__(name)


class _Untitled(GenerateJsonSchema):
    """Without titles that only repeat the keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _entries(given: Any) -> Any:
    """A key without a value holds no entries; a name that reads as a number is a name."""
    if not isinstance(given, dict):
        return {} if given is None else given
    return {str(key) if isinstance(key, int) and not isinstance(key, bool) else key: one for key, one in given.items()}


Limit = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Tokens = Annotated[int, Field(ge=1, le=1_000_000)]
"""Of one answer: no model writes as many."""
Text = Annotated[str, Field(min_length=1)]
Named = Annotated[Mapping[str, T], BeforeValidator(_entries)]
"""Entries under names that a person chose."""


def _as_json(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """What templates are given must be told again, and digested."""
    try:
        json.dumps(given, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as exc:
        raise objection(
            f"it holds what JSON has no word for ({exc})", "give texts, numbers, true, false or lists"
        ) from exc
    return given


TemplateArgs = Annotated[Named[Any], AfterValidator(_as_json)]
"""Arguments of a chat template, by their names."""


def objection(problem: str, remedy: str) -> PydanticCustomError:
    """What a validator raises about a value, for the error that people get; without a problem its type is what is wrong."""
    return PydanticCustomError("objection", "{problem}; {remedy}", {"problem": problem, "remedy": remedy})
