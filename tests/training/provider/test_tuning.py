"""From a recipe to a served model: once, whatever breaks on the way, and with a log that gates can read."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
from faulty_server import Body, Drop, Fault, FaultyServer, Garbage, Lost, Status, faults_in_order
from provider_recipes import KEY, MakeServed, Serve, Train, rows
from provider_server import MODEL, Provider, refusal

from harness.config.spec import ServedModel
from harness.errors import AssayError, ConfigError, EngineError, RecipeError
from harness.training.history import read_history
from harness.training.provider import cancel, is_tuned, job, tune


def created(server: FaultyServer) -> list[Body]:
    """What jobs were ordered."""
    return [seen.body for seen in server.seen if seen.path == "/v1/fine_tuning/jobs" and seen.body]


def test_a_recipe_becomes_a_served_model_with_its_log(serve: Serve, train: Train) -> None:
    tuned = train(serve(Provider()))
    assert tuned.served.name == f"ft:{MODEL}-2025-04-14:my-org::ftjob-1"
    assert (tuned.steps, tuned.trained_tokens, tuned.from_cache) == (12, 4321, False)
    assert [one.step for one in tuned.checkpoints] == [4, 8]
    history = read_history(tuned.path, None, method="sft")
    assert history is not None and history.method.loss_is_cross_entropy
    assert (history.steps, history.planned_steps, len(history.points)) == (12, 12, 12)
    first, last = history.points[0], history.points[-1]
    assert first.loss == pytest.approx(2.3333) and last.loss == pytest.approx(0.5)
    assert last.eval_loss == pytest.approx(0.6)
    assert history.logged["mean_token_accuracy"][-1] == (12, pytest.approx(0.9))
    assert history.evaluated["mean_token_accuracy"][-1] == (12, pytest.approx(0.8))


def test_a_job_is_told_what_the_recipe_says_by_the_apis_own_names(
    serve: Serve, train: Train, make_served: MakeServed
) -> None:
    server = serve(Provider())
    trainer = {"learning_rate_multiplier": 0.5, "batch_size": "auto", "seed": 7, "suffix": "tickets"}
    trainer["metadata"] = {"team": "support"}
    recipe = make_served(
        url=server.url, trainer=trainer, data={"train": {"path": "train.jsonl"}, "split": 0.25}, count=16
    )
    tuned = train(server, recipe)
    [order] = created(server)
    hyperparameters = {"n_epochs": 2, "learning_rate_multiplier": 0.5, "batch_size": "auto"}
    assert order["method"] == {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}}
    assert (order["model"], order["seed"], order["suffix"]) == (MODEL, 7, "tickets")
    assert order["metadata"]["team"] == "support" and len(order["metadata"][job.MARK]) == 64
    assert {order["training_file"], order["validation_file"]} == {"file-1", "file-2"}
    assert ":tickets:" in tuned.served.name


def test_preferences_are_sent_in_the_apis_layout(serve: Serve, train: Train, make_served: MakeServed) -> None:
    provider = Provider()
    server = serve(provider)
    pairs = [{"prompt": f"say {i}", "chosen": "briefly", "rejected": "at great length"} for i in range(10)]
    train(server, make_served(pairs, url=server.url, trainer={"method": "dpo", "beta": 0.1}))
    assert created(server)[0]["method"] == {"type": "dpo", "dpo": {"hyperparameters": {"n_epochs": 2, "beta": 0.1}}}
    assert json.loads(provider.files["file-1"][1].splitlines()[3]) == {
        "input": {"messages": [{"role": "user", "content": "say 3"}]},
        "preferred_output": [{"role": "assistant", "content": "briefly"}],
        "non_preferred_output": [{"role": "assistant", "content": "at great length"}],
    }


def test_prompts_are_sent_with_what_their_grader_reads(serve: Serve, train: Train, make_served: MakeServed) -> None:
    provider = Provider()
    server = serve(provider)
    prompts = [{"messages": [{"role": "user", "content": f"{i} + 1?"}], "answer": str(i + 1)} for i in range(10)]
    grader = {"type": "string_check", "name": "right", "operation": "eq", "input": "{{sample.output_text}}"}
    train(server, make_served(prompts, url=server.url, trainer={"method": "reinforcement", "grader": grader}))
    assert created(server)[0]["method"]["reinforcement"] == {"hyperparameters": {"n_epochs": 2}, "grader": grader}
    assert json.loads(provider.files["file-1"][1].splitlines()[0]) == prompts[0]


def test_a_second_call_asks_nobody_and_a_changed_training_is_another(
    serve: Serve, train: Train, make_served: MakeServed, tmp_path: Path
) -> None:
    server = serve(Provider())
    first, asked = train(server), len(server.seen)
    again = train(server)
    assert (again.served, again.from_cache, len(server.seen)) == (first.served, True, asked)
    dearer = make_served(url=server.url, limits={"tokens": 90_000, "price": 3.0, "hours": 1})
    assert is_tuned(dearer, served=ServedModel(MODEL, server.url), cache_dir=tmp_path / "adapters")
    other = train(server, make_served(url=server.url, trainer={"n_epochs": 3}))
    assert not other.from_cache and other.served != first.served
    assert not train(server, make_served(rows(13), url=server.url)).from_cache
    assert len(created(server)) == 3


@pytest.mark.parametrize(
    "fault",
    [Status(429, {"Retry-After": "0.001"}), Status(500), Status(503), Drop(), Drop(midway=True), Lost(), Garbage()],
    ids=lambda fault: f"{type(fault).__name__} {getattr(fault, 'code', '')}",
)
def test_whatever_call_fails_once_one_file_is_uploaded_and_one_job_paid_for(
    serve: Serve, make_served: MakeServed, tmp_path: Path, fault: Fault
) -> None:
    untroubled = serve(Provider(("running", "succeeded"), page=100))
    tune(make_served(), served=ServedModel(MODEL, untroubled.url), cache_dir=tmp_path / "untroubled")
    calls = len(untroubled.seen)
    assert calls >= 8
    for place in range(calls):
        provider = Provider(("running", "succeeded"), page=100)
        server = serve(provider, faults_in_order(*[None] * place, fault))
        tuned = tune(make_served(), served=ServedModel(MODEL, server.url), cache_dir=tmp_path / str(place))
        assert (len(provider.jobs), len(provider.files), tuned.steps) == (1, 1, 12), place


def test_what_was_paid_for_and_used_up_is_not_waited_for(serve: Serve, train: Train) -> None:
    quota = refusal(429, "You exceeded your current quota", "insufficient_quota")
    server = serve(Provider(), lambda arrival: quota)
    with pytest.raises(EngineError, match="exceeded your current quota"):
        train(server)
    assert len(server.seen) == 1


def test_a_server_that_asks_for_too_long_a_pause_is_given_up(serve: Serve, train: Train) -> None:
    server = serve(Provider(), lambda arrival: Status(429, {"Retry-After": "86400"}))
    with pytest.raises(EngineError, match="asks for a pause of 86400 s"):
        train(server)


def test_an_interrupted_call_leaves_the_job_and_the_next_follows_it(
    serve: Serve, train: Train, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    provider = Provider()
    server = serve(provider)

    def stop(self: object, status: str) -> None:
        if status == "running":
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("harness.training.provider.progress.JobProgress.say_status", stop)
        with pytest.raises(KeyboardInterrupt):
            train(server)
    assert "job ftjob-1 goes on" in caplog.text and "assay train served --cancel" in caplog.text
    caplog.set_level(logging.INFO)
    assert train(server).served.name.endswith("ftjob-1")
    assert "going on with job ftjob-1" in caplog.text
    assert (len(provider.jobs), len(provider.files)) == (1, 1)


@pytest.mark.parametrize("filters", [True, False], ids=["the list is filtered", "the server filters no list"])
def test_a_job_is_found_by_its_metadata_where_nothing_here_tells_of_it(
    serve: Serve, train: Train, make_served: MakeServed, tmp_path: Path, filters: bool
) -> None:
    provider = Provider(page=2, filters=filters)
    server = serve(provider)
    first = train(server)
    for epochs in (3, 4, 5):
        train(server, make_served(url=server.url, trainer={"n_epochs": epochs}))
    shutil.rmtree(tmp_path / "adapters")
    again = train(server, make_served(url=server.url))
    assert (again.served, again.steps, len(provider.jobs)) == (first.served, 12, 4)


def test_a_failed_job_is_told_with_the_file_whose_lines_it_names_and_another_is_begun_next(
    serve: Serve, train: Train, tmp_path: Path
) -> None:
    said = "Line 3, message 1: too\x1b[31m long"
    error = {"code": "invalid_training_file", "message": said, "param": "training_file"}
    provider = Provider(("validating_files", "failed"), error=error)
    server = serve(provider)
    with pytest.raises(RecipeError) as told:
        train(server)
    assert "invalid_training_file: Line 3, message 1: too[U+001B][31m long (training_file)" in told.value.problem
    [sent] = (tmp_path / "adapters").glob("*.work/training_file.jsonl")
    assert str(sent) in told.value.remedy and "--show" in told.value.remedy
    assert json.loads(sent.read_text().splitlines()[2]) == rows()[2]
    provider.course = ("running", "succeeded")
    assert train(server).served.name.endswith("ftjob-2")
    assert len(provider.files) == 1


def test_a_job_that_fails_without_a_word_is_told_too(serve: Serve, train: Train) -> None:
    server = serve(Provider(("failed",), error={"code": None, "message": None, "param": None}))
    with pytest.raises(RecipeError, match="job ftjob-1 failed: it does not say why"):
        train(server)


def test_a_cancelled_job_is_told_and_another_begun_next(serve: Serve, train: Train) -> None:
    provider = Provider(("queued", "cancelled"))
    server = serve(provider)
    with pytest.raises(RecipeError, match="job ftjob-1 was cancelled"):
        train(server)
    provider.course = ("succeeded",)
    assert train(server).served.name.endswith("ftjob-2")


def test_a_paused_job_is_told_and_followed_once_it_is_resumed(serve: Serve, train: Train) -> None:
    provider = Provider(("running", "paused"))
    server = serve(provider)
    with pytest.raises(RecipeError, match="job ftjob-1 is paused"):
        train(server)
    provider.jobs["ftjob-1"].course = ["running", "succeeded"]
    assert train(server).served.name.endswith("ftjob-1")


def test_a_job_that_queues_for_too_long_goes_on_and_is_followed_by_the_next_call(
    serve: Serve, train: Train, make_served: MakeServed
) -> None:
    provider = Provider(("queued",))
    server = serve(provider)
    with pytest.raises(EngineError, match=r"job ftjob-1 is \w+ after 1e-06 h") as told:
        train(server, make_served(url=server.url, limits={"hours": 1e-6}))
    assert "--cancel" in told.value.remedy
    provider.jobs["ftjob-1"].course = ["a status of tomorrow", "succeeded"]
    assert train(server, make_served(url=server.url)).served.name.endswith("ftjob-1")


def test_a_job_under_way_is_cancelled_by_its_recipe(
    serve: Serve, train: Train, make_served: MakeServed, tmp_path: Path
) -> None:
    provider = Provider(("queued",))
    server = serve(provider)
    recipe = make_served(url=server.url, limits={"hours": 1e-6})
    where: Any = {"served": ServedModel(MODEL, server.url), "cache_dir": tmp_path / "adapters"}
    with pytest.raises(RecipeError, match="no job of recipe 'served' is under way"):
        cancel(recipe, **where)
    with pytest.raises(EngineError):
        train(server, recipe)
    assert cancel(recipe, **where).status == "cancelled"
    with pytest.raises(RecipeError, match="nothing to cancel"):
        cancel(recipe, **where)


@pytest.mark.parametrize("name", [None, "", 7, "ft:a model", "ft:\x1b[31m", "ft:\u202emodel", "x" * 500])
def test_a_model_of_no_name_is_no_candidate(
    serve: Serve, train: Train, monkeypatch: pytest.MonkeyPatch, name: object
) -> None:
    monkeypatch.setattr(Provider, "_model", lambda provider, job: name)
    with pytest.raises(EngineError, match="ftjob-1 succeeded and names no model"):
        train(serve(Provider()))


def test_the_key_and_control_characters_stay_out_of_files_and_logs(
    serve: Serve, train: Train, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said = (f"your key is {KEY}", "a red \x1b[31m line", "reordered \u202e text")
    server = serve(Provider(said=said, results=lambda table: table + f"1,2,{KEY},3,4\n".encode()))
    train(server)
    assert all(seen.headers["authorization"] == f"Bearer {KEY}" for seen in server.seen)
    assert KEY not in caplog.text and "your key is ***" in caplog.text
    assert "\x1b" not in caplog.text and "[U+001B][31m line" in caplog.text and "[U+202E]" in caplog.text
    kept = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file() and file.suffix != ".yaml"]
    assert kept and not any(KEY.encode() in content or b"\x1b" in content for content in kept)


def test_a_refusal_that_quotes_the_key_does_not_print_it(serve: Serve, train: Train) -> None:
    server = serve(Provider(), lambda arrival: refusal(401, f"Incorrect API key provided: {KEY}"))
    with pytest.raises(EngineError) as told:
        train(server)
    assert KEY not in str(told.value) and "OPENAI_API_KEY" in told.value.remedy


def test_without_a_key_nothing_is_asked_of_another_machine(
    make_served: MakeServed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ConfigError, match="OPENAI_API_KEY is not set"):
        tune(make_served(), served=ServedModel(MODEL, "https://api.example.com/v1"), cache_dir=tmp_path)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"tokens": 100}, "tokens would be trained on, and limits.tokens is 100"),
        ({"price": 25.0, "cost": 0.001}, "would cost about 0.01, and limits.cost is 0.001"),
    ],
)
def test_what_costs_too_much_is_not_sent(
    serve: Serve, train: Train, make_served: MakeServed, limits: dict[str, Any], said: str
) -> None:
    server = serve(Provider())
    with pytest.raises(RecipeError, match=said) as told:
        train(server, make_served(url=server.url, limits=limits))
    assert "n_epochs" in told.value.remedy and server.seen == []


def test_what_is_billed_beyond_the_limits_is_told(
    serve: Serve, train: Train, make_served: MakeServed, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(Provider())
    train(server, make_served(url=server.url, limits={"tokens": 2000}))
    assert "trained on 4321 tokens, which are more than limits.tokens (2000)" in caplog.text


def test_a_server_that_tells_of_no_events_and_no_checkpoints_still_trains(serve: Serve, train: Train) -> None:
    class Terse(Provider):
        def __call__(self, path: str, body: Body) -> Body | bytes | Status:
            if "/events" in path or "/checkpoints" in path or "/content" in path:
                return refusal(404, "no such endpoint")
            return super().__call__(path, body)

    tuned = train(serve(Terse()))
    assert (tuned.steps, tuned.checkpoints) == (0, [])
    assert tuned.served.name.endswith("ftjob-1")


@pytest.mark.parametrize(
    "event",
    [
        {"id": ["a", "list"], "message": "x"},
        {"id": "ftevent-9", "type": "metrics", "data": "no object"},
        {"id": "ftevent-9", "type": "metrics", "data": {"step": "one", "train_loss": []}, "object": "fine_tuning.job.event"},
        {"id": "ftevent-9", "message": {"an": "object"}, "type": 3},
    ],
    ids=str,
)  # fmt: skip
def test_events_of_no_sense_do_no_harm(
    serve: Serve, train: Train, monkeypatch: pytest.MonkeyPatch, event: Body
) -> None:
    look = Provider._look

    def strange(provider: Provider, job: Any) -> None:
        look(provider, job)
        job.events.append({**event, "id": event["id"]} if len(job.events) < 3 else {"id": f"x-{len(job.events)}"})

    monkeypatch.setattr(Provider, "_look", strange)
    assert train(serve(Provider(page=100))).served.name.endswith("ftjob-1")


def test_a_list_that_goes_round_in_circles_ends(serve: Serve, train: Train) -> None:
    class Endless(Provider):
        def _page(self, objects: list[Body], query: dict[str, str]) -> Body:
            return {"object": "list", "data": objects, "has_more": True}

    assert train(serve(Endless())).served.name.endswith("ftjob-1")


def test_what_was_damaged_in_the_cache_is_told_by_the_provider_again(serve: Serve, train: Train) -> None:
    provider = Provider()
    server = serve(provider)
    first = train(server)
    (first.path / job.EVENTS_FILE).write_text("{}")
    again = train(server)
    assert (again.served, again.from_cache, len(provider.jobs)) == (first.served, False, 1)


def test_a_refused_order_is_told_as_the_server_says(serve: Serve, make_served: MakeServed, tmp_path: Path) -> None:
    server = serve(Provider())
    with pytest.raises(AssayError, match="Model gpt-2 is not available for fine-tuning"):
        tune(make_served(), served=ServedModel("gpt-2", server.url), cache_dir=tmp_path)
