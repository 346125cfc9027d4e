"""Bring results files measured on hardware from before a change of the draft schema up to it.

    python results/reference/migrate.py FILE...      rewrites each file in place, atomically

Nothing measured is touched: raw samples, stamps' differences and fidelity stay as they are. What
follows from them is computed again, and what a file did not hold is taken from what was fixed then
or left null. Run on a file of today it changes nothing.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from bench import registry
from bench.axes import label
from bench.figures.metrics import summarize
from bench.results import file as results_file
from bench.results.records import SCHEMA_VERSION
from bench.results.trial import Metric, Part
from bench.suite import BOUNDS
from bench.system import files

OF_A_PART = [name for name in Part.model_fields if name not in ("target", "status", "reason")]
"""What a trial held itself when it was of one worker."""


def migrated(document: dict[str, Any]) -> dict[str, Any]:
    """The document in the schema of today; changes the one given."""
    document["schema_version"] = SCHEMA_VERSION
    document["suite"].setdefault("bounds", dict(BOUNDS))
    renamed = {}
    for case in document["cases"]:
        before = case["id"]
        _case(case, document["suite"]["bounds"])
        renamed[before] = case["id"]
    order = document["run"]["order"]
    document["run"]["order"] = [_step(step, renamed) for step in order]
    _from_the_start(document)
    return document


def _case(case: dict[str, Any], bounds: dict[str, float]) -> None:
    settings = case["settings"]
    length_s = settings.pop("sustained_s", None)  # of that scenario alone
    if length_s is not None and case["scenario"] == "sustained":
        case["scenario_options"] = {"length_s": length_s}
    case.setdefault("scenario_options", {})
    case.setdefault("allow_fallback", settings.pop("allow_fallback", 0.0))
    case.setdefault("found", {"batch": case["batch"]} if case["batch_search"] else {})
    card = registry.models().get(case["model"])
    if card is not None and "axes" not in case:  # the published sizes were the only ones
        axes = card.sizes(case["items_per_run"])
        case["axes"] = {name: size for name, size in axes.items() if name != "batch"}
        case["bytes_per_item"] = card.bytes_of(axes)
        model, precision, batch, rest = case["id"].split("/", 3)
        sizes = label(None if batch == "auto" else case["batch"], case["axes"])
        case["id"] = "/".join((model, precision, sizes, rest))
    for trial in case["trials"]:
        if "parts" not in trial:  # it was of one worker, which was the trial
            part = {key: trial.pop(key) for key in OF_A_PART if key in trial}
            ends = {"status": trial["status"], "reason": trial["reason"]}
            ran = trial["position"] is not None
            trial["parts"] = [{"target": case["target"], **ends, **part}] if ran else []
    good = [trial["metrics"] for trial in case["trials"] if trial["status"] == "ok"]
    figures = [{name: Metric(**one) for name, one in metrics.items()} for metrics in good]
    summary = summarize(figures, bounds)
    case["summary"] = {name: one.model_dump(mode="json") for name, one in summary.items()}


def _step(step: str, renamed: dict[str, str]) -> str:
    name, _, index = step.rpartition("#")
    return f"{renamed.get(name, name)}#{index}"


def _from_the_start(document: dict[str, Any]) -> None:
    """Stamps counted from the start of the machine; they count from the start of the run.

    Where that was on the machine's clock is known to a second, from when each trial started.
    """
    trials = [trial for case in document["cases"] for trial in case["trials"]]
    began = datetime.fromisoformat(document["run"]["started_at"])
    origins = [
        min(one["start_ns"] for one in part["series"].values())
        - round((datetime.fromisoformat(trial["started_at"]) - began).total_seconds() * 1e9)
        for trial in trials
        for part in trial["parts"]
        if part["series"] and part["clock"]["source"] != "simulated"
    ]
    hour_ns = 3600 * 10**9
    origin_ns = min(origins, default=0)
    if origin_ns < hour_ns:  # they count from the run's start already
        return
    for part in (part for trial in trials for part in trial["parts"]):
        for one in (*part["series"].values(), *part["windows"]):
            one["start_ns"] -= origin_ns
            one["end_ns"] -= origin_ns
        if part["telemetry"] is not None:
            raise ValueError("the stamps of sensors are packed; no such file was ever kept")


def main() -> None:
    """Rewrite the files named on the command line; raises RefusedInput for one that stays wrong."""
    for name in sys.argv[1:]:
        path = Path(name)
        document = migrated(json.loads(path.read_text("utf-8")))
        results = results_file.parse(json.dumps(document), path)
        files.write_text(path, results_file.dumps(results), replace=True)


if __name__ == "__main__":
    main()
