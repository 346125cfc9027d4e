"""The conformance report as a table and as a page."""

from __future__ import annotations

import pytest
from rich.console import Console

from bench.conformance.verdict import Check, Report
from bench.device import Device
from bench.report import conformance

CHECKS = (
    Check("sync-waits", "pass", "64 runs took 0.2 ms each"),
    Check("fidelity-resnet8", "fail", "outputs | differ <b>by</b> *much*"),
    Check("placement", "skip", "one place"),
)


def report(*checks: Check, simulated: bool = False) -> Report:
    device = Device("npu:0", "npu", 0, "Acme\n[evil](x) | NPU", memory_bytes=64 << 30)
    return Report(
        "torch@npu:0", "acme", device, simulated, {"torch": "2.9"}, "fp32", 5, "now", 61.4, checks
    )


def shown(one: Report) -> str:
    console = Console(width=120, no_color=True)
    with console.capture() as capture:
        console.print(conformance.render(one))
    return capture.get()


def test_the_table_has_every_check_and_the_counts() -> None:
    text = shown(report(*CHECKS))
    for check in CHECKS:
        assert check.id in text
    assert "1 passed, 1 failed, 1 skipped; in fp32, seed 5, 61 s" in text
    assert "SIMULATED" not in text
    assert "SIMULATED" in shown(report(*CHECKS, simulated=True))


def test_the_page_is_one_table_whatever_the_device_says() -> None:
    page = conformance.markdown(report(*CHECKS))
    assert page.startswith("# Conformance of torch@npu:0: 1 of 3 checks failed: fidelity-resnet8; ")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [check.id for check in CHECKS]
    assert rows[1].replace("\\|", "").count("|") == 4
    assert "- device: Acme\\\\n\\[evil\\](x) \\| NPU" in page
    assert "\\<b\\>" in page
    assert len(page.splitlines()) < 60


PASS, FAIL, SKIP = CHECKS


@pytest.mark.parametrize(
    ("checks", "says"),
    [
        ((PASS,), "all checks passed"),
        ((PASS, SKIP), "1 of 2 checks passed, 1 skipped: placement"),
        ((SKIP, SKIP), "0 of 2 checks passed, 2 skipped: placement, placement"),
        ((PASS, FAIL), "1 of 2 checks failed: fidelity-resnet8"),
        (CHECKS, "1 of 3 checks failed: fidelity-resnet8; 1 skipped: placement"),
    ],
)
def test_the_headline_names_what_failed_and_what_was_skipped(
    checks: tuple[Check, ...], says: str
) -> None:
    one = report(*checks)
    above = shown(one).partition("\ncheck ")[0]
    assert above.splitlines()[-1].rstrip() == says
    assert conformance.markdown(one).splitlines()[0] == f"# Conformance of torch@npu:0: {says}"


def test_skips_do_not_fail() -> None:
    assert report(PASS, SKIP).passed
    assert "SIMULATED" in conformance.markdown(report(CHECKS[0], simulated=True))
