"""A merge made by a recipe: the files, and beside them the record of what they were made of."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.checks.integrity import ModelFiles, model_is_complete, model_is_finite
from harness.config.merge_recipe import MergeRecipe
from harness.config.spec import AdapterSpec, ModelSpec, SubjectSpec, parse_adapter_spec, parse_model_spec
from harness.errors import ConfigError, ModelError
from harness.models.export.merging import write_merged
from harness.models.export.source import Source
from harness.models.mergekit import Reference, find_mergekit, merged_ones, mergekit_version, references, run_mergekit
from harness.models.provenance import new_directory, refuse_existing, write_record
from harness.models.subject import Subject
from harness.session.model_pair import ModelPair
from harness.session.parents import OF_FILES, RECORD, Parent, parents_of


def merge(recipe: MergeRecipe, output: Path, pair: ModelPair) -> None:
    """Make the directory that a recipe describes.

    Args:
        output: must not exist; it appears whole, or not at all.
        pair: finds models and adapters; its base is that of adapters where the recipe names none.

    Raises:
        AssayError: something that the recipe names is not there, or it cannot be merged so.
    """
    refuse_existing(output)
    if recipe.spec is None:
        _by_mergekit(recipe, output, pair)
    else:
        _by_peft(recipe, recipe.spec, output, pair)


def _by_peft(recipe: MergeRecipe, spec: SubjectSpec, output: Path, pair: ModelPair) -> None:
    merged = [one for one in spec.adapters if one.merged]
    if recipe.save == "adapter" and merged:
        raise ConfigError(
            f"{recipe.file}: {merged[0].value} is to be merged into the base, and only adapters are saved",
            "write `save: model`, or let it be one of the combination",
        )
    subject = pair.finder.resolve(spec)
    with new_directory(output) as made:
        if recipe.save == "adapter":
            assert subject.adapter is not None
            shutil.copytree(subject.adapter.directory, made, dirs_exist_ok=True)
            step = f"combined by PEFT ({spec.combination})"
        elif subject.adapter is None:
            shutil.copytree(subject.weights.directory, made, dirs_exist_ok=True)
            step = "merged in float32 (PEFT, safe_merge), held against the adapter"
        else:
            write_merged(_source(subject, pair), made)
            step = (
                f"combined by PEFT ({spec.combination}), merged in float32 (safe_merge), held against the combination"
            )
        parents = parents_of(spec) or parents_of(SubjectSpec(parents=[_alone(spec)]))
        write_record(made, RECORD, _facts(recipe, pair, parents, [step]))


def _alone(spec: SubjectSpec) -> SubjectSpec:
    """The only adapter, as it acts by itself."""
    [adapter] = spec.adapters
    return SubjectSpec(spec.model, (replace(adapter, weight=1.0),))


def _by_mergekit(recipe: MergeRecipe, output: Path, pair: ModelPair) -> None:
    place = str(recipe.file)
    found, program = references(recipe.document, place), find_mergekit()
    specs = {one: _spec(one, recipe) for one in found}
    subjects = {one: pair.finder.resolve(spec) for one, spec in specs.items()}
    with new_directory(output) as made:

        def directory_of(reference: Reference) -> Path:
            subject = subjects[reference]
            if subject.adapter is None:
                return subject.weights.directory
            merged = made.parent / f"merged-{found.index(reference)}"
            write_merged(_source(subject, pair), merged)
            return merged

        trusted = pair.settings.trust_remote_code
        command = run_mergekit(recipe.document, directory_of, made, place=place, trust_remote_code=trusted)
        _check_whole(made, subjects[found[0]], pair)
        named = [SubjectSpec(specs[one].model, specs[one].adapters) for one in merged_ones(recipe.document, found)]
        parents = parents_of(SubjectSpec(parents=named))
        facts = _facts(recipe, pair, parents, [" ".join(command)])
        write_record(made, RECORD, facts, versions={"mergekit": mergekit_version(program)})


def _check_whole(made: Path, like: Subject, pair: ModelPair) -> None:
    """Refuse what mergekit wrote without an error and no server would load as it was meant."""
    files = ModelFiles(made, like.weights.directory, pair.load_options_of(like))
    for check in (model_is_complete(files), model_is_finite(files)):
        if not check.holds:
            raise ModelError(
                f"mergekit wrote a model that is not whole: {check.reason}", "choose another method or dtype"
            )


def _spec(reference: Reference, recipe: MergeRecipe) -> SubjectSpec:
    place, adapter = str(recipe.file), reference.adapter
    adapters = () if adapter is None else (parse_adapter_spec(recipe.find(adapter), place),)
    return SubjectSpec(parse_model_spec(recipe.find(reference.model), place), adapters)


def _source(subject: Subject, pair: ModelPair) -> Source:
    adapter = None if subject.adapter is None else subject.adapter.directory
    allowed = pair.settings.config.integrity.allow_files
    return Source(subject.name, subject.weights.directory, adapter, {}, allowed, subject.trust_remote_code)


def _facts(recipe: MergeRecipe, pair: ModelPair, parents: Sequence[Parent], steps: Sequence[str]) -> Mapping[str, Any]:
    return {
        "recipe": dict(recipe.document),
        "steps": list(steps),
        "parents": [_parent(one, pair) for one in parents],
    }


def _parent(parent: Parent, pair: ModelPair) -> Mapping[str, Any]:
    """As `candidate:` of a configuration file would say it, and who it was."""
    found = pair.finder.resolve(parent.spec).identity()
    said: dict[str, Any] = {"model": _written(parent.spec.model or pair.finder.base_spec)}
    if parent.spec.adapters:
        said["adapter"] = [
            {"path": _written(one), **({"merged": True} if one.merged else {})} for one in parent.spec.adapters
        ]
    digests = {part: found.parts[part] for part in OF_FILES if part in found.parts}
    return {"name": parent.name, "candidate": said, "digests": digests}


def _written(spec: ModelSpec | AdapterSpec) -> str:
    """As it is named on the command line."""
    place = f"{spec.value}@{spec.revision}" if spec.revision else spec.value
    return f"{place}/{spec.subfolder}" if spec.subfolder else place
