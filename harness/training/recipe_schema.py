"""The JSON Schema of recipes, for editors and the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.config.base import Section
from harness.training.arguments import LORA, UNTRAINABLE, peft_arguments, trainer_arguments
from harness.training.installed import peft_configs
from harness.training.methods import API_METHODS, METHODS
from harness.training.recipe import RecipeFile
from harness.training.stage_file import OF_ALL_STAGES, StagedFile, StageFile

ARGUMENTS = ("peft", "trainer")
"""Keys whose values are arguments of PEFT's and TRL's."""


def recipe_schema() -> dict[str, Any]:
    """The JSON Schema of a recipe, with the arguments of the installed PEFT and TRL; others may have more."""
    schema = RecipeFile.schema_for_editors()
    kinds = sorted(peft_configs(), key=lambda kind: (kind != LORA, kind))
    peft = _any_of([peft_arguments(kind) for kind in kinds if kind not in UNTRAINABLE])
    mapping, whole = schema["properties"]["peft"]["anyOf"]
    schema["properties"]["peft"]["anyOf"] = [{**mapping, "type": ["object", "null"], "properties": peft}, whole]
    schema["properties"]["trainer"]["properties"] = _any_of(
        [trainer_arguments(one) for one in (*METHODS.values(), *API_METHODS.values())]
    )
    _add_stages(schema)
    return schema


def _add_stages(schema: dict[str, Any]) -> None:
    """A recipe says its data, or stages, each of which says its own."""
    staged, stage = StagedFile.schema_for_editors(), StageFile.schema_for_editors()
    for key in ARGUMENTS:  # long, and written down once
        schema["$defs"][key] = schema["properties"][key]
        schema["properties"][key] = _reference(key, schema["$defs"][key])
    of_one = {key: said for key, said in schema["properties"].items() if key not in OF_ALL_STAGES}
    schema["$defs"]["stage"] = {
        "type": "object",
        "description": stage["description"],
        "properties": {**stage["properties"], **of_one},
        "additionalProperties": False,
    }
    text = next(one for one in staged["properties"]["stages"]["items"]["anyOf"] if one.get("type") == "string")
    staged["properties"]["stages"]["items"]["anyOf"] = [text, {"$ref": "#/$defs/stage"}]
    schema["$defs"] |= staged["$defs"]
    schema["properties"] |= {key: staged["properties"][key] for key in ("stages", "gate")}
    schema["required"] = ["base"]
    schema["oneOf"] = [{"required": ["data"]}, {"required": ["stages"]}]


def _reference(key: str, said: Mapping[str, Any]) -> dict[str, Any]:
    described = {name: said[name] for name in ("description", "default") if name in said}
    return {"$ref": f"#/$defs/{key}", **described}


def _any_of(sections: Sequence[type[Section]]) -> dict[str, Any]:
    """The arguments of all; one that several have may be what any of them takes."""
    found: dict[str, dict[str, Any]] = {}
    for section in sections:
        for name, said in section.schema_for_editors()["properties"].items():
            before = found.setdefault(name, said)
            kinds = [kind for one in (before, said) for kind in one.get("type", ())]
            untyped = not before.get("type") or not said.get("type")
            found[name] = {key: value for key, value in before.items() if key != "type"} | (
                {} if untyped else {"type": list(dict.fromkeys(kinds))}
            )
    return found
