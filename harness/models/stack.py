"""Several adapters made one by PEFT, which is then measured as any other; or merged into the base, for others to be put on."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict

from harness.digests import digest_json
from harness.errors import AdapterError, first_line
from harness.locks import held
from harness.models.adapters.contents import CONFIG
from harness.models.adapters.files import check_adapter_files, read_adapter_config
from harness.models.adapters.kind import read_peft_config
from harness.models.adapters.names import as_peft_writes
from harness.models.adapters.tensors import match_tensors
from harness.models.architecture import skeleton
from harness.models.identity import adapter_digest, base_digest
from harness.models.quiet import quiet_loading
from harness.models.resolve import ResolvedAdapter, ResolvedModel
from harness.paths import cache_dir

# PEFT takes an adapter's name out of the names of tensors wherever it stands: none may be a part of one.
_NAMES = "stacked_adapter_{}"
_COMBINED = "combined_adapters"
# Settings that PEFT takes of the first adapter for all. Of these it would drop or misplace what the others have.
_OF_THE_FIRST = ("layers_to_transform", "layers_pattern", "exclude_modules", "fan_in_fan_out")
# Those that a combination computes with, that say where an adapter comes from, or that act in training alone.
_TAKEN_IN = frozenset((
    "r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "target_modules", "task_type", "peft_type",
    "peft_version", "auto_mapping", "base_model_name_or_path", "revision", "inference_mode", "lora_dropout",
    "init_lora_weights", "loftq_config", "eva_config", "corda_config", "lora_ga_config", "runtime_config",
    "megatron_config", "megatron_core", "ensure_weight_tying", "qalora_group_size", "bias", *_OF_THE_FIRST,
))  # fmt: skip
# DARE drops values at random: the same ones each time, for its answers are kept by what it was made of.
_SEED = 0
# What PEFT leaves out of a combination, silently.
_LEFT_OUT = {
    "use_dora": "DoRA's magnitudes",
    "lora_bias": "biases of LoRA",
    "trainable_token_indices": "trained tokens",
    "modules_to_save": "whole trained modules",
    "target_parameters": "adapted parameters",
}
_MERGE_FIRST = "merge it into the base, where the others were trained on that: `{path: ..., merged: true}`, before them"


class Trust(TypedDict):
    """What may lie beside adapters though it could run code, and whether a model's own code runs."""

    allowed: Sequence[str]
    trust_remote_code: bool


@dataclass(frozen=True)
class Stack:
    """Adapters that act together on one base.

    Attributes:
        weights: of each adapter.
        combination: PEFT's name of how they become one; `cat` is exactly the weighted sum of their changes.
        density: share of values that a combination which prunes keeps.
    """

    adapters: Sequence[Path]
    weights: Sequence[float]
    combination: str = "cat"
    density: float | None = None

    @cached_property
    def digest(self) -> str:
        """Of the adapters in their order, their weights, and how they are combined."""
        members = [
            [adapter_digest(path), repr(weight)] for path, weight in zip(self.adapters, self.weights, strict=True)
        ]
        return digest_json([self.combination, repr(self.density), members])

    def combined(self, base: Path, *, allowed: Sequence[str] = (), trust_remote_code: bool = False) -> Path:
        """The directory of the one adapter they make, computed now unless it was before.

        Of the base only shapes are needed, so none of it is loaded.

        Args:
            allowed: files beside the adapters that could run code and may lie there.

        Raises:
            AdapterError: one of them cannot be loaded, or does not fit the base; or they cannot be combined.
        """
        target = cache_dir() / "combined" / self.digest
        for adapter in self.adapters:
            check_adapter_files(adapter, allowed=allowed)
        self._refuse_what_peft_loses()
        target.parent.mkdir(parents=True, exist_ok=True)
        with held(target.with_suffix(".lock"), "combining adapters"):
            if not (target / CONFIG).is_file():
                with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
                    model = self._combine(base, trust_remote_code=trust_remote_code)
                    model.save_pretrained(scratch, selected_adapters=[_COMBINED], save_embedding_layers=False)
                    (Path(scratch) / _COMBINED).rename(target)
        return target

    def _refuse_what_peft_loses(self) -> None:
        """Combinations that PEFT makes without a word, and that are not what their name says."""
        configs = [read_adapter_config(adapter) for adapter in self.adapters]
        for adapter, config in zip(self.adapters, configs, strict=True):
            kind = config.get("peft_type")
            if kind != "LORA":
                raise AdapterError(
                    f"{adapter} is of peft_type {kind!r}, which PEFT cannot combine with others",
                    f"combine LoRA adapters, or {_MERGE_FIRST}",
                )
            lost = next((what for key, what in _LEFT_OUT.items() if config.get(key)), None)
            if lost is None and config.get("bias", "none") != "none":
                lost = "trained biases"
            lost = lost or _unknown(config)
            if lost is not None:
                raise AdapterError(
                    f"{adapter} has {lost}, which PEFT leaves out of a combination ({self.combination})", _MERGE_FIRST
                )
        for key in _OF_THE_FIRST:
            if any(config.get(key) != configs[0].get(key) for config in configs):
                raise AdapterError(
                    f"the adapters differ in {key}, and PEFT takes that of the first for all",
                    f"name target_modules in full (model.layers.0.self_attn.q_proj ...) in place of {key}",
                )

    def _combine(self, base: Path, *, trust_remote_code: bool) -> Any:
        import torch
        from peft import PeftModel

        model, names = weightless(base, trust_remote_code=trust_remote_code), list[str]()
        try:
            with quiet_loading():
                for number, adapter in enumerate(self.adapters):
                    read_peft_config(adapter)  # refuses what cannot be switched on and off
                    match = match_tensors(adapter, base, trust_remote_code=trust_remote_code)
                    if match.diagnosis is not None:
                        raise AdapterError(
                            f"{adapter} does not fit the base {base.name}: {match.describe()}", match.diagnosis.remedy
                        )
                    names.append(_NAMES.format(number))
                    with as_peft_writes(adapter, without=match.copies) as directory:
                        if number == 0:
                            model = PeftModel.from_pretrained(model, directory, adapter_name=names[0])
                        else:
                            model.load_adapter(directory, adapter_name=names[-1])
                # the scales are in the layers by now, and PEFT would give that of the first to what it makes of all
                model.peft_config[names[0]].use_rslora = False
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(_SEED)
                    model.add_weighted_adapter(
                        names, list(self.weights), _COMBINED, combination_type=self.combination, density=self.density
                    )
        except (ValueError, TypeError, KeyError, RuntimeError) as exc:
            raise AdapterError(
                f"PEFT cannot combine {', '.join(path.name for path in self.adapters)} by {self.combination}: {first_line(exc)}",
                "use `combination: cat`, which takes all ranks and is the exact sum",
            ) from exc
        return model


def _unknown(config: Mapping[str, Any]) -> str | None:
    """A setting that is not at its default, and of which nothing says that a combination takes it in."""
    from peft import LoraConfig

    defaults = {one.name: one.default for one in fields(LoraConfig)}
    said = {key: value for key, value in config.items() if key not in _TAKEN_IN and value}
    return next((f"{key}={value!r}" for key, value in said.items() if value != defaults.get(key)), None)


def merged_model(
    base: ResolvedModel, adapters: Sequence[ResolvedAdapter], *, allowed: Sequence[str], trust_remote_code: bool
) -> ResolvedModel:
    """The model that adapters make of a base, each merged into what those before it made; made now unless it was before.

    In the precision of the base's files, as one saves it to train the next adapter on.

    Raises:
        AdapterError: one cannot be merged, or merged it would not act as it does.
    """
    from harness.models.export.merging import write_merged  # imports torch, and this is imported at collection
    from harness.models.export.source import Source

    digest = digest_json([base_digest(base.directory), *(adapter_digest(one.directory) for one in adapters)])
    target = cache_dir() / "merged" / digest
    target.parent.mkdir(parents=True, exist_ok=True)
    with held(target.with_suffix(".lock"), "merging adapters"):
        if not target.is_dir():
            with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
                model = base.directory
                for number, adapter in enumerate(adapters):
                    made = Path(scratch) / str(number)
                    source = Source(adapter.name, model, adapter.directory, {}, allowed, trust_remote_code)
                    write_merged(source, made)
                    model = made
                model.rename(target)
    return ResolvedModel(" + ".join([base.name, *(one.name for one in adapters)]), target)


def weightless(base: Path, *, trust_remote_code: bool = False) -> Any:
    """The base with zeros for weights, which take no memory: as good as the base for what depends on shapes alone."""
    import torch
    from torch import nn

    model = skeleton(base, trust_remote_code=trust_remote_code)
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            zero = torch.zeros((), dtype=torch.float32).expand(parameter.shape)
            module.register_parameter(name, nn.Parameter(zero, requires_grad=False))
    return model
