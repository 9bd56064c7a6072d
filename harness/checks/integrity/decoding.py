"""The check that answers are measured by the rules that they will be served with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.config.decoding import UNMEASURED, Decoding
from harness.gates import Check
from harness.models.generation_config import decoding_rules, rules_file
from harness.models.subject import Subject

_STATE = (
    "state under `serving: decoding:` in assay.yaml how it will be served, and so it is measured: the value of the file where "
    "the server reads that, else the one that does nothing (1, 0 or []); or take the key out of the file"
)
_UNMEASURED = (
    "this is not measured: take the key out of the file, or serve without it and state that under `serving: decoding:` in "
    "assay.yaml (1, 0, [] or false)"
)


def served_directories(subject: Subject, shipped: Subject | None = None) -> Mapping[str, Path]:
    """Where files of what is served are, by what they are called: of the model, of an adapter on it, of what ships of both."""
    found = {"the model" if subject.adapter is None else "the base": subject.weights.directory}
    if subject.adapter is not None:
        found["the adapter"] = subject.adapter.as_left
    if shipped is not None and not shipped.is_served:
        found["what ships"] = shipped.directory
    return found


def decoding_is_as_stated(directories: Mapping[str, Path], stated: Decoding) -> Check:
    """What a generation_config.json has that changes greedy answers (penalties, banned and forced tokens, least lengths, beams)
    is stated under `serving:`, and so is what was measured.

    Servers that read the file answer by it, and without a word. What greedy decoding passes over, such as a temperature, and
    values that do nothing are let be.

    Args:
        directories: of what is served, by what they are called.
        stated: what assay.yaml says.

    Raises:
        ModelError: a generation_config.json cannot be read.
    """
    files = {place: decoding_rules(directory) for place, directory in directories.items()}
    found = [(place, key, value) for place, rules in files.items() for key, value in rules.items()]
    unstated = [one for one in found if one[1] not in stated.said]
    details = {"files": files, "stated": dict(stated.said)}
    if unstated:
        place, key, value = unstated[0]
        others = sorted({other for _, other, _ in unstated[1:]} - {key})
        more = f"; nor of {', '.join(others)}" if others else ""
        return Check(
            "decoding",
            holds=False,
            reason=f"{rules_file(directories[place]).name} of {place} sets {key} to {value!r}, which changes greedy answers, "
            f"and `serving:` says nothing of it{more}",
            remedy=_UNMEASURED if key in UNMEASURED else _STATE,
            details=details,
        )
    rules = ", ".join(f"{key} {_listed(value)!r}" for key, value in stated.acting.items())
    unread = {f"{key} {value!r}" for _, key, value in found if _listed(value) != _listed(stated.said[key])}
    return Check(
        "decoding",
        holds=True,
        reason=(f"answers are decoded by {rules}, as `serving:` states" if rules else "nothing changes greedy answers")
        + (f"; its server must not read {', '.join(sorted(unread))} out of the model's files" if unread else ""),
        details=details,
    )


def _listed(value: object) -> object:
    """As JSON has it."""
    return [_listed(one) for one in value] if isinstance(value, tuple | list) else value
