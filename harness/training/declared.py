"""The fields TRL's `SFTConfig` and PEFT's `LoraConfig` declare, read from their source.

Importing those classes costs seconds and pulls in torch; a recipe must be checked without either.
"""

from __future__ import annotations

import ast
import importlib.util
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any

Types = tuple[type, ...] | None

_SFT_SOURCES = (
    ("transformers", "training_args.py", "TrainingArguments"),
    ("trl", "trainer/base_config.py", "_BaseConfig"),
    ("trl", "trainer/sft_config.py", "SFTConfig"),
)
_LORA_SOURCES = (
    ("peft", "config.py", "PeftConfigMixin"),
    ("peft", "config.py", "PeftConfig"),
    ("peft", "tuners/lora/config.py", "LoraConfig"),
)
_BUILTINS: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str, "dict": dict, "list": list}


def sft_fields() -> dict[str, Types]:
    """Argument name -> accepted Python types of the installed `trl.SFTConfig`; None accepts anything."""
    return _fields(_SFT_SOURCES)


def lora_fields() -> dict[str, Types]:
    """Argument name -> accepted Python types of the installed `peft.LoraConfig`; None accepts anything."""
    return _fields(_LORA_SOURCES)


def accepts(types: Types, value: Any) -> bool:
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
def _fields(sources: tuple[tuple[str, str, str], ...]) -> dict[str, Types]:
    found: dict[str, Types] = {}
    for package, relative_path, class_name in sources:
        tree = ast.parse((_package_dir(package) / relative_path).read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.name == class_name:
                found.update(_annotated(node))
    return found


def _package_dir(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    return Path(spec.origin).parent


def _annotated(node: ast.ClassDef) -> dict[str, Types]:
    return {
        item.target.id: _types(item.annotation)
        for item in node.body
        if isinstance(item, ast.AnnAssign)
        and isinstance(item.target, ast.Name)
        and not item.target.id.startswith("_")
        and not (isinstance(item.value, ast.Call) and any(k.arg == "init" for k in item.value.keywords))
    }


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
