"""One word a concept: the Chinese catalogue and the Chinese documents keep to the glossary."""

from __future__ import annotations

import re

from bench.language import translate as text
from tests.messages import ROOT

GLOSSARY = ROOT / "docs" / "terms.zh-CN.md"
UNITS = {"瓦": "W", "焦": "J", "毫秒": "ms", "微秒": "us", "项/": "样本/"}
"""Units are symbols, but for seconds; a written-out one -> what is used."""
MEANT = {
    "throughput of": "吞吐",
    "idle power": "功耗",
    "warm-up": "预热",
    "steady state": "稳态",
    "execution provider": "提供程序",
    "datasheet": "数据手册",
    "journal": "运行日志",
    "vendor's": "厂商",
    "worker": "工作进程",
    "a trial": "试验",
    "this trial": "试验",
    "sensor": "传感器",
    "adapter": "适配器",
    "precision": "精度",
    "is not installed": "未安装 Python 包",
    "items/s": "样本/秒",
    "samples": "采样",
}
"""English of a message -> the word that its Chinese must have."""


def glossary() -> list[tuple[str, str, list[str]]]:
    """English term, Chinese term, words that are not used for it."""
    rows = re.findall(r"(?m)^\| (.+?) \| (.+?) \| (.*?) ?\| .*?\|$", GLOSSARY.read_text("utf-8"))
    return [(english, chinese, re.findall("[^、]+", out)) for english, chinese, out in rows[1:]]


def strays(chinese: str) -> list[str]:
    """Words in a text that the glossary has another word for."""
    banned = {word: right for _, right, out in glossary() for word in out}
    for _, right, _ in glossary():  # a term may hold a word that is out by itself
        chinese = chinese.replace(right, "") if any(word in right for word in banned) else chinese
    return [f"{word}: use {right}" for word, right in banned.items() if word in chinese]


def test_the_glossary_is_read() -> None:
    assert ("latency", "时延", ["延迟"]) in glossary()
    assert strays("延迟为 3 ms") == ["延迟: use 时延"]
    assert strays("功率计读出的功率") == ["功率: use 功耗"]


def test_the_catalogue_keeps_to_the_glossary() -> None:
    wrong = [
        f"{chinese}: {stray}"
        for chinese in text.entries().values()
        for stray in [*strays(chinese), *(unit for unit in UNITS if unit in chinese)]
    ]
    assert not wrong, "\n".join(wrong)


def test_the_catalogue_has_the_terms_own_word() -> None:
    wrong = [
        f"{english!r} -> {chinese!r} lacks {word}"
        for english, chinese in text.entries().items()
        for term, word in MEANT.items()
        if re.search(rf"(?<![-\w.]){re.escape(term.strip())}", english) and word not in chinese
    ]
    assert not wrong, "\n".join(wrong)


def test_the_documents_keep_to_the_glossary() -> None:
    documents = [*ROOT.glob("*.zh-CN.md"), *(ROOT / "docs").glob("*.zh-CN.md")]
    wrong = [
        f"{path.name}:{number}: {stray}"
        for path in documents
        if path != GLOSSARY
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        for stray in strays(line)
    ]
    assert not wrong, "\n".join(wrong)
