"""`assay train` of a recipe that a provider trains: shown, trained, killed and gone on with, cancelled."""

from __future__ import annotations

import json
import signal
import threading
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from faulty_server import Body, Status
from provider_recipes import KEY, MakeServed, Serve, rows
from provider_server import MODEL, Provider
from separate import DEADLINE_S, start_assay

from harness.cli import main
from harness.config.spec import parse_model_spec
from harness.models.resolve import is_at_hand


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to work in, with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASSAY_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "assay.yaml").write_text("{}\n")
    return tmp_path


def test_rows_are_shown_as_sent_with_what_they_cost_and_nobody_is_asked(
    here: Path, make_served: MakeServed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    make_served(limits={"price": 25.0, "cost": 5.0})
    assert main(["train", "served.yaml", "--show=2"]) == 0
    head, line, _, second, last = capsys.readouterr().out.splitlines()
    assert head == "line 1 of 12, train.jsonl row 1, about 24 tokens"
    assert [json.loads(line), json.loads(second)] == rows(2)
    assert (
        last
        == "12 rows to train on: about 580 tokens in 2 epochs (at most 100,000), about 0.01 at 25 a million (at most 5)"
    )


def test_check_tells_what_it_will_cost(
    here: Path, make_served: MakeServed, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    make_served(url=serve(Provider()).url)
    assert main(["check", "--adapter=recipe:served.yaml"]) == 0
    assert "recipe served: rows: 12 train; about 580 tokens in 2 epochs" in capsys.readouterr().out


def test_what_costs_too_much_is_shown_and_refused(
    here: Path, make_served: MakeServed, capsys: pytest.CaptureFixture[str]
) -> None:
    make_served(limits={"tokens": 100})
    assert main(["train", "served.yaml", "--show=1"]) == 2
    assert "limits.tokens is 100" in capsys.readouterr().err


def test_train_prints_the_model_and_its_checkpoints(
    here: Path, make_served: MakeServed, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve(Provider())
    make_served(url=server.url)
    assert main(["train", "served.yaml", "--output=out"]) == 0
    printed = capsys.readouterr().out
    [model] = [line.split()[-1] for line in printed.splitlines() if line.split()[0] == "model"]
    assert model == f"openai:ft:{MODEL}-2025-04-14:my-org::ftjob-1@{server.url}"
    assert is_at_hand(parse_model_spec(model, "--candidate"))
    assert "checkpoint at step 8" in printed and ":ckpt-step-8" in printed and "4,321" in printed
    assert (here / "out" / "events.jsonl").is_file() and (here / "out" / "step_metrics.csv").is_file()


def test_a_job_is_cancelled_by_its_recipe(
    here: Path, make_served: MakeServed, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    provider = Provider(("queued",))
    server = serve(provider)
    make_served(url=server.url, limits={"hours": 1e-6})
    assert main(["train", "served.yaml"]) == 2
    assert main(["train", "served.yaml", "--cancel"]) == 0
    assert "cancelled" in capsys.readouterr().out
    assert provider.jobs["ftjob-1"].status == "cancelled"


def test_only_a_providers_job_is_cancelled(
    here: Path, make_served: MakeServed, capsys: pytest.CaptureFixture[str]
) -> None:
    make_served(whole={"method": "sft", "base": "x", "trainer": {}, "limits": None})
    assert main(["train", "served.yaml", "--cancel"]) == 2
    assert "trains here" in capsys.readouterr().err


@pytest.mark.real_process
@pytest.mark.parametrize("moment", ["/v1/files", "/v1/fine_tuning/jobs", "/v1/fine_tuning/jobs/ftjob-1"])
def test_a_call_that_was_killed_is_gone_on_with(
    here: Path, make_served: MakeServed, serve: Serve, moment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed by the server that it asks, after that has done what was asked: it never hears of it."""
    victims: list[ForkServerProcess] = []
    started = threading.Event()

    class Deadly(Provider):
        def __call__(self, path: str, body: Body) -> Body | bytes | Status:
            answer = super().__call__(path, body)
            started.wait(DEADLINE_S)
            if path == moment and (body or moment.endswith("ftjob-1")) and victims:
                victim = victims.pop()
                victim.kill()
                wait([victim.sentinel], DEADLINE_S)
            return answer

    provider = Deadly()
    server = serve(provider)
    make_served(url=server.url)
    killed = start_assay(here, here / "cache", ["train", "served.yaml"], {"OPENAI_API_KEY": KEY})
    victims.append(killed)
    started.set()
    killed.join(DEADLINE_S)
    assert killed.exitcode == -signal.SIGKILL
    assert main(["train", "served.yaml"]) == 0
    assert "ftjob-1@" in capsys.readouterr().out
    assert (len(provider.jobs), len(provider.files)) == (1, 1)
    assert not any(KEY.encode() in file.read_bytes() for file in (here / "cache").rglob("*") if file.is_file())
