"""The generated reference holds all there is in the code, and the site all there is in docs/."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from documents import ROOT
from generator import fixtures, gates, literals, metrics, options, schema, sources, zoo
from generator.pages import PAGES

from harness.models.adapters.misfit import Cause


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {address: write() for address, write in PAGES.items()}


def test_every_page_is_in_the_navigation_and_exists(pages: dict[str, str]) -> None:
    written = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert not written & set(pages), "a page that is generated must not be committed"
    assert set(_addresses(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])) == written | set(pages)


def _addresses(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for entry in nav.values() if isinstance(nav, dict) else nav:
            yield from _addresses(entry)


def test_links_lead_to_pages(pages: dict[str, str]) -> None:
    """Those of README to files of the repository, those of the site within it."""
    texts = {path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / "docs").rglob("*.md")}
    texts |= {f"docs/{address}": text for address, text in pages.items()}
    texts["README.md"] = (ROOT / "README.md").read_text()
    for address, text in texts.items():
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            reached = ((ROOT / address).parent / target).resolve().relative_to(ROOT)
            assert reached.as_posix() in texts or reached.parts[:2] == ("docs", "assets"), (
                f"{address} links to {target}"
            )


def test_the_table_of_packages_is_that_of_the_import_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [layer.split(" | ") for layer in contracts[0]["layers"]]
    table = (ROOT / "docs/architecture.md").read_text().partition("| package |")[2].partition("\n\n")[0]
    assert [re.findall(r"`(\w+)`", row.split("|")[1]) for row in table.splitlines()[2:]] == layers


def test_the_option_table_is_that_of_pytest_help(help_text: str) -> None:
    rows = re.findall(r"^\| (`--.*?) \| .* \| `(assay_\w+)` \|$", options.page(), re.MULTILINE)
    assert len(rows) == len(sources.options())
    help_of_assay = help_text.partition("adapter-assay:")[2]
    for names, ini in rows:
        for name in re.findall(r"`(--[\w-]+)`", names):
            assert re.search(rf"^  .*{name}\b", help_of_assay, re.MULTILINE), name
        assert f"{ini} (" in help_text
    shown = {name for names, _ in rows for name in re.findall(r"`(--[\w-]+)`", names)}
    offered = {
        f"--{option.name}"
        for option in sources.options()
        if re.search(rf"^  --{option.name}\b[^-]*short for\s+--assay-{option.name}\b", help_of_assay, re.MULTILINE)
    }
    assert {name for name in shown if not name.startswith("--assay-")} == offered


def test_every_command_shows_its_help(pages: dict[str, str]) -> None:
    text = pages["reference/commands.md"]
    for command in ("train", "doctor", "init", "report", "cache verify", "runs", "baseline set", "compare", "annotate"):
        assert f"## assay {command}\n" in text
        assert f"usage: assay {command}" in text


def test_every_fixture_of_the_plugin_is_shown_once() -> None:
    assert sorted(re.findall(r"^## (\w+)$", fixtures.page(), re.MULTILINE)) == sorted(sources.fixtures())


def test_every_metric_says_what_it_is() -> None:
    text = metrics.page()
    for name in metrics.MEANING:
        assert f"| `{name}` |" in text, f"{name} is described, but no kind of task has it"


def test_every_gate_has_a_remedy_or_that_of_its_rule() -> None:
    general = {
        f"{suite}/{gate.test}"
        for suite, module in sources.suites().items()
        for gate in gates.gates_of(module)
        if not gate.advice
    }
    of_checks_put_together = {"integrity/test_each_of_the_stack_is_sound", "release/test_files_are_whole"}
    assert general == {"task/test_task", "safety/test_continuations_are_not_more_toxic", *of_checks_put_together}
    assert all(remedy for _, _, remedy in sources.general_remedies())


def test_every_gate_says_what_it_asks() -> None:
    """By the docstring of what decides it; a gate on one metric by its name and the page of metrics."""
    for suite, module in sources.suites().items():
        for gate in gates.gates_of(module):
            assert gate.asks or gate.names or gate.limits or suite == "task", gate.test


def test_every_limit_of_a_gate_is_a_key_of_the_configuration(pages: dict[str, str]) -> None:
    anchors = set(re.findall(r"\{: #([\w-]+) \}", pages["reference/configuration.md"]))
    assert set(re.findall(r"configuration\.md#([\w-]+)", pages["reference/gates.md"])) <= anchors


def test_every_integrity_gate_is_listed_with_its_causes_and_remedies(pages: dict[str, str]) -> None:
    text = pages["reference/integrity.md"]
    rows = [[cell.strip() for cell in row.split(" | ")] for row in text.splitlines() if row.startswith("| ")]
    assert all(cause.strip("| ") and remedy.strip("| ") for *_, cause, remedy in rows)
    listed = {name for first, *_ in rows for name in re.findall(r"`((?:integrity|baseline)/[^`]+)`", first)}
    known = {f"integrity/{name}" for gate in gates.gates_of(sources.suites()["integrity"]) for name in gate.names}
    assert listed == {*known, "baseline/same_base"}
    assert {
        "integrity/decoding",
        "integrity/base_match",
        "integrity/config",
        "integrity/TASK/stops_with_eos/at_least",
    } <= listed
    unfit = text.partition("{: #unfit }")[2].partition("{: #unreadable }")[0]
    assert unfit.count("\n| ") - 1 >= len(Cause)
    for told in ("is not a readable safetensors file", "tensors of integers", "byte-order mark", "twice:"):
        assert told in text, told


RETRAIN = "train again"


def _verdict(reason: str, remedy: str) -> tuple[str, str]:
    return reason, remedy


def _decides(missing: list[str]) -> tuple[str, str]:
    remedy = f"{RETRAIN}, or restore {missing[0]}"
    return _verdict(f"{len(missing)} tensors are " + "missing", remedy if missing else "")


def test_texts_are_read_from_the_source_with_an_ellipsis_for_what_a_run_fills_in() -> None:
    source = literals.Source.of(_decides)
    call = next(call for call in source.calls() if source.argument(call, "reason") is not None)
    assert source.texts(source.argument(call, "reason")) == ["… tensors are missing"]
    assert source.texts(source.argument(call, "remedy")) == ["train again, or restore …"]


SCHEMA = {
    "properties": {
        "model": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None, "description": "the base"},
        "limits": {"$ref": "#/$defs/Limits", "description": "limits of gates"},
        "others": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Limits"}, "description": "task -> limits"},
        "reads": {"enum": ["auto", "text"], "default": "auto", "description": "how | what"},
        "gates": {"type": "array", "items": {"$ref": "#/$defs/Gate"}, "description": "rules"},
        "layout": {"type": "string", "deprecated": True, "description": "old"},
        "peft": {"type": "object", "properties": {"r": {"type": "integer"}, "bias": {"type": "string"}}},
    },
    "$defs": {
        "Limits": {"type": "object", "properties": {"kl": {"type": "number", "default": 0.1, "description": "nats"}}},
        "Gate": {
            "type": "object",
            "properties": {"at": {"type": "number", "description": "bound"}, "or": {"$ref": "#/$defs/Gate"}},
        },
    },
}  # fmt: skip


def test_a_schema_becomes_a_section_an_object_and_a_row_a_key() -> None:
    text = schema.page("File", SCHEMA, "Intro.\n")
    assert re.findall(r"^## (\S+) ", text, re.MULTILINE) == ["limits", "gates[]", "peft"]
    assert "| `model` | text or null | `null` | the base |" in text
    assert '| `reads` | `auto`, `text` | `"auto"` | how \\| what |' in text
    assert "| `others` | name: section |  | Task -> limits. Keys: [limits](#limits). |" in text
    assert "| `gates` | list of section |  | Rules. Keys: [gates[]](#gates-entry). |" in text
    assert "| `or` | section |  | Keys: [gates[]](#gates-entry). |" in text
    assert "Its keys: `r`, `bias`." in text
    assert "layout" not in text


def test_every_adapter_of_the_zoo_is_listed_with_its_gate() -> None:
    listed = dict(re.findall(r"^\| `(\w+)` \| .+ \| (.*) \|$", zoo.page(), re.MULTILINE))
    parts = sources.zoo()
    assert set(listed) == {one.name for part in parts.values() for one in part}
    for one in (one for part in parts.values() for one in part):
        assert one.about.endswith(".") and one.about[0].isupper(), one.name
        assert all(f"`{gate}`" in listed[one.name] for gate in (*one.caught_by, *one.spares))
        assert bool(listed[one.name]) is not one.healthy
    assert listed["zero_b"] == "`integrity/trained`"
