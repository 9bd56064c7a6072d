"""Arguments that a recipe may pass on to TRL and PEFT: those their installed classes declare, but for what would break a run.

Importing the classes costs seconds and pulls in torch; a recipe must be checked without either. So their fields are read
from their source.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema, create_model

from harness.config.base import Section, objection
from harness.models.adapters.kind import change_of_base

Types = tuple[type, ...] | None
Sources = tuple[tuple[str, str, str], ...]
"""(package, file, class) of a class and its bases, bases first."""

_JSON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
_BUILTINS = {one.__name__: one for one in _JSON_TYPES}

SFT_SOURCES: Sources = (
    ("transformers", "training_args.py", "TrainingArguments"),
    ("trl", "trainer/base_config.py", "_BaseConfig"),
    ("trl", "trainer/sft_config.py", "SFTConfig"),
)


@dataclass(frozen=True)
class PeftMethod:
    """A PEFT method that recipes may train by.

    Attributes:
        classes: (file, class) of its configuration, below the package `peft`: bases first.
        zero_at_start: parts of the names of parameters that are all zero before training, and add nothing while they are.
    """

    classes: tuple[tuple[str, str], ...]
    zero_at_start: tuple[str, ...] = ()

    @property
    def config(self) -> str:
        """The name of its configuration class."""
        return self.classes[-1][1]

    @property
    def sources(self) -> Sources:
        """The configuration class and all its bases."""
        common = (("config.py", "PeftConfigMixin"), ("config.py", "PeftConfig"))
        return tuple(("peft", file, name) for file, name in (*common, *self.classes))


PEFT_METHODS: dict[str, PeftMethod] = {
    "LORA": PeftMethod((("tuners/lora/config.py", "LoraConfig"),), (".lora_B.", ".lora_embedding_B.")),
}
"""By `peft_type` as PEFT spells it; the first is what a recipe that names none gets."""

_TRAINER_RESERVED: Mapping[str, str] = {
    **dict.fromkeys(
        ("output_dir", "resume_from_checkpoint", "overwrite_output_dir"), "checkpoints live in the adapter cache"
    ),
    **dict.fromkeys(("do_train", "do_eval", "do_predict", "disable_tqdm"), "the harness drives training itself"),
    **dict.fromkeys(
        ("load_best_model_at_end", "metric_for_best_model", "greater_is_better", "save_strategy", "save_steps"),
        "the checkpoint with the lowest eval_loss is kept, and saving follows evaluation",
    ),
    **dict.fromkeys(
        ("completion_only_loss", "assistant_only_loss", "dataset_text_field", "dataset_kwargs", "truncation_mode"),
        "the loss is on the answers that the rows and `data.train_on` want learnt",
    ),
    **dict.fromkeys(
        ("chat_template_path", "eos_token", "pad_token"),
        "training must use the template and stop token that serving uses: the base's own",
    ),
    **dict.fromkeys(("model_init_kwargs", "use_cpu"), "the base is loaded by the harness on the device it finds"),
    **dict.fromkeys(
        ("push_to_hub", "hub_token", "hub_model_id", "hub_always_push"), "nothing leaves this machine before the gates"
    ),
}

_PEFT_RESERVED: Mapping[str, str] = {
    **dict.fromkeys(
        ("task_type", "inference_mode", "base_model_name_or_path", "revision", "runtime_config"),
        "the harness sets it",
    ),
    **dict.fromkeys(("loftq_config", "corda_config", "lora_ga_config"), "its initialisation changes the base weights"),
}


def peft_objection(name: str, value: Any) -> str | None:
    """Why a recipe may not set this PEFT argument to this value, or None."""
    if name == "bias" and value not in ("none", None):
        return (
            "servers that switch adapters on and off take none with trained biases, or leave the biases in their base"
        )
    return change_of_base(name, value) or _PEFT_RESERVED.get(name)


@cache
def peft_arguments(peft_type: str) -> type[Section]:
    """What a recipe may say under `peft:`: the fields of the method's installed class."""
    method = PEFT_METHODS[peft_type]
    return _arguments(f"peft.{method.config}", declared_fields(method.sources), peft_objection)


@cache
def trainer_arguments() -> type[Section]:
    """What a recipe may say under `trainer:`: the fields of the installed `trl.SFTConfig`."""
    return _arguments("trl.SFTConfig", declared_fields(SFT_SOURCES), lambda name, _: _TRAINER_RESERVED.get(name))


def _arguments(owner: str, declared: Mapping[str, Types], objecting: Callable[[str, Any], str | None]) -> type[Section]:
    fields: dict[str, Any] = {
        name: (Annotated[Any, AfterValidator(_fitting(owner, name, types, objecting)), _json_types(types)], None)
        for name, types in declared.items()
    }
    return create_model(owner, __base__=Section, **fields)


def _fitting(owner: str, name: str, types: Types, objecting: Callable[[str, Any], str | None]) -> Callable[[Any], Any]:
    def check_value(value: Any) -> Any:
        if not accepts(types, value):
            raise objection("", f"{owner} takes {type_names(types)}")
        if said := objecting(name, value):
            raise objection(f"not for a recipe to set: {said}", f"remove `{name}`")
        return value

    return check_value


def _json_types(types: Types) -> WithJsonSchema:
    names = ["null" if one is NoneType else _JSON_TYPES[one] for one in dict.fromkeys(types or ())]
    return WithJsonSchema({"type": names} if names else {})


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
def declared_fields(sources: Sources) -> dict[str, Types]:
    """Argument name -> accepted Python types of the installed class declared there; None accepts anything."""
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
