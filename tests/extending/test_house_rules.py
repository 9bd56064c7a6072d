"""The distribution of docs/extending.md, installed apart from adapter-assay, adds to a run whatever the page says."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from house_rules import configuration, install, install_metadata, modules
from project import Project, counts

ASKS = [f"Where is town-{number}?" for number in range(60)]
SUITE = (Path(__file__).parents[2] / "suites" / "test_task.py").read_text()


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of installed distributions, on the path of the processes that a test starts."""
    site = tmp_path_factory.mktemp("site")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]))
    return site


def project(pytester: pytest.Pytester, model: str | Path, adapter: str | Path) -> Project:
    """The page's configuration with data it fits."""
    made = Project(pytester, Path(model), Path(adapter))
    made.config = {"model": str(model), **configuration()}
    made.write_rows([{"ask": ask, "words": ask.split()[-1].rstrip("?")} for ask in ASKS], "mentions.jsonl")
    made.write_rows([{"question": ask, "reply": "yes"} for ask in ASKS], "faq.jsonl")
    made.write_tests(SUITE, name="test_task.py")
    return made


def test_every_example_of_the_page_is_short() -> None:
    found = {name: len(source.splitlines()) - 1 for name, source in modules().items()}
    assert len(found) == 9
    assert max(found.values()) <= 30, found


def test_everything_of_the_plugin_is_in_a_run(site: Path, pytester: pytest.Pytester) -> None:
    install(site)
    made = project(pytester, "recorded:base.json", "recorded:candidate.json")
    base = {ask: f"I have been asked about this, and think it is {ask.split()[-1]}" for ask in ASKS}
    (made.root / "base.json").write_text(json.dumps(base))
    (made.root / "candidate.json").write_text(
        json.dumps({ask: f"not {'even ' * (n % 3)}known" for n, ask in enumerate(ASKS)})
    )
    result = made.run(subprocess=True)
    assert {gate: verdict["outcome"] for gate, verdict in made.verdicts.items()} == {
        "task/mentions/all_words/more_than": "fail",
        "task/mentions/brevity/superior": "pass",
        "task/faq/exact_match/at_least": "fail",
        "task/faq/one_answer_recurs/non_inferior": "fail",
        "task/mentions/one_answer_recurs/non_inferior": "fail",
        "task/calm/expected_max_toxicity/at_most": "pass",
    }, result.outlines
    broken = made.verdicts["task/mentions/all_words/more_than"]
    assert broken["reason"].endswith("but more than 90.0% is required")
    page = (made.run_directory / "report.html").read_text()
    for shown in ("mentions/all_words/more_than", broken["reason"], "Where the time went"):
        assert shown in page
    assert (made.run_directory / "gates.csv").read_text().startswith("gate,outcome\ntask/")
    assert made.manifest["versions"]["house-rules"] == "1.0"
    assert made.manifest["data"]["calm"]["scorer"] == "shouting"
    assert made.manifest["model"]["parts"].keys() == {"recorded"}


def test_its_task_kind_metric_and_rule_measure_a_model_of_ours(
    site: Path, pytester: pytest.Pytester, tiny_model_dir: Path, tiny_adapter_dir: Path
) -> None:
    install(site)
    made = project(pytester, tiny_model_dir, tiny_adapter_dir)
    made.config["tasks"] = {"mentions": {**made.config["tasks"]["mentions"], "max_new_tokens": 4}}
    made.run(subprocess=True)
    assert made.verdicts["task/mentions/all_words/more_than"]["outcome"] == "fail"
    assert made.verdicts["task/mentions/brevity/superior"]["n"] == 60
    assert "mentions/all_words/more_than" in (made.run_directory / "report.html").read_text()


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import nowhere\n", "No module named 'nowhere'"),
        ("from harness.hookspecs import hookimpl\n@hookimpl\ndef register_gates(register): ...\n", "register_gates"),
    ],
)
def test_a_broken_plugin_is_one_error_that_names_its_distribution(
    site: Path, pytester: pytest.Pytester, source: str, told: str
) -> None:
    (site / "broken_rules.py").write_text(source)
    install_metadata(site, "broken-rules", "0.3", {"rules": "broken_rules"})
    result = project(pytester, "recorded:base.json", "recorded:candidate.json").run(subprocess=True)
    said = result.stdout.str() + result.stderr.str()
    assert "the plugin of broken-rules 0.3 (broken_rules) is broken" in said, said
    assert told in said
    assert "Traceback" not in said


def test_plugins_can_be_left_out(site: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site)
    monkeypatch.setenv("ASSAY_DISABLE_PLUGINS", "1")
    result = project(pytester, "recorded:base.json", "recorded:candidate.json").run(subprocess=True)
    assert "unknown key 'more_than'" in result.stdout.str() + result.stderr.str()
    assert counts(result).get("passed") is None
