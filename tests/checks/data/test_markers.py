"""Text that a chat template rendered already fails, by its markers; talk, code and HTML do not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from harness.checks import data
from harness.checks.data.markers import family_markers
from harness.models.loading import load_tokenizer

DATA_DIR = os.environ.get("ASSAY_DATA_DIR", "")
_CLEAN = ("gsm8k", "mbpp", "humaneval", "alpaca_seed_tasks", "self_instruct_252", "hh_rlhf", "math500", "mt_bench")


@pytest.fixture(scope="module")
def tokenizer(tiny_model_dir: Path):
    return load_tokenizer(tiny_model_dir)


@pytest.mark.parametrize(
    ("prompt", "answer", "wanted"),
    [
        (
            "<|im_start|>user\nhello<|im_end|>",
            "hi",
            "turn 1 of 2 (user) holds '<|im_end|>' (a special token of this base)",
        ),
        ("hello", "hi<|im_end|> more", "turn 2 of 2 (assistant) holds '<|im_end|>'"),
        ("<s>[INST] hello [/INST]", "hi", "'[INST]' (Llama 2 and Mistral)"),
        ("hello", "It takes three days.</s>", "(Llama 2's sentences)"),
        ("hello<|eot_id|>", "hi", "(Llama 3)"),
        ("<start_of_turn>user\nhello<end_of_turn>", "hi", "(Gemma)"),
        ("<|user|>\nhello<|end|>", "hi", "(Phi, Zephyr and GLM)"),
        ("hello", "hi\n### Human: more", "(Vicuna and Guanaco)"),
        ("### Human: hello\n### Assistant:", "hi", "(Vicuna and Guanaco)"),
        ("USER: hello ASSISTANT:", "hi", "(Vicuna and Guanaco)"),
        ("### Instruction:\nSay hello.\n\n### Response:\n", "hi", "(Alpaca)"),
        ("\n\nHuman: hello\n\nAssistant:", "hi", "(plain speakers)"),
        ("GPT4 Correct User: hello<|end_of_turn|>GPT4 Correct Assistant:", "hi", "(another family)"),
        ("<|turn>user\nhello<turn|>", "hi", "(another family)"),
        ("[|user|]hello\n[|assistant|]", "hi", "(another family)"),
        ("<bos>hello", "hi", "(another family)"),
        ("hello", "hi<pad><pad>", "(another family)"),
        ("<\uff5cUser\uff5c>hello<\uff5cAssistant\uff5c>", "hi", "(DeepSeek)"),
    ],
)
def test_markers_are_named_with_their_family(corpus, tokenizer, prompt: str, answer: str, wanted: str):
    check = data.text_is_unrendered(corpus([("hello", "hi"), (prompt, answer)]), tokenizer, 0.0)
    assert check.decide().outcome == "fail"
    assert f"train.jsonl row 2: {wanted}" in check.reason or wanted in check.reason
    assert data.text_is_unrendered(corpus([("hello", "hi"), (prompt, answer)]), tokenizer, 0.5).holds


@pytest.mark.parametrize(
    "text",
    [
        "Use <s>old</s> to strike text through, or <s>",
        "<p>The price was <s>20</s></p>",
        "The tag that closes it is </s>",
        "xs |> map f <| ys; a <|> b; if (a<b || c>d) x[INSTANCE]",
        "### Assistant manager wanted\n### Instruction: none",
        "The field USER: name; the field ASSISTANT: id.",
        "The <bos> token opens a text and <pad> fills it. [|x|] and p <|> q",
        "User: hello\nAssistant: hi",
        "cat <<EOF\n<filename>\nEOF",
        "<tool_call>{}</tool_call> <think>so</think>",
    ],
)
def test_talk_code_and_html_hold_no_markers(corpus, tokenizer, text: str):
    check = data.text_is_unrendered(corpus([(text, "hi"), ("hello", text)]), tokenizer, 0.0)
    assert check.holds, check.reason


def test_the_bases_eos_may_end_the_last_answer(corpus, tokenizer):
    assert data.text_is_unrendered(corpus([("hello", "hi<|im_end|>\n")]), tokenizer, 0.0).holds


def test_families_are_known_without_the_bases_tokenizer(corpus):
    check = data.text_is_unrendered(corpus([("<|im_start|>user", "hi")]), None, 0.0)
    assert "'<|im_start|>' (ChatML)" in check.reason


@pytest.mark.skipif(not DATA_DIR, reason="ASSAY_DATA_DIR is not set: no local copies of public data sets")
def test_public_data_sets_hold_no_markers():
    """But for those whose prompts stand in Alpaca's template."""
    files = [file for name in _CLEAN for file in sorted((Path(DATA_DIR) / name).rglob("*.jsonl"))]
    texts = [text for file in files for line in file.read_text(encoding="utf-8").splitlines() for text in _texts(line)]
    assert len(texts) > 10_000
    assert [(text, found) for text in texts if (found := list(family_markers(text)))] == []


def _texts(line: str) -> list[str]:
    texts: list[str] = []
    json.loads(line, object_hook=lambda row: texts.extend(value for value in row.values() if isinstance(value, str)))
    return texts
