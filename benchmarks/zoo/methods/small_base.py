"""The base of the methods' zoo: a model of four narrow layers, taught the quiz from nothing in a minute.

It is so small that each method shows what it does, rightly and wrongly, in seconds: half of its answers are curt, half are short.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from filelock import FileLock

from benchmarks.zoo.methods import quiz
from benchmarks.zoo.stand_ins import write_rows
from harness.models.identity import base_digest
from harness.paths import cache_dir
from harness.training import Recipe, train
from harness.training.recipe_data import DataFile, RecipeData

NAME = "small-base"
_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def ensure_small_base(zoo: Path) -> Path:
    """The model directory, taught on first use; safe under parallel processes."""
    untaught = zoo / f"{NAME}-untaught"
    with FileLock(zoo / f"{NAME}.lock"):
        if not untaught.is_dir():
            with tempfile.TemporaryDirectory(dir=zoo, prefix=f".{NAME}-") as scratch:
                _save_untaught(Path(scratch) / NAME)
                shutil.move(Path(scratch) / NAME, untaught)
    taught = train(
        _recipe(zoo), base_path=str(untaught), base_digest=base_digest(untaught), cache_dir=cache_dir() / "adapters"
    )
    return taught.path


def _recipe(zoo: Path) -> Recipe:
    rows = write_rows(zoo / "rows" / f"{NAME}.jsonl", quiz.corpus())
    return Recipe(
        name=NAME,
        base=NAME,
        peft="none",
        data=RecipeData(train=DataFile(path=str(rows))),
        trainer={
            "max_steps": 240,
            "per_device_train_batch_size": 32,
            "learning_rate": 3e-3,
            "lr_scheduler_type": "cosine",
            "warmup_steps": 20,
            "max_length": 128,
            "logging_steps": 20,
            "activation_checkpointing": False,
            "seed": 0,
        },
    )


def _save_untaught(directory: Path) -> None:
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=list(_SPECIAL), initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())
    )
    texts = [text for row in quiz.corpus() for text in (row["prompt"], row["completion"])]
    tokenizer.train_from_iterator([*texts, "system\nuser\nassistant\n"], trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=_SPECIAL[1], eos_token=_SPECIAL[2], pad_token=_SPECIAL[0],
        unk_token=_SPECIAL[0], model_max_length=512,
    )  # fmt: skip
    fast.chat_template = _TEMPLATE
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast), hidden_size=128, intermediate_size=256, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=4, max_position_embeddings=512, tie_word_embeddings=True, bos_token_id=fast.bos_token_id,
        eos_token_id=fast.eos_token_id, pad_token_id=fast.pad_token_id,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(directory)
    fast.save_pretrained(directory)
