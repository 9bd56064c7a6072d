"""Checks against what training recorded beside the adapter, and what serving states."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.gates import Check
from harness.models.adapters.files import CONFIG, read_adapter_config, read_json
from harness.models.generation_config import GENERATION_CONFIG, decoding_rules
from harness.models.identity import base_digest
from harness.models.seals import TRAINED
from harness.models.trainers.record import TrainingRecord

# Recorded by the recipe or left at PEFT's default, which is all that a recipe's silence means.
_STRENGTH = {
    "r": 8, "lora_alpha": 8, "use_rslora": False, "use_dora": False, "rank_pattern": {}, "alpha_pattern": {},
    "fan_in_fan_out": False, "bias": "none", "modules_to_save": None,
}  # fmt: skip
_SHORT = 12
_HUB_CACHE = re.compile(r"(?:^|/)models--(?:[^/]+?--)?(?P<name>[^/]+)/snapshots/[^/]+$")
# How names of quantised copies end: "-bnb-4bit", "-unsloth-bnb-4bit", "-8bit", "-AWQ", "-GPTQ-Int4".
_QUANTISED = re.compile(
    r"(?:[-_.](?:unsloth|bnb|bitsandbytes))*[-_.](?:(?:4|8)[-_]?bits?|nf4|int[48]|w4a16|w8a8|(?:awq|gptq)(?:[-_.]?(?:int)?[48](?:[-_]?bits?)?)?)"
    r"(?:[-_.](?:awq|gptq|bnb))?$"
)
_NEAREST = {4: "nf4", 8: "int8"}


def strength_as_trained(adapter: Path, record: TrainingRecord | None = None) -> Check:
    """adapter_config.json gives the weights the strength and the modules they were trained with.

    Alpha, r and their like are no part of the weight file: a wrong one loads without a word and scales every change.
    An adapter without a record of its training holds; its details say that nothing was recorded.

    Args:
        record: what another trainer left of the training.

    Raises:
        AdapterError: a file beside the adapter cannot be read.
    """
    config, recipe = read_adapter_config(adapter), _provenance(adapter).get("recipe")
    recorded, source = recipe.get("peft") if isinstance(recipe, Mapping) else None, TRAINED
    if not isinstance(recorded, Mapping) and record is not None and record.strength:
        recorded, source = {key: config.get(key, default) for key, default in _STRENGTH.items()}, record.source
        recorded.update(record.strength)
    if not isinstance(recorded, Mapping):
        return Check(
            "strength",
            holds=True,
            reason=f"no training record: {CONFIG} is taken at its word ({_said(config)})",
            details={"recorded": None},
        )
    differences = dict(_differences(recorded, config))
    key, (trained, now) = next(iter(differences.items()), ("", (None, None)))
    return Check(
        "strength",
        holds=not differences,
        reason=f"{key} is {now!r} in {CONFIG}, but it was trained with {trained!r} ({source})"
        if differences
        else f"{CONFIG} is as trained",
        remedy=f"restore the {CONFIG} that training wrote, or train again with the new value",
        details={"recorded": dict(recorded), "differences": {k: list(v) for k, v in differences.items()}},
    )


def base_as_trained(
    adapter: Path,
    base: Path,
    *,
    base_name: str,
    quantization: str = "none",
    served: str | None = None,
    record: TrainingRecord | None = None,
) -> Check:
    """This base is the one the adapter was trained on, to the last weight, token and template.

    Another base of the same shapes takes every tensor, and answers worse. Without a recorded digest there are names
    alone, which prove nothing (a local copy goes by any): the check then holds, and says where they differ, and where the
    name is that of quantised weights and the measured ones are dense.

    Args:
        base_name: what the user calls this base.
        quantization: what it is measured with: "none", "nf4" or "int8".
        served: what it is served with, where that was said; the gate of serving compares the two.
        record: what another trainer left of the training: it may name the base, and its bits, where PEFT's file does not.

    Raises:
        AdapterError: a file beside the adapter cannot be read.
    """
    named, source = read_adapter_config(adapter).get("base_model_name_or_path"), CONFIG
    if record is not None and record.base and not named:
        named, source = record.base, record.source
    provenance = _provenance(adapter)
    recorded = provenance.get("base")
    details = {"base_model_name_or_path": named, "base": base_name, "recorded_digest": recorded}
    if recorded is None:
        trained_on = _BaseName.of(named) if isinstance(named, str) and named else None
        own = {_BaseName.of(base_name), _BaseName.of(str(base))}
        differ = trained_on is not None and trained_on.model not in {name.model for name in own}
        warnings = [f"another name: make sure that it is the same model{_there(adapter, named)}"] if differ else []
        dense = (
            served is None and quantization == "none" and "quantization_config" not in read_json(base / "config.json")
        )
        told = (trained_on.bits if trained_on is not None else None) or (
            record.base_bits if record is not None else None
        )
        bits = told if dense else None
        if bits is not None:
            warnings.append(
                f"it was trained on a {bits}-bit base and is measured on a dense one: --quantization={_NEAREST[bits]} "
                "measures it nearer to that, or say under `serving:` in assay.yaml how it is served"
            )
        return Check(
            "base_match",
            holds=True,
            reason=f"no digest of its base was recorded; {source} names {named!r}, this is {base_name!r}, and another copy under "
            "the same name cannot be told apart" + "".join(f": warning, {warning}" for warning in warnings),
            details={**details, "names_differ": differ, "trained_on_bits": bits},
        )
    digest = base_digest(base)
    if digest == recorded and (changed := _changed_rules(provenance.get("decoding"), base)):
        return Check(
            "base_match",
            holds=False,
            reason=f"{base_name!r} is the base it was trained on, but for its {GENERATION_CONFIG}: {changed}",
            remedy=f"restore the {GENERATION_CONFIG} of the base, by which servers decode; or train it again on this base",
            details={**details, "digest": digest},
        )
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


def _changed_rules(recorded: object, base: Path) -> str:
    """How the rules of decoding beside a base differ from those recorded, in words; empty where they do not, or none were."""
    now = decoding_rules(base)
    if not isinstance(recorded, Mapping) or recorded == now:
        return ""
    key = min(key for key in {*recorded, *now} if recorded.get(key) != now.get(key))
    return f"it sets {key} to {now.get(key, 'nothing')!r}, and to {recorded.get(key, 'nothing')!r} when it was trained"


def _there(adapter: Path, named: object) -> str:
    """How to measure on the base that is named, where it lies on this machine, as a merge that training went on from does."""
    if not isinstance(named, str) or not (Path(named) / "config.json").is_file():
        return ""
    return f"; if it is not, that one is here: --candidate='{{model: {named}, adapter: {adapter}}}'"


@dataclass(frozen=True)
class _BaseName:
    """What a name says of a base: the model, without its owner or directory, and how many bits it was quantised to."""

    model: str
    bits: int | None

    @classmethod
    def of(cls, name: str) -> _BaseName:
        """The parts of a hub id, of a path, or of a path in the hub's cache (`models--OWNER--NAME/snapshots/SHA`)."""
        path = name.replace("\\", "/").rstrip("/").casefold()
        cached = _HUB_CACHE.search(path)
        model = cached["name"] if cached else path.rpartition("/")[2]
        quantised = _QUANTISED.search(model)
        if quantised is None:
            return cls(model, None)
        return cls(model[: quantised.start()], 8 if "8" in quantised[0] else 4)


def _said(config: Mapping[str, Any]) -> str:
    if tokens := config.get("num_virtual_tokens"):
        return f"{tokens} virtual tokens"
    return f"r {config.get('r')}, alpha {config.get('lora_alpha', 'missing')}"


def _provenance(adapter: Path) -> Mapping[str, Any]:
    file = adapter / TRAINED
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
