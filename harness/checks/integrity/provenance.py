"""Checks against what training recorded beside the adapter, and what serving states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.gates import Check
from harness.models.adapters.files import CONFIG, read_adapter_config, read_json
from harness.models.identity import base_digest
from harness.training.cache import PROVENANCE_FILE

# Recorded by the recipe or left at PEFT's default, which is all that a recipe's silence means.
_STRENGTH = {
    "r": 8, "lora_alpha": 8, "use_rslora": False, "use_dora": False, "rank_pattern": {}, "alpha_pattern": {},
    "fan_in_fan_out": False, "bias": "none", "modules_to_save": None,
}  # fmt: skip
_SHORT = 12


def strength_as_trained(adapter: Path) -> Check:
    """adapter_config.json gives the weights the strength and the modules they were trained with.

    Alpha, r and their like are no part of the weight file: a wrong one loads without a word and scales every change.
    An adapter without a record of its training holds; its details say that nothing was recorded.

    Raises:
        AdapterError: a file beside the adapter cannot be read.
    """
    config, recipe = read_adapter_config(adapter), _provenance(adapter).get("recipe")
    recorded = recipe.get("peft") if isinstance(recipe, Mapping) else None
    if not isinstance(recorded, Mapping):
        return Check(
            "strength",
            holds=True,
            reason=f"no training record: {CONFIG} is taken at its word (r {config.get('r')}, "
            f"alpha {config.get('lora_alpha')})",
            details={"recorded": None},
        )
    differences = dict(_differences(recorded, config))
    key, (trained, now) = next(iter(differences.items()), ("", (None, None)))
    return Check(
        "strength",
        holds=not differences,
        reason=f"{key} is {now!r} in {CONFIG}, but it was trained with {trained!r} ({PROVENANCE_FILE})"
        if differences
        else f"{CONFIG} is as trained",
        remedy=f"restore the {CONFIG} that training wrote, or train again with the new value",
        details={"recorded": dict(recorded), "differences": {k: list(v) for k, v in differences.items()}},
    )


def base_as_trained(adapter: Path, base: Path, *, base_name: str) -> Check:
    """This base is the one the adapter was trained on, to the last weight, token and template.

    Another base of the same shapes takes every tensor, and answers worse. Without a recorded digest there are names
    alone, which prove nothing (a local copy goes by any): the check then holds, and says where they differ.

    Args:
        base_name: what the user calls this base.

    Raises:
        AdapterError: a file beside the adapter cannot be read.
    """
    named = read_adapter_config(adapter).get("base_model_name_or_path")
    recorded = _provenance(adapter).get("base")
    details = {"base_model_name_or_path": named, "base": base_name, "recorded_digest": recorded}
    if recorded is None:
        differ = isinstance(named, str) and _last_part(named) != _last_part(base_name)
        warning = ": warning, another name: make sure that it is the same model" if differ else ""
        return Check(
            "base_match",
            holds=True,
            reason=f"no digest of its base was recorded; {CONFIG} names {named!r}, this is {base_name!r}{warning}",
            details={**details, "names_differ": differ},
        )
    digest = base_digest(base)
    return Check(
        "base_match",
        holds=digest == recorded,
        reason=f"it was trained on another base than {base_name!r}: recorded {str(recorded)[:_SHORT]}, this is "
        f"{digest[:_SHORT]} (weights, configuration, tokenizer and template count)"
        if digest != recorded
        else f"{base_name!r} is the base it was trained on",
        remedy=f"pass the base it was trained on with --model ({CONFIG} calls it {named!r}), or train it on this one",
        details={**details, "digest": digest},
    )


def _last_part(name: str) -> str:
    """What is left of a hub id or a path without its owner or directory."""
    return name.replace("\\", "/").rstrip("/").rpartition("/")[2].casefold()


def _provenance(adapter: Path) -> Mapping[str, Any]:
    file = adapter / PROVENANCE_FILE
    return read_json(file) if file.is_file() else {}


def _differences(recorded: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for key, default in _STRENGTH.items():
        trained, now = recorded.get(key, default), config.get(key, default)
        if trained != now and (trained or now):
            yield key, (trained, now)
    trained, now = recorded.get("target_modules"), config.get("target_modules")
    if isinstance(trained, list) and isinstance(now, list) and set(trained) != set(now):
        yield "target_modules", (sorted(trained), sorted(now))


def precision_is_as_served(measured: tuple[str, str], served: tuple[str | None, str | None]) -> Check:
    """Precision and quantization of the measurement are those of `serving:` in assay.yaml.

    Args:
        measured: dtype ("bfloat16") and quantization ("none", "nf4", "int8") of the model in memory.
        served: the same as configured; None where the file does not say.
    """
    named = ("dtype", "quantization")
    here, there = dict(zip(named, measured, strict=True)), dict(zip(named, served, strict=True))
    wrong = [name for name in named if there[name] is not None and here[name] != there[name]]
    return Check(
        "serving_precision",
        holds=not wrong,
        reason=f"measured with {wrong[0]} {here[wrong[0]]}, served with {there[wrong[0]]}: "
        "the verdicts are about another model"
        if wrong
        else f"measured as served ({', '.join(measured)})",
        remedy=" ".join(f"--{name}={there[name]}" for name in wrong) + " measures what is served",
        details={"measured": here, "served": there},
    )
