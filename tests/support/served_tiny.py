"""An OpenAI-compatible server around the tiny model and its adapters, healthy or with one thing wrong."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faulty_server import Body, FaultyServer, Status, chat_answer, text_answer

BASE, CANDIDATE = "base", "tickets"


@dataclass
class TinyServer:
    """Answers as two models, with the likeliest tokens of each place where they are asked for.

    Attributes:
        models: name -> what computes it.
        template: in place of the tokenizer's own.
        noise: standard deviation of what a batch moves each logit by, drawn anew for every request.
        tells: whether it gives log-probabilities.
        takes_tokens: whether prompts may be tokens; `talks`, whether it completes raw text at all.
        penalty: repetition penalty (https://arxiv.org/abs/1909.05858) that it decodes by.
        cut: tokens of a prompt that it reads at the most, the last; `counts_all`, it counts the others too.
        bos_twice: it puts a BOS before what its template rendered.
        mixes: it keeps prefixes by their tokens, whichever model read them.
        forgets_when: under so many requests at once it answers as the base.
    """

    models: Mapping[str, Any]
    tokenizer: Any
    template: str | None = None
    noise: float = 0.002
    seed: int = 0
    tells: bool = True
    takes_tokens: bool = True
    talks: bool = True
    penalty: float = 1.0
    cut: int | None = None
    counts_all: bool = False
    bos_twice: bool = False
    mixes: bool = False
    forgets_when: int | None = None
    _kept: dict[tuple[int, ...], Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _under_way: int = 0
    _asked: int = 0

    def __call__(self, path: str, body: Body) -> Body | Status:
        """The answer to a request."""
        if path.endswith("/chat/completions"):
            text = self.tokenizer.apply_chat_template(
                body["messages"], tokenize=False, add_generation_prompt=True, chat_template=self.template
            )
            ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
            return self._answer([self.tokenizer.bos_token_id, *ids] if self.bos_twice else ids, body, chat=True)
        if not path.endswith("/completions") or not self.talks:
            return Status(404)
        prompt = body["prompt"]
        if isinstance(prompt, str):
            prompt = self.tokenizer(prompt)["input_ids"]
        elif not self.takes_tokens:
            return Status(400)
        return self._answer(prompt, body, chat=False)

    def _answer(self, prompt: list[int], body: Body, *, chat: bool) -> Body:
        self._under_way += 1
        with self._lock:
            self._asked += 1
            crowded = self.forgets_when is not None and self._under_way >= self.forgets_when
            name = BASE if crowded else body["model"]
            read = prompt[-self.cut :] if self.cut else prompt
            places = self._write(name, read, body["max_tokens"])
        self._under_way -= 1
        ended = places[-1][0] == self.tokenizer.eos_token_id
        written = [place[0] for place in places]
        text = self.tokenizer.decode(written, skip_special_tokens=True)
        asked = (body.get("top_logprobs") if chat else body.get("logprobs")) or 0
        usage, reason = (len(prompt if self.counts_all else read), len(places)), "stop" if ended else "length"
        if not (asked and self.tells):
            return (chat_answer if chat else text_answer)(text, finish_reason=reason, usage=usage)
        tops = [self._likeliest(said, asked) for _, said in places]
        named = [(self._text(token), float(said[token])) for token, said in places]
        if chat:
            content = [
                {"token": text, "logprob": value, "top_logprobs": [{"token": t, "logprob": v} for t, v in top.items()]}
                for (text, value), top in zip(named, tops, strict=True)
            ]
            return chat_answer(text, finish_reason=reason, usage=usage, logprobs={"content": content})
        told = {
            "tokens": [text for text, _ in named],
            "token_logprobs": [value for _, value in named],
            "top_logprobs": tops,
        }
        return text_answer(text, finish_reason=reason, usage=usage, logprobs=told)

    def _write(self, name: str, prompt: list[int], most: int) -> list[tuple[int, Any]]:
        import torch

        drawn = torch.Generator().manual_seed(1000 * self.seed + self._asked)
        places: list[tuple[int, Any]] = []
        for _ in range(most):
            ids = [*prompt, *(token for token, _ in places)]
            logits = self._logits(name, ids)
            logits = logits + self.noise * torch.randn(logits.shape, generator=drawn)
            penalised = logits.clone()
            if self.penalty != 1:
                seen = torch.tensor(sorted(set(ids)))
                penalised[seen] = torch.where(
                    logits[seen] > 0, logits[seen] / self.penalty, logits[seen] * self.penalty
                )
            token = int(penalised.argmax())
            places.append((token, torch.log_softmax(logits, dim=-1)))
            if token == self.tokenizer.eos_token_id:
                break
        return places

    def _logits(self, name: str, ids: list[int]) -> Any:
        import torch

        model, prefix = self.models[name], tuple(ids[:-1])
        with torch.inference_mode():
            if not self.mixes or not prefix:
                return model(torch.tensor([ids]), use_cache=False).logits[0, -1].float()
            if prefix not in self._kept:
                self._kept[prefix] = model(torch.tensor([prefix]), use_cache=True).past_key_values
            kept = copy.deepcopy(self._kept[prefix])
            return model(torch.tensor([ids[-1:]]), past_key_values=kept, use_cache=True).logits[0, -1].float()

    def _likeliest(self, said: Any, count: int) -> dict[str, float]:
        found = said.topk(count)
        return {self._text(int(token)): float(value) for value, token in zip(*found, strict=True)}

    def _text(self, token: int) -> str:
        return str(self.tokenizer.decode([token]))


def load(
    base: Path, adapter: Path | None = None, *, scale: float = 1.0, change: Callable[[Any], Any] = lambda one: one
) -> Any:
    """A model to be served.

    Args:
        scale: of the adapter, over that which it was saved with.
        change: made to each matrix.
    """
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if adapter is not None:
        put_on = PeftModel.from_pretrained(model, adapter)
        for module in put_on.modules():
            if hasattr(module, "scaling") and isinstance(module.scaling, dict):
                module.scaling = {key: value * scale for key, value in module.scaling.items()}
        model = put_on.merge_and_unload()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(change(parameter.data))
    return model.eval()


def in_bfloat16(weights: Any) -> Any:
    """As a server that computes in bfloat16 has them."""
    return weights.bfloat16().float()


def in_fp8(weights: Any) -> Any:
    """As a server that quantises to FP8 (E4M3), each matrix with one scale, has them."""
    import torch

    scale = weights.abs().max() / 448
    return (weights / scale).to(torch.float8_e4m3fn).float() * scale


__all__ = ["BASE", "CANDIDATE", "FaultyServer", "TinyServer", "in_bfloat16", "in_fp8", "load"]
