from __future__ import annotations

import pytest
from transformers import AutoTokenizer

from harness.engines import GenerateRequest, Prompt
from harness.engines.decoding import Row, finished_answer
from harness.errors import EngineError


@pytest.fixture
def finish(tiny_model_dir):
    """The answer that some tokens make under some stop texts; None while it goes on."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)

    def run(text: str, stop: tuple[str, ...] = (), room: int = 99):
        request = GenerateRequest(Prompt(text="hi"), max_new_tokens=room, stop=stop)
        row = Row(0, request, 1, room, None, tokenizer(text, add_special_tokens=False)["input_ids"])
        return finished_answer(row, tokenizer, frozenset({tokenizer.eos_token_id}), 0.0)

    return run


def test_a_stop_text_that_is_a_special_token_ends_the_answer_and_is_not_in_it(finish):
    answer = finish("the dog<|endoftext|>", stop=("<|endoftext|>",))
    assert (answer.stop_reason, answer.text) == ("stop", "the dog")


def test_special_tokens_that_are_no_stop_text_do_not_end_the_answer(finish):
    assert finish("the dog<|endoftext|>", stop=("\n",)) is None
    assert finish("the dog<|endoftext|>", stop=("\n",), room=3).text == "the dog"


@pytest.mark.parametrize(("stop", "text"), [(("wn", "rown"), "The quick bro"), (("rown", "wn"), "The quick b")])
def test_overlapping_stop_texts_cut_in_their_order(finish, stop, text):
    assert finish("The quick brown", stop=stop).text == text


def test_an_answer_goes_on_until_its_stop_text_eos_or_cap(finish):
    assert finish("the dog", stop=("fox",)) is None
    assert finish("the dog<|im_end|>").stop_reason == "eos"
    assert finish("the dog", room=2).stop_reason == "length"


def test_an_empty_stop_text_is_refused():
    with pytest.raises(EngineError, match="stop text is empty"):
        GenerateRequest(Prompt(text="hi"), stop=("",))
