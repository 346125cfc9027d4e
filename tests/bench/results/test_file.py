"""Results files: all but a valid one are refused in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import RefusedInput
from bench.results import file as results_file
from bench.results.file import dumps, read

from ..examples import results

TEXT = results().model_dump_json()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "some.json"


def refusal(path: Path) -> str:
    """The sentence with which a file is refused."""
    with pytest.raises(RefusedInput) as refused:
        read(path)
    text = str(refused.value)
    assert refused.value.exit_code == 4
    assert str(path) in text and "\n" not in text and len(text) < len(str(path)) + 500
    assert all(c.isprintable() for c in text)
    return text.replace(str(path), "FILE")


def test_what_is_written_is_read_again(file: Path) -> None:
    file.write_text(dumps(results()))
    assert read(file) == results()
    assert file.read_text("utf-8") == TEXT + "\n"


def test_text_of_every_language_is_kept(file: Path) -> None:
    odd = results(warnings=[{"text": "调频策略为 powersave \u2028 🐢 \x1b[31m"}])
    file.write_text(dumps(odd))
    assert read(file) == odd


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.9999])
def test_a_truncated_file(file: Path, share: float) -> None:
    file.write_text(TEXT[: int(len(TEXT) * share)])
    assert "FILE is not complete JSON, it may be truncated: line 1" in refusal(file)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x7fELF\x02\x01\x00\xff\xfe", "it is not UTF-8 text"),
        ("é".encode("latin-1"), "it is not UTF-8 text"),
        (TEXT.encode("utf-16"), "it is not UTF-8 text"),
        (b"\xef\xbb\xbf" + TEXT.encode(), "not complete JSON"),
        (b"\0" * 1000, "not complete JSON"),
        (b"kind: hetbench-results", "not complete JSON"),
        (TEXT.encode() + b"{}", "not complete JSON"),
        (b"[1, 2]", "FILE is JSON, but not a hetbench results file"),
        (b"null", "FILE is JSON, but not a hetbench results file"),
        (b"{}", "FILE is JSON, but not a hetbench results file"),
        (b'{"benchmarks": [], "version": "4.0.0"}', "JSON, but not a hetbench results file"),
        (b'{"kind": ["hetbench-results"]}', "JSON, but not a hetbench results file"),
        (
            b'{"kind": "hetbench-results"}',
            "has schema version None; this hetbench reads",
        ),
    ],
    ids=[
        *("binary", "latin-1", "utf-16", "byte order mark", "zeros", "yaml", "two documents"),
        *("list", "null", "empty object", "of another tool", "odd kind", "no version"),
    ],
)
def test_what_is_no_results_file(file: Path, data: bytes, said: str) -> None:
    file.write_bytes(data)
    assert said in refusal(file)


def edited(change: Callable[[dict[str, Any]], object]) -> str:
    document = json.loads(TEXT)
    change(document)
    return json.dumps(document)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(schema_version=2), "has schema version 2;"),
        (
            lambda d: d.update(schema_version=1),
            "has schema version 1; this hetbench reads",
        ),
        (lambda d: d.update(schema_version=True), "has schema version True;"),
        (lambda d: d.update(schema_version=["x" * 5000]), "xxx...; this hetbench reads version 1"),
        (lambda d: d.pop("run"), "run: Field required"),
        (lambda d: d.update(extra=1), "extra: Extra inputs are not permitted"),
        (lambda d: d["cases"][0].update(extra=1), "cases.0.extra: Extra inputs"),
        (lambda d: d["run"].update(seed="7"), "run.seed: Input should be a valid integer"),
        (lambda d: d["run"].update(seed=1.0), "run.seed: Input should be a valid integer"),
        (lambda d: d["run"].update(seed=-1), "run.seed: Input should be greater than or equal"),
        (lambda d: d["run"].update(seed=2**53), "run.seed: Input should be less than"),
        (lambda d: d["run"].update(seed=2**53 + 1), "larger than a float can hold exactly"),
        (lambda d: d["run"].update(complete=1), "run.complete: Input should be a valid boolean"),
        (lambda d: d["run"].update(id="x" * 501), "run.id: String should have at most 500"),
        (lambda d: d["run"].update(order=None), "run.order: Input should be a valid array"),
        (lambda d: d.update(cases={}), "cases: Input should be a valid array"),
        (lambda d: d["cases"][0].update(status="fine"), "cases.0.status: Input should be 'ok'"),
        (lambda d: d["cases"][0]["trials"][0].update(wall_s=""), "cases.0.trials.0.wall_s"),
        (lambda d: d["cases"][0]["trials"][0].update(wall_s=-0.1), "cases.0.trials.0.wall_s"),
        (lambda d: d["cases"][0]["trials"][0].update(status=None), "cases.0.trials.0.status: "),
        (lambda d: d["cases"][0].update(precision="fp33"), "cases.0.precision: Input should be"),
        (lambda d: d["cases"][0].update(scenario="x" * 501), "cases.0.scenario: String should"),
        (lambda d: d["cases"][0].update(scenario_options={"a": -1}), "scenario_options.a"),
        (lambda d: d["cases"][0]["settings"].update(slots=0), "settings: Value error, slots must"),
        (lambda d: d["cases"][0]["settings"].update(slots="4"), "settings.slots: Input should be"),
        (lambda d: d["cases"][0]["settings"].update(pace=1), "settings.pace: Unexpected keyword"),
        (lambda d: d["environment"].update(load=[1, 2]), "environment.load: Unexpected keyword"),
        (lambda d: d["environment"].update(kernel=[]), "environment.kernel: Input should be"),
        (lambda d: d["environment"].update(sockets=-1), "environment.sockets: Input should be"),
        (lambda d: d["environment"].update(busy_share=1.1), "environment.busy_share: Input should"),
        (lambda d: d["environment"].pop("smt"), "environment.smt: Field required"),
        (lambda d: d.update({"\x1b[31m" + "k" * 5000: 1}), r"results file: \x1b[31mkkk"),
    ],
)
def test_a_results_file_with_something_wrong(
    file: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    file.write_text(edited(change))
    assert said in refusal(file)


@pytest.mark.parametrize(
    ("put", "said"),
    [
        ("NaN", "NaN is not a number a results file may hold"),
        ("Infinity", "Infinity is not a number a results file may hold"),
        ("-Infinity", "-Infinity is not a number a results file may hold"),
        ("1e999", "a number is larger than a float can be"),
        ("9" * 5000, "a number has more than 21 digits"),
        ("9007199254740993", "a whole number is larger than a float can hold exactly"),
        ('{"a": 1, "a": 2}', "a key stands twice in one object"),
        ('{"a": {"b": 1, "c": 2, "b": 1}}', "a key stands twice in one object"),
        (r'"\ud800"', "unexpected end of hex escape"),
    ],
)
def test_json_that_means_different_things_to_different_readers(
    file: Path, put: str, said: str
) -> None:
    file.write_text(TEXT.replace('"kernel":"6.1"', f'"kernel":{put}'))
    assert said in refusal(file)


def test_a_huge_file_is_not_read_to_its_end(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_file, "MAX_BYTES", 1 << 20)
    with file.open("wb") as huge:
        huge.truncate(1 << 40)  # sparse; reading it whole would fail
    assert "FILE is larger than 1 MiB, the most that is read" in refusal(file)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_a_deeply_nested_file(file: Path, opening: str) -> None:
    file.write_text(opening * 1_000_000)
    assert "FILE is nested too deeply to be a results file" in refusal(file)


def test_a_nested_environment_is_refused(file: Path) -> None:
    for depth in (1, 150, 250, 900, 5_000):
        file.write_text(TEXT.replace('"kernel":"6.1"', '"kernel":' + "[" * depth + "]" * depth))
        refusal(file)


@pytest.mark.parametrize("text", ['"' + '\\"' * 500_000, '"' * 999_999, "\\" * 1_000_000])
def test_no_text_takes_long(file: Path, text: str) -> None:
    file.write_text(text)
    refusal(file)  # milliseconds; a quadratic reader takes hours and meets pytest's limit


@pytest.mark.parametrize("name", ["missing.json", "."])
def test_what_cannot_be_read(tmp_path: Path, name: str) -> None:
    assert "cannot read FILE: " in refusal(tmp_path / name)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=60,
)
@given(place=st.integers(0, len(TEXT)), cut=st.integers(0, 40), put=st.text(max_size=5))
def test_a_damaged_file_is_read_or_refused(file: Path, place: int, cut: int, put: str) -> None:
    damaged = TEXT[:place] + put + TEXT[place + cut :]
    file.write_text(damaged, "utf-8", "surrogatepass")
    try:
        read(file)
    except RefusedInput as error:
        assert "\n" not in str(error)


def canonical(value: Any) -> Any:
    """A value as canonical JSON (RFC 8785) writes it: whole doubles below 1e21 as whole numbers."""
    if isinstance(value, dict):
        return {key: canonical(inner) for key, inner in sorted(value.items())}
    if isinstance(value, list):
        return [canonical(inner) for inner in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    return value


def test_the_canonical_text_of_a_file_says_the_same(file: Path) -> None:
    document = json.loads(TEXT)
    for place, value in enumerate((-0.0, 3.3e16, 1e20, 1e-7, 1.0)):
        document["cases"][0]["trials"][0]["metrics"][f"m{place}"] = {"value": value, "n": 2**53 - 1}
    file.write_text(json.dumps(document))
    before = read(file)
    file.write_text(json.dumps(canonical(document)))
    assert read(file) == before
