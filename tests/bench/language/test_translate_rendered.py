"""Every message of the code, made as the code makes it, is Chinese throughout."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from bench.language import translate as text
from bench.language.translate import Reader, fill, tr
from tests.messages import NOT_SHOWN, Message, english, messages

FOREIGN = "CUDA error: an illegal memory access was encountered"
"""What an exception of a framework says: it stays as it is."""
NESTED = {
    "the package torch_npu is not installed; pip install onnxruntime-qnn": "torch_npu",
    "RuntimeError: memory ran out": "RuntimeError",
    "cannot read /data/run 7/results.json: No such file or directory": "/data/run 7/results.json",
    "torch 2.13.0 sees no npu device; install MACA and the vendor's torch": "torch 2.13.0",
}
"""Messages that stand in gaps of others -> the value in them."""
REASONS = re.compile(
    r"(?:str\()?(?:\w+\.)*(error|reason|why|refusal|seen|failure|cause|hint|remedy)\)?"
    r"|.*(?:first_line|one_line)\(.*"
)
"""Expressions that are messages themselves."""
FILES = re.compile(r"path|file|folder|out\b|journal")
PLAIN = ("npu:0", "3", "12.5", "resnet8", "bf16", "'x y'", "torch@npu:0", "0.25")


def samples(message: Message) -> Iterator[tuple[list[str], list[str]]]:
    """What may fill the gaps, as in a real run, and which values in it are not English."""
    turns = list(NESTED.items())
    if not any(map(REASONS.fullmatch, message.gaps)):
        turns = turns[:1]
    for turn, (nested, value) in enumerate(turns):
        plain = [PLAIN[(index + turn) % len(PLAIN)] for index in range(len(message.gaps))]
        parts, values = list(plain), list(plain)
        for index, gap in enumerate(message.gaps):
            if FILES.search(gap):
                parts[index] = values[index] = "/data/run 7/results.json"
            elif REASONS.fullmatch(gap):
                parts[index], values[index] = nested, value
        yield parts, values
    if message.template.endswith("{}") and REASONS.fullmatch(message.gaps[-1]):
        yield ["npu:0"] * (len(message.gaps) - 1) + [FOREIGN], ["npu:0", FOREIGN]


@pytest.fixture(autouse=True)
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HETBENCH_LANG", "zh")


def shown_messages() -> set[Message]:
    return {message for message in messages() if message.template not in NOT_SHOWN}


def test_every_message_is_chinese_throughout() -> None:
    wrong = []
    for message in shown_messages():
        for parts, values in samples(message):
            reader = Reader()
            shown = reader.read(fill(message.template, parts)).chinese
            wrong += [f"{message.template!r}: {shown!r}"] if english(shown, *values) else []
            assert reader.steps <= text._STEPS // 4, f"{message.template} takes too many steps"
    assert not wrong, "\n".join(wrong)


def test_plain_values_are_put_into_the_messages_own_chinese() -> None:
    entries = text.entries()
    wrong = []
    for message in shown_messages():
        parts = [f"v{index}" for index in range(len(message.gaps))]
        shown = tr(fill(message.template, parts))
        if message.template in entries and shown != fill(entries[message.template], parts):
            wrong.append(f"{message.template!r}: {shown!r}")
    assert not wrong, "\n".join(wrong)


def test_reasons_nest_in_what_reports_them() -> None:
    reports = ("torch@npu:0 is not available: {}", "{}", "rapl: {}", "no load could be run: {}")
    for report in reports:
        for nested, value in NESTED.items():
            joined = f"{nested}; hwmon: {nested}"
            shown = tr(report.replace("{}", joined))
            assert english(shown, value) == [], shown
