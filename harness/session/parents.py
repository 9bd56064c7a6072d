"""What a candidate was merged from: named with it, the adapters of a stack, or what the record of a merge says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.config.candidate import Stack, stack_spec
from harness.config.checking import check, location
from harness.config.spec import AdapterSpec, ModelSpec, SubjectSpec
from harness.errors import ModelError
from harness.json_files import read_json_object
from harness.models.adapters.contents import CONFIG, is_adapter
from harness.models.adapters.files import read_adapter_config
from harness.models.identity import Identity

RECORD = "assay-merge.json"
"""The record that `assay merge` writes beside what it made."""

_TAKEN = ("base", "candidate", "shipped", "judge")
_RESTORE = "restore it, or name the parents under `candidate: parents:` in assay.yaml"
# Parts of an identity that files decide, and not how they are measured.
OF_FILES = ("weights", "adapter")


@dataclass(frozen=True)
class Parent:
    """One of those that a candidate was merged from.

    Attributes:
        name: what its gates are called by.
        recorded: digests of its files when the merge was made; empty where nothing recorded them.
    """

    name: str
    spec: SubjectSpec
    recorded: Mapping[str, str] = field(default_factory=dict)

    def check(self, found: Identity) -> None:
        """Raise a ModelError where the files are no longer those that were merged."""
        other = [part for part, digest in self.recorded.items() if found.parts.get(part) != digest]
        if other:
            raise ModelError(
                f"the {' and '.join(other)} of {self.name} changed since the merge was made: it is no longer what was merged",
                "merge again, or name the parents under `candidate: parents:` in assay.yaml",
            )


def as_it_lies(spec: SubjectSpec) -> SubjectSpec:
    """A candidate; where it is one adapter whose configuration names another adapter as its base, with that one merged first.

    That is how a second training on an adapter is saved. Which model *it* was trained on, its own configuration says.
    """
    alone = _adapter_alone(spec)
    if alone is None or spec.combination != "cat" or alone.weight != 1:
        return spec
    chain = [alone]
    while (under := _trained_on(Path(chain[0].value))) is not None:
        if under in [Path(one.value).resolve() for one in chain]:
            break
        chain.insert(0, AdapterSpec("local", str(under), merged=True))
    if len(chain) == 1:
        return spec
    return replace(spec, model=None, adapters=tuple(chain))


def _adapter_alone(spec: SubjectSpec) -> AdapterSpec | None:
    """The one adapter on this machine that a candidate is, on the base."""
    if spec.model is None:
        only = spec.adapters[0] if len(spec.adapters) == 1 else None
        return only if only is not None and only.kind == "local" and not only.merged else None
    if spec.adapters or spec.model.kind != "local" or not is_adapter(Path(spec.model.value)):
        return None
    return AdapterSpec("local", spec.model.value)


def _trained_on(adapter: Path) -> Path | None:
    """The adapter that this one's configuration names in the place of its base."""
    if not (adapter / CONFIG).is_file():
        return None
    named = read_adapter_config(adapter).get("base_model_name_or_path")
    under = Path(named) if isinstance(named, str) and named else None
    return under.resolve() if under is not None and is_adapter(under) else None


def parents_of(spec: SubjectSpec | None) -> Sequence[Parent]:
    """What a candidate was merged from; none where it is no merge. Only files beside it are read.

    Raises:
        ModelError: the record of the merge cannot be read.
    """
    if spec is None:
        return ()
    if spec.parents is not None:
        found = [Parent(one.name or _label(one), one) for one in spec.parents]
    elif len(spec.adapters) > 1:
        found = [Parent(_label(one), one) for one in _parts(spec)]
    else:
        found = list(_recorded(spec))
    return _told_apart(found)


def _parts(spec: SubjectSpec) -> Iterator[SubjectSpec]:
    """What a stack is made of: each adapter by itself, on those that were merged before it was trained.

    One that was trained on what lies under it is the candidate itself; the parent is what lies under it. One that is
    subtracted is to be undone, not kept.
    """
    merged = tuple(one for one in spec.adapters if one.merged)
    loose = tuple(one for one in spec.adapters if not one.merged)
    plain = replace(spec, combination="cat", density=None, template=None)
    if merged:
        under = merged if loose else merged[:-1]
        if under:
            yield replace(plain, adapters=under)
    if len(loose) > 1:
        yield from (replace(plain, adapters=(*merged, replace(one, weight=1.0))) for one in loose if one.weight >= 0)


def _recorded(spec: SubjectSpec) -> Iterator[Parent]:
    """What `assay merge` wrote beside the candidate."""
    places: Sequence[AdapterSpec | ModelSpec] = spec.adapters or ([] if spec.model is None else [spec.model])
    file = Path(places[0].value) / RECORD if len(places) == 1 and places[0].kind == "local" else None
    if file is None or not file.is_file():
        return
    for row in read_json_object(file, ModelError, _RESTORE).get("parents", []):
        if not isinstance(row, Mapping):
            raise ModelError(f"{file}: a parent is {row!r}", _RESTORE)
        yield _read(row, str(file))


def _read(row: Mapping[str, Any], place: str) -> Parent:
    said = check(Stack, row.get("candidate"), location(place, "parents"), ModelError)
    digests = row.get("digests")
    recorded = {str(part): str(one) for part, one in digests.items()} if isinstance(digests, Mapping) else {}
    return Parent(str(row.get("name")), stack_spec(said, place, lambda name: name), recorded)


def _label(spec: SubjectSpec) -> str:
    """The last part of what it is called."""
    named = spec.adapters[-1] if spec.adapters else spec.model
    if named is None:
        return "base"
    return Path(named.value).name if named.kind == "local" else (named.subfolder or named.value).rpartition("/")[2]


def _told_apart(parents: Sequence[Parent]) -> Sequence[Parent]:
    """Those whose names are alike, or those of other roles, with a number."""
    counts, seen, named = Counter(parent.name for parent in parents), Counter[str](), []
    for parent in parents:
        seen[parent.name] += 1
        alike = counts[parent.name] > 1 or parent.name in _TAKEN
        named.append(replace(parent, name=f"{parent.name}-{seen[parent.name]}") if alike else parent)
    return named
