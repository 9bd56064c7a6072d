"""Arguments a recipe may not set, each with the reason shown to its author."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.models.adapters.kind import change_of_base

TRAINER_RESERVED: Mapping[str, str] = {
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
        "data is always prompt and completion, with the loss on the completion alone",
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
        ("task_type", "inference_mode", "base_model_name_or_path", "revision", "peft_type", "runtime_config"),
        "the harness sets it",
    ),
    **dict.fromkeys(("loftq_config", "corda_config", "lora_ga_config"), "its initialisation changes the base weights"),
}


def trainer_objection(name: str) -> str | None:
    """Why a recipe may not set this trainer argument, or None."""
    return TRAINER_RESERVED.get(name)


def peft_objection(name: str, value: Any) -> str | None:
    """Why a recipe may not set this PEFT argument to this value, or None."""
    return change_of_base(name, value) or _PEFT_RESERVED.get(name)
