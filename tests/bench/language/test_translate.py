"""Messages in Chinese: how a text is read, and whether the catalogue is well made."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.language import translate as text
from bench.language.translate import language, split, tr
from tests.messages import NOT_SHOWN, ROOT, known, messages


@pytest.fixture
def zh(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[[dict[str, str]], None]]:
    """Chinese with the catalogue given."""
    monkeypatch.setenv("HETBENCH_LANG", "zh")

    def use(entries: dict[str, str]) -> None:
        path = tmp_path / "chinese.json"
        path.write_text(json.dumps({"words": entries}), "utf-8")
        monkeypatch.setattr(text, "CATALOGUE", path)
        text._catalogue.cache_clear()

    yield use
    text._catalogue.cache_clear()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "C"}, "en"),
        ({"LC_ALL": "zh_TW", "LC_MESSAGES": "C", "LANG": "C"}, "zh"),
        ({"HETBENCH_LANG": "en", "LC_ALL": "zh_CN"}, "en"),
        ({"HETBENCH_LANG": "ZH"}, "zh"),
        ({"HETBENCH_LANG": "", "LANG": "zh_CN"}, "zh"),
        ({"HETBENCH_LANG": "de"}, "en"),
    ],
)
def test_language(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    for name in ("HETBENCH_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert language() == expected


def test_whole_messages_and_templates(zh: Callable[[dict[str, str]], None]) -> None:
    zh(
        {
            "the model {} is not here": "这里没有模型 {}",
            "model": "模型",
            "no {} is called {}": "没有名为 {1} 的{0}",
            "{} of {{all}}": "{{全部}}中的 {}",
            "just so": "正是",
        }
    )
    assert tr("just so") == "正是"
    assert tr("no model is called 'x'") == "没有名为 'x' 的模型"
    assert tr("3 of {all}") == "{全部}中的 3"
    assert tr("the model a is not here") == "这里没有模型 a"
    assert tr("another message") == "another message"


def test_the_template_that_says_most_wins(zh: Callable[[dict[str, str]], None]) -> None:
    zh({"cannot {}": "不能{}", "cannot read {}": "无法读取 {}", "{}: {}": "{}：{}"})
    assert tr("cannot read x") == "无法读取 x"
    assert tr("cannot go") == "不能go"


def test_messages_within_messages(zh: Callable[[dict[str, str]], None]) -> None:
    zh({"{} failed: {}": "{} 失败：{}", "no driver for {}": "没有 {} 的驱动"})
    assert tr("npu:0 failed: no driver for npu") == "npu:0 失败：没有 npu 的驱动"


def test_a_remedy_put_behind_a_reason(zh: Callable[[dict[str, str]], None]) -> None:
    zh({"no driver for {}": "没有 {} 的驱动", "install it": "请安装", "no {}; {}": "无 {}；{}"})
    assert tr("no driver for npu; install it") == "没有 npu 的驱动；请安装"
    assert tr("no driver for npu; foreign; install it") == "没有 npu 的驱动；foreign；请安装"
    assert tr("foreign words; install it") == "foreign words；请安装"
    assert tr("foreign words; and more") == "foreign words; and more"


def test_foreign_words_stay_as_they_are(zh: Callable[[dict[str, str]], None]) -> None:
    zh({"{} failed: {}": "{} 失败：{}"})
    assert tr("a failed: CUDA error: no; see x: y") == "a 失败：CUDA error: no; see x: y"


def test_a_template_whose_remedy_is_a_gap_is_read_whole(
    zh: Callable[[dict[str, str]], None],
) -> None:
    zh({"{} sees no {} device; {}": "{} 没有发现 {} 设备；{}", "needs a Mac": "需要 Mac"})
    assert tr("torch sees no mps device; needs a Mac") == "torch 没有发现 mps 设备；需要 Mac"
    assert tr("torch sees no mps device; own words") == "torch 没有发现 mps 设备；own words"


def test_a_gap_that_holds_what_follows_it_is_found_again(
    zh: Callable[[dict[str, str]], None],
) -> None:
    zh({"{} of {} is bad": "{1} 的{0}坏了", "slot 1 of 2": "第 1 槽"})
    assert tr("slot 1 of 2 of npu is bad") == "npu 的第 1 槽坏了"


def test_joined_reasons(zh: Callable[[dict[str, str]], None]) -> None:
    zh({"no driver": "没有驱动", "{} is not set": "{} 未设置"})
    assert tr("rapl: no driver; hwmon: X is not set; nvml: foreign words") == (
        "rapl：没有驱动；hwmon：X 未设置; nvml: foreign words"
    )


def test_a_template_that_says_little_takes_single_words(
    zh: Callable[[dict[str, str]], None],
) -> None:
    zh({"{} on {}": "{1} 上的 {0}"})
    assert tr("9 on cpu:0") == "cpu:0 上的 9"
    assert tr("no space left on device") == "no space left on device"


def test_english_does_not_load_the_catalogue() -> None:
    code = (
        "from bench.language import translate; assert translate.tr('x') == 'x'; "
        "assert translate._catalogue.cache_info().currsize == 0"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={"LANG": "C", "PYTHONPATH": str(ROOT)}
    )


def test_longer_text_is_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HETBENCH_LANG", "zh")
    assert tr("cannot read x: " + "y" * 1000) == "无法读取 x：" + "y" * 1000
    longer = "cannot read x: " + "y" * text._LONGEST
    assert tr(longer) == longer


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        (
            "no model is called 'resnet'; known and near: resnet8, resnet50",
            "没有名为 'resnet' 的模型；相近的已有名称：resnet8、resnet50",
        ),
        (
            "the model leaves axes open: h of the input 'image', axis 3 of the input 'image'; bind "
            "them, for example with --shape image=Nx3x224x224",
            "模型有未定的维度：输入 'image' 的 h、输入 'image' 的第 3 维；请给出取值，例如 "
            "--shape image=Nx3x224x224",
        ),
        (
            "torch@cuda:0 is not available: torch 2.13.0+cpu is built without CUDA and ROCm; "
            "'hetbench devices --all' names each vendor's remedy",
            "torch@cuda:0 不可用：torch 2.13.0+cpu 未编译 CUDA 或 ROCm 支持；"
            "'hetbench devices --all' 列出各厂商的解决办法",
        ),
        (
            "the run was continued although the thread count of torch@cpu:0 was 2 and is 4",
            "继续运行时条件已变：torch@cpu:0 的线程数：原为 2，现为 4",
        ),
        ("suite.toml:3: measure: 3 is not a table", "suite.toml:3：measure：3 不是表"),
        (
            "r.json is not a valid results file: suite: Input should be an object",
            "r.json 不是有效的结果文件：suite：应为对象",
        ),
        ("CUDA error: no, not here", "CUDA error: no, not here"),
    ],
)
def test_real_messages(monkeypatch: pytest.MonkeyPatch, english: str, chinese: str) -> None:
    monkeypatch.setenv("HETBENCH_LANG", "zh")
    assert tr(english) == chinese


def _numbers(chinese: str) -> list[int]:
    fields = re.findall(r"\{(\d*)\}", chinese.replace("{{", "").replace("}}", ""))
    return [int(field) if field else index for index, field in enumerate(fields)]


def test_entries_are_well_formed() -> None:
    wrong = [
        f"{english!r}: {fault}"
        for english, chinese in text.entries().items()
        for fault in _faults(english, chinese)
    ]
    assert not wrong, "\n".join(wrong)


def test_malformed_entries_are_noticed() -> None:
    assert _faults("no {} is {}", "没有 {}") == ["a gap is lost or invented"]
    assert _faults("{} {}", "{}，{}") == ["it holds no text"]
    assert len(_faults("{}no", "没有{}")) == 1
    assert _faults("phase", "phase") == ["it is not Chinese"]
    assert _faults("phase", "阶段 ") == ["it gained a space at an end"]


def _faults(english: str, chinese: str) -> list[str]:
    """What is wrong with one entry of the catalogue."""
    gaps = len(split(english)) - 1
    found = {
        "a gap is lost or invented": sorted(set(_numbers(chinese))) != list(range(gaps)),
        "no gap has a space beside it, which bench.language.translate counts on": gaps
        and " " not in english,
        "it holds no text": not "".join(split(english)).strip(),
        "it is not Chinese": not re.search(r"[\u4e00-\u9fff\uff00-\uffef]", chinese),
        "it gained a space at an end": chinese != chinese.strip() and english == english.strip(),
    }
    return [fault for fault, wrong in found.items() if wrong]


def test_every_message_has_an_entry() -> None:
    needed = {message.template for message in messages()}
    missing = sorted(needed - set(text.entries()) - NOT_SHOWN)
    assert not missing, (
        "translate these in bench/language/chinese.json, or name them in NOT_SHOWN:\n"
        + ("".join(f"    {message!r}: '',\n" for message in missing))
    )


def test_every_entry_has_its_message() -> None:
    sections = text.sections()
    theirs = {*sections["typer"], *sections["metavars"], *sections["libraries"]}
    assert not sorted((set(text.entries()) - theirs | NOT_SHOWN) - known())


def test_no_entry_stands_twice_and_sections_are_sorted() -> None:
    json.loads(text.CATALOGUE.read_text("utf-8"), object_pairs_hook=_ordered)
    words = [english for section in text.sections().values() for english in section]
    assert [word for word in words if words.count(word) > 1] == []


def test_a_doubled_or_misplaced_entry_is_noticed() -> None:
    for wrong in ('{"a": "1", "a": "2"}', '{"b": "1", "a": "2"}'):
        with pytest.raises(AssertionError):
            json.loads('{"words": ' + wrong + "}", object_pairs_hook=_ordered)


def _ordered(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON whose keys are distinct and, in a section, sorted."""
    keys = [key for key, _ in pairs]
    assert len(set(keys)) == len(keys), f"twice: {[key for key in keys if keys.count(key) > 1]}"
    if all(isinstance(value, str) for _, value in pairs):
        first = next(
            (pair for pair in zip(keys, sorted(keys), strict=True) if pair[0] != pair[1]), None
        )
        assert first is None, f"{first} is out of order; sort the section by its English"
    return dict(pairs)
