"""A verdict's reason and rule are sentences: outside the gates no code reads them except to show them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import harness

ROOT = Path(harness.__file__).parent
WORDS = frozenset({"reason", "rule"})
READING = frozenset(name for name in dir(str) if not name.startswith("_")) - {"find", "format", "join"}
MATCHING = frozenset({"match", "search", "fullmatch", "findall", "finditer", "split", "sub"})


def readings(source: str) -> list[int]:
    """The lines on which code takes a reason or rule apart, compares it, or matches it, be it by another name."""
    found: list[int] = []
    for scope in ast.walk(ast.parse(source)):
        if isinstance(scope, ast.Module | ast.FunctionDef):
            found += _in_scope(scope)
    return sorted(set(found))


def _in_scope(scope: ast.AST) -> Iterator[int]:
    names = {
        target.id
        for node in ast.walk(scope)
        if isinstance(node, ast.Assign) and _is_words(node.value, set())
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(scope):
        match node:
            case ast.Call(func=ast.Attribute(value=value, attr=method)) if method in READING and _is_words(
                value, names
            ):
                yield node.lineno
            case ast.Call(func=ast.Attribute(attr=method), args=args) if method in MATCHING:
                yield from (node.lineno for arg in args if _is_words(arg, names))
            case ast.Compare(left=left, comparators=others):
                yield from (node.lineno for one in (left, *others) if _is_words(one, names))
            case ast.Subscript(value=value) | ast.Match(subject=value) if _is_words(value, names):
                yield node.lineno


def _is_words(node: ast.AST, names: set[str]) -> bool:
    if isinstance(node, ast.Name):
        return node.id in names
    return isinstance(node, ast.Attribute) and node.attr in WORDS


def test_no_module_reads_a_verdicts_words() -> None:
    modules = {path.relative_to(ROOT): path for path in ROOT.rglob("*.py")}
    sources = {name: path.read_text(encoding="utf-8") for name, path in modules.items() if name.parts[0] != "gates"}
    assert len(sources) > 100
    readers = {str(name) for name, source in sources.items() if readings(source)}
    assert readers == {"runs/upgrade.py"}  # of what schema 1 stored the words are all there is to tell by


@pytest.mark.parametrize(
    "line",
    [
        "verdict.rule.startswith('superior')",
        "'at floor:' in verdict.reason",
        "verdict.rule == 'holds'",
        "re.match('at floor', verdict.reason)",
        "verdict.reason[:8]",
        "said = verdict.reason\nsaid.rpartition('; ')[2]",
    ],
)
def test_reading_them_would_be_noticed(line: str) -> None:
    assert readings(line)


@pytest.mark.parametrize(
    "line", ["f'{v.gate}: {v.reason}'", "show(v.rule) if v.rule else ''", "v.rule.kind == 'superior'"]
)
def test_showing_them_is_not(line: str) -> None:
    assert not readings(line)
