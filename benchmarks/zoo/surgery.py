"""Damage done to a copy of a healthy adapter: its weights, its configuration, or its files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.models.adapters.files import WEIGHTS
from harness.models.seals import TRAINED

if TYPE_CHECKING:
    import torch

    Tensors = dict[str, torch.Tensor]

_CONFIG = "adapter_config.json"
_LAYER = ".layers.1."
_PREFIX = "base_model.model.model."


CHANGED_TEMPLATE = (
    "{% for message in messages %}{{ '### ' + message['role'] + ': ' + message['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '### assistant: ' }}{% endif %}"
)


PENALTY = {"repetition_penalty": 1.05}
"""As some published models have it."""


@dataclass(frozen=True)
class Patient:
    """An adapter's directory, and the base it was made for."""

    adapter: Path
    base: Path

    @property
    def weights(self) -> Path:
        """The file of its tensors."""
        return self.adapter / WEIGHTS

    @property
    def config(self) -> dict[str, Any]:
        """What adapter_config.json says."""
        config: dict[str, Any] = json.loads((self.adapter / _CONFIG).read_text(encoding="utf-8"))
        return config

    def configure(self, **changes: Any) -> None:
        """Change entries of adapter_config.json."""
        (self.adapter / _CONFIG).write_text(json.dumps({**self.config, **changes}, indent=2), encoding="utf-8")

    def tensors(self) -> Tensors:
        """Name -> tensor."""
        from safetensors.torch import load_file

        return load_file(self.weights)

    def write(self, tensors: Tensors) -> None:
        """Replace the weights."""
        from safetensors.torch import save_file

        save_file(tensors, self.weights, metadata={"format": "pt"})

    def forget_digests(self) -> None:
        """Leave no digest of the files as they were, as where the damage was done before they were recorded."""
        record = self.adapter / TRAINED
        said = json.loads(record.read_text(encoding="utf-8"))
        record.write_text(json.dumps({key: value for key, value in said.items() if key != "files"}), encoding="utf-8")

    def embeddings(self) -> torch.Tensor:
        """The base's embeddings: (vocabulary, width)."""
        from safetensors import safe_open

        with safe_open(self.base / "model.safetensors", framework="pt") as file:
            tensor: torch.Tensor = file.get_tensor("model.embed_tokens.weight")
            return tensor


Surgery = Callable[[Patient], None]


def nan_in_one_tensor(patient: Patient) -> None:
    """One value of one tensor is NaN."""
    tensors = patient.tensors()
    next(iter(tensors.values())).view(-1)[0] = float("nan")
    patient.write(tensors)


def zero_b(patient: Patient) -> None:
    """Every B is zero: the adapter does nothing."""
    _scale_b(patient, 0.0)


def tiny_b(patient: Patient) -> None:
    """Every B is a millionth of what it was."""
    _scale_b(patient, 1e-6)


def layer_missing(patient: Patient) -> None:
    """The tensors of one layer are gone."""
    patient.write({name: tensor for name, tensor in patient.tensors().items() if _LAYER not in name})


def extra_tensor(patient: Patient) -> None:
    """A tensor that no module takes."""
    tensors = patient.tensors()
    name = next(iter(tensors))
    patient.write({**tensors, name.replace("down_proj", "side_proj"): tensors[name].clone()})


def keys_renamed(patient: Patient) -> None:
    """Keys in the names of another library, which calls its blocks otherwise."""
    patient.write({name.replace("model.layers.", "transformer.h."): t for name, t in patient.tensors().items()})


def wrong_alpha(patient: Patient) -> None:
    """The configuration says eight times the strength that was trained."""
    config = patient.config
    patient.configure(lora_alpha=8 * config["lora_alpha"])


def dropped_target(patient: Patient) -> None:
    """A target module of another family of models, which PEFT passes over in silence."""
    patient.configure(target_modules=[*patient.config["target_modules"], "gate_up_proj"])


def layers_swapped(patient: Patient) -> None:
    """What two layers learnt has changed places: every shape, norm and value is one that was trained."""
    other = ".layers.2."
    places = {_LAYER: other, other: _LAYER}
    patient.write({
        next((name.replace(one, places[one]) for one in places if one in name), name): tensor
        for name, tensor in patient.tensors().items()
    })  # fmt: skip


def noise_for_a_layer(patient: Patient) -> None:
    """The B of one layer is noise of the same norm."""
    import torch

    generator = torch.Generator().manual_seed(0)
    tensors = patient.tensors()
    for name, tensor in tensors.items():
        if _LAYER in name and "lora_B" in name:
            noise = torch.randn(tensor.shape, generator=generator).to(tensor.dtype)
            tensors[name] = noise * (tensor.norm() / noise.norm())
    patient.write(tensors)


def weaker(patient: Patient) -> None:
    """Every B is 0.3 times what was trained."""
    _scale_b(patient, 0.3)


def chat_template_changed(patient: Patient) -> None:
    """The tokenizer saved beside the adapter speaks another template than the base's."""
    (patient.adapter / "chat_template.jinja").write_text(CHANGED_TEMPLATE, encoding="utf-8")
    (patient.adapter / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|im_end|>"}), encoding="utf-8"
    )


def penalised(patient: Patient) -> None:
    """Generation settings beside the adapter penalise what was said before, by which servers that read them decode."""
    (patient.adapter / "generation_config.json").write_text(json.dumps(PENALTY), encoding="utf-8")


def added_tokens_not_saved(patient: Patient) -> None:
    """Embeddings for two added tokens, without the tokenizer that has them."""
    import torch

    embeddings = patient.embeddings()
    grown = torch.cat([embeddings, embeddings.mean(dim=0).expand(2, -1)])
    patient.write({**patient.tensors(), f"{_PREFIX}embed_tokens.weight": grown})


def half_overflow(patient: Patient) -> None:
    """Saved in half precision, where the larger values do not fit."""
    import torch

    tensors = patient.tensors()
    grown = {name: t * 2e7 if "lora_B" in name and _LAYER in name else t for name, t in tensors.items()}
    patient.write({name: tensor.to(torch.float16) for name, tensor in grown.items()})


def pickle_weights(patient: Patient) -> None:
    """The weights as a pickle in place of safetensors."""
    import torch

    torch.save(patient.tensors(), patient.adapter / "adapter_model.bin")
    patient.weights.unlink()


def corrupt_header(patient: Patient) -> None:
    """The header of the weight file promises more than there is."""
    file = patient.weights
    content = bytearray(file.read_bytes())
    content[:8] = (1 << 40).to_bytes(8, "little")
    file.write_bytes(bytes(content))


def tied_embeddings_adapted(patient: Patient) -> None:
    """Tied embeddings are adapted: unmerged the head stays as it was, merged it changes with them."""
    import torch

    config, embeddings, module = patient.config, patient.embeddings(), f"{_PREFIX}embed_tokens"
    generator = torch.Generator().manual_seed(0)
    adapted = {
        f"{module}.lora_embedding_A": torch.randn(config["r"], len(embeddings), generator=generator),
        f"{module}.lora_embedding_B": torch.randn(embeddings.shape[1], config["r"], generator=generator) * 0.02,
        f"{module}.base_layer.weight": embeddings,
    }
    patient.write({**patient.tensors(), **adapted})
    patient.configure(target_modules=[*config["target_modules"], "embed_tokens"])


def _scale_b(patient: Patient, factor: float) -> None:
    patient.write({name: t * factor if "lora_B" in name else t for name, t in patient.tensors().items()})
