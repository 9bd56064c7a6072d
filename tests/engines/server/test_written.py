"""What servers say of the tokens that they write, in the forms of vLLM, llama.cpp and chats."""

from __future__ import annotations

from typing import Any

import pytest
from faulty_server import FaultyServer, Status, chat_answer, text_answer

from harness.config.spec import ServedModel
from harness.engines.requests import Prompt
from harness.engines.server import Likely, Written, ask_written, rendered_there
from harness.engines.server.client import MalformedAnswerError, open_client

COMPLETIONS = {"tokens": [" fox"], "token_logprobs": [-0.5], "top_logprobs": [{" fox": -0.5, " dog": -1.5}]}
CHAT = {
    "content": [
        {
            "token": " fox", "logprob": -0.5,
            "top_logprobs": [{"token": " fox", "logprob": -0.5}, {"token": " dog", "logprob": -1.5}],
        }
    ]
}  # fmt: skip
LLAMA_CPP = {
    "content": [
        {
            "id": 7, "token": " fox", "logprob": -0.5,
            "top_logprobs": [{"id": 7, "token": " fox", "logprob": -0.5}, {"id": 9, "token": " dog", "logprob": -1.5}],
        }
    ]
}  # fmt: skip


def ask(answer: dict[str, Any], prompt: Prompt | list[int]) -> tuple[Written, dict[str, Any]]:
    with FaultyServer(lambda path, body: answer) as server:
        client = open_client(ServedModel("m", server.url), timeout_s=5)
        return ask_written(client, "m", prompt, likeliest=2), server.seen[0].body


@pytest.mark.parametrize("said", [COMPLETIONS, CHAT, LLAMA_CPP])
def test_the_likeliest_are_read_in_every_form(said: dict[str, Any]) -> None:
    written, body = ask(text_answer(" fox", logprobs=said), [3, 4])
    ids = [7, 9] if said is LLAMA_CPP else [None, None]
    assert written.tops == [[Likely(" fox", -0.5, ids[0]), Likely(" dog", -1.5, ids[1])]]
    assert written.written == [Likely(" fox", -0.5, ids[0])]
    assert body == {"model": "m", "prompt": [3, 4], "max_tokens": 1, "temperature": 0, "logprobs": 2}


def test_conversations_ask_for_them_in_their_own_words() -> None:
    written, body = ask(chat_answer("fox", logprobs=CHAT), Prompt.chat("Who jumps?"))
    assert (written.text, written.prompt_tokens, len(written.tops[0])) == ("fox", 7, 2)
    assert (body["logprobs"], body["top_logprobs"]) == (True, 2)


def test_a_server_that_drops_them_tells_its_text() -> None:
    written, _ = ask(text_answer(" fox"), Prompt(text="The quick"))
    assert (written.text, written.tops, written.written) == (" fox", [], [])


@pytest.mark.parametrize(
    "broken",
    [
        {"content": [{"token": "a"}]},
        {"top_logprobs": [3], "tokens": ["a"], "token_logprobs": [-1]},
        {"top_logprobs": [{"a": -1}], "tokens": [], "token_logprobs": []},
        {"top_logprobs": [{"a": -(10**400)}], "tokens": ["a"], "token_logprobs": [-1]},
    ],
)
def test_log_probabilities_that_cannot_be_read_are_told(broken: dict[str, Any]) -> None:
    with pytest.raises(MalformedAnswerError, match="cannot be read"):
        ask(text_answer(" fox", logprobs=broken), [3])


def test_a_conversation_is_rendered_by_the_endpoint_that_there_is() -> None:
    def vllm(path: str, body: dict[str, Any]) -> Any:
        return {"tokens": [1, 2], "count": 2} if path == "/tokenize" and body["messages"] else Status(404)

    def llama_cpp(path: str, body: dict[str, Any]) -> Any:
        # its own /tokenize wants `content`, and has no tokens of a conversation
        return {"/apply-template": {"prompt": "<s>hi"}, "/tokenize": {"tokens": []}}.get(path, Status(404))

    def half_a_character(path: str, body: dict[str, Any]) -> Any:
        return {"prompt": "\ud800 hi"} if path == "/apply-template" else Status(404)

    told = ((vllm, [1, 2]), (llama_cpp, "<s>hi"), (half_a_character, None), (lambda path, body: Status(404), None))
    for answer, found in told:
        with FaultyServer(answer) as server:
            client = open_client(ServedModel("m", server.url), timeout_s=5)
            assert rendered_there(client, "m", Prompt.chat("hi")) == found


def test_arguments_of_the_template_go_with_conversations_and_with_no_text() -> None:
    args = {"enable_thinking": False}
    with FaultyServer(lambda path, body: text_answer("a") if "prompt" in body else chat_answer("a")) as server:
        client = open_client(ServedModel("m", server.url), timeout_s=5)
        for prompt in (Prompt.chat("hi"), Prompt(text="hi"), [3, 4]):
            ask_written(client, "m", prompt, template_args=args)
        rendered_there(client, "m", Prompt.chat("hi"), template_args=args)
        ask_written(client, "m", Prompt.chat("hi"), template_args={})
    sent = [seen.body.get("chat_template_kwargs") for seen in server.seen]
    assert sent == [args, None, None, args, args, None]
