"""Tasks, metrics and thresholds that a test names in so many words, read from its source before it runs.

    calls = compare("tool_calls")
    gate(calls.where(values="unseen").metric("exact_match").superior(by=0.20))

What is computed, depends on a condition, or is expected to go wrong is left to the run.
"""

from __future__ import annotations

import ast
import inspect
import os
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from harness.gates.config import GateSpec
from harness.gates.kinds import KINDS
from harness.plugin.reports import owns
from harness.session.needs import GateUse, Needs, TaskUse, measured_in

_MEASURING = ("compare", "evaluate")


def needs_in_source(item: pytest.Function) -> Needs:
    """What a test says it will ask, as far as it says so in constants."""
    fixtures = item._fixtureinfo.name2fixturedefs
    measuring = {name for name in _MEASURING if name in item._fixtureinfo.argnames and owns(fixtures.get(name))}
    try:
        lines, first = inspect.getsourcelines(item.function)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return Needs()
    may_not_run = any(item.get_closest_marker(name) is not None for name in ("skipif", "xfail"))
    if not measuring or may_not_run or any(map(_skips, ast.walk(tree))):
        return Needs()
    local = item.function.__code__.co_varnames
    names = {name: value for name, value in item.function.__globals__.items() if name not in local}
    reader = _Reader(measuring, names, os.path.relpath(item.path), first)
    for statement in getattr(tree.body[0], "body", ()):
        reader.visit(statement)
    return Needs(reader.tasks, reader.gates, measured_in(reader.tasks, reader.gates))


def _skips(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("skip", "importorskip", "xfail")


@dataclass(frozen=True)
class _Measured:
    """What an expression measures: a task, a part of its items, a metric of them."""

    task: str
    fewshot: int | None
    where: Mapping[str, str] = field(default_factory=dict)
    metric: str = ""


class _Reader(ast.NodeVisitor):
    def __init__(self, measuring: set[str], names: Mapping[str, Any], file: str, first_line: int) -> None:
        self.tasks: list[TaskUse] = []
        self.gates: list[GateUse] = []
        self._measuring = measuring
        self._names = names
        self._file = file
        self._first_line = first_line
        self._assigned: dict[str, _Measured | None] = {}

    def visit_With(self, node: ast.With) -> None:
        if not any("raises" in ast.unparse(one.context_expr) for one in node.items):
            self.generic_visit(node)

    def _leave_to_the_run(self, node: ast.AST) -> None:
        """It may not come to that."""

    visit_If = visit_IfExp = visit_Try = visit_Match = visit_While = visit_FunctionDef = visit_Lambda = (
        _leave_to_the_run
    )

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            for name in ast.walk(target):
                if isinstance(name, ast.Name):
                    self._assigned[name.id] = self._measured(node.value) if name is target else None

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        origin = f"{self._file}, line {self._first_line + node.lineno - 1}"
        found = self._measured(node)
        if found is not None:
            metrics = (found.metric,) if found.metric else ()
            self.tasks.append(TaskUse(found.task, origin, found.fewshot, metrics))
        elif isinstance(node.func, ast.Attribute) and node.func.attr in KINDS:
            asked, kind = self._measured(node.func.value), KINDS.get(node.func.attr)
            threshold = self._argument(node, kind.argument)
            if asked is not None and asked.metric and type(threshold) in (int, float):
                gate = GateSpec(asked.task, asked.metric, kind.name, float(threshold), asked.where)
                self.gates.append(GateUse(gate, origin, asked.fewshot))

    def _measured(self, node: ast.expr) -> _Measured | None:
        """What an expression measures, where its source says so."""
        if isinstance(node, ast.Name):
            return self._assigned.get(node.id)
        if not isinstance(node, ast.Call):
            return None
        if isinstance(node.func, ast.Name) and node.func.id in self._measuring:
            task, fewshot = self._argument(node, "name"), self._keyword(node, "fewshot")
            counted = fewshot is None or type(fewshot) is int
            return _Measured(task, fewshot) if isinstance(task, str) and counted else None
        if not isinstance(node.func, ast.Attribute):
            return None
        of = self._measured(node.func.value)
        if of is None or of.metric:
            return None
        if node.func.attr == "metric":
            metric = self._argument(node, "name")
            return replace(of, metric=metric) if isinstance(metric, str) else None
        if node.func.attr == "where":
            tags = {str(keyword.arg): self._constant(keyword.value) for keyword in node.keywords}
            if all(keyword.arg for keyword in node.keywords) and all(isinstance(tag, str) for tag in tags.values()):
                return replace(of, where={**of.where, **tags})
        return None

    def _argument(self, node: ast.Call, name: str) -> Any:
        """The first argument, or the keyword of that name; None where it is no constant."""
        return self._constant(node.args[0]) if node.args else self._keyword(node, name)

    def _keyword(self, node: ast.Call, name: str) -> Any:
        given = [keyword.value for keyword in node.keywords if keyword.arg == name]
        if name == "fewshot" and len(node.args) > 1:
            given = [node.args[-1]]
        return self._constant(given[0]) if given else None

    def _constant(self, node: ast.expr) -> Any:
        """A literal, or what a name of the module stands for; an object of its own, which is no constant, else."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
            value = node.operand.value
            return -value if isinstance(value, int | float) else ...
        if isinstance(node, ast.Name) and node.id not in self._assigned:
            return self._names.get(node.id, ...)
        return ...
