"""The JSON schema: it is what is read, the shipped copies are current, and editors find them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from plugged import plug_in
from pydantic import ValidationError

from harness.cli import main
from harness.cli.schema import config_schema
from harness.config import BUILT_IN_PROFILES, ConfigFile
from harness.config.checking import resolve
from harness.gates.kinds import KINDS
from harness.tasks.build import AnswerKeys
from harness.tasks.kinds import TASK_KINDS, TaskKind

ROOT = Path(__file__).parents[2]
ASSAY = ROOT / "assay.yaml"
RECIPES = sorted((ROOT / "fixtures" / "recipes").glob("*.yaml"))
SCHEMAS = ROOT / "fixtures" / "schemas"
REGENERATE = (
    "assay schema > fixtures/schemas/assay.schema.json; assay schema --recipe > fixtures/schemas/recipe.schema.json"
)

DEVIATIONS = {
    "recipe": "the suites need something to train where no adapter is given",
    "tasks": "the task that the shipped recipe teaches",
    "judge.model": "a judge that is at hand, so that the judge suite can be seen at work; without, it is skipped",
}
"""Where the shipped assay.yaml says something else than the schema's default, and why."""


@pytest.mark.parametrize(("name", "arguments"), [("assay", []), ("recipe", ["--recipe"])])
def test_the_shipped_schema_is_current(name: str, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", *arguments]) == 0
    assert (SCHEMAS / f"{name}.schema.json").read_text() == capsys.readouterr().out, REGENERATE


@pytest.mark.parametrize("file", [ASSAY, *RECIPES], ids=lambda file: file.name)
def test_an_editor_finds_the_schema_of_a_shipped_file_beside_it(file: Path) -> None:
    words, _, place = file.read_text().splitlines()[0].partition("=")
    assert words == "# yaml-language-server: $schema"
    named = (file.parent / place).resolve()
    assert named == SCHEMAS / ("assay.schema.json" if file == ASSAY else "recipe.schema.json")
    assert yaml.safe_load(file.read_text()).keys() <= json.loads(named.read_text())["properties"].keys()


def test_a_task_is_completed_by_its_kind_and_a_gate_by_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = replace(KINDS.get("at_least"), name="more_than")
    kind = TaskKind("pets", AnswerKeys, lambda name, keys, context: None)  # type: ignore[arg-type, return-value]
    plug_in(
        monkeypatch,
        register_task_kinds=lambda register: register(kind),
        register_gate_rules=lambda register: register(rule),
    )
    schema = config_schema()
    task = schema["properties"]["tasks"]["additionalProperties"]
    assert task["discriminator"]["mapping"].keys() == set(TASK_KINDS.names()) > {"pets", "tool_calls", "lm_eval"}
    assert [one["$ref"] for one in task["oneOf"]] == list(task["discriminator"]["mapping"].values())
    for name in TASK_KINDS.names():
        keys = resolve(schema, task, {"kind": name})
        assert keys["properties"]["kind"]["const"] == name
        assert "kind" in keys["required"] and keys["additionalProperties"] is False
        assert resolve(schema, keys["properties"]["gates"]["items"])["properties"].keys() == {
            "metric",
            *("superior", "non_inferior", "at_least", "at_most", "more_than"),
            "where",
            "severity",
        }
    old = resolve(schema, task, {"kind": "generation"})["properties"]["layout"]
    assert (old["deprecated"], old["x-renamed-to"]) == (True, "format")


def test_every_key_says_what_it_means() -> None:
    schema = config_schema()
    for section in [schema, *schema.get("$defs", {}).values()]:
        assert [key for key, one in section.get("properties", {}).items() if not one.get("description")] == []


def test_the_shipped_file_differs_from_the_defaults_only_where_it_is_said_why() -> None:
    said = ConfigFile.model_validate(yaml.safe_load(ASSAY.read_text()))
    differing = {
        key
        for section in said.model_fields_set - {"profiles"}
        for key, value, default in _leaves(section, getattr(said, section), getattr(ConfigFile(), section))
        if value != default
    }
    assert differing == DEVIATIONS.keys()
    for name, sizes in said.profiles.items():
        assert BUILT_IN_PROFILES[name].changed_by(sizes) == BUILT_IN_PROFILES[name]


def _leaves(key: str, value: object, default: object) -> list[tuple[str, object, object]]:
    fields = getattr(value, "model_fields_set", None)
    if fields is None:
        return [(key, value, default)]
    return [leaf for one in fields for leaf in _leaves(f"{key}.{one}", getattr(value, one), getattr(default, one))]


def test_importing_the_configuration_brings_in_nothing_heavy_and_nothing_above_it() -> None:
    code = (
        "import sys, harness.config.settings, harness.config.migrate;"
        "print(sorted({'torch', 'numpy', 'pandas', 'transformers'} & sys.modules.keys()),"
        "sorted({m.split('.')[1] for m in sys.modules if m.startswith('harness.')}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] ['config', 'errors', 'hookspecs', 'moved', 'paths', 'plugins', 'records']"


def test_a_section_left_empty_is_read_and_an_editor_lets_it_be() -> None:
    for key, wanted in config_schema()["properties"].items():
        kinds = [wanted, *wanted.get("anyOf", [])]
        nullable = any(one.get("type") in ("null", ["object", "null"]) for one in kinds)
        try:
            ConfigFile.model_validate({key: None})
        except ValidationError:
            assert not nullable, key
        else:
            assert nullable, key


def test_an_editor_knows_which_thresholds_a_rule_refuses() -> None:
    rules = config_schema()["$defs"]["gate"]["properties"]
    assert rules["superior"]["anyOf"][0]["minimum"] == 0
    assert rules["non_inferior"]["anyOf"][0]["exclusiveMinimum"] == 0
