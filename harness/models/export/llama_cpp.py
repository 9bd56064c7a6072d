"""GGUF files, by llama.cpp's own programs: in processes of their own, from where the user has them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import ConfigError, ModelError
from harness.json_files import read_json_object
from harness.models.adapters.kind import read_peft_config
from harness.models.architecture import auto_class, read_base_config
from harness.models.export.source import Source
from harness.models.export.target import CONVERTED
from harness.paths import user_path

VARIABLE = "ASSAY_LLAMA_CPP"
_MODEL, _LORA, _QUANTIZE = "convert_hf_to_gguf.py", "convert_lora_to_gguf.py", "llama-quantize"
_BUILT = ("build/bin", "bin", ".")
_REMEDY = (
    "git clone --depth 1 https://github.com/ggml-org/llama.cpp, and name its directory with --llama-cpp or in "
    f"{VARIABLE}; types below Q8_0 also need its program {_QUANTIZE}, built there or on the PATH"
)


@dataclass
class LlamaCppTools:
    """The programs of a checkout of llama.cpp.

    Attributes:
        directory: the checkout; None takes what the environment names.
        python: that the converters run in, with torch, transformers and what `requirements/` of the checkout names.
        commands: what was run so far.
    """

    directory: Path | None = None
    python: str = sys.executable
    commands: list[list[str]] = field(default_factory=list)

    def check(self, kind: str, type_: str) -> None:
        """Look for what is needed, before anything costly.

        Raises:
            ConfigError: it is not there.
        """
        self._script(_LORA if kind == "gguf-lora" else _MODEL)
        if kind == "gguf" and type_ not in CONVERTED:
            self._quantizer()

    def convert_model(self, model: Path, file: Path, type_: str) -> None:
        """Write a model as a GGUF file."""
        direct = type_ in CONVERTED
        dense = file if direct else file.with_name(f".{file.name}.f16")
        self._run([self.python, str(self._script(_MODEL)), str(model), "--outfile", str(dense),
                   "--outtype", CONVERTED.get(type_, "f16")], dense)  # fmt: skip
        if not direct:
            self._run([self._quantizer(), str(dense), str(file), type_], file)
            dense.unlink()

    def convert_lora(self, source: Source, file: Path, scratch: Path) -> None:
        """Write an adapter as a GGUF file: with the scales that PEFT computes, which the format cannot all say."""
        adapter = _scaled_plainly(source, scratch)
        self._run([self.python, str(self._script(_LORA)), str(adapter), "--base", str(source.base),
                   "--outfile", str(file), "--outtype", "f32"], file)  # fmt: skip

    def _root(self) -> Path:
        named = self.directory or os.environ.get(VARIABLE)
        if not named:
            raise ConfigError(
                "GGUF files are written by llama.cpp's converters, and nobody said where they are", _REMEDY
            )
        return user_path(named, VARIABLE).resolve()

    def _script(self, name: str) -> Path:
        script = self._root() / name
        if not script.is_file():
            raise ConfigError(f"{script} is not there", _REMEDY)
        return script

    def _quantizer(self) -> str:
        built = (self._root() / place / _QUANTIZE for place in _BUILT)
        found = next((str(one) for one in built if one.is_file()), None) or shutil.which(_QUANTIZE)
        if found is None:
            raise ConfigError(f"{_QUANTIZE} is neither built in {self._root()} nor on the PATH", _REMEDY)
        return found

    def _run(self, command: list[str], file: Path) -> None:
        self.commands.append(command)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0 or not file.is_file():
            said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
            raise ModelError(
                f"{Path(command[1] if command[0] == self.python else command[0]).name} failed: {'; '.join(said[-3:])[-400:]}",
                "see that this llama.cpp knows the model's architecture, and that its requirements are installed",
            )


def _scaled_plainly(source: Source, scratch: Path) -> Path:
    """The adapter, or a copy in which every module's scale is lora_alpha / its rank, as llama.cpp computes it.

    PEFT has others: rsLoRA divides by the root of the rank, and `alpha_pattern` has an alpha for each module. What is left of
    them goes into B.
    """
    from safetensors.torch import load_file, save_file

    assert source.adapter is not None
    document = read_json_object(source.adapter / "adapter_config.json", ModelError, "restore the file from its source")
    if document.get("peft_type") != "LORA" or document.get("use_dora") or document.get("modules_to_save"):
        what = "DoRA" if document.get("use_dora") else document.get("peft_type")
        what = "one with modules_to_save" if document.get("modules_to_save") else what
        raise ConfigError(
            f"--to=gguf-lora: the adapter is {what}, which GGUF has no form for", "export it merged: --to=gguf:TYPE"
        )
    alpha = float(document["lora_alpha"])
    factors = _factors(source, alpha)
    if all(abs(factor - 1) < 1e-6 for factor in factors.values()):
        return source.adapter
    tensors = load_file(source.adapter / "adapter_model.safetensors")
    for name in tensors:
        module = name.removeprefix("base_model.model.").rsplit(".lora_B", 1)[0]
        if ".lora_B" in name:
            tensors[name] = (tensors[name].float() * factors[module]).contiguous()
    scratch.mkdir(parents=True)
    save_file(tensors, scratch / "adapter_model.safetensors", metadata={"format": "pt"})
    plain = {**document, "use_rslora": False, "alpha_pattern": {}, "rank_pattern": {}}
    (scratch / "adapter_config.json").write_text(json.dumps(plain))
    return scratch


def _factors(source: Source, alpha: float) -> dict[str, float]:
    """Of each module its scale in PEFT over alpha / rank: asked of PEFT, on a model without weights."""
    import torch
    from peft import get_peft_model
    from peft.tuners.lora import LoraLayer

    assert source.adapter is not None
    config = read_base_config(source.base, trust_remote_code=source.trust_remote_code)
    loader = auto_class(config, trust_remote_code=source.trust_remote_code)
    with torch.device("meta"):
        bare: Any = loader.from_config(config, trust_remote_code=source.trust_remote_code)
        adapted = get_peft_model(bare, read_peft_config(source.adapter))
    layers = {name: one for name, one in adapted.named_modules() if isinstance(one, LoraLayer)}
    return {
        name.removeprefix("base_model.model."): one.scaling["default"] * one.r["default"] / alpha
        for name, one in layers.items()
    }


def version_of(commands: Sequence[Sequence[str]]) -> str:
    """What the checkout says it is, for the record."""
    if not commands:
        return "none"
    root = next((Path(part).parent for command in commands for part in command if part.endswith(".py")), None)
    if root is None or not (root / ".git").exists():
        return "unknown"
    said = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return said.stdout.strip() or "unknown"
