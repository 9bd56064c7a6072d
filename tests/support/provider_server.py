"""A provider's fine-tuning API on loopback: files, jobs, events, checkpoints, results, and the models that they make.

Written from the API reference of OpenAI (`openai.types.fine_tuning`): newest first, pages by `after` and `has_more`, files
that are validated before a job is queued, jobs that go on from look to look.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from faulty_server import Body, Status, parrot

ROLES = {"system", "developer", "user", "assistant", "tool"}
COURSE = ("validating_files", "queued", "running", "running", "succeeded")
MODEL = "gpt-4.1-mini"


@dataclass
class Job:
    """A job, and how far it has gone along its course; `fields` are as it was created."""

    id: str
    fields: Body
    course: list[str]
    status: str = "validating_files"
    error: Body | None = None
    looks: int = 0
    events: list[Body] = field(default_factory=list)


class Provider:
    """The API's state; an instance is what a `FaultyServer` answers by.

    Args:
        course: statuses of a job, one a look; the last one stays.
        steps: that a job takes; each logs its metrics.
        page: objects of a list at the most.
        error: of a job that fails by its course.
        said: messages of events, beside the usual ones.
        results: whether the table of metrics is base64.
    """

    def __init__(
        self,
        course: tuple[str, ...] = COURSE,
        *,
        steps: int = 12,
        page: int = 5,
        error: Body | None = None,
        said: tuple[str, ...] = (),
        results: Callable[[bytes], bytes] = base64.b64encode,
        filters: bool = True,
        answer: Callable[[str, Body], Body] = parrot,
    ) -> None:
        self.course, self.steps, self.page, self.error, self.said = course, steps, page, error, said
        self.files: dict[str, tuple[str, bytes]] = {}
        self.jobs: dict[str, Job] = {}
        self._results, self._filters, self._answer = results, filters, answer

    def __call__(self, path: str, body: Body) -> Body | bytes | Status:
        url = urlsplit(path)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        match url.path.removeprefix("/v1/").split("/"):
            case ["files"] if "form" in body:
                return self._upload(body["form"])
            case ["files"]:
                return self._page([self._file(one) for one in self.files], query)
            case ["files", one, "content"]:
                return self._results(self._table()) if one.startswith("file-results") else self.files[one][1]
            case ["fine_tuning", "jobs"] if body:
                return self._create(body)
            case ["fine_tuning", "jobs"]:
                jobs = [self._told(job) for job in self.jobs.values() if self._is_asked_for(job, query)]
                return self._page(jobs[::-1], query)
            case ["fine_tuning", "jobs", one, *_] if one not in self.jobs:
                return refusal(404, f"Could not find fine tune: {one}")
            case ["fine_tuning", "jobs", one]:
                self._look(self.jobs[one])
                return self._told(self.jobs[one])
            case ["fine_tuning", "jobs", one, "cancel"]:
                self.jobs[one].status, self.jobs[one].course = "cancelled", []
                return self._told(self.jobs[one])
            case ["fine_tuning", "jobs", one, "events"]:
                return self._page(self.jobs[one].events[::-1], query)
            case ["fine_tuning", "jobs", one, "checkpoints"]:
                return self._page(list(self._checkpoints(self.jobs[one]))[::-1], query)
            case ["models"]:
                names = [MODEL, *(name for job in self.jobs.values() if (name := self._model(job)))]
                return {"object": "list", "data": [{"id": name, "object": "model", "created": 1} for name in names]}
        return self._answer(path, body)

    def _upload(self, form: bytes) -> Body | Status:
        name = re.search(rb'filename="([^"]+)"', form)
        content = re.search(rb'name="file"; filename="[^"]+"\r\n(?:[^\r\n]+\r\n)*\r\n(.*?)\r\n--', form, re.DOTALL)
        if name is None or content is None or b"fine-tune" not in form:
            return refusal(400, "'file' and 'purpose' are required")
        file = f"file-{len(self.files) + 1}"
        self.files[file] = name[1].decode(), content[1]
        return self._file(file)

    def _file(self, file: str) -> Body:
        name, content = self.files[file]
        return {"id": file, "object": "file", "bytes": len(content), "filename": name, "purpose": "fine-tune"}

    def _create(self, body: Body) -> Body | Status:
        if body.get("model") != MODEL:
            return refusal(400, f"Model {body.get('model')} is not available for fine-tuning", "model_not_available")
        if body["training_file"] not in self.files:
            return refusal(400, f"invalid training_file: {body['training_file']}", "file_not_found")
        if len(body.get("metadata", {})) > 16 or len(body.get("suffix") or "") > 64:
            return refusal(400, "metadata or suffix is too long")
        method = body["method"]
        if set(method) != {"type", method["type"]}:
            return refusal(400, "method does not hold what its type names")
        job = Job(f"ftjob-{len(self.jobs) + 1}", body, list(self.course))
        self.jobs[job.id] = job
        self._say(job, f"Created fine-tuning job: {job.id}")
        fault = self._invalid(body["training_file"], method["type"], fewest=10)
        if fault is None and body.get("validation_file"):
            fault = self._invalid(body["validation_file"], method["type"])
        if fault is not None:
            job.course = ["validating_files", "failed"]
            job.error = {"code": "invalid_training_file", "message": fault, "param": "training_file"}
        return self._told(job)

    def _invalid(self, file: str, method: str, fewest: int = 1) -> str | None:
        lines = self.files[file][1].decode().splitlines()
        if len(lines) < fewest:
            return f"Training file has {len(lines)} example(s), but must have at least {fewest} examples"
        for number, line in enumerate(lines, 1):
            row = json.loads(line)
            asked = row["input"]["messages"] if method == "dpo" else row["messages"]
            ends = [row["preferred_output"], row["non_preferred_output"]] if method == "dpo" else [[]]
            for messages in ([*asked, *end] for end in ends):
                if (fault := _fault(messages, answered=method != "reinforcement")) is not None:
                    return f"Line {number}, {fault}"
        return None

    def _look(self, job: Job) -> None:
        if not job.course:
            return
        job.status = job.course.pop(0) if len(job.course) > 1 else job.course[0]
        if job.status == "failed":
            job.error = job.error or self.error or {"code": "server_error", "message": "it broke", "param": None}
        if job.status == "running" and not any(one["type"] == "metrics" for one in job.events):
            for message in self.said:
                self._say(job, message)
            for step in range(1, self.steps + 1):
                self._say(job, f"Step {step}/{self.steps}", self._metrics(step))

    def _metrics(self, step: int) -> Body:
        share = step / self.steps
        told = {"step": step, "total_steps": self.steps, "train_loss": round(2.5 - 2 * share, 4)}
        return {**told, "train_mean_token_accuracy": round(0.4 + 0.5 * share, 4)}

    def _say(self, job: Job, message: str, data: Body | None = None) -> None:
        job.events.append(
            {
                "object": "fine_tuning.job.event", "id": f"ftevent-{job.id}-{len(job.events)}", "created_at": len(job.events),
                "level": "info", "message": message, "data": data or {}, "type": "metrics" if data else "message",
            }
        )  # fmt: skip

    def _table(self) -> bytes:
        head = "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n"
        rows = [(self._metrics(step), 2.6 - 2 * step / self.steps) for step in range(1, self.steps + 1)]
        return (
            head
            + "".join(
                f"{one['step']},{one['train_loss']},{one['train_mean_token_accuracy']},{loss:.4f},0.8\n"
                for one, loss in rows
            )
        ).encode()

    def _model(self, job: Job) -> str | None:
        suffix = job.fields.get("suffix") or ""
        return f"ft:{MODEL}-2025-04-14:my-org:{suffix}:{job.id}" if job.status == "succeeded" else None

    def _checkpoints(self, job: Job) -> Iterator[Body]:
        for epoch, step in enumerate((self.steps // 3, 2 * self.steps // 3), 1):
            yield {
                "object": "fine_tuning.job.checkpoint", "id": f"ftckpt-{epoch}", "step_number": step,
                "fine_tuned_model_checkpoint": f"ft:{MODEL}-2025-04-14:my-org::{job.id}:ckpt-step-{step}",
                "metrics": {"step": step}, "fine_tuning_job_id": job.id, "created_at": epoch,
            }  # fmt: skip

    def _told(self, job: Job) -> Body:
        done = job.status == "succeeded"
        return {
            "object": "fine_tuning.job", "id": job.id, "created_at": 1, "finished_at": 2 if done else None,
            "model": job.fields["model"], "organization_id": "org-1", "status": job.status, "error": job.error,
            "fine_tuned_model": self._model(job), "result_files": [f"file-results-{job.id}"] if done else [],
            "training_file": job.fields["training_file"], "validation_file": job.fields.get("validation_file"),
            "metadata": job.fields.get("metadata"), "method": job.fields["method"], "seed": job.fields.get("seed", 0),
            "hyperparameters": {}, "trained_tokens": 4321 if done else None,
        }  # fmt: skip

    def _is_asked_for(self, job: Job, query: dict[str, str]) -> bool:
        wanted = {key[len("metadata[") : -1]: value for key, value in query.items() if key.startswith("metadata[")}
        told = job.fields.get("metadata") or {}
        return not self._filters or all(told.get(key) == value for key, value in wanted.items())

    def _page(self, objects: list[Body], query: dict[str, str]) -> Body:
        ids = [one["id"] for one in objects]
        start = ids.index(query["after"]) + 1 if "after" in query else 0
        shown = objects[start : start + self.page]
        return {"object": "list", "data": shown, "has_more": start + self.page < len(objects)}


def refusal(code: int, message: str, kind: str = "invalid_request_error", **headers: str) -> Status:
    """An error as the API words it."""
    return Status(code, headers, {"error": {"message": message, "type": kind, "code": kind, "param": None}})


def _fault(messages: list[Body], *, answered: bool) -> str | None:
    called: set[str] = set()
    for place, message in enumerate(messages, 1):
        if message.get("role") not in ROLES or set(message) - {
            "role",
            "content",
            "weight",
            "name",
            "tool_calls",
            "tool_call_id",
        }:
            return f"message {place}: unexpected role or key"
        if message.get("weight", 1) not in (0, 1):
            return f"message {place}: weight must be 0 or 1"
        if not message.get("content") and not message.get("tool_calls"):
            return f"message {place}: has no content"
        if message["role"] == "tool" and message.get("tool_call_id") not in called:
            return f"message {place}: no such tool_call_id"
        called |= {call["id"] for call in message.get("tool_calls", ())}
    if answered and messages[-1]["role"] != "assistant":
        return "last message must be from the assistant"
    return None
