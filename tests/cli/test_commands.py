"""`assay`: what it prints and writes, and how it says no."""

from __future__ import annotations

import json
import logging
import re
import shutil
from pathlib import Path

import pytest
from faulty_server import Body, FaultyServer, chat_answer, parrot
from tiny import save_tiny_model

from harness.cli import main
from harness.records import Manifest, Verdict
from harness.runs import RunWriter

_KERNELS = "bitsandbytes.backends.cpu.ops"
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_no_command_tells_of_a_kernel_that_bitsandbytes_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(_KERNELS), "level", logging.NOTSET)
    main(["schema"])
    assert not logging.getLogger(_KERNELS).isEnabledFor(logging.WARNING)


def check_refused(capsys: pytest.CaptureFixture[str], *said: str) -> None:
    error = capsys.readouterr().err
    assert error.startswith("assay: ")
    assert "Traceback" not in error
    for words in said:
        assert words in error


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (["doctor", "--model=", "--adapter=x"], "--model"),
        (["check", "--adapter", ""], "--adapter"),
        (["train", ""], "an argument"),
        (["report", ""], "an argument"),
        (["baseline", "set", "run", "--name="], "--name"),
    ],
)
def test_an_empty_value_is_none_left_out(given: list[str], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(given) == 2
    check_refused(capsys, f"{name} is given without a value", "a variable may be unset")


def test_doctor_shows_the_machine(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    for fact in ("threads", "bf16", "cuda", "torch", "transformers", "peft", "cache", "none found from here upwards"):
        assert fact in shown


def test_doctor_shows_digests_that_follow_the_files(
    tiny_model_dir: Path, tiny_adapter_dir: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def digests() -> dict[str, str]:
        assert main(["doctor", f"--model={tiny_model_dir}", f"--adapter={here / 'adapter'}", "--dtype=float32"]) == 0
        lines = [re.split(" {2,}", line.strip(), maxsplit=1) for line in capsys.readouterr().out.splitlines()]
        return {line[0]: line[1] for line in lines if len(line) == 2}

    shutil.copytree(tiny_adapter_dir, here / "adapter")
    first = digests()
    assert {"weights", "tokenizer", "chat_template", "generation_config", "dtype", "quantization"} <= first.keys()
    assert len(first["weights"]) == 64
    assert "all 28 tensors have their module" in first["fit"]
    config = here / "adapter" / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "lora_alpha": 1}))
    second = digests()
    assert first["weights"] == second["weights"]
    assert first["candidate digest"] != second["candidate digest"]


def test_doctor_asks_a_served_model_and_says_what_it_gives(capsys: pytest.CaptureFixture[str]) -> None:
    with FaultyServer(parrot) as server:
        served = [f"--model=openai:base@{server.url}", f"--adapter=openai:tuned@{server.url}"]
        assert main(["doctor", *served]) == 0
    said = capsys.readouterr().out
    assert said.count("'you said: Say hello.' in ") == 2
    assert said.count("log-probabilities  no: ") == 2
    assert f"server             {server.url}" in said


def test_doctor_asks_the_server_and_the_judge_of_the_configuration_and_shows_no_key(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-mine")

    def answer(path: str, body: Body) -> Body:
        return chat_answer("hello, sk-secret-of-mine") if path.endswith("chat/completions") else parrot(path, body)

    with FaultyServer(answer) as server:
        config = f"model: openai:base@{server.url}\njudge: {{model: 'openai:wise@{server.url}'}}\n"
        (here / "assay.yaml").write_text(config)
        assert main(["doctor"]) == 0
    said = capsys.readouterr()
    assert f"\nbase\n  server: base@{server.url}\n  answers: 'hello, ***' in " in said.out
    assert f"\njudge\n  server: wise@{server.url}\n  answers: 'hello, ***' in " in said.out
    assert "log-probabilities: no: " in said.out
    assert "sk-secret" not in said.out + said.err


def test_doctor_tells_a_judge_that_does_not_answer(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.engines.probing.LONGEST_S", 0.1)
    (here / "assay.yaml").write_text("judge: {model: 'openai:wise@http://127.0.0.1:9/v1'}\n")
    assert main(["doctor"]) == 2
    check_refused(capsys, "judge.model: wise@http://127.0.0.1:9/v1: no answer within 0.1 s")


def test_doctor_tells_an_adapter_of_another_base(
    tiny_adapter_dir: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_tiny_model(here / "wide", hidden_size=128)
    assert main(["doctor", "--model=./wide", f"--adapter={tiny_adapter_dir}"]) == 0
    assert "28 of another shape" in capsys.readouterr().out


def test_init_full_writes_all_that_ships_and_never_overwrites(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "mine", "--full"]) == 0
    for name in (
        "suites/test_task.py",
        "fixtures/data/tool_calls/train.jsonl",
        "assay.yaml",
        ".github/workflows/assay.yml",
    ):
        assert (here / "mine" / name).is_file()
    assert "pytest suites/" in capsys.readouterr().out
    assert not list((here / "mine").rglob("__pycache__"))

    (here / "mine" / "assay.yaml").write_text("precious")
    shutil.rmtree(here / "mine" / "suites")
    assert main(["init", "mine", "--full"]) == 2
    check_refused(capsys, "mine/assay.yaml", "would be overwritten", "another directory")
    assert (here / "mine" / "assay.yaml").read_text() == "precious"
    assert not (here / "mine" / "suites").exists()


def test_init_into_a_path_that_is_a_file_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "taken").write_text("")
    for options in ([], ["--full"]):
        assert main(["init", "taken", *options]) == 2
        check_refused(capsys, "taken")


def test_report_is_made_again_from_the_stored_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writer = RunWriter.create(here / "reports", "one")
    run = writer.finish(Manifest(profile="smoke"), [Verdict("suite/gate", "pass", "all is well")], "complete")
    before = (run / "report.html").read_text()
    for name in ("report.html", "summary.md", "junit.xml"):
        (run / name).unlink()
    assert main(["report", "reports/one"]) == 0
    assert capsys.readouterr().out.strip() == "reports/one/report.html"
    assert (run / "report.html").read_text() == before
    assert "all is well" in (run / "summary.md").read_text()
    assert (run / "junit.xml").is_file()


def test_report_of_no_run_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "reports/none"]) == 2
    check_refused(capsys, "there is no run at reports/none", "remedy: ")


def write_recipe(here: Path, base: Path, **extra: str) -> None:
    rows = [{"prompt": f"Number {i}?", "completion": str(i)} for i in range(6)]
    (here / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    more = "".join(f"{key}: {value}\n" for key, value in extra.items())
    (here / "mine.yaml").write_text(
        f"base: {base}\npeft: {{r: 2, target_modules: [q_proj]}}\ndata: {{train: {{path: rows.jsonl}}}}\n"
        f"trainer: {{max_steps: 2, logging_steps: 1, per_device_train_batch_size: 2, learning_rate: 1e-3}}\n{more}"
    )


def test_train_trains_then_takes_from_the_cache_and_copies(
    tiny_model_dir: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_recipe(here, tiny_model_dir)
    assert main(["train", "mine.yaml", "--output=out"]) == 0
    shown = capsys.readouterr().out
    assert (here / "out" / "adapter_model.safetensors").is_file()
    assert "from cache" in shown and "False" in shown
    assert "2 (kept: 2)" in shown
    assert main(["train", "mine.yaml"]) == 0
    assert "True" in capsys.readouterr().out


def test_train_says_before_training_that_the_output_is_taken(
    tiny_model_dir: Path, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_recipe(here, tiny_model_dir)
    (here / "out").mkdir()
    monkeypatch.setattr("harness.training.trainer.fit", lambda *_, **__: pytest.fail("it trained"))
    assert main(["train", "mine.yaml", "--output=out"]) == 2
    check_refused(capsys, "out exists already")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "nowhere"], ["recipe 'nowhere' is unknown", "NAME.yaml"]),
        (["train", "mine.yaml"], ["unknown key", "did you mean 'trainer'"]),
        (["doctor", "--model=./nowhere"], ["--model=./nowhere: no such directory", "remedy: "]),
        (["doctor", "--model=.", "--dtype=float8"], ["--dtype is 'float8'", "choose one of"]),
    ],
)
def test_what_cannot_be_done_exits_2_with_problem_and_remedy(
    tiny_model_dir: Path, here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: list[str]
) -> None:
    write_recipe(here, tiny_model_dir, traner="{}")
    assert main(arguments) == 2
    check_refused(capsys, *said)


@pytest.mark.parametrize("arguments", [[], ["stamp"], ["train"], ["report"], ["doctor", "--colour=red"]])
def test_misuse_exits_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "usage: assay" in capsys.readouterr().err


def test_an_interrupt_exits_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.cli._doctor", interrupted)
    assert main(["doctor"]) == 130
    assert capsys.readouterr().err == "assay: interrupted\n"
