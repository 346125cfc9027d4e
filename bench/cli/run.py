"""`hetbench run`: the main job. Measures a suite on every target and leaves one results file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from bench import scenarios
from bench.cli import common
from bench.language.translate import tr

if TYPE_CHECKING:
    from bench.runner.run import Finished

SCENARIOS = ", ".join(scenarios.names())


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(
        help=tr(
            "Measure a suite on every target found, or on those named, and write one results file."
        )
    )(run)


def run(
    context: typer.Context,
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
        [], "--scenario", "-s", help=tr(f"How load is applied: {SCENARIOS}. Repeatable.")
    ),
    precision: list[str] = typer.Option(
        [], "--precision", "-p", help=tr("fp32, tf32, bf16, fp16 or int8. Repeatable.")
    ),
    batch: list[int] = typer.Option(
        [], "--batch", "-b", help=tr("A fixed batch size instead of the searched one. Repeatable.")
    ),
    axis: list[str] = typer.Option(
        [],
        "--axis",
        metavar="NAME=SIZE",
        help=tr("Another size of a model's axis, such as sequence=512. Repeatable."),
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
    parallel: bool = typer.Option(
        False,
        "--parallel",
        help=tr("Measure targets that share nothing at the same time."),
    ),
    seed: int = typer.Option(
        0, "--seed", min=0, max=2**32 - 1, help=tr("Decides order and inputs.")
    ),
    out: Path | None = typer.Option(None, "--out", "-o", help=tr("Where the results file goes.")),
    force: bool = common.FORCE,
    resume: Path | None = typer.Option(
        None, "--resume", metavar="JOURNAL", help=tr("Go on with a run that was stopped.")
    ),
    allow_changed: bool = typer.Option(
        False,
        "--allow-changed",
        help=tr("Resume although software, machine or model cards changed; the file says so."),
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
    wait: float = common.WAIT,
    show_hostname: bool = typer.Option(
        False, "--show-hostname", help=tr("Store the hostname itself instead of a hash of it.")
    ),
    strict: bool = typer.Option(
        False,
        "--strict",
        help=tr(
            "Exit with 3 also when a case's figure is unsteady or more than the datasheet allows, "
            "its batch search was cut short, or a trial ended with too few samples."
        ),
    ),
    adapter: list[str] = common.ADAPTER,
    trust_adapter: bool = common.TRUST,
    json: bool = common.JSON,
) -> None:
    """Plan, measure, write, print. Exit code 0 when everything ran and was valid."""
    from bench.cli import planning
    from bench.errors import UsageError
    from bench.report.progress import Progress
    from bench.runner import run as runs
    from bench.runner.journal import refuse_unfinished
    from bench.system import files

    if resume is not None:
        _refuse_settled(context)
        if out is not None:
            files.check_target(out, force)
        known = {one.name: one for one in common.adapters(adapter, trust_adapter)}
        with Progress(common.console(stderr=True)) as progress:
            done = runs.resume(resume, out, force, known, allow_changed, wait, progress)
        _report(done, json, strict)
    if allow_changed:
        raise UsageError("--allow-changed belongs to --resume; name the journal too")
    asked = planning.Asked(
        suite=suite,
        targets=target,
        models=model,
        scenarios=scenario,
        precisions=precision,
        batches=batch,
        axes=axis,
        trials=trials,
        budget_s=budget,
        seed=seed,
        onnx=onnx,
        shapes=shape,
        adapters=adapter,
        trust_adapter=trust_adapter,
        show_hostname=show_hostname,
        parallel=parallel,
    )
    planning.check_combination(asked)
    if out is not None:
        files.check_target(out, force)
        refuse_unfinished(out)
    plan = planning.make(asked)
    if dry_run:
        planning.show(plan, json)
        return
    with Progress(common.console(stderr=True)) as progress:
        if len(plan.targets) > 1:
            progress.note(
                f"the {len(plan.targets)} targets are measured at the same time, a trial of each a "
                "round"
                if parallel
                else f"the {len(plan.targets)} targets are measured in turn, trial by trial; "
                "--parallel measures those that share nothing at the same time"
            )
        done = runs.start(plan, out, force, wait, progress)
    _report(done, json, strict)


WITH_RESUME = {
    *("resume", "out", "force", "allow_changed", "wait", "strict", "adapter", "trust_adapter"),
    "json",
}
"""Parameters that mean something for a run whose plan is in its journal."""


def _refuse_settled(context: typer.Context) -> None:
    """Raises UsageError for what was given beside --resume although the journal has settled it."""
    from bench.errors import UsageError

    needless = [
        one.opts[0] if one.opts[0].startswith("-") else f"the suite {context.params['suite']!r}"
        for one in context.command.params
        if one.name not in WITH_RESUME and _is_given(context, one.name or "")
    ]
    if needless:
        raise UsageError(
            f"{', '.join(needless)} cannot be given with --resume: the journal says what is "
            "measured, and how"
        )


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _report(done: Finished, json: bool, strict: bool) -> NoReturn:
    """Print the results and leave with the exit code they deserve."""
    from bench.errors import CannotWrite

    try:
        _print(done, json)
    except CannotWrite as error:
        raise CannotWrite(f"{error}; the results file is {done.path}") from error
    if done.problem is not None:
        common.complain(str(done.problem))
    raise typer.Exit(_exit_code(done, strict))


def _print(done: Finished, json: bool) -> None:
    from bench.report import table

    if json:
        document = {
            "path": done.path and str(done.path),
            "journal": done.journal and str(done.journal),
            "results": done.results.model_dump(mode="json"),
        }
        if done.problem is not None:
            document["error"] = common.error(done.problem)
        common.print_json(document)
        return
    common.show(table.render(done.results))
    if done.path is not None:
        common.say(f"results file: {done.path}")
    if done.journal is not None:
        common.say(f"stopped early; go on with: hetbench run --resume {done.journal}")


def _exit_code(done: Finished, strict: bool) -> int:
    """The first that is true: 6 not written where it belongs, 130 stopped, 1 outputs were wrong,
    3 some case did not run, 3 --strict is not met, 0 all ran and valid. What is wrong counts for
    more than what is missing."""
    from bench.report.strict import is_doubtful

    if done.problem is not None:
        return done.problem.exit_code
    if not done.results.run.complete:
        return 130
    statuses = {case.status for case in done.results.cases}
    if "invalid" in statuses:
        return 1
    if statuses - {"ok"}:
        return 3
    return 3 if strict and is_doubtful(done.results) else 0
