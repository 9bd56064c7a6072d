"""Arguments that a recipe may pass on to TRL and PEFT: those their installed classes declare, but for what would break a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import NoneType
from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema, create_model

from harness.config.base import Section, objection
from harness.errors import nearest
from harness.models.adapters.kind import REFUSED, change_of_base
from harness.training.bounds import out_of_bounds
from harness.training.installed import Types, accepts, compared_with, declared_fields, peft_configs, type_names
from harness.training.launch import RESERVED as LAUNCH
from harness.training.methods import API_JOB, ApiMethod, Method, TrlMethod

Objection = tuple[str, str]
"""What is wrong with a value, and what to do."""

_JSON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}

LORA = "LORA"
"""The `peft_type` of a recipe that names none."""

UNTRAINABLE: Mapping[str, str] = {
    **REFUSED,
    **dict.fromkeys(
        ("POLY", "MULTITASK_PROMPT_TUNING"),
        "to whose model each text would have to name its task, which TRL's trainers do not",
    ),
    "CPT": "which computes a loss of its own from logits, and TRL's trainers compute none",
    "ADAPTION_PROMPT": "whose forward does not hand on what TRL's trainers ask of it",
    "SHADOW": "of whose last layer nothing reaches the loss",
}
"""Methods of PEFT's by which nothing can be trained here, and why, to follow the name."""

KEPT_IN_A_CACHE = frozenset({"PREFIX_TUNING", "CARTRIDGE"})
"""Methods of PEFT's whose virtual tokens are keys and values of a cache, which a forward that is computed twice does without."""

CHECKPOINTING = ("activation_checkpointing", "gradient_checkpointing")
"""The argument that has a forward computed twice, and its older name; TRL's default is to do so."""

LOSS_SWITCHES = ("completion_only_loss", "assistant_only_loss")
"""Arguments by which TRL chooses what it labels, which is done before rows reach it."""

# TRL takes one text for a list of them here.
_ONE_OR_SEVERAL = frozenset({"loss_type"})
_NEEDS_ACTIVATIONS = (
    "it starts by activations of the base on some rows, which are not gathered here: without them PEFT starts as any LoRA does, "
    "and says nothing"
)
# Initialisations that PEFT takes out of a trained adapter again (`save_pretrained(path_initial_model_for_weight_conversion)`)
# and that need nothing but the base's weights.
_CONVERTED = ("pissa", "olora")

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
        ("dataset_text_field", "dataset_kwargs", "truncation_mode", "remove_unused_columns"),
        "rows arrive in tokens, cut and labelled",
    ),
    **dict.fromkeys(
        ("chat_template_path", "chat_template_kwargs", "eos_token", "pad_token"),
        "training must use the template and stop token that serving uses: the base's own",
    ),
    **dict.fromkeys(LAUNCH, "how a training is distributed is said under `launch:`"),
    **dict.fromkeys(("model_init_kwargs", "use_cpu"), "the base is loaded by the harness on the device it finds"),
    **dict.fromkeys(("reward_model_path",), "what answers are rewarded by is named under `reward:` or `grader:`"),
    **dict.fromkeys(
        ("push_to_hub", "hub_token", "hub_model_id", "hub_always_push", "log_completions_hub_repo"),
        "nothing leaves this machine before the gates",
    ),
}

_API_RESERVED: Mapping[str, str] = {
    "model": "the model is the recipe's base",
    **dict.fromkeys(("training_file", "validation_file"), "files are made of the rows that `data:` names"),
    "hyperparameters": "they stand beside `method`, by their own names",
    "integrations": "nothing goes to others before the gates",
}
_MOST_SUFFIX = 64
MOST_METADATA = 14
"""Entries that a recipe may give a job; the API takes 16, of which some say what the job was made of."""

_PEFT_RESERVED: Mapping[str, str] = {
    **dict.fromkeys(
        ("task_type", "inference_mode", "base_model_name_or_path", "revision", "runtime_config"),
        "the harness sets it",
    ),
    **dict.fromkeys(("loftq_config", "corda_config", "lora_ga_config"), "its initialisation changes the base weights"),
}


def is_converted(value: Any) -> bool:
    """Whether `init_lora_weights` of this value changes the base, and the adapter is converted once it is trained, so that with
    it off there is the base."""
    return isinstance(value, str) and value.lower().startswith(_CONVERTED)


def peft_objection(name: str, value: Any) -> str | None:
    """Why a recipe may not set this PEFT argument to this value, or None."""
    if name == "bias" and value not in ("none", None):
        return (
            "servers that switch adapters on and off take none with trained biases, or leave the biases in their base"
        )
    if name == "init_lora_weights" and is_converted(value):
        return None
    if name == "eva_config" or (name == "init_lora_weights" and value == "eva"):
        return _NEEDS_ACTIVATIONS
    return change_of_base(name, value) or _PEFT_RESERVED.get(name)


def checkpointing_objection(peft_type: str, trainer: Mapping[str, Any]) -> Objection | None:
    """What is wrong with arguments of a trainer that have a forward computed twice, beside this method of PEFT's."""
    named = [name for name in CHECKPOINTING if trainer.get(name)]
    if not named or peft_type not in KEPT_IN_A_CACHE:
        return None
    return (
        f"trainer.{named[0]} is true, and {peft_type} acts by a cache that checkpointing does without",
        f"remove `{named[0]}`, and lower per_device_train_batch_size where memory is short",
    )


@cache
def peft_arguments(peft_type: str) -> type[Section]:
    """What a recipe may say under `peft:`: the fields of the method's installed class."""
    config = peft_configs()[peft_type]
    return _arguments(
        f"peft.{config.name}",
        declared_fields(config),
        lambda name, value: _reserved(name, peft_objection(name, value)),
    )


@cache
def trainer_arguments(method: Method) -> type[Section]:
    """What a recipe may say under `trainer:`: the fields of the method's installed configuration, or what a job of the API is
    told, with the hyperparameters of its method."""
    if isinstance(method, ApiMethod):
        adjusted = {
            name for name, types in declared_fields(method.hyperparameters).items() if {int, float} & {*(types or ())}
        }
        owner = f"method {method.name} of the API"
        return _arguments(owner, _told(method), lambda name, value: _api_objection(name, value, name in adjusted))
    assert isinstance(method, TrlMethod)
    return _trl_arguments(method)


def _told(method: ApiMethod) -> Mapping[str, Types]:
    """A job's own arguments, and those of its method beside them."""
    required = dict.fromkeys(method.required, (dict,))
    own: Mapping[str, Types] = {**required, "method": (str,), "metadata": (dict,)}
    return {**declared_fields(API_JOB), **declared_fields(method.hyperparameters), **own}


def _api_objection(name: str, value: Any, adjusted: bool) -> Objection | None:
    if name in _API_RESERVED:
        return _reserved(name, _API_RESERVED[name])
    if adjusted and value != "auto" and (isinstance(value, str) or value <= 0):
        return "", "give a number above 0, or auto"
    if name == "suffix" and isinstance(value, str) and len(value) > _MOST_SUFFIX:
        return f"has {len(value)} characters", f"the API takes {_MOST_SUFFIX} at the most"
    if name == "metadata" and not _is_metadata(value):
        return "", f"give at most {MOST_METADATA} texts under names of at most 64 characters, each of at most 512"
    return None


def _is_metadata(value: Mapping[Any, Any]) -> bool:
    texts = all(isinstance(one, str) for pair in value.items() for one in pair)
    return texts and len(value) <= MOST_METADATA and all(len(k) <= 64 and len(v) <= 512 for k, v in value.items())


def _trl_arguments(method: TrlMethod) -> type[Section]:
    def objecting(name: str, value: Any) -> Objection | None:
        wanted = method.arguments.get(name, value)
        if value not in (wanted, [wanted]):
            return _reserved(name, f"method {method.name} is {method.trainer} with {name} {wanted}")
        if name == "loss_type":
            return _unknown_loss(method, value)
        return _reserved(name, _TRAINER_RESERVED.get(name))

    return _arguments(f"trl.{method.config.name}", declared_fields(method.config), objecting)


def _unknown_loss(method: TrlMethod, value: Any) -> Objection | None:
    """What is wrong with a `loss_type`: TRL looks at it at the first step."""
    known = compared_with(f"{method.home}_trainer", "loss_type") | compared_with(method.config.module, "loss_type")
    unknown = [one for one in (value if isinstance(value, list) else [value]) if one not in known]
    if value == []:
        return "", f"name one or several of: {', '.join(sorted(known))}"
    return ("", nearest(str(unknown[0]), sorted(known))) if known and unknown else None


def _reserved(name: str, said: str | None) -> Objection | None:
    return (f"not for a recipe to set: {said}", f"remove `{name}`") if said else None


def _arguments(
    owner: str, declared: Mapping[str, Types], objecting: Callable[[str, Any], Objection | None]
) -> type[Section]:
    fields: dict[str, Any] = {}
    for name, types in declared.items():
        if name in _ONE_OR_SEVERAL and types is not None:
            types = (*types, str)
        checked = AfterValidator(_fitting(owner, name, types, objecting))
        fields[name] = (Annotated[Any, checked, _json_types(types)], None)
    return create_model(owner, __base__=Section, **fields)


def _fitting(
    owner: str, name: str, types: Types, objecting: Callable[[str, Any], Objection | None]
) -> Callable[[Any], Any]:
    def check_value(value: Any) -> Any:
        if not accepts(types, value):
            raise objection("", f"{owner} takes {type_names(types)}")
        if said := objecting(name, value):
            raise objection(*said)
        if (instead := out_of_bounds(name, value)) is not None:
            raise objection("", instead)
        return value

    return check_value


def _json_types(types: Types) -> WithJsonSchema:
    names = ["null" if one is NoneType else _JSON_TYPES[one] for one in dict.fromkeys(types or ())]
    return WithJsonSchema({"type": names} if names else {})
