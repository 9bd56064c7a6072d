"""What is made of an approved adapter to be shipped: rightly, and with what conversions and exports lose."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.zoo.gguf_files import rewritten
from benchmarks.zoo.surgery import CHANGED_TEMPLATE, Patient, Surgery
from harness.engines.llama_cpp.server import llama_cpp_version
from harness.errors import AssayError, ConfigError, ModelError
from harness.models.export import Source, Target, export
from harness.models.export.llama_cpp import LlamaCppTools

_EOS = "tokenizer.ggml.eos_token_id"
Spec = str | dict[str, Any]


class UnavailableError(AssayError):
    """This cannot be made on this machine."""


def _by_converter(source: Source, directory: Path, type_: str) -> Path:
    """A GGUF file by llama.cpp's own converter."""
    try:
        llama_cpp_version()
        kind = "gguf-lora" if type_ == "LORA" else "gguf"
        return export(source, Target(kind, "" if type_ == "LORA" else type_), directory, LlamaCppTools())
    except (ConfigError, ModelError) as exc:
        raise UnavailableError(exc.problem, exc.remedy) from exc


@dataclass
class Workshop:
    """Makes shipments of one adapter.

    Attributes:
        base: it was trained on, and `other_base` one of the same shapes.
        to_gguf: writes a GGUF file of a source in a directory, of a type, or `LORA` of the adapter alone.
    """

    base: Path
    other_base: Path
    adapter: Path
    scratch: Path
    to_gguf: Callable[[Source, Path, str], Path] = _by_converter
    _made: dict[str, Path] = field(default_factory=dict)

    def source(self, *, merged: bool = True) -> Source:
        """The adapter on its base, or both as one model."""
        if not merged:
            return Source("candidate", self.base, self.adapter, {})
        return Source("candidate", self.exported("merged"), None, {})

    def exported(self, kind: str) -> Path:
        """As `assay export` makes it, once."""
        if kind not in self._made:
            source = self.source(merged=False)
            self._made[kind] = export(source, Target(kind), self.new(kind))  # type: ignore[arg-type]
        return self._made[kind]

    def gguf(self, type_: str) -> Path:
        """A GGUF file, once."""
        key = f"gguf-{type_}"
        if key not in self._made:
            self._made[key] = self.to_gguf(self.source(merged=type_ != "LORA"), self.new(key), type_)
        return self._made[key]

    def new(self, name: str) -> Path:
        """A path in the scratch directory where nothing is yet."""
        return self.scratch / f"{name}-{len(list(self.scratch.iterdir()))}"

    def copied(self, directory: Path) -> Path:
        """A copy to be damaged."""
        return Path(shutil.copytree(directory, self.new("copy")))

    def operated(self, surgery: Surgery) -> Path:
        """A copy of the adapter after a surgery."""
        copy = self.copied(self.adapter)
        surgery(Patient(copy, self.base))
        return copy


# --- what the approved adapter is, where that matters


def rank_stabilised(patient: Patient) -> None:
    """The same strength, by rsLoRA's scale: alpha over the root of the rank."""
    config = patient.config
    patient.configure(use_rslora=True, lora_alpha=config["lora_alpha"] / math.sqrt(config["r"]))


def alphas_by_module(patient: Patient) -> None:
    """The same strength, of the MLPs by an alpha of their own."""
    modules, factor = ("gate_proj", "up_proj", "down_proj"), 8
    tensors = patient.tensors()
    for name in tensors:
        if "lora_B" in name and any(module in name for module in modules):
            tensors[name] = tensors[name] / factor
    patient.write(tensors)
    patient.configure(alpha_pattern=dict.fromkeys(modules, factor * patient.config["lora_alpha"]))


def trained_head(patient: Patient) -> None:
    """A head of its own, as `modules_to_save` keeps it."""
    import torch

    embeddings = patient.embeddings()
    noise = torch.randn(embeddings.shape, generator=torch.Generator().manual_seed(0)).to(embeddings.dtype)
    head = embeddings + 0.5 * embeddings.float().std().to(embeddings.dtype) * noise
    patient.write({**patient.tensors(), "base_model.model.lm_head.weight": head.contiguous()})
    patient.configure(modules_to_save=["lm_head"])


# --- what ships rightly


def adapter_itself(workshop: Workshop) -> Spec:
    """A copy of the adapter."""
    return str(workshop.copied(workshop.adapter))


def merged(workshop: Workshop) -> Spec:
    """Merged in the precision of the base's files."""
    return str(workshop.exported("merged"))


def int8(workshop: Workshop) -> Spec:
    """Merged, as bitsandbytes' int8."""
    return str(workshop.exported("int8"))


def gguf_q8_0(workshop: Workshop) -> Spec:
    """Merged, as a GGUF file in 8 bits."""
    return str(workshop.gguf("Q8_0"))


def gguf_lora(workshop: Workshop) -> Spec:
    """The adapter as a GGUF file, on the base as one."""
    base = workshop.to_gguf(Source("base", workshop.base, None, {}), workshop.new("base"), "F16")
    return f"gguf:{base}+{workshop.gguf('LORA')}"


# --- what does not


def rslora_as_plain_lora(workshop: Workshop) -> Spec:
    """Converted with alpha over the rank."""
    return str(workshop.operated(lambda patient: patient.configure(use_rslora=False)))


def alpha_pattern_dropped(workshop: Workshop) -> Spec:
    """Converted with one alpha for all modules."""
    return str(workshop.operated(lambda patient: patient.configure(alpha_pattern={})))


def wrong_base(workshop: Workshop) -> Spec:
    """Put on another base of the same shapes."""
    return {"model": str(workshop.other_base), "adapter": str(workshop.adapter)}


def merged_into_the_wrong_base(workshop: Workshop) -> Spec:
    """Merged into another base of the same shapes, a near relative of its own."""
    source = Source("candidate", workshop.other_base, workshop.adapter, {})
    return str(export(source, Target("merged"), workshop.new("other-merged")))


def modules_to_save_lost(workshop: Workshop) -> Spec:
    """Converted without the modules that were trained whole."""

    def lose(patient: Patient) -> None:
        patient.write({name: tensor for name, tensor in patient.tensors().items() if "lm_head" not in name})
        patient.configure(modules_to_save=None)

    return str(workshop.operated(lose))


def nf4_after_a_forward(workshop: Workshop) -> Spec:
    """Saved in NF4 after something was computed on a CPU, which packs the weights otherwise."""
    import torch
    from transformers import AutoModelForCausalLM

    from harness.models.quantization import bitsandbytes_config

    source = workshop.exported("merged")
    kind = torch.bfloat16
    model = AutoModelForCausalLM.from_pretrained(
        source, dtype=kind, quantization_config=bitsandbytes_config("nf4", kind)
    ).eval()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    with torch.inference_mode():
        model(input_ids=torch.tensor([[1, 2, 3]]))
    after = model.state_dict()
    if all(torch.equal(weight, after[name]) for name, weight in before.items()):
        raise UnavailableError("bitsandbytes does not pack weights anew on this processor", "use one with AVX512_BF16")
    return str(_saved(workshop, model))


def merged_into_4_bits(workshop: Workshop) -> Spec:
    """Merged into packed weights, whose grid is coarser than most of the change."""
    from harness.models.loading import LoadOptions, attach_adapter, load_base

    options = LoadOptions("bfloat16", "cpu", quantization="nf4")
    packed = attach_adapter(load_base(workshop.base, options, trainable=True), workshop.adapter, workshop.base)
    return str(_saved(workshop, packed.merge_and_unload()))


def gguf_q2_k(workshop: Workshop) -> Spec:
    """In 2 bits, which a small model does not stand."""
    return str(workshop.gguf("Q2_K"))


def gguf_without_eos(workshop: Workshop) -> Spec:
    """A GGUF file that does not say which token ends an answer."""
    return str(rewritten(workshop.gguf("F16"), workshop.new("no-eos").with_suffix(".gguf"), without=[_EOS]))


def tokenizer_changed(workshop: Workshop) -> Spec:
    """Half of the tokenizer's merges are lost."""
    directory = workshop.copied(workshop.exported("merged"))
    file = directory / "tokenizer.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    merges = document["model"]["merges"]
    document["model"]["merges"] = merges[: len(merges) // 2]
    file.write_text(json.dumps(document), encoding="utf-8")
    return str(directory)


def template_changed(workshop: Workshop) -> Spec:
    """Another chat template is saved with it."""
    directory = workshop.copied(workshop.exported("merged"))
    (directory / "chat_template.jinja").write_text(CHANGED_TEMPLATE, encoding="utf-8")
    return str(directory)


def eos_lost(workshop: Workshop) -> Spec:
    """The generation settings stop at another token."""
    directory = workshop.copied(workshop.exported("merged"))
    for file in (directory / "generation_config.json", directory / "config.json"):
        if file.is_file():
            file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), "eos_token_id": 0}))
    return str(directory)


def _saved(workshop: Workshop, model: Any) -> Path:
    from transformers import AutoTokenizer

    directory = workshop.new("saved")
    model.save_pretrained(directory)
    AutoTokenizer.from_pretrained(workshop.base).save_pretrained(directory)
    return directory
