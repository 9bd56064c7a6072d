"""The fine-tuning API of a server, asked with bounds and again where it fails; what it says is a stranger's text."""

from __future__ import annotations

import base64
import binascii
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

from harness.config.spec import ServedModel
from harness.engines.server.client import MalformedAnswerError, open_client, read_body
from harness.engines.server.retry import RetryPolicy, call_with_retries
from harness.errors import EngineError, printable

if TYPE_CHECKING:
    from openai import OpenAI

T = TypeVar("T")

FIRST = RetryPolicy()
PATIENCE = RetryPolicy(tries=16, longest_wait_s=120.0, longest_retry_after_s=900.0)
"""Of a server that has answered: a job goes on for hours, and who tells of it may be away for a quarter of one."""
_TIMEOUT_S = 600.0
_A_PAGE, _MOST_PAGES = 100, 1000
_ID = re.compile(r"[\w.:-]{1,200}")
_MODEL = re.compile(r"[^\s@](?:\S{0,398}\S)?")
_MOST_TEXT = 500

SUCCEEDED, FAILED, CANCELLED, PAUSED = "succeeded", "failed", "cancelled", "paused"
ENDED_WITHOUT_MODEL = (FAILED, CANCELLED)


@dataclass(frozen=True)
class Job:
    """A fine-tuning job as the API tells of it.

    Attributes:
        fields: all that it tells.
    """

    id: str
    status: str
    fields: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Job:
        """A job out of an answer.

        Raises:
            MalformedAnswerError: it tells of none.
        """
        job_id, status = body.get("id"), body.get("status")
        if not _is_id(job_id) or not isinstance(status, str):
            raise MalformedAnswerError(f"no fine-tuning job: {str(body)[:200]}")
        return cls(job_id, printable(status)[:40], body)

    @property
    def model(self) -> str | None:
        """The name of what was trained; None where it has none, or one that no model has."""
        return _model_name(self.fields.get("fine_tuned_model"))

    @property
    def result_files(self) -> list[str]:
        """The ids of the tables of metrics that it left."""
        files = self.fields.get("result_files")
        return [file for file in files if _is_id(file)] if isinstance(files, list) else []

    @property
    def trained_tokens(self) -> int | None:
        """How many tokens are billed; None where it does not say."""
        tokens = self.fields.get("trained_tokens")
        return tokens if isinstance(tokens, int) and not isinstance(tokens, bool) else None

    @property
    def fault(self) -> tuple[str, str]:
        """Why it failed, for people, and the parameter that was at fault; empty where it does not say."""
        error = self.fields.get("error")
        told = error if isinstance(error, Mapping) else {}
        said = [str(told[key]) for key in ("code", "message") if told.get(key)]
        return ": ".join(said)[:_MOST_TEXT], str(told.get("param") or "")[:_MOST_TEXT]


@dataclass(frozen=True)
class Checkpoint:
    """A model that a job kept on its way."""

    model: str
    step: int

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Checkpoint | None:
        """That of which an object of the API tells; None where it tells of none."""
        model, step = _model_name(told.get("fine_tuned_model_checkpoint")), told.get("step_number")
        return cls(model, step) if model is not None and isinstance(step, int) else None


class FineTuningApi:
    """Files and jobs of a server. Each call is tried again as calls for answers are.

    Args:
        served: the model that is trained, and where.

    Raises:
        ConfigError: there is no key for a server that is not on this machine.
    """

    def __init__(self, served: ServedModel) -> None:
        self._served = served
        self._has_answered = False
        _ = self._client  # which refuses a server without a key

    @cached_property
    def _client(self) -> OpenAI:
        return open_client(self._served, timeout_s=_TIMEOUT_S)

    def uploaded(self, name: str, content: bytes) -> str:
        """The id of a file of this name and size, uploaded if it is not there: the name is to tell its content."""

        def attempt() -> str:
            files = self._listed(lambda after: self._client.files.with_raw_response.list(purpose="fine-tune", **after))
            there = (one for one in files if (one.get("filename"), one.get("bytes")) == (name, len(content)))
            body = next(there, None) or _read(
                self._client.files.with_raw_response.create(file=(name, content), purpose="fine-tune")
            )
            if not _is_id(body.get("id")):
                raise MalformedAnswerError(f"no file: {str(body)[:200]}")
            return str(body["id"])

        return self._asked(attempt)

    def found_or_created(self, metadata: Mapping[str, str], order: Mapping[str, Any]) -> Job:
        """The job of this metadata that is under way or succeeded, created if there is none.

        It is looked for before each try: a connection that breaks after the request does not tell whether a job was made,
        and a second one would be paid for too.
        """

        def attempt() -> Job:
            return self._found(metadata) or Job.of(_read(self._jobs.create(**order)))

        return self._asked(attempt)

    def found(self, metadata: Mapping[str, str]) -> Job | None:
        """That job; None where there is none."""
        return self._asked(lambda: self._found(metadata))

    def job(self, job_id: str) -> Job | None:
        """A job by its id; None where the server knows none."""
        return self._asked_where_known(lambda: Job.of(_read(self._jobs.retrieve(job_id))))

    def cancel(self, job_id: str) -> Job:
        """Cancel a job; it as it is then."""
        return self._asked(lambda: Job.of(_read(self._jobs.cancel(job_id))))

    def events(self, job_id: str, known: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The events of a job that are not known, oldest first; none where the server knows of no such thing."""

        def attempt() -> list[dict[str, Any]]:
            fresh: list[dict[str, Any]] = []
            for event in self._listed(lambda after: self._jobs.list_events(job_id, limit=_A_PAGE, **after)):
                if _is_id(event.get("id")):
                    if event["id"] in known:
                        break
                    fresh.append(event)
            return fresh[::-1]

        return self._asked_where_known(attempt) or []

    def checkpoints(self, job_id: str) -> list[dict[str, Any]]:
        """What a job kept on its way; none where the server knows of no such thing."""
        checkpoints = self._client.fine_tuning.jobs.checkpoints.with_raw_response

        def attempt() -> list[dict[str, Any]]:
            return list(self._listed(lambda after: checkpoints.list(job_id, limit=_A_PAGE, **after)))

        return self._asked_where_known(attempt) or []

    def content(self, file_id: str) -> bytes:
        """What is in a file; some servers give it as base64."""
        content = self._asked(
            lambda: bytes(self._client.files.with_raw_response.content(file_id).http_response.content)
        )
        try:
            return base64.b64decode(content.strip(), validate=True)
        except binascii.Error:
            return content

    @property
    def _jobs(self) -> Any:
        return self._client.fine_tuning.jobs.with_raw_response

    def _found(self, metadata: Mapping[str, str]) -> Job | None:
        for body in self._listed(lambda after: self._jobs.list(limit=_A_PAGE, metadata=dict(metadata), **after)):
            told = body.get("metadata")
            ours = isinstance(told, Mapping) and all(told.get(key) == value for key, value in metadata.items())
            if ours and (job := Job.of(body)).status not in ENDED_WITHOUT_MODEL:
                return job
        return None

    def _listed(self, ask: Callable[[dict[str, Any]], Any]) -> Iterator[dict[str, Any]]:
        """The objects of a list, page by page."""
        after: dict[str, Any] = {}
        for _ in range(_MOST_PAGES):
            body = _read(ask(after))
            page = body.get("data")
            if not isinstance(page, list) or not all(isinstance(one, dict) for one in page):
                raise MalformedAnswerError(f"no list: {str(body)[:200]}")
            yield from page
            last = page[-1].get("id") if page else None
            if body.get("has_more") is not True or not isinstance(last, str) or last == after.get("after"):
                return
            after = {"after": last}

    def _asked(self, call: Callable[[], T]) -> T:
        retry = PATIENCE if self._has_answered else FIRST
        answer = call_with_retries(call, retry, served=self._served, stopped=threading.Event())
        self._has_answered = True
        return answer

    def _asked_where_known(self, call: Callable[[], T]) -> T | None:
        """The same; None where the server answers that there is no such thing."""
        import openai

        try:
            return self._asked(call)
        except EngineError as error:
            if isinstance(error.__cause__, openai.NotFoundError):
                return None
            raise


def _read(response: Any) -> dict[str, Any]:
    return read_body(response.http_response)


def _is_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _model_name(value: object) -> str | None:
    return value if isinstance(value, str) and _MODEL.fullmatch(value) and printable(value) == value else None
