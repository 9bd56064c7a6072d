"""Against the real llama.cpp."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from harness.config.spec import ServedModel, parse_model_spec
from harness.engines import (
    Answer,
    Choice,
    ChoiceRequest,
    DivergenceRequest,
    GenerateRequest,
    Generation,
    Prompt,
    Request,
    RollingRequest,
    Score,
    ScoreRequest,
)
from harness.engines.backends import make_backend
from harness.engines.llama_cpp.server import LlamaCppServer
from harness.engines.llama_cpp.spec import GgufModel
from harness.engines.local import LocalBackend
from harness.errors import EngineError
from harness.models.loading import LoadOptions, load_model

pytestmark = [pytest.mark.real_process, pytest.mark.usefixtures("llama_cpp")]

# Its KV cache is float16, that of transformers float32 here.
TOLERANCE = 0.02
REQUESTS: list[Request] = [
    ScoreRequest(Prompt(text="The quick brown "), "fox jumps"),
    ScoreRequest(Prompt.chat("Say a word"), "dog<|im_end|>\nand more"),
    ScoreRequest(Prompt(text=""), "Please call"),
    ScoreRequest(Prompt(text="A context that is"), " n\u00e4ive \u65e5"),
    ChoiceRequest(Prompt.chat("Birds or dogs?"), ("birds", "lazy dog")),
    RollingRequest("Please call the function \u2014 that books a table."),
    GenerateRequest(Prompt.chat("Tell me"), max_new_tokens=8),
    GenerateRequest(Prompt(text="You are a helpful"), max_new_tokens=8),
]


def _served(text: str) -> ServedModel:
    served = parse_model_spec(text).served
    assert served is not None
    return served


def _answers(text: str, requests: list[Request]) -> list[Answer]:
    found = dict(one for batch in make_backend(_served(text), load=pytest.fail).plan(requests) for one in batch.run())
    return [found[index] for index in range(len(requests))]


def _assert_same(ours: Answer, theirs: Answer) -> None:
    match ours, theirs:
        case Score(), Score():
            assert ours.logprob == pytest.approx(theirs.logprob, abs=TOLERANCE)
            assert (ours.is_greedy, ours.prompt_tokens, ours.completion_tokens) == (
                theirs.is_greedy, theirs.prompt_tokens, theirs.completion_tokens,
            )  # fmt: skip
        case Choice(), Choice():
            assert ours.logprobs == pytest.approx(theirs.logprobs, abs=TOLERANCE)
        case Generation(), Generation():
            assert (ours.text, ours.stop_reason, ours.prompt_tokens) == (
                theirs.text,
                theirs.stop_reason,
                theirs.prompt_tokens,
            )
        case _:
            pytest.fail(f"{ours} against {theirs}")


@pytest.mark.parametrize("scale", [None, 1.0])
def test_scores_and_greedy_answers_are_those_of_transformers(
    scale: float | None, tiny_gguf: Path, tiny_gguf_lora: Path, learner_dir: Path, learner_adapter_dir: Path
) -> None:
    loaded = load_model(learner_dir, LoadOptions("float32", "cpu"), adapter=learner_adapter_dir)
    local = LocalBackend(lambda: loaded, adapter=scale is not None)
    theirs = dict(one for batch in local.plan(REQUESTS) for one in batch.run())
    ours = _answers(f"gguf:{tiny_gguf}" + ("" if scale is None else f"+{tiny_gguf_lora}"), REQUESTS)
    for index, answer in enumerate(ours):
        _assert_same(answer, theirs[index])


def test_a_lora_of_scale_0_is_the_model_and_of_scale_1_is_not(tiny_gguf: Path, tiny_gguf_lora: Path) -> None:
    [plain], [off], [on] = (
        _answers(text, REQUESTS[:1])
        for text in (str(tiny_gguf), f"gguf:{tiny_gguf}+{tiny_gguf_lora}*0", f"gguf:{tiny_gguf}+{tiny_gguf_lora}")
    )
    assert isinstance(plain, Score) and isinstance(off, Score) and isinstance(on, Score)
    assert off.logprob == pytest.approx(plain.logprob, abs=TOLERANCE)
    assert abs(on.logprob - plain.logprob) > 10 * TOLERANCE


def test_stop_texts_limits_and_templates_are_kept(tiny_gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "chat.jinja").write_text("You are a helpful")
    asked = GenerateRequest(Prompt(text="You are a helpful"), max_new_tokens=6)
    text = f"gguf:{tiny_gguf}?context=64&template={tmp_path}/chat.jinja"
    by_text, by_chat = _answers(text, [asked, GenerateRequest(Prompt.chat("x"), max_new_tokens=6)])
    assert isinstance(by_text, Generation) and isinstance(by_chat, Generation)
    assert (by_text.text, by_text.prompt_tokens) == (by_chat.text, by_chat.prompt_tokens)
    assert (by_text.stop_reason, by_text.completion_tokens) == ("length", 6)
    stop = re.findall(r"[A-Za-z]{2}", by_text.text)[-1]
    [stopped] = _answers(text, [GenerateRequest(asked.prompt, max_new_tokens=6, stop=(stop,))])
    assert isinstance(stopped, Generation)
    assert (stopped.text, stopped.stop_reason) == (by_text.text[: by_text.text.index(stop)], "stop")


def test_a_prompt_longer_than_the_context_is_told_or_cut(tiny_gguf: Path) -> None:
    long = Prompt(text="The lazy dog " * 40)
    with pytest.raises(EngineError, match="does not fit the context of 64"):
        _answers(f"gguf:{tiny_gguf}?context=64", [GenerateRequest(long, max_new_tokens=4)])
    [cut] = _answers(f"gguf:{tiny_gguf}?context=64", [GenerateRequest(long, max_new_tokens=4, truncate=True)])
    assert isinstance(cut, Generation)
    assert cut.prompt_tokens == 60


def test_a_text_longer_than_the_context_is_scored_in_windows(tiny_gguf: Path) -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 4
    short, long = (_answers(f"gguf:{tiny_gguf}?context={size}", [RollingRequest(text)])[0] for size in (32, 512))
    assert isinstance(short, Score) and isinstance(long, Score)
    assert short.completion_tokens == long.completion_tokens > 32
    assert short.logprob != long.logprob


def test_what_it_cannot_tell_is_refused_before_anything_is_asked(tiny_gguf: Path) -> None:
    with pytest.raises(EngineError, match="no distributions over a whole text"):
        _answers(str(tiny_gguf), [DivergenceRequest("a text")])


def test_a_file_that_llama_cpp_refuses_is_told_with_its_words(tiny_gguf: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(tiny_gguf.read_bytes()[:-4096])
    with pytest.raises(EngineError, match=r"does not start: .*cut\.gguf|does not start: .*bounds") as caught:
        _answers(str(cut), REQUESTS[:1])
    assert ".log" in caught.value.remedy


def test_it_is_started_again_once_after_it_died(tiny_gguf: Path) -> None:
    server = LlamaCppServer(GgufModel(tiny_gguf, context=64), 1)
    try:
        first = server.client.base_url
        for _ in range(2):
            assert server.process is not None
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
            if _ == 0:
                assert server.client.base_url != first
        with pytest.raises(EngineError, match="died again"):
            _ = server.client
    finally:
        server.stop()


@pytest.mark.parametrize("ending", ["returns", "SIGTERM", "SIGKILL"])
def test_it_ends_with_the_process_that_started_it(ending: str, tiny_gguf: Path) -> None:
    script = f"""
        import sys, time
        from pathlib import Path
        from harness.engines.llama_cpp.server import LlamaCppServer
        from harness.engines.llama_cpp.spec import GgufModel
        server = LlamaCppServer(GgufModel(Path({str(tiny_gguf)!r}), context=64), 1)
        server.client
        print(server.process.pid, flush=True)
        time.sleep({0 if ending == "returns" else 600})
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ}) as parent:
        assert parent.stdout is not None
        try:
            worker = psutil.Process(int(parent.stdout.readline()))
        except psutil.NoSuchProcess:  # it ended with one that returned at once
            return
        if ending != "returns":
            parent.send_signal(getattr(signal, ending))
        parent.wait()
    worker.wait(timeout=60)
