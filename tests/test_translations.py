"""A document in Chinese has the parts, commands, tables and names of the English one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.language.translate import tr

ROOT = Path(__file__).parents[1]


def pairs() -> Iterator[tuple[Path, Path]]:
    """English document and its Chinese translation."""
    for chinese in (*ROOT.glob("*.zh-CN.md"), *(ROOT / "docs").glob("*.zh-CN.md")):
        english = chinese.with_name(chinese.name.replace(".zh-CN", ""))
        if english.exists():  # the glossary has no English twin
            yield english, chinese


def shape(text: str) -> list[str]:
    """What a translation keeps: levels of headings, code without comments, lines of what a program
    printed, rows of tables."""
    kept = []
    in_code = ""
    for line in map(str.lstrip, text.splitlines()):
        if line.startswith("```"):
            in_code = "" if in_code else line
            kept.append(line)
        elif in_code == "```text":
            kept.append("printed")
        elif in_code:
            kept.append(re.sub(r"\s+# .*|^# .*", "", line))
        elif line.startswith("#"):
            kept.append(line.split()[0])
        elif line.startswith("|"):
            kept.append(f"row of {line.count('|')}")
    return kept


def names(text: str) -> set[str]:
    """Options, fields, files and the like: what stands in `code` outside of blocks of it."""
    prose = re.sub(r"(?ms)^ *```.*?^ *```", "", text)
    found = (re.sub(r"\s+", " ", name) for name in re.findall(r"`([^`]+)`", prose))
    return {name for name in found if name.isascii()}


def test_every_translation_keeps_to_its_original() -> None:
    found = list(pairs())
    assert [chinese.name for _, chinese in found] != []
    for english, chinese in found:
        ours, theirs = (shape(path.read_text("utf-8")) for path in (chinese, english))
        assert ours == theirs, f"{chinese.name} has not the parts of {english.name}"


def test_every_translation_has_the_names_of_its_original(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HETBENCH_LANG", "zh")
    wrong = []
    for english, chinese in pairs():
        text = chinese.read_text("utf-8")
        ours, theirs = names(text), names(english.read_text("utf-8"))
        missing = {name for name in theirs - ours if tr(name) == name or tr(name) not in text}
        wrong += [f"{chinese.name} lacks {tr(name)}" for name in missing]
        wrong += [f"{english.name} lacks {name}" for name in ours - theirs]
    assert not wrong, "\n".join(sorted(wrong))


def test_links_lead_to_files_and_headings() -> None:
    wrong = []
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "results" / "README.md"):
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8")):
            name, _, anchor = target.partition("#")
            path = page.parent / name if name else page
            if "://" in target:
                continue
            if not path.exists() or (anchor and anchor not in _anchors(path)):
                wrong.append(f"{page.name}: {target}")
    assert not wrong, "\n".join(wrong)


def _anchors(page: Path) -> set[str]:
    return {_anchor(heading) for heading in re.findall(r"(?m)^#+ (.+)$", page.read_text("utf-8"))}


def _anchor(heading: str) -> str:
    """As GitHub makes it: lower case, no punctuation, spaces to hyphens."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
