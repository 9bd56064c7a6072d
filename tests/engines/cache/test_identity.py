"""Keys and rows of the answer cache, to the bit: a change here throws away every stored answer and baseline."""

from __future__ import annotations

import pytest

from harness.engines import (
    Answer,
    Choice,
    ChoiceRequest,
    Divergence,
    DivergenceRequest,
    GenerateRequest,
    Generation,
    Message,
    Prompt,
    Request,
    RollingRequest,
    Score,
    ScoreRequest,
    answer_key,
)
from harness.engines.cache.rows import pack, unpack

KEY = bytes(range(32))
CHAT = Prompt((Message("system", "Be brief."), Message("user", "größer, 更大 \ud800?")))
TEXT = Prompt(text="The quick brown fox")

REQUESTS: list[tuple[Request, str]] = [
    (GenerateRequest(TEXT), "ba818d9246b23ebb54166717bfb281a5dad901bbd4494f10846bcdc6c8066b7d"),
    (
        GenerateRequest(CHAT, 12, ("\n", "</s>"), 0.7, 0.9, 3, True),
        "d010a520de6a84f47ad9446f7e87d66b64d76b19d06d8ff33621759208aeef73",
    ),
    (ScoreRequest(TEXT, " jumps"), "929f09143f4aeea2a932cc668c1b9cf7e5cac0f7206d5c3bd116cffc23afbf65"),
    (ScoreRequest(CHAT, "yes", True), "fbe1f606ded9ca3df075ea8a1d16d68459e7ef77928db70eba4163074dd69e7f"),
    (ChoiceRequest(CHAT, ("B", "A")), "95a4da94196c145ef439d4761208ec1fab4f769e4073b97c6354c6f5c4126298"),
    (RollingRequest("A whole text."), "46638ea5f1a6bc8406a9cfcbba1f327d5822de6ddcf1256890c223a808b76d14"),
    (DivergenceRequest("A whole text."), "4a891eb176088991f2d6ee195ce99a7a49bf6108101a50549801489f329ef9d7"),
]
ANSWERS: list[tuple[Answer, str]] = [
    (
        Generation('{"name": "größer"} \ud800', "eos", 12, 3, 0.125),
        "generation ba7ab69d82f7e29c ab867903c5ede94587b71d9e9f5a14a354abf076410386bb21ee44b7d008ab8dc668361a1a99d60200",
    ),
    (
        Score(-1.2345678901234567, True, 5, 2, 0.25),
        "score 5996577ad1d431f4 ab4632db50cfc8d8c4d4ccdcc2d2c010c2c2b40bdd1653acb618a1d962645a0b00",
    ),
    (
        Score(float("-inf"), False, 5, 2, 0.25),
        "score f816c69f54c3052c ab4632db332f2d332fb3a412c506ec869b6235dc08cd7023d35a00",
    ),
    (
        Choice((-0.5, None), 5, 2, 0.25),
        "choice d04ee83825496162 ab86990de445034d37d5c92bcdc989c530cd14ab694668a61999d60200",
    ),
    (Divergence(0.125, 40, 0.5), "divergence ff1705769e511fa7 ab86da6668648ab0cfc4004d95692d00"),
]


@pytest.mark.parametrize(("request_", "digest"), REQUESTS)
def test_a_request_has_the_digest_it_always_had(request_: Request, digest: str) -> None:
    assert request_.digest == digest


@pytest.mark.parametrize(("answer", "row"), ANSWERS)
def test_a_row_stored_long_ago_is_still_read(answer: Answer, row: str) -> None:
    """Only read: another build of zlib may deflate to other bytes."""
    kind, checksum, packed = row.split()
    assert unpack(KEY, kind, bytes.fromhex(checksum), bytes.fromhex(packed)) == answer
    assert pack(KEY, answer).kind == kind


def test_the_key_is_of_the_model_and_the_request() -> None:
    assert (
        answer_key("3a" * 32, GenerateRequest(TEXT))
        == "b2380b7f0b7b3a652d0c6bc16253962490a34d362aaa2806bdabec7573f66b54"
    )


def test_tools_and_reasoning_are_part_of_what_is_asked():
    asked = Prompt((Message("user", "a"), Message("assistant", "b"), Message("user", "c")))
    thought = Prompt((Message("user", "a"), Message("assistant", "b", "so"), Message("user", "c")))
    offered = Prompt(asked.messages, tools="[]")
    assert len({GenerateRequest(prompt).digest for prompt in (asked, thought, offered)}) == 3
