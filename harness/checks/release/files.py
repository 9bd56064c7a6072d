"""Do the files that ship hold what was approved: whole weights, the same tokens, template and end of answers?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from harness.checks.integrity import (
    ModelFiles,
    adapter_is_finite,
    adapter_is_safe,
    model_is_complete,
    model_is_finite,
    tensors_map_both_ways,
)
from harness.checks.integrity.chat_template import TOOL, stop_tokens
from harness.checks.release.reading import InProcess
from harness.checks.release.shipping import Shipping
from harness.checks.release.weights import is_on_the_candidates_weights
from harness.engines.requests import Message, Prompt
from harness.errors import AssayError
from harness.gates import Check
from harness.models.probing import TOKEN_TEXTS

_SAVE_TOKENIZER = (
    "save the candidate's tokenizer and chat template with what ships, or convert a directory that has both"
)
_EOS = "tokenizer.ggml.eos_token_id"
_ENDS = (_EOS, "tokenizer.ggml.eot_token_id")
_TURNS = (Message("user", "Which train goes to the coast?"), Message("assistant", "The one at half past nine."))
CONVERSATIONS = {
    "a question": Prompt(messages=_TURNS[:1]),
    "a system prompt and a question": Prompt(messages=(Message("system", "Answer in one sentence."), _TURNS[0])),
    "two turns": Prompt(messages=(*_TURNS, Message("user", "From where?"))),
    "a question with a tool": Prompt(messages=_TURNS[:1], tools=json.dumps([TOOL])),
}
"""What a chat template is tried with."""


def files_are_whole(shipping: Shipping) -> Check:
    """The files are whole: of a model every parameter, of an adapter every tensor of its modules; no value is NaN. An adapter
    ships on the weights it was approved on, from wherever they are loaded, or merged into them.
    """
    try:
        fault = next((check for check in _of_files(shipping) if not check.holds), None)
    except AssayError as exc:
        return Check("files", holds=False, reason=f"{shipping.place}: {exc.problem}", remedy=exc.remedy)
    if fault is None:
        return Check("files", holds=True, reason=f"{shipping.place} is whole")
    return replace(fault, name="files", reason=f"{shipping.place}: {fault.reason}")


def _of_files(shipping: Shipping) -> Iterator[Check]:
    subject, options = shipping.subject, shipping.models.load_options_of(shipping.subject)
    if subject.is_served:
        return  # llama.cpp refuses a file that lacks a tensor
    if not shipping.on_the_base:
        base = shipping.models.base
        files = ModelFiles(subject.weights.directory, None if base.is_served else base.directory, options)
        yield model_is_complete(files)
        yield model_is_finite(files)
    if subject.adapter is not None:
        own, weights = subject.adapter.directory, subject.weights.directory
        yield adapter_is_safe(own, allowed=options.allowed_files)
        yield tensors_map_both_ways(own, weights, trust_remote_code=options.trust_remote_code)
        yield adapter_is_finite(own)
    yield is_on_the_candidates_weights(shipping)


def tokens_are_the_candidates(shipping: Shipping) -> Check:
    """It makes the same tokens of texts and of conversations as the candidate does."""
    rendered = filter(None, map(shipping.candidate.rendered, CONVERSATIONS.values()))
    texts = [*TOKEN_TEXTS, *rendered]
    differing = [text for text in texts if list(shipping.reading.tokens(text)) != list(shipping.candidate.tokens(text))]
    return Check(
        "tokenizer",
        holds=not differing,
        reason=f"{len(differing)} of {len(texts)} texts are other tokens than the candidate's, first {differing[0][:60]!r}"
        if differing
        else f"{len(texts)} texts are the candidate's tokens",
        remedy=_SAVE_TOKENIZER,
        details={"differing": differing},
        looked_at=len(texts),
    )


def conversations_are_put_alike(shipping: Shipping) -> Check:
    """Its chat template makes of conversations what the candidate was asked with."""
    differences = {}
    bos = shipping.candidate.loaded.tokenizer.bos_token or ""
    for what, prompt in CONVERSATIONS.items():
        before = shipping.candidate.rendered(prompt)
        now = None if before is None else shipping.reading.rendered(prompt)
        if before is not None and (now or "").removeprefix(bos) != before.removeprefix(bos):
            differences[what] = [before, now]
    what, (before, now) = next(iter(differences.items()), ("", ("", "")))
    return Check(
        "chat_template",
        holds=not differences,
        reason=f"its chat template puts {what} as {now!r}, and the candidate was asked {before!r}"
        if differences
        else "its chat template puts conversations as the candidate's does",
        remedy=_SAVE_TOKENIZER,
        details={"differences": differences},
    )


def answers_end_alike(shipping: Shipping) -> Check:
    """What ends the candidate's answers ends those of what ships."""
    tokenizer = shipping.candidate.loaded.tokenizer
    stops = stop_tokens(shipping.candidate_weights, tokenizer)
    reading = shipping.reading
    if isinstance(reading, InProcess):
        own = stop_tokens(shipping.subject.weights.directory, reading.loaded.tokenizer).generation
        lost, where = stops.generation - own, "generation_config.json"
    else:
        metadata = shipping.metadata
        own = frozenset(int(metadata[key]) for key in _ENDS if key in metadata)
        lost, where = frozenset() if own & stops.all else stops.all, _EOS
    named = [", ".join(map(str, tokenizer.convert_ids_to_tokens(sorted(ids)))) or "nothing" for ids in (lost, own)]
    return Check(
        "ending",
        holds=not lost,
        reason=f"the candidate's answers end at {named[0]}, and those of what ships at {named[1]}, by {where}: they run on"
        if lost
        else f"answers end at {named[1]}, as the candidate's",
        remedy="take eos_token_id over from the base's generation_config.json; of a GGUF file write it into the metadata "
        "(gguf-set-metadata), or convert it again from a directory that has it",
        details={"lost": sorted(lost), "stops_at": sorted(own)},
    )
