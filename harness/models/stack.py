"""Several adapters made one by PEFT, which is then measured as any other."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.digests import digest_json
from harness.errors import AdapterError, first_line
from harness.locks import held
from harness.models.adapters.contents import CONFIG
from harness.models.adapters.files import check_adapter_files, read_adapter_config
from harness.models.adapters.kind import read_peft_config
from harness.models.adapters.names import as_peft_writes
from harness.models.adapters.tensors import match_tensors
from harness.models.architecture import skeleton
from harness.models.identity import adapter_digest
from harness.models.quiet import quiet_loading
from harness.paths import cache_dir

# PEFT takes an adapter's name out of the names of tensors wherever it stands: none may be a part of one.
_NAMES = "stacked_adapter_{}"
_COMBINED = "combined_adapters"
# Settings that PEFT takes of the first adapter for all. Of these it would drop or misplace what the others have.
_OF_THE_FIRST = ("layers_to_transform", "layers_pattern", "exclude_modules", "fan_in_fan_out")
# What PEFT leaves out of a combination, silently.
_LEFT_OUT = {
    "use_dora": "DoRA's magnitudes",
    "lora_bias": "biases of LoRA",
    "trainable_token_indices": "trained tokens",
    "modules_to_save": "whole trained modules",
    "target_parameters": "adapted parameters",
}


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
                    "combine LoRA adapters, or merge this one into the base and put the others on that",
                )
            lost = next((what for key, what in _LEFT_OUT.items() if config.get(key)), None)
            if lost is None and config.get("bias", "none") != "none":
                lost = "trained biases"
            if lost is not None:
                raise AdapterError(
                    f"{adapter} has {lost}, which PEFT leaves out of a combination ({self.combination})",
                    "merge it into the base (merge_and_unload) and put the others on that",
                )
        for key in _OF_THE_FIRST:
            if any(config.get(key) != configs[0].get(key) for config in configs):
                raise AdapterError(
                    f"the adapters differ in {key}, and PEFT takes that of the first for all",
                    f"name target_modules in full (model.layers.0.self_attn.q_proj ...) in place of {key}",
                )

    def _combine(self, base: Path, *, trust_remote_code: bool) -> Any:
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
                model.add_weighted_adapter(
                    names, list(self.weights), _COMBINED, combination_type=self.combination, density=self.density
                )
        except (ValueError, TypeError, KeyError, RuntimeError) as exc:
            raise AdapterError(
                f"PEFT cannot combine {', '.join(path.name for path in self.adapters)} by {self.combination}: {first_line(exc)}",
                "use `combination: cat`, which takes all ranks and is the exact sum",
            ) from exc
        return model


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
