"""Our engine as an lm-eval language model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.defaults import DEFAULT_MAX_GEN_TOKS
from lm_eval.models.utils import normalize_gen_kwargs

from harness.engines import (
    Answer,
    Engine,
    GenerateRequest,
    Generation,
    Prompt,
    Request,
    RollingRequest,
    Score,
    ScoreRequest,
)
from harness.errors import EngineError, TaskError
from harness.tasks.base import Progress

# What a greedy answer does not depend on; with sampling, `top_k` and the like would be lost without a word.
_SAMPLING_ONLY = frozenset({"top_k", "top_p", "min_p", "typical_p"})
_UNDERSTOOD = frozenset({"until", "max_gen_toks", "do_sample", "temperature", "top_p"})

InstanceKey = tuple[str, int, int]


class ChatText(str):
    """A conversation on its way through lm-eval, which takes prompts for text.

    As text it is what a person reads; the engine renders `prompt` by the model's own template, so that the prompt's
    hash is the same for every model.
    """

    prompt: Prompt

    @classmethod
    def of(cls, prompt: Prompt) -> ChatText:
        """The conversation as text that remembers it."""
        text = cls(prompt.display())
        text.prompt = prompt
        return text


class EngineLM(LM):  # type: ignore[misc]
    """Answers lm-eval's requests by an engine, and keeps the answers for the samples.

    Scores and texts are those of lm-eval's own Hugging Face model; batching, prefix sharing and caching are the
    engine's. lm-eval's caches are not used: their keys omit the model.

    Attributes:
        answers: by (subtask, lm-eval's doc_id, request index), one answer a repeat.

    Args:
        chat: prompts must be conversations made by `apply_chat_template`.
        progress: called with (answers so far, answers wanted so far known).
    """

    def __init__(self, engine: Engine, *, chat: bool = False, progress: Progress | None = None) -> None:
        super().__init__()
        self.answers: defaultdict[InstanceKey, list[Answer]] = defaultdict(list)
        self._engine = engine
        self._chat = chat
        self._progress = progress
        self._done = 0
        self._wanted = 0

    def loglikelihood(self, requests: Sequence[Instance]) -> list[tuple[float, bool]]:
        """(log-likelihood in nats, is greedy) of each continuation after its context."""
        scores = self._ask(
            requests, [ScoreRequest(self._prompt(r.args[0]), r.args[1], truncate=True) for r in requests], Score
        )
        return [(score.logprob, score.is_greedy) for score in scores]

    def loglikelihood_rolling(self, requests: Sequence[Instance]) -> list[float]:
        """Log-likelihood in nats of each whole text."""
        scores = self._ask(requests, [RollingRequest(r.args[0]) for r in requests], Score)
        return [score.logprob for score in scores]

    def generate_until(self, requests: Sequence[Instance]) -> list[str]:
        """The text generated for each request, cut before the first stop text."""
        repeats: defaultdict[int, int] = defaultdict(int)
        asked = []
        for request in requests:
            wanted = generate_request(self._prompt(request.args[0]), request.args[1])
            # lm-eval repeats one and the same object for several draws
            asked.append(replace(wanted, seed=repeats[id(request)]) if wanted.temperature > 0 else wanted)
            repeats[id(request)] += 1
        return [generation.text for generation in self._ask(requests, asked, Generation)]

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The conversation, to be rendered by the engine."""
        if not add_generation_prompt:
            begun = chat_history[-1]["content"]
            raise TaskError(
                f"the task begins the answer itself ({begun!r}), which cannot be asked in a conversation",
                "leave chat_template off for this task",
            )
        return ChatText.of(Prompt.from_messages(chat_history))

    @property
    def tokenizer_name(self) -> str:
        """Asked for by lm-eval where a chat template is applied; names its request cache, which is off."""
        return self._engine.identity_digest

    def _prompt(self, context: str) -> Prompt:
        if isinstance(context, ChatText):
            return context.prompt
        if self._chat:
            raise TaskError(
                f"the task builds its prompt as text, past the chat template: {context[:80]!r}",
                "leave chat_template off for this task",
            )
        return Prompt(text=context)

    def _ask(self, instances: Sequence[Instance], requests: Sequence[Request], kind: type[Any]) -> list[Any]:
        self._wanted += len(requests)
        found: dict[int, Answer] = {}
        if self._progress is not None:
            self._progress(self._done, self._wanted)
        for index, answer in self._engine.answer(requests):
            found[index] = answer
            if self._progress is not None:
                self._progress(self._done + len(found), self._wanted)
        self._done += len(found)
        wrong = sum(not isinstance(found.get(i), kind) for i in range(len(requests)))
        if wrong:
            raise EngineError(f"{wrong} of {len(requests)} lm-eval requests got no {kind.__name__}", "report this bug")
        ordered = [found[i] for i in range(len(requests))]
        for instance, answer in zip(instances, ordered, strict=True):
            self.answers[instance.task_name, instance.doc_id, instance.idx].append(answer)
        return ordered


def generate_request(prompt: Prompt, kwargs: Mapping[str, Any]) -> GenerateRequest:
    """A request with the meaning that lm-eval's Hugging Face model gives to these generation arguments."""
    settings = normalize_gen_kwargs(dict(kwargs), DEFAULT_MAX_GEN_TOKS)
    temperature = float(settings.get("temperature", 0.0)) if settings["do_sample"] else 0.0
    plain = {"num_beams": 1, "repetition_penalty": 1.0, "num_return_sequences": 1}
    unknown = {key for key in settings.keys() - _UNDERSTOOD if key not in plain or settings[key] != plain[key]}
    if temperature == 0.0:
        unknown -= _SAMPLING_ONLY
    if unknown:
        named = ", ".join(f"{key}={settings[key]!r}" for key in sorted(unknown))
        raise TaskError(f"the engine knows no generation argument {named}", "take it out of the task's YAML")
    return GenerateRequest(
        prompt,
        max_new_tokens=settings["max_gen_toks"],
        stop=tuple(stop for stop in settings["until"] if stop),
        temperature=temperature,
        top_p=float(settings.get("top_p", 1.0)) if temperature > 0 else 1.0,
        truncate=True,
    )
