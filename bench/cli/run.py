"""`hetbench run`: the main job. Measures a suite on every target and leaves one results file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bench.cli import common
from bench.text import tr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.discover import Found, Resolved
    from bench.model import ModelCard
    from bench.results import Results
    from bench.runner.plan import Plan
    from bench.runner.run import Finished


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(
        help=tr(
            "Measure a suite on every target found, or on those named, and write one results file."
        )
    )(run)


def run(
    suite: str = typer.Argument(
        "quick", metavar="[SUITE]", help=tr("A suite's name, or the path of a suite's TOML file.")
    ),
    target: list[str] = typer.Option(
        [], "--target", "-t", help=tr("Measure this target, such as torch@cuda:0. Repeatable.")
    ),
    model: list[str] = typer.Option(
        [], "--model", "-m", help=tr("Measure this model instead of the suite's. Repeatable.")
    ),
    scenario: list[str] = typer.Option(
        [], "--scenario", "-s", help=tr("single-stream, offline or sustained. Repeatable.")
    ),
    precision: list[str] = typer.Option(
        [], "--precision", "-p", help=tr("fp32, tf32, bf16, fp16 or int8. Repeatable.")
    ),
    batch: list[int] = typer.Option(
        [], "--batch", "-b", help=tr("A fixed batch size instead of the searched one. Repeatable.")
    ),
    trials: int | None = typer.Option(
        None, "--trials", min=1, max=1000, help=tr("Fresh processes per case.")
    ),
    budget: float | None = typer.Option(
        None,
        "--budget",
        metavar="SECONDS",
        help=tr("Most measuring time of a trial; the whole length of a sustained one."),
    ),
    seed: int = typer.Option(0, "--seed", min=0, help=tr("Decides order and inputs.")),
    out: Path | None = typer.Option(None, "--out", "-o", help=tr("Where the results file goes.")),
    resume: Path | None = typer.Option(
        None, "--resume", metavar="JOURNAL", help=tr("Go on with a run that was stopped.")
    ),
    dry_run: bool = typer.Option(
        False, "--dry-run", help=tr("Print the cases and do nothing else.")
    ),
    onnx: Path | None = typer.Option(
        None, "--onnx", metavar="FILE", help=tr("Measure your own ONNX model.")
    ),
    shape: list[str] = typer.Option(
        [],
        "--shape",
        metavar="NAME=DIMS",
        help=tr("Shape of an input of --onnx, such as image=1x3x224x224. Repeatable."),
    ),
    wait: float = typer.Option(
        0.0, "--wait", metavar="SECONDS", help=tr("How long to wait for a device in use.")
    ),
    show_hostname: bool = typer.Option(
        False, "--show-hostname", help=tr("Store the hostname itself instead of a hash of it.")
    ),
    strict: bool = typer.Option(
        False,
        "--strict",
        help=tr(
            "Exit with 3 also when a case's figure is unsteady, its batch search was cut short, "
            "or a trial ended with too few samples."
        ),
    ),
    adapter: list[str] = common.ADAPTER,
    trust_adapter: bool = common.TRUST,
    json: bool = common.JSON,
) -> None:
    """Plan, measure, write, print. Exit code 0 when everything ran and was valid."""
    from bench import environment
    from bench import suite as suites
    from bench.report.progress import Progress
    from bench.runner import plan as plans
    from bench.runner import run as runs

    if resume is not None:
        with Progress(common.console(stderr=True)) as progress:
            done = runs.resume(resume, wait, trust_adapter, progress)
        _report(done, json, strict)
    cards = _own_models(onnx, shape)
    if cards and not precision:
        precision = [cards[0].precisions[0]]  # the one it was saved in
    chosen = suites.override(suites.load(suite), model, scenario, precision, batch, trials, budget)
    targets = _targets(target, common.find(adapter, trust_adapter, target), cards)
    cases = suites.cases(chosen, [one.target for one in targets], cards)
    if dry_run:
        _print_plan(plans.make(chosen, targets, cases, seed, environment.collect()), json)
        return
    plan = plans.make(
        chosen,
        targets,
        cases,
        seed,
        environment.collect(show_hostname),
        str(onnx.resolve()) if onnx else "",
    )
    with Progress(common.console(stderr=True)) as progress:
        done = runs.start(plan, _out(out, plan), wait, progress)
    _report(done, json, strict)


def _own_models(onnx: Path | None, shapes: list[str]) -> list[ModelCard]:
    """The card of the person's own model, if there is one; raises RefusedInput or UsageError."""
    from bench import own_model
    from bench.errors import UsageError

    if onnx is None:
        if shapes:
            raise UsageError("--shape belongs to --onnx; name the ONNX file too")
        return []
    return [own_model.inspect(onnx, shapes)]


def _targets(
    wanted: Sequence[str], found: Sequence[Found], own: Sequence[ModelCard]
) -> list[Resolved]:
    """The named targets, or every real one, of a person's own model every one that can run it;
    raises UsageError when there is none."""
    from bench import discover
    from bench.errors import UsageError

    names = list(wanted) or discover.defaults(found, "onnx" if own else "")
    if not names:
        if own:
            raise UsageError(
                "no target that runs an ONNX file was found here; 'hetbench devices --all' says why"
            )
        raise UsageError("no target was found here; 'hetbench devices --all' says why")
    resolved = [discover.resolve(name, found) for name in names]
    return list({one.target: one for one in resolved}.values())


def _print_plan(plan: Plan, json: bool) -> None:
    """The cases, and how long they would take."""
    from dataclasses import asdict

    from bench.runner import duration
    from bench.runner.meter import Meter
    from bench.runner.run import powered

    meters = {target.target: Meter(target, 0) for target in plan.targets}
    takes = duration.estimate(plan, plan.order, powered(meters))
    rows = [(case.id, case.version) for case in plan.cases]
    if json:
        cases = [{"id": name, "version": version} for name, version in rows]
        common.print_json({**asdict(takes), "cases": cases})
        return
    common.print_table([tr("case"), tr("version")], rows)
    common.say(str(takes))


def _out(out: Path | None, plan: Plan) -> Path:
    """Where the results file goes: results/DATE-SUITE.json unless the person said; of a person's
    own model DATE-MODEL.json."""
    if out is not None:
        return out
    stamp = plan.started_at.split("+")[0].replace(":", "").replace("-", "")
    name = plan.cases[0].card.name if plan.onnx else plan.suite.name
    return Path("results") / f"{stamp}-{name}.json"


def _report(done: Finished, json: bool, strict: bool) -> None:
    """Print the results and leave with the exit code they deserve."""
    from bench.report import table

    if json:
        common.print_json(done.results.model_dump(mode="json"))
    else:
        common.show(table.render(done.results))
        common.say(f"results file: {done.path}")
        if done.journal:
            common.say(f"stopped early; go on with: hetbench run --resume {done.journal}")
    raise typer.Exit(_exit_code(done.results, strict))


def _exit_code(results: Results, strict: bool) -> int:
    """0 all ran and valid, 1 outputs were wrong, 3 some case did not run, or --strict not met."""
    from bench.report.strict import is_unsteady

    statuses = {case.status for case in results.cases}
    if statuses - {"ok", "invalid"}:
        return 3
    if "invalid" in statuses:
        return 1
    return 3 if strict and is_unsteady(results) else 0
