"""The page of a recipe's keys, with the methods it may name and what the arguments of PEFT, TRL and a provider's API are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from generator import schema, sources
from generator.markdown import code, table

_HEAD = """How an adapter is trained, or a whole model: `fixtures/recipes/NAME.yaml`, named by `--adapter=recipe:NAME` or
`assay train NAME`. `assay schema --recipe` prints this as JSON Schema.
"""
_METHODS = """## Methods {: #methods }

What `method:` names is a trainer of TRL's; `trainer:` takes the arguments of its configuration, by their own names. Rows are read
in the layouts of TRL, LLaMA-Factory and OpenAI, told by their columns: see [train the adapter first](../how-to/training.md).
"""
_ROWS = {
    "conversations": "answers; plain text is learnt whole",
    "pairs": "a better and a worse answer",
    "judged": "answers marked as wanted or not, or pairs",
    "prompts": "prompts, of which answers are sampled and rewarded",
}
_API = """## Methods of a provider {: #provider-methods }

With `method: openai` a provider trains, by OpenAI's fine-tuning API. `method:` under `trainer:` names a method of that API;
beside it stand its hyperparameters, and what else a job is told, by their own names: see
[have a provider train](../how-to/provider.md).
"""
_GONE = "Methods that TRL had, and what to use instead:\n"
_PEFT = """## Methods of PEFT {: #peft-methods }

`peft: {peft_type: ...}` names one, LORA where it is left out, and beside it stand the arguments of its configuration, by their
own names. Of LoRA `init_lora_weights: pissa` (or `pissa_niter_16`) and `olora` change the base while they train; the adapter is
converted in the end, so that with it off there is the base. `peft: none` trains all weights.
"""
_REFUSED = "Refused:\n"


def page() -> str:
    """Keys, methods, and arguments."""
    document = sources.schema("--recipe")
    defined = {
        key: _without_arguments(one) if key in sources.ARGUMENTS else one for key, one in document["$defs"].items()
    }
    return "\n".join(
        [schema.page("Recipes", {**document, "$defs": defined}, _HEAD), _METHODS, _methods(), _GONE, _gone(),
         _API, _api(), _PEFT, _peft(), _REFUSED, _refused()]
    )  # fmt: skip


def _without_arguments(key: Mapping[str, Any]) -> dict[str, Any]:
    """A key whose value holds arguments of other libraries, which are listed by themselves."""
    kept = {name: value for name, value in key.items() if name != "properties"}
    if "anyOf" in kept:
        kept["anyOf"] = [_without_arguments(one) for one in kept["anyOf"]]
    return kept


def _methods() -> str:
    rows = (
        (
            code(method.name),
            code(f"{method.config.module.rpartition('.')[0]}.{method.config.name}"),
            _ROWS[method.rows],
            ", ".join(code(f"{key}: {value}") for key, value in method.arguments.items()),
            "the base" if method.has_reference else "",
            "the last step"
            if method.best is None
            else f"{'highest' if method.best[1] else 'lowest'} {code(method.best[0])}",
        )
        for method in sources.methods().values()
    )
    head = ("method", "configuration", "learns from", "which sets", "held against", "kept checkpoint")
    return table(head, rows)


def _api() -> str:
    head = ("method", "hyperparameters", "learns from", "and needs", "billed by")
    rows = (
        (
            code(one.name),
            _names(own),
            _ROWS[one.rows],
            _names(one.required),
            "tokens" if one.billed_by_tokens else "hours",
        )
        for one, own in sources.api_methods()
    )
    return table(head, rows)


def _gone() -> str:
    return table(
        ("method", "last in TRL", "use"), ((code(name), *said) for name, said in sources.gone_methods().items())
    )


def _peft() -> str:
    head = ("peft_type", "configuration", "arguments of its own")
    return table(head, ((code(kind), code(config), _names(own)) for kind, config, own in sources.peft_methods()))


def _refused() -> str:
    return table(("peft_type", "why"), ((code(kind), why) for kind, why in sources.refused_peft().items()))


def _names(names: Sequence[str]) -> str:
    return ", ".join(map(code, names))
