"""assay.yaml: what it may say, and that every mistake is told with file, key and remedy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.config import Config, OverfittingThresholds, Serving, Thresholds, find_config, load_config
from harness.config.settings import make_settings
from harness.errors import ConfigError

GOOD = """
model: some/model
recipe: mine
profile: nightly
tasks:
  pets: {kind: classification, data: pets.jsonl, gates: [{metric: accuracy, at_least: 0.5}]}
margins: {loss_gap: 1, effect_kl: 1e-3}
profiles:
  smoke: {limit: 5}
  nightly: {limit: null, train_rows: 100, inconclusive: warn, recipe: other, subjects: 3, limits: {pets: null}}
"""


def load(tmp_path: Path, text: str, name: str = "assay.yaml") -> Config:
    path = tmp_path / name
    path.write_text(text)
    return load_config(path)


def test_a_good_file_keeps_every_value(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD)
    assert (config.root, config.model, config.recipe, config.profile) == (tmp_path, "some/model", "mine", "nightly")
    assert config.tasks["pets"]["data"] == "pets.jsonl"
    assert config.margins == Thresholds(loss_gap=1.0, effect_kl=1e-3)
    nightly = config.get_profile("nightly")
    assert (nightly.limit, nightly.train_rows, nightly.inconclusive, nightly.recipe) == (None, 100, "warn", "other")
    assert (nightly.subjects, nightly.benchmarks, nightly.limit_of("pets")) == (3, False, None)


def test_limits_of_one_task_keep_what_they_do_not_change(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        "margins: {calibration: 0.1, knowledge_acc: 0.04, tasks: {mmlu: {knowledge_acc: 0.01}}}\n"
        "overfitting: {repetition: 0.2, tasks: {pets: {length_over_base: 3}}}\n",
    )
    assert config.margins_of("mmlu") == Thresholds(calibration=0.1, knowledge_acc=0.01)
    assert config.margins_of("other") == Thresholds(calibration=0.1, knowledge_acc=0.04)
    assert config.overfitting_of("pets") == OverfittingThresholds(repetition=0.2, length_over_base=3.0)
    assert config.overfitting_of("other") == OverfittingThresholds(repetition=0.2)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("margins: {tasks: {mmlu: {knowlege_acc: 1}}}", "margins.tasks.mmlu: unknown key 'knowlege_acc'"),
        ("margins: {tasks: {mmlu: 0.02}}", "margins.tasks.mmlu is a float"),
        ("overfitting: {tasks: {pets: {repetition: lots}}}", "overfitting.tasks.pets.repetition is 'lots'"),
    ],
)
def test_wrong_limits_of_one_task_name_the_task(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        load(tmp_path, text)


def test_a_built_in_profile_keeps_what_the_file_does_not_change(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD)
    assert (config.get_profile("smoke").limit, config.get_profile("smoke").inconclusive) == (5, "warn")
    assert (config.get_profile("smoke").limit_of("pets"), config.get_profile("smoke").limit_of("gsm8k")) == (5, 4)
    assert config.get_profile("release").benchmarks
    assert (config.get_profile("release").limit, config.get_profile("release").inconclusive) == (None, "fail")


def test_serving_and_allowed_files_are_read_and_default_to_nothing(tmp_path: Path) -> None:
    assert load(tmp_path, GOOD).serving == Serving()
    serving = "serving: {dtype: bfloat16, quantization: null, merged: out/merged}"
    config = load(tmp_path, f"{GOOD}{serving}\nintegrity: {{allow_files: [a.pt, b.py]}}\n")
    assert config.serving == Serving(dtype="bfloat16", merged="out/merged")
    assert config.integrity.allow_files == ("a.pt", "b.py")


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ("serving: {dtype: fp16}", ["serving.dtype is 'fp16'", "float32, bfloat16, float16"]),
        ("serving: {quantisation: nf4}", ["did you mean 'quantization'"]),
        ("integrity: {allow_files: a.pt}", ["integrity.allow_files is 'a.pt'", "a list of texts"]),
        ("integrity: {allow_files: [1]}", ["integrity.allow_files.0 is 1 (int)", "give a text"]),
    ],
)
def test_a_wrong_word_about_serving_or_files_is_told(tmp_path: Path, added: str, said: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"{GOOD}{added}\n")
    assert all(words in str(caught.value) for words in said)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("recipe: mine", "recipie: mine", ["unknown key 'recipie'", "did you mean 'recipe'"]),
        (
            "recipe: mine",
            "zzz: 1",
            [
                "unknown key 'zzz'",
                "reasoning, reasoning_tokens, recipe, required, safety, serving, severities, shipped, store",
            ],
        ),
        ("model: some/model", "model: 7", ["model is 7 (int)", "give a text", "base model"]),
        ("model: some/model", "model: [a]", ["model is ['a']"]),
        ("profile: nightly", "profile: true", ["profile is True"]),
        ("margins: {", "margins: {los_gap: 1, ", ["margins: unknown key 'los_gap'", "'loss_gap'"]),
        ("loss_gap: 1", "loss_gap: -1", ["margins.loss_gap is -1", "at least 0", "nats a token"]),
        ("loss_gap: 1", "loss_gap: much", ["margins.loss_gap is 'much'"]),
        ("loss_gap: 1", "loss_gap: .nan", ["margins.loss_gap is nan"]),
        ("loss_gap: 1", "loss_gap: true", ["margins.loss_gap is True"]),
        ("loss_gap: 1", "loss_gap: null", ["margins.loss_gap is None"]),
        ("smoke: {limit: 5}", "smoke: {limit: 0}", ["profiles.smoke.limit is 0", "at least 1"]),
        (
            "smoke: {limit: 5}",
            "smoke: {limit: 1000000000000}",
            ["profiles.smoke.limit is 1000000000000", "at least 1 and of at most 1,000,000,000"],
        ),
        ("smoke: {limit: 5}", "smoke: {limit: true}", ["profiles.smoke.limit is True"]),
        ("smoke: {limit: 5}", "smoke: {limit: .inf}", ["profiles.smoke.limit is inf"]),
        ("recipe: mine", "reasoning_tokens: 1000000000000", ["reasoning_tokens is 1000000000000", "at most 1,000,000"]),
        ("recipe: mine", "judge: {reply_tokens: -1}", ["judge.reply_tokens is -1", "at least 1"]),
        ("smoke: {limit: 5}", "smoke: {limit: 5.5}", ["profiles.smoke.limit is 5.5 (float)", "or null"]),
        (
            "smoke: {limit: 5}",
            "smoke: {size: 5}",
            ["profiles.smoke: unknown key 'size'", "known keys: benchmarks, far_tokens, inconclusive"],
        ),
        ("smoke: {limit: 5}", "smoke: {subjects: 0}", ["profiles.smoke.subjects is 0", "at least 1"]),
        ("smoke: {limit: 5}", "smoke: {limits: {a: -1}}", ["profiles.smoke.limits.a is -1", "at least 1"]),
        ("smoke: {limit: 5}", "smoke: {limits: 3}", ["profiles.smoke.limits is a int, not a mapping"]),
        ("smoke: {limit: 5}", "smoke: {benchmarks: 1}", ["profiles.smoke.benchmarks is 1", "true or false"]),
        ("model: some/model", "data_dir: 3", ["data_dir is 3", "give a text"]),
        ("smoke: {limit: 5}", "smoke: 5", ["profiles.smoke is a int, not a mapping"]),
        (
            "inconclusive: warn",
            "inconclusive: ignore",
            ["nightly.inconclusive is 'ignore'", "choose one of: fail, warn"],
        ),
        ("inconclusive: warn", "inconclusive: [warn]", ["profiles.nightly.inconclusive is ['warn']"]),
        ("recipe: other", "recipe: 3", ["profiles.nightly.recipe is 3"]),
        ("  pets: {", "  pets: [", ["line 6"]),
        ("tasks:", "tasks: {}\ntasks:", ["'tasks' is given twice", "line 6"]),
    ],
)
def test_a_mistake_names_file_key_and_value(tmp_path: Path, old: str, new: str, said: list[str]) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError) as error:
        load(tmp_path, GOOD.replace(old, new, 1))
    assert str(tmp_path / "assay.yaml") in error.value.problem
    for words in said:
        assert words in str(error.value)
    assert error.value.remedy


def test_all_complaints_about_a_file_are_told_at_once_each_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, "recipie: a\njudge: {mode: pair, price_input: -1}\nsafety: {labels: {NO: full_refusal}}\n")
    told = [line.replace(f"{tmp_path / 'assay.yaml'}: ", "") for line in str(error.value).splitlines()]
    assert told[0] == "safety.labels has the key False (bool)"
    assert told[2::2] == ["judge.mode is 'pair'", "judge.price_input is -1", "unknown key 'recipie'"]
    assert all(line.startswith("  remedy: ") for line in told[1::2])


@pytest.mark.parametrize("text", ["margins: {baseline: 0}", "margins: {tasks: {pets: {baseline: 0}}}"])
def test_no_loss_at_all_against_the_released_adapter_is_refused_when_read(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"margins\.(tasks\.pets\.)?baseline is 0: ") as error:
        load(tmp_path, text)
    assert "a number above 0" in error.value.remedy


@pytest.mark.parametrize(
    "text", ["data: {similarity: 0}", "data: {similarity: 1.5}", "overfitting: {extraction_probability: 1}"]
)
def test_a_share_that_means_nothing_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"(data\.similarity|overfitting\.extraction_probability) is ") as error:
        load(tmp_path, text)
    assert error.value.remedy.startswith("give a number above 0 and ")


@pytest.mark.parametrize("text", ["- a", "text", "tasks: [a]", "tasks: {a: 3}", "margins: 3", "profiles: [a]"])
def test_a_value_that_is_no_mapping_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"assay\.yaml.* is a \w+, not a mapping"):
        load(tmp_path, text)


@pytest.mark.parametrize("text", ["", "tasks:", "tasks: {a: }", "margins:\nprofiles:\n"])
def test_empty_sections_are_empty(tmp_path: Path, text: str) -> None:
    config = load(tmp_path, text)
    assert all(spec == {} for spec in config.tasks.values())
    assert config.margins == Thresholds()
    assert sorted(config.profiles) == ["demo", "release", "smoke"]


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "assay.yaml").write_bytes(b"model: \xff")
    with pytest.raises(ConfigError, match=r"assay\.yaml cannot be read: it is not UTF-8 at byte 7"):
        load_config(tmp_path / "assay.yaml")


def test_pyproject_holds_the_same_under_tool_assay(tmp_path: Path) -> None:
    config = load(
        tmp_path, "[tool.assay]\nmodel = 'm'\n[tool.assay.tasks.pets]\nkind = 'generation'\n", "pyproject.toml"
    )
    assert (config.model, config.tasks) == ("m", {"pets": {"kind": "generation"}})
    with pytest.raises(ConfigError, match=r"pyproject\.toml: unknown key 'modell'"):
        load(tmp_path, "[tool.assay]\nmodell = 'm'\n", "pyproject.toml")


@pytest.mark.parametrize("text", ["[tool.other]\na = 1\n", "[tool]\nassay = 3\n", "[tool.assay\n"])
def test_a_named_pyproject_without_the_table_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"pyproject\.toml"):
        load(tmp_path, text, "pyproject.toml")


def test_the_nearest_file_upwards_is_found_and_a_foreign_pyproject_passed_over(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "assay.yaml").write_text("model: top")
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.black]\n")
    assert find_config(None, [deep]).model == "top"
    (deep / "assay.yaml").write_text("model: near")
    assert find_config(None, [deep]).model == "near"
    assert find_config(str(tmp_path / "assay.yaml"), [deep]).model == "top"


def test_without_a_file_there_are_the_built_in_profiles(tmp_path: Path) -> None:
    config = find_config(None, [tmp_path])
    assert config.root == tmp_path
    assert sorted(config.profiles) == ["demo", "release", "smoke"]
    with pytest.raises(ConfigError, match=r"--profile=nightly is unknown.*\n.*choose one of: demo, release, smoke"):
        config.get_profile("nightly")


def test_a_profiles_recipe_wins_over_the_files_and_an_adapter_over_both(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD)
    assert make_settings(config).adapter == "recipe:other"
    assert make_settings(config, profile="smoke").adapter == "recipe:mine"
    assert make_settings(config, adapter="out").adapter == "out"


def test_a_limit_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"margins\.benchmarks is inf"):
        load(tmp_path, "margins: {benchmarks: .inf}")


def test_of_a_file_that_is_wrong_throughout_only_so_much_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as told:
        load(tmp_path, "\n".join(f"k{i}: 1" for i in range(5000)))
    assert str(told.value).count("unknown key") == 30
    assert "more is wrong than is told" in str(told.value)
    with pytest.raises(ConfigError) as told:
        load(tmp_path, f"profile: {'x' * 100_000}\nmargins: {{loss_gap: '{'y' * 100_000}'}}")
    assert len(str(told.value)) < 3000
