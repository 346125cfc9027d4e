"""Suites: read strictly, made into cases whose ids and versions say exactly what they measure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import registry, suite
from bench.axes import Axis
from bench.errors import HetbenchError, RefusedInput, UsageError
from bench.runner import options, suites
from bench.runner.suites import cases, override
from bench.suite import Case, Measure, Suite

GOOD = """\
name = "mine"
version = 1
title = "mine"
title_zh = "我的"
trials = 2

[measure]
budget_s = 2

[[cases]]
models = ["resnet8", "ds-cnn"]
scenarios = ["single-stream", "offline"]

[[cases]]
models = ["resnet8"]
precisions = ["int8"]
scenarios = ["single-stream"]
backends = ["onnxruntime"]
"""
TARGETS = ("torch@cpu:0", "onnxruntime+OpenVINO@cpu:0")
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes GOOD with some text replaced."""

    def put(old: str = "", new: str = "") -> Path:
        assert old in GOOD
        path = tmp_path / "mine.toml"
        path.write_text(GOOD.replace(old, new, 1) if old else GOOD, "utf-8")
        return path

    return put


@pytest.fixture
def mine(write: Write) -> Suite:
    return suites.load(str(write()))


@pytest.mark.parametrize("name", ["smoke", "quick", "lightweight", "large"])
def test_the_shipped_suites_are_valid(name: str) -> None:
    loaded = suites.load(name)
    assert loaded.name == name and loaded.title and loaded.title_zh
    assert cases(loaded, TARGETS)


def test_a_suite_is_the_product_of_its_lists(mine: Suite) -> None:
    assert [case.id for case in cases(mine, TARGETS)] == [
        "resnet8/fp32/b1/single-stream/torch@cpu:0",
        "resnet8/fp32/b1/single-stream/onnxruntime+OpenVINO@cpu:0",
        "resnet8/fp32/auto/offline/torch@cpu:0",
        "resnet8/fp32/auto/offline/onnxruntime+OpenVINO@cpu:0",
        "ds-cnn/fp32/b1/single-stream/torch@cpu:0",
        "ds-cnn/fp32/b1/single-stream/onnxruntime+OpenVINO@cpu:0",
        "ds-cnn/fp32/auto/offline/torch@cpu:0",
        "ds-cnn/fp32/auto/offline/onnxruntime+OpenVINO@cpu:0",
        "resnet8/int8/b1/single-stream/onnxruntime+OpenVINO@cpu:0",
    ]
    assert mine.measure.budget_s == 2.0 and mine.trials == 2


def test_a_case_named_twice_is_measured_once(write: Write) -> None:
    twice = suites.load(str(write('models = ["resnet8"]', 'models = ["resnet8", "resnet8"]')))
    found = [case.id for case in cases(twice, TARGETS)]
    assert len(found) == len(set(found)) == 9


def test_ids_and_versions_do_not_depend_on_order(write: Write, mine: Suite) -> None:
    other = suites.load(
        str(
            write(
                '["resnet8", "ds-cnn"]\nscenarios = ["single-stream", "offline"]',
                '["ds-cnn", "resnet8"]\nscenarios = ["offline", "single-stream"]',
            )
        )
    )
    found = {case.id: case.version for case in cases(mine, TARGETS)}
    assert {case.id: case.version for case in cases(other, TARGETS[::-1])} == found


def test_the_version_is_the_same_on_every_target(mine: Suite) -> None:
    versions = {case.target: case.version for case in cases(mine, TARGETS)[:2]}
    assert len(versions) == 2 and len(set(versions.values())) == 1


def case_of(loaded: Suite) -> Case:
    return cases(loaded, TARGETS[:1])[0]


def with_card(case: Case, **changes: Any) -> Case:
    return dataclasses.replace(case, card=dataclasses.replace(case.card, **changes))


def with_measure(case: Case, **changes: Any) -> Case:
    return dataclasses.replace(case, measure=dataclasses.replace(case.measure, **changes))


@pytest.mark.parametrize(
    "change",
    [
        lambda case: with_card(case, title="Another title"),
        lambda case: with_card(case, published="as someone else counts"),
        lambda case: with_card(case, source="another page"),
        lambda case: with_card(case, axes={"sequence": Axis(8, 1, 9)}),
        lambda case: with_card(case, module="bench.plugins.models.elsewhere"),
        lambda case: with_measure(case, timeout_s=7.0),
        lambda case: with_measure(case, idle_s=7.0),
    ],
    ids=["title", "published", "source", "axes", "module", "timeout", "idle"],
)
def test_the_version_stays_where_nothing_measured_changes(
    mine: Suite, change: Callable[[Case], Case]
) -> None:
    assert change(case_of(mine)).version == case_of(mine).version


@pytest.mark.parametrize(
    "change",
    [
        lambda case: with_card(case, parameters=1),
        lambda case: with_card(case, inputs=()),
        lambda case: with_card(case, tolerance={}),
        lambda case: with_measure(case, budget_s=7.0),
        lambda case: with_measure(case, warmup_s=7.0),
        lambda case: with_measure(case, confidence_width=0.5),
        lambda case: with_measure(case, slots=7),
        lambda case: dataclasses.replace(case, precision="bf16"),
        lambda case: dataclasses.replace(case, scenario="offline"),
        lambda case: dataclasses.replace(case, batch=2),
        lambda case: dataclasses.replace(case, axes={"sequence": 64}),
        lambda case: dataclasses.replace(case, allow_fallback=0.1),
    ],
    ids=[
        *("parameters", "inputs", "tolerance", "budget", "warm-up", "width", "slots"),
        *("precision", "scenario", "batch", "axes", "fallback"),
    ],
)
def test_the_version_changes_with_what_is_measured(
    mine: Suite, change: Callable[[Case], Case]
) -> None:
    assert change(case_of(mine)).version != case_of(mine).version


def test_the_version_changes_with_the_rules(mine: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    before = case_of(mine).version
    monkeypatch.setattr(suite, "MEASURE_RULES", suite.MEASURE_RULES + 1)
    assert case_of(mine).version != before


def test_the_digest_is_of_the_content_not_of_the_file(write: Write, mine: Suite) -> None:
    same = suites.load(str(write("trials = 2", "# a comment\ntrials   =   2")))
    assert same.digest == mine.digest
    assert suites.load(str(write("trials = 2", "trials = 3"))).digest != mine.digest


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("trials", "trails", 5, "trails: unknown key; did you mean 'trials'?"),
        ("budget_s = 2", 'budget_s = "2"', 8, "measure.budget_s: '2' is not of type float"),
        ("budget_s", "budget", 8, "measure.budget: unknown key; did you mean 'budget_s'?"),
        ("budget_s = 2", "budget_s = 0", 8, "measure.budget_s: budget_s must be above 0"),
        ("budget_s = 2", "budget_s = nan", 8, "measure.budget_s: budget_s must be above 0"),
        ("budget_s = 2", "warmup_s = inf", 8, "measure.warmup_s: warmup_s must be from 0 to a day"),
        ("budget_s = 2", "idle_s = -1.0", 8, "measure.idle_s: idle_s must be from 0 to a day"),
        ("budget_s = 2", "confidence_width = 2.0", 8, "confidence_width must be above 0 and at"),
        (
            "budget_s = 2",
            "least_samples = 0",
            8,
            "measure.least_samples: least_samples must be 1 to 1000000",
        ),
        ("budget_s = 2", "slots = 65", 8, "measure.slots: slots must be 1 to 64"),
        ('"ds-cnn"', '"ds-cmm"', 11, "cases.0.models.1: no model is called 'ds-cmm'; known and"),
        ('["int8"]', '["int9"]', 16, "cases.1.precisions.0: 'int9' is none of fp32, tf32"),
        ('["int8"]', '"int8"', 16, "cases.1.precisions: 'int8' is not a list"),
        ('["int8"]', '["int8"]\nbatches = [0]', 17, "cases.1.batches: a batch is 1 to 65536"),
        (
            '["int8"]',
            '["int8"]\naxes = { image = [64] }',
            17,
            "no chosen model has an axis 'image'",
        ),
        (
            '["resnet8"]\nprecisions',
            '["minilm-l6"]\naxes = { sequence = [64, 4] }\nprecisions',
            16,
            "the sequence of minilm-l6 can be 8 to 512, and not 4",
        ),
        (
            '["int8"]',
            '["int8"]\nallow_fallback = 1.0',
            17,
            "cases.1.allow_fallback: allow_fallback is",
        ),
        ("trials = 2", "trials = 0", 5, "mine.toml:5: trials: trials must be 1 to 1000"),
        (
            "budget_s = 2",
            "slots = 2\nbudget_s = 0",
            9,
            "measure.budget_s: budget_s must be above 0",
        ),
        (
            "budget_s = 2",
            "slots = 0\nbudget_s = 0",
            9,
            "measure.budget_s: budget_s must be above 0",
        ),
        ("trials = 2", 'bounds = {"*" = 0}', 5, "bounds.*: the bound of * must be above 0 and"),
        ("trials = 2", 'bounds = {"a*b" = 1}', 5, "bounds.a*b: the bound 'a*b' must be a metric"),
        (
            "[measure]",
            '[bounds]\n"latency_p99*" = 1\n"throughputs*" = 1\n[measure]',
            9,
            "bounds.throughputs*: no metric with a bound is called 'throughputs*'; known and near: "
            "throughput_",
        ),
        ("[measure]", "[bounds]\nlatency_p55_ns = 1\n[measure]", 8, "near: latency_p50_ns"),
        ('name = "mine"\n', "", 1, "(top level): the key 'name' is missing"),
    ],
)
def test_an_error_names_file_line_and_key(
    write: Write, old: str, new: str, line: int, said: str
) -> None:
    path = write(old, new)
    with pytest.raises(RefusedInput) as refused:
        suites.load(str(path))
    assert str(refused.value).startswith(f"{path}:{line}: ")
    assert said in str(refused.value)


def test_bounds_are_part_of_the_suite_and_not_of_a_case(write: Write, mine: Suite) -> None:
    stated = suites.load(str(write("[measure]", '[bounds]\n"latency_p99*" = 3\n\n[measure]')))
    assert stated.bounds == {**suite.BOUNDS, "latency_p99*": 3.0}
    assert mine.bounds == suite.BOUNDS
    assert stated.digest != mine.digest
    assert case_of(stated).version == case_of(mine).version
    assert override(stated, trials=9).bounds == stated.bounds


def test_the_digest_changes_with_the_default_bounds(
    write: Write, mine: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "BOUNDS", {"*": 0.1})
    assert suites.load(str(write())).digest != mine.digest


def test_what_is_no_toml_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("name = ")
    with pytest.raises(RefusedInput, match=r"bad\.toml is not valid TOML"):
        suites.load(str(tmp_path / "bad.toml"))
    with pytest.raises(RefusedInput, match=r"cannot read .*none\.toml"):
        suites.load(str(tmp_path / "none.toml"))


def test_an_unknown_suite_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="no suite is called 'quik'; known and near: quick"):
        suites.load("quik")


def test_override_puts_its_lists_in_place(mine: Suite) -> None:
    changed = override(mine, ["autoencoder"], ["offline"], ["bf16"], [4, 8], 5, 0.25)
    assert [case.id for case in cases(changed, TARGETS[:1])] == [
        "autoencoder/bf16/b4/offline/torch@cpu:0",
        "autoencoder/bf16/b8/offline/torch@cpu:0",
    ]
    assert changed.trials == 5
    measure = changed.measure
    assert (measure.budget_s, measure.least_s) == (0.25, 0.25)
    assert changed.options["sustained"] == {"trials": 5, "length_s": 0.25}
    assert changed.options["offline"] == {"trials": 5}


def test_override_leaves_what_is_not_named(mine: Suite) -> None:
    assert override(mine) == mine
    assert override(mine, trials=3).cases == mine.cases
    assert override(mine, models=["autoencoder"]).cases[1].precisions == ("int8",)


AXES = """["resnet8", "minilm-l6", "vit-b16"]
axes = { sequence = [16, 64], image = [32] }
precisions"""


def test_axes_are_multiplied_and_a_model_without_one_is_measured_as_it_is(write: Write) -> None:
    loaded = suites.load(str(write('["resnet8"]\nprecisions', AXES)))
    assert [case.id.rsplit("/", 2)[0] for case in cases(loaded, TARGETS[1:]) if case.axes] == [
        "minilm-l6/int8/b1xs16",
        "minilm-l6/int8/b1xs64",
        "vit-b16/int8/b1xi32",
    ]
    assert "resnet8/int8/b1/single-stream/" + TARGETS[1] in {c.id for c in cases(loaded, TARGETS)}
    again = override(loaded, axes=["sequence=32", "sequence=8"])
    assert [dict(case.axes) for case in cases(again, TARGETS[1:]) if case.axes] == [
        {"sequence": 32},
        {"sequence": 8},
        {"image": 32},
    ]


def test_where_none_is_asked_for_the_published_size_is_in_the_id() -> None:
    chosen = override(suites.load("smoke"), ["minilm-l6", "vit-b16"])
    assert [case.id.rsplit("/", 1)[0] for case in cases(chosen, TARGETS[:1])] == [
        "minilm-l6/fp32/b1xs128/single-stream",
        "minilm-l6/fp32/autoxs128/offline",
        "vit-b16/fp32/b1xi224/single-stream",
        "vit-b16/fp32/autoxi224/offline",
    ]


def test_a_suite_s_sizes_are_checked_against_the_models_put_in_its_place(write: Write) -> None:
    text = AXES.replace('"minilm-l6", ', "").replace("sequence = [16, 64], ", "")
    loaded = suites.load(str(write('["resnet8"]\nprecisions', text)))
    assert not any(case.axes for case in cases(override(loaded, ["resnet8"]), TARGETS))
    with pytest.raises(UsageError, match="and not 40"):
        override(loaded, ["vit-b16"], axes=["image=40"])


def test_a_changed_budget_is_another_case_version(mine: Suite) -> None:
    assert case_of(override(mine, budget_s=9)).version != case_of(mine).version
    assert case_of(override(mine, trials=9)).version == case_of(mine).version


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"models": ["resnet9"]}, "no model is called 'resnet9'; known and near: resnet8"),
        ({"scenarios": ["of-line"]}, "no scenario is called 'of-line'; known and near: offline"),
        ({"precisions": ["fp23"]}, "no precision is called 'fp23'; known and near: fp32"),
        ({"batches": [0]}, "a batch is 1 to 65536"),
        ({"trials": 0}, "trials must be 1 to 1000"),
        ({"trials": -1}, "trials must be 1 to 1000"),
        ({"budget_s": 0.0}, "budget_s must be above 0"),
        ({"axes": ["sequence=64"]}, "no chosen model has an axis 'sequence'; they have none but"),
        ({"models": ["vit-b16"], "axes": ["sequence=64"]}, "'sequence'; they have image"),
        (
            {"models": ["vit-b16"], "axes": ["image=65"]},
            "the image of vit-b16 can be 32 to 1024 in",
        ),
        ({"models": ["bert-large"], "axes": ["sequence=513"]}, "can be 8 to 512, and not 513"),
        ({"axes": ["sequence"]}, "'sequence' is not the size of an axis; write it as sequence=512"),
        ({"axes": ["sequence=-4"]}, "'sequence=-4' is not the size of an axis"),
        ({"budget_s": float("nan")}, "budget_s must be above 0"),
    ],
)
def test_a_wrong_override_is_a_usage_error(mine: Suite, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(HetbenchError) as error:
        override(mine, **wrong)
    assert isinstance(error.value, UsageError) and said in str(error.value)


def test_own_models_take_the_place_of_the_suite_s(mine: Suite) -> None:
    own = dataclasses.replace(registry.model("resnet8"), name="own")
    assert {case.card.name for case in cases(mine, TARGETS, [own])} == {"own"}


def test_another_file_is_another_version_of_an_own_model() -> None:
    own = dataclasses.replace(registry.model("resnet8"), family="", source="sha256 1")
    changed = dataclasses.replace(own, source="sha256 2")
    first, second = (cases(suites.load("smoke"), TARGETS, [card])[0] for card in (own, changed))
    assert first.id == second.id and first.version != second.version


def test_the_defaults_are_within_their_own_limits() -> None:
    assert Measure() == Measure(**dataclasses.asdict(Measure()))


def test_name_version_and_cases_are_enough(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    text = 'name = "mine"\nversion = 1\n[[cases]]\nmodels = ["resnet8"]\nscenarios = ["offline"]\n'
    path.write_text(text, "utf-8")
    loaded = suites.load(str(path))
    assert (loaded.trials, loaded.measure) == (3, Measure())
    assert len(cases(loaded, TARGETS)) == 2


def trials(suite: Suite) -> tuple[int, int]:
    return options.trials(suite, "offline"), options.trials(suite, "sustained")


def test_a_sustained_load_is_one_trial_unless_it_is_said_otherwise(write: Write) -> None:
    plain = suites.load(str(write()))
    assert trials(plain) == (2, 1)
    said = "[options.sustained]\ntrials = 5\nlength_s = 20\n\n[[cases]]"
    assert trials(suites.load(str(write("[[cases]]", said)))) == (2, 5)
    assert trials(override(plain, trials=4)) == (4, 4)


@pytest.mark.parametrize(
    ("stated", "problem"),
    [
        ("sustained = { length_s = 0 }", "options.sustained.length_s: length_s must be above 0"),
        ("sustained = { trials = -1 }", "options.sustained.trials: trials must be 1 to 1000"),
        ("sustained = { lenght_s = 9 }", "options.sustained.lenght_s: unknown key; did you mean"),
        ("offline = { length_s = 9 }", "options.offline.length_s: unknown key"),
        (
            "sustaned = {}",
            "options.sustaned: no scenario is called 'sustaned'; known and near: sustained",
        ),
        ("sustained = 9", "options.sustained: 9 is not a table"),
    ],
)
def test_what_no_scenario_knows_is_refused(write: Write, stated: str, problem: str) -> None:
    path = write("trials = 2", f"trials = 2\noptions.{stated}")
    with pytest.raises(RefusedInput, match=re.escape(problem)):
        suites.load(str(path))


def test_what_a_scenario_is_told_is_part_of_what_is_measured(mine: Suite) -> None:
    short, long = (
        cases(override(mine, scenarios=["sustained"], budget_s=budget_s), TARGETS[:1])[0]
        for budget_s in (5.0, 60.0)
    )
    assert short.options == {"length_s": 5.0}
    assert short.id == long.id and short.version != long.version
    plain, often = (
        cases(override(mine, scenarios=["sustained"], trials=n), TARGETS[:1])[0] for n in (2, 3)
    )
    assert plain.version == often.version
