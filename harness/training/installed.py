"""What the installed PEFT and TRL declare, read from their source: importing either costs seconds and pulls in torch, and a
recipe must be checked without both."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import NoneType

Types = tuple[type, ...] | None
"""Python types that a value may have; None for any."""

_BUILTINS = {one.__name__: one for one in (bool, int, float, str, list, dict)}
_PEFT_TYPE = re.compile(r"self\.peft_type = PeftType\.(\w+)")


@dataclass(frozen=True)
class ClassName:
    """Where a class is, or is imported from: ("trl.trainer.dpo_config", "DPOConfig")."""

    module: str
    name: str


def accepts(types: Types, value: object) -> bool:
    """Whether a YAML value fits the declared types: an integer is a float, a boolean is not a number."""
    if types is None:
        return True
    if isinstance(value, bool):
        return bool in types
    return isinstance(value, types) or (isinstance(value, int) and float in types)


def type_names(types: Types) -> str:
    """The types in words, for an error message."""
    return " or ".join("null" if t is NoneType else t.__name__ for t in types or ())


@cache
def declared_fields(owner: ClassName) -> Mapping[str, Types]:
    """Argument -> accepted Python types, of an installed dataclass and its bases."""
    found: dict[str, Types] = {}
    module, node = _class(owner)
    for base in node.bases:
        if isinstance(base, ast.Name) and (above := _find(ClassName(module, base.id))) is not None:
            found.update(declared_fields(above))
    return {**found, **dict(_annotated(node))}


@cache
def compared_with(module: str, name: str) -> frozenset[str]:
    """The texts that a module's code holds a variable or attribute of this name against: the values that it knows."""
    known: set[str] = set()
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Compare) and name in (getattr(node.left, "id", ""), getattr(node.left, "attr", "")):
            known.update(
                constant.value
                for comparator in node.comparators
                for constant in ast.walk(comparator)
                if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
            )
    return frozenset(known)


@cache
def peft_configs() -> Mapping[str, ClassName]:
    """`peft_type` as PEFT spells it -> its configuration class."""
    found: dict[str, ClassName] = {}
    for file in sorted((_package_dir("peft") / "tuners").glob("*/config.py")):
        for peft_type in _PEFT_TYPE.findall(file.read_text(encoding="utf-8")):
            module = f"peft.tuners.{file.parent.name}.config"
            found[peft_type] = ClassName(module, _class_that_sets(module, peft_type))
    return found


def is_installed(module: str) -> bool:
    """Whether an installed package has that module."""
    return _file(module) is not None


def _class_that_sets(module: str, peft_type: str) -> str:
    classes = (node for node in _tree(module).body if isinstance(node, ast.ClassDef))
    return next(
        node.name for node in classes
        if any(isinstance(one, ast.Attribute) and one.attr == peft_type for one in ast.walk(node))
    )  # fmt: skip


def _class(owner: ClassName) -> tuple[str, ast.ClassDef]:
    """The module that a class is defined in, and its definition."""
    found = _find(owner)
    assert found is not None, f"{owner.module} has no {owner.name}"
    tree = _tree(found.module)
    return found.module, next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == found.name)


@cache
def _find(owner: ClassName) -> ClassName | None:
    """Where a class is defined that a module defines or imports; None where that is outside of what is read here."""
    if _file(owner.module) is None:
        return None
    tree = _tree(owner.module)
    if any(isinstance(node, ast.ClassDef) and node.name == owner.name for node in tree.body):
        return owner
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == owner.name:
                    return _find(ClassName(_absolute(owner.module, node), alias.name))
    return None


def _absolute(module: str, node: ast.ImportFrom) -> str:
    """The module that an import of another names."""
    if not node.level:
        return node.module or ""
    file = _file(module)
    package = module.split(".") if file is not None and file.name == "__init__.py" else module.split(".")[:-1]
    kept = package[: len(package) - node.level + 1]
    return ".".join([*kept, *([node.module] if node.module else [])])


@cache
def _file(module: str) -> Path | None:
    package, *inner = module.split(".")
    directory = _package_dir(package)
    path = directory.joinpath(*inner)
    candidates = [path / "__init__.py", path.with_suffix(".py")] if inner else [directory / "__init__.py"]
    return next((one for one in candidates if one.is_file()), None)


@cache
def _tree(module: str) -> ast.Module:
    file = _file(module)
    if file is None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def _package_dir(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    return Path(spec.origin).parent


def _annotated(node: ast.ClassDef) -> Iterator[tuple[str, Types]]:
    for item in node.body:
        if (
            isinstance(item, ast.AnnAssign)
            and isinstance(item.target, ast.Name)
            and not item.target.id.startswith("_")
            and not (isinstance(item.value, ast.Call) and any(k.arg == "init" for k in item.value.keywords))
        ):
            yield item.target.id, _types(item.annotation)


def _types(annotation: ast.expr) -> Types:
    """Python types an annotation admits; None as soon as one part is not a plain built-in."""
    match annotation:
        case ast.Constant(value=None):
            return (NoneType,)
        case ast.Name(id=name) if name in _BUILTINS:
            return (_BUILTINS[name],)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _union(left, right)
        case ast.Subscript(value=ast.Name(id="Optional"), slice=inner):
            return _union(ast.Constant(value=None), inner)
        case ast.Subscript(value=ast.Name(id="Union"), slice=ast.Tuple(elts=parts)):
            return _union(*parts)
        case ast.Subscript(value=ast.Name(id="Literal"), slice=inner):
            constants = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return tuple({type(c.value) for c in constants if isinstance(c, ast.Constant)})
        case ast.Subscript(value=ast.Name(id=name)) if name in _BUILTINS:
            return (_BUILTINS[name],)
    return None


def _union(*parts: ast.expr) -> Types:
    members: list[type] = []
    for part in parts:
        types = _types(part)
        if types is None:
            return None
        members.extend(types)
    return tuple(members)
