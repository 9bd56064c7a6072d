"""A model of images and text, given texts alone, answers as transformers' own forward pass and generation do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForImageTextToText

from harness.engines import GenerateRequest, Prompt, ScoreRequest
from harness.engines.local import LocalBackend
from harness.engines.strategy import BatchLimits
from harness.models.loading import LoadedModel, LoadOptions, load_model

TEXT = {
    "vocab_size": 700, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4},
}  # fmt: skip
VISION = {
    "depth": 2, "hidden_size": 16, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 32, "patch_size": 14,
    "fullatt_block_indexes": [1],
}  # fmt: skip
OPENING = "The quick brown fox jumps over the lazy dog while birds sing, and nobody knows why they sing. "
TEXTS = [f"{OPENING}Which birds?", f"{OPENING}Call the function.", "Answer with one word.", f"{OPENING}Why?"]


@pytest.fixture(scope="module")
def loaded(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    directory = tmp_path_factory.mktemp("qwen2_5_vl")
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(tiny_model_dir / name, directory)
    ids = {"image_token_id": 690, "video_token_id": 691, "vision_start_token_id": 692, "vision_end_token_id": 693}
    ends = {"eos_token_id": 2, "pad_token_id": 2, "bos_token_id": 1}
    torch.manual_seed(0)
    config = AutoConfig.for_model("qwen2_5_vl", text_config={**TEXT, **ends}, vision_config=VISION, **ids, **ends)
    model = AutoModelForImageTextToText.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3 if parameter.ndim > 1 else 1)
    model.save_pretrained(directory)
    return load_model(directory, LoadOptions("float32", "cpu"))


@pytest.mark.parametrize("way", ["packed", "forked", "padded"])
def test_texts_alone_are_answered_as_transformers_answers_them(loaded: LoadedModel, way: str) -> None:
    asked = [GenerateRequest(Prompt.chat(text), max_new_tokens=6) for text in TEXTS]
    scored = [ScoreRequest(Prompt.chat(text), "no, never") for text in TEXTS]
    backend = LocalBackend(lambda: loaded, adapter=False, limits=BatchLimits(tokens=16_384, rows=8), first_way=way)
    answers = {index: answer for batch in backend.plan([*asked, *scored]) for index, answer in batch.run()}
    end = loaded.tokenizer("no, never", add_special_tokens=False, return_tensors="pt")["input_ids"]
    for index, request in enumerate(asked):
        prompt = loaded.tokenizer.apply_chat_template(
            request.prompt.as_messages(), add_generation_prompt=True, return_tensors="pt", return_dict=True
        )["input_ids"]
        with torch.inference_mode():
            text = loaded.in_memory().model.generate(prompt, max_new_tokens=6, do_sample=False)[0, prompt.shape[1] :]
            logits = (
                loaded.in_memory().model(input_ids=torch.cat([prompt, end], dim=1)).logits[0, prompt.shape[1] - 1 : -1]
            )
        assert answers[index].text == loaded.tokenizer.decode(text, skip_special_tokens=True)
        expected = torch.log_softmax(logits, dim=-1).gather(1, end[0, :, None]).sum()
        assert answers[len(asked) + index].logprob == pytest.approx(float(expected), abs=1e-4)
