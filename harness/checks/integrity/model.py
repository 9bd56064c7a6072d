"""Checks that a whole model on trial reads and ends texts as its base does."""

from __future__ import annotations

from dataclasses import replace

from harness.checks.integrity.chat_template import chat_template_is_the_bases, special_tokens_agree, stop_tokens
from harness.checks.integrity.model_files import ModelFiles
from harness.checks.integrity.tokenizer import encoding_faults, saved_tokenizer
from harness.gates import Check
from harness.models.chat_templates import read_chat_templates
from harness.models.loading import load_tokenizer
from harness.models.weight_files import SAVE_WHOLE

_SHOWN = 5


def model_keeps_the_tokens(files: ModelFiles) -> Check:
    """The model's tokenizer gives every text the tokens that the base's gives it, and has an embedding for each of its own.

    It may have more tokens than the base.
    """
    if files.base is None:
        return Check("model_tokenizer", holds=True, reason="the base's tokenizer is not at hand")
    own, theirs = saved_tokenizer(files.base), saved_tokenizer(files.directory)
    if own.tokenizer is None or theirs.tokenizer is None:
        lacking = files.directory if theirs.tokenizer is None else files.base
        holds = own.files == theirs.files or theirs.is_there
        return Check(
            "model_tokenizer", holds=holds, reason=f"{lacking} has no tokenizer that can be read", remedy=SAVE_WHOLE
        )
    moved = [token for token, number in own.tokens.items() if theirs.tokens.get(token) != number]
    rows = max((h.shape[0] for n, h in files.headers.items() if n.endswith("embed_tokens.weight")), default=None)
    added = len(theirs.tokens.keys() - own.tokens.keys())
    fault = (
        f"{len(moved)} of the base's tokens are lost or have another id, first {moved[0]!r}" if moved
        else next(iter(encoding_faults(own.tokenizer, theirs.tokenizer)), "")
    )  # fmt: skip
    if not fault and rows is not None and max(theirs.tokens.values()) >= rows:
        fault = f"token ids go up to {max(theirs.tokens.values())}, and there are {rows} embeddings"
    return Check(
        "model_tokenizer",
        holds=not fault,
        reason=fault or "its tokenizer gives the base's tokens" + (f", and has {added} more" if added else ""),
        remedy="save the tokenizer that it was trained with beside it; trained with the base's, that is the base's",
        details={"added": added, "moved": moved[:_SHOWN]},
    )


def model_keeps_the_template(files: ModelFiles) -> Check:
    """It puts conversations as its base does, unless a template was chosen for it."""
    if files.base is None or files.options.chat_template is not None:
        why = "one was chosen for it" if files.base is not None else "the base's is not at hand"
        return Check("model_template", holds=True, reason=f"its chat template is not held against the base's: {why}")
    check = chat_template_is_the_bases(files.directory, files.base, load_tokenizer(files.base, files.options))
    remedy = (
        "save the template that it was trained with beside it; where that is another than the base's, choose it: "
        "`template:` under `candidate:`"
    )
    lost = bool(read_chat_templates(files.base)) and not read_chat_templates(files.directory)
    reason = "it has lost the base's chat template: conversations cannot be put to it" if lost else check.reason
    return replace(check, name="model_template", holds=check.holds and not lost, reason=reason, remedy=remedy)


def model_ends_answers(files: ModelFiles) -> Check:
    """An answer's turn ends in a token that stops generation, and what stopped the base's stops its answers."""
    tokenizer = load_tokenizer(files.directory, files.options)
    check = replace(special_tokens_agree(files.directory, tokenizer), name="model_ending")
    if not check.holds or files.base is None:
        return check
    before = stop_tokens(files.base, load_tokenizer(files.base, files.options)).generation
    lost = sorted(before - stop_tokens(files.directory, tokenizer).generation)
    if not lost:
        return check
    named = ", ".join(map(str, tokenizer.convert_ids_to_tokens(lost)))
    return replace(
        check,
        holds=False,
        reason=f"the base stops at {named}, and this model does not: its generation_config.json has lost it",
        remedy="copy generation_config.json (eos_token_id) from the base, beside what was trained",
    )
