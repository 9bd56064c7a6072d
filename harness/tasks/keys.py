"""A task's keys under `tasks:` of assay.yaml, as a model that checks them; an error names task, key, value and remedy."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from harness.errors import TaskError
from harness.plugins import nearest
from harness.tasks.records import show


def _one_or_several(value: object) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not all(isinstance(v, str) and v for v in values):
        raise ValueError('a list of texts (quote words such as "yes", "no" and "1")')
    return tuple(values)


Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_one_or_several, json_schema_input_type=str | tuple[str, ...])]
"""A list of texts, or one."""


class TaskKeys(BaseModel):
    """What every task may say. A key without a value is not given."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    kind: Text = Field(description="What is measured and how it is graded.")
    limit: Count | None = Field(None, description="At most so many items; of this and the profile's the smaller holds.")
    gates: Any = Field(
        None, description="Gates on the task's metrics: read by whoever judges it, not by who builds it."
    )


K = TypeVar("K", bound=TaskKeys)


def read_keys(model: type[K], task: str, spec: Mapping[str, Any]) -> K:
    """The keys of a task's specification.

    Raises:
        TaskError: a key is unknown or missing, or has a wrong value.
    """
    try:
        return model.model_validate({str(key): value for key, value in spec.items() if value is not None})
    except ValidationError as error:
        found = error.errors()
        raise _task_error(model, task, next((e for e in found if e["type"] == "extra_forbidden"), found[0])) from None


_WANTED = {
    "int_type": "a whole number",
    "bool_type": "true or false",
    "string_type": "text",
    "string_too_short": "text",
}


def _task_error(model: type[TaskKeys], task: str, error: ErrorDetails) -> TaskError:
    """What pydantic found, in this package's words."""
    key, value = str(error["loc"][0]), error["input"]
    match error["type"]:
        case "missing":
            return TaskError(f"task {task!r} has no {key!r}", f"add `{key}: ...` to the task")
        case "extra_forbidden":
            return TaskError(f"task {task!r}: unknown key {key!r}", nearest(key, sorted(model.model_fields)))
        case "literal_error":
            choices = list(typing.get_args(model.model_fields[key].annotation))
            return TaskError(f"task {task!r}: {key} is {value!r}", nearest(str(value), choices))
        case "greater_than_equal":
            wanted = f"a whole number of at least {error['ctx']['ge']}"
        case "value_error":
            wanted = str(error["ctx"]["error"])
        case other:
            wanted = _WANTED.get(other) or error["msg"]
    return TaskError(f"task {task!r}: {key} is {show(value)}", f"give {wanted}")
