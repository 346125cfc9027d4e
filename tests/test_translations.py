"""A document in Chinese has the parts, the commands and the tables of the English one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def pairs() -> Iterator[tuple[Path, Path]]:
    """English document and its Chinese translation."""
    for chinese in (*ROOT.glob("*.zh-CN.md"), *(ROOT / "docs").glob("*.zh-CN.md")):
        english = chinese.with_name(chinese.name.replace(".zh-CN", ""))
        if english.exists():  # the glossary has no English twin
            yield english, chinese


def shape(text: str) -> list[str]:
    """What a translation keeps: levels of headings, code without comments, rows of tables."""
    kept = []
    in_code = False
    for line in text.splitlines():
        if line.startswith("```"):
            in_code = not in_code
            kept.append(line)
        elif in_code:
            kept.append(re.sub(r"\s+# .*|^# .*", "", line))
        elif line.startswith("#"):
            kept.append(line.split()[0])
        elif line.startswith("|"):
            kept.append(f"row of {line.count('|')}")
    return kept


def test_every_translation_keeps_to_its_original() -> None:
    found = list(pairs())
    assert [chinese.name for _, chinese in found] != []
    for english, chinese in found:
        ours, theirs = (shape(path.read_text("utf-8")) for path in (chinese, english))
        assert ours == theirs, f"{chinese.name} has not the parts of {english.name}"


def test_links_of_translations_lead_to_files_and_headings() -> None:
    for _, chinese in pairs():
        text = chinese.read_text("utf-8")
        anchors = {_anchor(heading) for heading in re.findall(r"(?m)^#+ (.+)$", text)}
        for target in re.findall(r"\]\(([^)]+)\)", text):
            if target.startswith("#"):
                assert target[1:] in anchors, f"{chinese.name}: {target}"
            elif "://" not in target:
                assert (chinese.parent / target).exists(), f"{chinese.name}: {target}"


def _anchor(heading: str) -> str:
    """As GitHub makes it: lower case, no punctuation, spaces to hyphens."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
