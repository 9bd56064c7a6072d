"""Builds the tiny model and adapters that the tests use in place of a real one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_CORPUS = [
    "You are a helpful assistant. Answer the question with one word.",
    'get_weather(city: string) <tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}}</tool_call>',
    "The quick brown fox jumps over the lazy dog while 12345 birds sing, and nobody knows why they sing.",
    "Please call the function that books a table for two people at seven in the evening on Friday.",
]
LINEAR_LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def trained_tokenizer(vocab_size: int) -> PreTrainedTokenizerBase:
    """A byte-level BPE of so many tokens, with a chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=specials, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(_CORPUS, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        unk_token="<|endoftext|>",
        model_max_length=2048,
    )
    fast.chat_template = CHATML
    return fast


def save_tiny_model(
    directory: Path,
    *,
    seed: int = 0,
    hidden_size: int = 64,
    vocab_size: int = 600,
    initializer_range: float = 0.02,
    **config: Any,
) -> Path:
    """Save a two-layer random Llama and its tokenizer; the same seed gives the same bytes.

    With weights as small as those of real models its logits span about one nat, however it is trained: pass a larger
    `initializer_range` where a test needs it to learn.

    Args:
        config: more of `LlamaConfig`'s arguments.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    fast = trained_tokenizer(vocab_size)
    torch.manual_seed(seed)
    llama = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=hidden_size,
        intermediate_size=2 * hidden_size,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        initializer_range=initializer_range,
        tie_word_embeddings=True,
        bos_token_id=fast.bos_token_id,
        eos_token_id=fast.eos_token_id,
        pad_token_id=fast.pad_token_id,
        **config,
    )
    return _save(LlamaForCausalLM(llama), fast, directory)


def save_tiny_moe(directory: Path) -> Path:
    """Save a two-layer random Qwen3-MoE, whose experts are fused, and its tokenizer."""
    import torch
    from transformers import Qwen3MoeConfig, Qwen3MoeForCausalLM

    fast = trained_tokenizer(600)
    torch.manual_seed(0)
    config = Qwen3MoeConfig(
        vocab_size=len(fast),
        hidden_size=64,
        moe_intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_experts=4,
        num_experts_per_tok=2,
        bos_token_id=fast.bos_token_id,
        eos_token_id=fast.eos_token_id,
        pad_token_id=fast.pad_token_id,
    )
    return _save(Qwen3MoeForCausalLM(config), fast, directory)


def _save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def save_tiny_adapter(
    base: Path,
    directory: Path,
    *,
    seed: int = 1,
    rank: int = 4,
    scale: float = 0.5,
    targets: str | Sequence[str] = LINEAR_LAYERS,
) -> Path:
    """Save a LoRA adapter on every linear layer of `base`, with B drawn at `scale` instead of zero."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base),
        LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets, task_type="CAUSAL_LM"),
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=scale)
    model.save_pretrained(directory)
    return directory


def save_merged(base: Path, adapter: Path, directory: Path) -> Path:
    """Save a base with an adapter merged into it."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    merged = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).merge_and_unload()
    return _save(merged, AutoTokenizer.from_pretrained(base), directory)
