"""What a function may say: the texts of its source, read without running it."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

ELLIPSIS = "…"


@dataclass(frozen=True)
class Source:
    """A function or class as its syntax tree, with the names its module knows."""

    tree: ast.AST
    names: Mapping[str, Any]

    @classmethod
    def of(cls, thing: Any) -> Source:
        """The source of a function or class, out of its file: a class alone does not say where it was defined."""
        thing = inspect.unwrap(thing)  # a decorated one has the file of its decorator
        functions = [thing] if inspect.isfunction(thing) else filter(inspect.isfunction, vars(thing).values())
        written = next(one for one in functions if Path(one.__code__.co_filename).is_file())
        node: ast.AST = ast.parse(Path(written.__code__.co_filename).read_text(encoding="utf-8"))
        for name in thing.__qualname__.split("."):
            node = next(child for child in ast.iter_child_nodes(node) if getattr(child, "name", None) == name)
        return cls(node, written.__globals__)

    def calls(self) -> Iterator[ast.Call]:
        """Calls in it, in order of appearance."""
        found = [node for node in ast.walk(self.tree) if isinstance(node, ast.Call)]
        yield from sorted(found, key=lambda call: (call.lineno, call.col_offset))

    def helpers(self) -> Iterator[Callable[..., Any]]:
        """Functions of its own module that it calls."""
        for call in self.calls():
            helper = self._own(call.func.id) if isinstance(call.func, ast.Name) else None
            if helper is not None:
                yield helper

    def texts(self, node: ast.AST | None) -> list[str]:
        """Every text that an expression may be; parts that are only known at run time become an ellipsis."""
        match node:
            case ast.Constant(value=str(text)):
                return [text] if text else []
            case ast.JoinedStr(values=parts):
                return ["".join((self.texts(part) or [ELLIPSIS])[0] for part in parts)]
            case ast.FormattedValue(value=value):
                return self.texts(value)[:1]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return ["".join((self.texts(side) or [ELLIPSIS])[0] for side in (left, right))]
            case ast.IfExp(body=body, orelse=orelse):
                return self.texts(body) + self.texts(orelse)
            case ast.BoolOp(values=values):
                return [text for value in values for text in self.texts(value)]
            case ast.Name(id=name):
                known = self.names.get(name)
                return [known] if isinstance(known, str) else self._assigned(name)
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if isinstance(self.names.get(name), ModuleType):
                known = getattr(self.names[name], attribute, None)
                return [known] if isinstance(known, str) else []
            case ast.Call(func=ast.Name(id=name)) if inspect.isfunction(helper := self.names.get(name)):
                return Source.of(helper).returned()
        return []

    def returned(self) -> list[str]:
        """Every text that a function may return."""
        return [text for node in ast.walk(self.tree) if isinstance(node, ast.Return) for text in self.texts(node.value)]

    def argument(self, call: ast.Call, name: str) -> ast.AST | None:
        """What a call gives for a parameter: by keyword, or by place where it calls a function of the module."""
        by_keyword = next((given.value for given in call.keywords if given.arg == name), None)
        helper = self._own(call.func.id) if isinstance(call.func, ast.Name) else None
        if by_keyword is not None or helper is None:
            return by_keyword
        return dict(zip(inspect.signature(helper).parameters, call.args, strict=False)).get(name)

    def _own(self, name: str) -> Callable[..., Any] | None:
        """The function of that name that its module defines."""
        known = self.names.get(name)
        return known if inspect.isfunction(known) and known.__module__ == self.names.get("__name__") else None

    def _assigned(self, name: str) -> list[str]:
        """What a variable of the function is set to, by assignment or as one of a loop's targets."""
        found: list[str] = []
        for node in ast.walk(self.tree):
            match node:
                case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name and not _names(
                    value, name
                ):
                    found += self.texts(value)
                case ast.For(target=ast.Tuple(elts=targets), iter=ast.Tuple(elts=rows)):
                    places = [
                        i for i, target in enumerate(targets) if isinstance(target, ast.Name) and target.id == name
                    ]
                    found += [
                        t for row in rows if isinstance(row, ast.Tuple) for i in places for t in self.texts(row.elts[i])
                    ]
        return found


def _names(value: ast.AST, name: str) -> bool:
    """Whether an expression is made of a variable, as in `text = f"{text} ..."`: the text before is among those found anyway."""
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(value))
