"""What `assay merge` makes, as a recipe says: adapters on a base, put together by PEFT; or models, by mergekit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator

from harness.config.base import objection
from harness.config.candidate import Stack, beside, stack_spec
from harness.config.checking import check, location
from harness.config.spec import SubjectSpec
from harness.config.yaml_text import read_yaml
from harness.errors import ConfigError


class PeftMerge(Stack):
    """Adapters on a base, put together by PEFT."""

    save: Literal["model", "adapter"] = "model"
    """one model with them merged in, or the one adapter that they make"""

    @model_validator(mode="after")
    def _has_adapters(self) -> PeftMerge:
        if not self.adapter:
            raise objection(
                "no adapter is named", "list them under `adapter:`, or models as mergekit has it (merge_method)"
            )
        return self


@dataclass(frozen=True)
class MergeRecipe:
    """A recipe that was read.

    Attributes:
        document: as it was written.
        find: a name in it as it is, or the path of what lies beside the file by that name.
        save: what PEFT is to write of `spec`; None where mergekit reads the document.
    """

    file: Path
    document: Mapping[str, Any]
    find: Callable[[str], str]
    spec: SubjectSpec | None = None
    save: Literal["model", "adapter"] | None = None


def read_merge_recipe(file: Path) -> MergeRecipe:
    """Read a recipe; one with `merge_method` is a configuration of mergekit's.

    Raises:
        ConfigError: there is none, or it is malformed.
    """
    document = read_yaml(file, ConfigError, "give the path of a merge's recipe")
    find = partial(beside, file.resolve().parent)
    if isinstance(document, Mapping) and "merge_method" in document:
        return MergeRecipe(file, document, find)
    said = check(PeftMerge, document, location(str(file)), ConfigError)
    return MergeRecipe(file, document, find, stack_spec(said, str(file), find), said.save)
