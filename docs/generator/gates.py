"""The page of gates: what each test of the suites asks, by which limit, and what to do where it fails.

Read from the suites and from the functions they call: docstrings, limits, and the `reason` and `remedy` that each call
builds. What is only known at run time (counts, names) shows as an ellipsis.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from generator import sources
from generator.literals import Source
from generator.markdown import code, first_paragraph, prose, sentence, table
from generator.metrics import MEANING

SECTIONS: Mapping[str, str] = {
    "margins": "margins",
    "margins_of": "margins",
    "data_rules": "data",
    "training_rules": "training",
    "overfitting_rules": "overfitting",
    "overfitting_rules_of": "overfitting",
}
"""Fixture -> the section of assay.yaml whose limits it holds."""

_HEAD = """# Gates

Every gate of the suites that ship: what it asks, the key of [assay.yaml](configuration.md) that holds its limit, and what
to do where it fails. An ellipsis stands for what the run fills in. The same remedy stands under a failed gate in the
terminal and in the report. A gate's name in a run is the suite, then (where it has one) the task, then the metric and its
rule: `forgetting/mmlu/acc/non_inferior`. By that name `severities:`, `waivers:` and `required:` mean it; see
[what blocks](../explanation/verdicts.md#what-blocks).

"""

_NAME = re.compile(r"\w+")


@dataclass(frozen=True)
class GateDoc:
    """One test of a suite."""

    test: str
    asks: str
    names: tuple[str, ...]
    limits: tuple[str, ...]
    advice: tuple[tuple[str, str], ...]


def page() -> str:
    """Every suite with its gates."""
    parts = [_HEAD]
    for suite, module in sources.suites().items():
        parts.append(f"## {suite} {{: #{suite} }}\n\n{prose(module.__doc__)}\n")
        parts += [_section(suite, gate) for gate in gates_of(module)]
    parts.append(
        "## Any other rule {: #any-other-rule }\n\n"
        "A gate without a remedy of its own, such as one of `gates:` in assay.yaml, gives this one:\n"
    )
    parts.append(table(("rule", "came out", "remedy"), ((code(k), o, r) for k, o, r in sources.general_remedies())))
    return "\n".join(parts)


def gates_of(module: ModuleType) -> Iterator[GateDoc]:
    """The gates of a suite, in its order."""
    for name, test in vars(module).items():
        if name.startswith("test_") and inspect.isfunction(test):
            yield _gate(name, test)


def _section(suite: str, gate: GateDoc) -> str:
    lines = [f"### {sentence(gate.test)} {{: #{suite}-{gate.test.removeprefix('test_')} }}\n"]
    if gate.asks:
        lines.append(gate.asks + "\n")
    facts = [f"Test {code(gate.test)}"]
    if gate.names:
        facts.append("name " + ", ".join(code(f"{suite}/{name}") for name in gate.names))
    if gate.limits:
        facts.append("limit " + ", ".join(f"[`{k}`](configuration.md#{k.partition('.')[0]})" for k in gate.limits))
    lines.append("; ".join(facts) + ".\n")
    if not gate.advice:
        lines.append("**Remedy:** [that of its rule](#any-other-rule).\n")
    elif any(cause for cause, _ in gate.advice):
        lines.append(table(("what was seen", "remedy"), gate.advice))
    else:
        remedies = [remedy for _, remedy in gate.advice]
        lines.append(
            "**Remedy:** " + (remedies[0] if len(remedies) == 1 else "".join(f"\n\n- {r}" for r in remedies)) + "\n"
        )
    return "\n".join(lines)


def _gate(name: str, test: Callable[..., Any]) -> GateDoc:
    source = Source.of(test)
    ready = sources.READY_MADE.get(name, sources.ReadyMade())
    called = _called(source) or list(ready.decided_by)
    read = [source, *map(Source.of, _with_helpers(called))]
    return GateDoc(
        test=name,
        asks=first_paragraph(called[0].__doc__) if called else " ".join(_meanings(source)),
        names=ready.names or tuple(dict.fromkeys(text for one in read for text in _names(one))),
        limits=ready.limits or tuple(dict.fromkeys(_limits(source))),
        advice=tuple(dict.fromkeys(pair for one in read for pair in _advice(one))),
    )


def _called(source: Source) -> list[Any]:
    """What the test calls of modules it imports as a whole: the functions that decide."""
    found = []
    for call in source.calls():
        if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
            module = source.names.get(call.func.value.id)
            if isinstance(module, ModuleType) and module is not source.names.get("pytest"):
                found.append(getattr(module, call.func.attr))
        elif isinstance(call.func, ast.Name) and call.func.id not in ("gate", "getattr"):
            found += _aliased(source, call.func.id)
    return list(dict.fromkeys(found))


def _aliased(source: Source, name: str) -> list[Any]:
    """A function that the test gave a shorter name (`check = integrity.merges_cleanly`)."""
    return [
        getattr(source.names[node.value.value.id], node.value.attr)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == name
        and isinstance(node.value, ast.Attribute)
        and isinstance(node.value.value, ast.Name)
        and isinstance(source.names.get(node.value.value.id), ModuleType)
    ]


def _with_helpers(functions: list[Any], depth: int = 2) -> list[Any]:
    found = list(functions)
    if depth:
        for function in functions:
            found += _with_helpers(list(Source.of(function).helpers()), depth - 1)
    return list(dict.fromkeys(found))


def _names(source: Source) -> Iterator[str]:
    """Names of what is built with a remedy, and of the metrics a test asks for."""
    for call in source.calls():
        if isinstance(call.func, ast.Attribute) and call.func.attr == "metric" and call.args:
            metric = source.texts(call.args[0])
            yield from (f"TASK/{text}/{rule}" for text in metric for rule in _rules_on(source, call))
        elif source.argument(call, "remedy") is not None:
            named = source.argument(call, "gate") or next(iter(call.args), None)
            yield from filter(_NAME.fullmatch, source.texts(named)[:1])


def _meanings(source: Source) -> Iterator[str]:
    """What the metrics are that a test asks for."""
    for call in source.calls():
        if isinstance(call.func, ast.Attribute) and call.func.attr == "metric" and call.args:
            yield from (f"On {code(name)}: {MEANING[name]}." for name in source.texts(call.args[0]) if name in MEANING)


def _rules_on(source: Source, metric: ast.Call) -> list[str]:
    """The rules put to a metric: `compare(task).metric("acc").non_inferior(...)`."""
    return [c.func.attr for c in source.calls() if isinstance(c.func, ast.Attribute) and c.func.value is metric]


def _limits(source: Source) -> Iterator[str]:
    """Keys of assay.yaml: `margins.merge_kl` and `margins_of(task).merge_kl` alike."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute):
            owner = node.value.func if isinstance(node.value, ast.Call) else node.value
            if isinstance(owner, ast.Name) and owner.id in SECTIONS:
                yield f"{SECTIONS[owner.id]}.{node.attr}"


def _advice(source: Source) -> Iterator[tuple[str, str]]:
    """What was seen and what to do, of every call that builds both; of a class, what its `remedy` may be."""
    for call in source.calls():
        remedies = source.texts(source.argument(call, "remedy"))
        reasons = source.texts(source.argument(call, "reason"))
        cause = reasons[0] if reasons and len(remedies) == 1 else ""
        yield from ((cause, remedy) for remedy in remedies)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef) and node.name == "remedy":
            yield from (("", remedy) for remedy in Source(node, source.names).returned())
