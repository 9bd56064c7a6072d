"""A judge with a known bias, behind real HTTP: an OpenAI-shaped chat server that answers a judge's prompts by a rule.

It reads `<instruction>`, `<answer_1>` and `<answer_2>` (or `<answer>`) out of the last message and ends its reply in
`Verdict: 1`, `Verdict: 2` or `Verdict: tie` (or `Rating: N`); asked for one token, it gives the option alone.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from faulty_server import Body, Fault, FaultyServer, Hang, Status, chat_answer, no_faults, parrot, random_faults

TIE = "tie"
_OPTIONS = ("1", "2", TIE)
_REMARK = "I have read it all.\n"


@dataclass(frozen=True)
class Asked:
    """What is to be judged: two answers for a verdict, one for a rating."""

    instruction: str
    answers: tuple[str, ...]


Rule = Callable[[Asked], str | None]
"""What is said of it: `1`, `2` or `tie` of two answers, a number from 1 to 10 of one; None for nothing readable."""


def always_first(asked: Asked) -> str:
    """Prefers what it reads first; rates everything alike."""
    return "1" if len(asked.answers) == 2 else "5"


def always_longer(asked: Asked) -> str:
    """Prefers the longer answer; rates by length."""
    if len(asked.answers) == 1:
        return str(min(10, 1 + len(asked.answers[0]) // 100))
    first, second = map(len, asked.answers)
    return TIE if first == second else "1" if first > second else "2"


def always_unparseable(asked: Asked) -> None:
    """Never comes to a verdict."""


def at_random(seed: int) -> Rule:
    """Tosses a coin for each prompt; the same prompt gets the same again, whatever the order of arrival."""

    def rule(asked: Asked) -> str:
        draw = random.Random(f"{seed}:{asked}")
        return draw.choice("12") if len(asked.answers) == 2 else str(draw.randint(1, 10))

    return rule


def oracle(better: Iterable[tuple[str, str]]) -> Rule:
    """Knows the better answer to each instruction: prefers it in either place, and rates it 9 and others 2.

    Texts are compared by their letters and digits alone, so that it knows them again in a prompt that defuses markup.

    Args:
        better: instruction and its better answer.
    """
    gold = {(_bare(instruction), _bare(answer)) for instruction, answer in better}

    def rule(asked: Asked) -> str:
        good = [(_bare(asked.instruction), _bare(answer)) in gold for answer in asked.answers]
        if len(good) == 1:
            return "9" if good[0] else "2"
        return TIE if good[0] == good[1] else "1" if good[0] else "2"

    return rule


def transient_faults(rate: float, seed: int = 0, *, hang: bool = False) -> Callable[[int], Fault | None]:
    """This share of the requests gets 429 or 500; with `hang` also no answer at all, until the client gives up."""
    kinds = (Status(429, {"Retry-After": "0.02"}), Status(500), *((Hang(),) if hang else ()))
    return random_faults(rate, seed, kinds)


class ScriptedJudge(FaultyServer):
    """The server, running while the context is open.

    Args:
        rule: what it says of what it is asked.
        faults: as of `FaultyServer`.
        certainty: probability of the option it chose among those offered, where `logprobs` are asked for; None for
            a server that silently sends none.
    """

    def __init__(
        self, rule: Rule, *, faults: Callable[[int], Fault | None] = no_faults, certainty: float | None = None
    ) -> None:
        self._rule = rule
        self._certainty = certainty
        super().__init__(self._judge, faults)

    def _judge(self, path: str, body: Body) -> Body:
        if not path.endswith("/chat/completions"):
            return parrot(path, body)
        asked = read_prompt(body["messages"][-1]["content"])
        said = self._rule(asked) if asked else None
        if asked is None or said is None:
            return chat_answer("Both sides have their merits.")
        word = "Verdict" if len(asked.answers) == 2 else "Rating"
        at_once = body.get("max_tokens") == 1
        text = said if at_once else f"{_REMARK}{word}: {said}"
        if self._certainty is None or not body.get("logprobs"):
            return chat_answer(text)
        options = _OPTIONS if word == "Verdict" else tuple(str(n) for n in range(1, 11))
        top = int(body.get("top_logprobs") or 0)
        tokens = _tokens(word, said, options, self._certainty, top)
        return chat_answer(text, logprobs={"content": tokens[-1:] if at_once else tokens})


def read_prompt(text: str) -> Asked | None:
    """What a judge's prompt holds; None where there is nothing between the tags."""
    instruction = _between("instruction", text)
    pair = tuple(_between(tag, text) for tag in ("answer_1", "answer_2"))
    answers = pair if any(each is not None for each in pair) else (_between("answer", text),)
    if instruction is None or any(each is None for each in answers):
        return None
    return Asked(instruction, tuple(each for each in answers if each is not None))


def _between(tag: str, text: str) -> str | None:
    found = re.search(rf"<{tag}>\n(.*?)\n</{tag}>", text, re.DOTALL)
    return found[1] if found else None


def _bare(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).lower()


def _tokens(word: str, said: str, options: tuple[str, ...], certainty: float, top: int) -> list[Body]:
    """The reply's tokens; all are certain but the last, which shares what is left among the other options."""
    rest = math.log((1 - certainty) / (len(options) - 1)) if certainty < 1 else -100.0
    weights = {f" {option}": math.log(certainty) if option == said else rest for option in options}
    best = sorted(weights, key=lambda option: -weights[option])[:top]
    last = {
        **_token(f" {said}", weights[f" {said}"]),
        "top_logprobs": [_token(option, weights[option]) for option in best],
    }
    certain = [{**_token(text, 0.0), "top_logprobs": [_token(text, 0.0)][:top]} for text in (_REMARK, word, ":")]
    return [*certain, last]


def _token(text: str, logprob: float) -> Body:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode())}
