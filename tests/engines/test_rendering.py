from __future__ import annotations

import pytest
from transformers import AutoTokenizer

from harness.engines import Message, Prompt, ScoreRequest
from harness.engines.rendering import prompt_tokens, render_text, score_tokens
from harness.errors import EngineError, ModelError


@pytest.fixture
def tokenizer(tiny_model_dir):
    return AutoTokenizer.from_pretrained(tiny_model_dir)


@pytest.fixture
def bos_tokenizer(tokenizer):
    """As Llama's: every encoding begins with BOS."""
    from tokenizers.processors import TemplateProcessing

    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", tokenizer.bos_token_id)]
    )
    return tokenizer


def test_template_is_applied_once(tokenizer):
    ids = prompt_tokens(tokenizer, Prompt.chat("hi"))
    assert tokenizer.decode(ids) == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"


def test_a_rendered_template_gets_no_second_bos(bos_tokenizer):
    ids = prompt_tokens(bos_tokenizer, Prompt.chat("hi"))
    assert ids[0] == bos_tokenizer.bos_token_id
    assert ids[1] != bos_tokenizer.bos_token_id


def test_raw_text_gets_one_bos_whether_or_not_it_brings_it(bos_tokenizer):
    bos = bos_tokenizer.bos_token_id
    for text in ("hi there", "<|im_start|>hi there"):
        ids = prompt_tokens(bos_tokenizer, Prompt(text=text))
        assert ids.count(bos) == 1
        assert ids[0] == bos


def test_a_conversation_without_a_template_is_refused_with_the_remedy(tokenizer):
    tokenizer.chat_template = None
    with pytest.raises(ModelError, match="no chat template"):
        render_text(tokenizer, Prompt.chat("hi"))


def test_a_template_that_refuses_a_role_says_which(tokenizer):
    tokenizer.chat_template = "{{ raise_exception('System role not supported') }}"
    with pytest.raises(ModelError, match=r"refuses roles \(system, user\): System role not supported"):
        render_text(tokenizer, Prompt.chat("hi", system="be brief"))


def test_spaces_at_the_end_of_a_context_belong_to_the_continuation(tokenizer):
    spaced = ScoreRequest(Prompt(text="The quick brown "), "fox")
    joined = ScoreRequest(Prompt(text="The quick brown"), " fox")
    assert score_tokens(tokenizer, [spaced]) == score_tokens(tokenizer, [joined])


def test_an_empty_continuation_is_refused(tokenizer):
    with pytest.raises(EngineError, match="adds no token"):
        score_tokens(tokenizer, [ScoreRequest(Prompt(text="The"), "")])


def test_many_requests_are_encoded_each_as_if_alone(bos_tokenizer):
    prompts = [Prompt(text=t) for t in ("", "The", "The quick ", "<|im_start|>The", " ")] + [Prompt.chat("The")]
    requests = [ScoreRequest(prompt, tail) for prompt in prompts for tail in (" fox", "dog", " fox jumps")]
    together = score_tokens(bos_tokenizer, requests)
    assert together == [score_tokens(bos_tokenizer, [request])[0] for request in requests]
    assert all(context[0] == bos_tokenizer.bos_token_id for context, _ in together)


def test_tools_are_rendered_or_refused_never_lost(tokenizer):
    prompt = Prompt(Prompt.chat("hi").messages, tools='[{"type": "function", "function": {"name": "find"}}]')
    with pytest.raises(ModelError, match="renders no tools"):
        render_text(tokenizer, prompt)
    tokenizer.chat_template = "{% for t in tools or [] %}{{ t.function.name }} {% endfor %}" + tokenizer.chat_template
    assert render_text(tokenizer, prompt) == f"find {render_text(tokenizer, Prompt.chat('hi'))}"


def test_earlier_reasoning_goes_by_the_templates_own_key(tokenizer):
    said = Prompt((Message("user", "hi"), Message("assistant", "yes", "so"), Message("user", "and?")))
    assert "so" not in render_text(tokenizer, said)
    tokenizer.chat_template = "{% for m in messages %}{{ m.thinking }}{{ m.content }}{% endfor %}"
    assert render_text(tokenizer, said) == "hisoyesand?"
