"""The page of what the integrity suite finds: every gate with each cause that it names, and what to do about it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from types import ModuleType

from generator import gates, sources
from generator.literals import Source
from generator.markdown import code, table

_HEAD = """# Integrity: causes and remedies

What the [gates of the integrity suite](gates.md#integrity) and `baseline/same_base` find, each cause with its remedy, as a failed
gate tells them. An ellipsis stands for what the run fills in; a remedy for any cause stands beside the gate's question.

"""
_UNREADABLE = """## What cannot be read {: #unreadable }

Files that cannot be read, or that PEFT cannot put on the base, fail the gate that reads them first; every other gate that needs
them is an error with the same words.

"""
_UNFIT = """## Adapters that do not fit {: #unfit }

Of an adapter whose tensors and modules do not agree, `integrity/tensors_map` names one cause, the most telling first.

"""


def page() -> str:
    """Every gate, then what stands behind several of them."""
    rows = [
        (", ".join(code(f"integrity/{name}") for name in gate.names) or code(gate.test), cause or gate.asks, remedy)
        for gate in gates.gates_of(sources.suites()["integrity"])
        for cause, remedy in gate.advice or [("", "see below")]
    ]
    rows += [(code("baseline/same_base"), cause, remedy) for cause, remedy in _of_verdicts(sources.SAME_BASE)]
    parts = [_HEAD, table(("gate", "what was seen", "remedy"), rows), "\n", _UNFIT]
    parts.append(table(("what was seen", "remedy"), dict.fromkeys(_built(sources.MISFITS, sources.DIAGNOSIS))))
    parts += ["\n", _UNREADABLE]
    told = (pair for module in sources.READERS for pair in _built(module, sources.REFUSALS))
    parts.append(table(("what was seen", "remedy"), dict.fromkeys(told)))
    return "".join(parts)


def _of_verdicts(module: ModuleType) -> Iterator[tuple[str, str]]:
    """What was found and what to do, of a function that decides without a check."""
    decided = Source.of(sources.decides(module))
    for call in decided.calls():
        for remedy in decided.texts(decided.argument(call, "remedy")):
            reason = next(iter(decided.texts(ast.Name("reason"))), "")
            yield reason, remedy


def _built(module: ModuleType, kinds: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """What was seen and what to do, of every call in a module that builds one of these: its last two arguments."""
    for function in sources.functions_of(module):
        source = Source.of(function)
        for call in source.calls():
            if isinstance(call.func, ast.Name) and call.func.id in kinds and len(call.args) > 1:
                seen, *_ = source.texts(call.args[-2]) or [""]
                yield from ((seen, remedy) for remedy in source.texts(call.args[-1]) if seen)
