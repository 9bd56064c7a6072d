"""The check that a whole model is what its record says was made: `assay export` and `assay merge` leave one beside it."""

from __future__ import annotations

from collections.abc import Mapping

from harness.checks.integrity.model_files import ModelFiles
from harness.gates import Check
from harness.models.adapters.files import read_json
from harness.models.identity import cached_file_digest, weights_digest

RECORDS = ("assay-export.json", "assay-merge.json")
_SHOWN = 5
_REMEDY = "make it again from what was approved, or measure it without the record, which tells of other files"


def model_is_as_made(files: ModelFiles) -> Check:
    """Every file is the one that was made, by its digest, and no weights came to them since.

    What of a merge must be as the base has it was seen to when it was made: that the files are still those is what can be
    told of them. Of a model without a record it is counted how many tensors are the base's (`model_changes_are_even`).
    """
    record = next((files.directory / name for name in RECORDS if (files.directory / name).is_file()), None)
    if record is None:
        return Check("model_record", holds=True, reason="no record of how it was made lies beside it")
    said = read_json(record)
    digests = said.get("files")
    if not isinstance(digests, Mapping) or not digests:
        return _fault(f"{record.name} names no files")
    there = {name for name in map(str, digests) if "/" not in name and (files.directory / name).is_file()}
    lost = sorted(map(str, digests.keys() - there))
    changed = sorted(name for name in there if cached_file_digest(files.directory / name) != digests[name])
    added = sorted(path.name for path in files.directory.glob("*.safetensors") if path.name not in digests)
    for names, what in (
        (changed, "changed since it was made"),
        (lost, "lost"),
        (added, "not among those that were made"),
    ):
        if names:
            return _fault(f"of the files that {record.name} tells of, {', '.join(names[:_SHOWN])}: {what}")
    source = said.get("source")
    before = source.get("weights") if isinstance(source, Mapping) else None
    other = before is not None and files.base is not None and before != weights_digest(files.base)
    note = "; it was made on other weights than those of this base" if other else ""
    return Check(
        "model_record", holds=True, reason=f"its {len(there)} files are those that {record.name} tells of{note}"
    )


def _fault(reason: str) -> Check:
    return Check("model_record", holds=False, reason=reason, remedy=_REMEDY)
