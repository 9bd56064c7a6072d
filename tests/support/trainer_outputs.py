"""What trainers leave: by TRL's own savers, and of trainers that do not install here in their published layout.

Each is laid out over one tiny adapter, so that what is read of it can be held against that adapter.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
PREFIX = "base_model.model."
AXOLOTL_YAML = """base_model: my-org/tiny
load_in_4bit: true
datasets:
  - path: data/train.jsonl
    type: chat_template
chat_template: chatml
adapter: qlora
lora_r: 4
lora_alpha: 8
sequence_len: 1024
learning_rate: 2e-4
special_tokens: &tokens
  pad_token: "<|im_end|>"
tokens: *tokens
val_set_size: 0.05
"""


@dataclass(frozen=True)
class Place:
    """Where an output is laid, and of what.

    Attributes:
        path: the directory, which does not exist yet.
        adapter: PEFT's own files.
        base: the model that they are for.
    """

    path: Path
    adapter: Path
    base: Path


def tensors(adapter: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(adapter / WEIGHTS)


def save(path: Path, held: Mapping[str, torch.Tensor]) -> None:
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in held.items()}, path, metadata={"format": "pt"})


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON file in place."""
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def write_state(directory: Path, steps: int = 40, **further: Any) -> None:
    """A Trainer's state after so many steps of a loss that falls."""
    history = [
        {"step": step, "loss": 0.2 + 1.8 * math.exp(-step / 8), "grad_norm": 1.0, "learning_rate": 1e-4, **further}
        for step in range(1, steps + 1)
    ]
    directory.mkdir(parents=True, exist_ok=True)
    state = {"global_step": steps, "max_steps": steps, "log_history": history}
    (directory / "trainer_state.json").write_text(json.dumps(state))


def trl(place: Place) -> None:
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    rows = [{"prompt": f"Which bird sings {n}?", "completion": " The quick one."} for n in range(8)]
    out = place.path.parent / f"{place.path.name}-run"
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(place.base),
        args=SFTConfig(
            output_dir=str(out), max_steps=12, logging_steps=1, per_device_train_batch_size=4, learning_rate=1e-2,
            use_cpu=True, bf16=False, report_to=[], save_steps=12, disable_tqdm=True, max_length=64, seed=0,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(place.base),
        peft_config=LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"),
    )  # fmt: skip
    trainer.train()
    shutil.copytree(out / "checkpoint-12", place.path)


def axolotl(place: Place) -> None:
    shutil.copytree(place.adapter, place.path)
    shutil.copy(place.base / "config.json", place.path)
    rewrite(place.path / CONFIG, lambda config: config.update(base_model_name_or_path="my-org/tiny"))
    tags = "tags:\n- axolotl\n- generated_from_trainer"
    front = f"---\nlibrary_name: peft\nbase_model: my-org/tiny\n{tags}\ndatasets:\n- data/train.jsonl\n---\n"
    opened = "<details><summary>See axolotl config</summary>\n\naxolotl version: `0.12.2`\n```yaml\n"
    (place.path / "README.md").write_text(f"{front}\n{opened}{AXOLOTL_YAML}\n```\n\n</details><br>\n\n# out\n")
    write_state(place.path / "checkpoint-40")


def axolotl_fsdp(place: Place) -> None:
    """`axolotl merge-sharded-fsdp-weights`: the wrapped model whole, in parts with an index, below the configuration."""
    axolotl(place)
    (place.path / WEIGHTS).unlink()
    held = {name.replace(".weight", ".default.weight"): tensor for name, tensor in tensors(place.adapter).items()}
    names = sorted(held)
    first = {name: held[name] for name in names[::2]}
    first[f"{PREFIX}model.norm.weight"] = next(iter(held.values())).clone()
    second = {name: held[name] for name in names[1::2]}
    weight_map = {}
    for number, part in enumerate((first, second), 1):
        file = f"model-{number:05}-of-00002.safetensors"
        save(place.path / "merged" / file, part)
        weight_map |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
    (place.path / "merged" / "model.safetensors.index.json").write_text(json.dumps(index))
    (place.path / "pytorch_model_fsdp_0").mkdir()
    (place.path / "pytorch_model_fsdp_0" / "__0_0.distcp").write_bytes(b"\x80\x02state.")


def llama_factory(place: Place) -> None:
    shutil.copytree(place.adapter, place.path)
    arguments = {
        "stage": "sft", "do_train": True, "model_name_or_path": "my-org/tiny", "dataset": "pets,tickets", "template": "qwen",
        "finetuning_type": "lora", "lora_rank": 4, "lora_alpha": 8, "cutoff_len": 512, "quantization_bit": 4,
    }  # fmt: skip
    (place.path / "training_args.yaml").write_text("".join(f"{key}: {json.dumps(v)}\n" for key, v in arguments.items()))
    rows = [
        {
            "current_steps": step,
            "total_steps": 40,
            "loss": 0.2 + 1.8 * math.exp(-step / 8),
            "lr": 1e-4,
            "epoch": step / 40,
        }
        for step in range(1, 41)
    ]
    (place.path / "trainer_log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (place.path / "all_results.json").write_text(json.dumps({"epoch": 1.0, "train_loss": 0.5}))
    (place.path / "training_args.bin").write_bytes(b"PK\x03\x04")


def llama_factory_ppo(place: Place) -> None:
    import torch

    llama_factory(place)
    arguments = place.path / "training_args.yaml"
    arguments.write_text(arguments.read_text().replace('"sft"', '"ppo"'))
    rows = [{"current_steps": n, "total_steps": 40, "loss": 0.1, "reward": n / 40, "lr": 1e-5} for n in range(1, 41)]
    (place.path / "trainer_log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    save(place.path / "value_head.safetensors", {"v_head.summary.weight": torch.ones(1, 64)})


def unsloth(place: Place) -> None:
    shutil.copytree(place.adapter, place.path)
    mapping = {"base_model_class": "LlamaForCausalLM", "parent_library": "transformers", "unsloth_fixed": True}
    name = "unsloth/tiny-unsloth-bnb-4bit"
    rewrite(place.path / CONFIG, lambda config: config.update(auto_mapping=mapping, base_model_name_or_path=name))
    (place.path / "README.md").write_text(
        f"---\nbase_model: {name}\ntags:\n- base_model:adapter:{name}\n- unsloth\n- trl\n---\n"
    )
    write_state(place.path)


def torchtune(place: Place) -> None:
    epoch = place.path / "epoch_0"
    epoch.mkdir(parents=True)
    shutil.copy(place.adapter / WEIGHTS, epoch)
    (epoch / "adapter_model.pt").write_bytes(b"\x80\x02}q\x00.")
    targets = json.loads((place.adapter / CONFIG).read_text())["target_modules"]
    (epoch / CONFIG).write_text(json.dumps({"r": 4, "lora_alpha": 8, "target_modules": targets, "peft_type": "LORA"}))
    (place.path / "torchtune_config.yaml").write_text(
        "model:\n  _component_: torchtune.models.llama3_2.lora_llama3_2_1b\n  lora_rank: 4\n  lora_alpha: 8\n"
        "tokenizer:\n  max_seq_len: 768\ncheckpointer:\n  checkpoint_dir: /models/tiny\n"
        "dataset:\n  _component_: torchtune.datasets.chat_dataset\n  source: json\n  data_files: data/train.json\n"
        "loss:\n  _component_: torchtune.modules.loss.LinearCrossEntropyLoss\n"
    )
    lines = [
        f"Step {n} | loss:{0.2 + 1.8 * math.exp(-n / 8)} lr:0.0001 tokens_per_second_per_gpu:512.5 \n"
        for n in range(1, 41)
    ]
    (place.path / "log_1764000000.txt").write_text("".join(lines))


def mlx(place: Place) -> None:
    place.path.mkdir()
    halves = {"lora_A.weight": "lora_a", "lora_B.weight": "lora_b"}
    held = {
        name.removeprefix(PREFIX).replace(theirs, own): tensor.T
        for name, tensor in tensors(place.adapter).items()
        for theirs, own in halves.items()
        if name.endswith(theirs)
    }
    save(place.path / "adapters.safetensors", held)
    config = {
        "model": "mlx-community/tiny-4bit", "data": "data/", "fine_tune_type": "lora", "num_layers": 16, "iters": 600,
        "max_seq_length": 2048, "lora_parameters": {"rank": 4, "dropout": 0.0, "scale": 2.0}, "train": True,
    }  # fmt: skip
    (place.path / CONFIG).write_text(json.dumps(config))


def tinker(place: Place) -> None:
    import torch

    place.path.mkdir()
    generator = torch.Generator().manual_seed(0)
    vocabulary = json.loads((place.base / "config.json").read_text())["vocab_size"]
    head = {
        f"{PREFIX}model.unembed_tokens.lora_A.weight": torch.randn(4, 64, generator=generator) / 8,
        f"{PREFIX}model.unembed_tokens.lora_B.weight": torch.randn(vocabulary, 4, generator=generator) / 8,
    }
    # attention alone was trained, whatever its configuration names
    held = {name: tensor for name, tensor in tensors(place.adapter).items() if ".self_attn." in name}
    save(place.path / WEIGHTS, {**held, **head})
    config = {
        "peft_type": "LORA",
        "r": 4,
        "lora_alpha": 8,
        "target_modules": "all-linear",
        "base_model_name_or_path": "my-org/tiny",
    }
    (place.path / CONFIG).write_text(json.dumps(config))
    rows = [{"step": n, "train_mean_nll": 0.2 + 1.8 * math.exp(-n / 8), "learning_rate": 1e-4} for n in range(40)]
    (place.path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    common = {"model_name_for_tokenizer": "my-org/tiny", "renderer_name": "qwen3", "max_length": 4096}
    run = {"model_name": "my-org/tiny", "dataset_builder": {"common_config": common, "file_path": "data/train.jsonl"}}
    (place.path / "config.json").write_text(json.dumps(run))


def openai_job(place: Place) -> None:
    """No weights: the events of a job, as the API lists them, the newest first."""
    place.path.mkdir()
    events = [
        {
            "object": "fine_tuning.job.event", "id": f"ftevent-{n}", "created_at": 1693582679 + n, "level": "info",
            "message": f"Step {n}/40: training loss={2 / n:.2f}", "type": "metrics",
            "data": {"step": n, "train_loss": 0.2 + 1.8 * math.exp(-n / 8), "total_steps": 40, "train_mean_token_accuracy": 0.9},
        }
        for n in range(40, 0, -1)
    ]  # fmt: skip
    events.insert(
        0,
        {
            "object": "fine_tuning.job.event",
            "level": "info",
            "message": "The job has completed",
            "type": "message",
            "data": None,
        },
    )
    job = {
        "object": "fine_tuning.job", "model": "gpt-4.1-nano-2025-04-14", "training_file": "file-abc", "validation_file": None,
        "method": {"type": "supervised"},
    }  # fmt: skip
    (place.path / "events.json").write_text(json.dumps({"object": "list", "data": [*events, job], "has_more": False}))


def deepspeed(place: Place) -> None:
    shutil.copytree(place.adapter, place.path)
    state = place.path / "global_step40"
    state.mkdir()
    for name in ("mp_rank_00_model_states.pt", "bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt"):
        (state / name).write_bytes(b"\x80\x02}q\x00.")
    (place.path / "zero_to_fp32.py").write_text("import torch\n")
    (place.path / "latest").write_text("global_step40")
    write_state(place.path)


def fsdp(place: Place) -> None:
    """FSDP2's parts of the adapter alone, with an index."""
    shutil.copytree(place.adapter, place.path)
    held = tensors(place.path)
    (place.path / WEIGHTS).unlink()
    names, weight_map = sorted(held), {}
    for number in range(3):
        file = f"adapter_model-{number + 1:05}-of-00003.safetensors"
        save(place.path / file, {name: held[name] for name in names[number::3]})
        weight_map |= dict.fromkeys(names[number::3], file)
    (place.path / "adapter_model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    (place.path / "optimizer_0").mkdir()
    (place.path / "optimizer_0" / "__0_0.distcp").write_bytes(b"\x80\x02state.")
    (place.path / "optimizer_0" / ".metadata").write_bytes(b"\x80\x02state.")
    write_state(place.path)


def litgpt(place: Place) -> None:
    place.path.mkdir()
    (place.path / "lit_model.pth.lora").write_bytes(b"PK\x03\x04")
    (place.path / "hyperparameters.yaml").write_text(
        "checkpoint_dir: checkpoints/my-org/tiny\nquantize: bnb.nf4\nlora_r: 8\nlora_alpha: 16\n"
        "data:\n  class_path: litgpt.data.JSON\n  init_args:\n    json_path: data/train.json\n    prompt_style: alpaca\n"
        "train:\n  max_seq_length: 512\n"
    )


OUTPUTS: Mapping[str, Callable[[Place], None]] = {
    "TRL checkpoint": trl,
    "Axolotl": axolotl,
    "Axolotl, FSDP": axolotl_fsdp,
    "LLaMA-Factory": llama_factory,
    "LLaMA-Factory, PPO": llama_factory_ppo,
    "Unsloth": unsloth,
    "torchtune": torchtune,
    "MLX": mlx,
    "Tinker": tinker,
    "OpenAI job": openai_job,
    "DeepSpeed": deepspeed,
    "FSDP": fsdp,
}
