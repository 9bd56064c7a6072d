"""The check that files are those that were made: whoever trained, exported, merged or fetched them may have left digests."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from harness.errors import some_of
from harness.gates import Check
from harness.models.identity import weights_digest
from harness.models.seals import Seal, seals_of

_SHOWN = 5
_NOTES = ("*.md", "*.log", ".git*", "training_log.json", "recipe.json", "LICENSE*")
"""What is not computed with: a card may be written, and a log left out."""

_REMEDY = (
    "copy the files again from where they were made, or make them again; where one was changed on purpose, take it out of "
    "the record"
)


def files_are_as_recorded(directory: Path, base: Path | None = None) -> Check:
    """Every file is the one that was made, by its digest, and no weights came to them since.

    What happened to weights after training is seen by nothing else for certain: two layers swapped, a scaled one or one whose
    changes became noise of the same size keep every shape and norm. Where no record lies beside them, that is said.

    Args:
        base: the model that these were made on.

    Raises:
        AdapterError: a record cannot be read.
    """
    seals = seals_of(directory)
    if not seals:
        return Check(
            "sealed", holds=True, reason="no record of the files' digests lies beside them: nothing tells of a change"
        )
    for seal in seals:
        if fault := _fault(seal, directory):
            return Check("sealed", holds=False, reason=fault, remedy=_REMEDY, details={"record": seal.source})
    told = " and ".join(seal.source for seal in seals)
    made_on = {seal.base_weights for seal in seals} - {None}
    other = base is not None and made_on and made_on != {weights_digest(base)}
    return Check(
        "sealed",
        holds=True,
        reason=f"its {len({name for seal in seals for name in seal.digests})} files are those that {told} tells of"
        + ("; they were made on other weights than those of this base" if other else ""),
        details={"record": told},
    )


def _fault(seal: Seal, directory: Path) -> str:
    for names, what in (
        (seal.changed(directory), "changed since"),
        (seal.lost(directory), "lost"),
        (seal.added(directory) if seal.names_all else [], "not among those that were made"),
    ):
        computed = [name for name in names if not any(PurePosixPath(name).match(pattern) for pattern in _NOTES)]
        if computed:
            return f"of the files that {seal.source} tells of, {some_of(computed, _SHOWN)}: {what}"
    return ""
