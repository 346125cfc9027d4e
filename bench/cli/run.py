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
    from bench.runner.journal import Journal
    from bench.runner.plan import Plan
    from bench.runner.state import CaseState
    from bench.suite import Case


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
    adapter: list[str] = common.ADAPTER,
    trust_adapter: bool = common.TRUST,
    json: bool = common.JSON,
) -> None:
    """Plan, measure, write, print. Exit code 0 when everything ran and was valid."""
    from bench import environment
    from bench import suite as suites
    from bench.runner import plan as plans

    if resume is not None:
        _resume(resume, wait, json)
        return
    cards = _own_models(onnx, shape)
    if cards and not precision:
        precision = [cards[0].precisions[0]]  # the one it was saved in
    chosen = suites.override(suites.load(suite), model, scenario, precision, batch, trials, budget)
    targets = _targets(target, common.find(adapter, trust_adapter, target))
    cases = suites.cases(chosen, [one.target for one in targets], cards)
    if dry_run:
        _print_cases(cases, json)
        return
    plan = plans.make(
        chosen,
        targets,
        cases,
        seed,
        environment.collect(show_hostname),
        str(onnx.resolve()) if onnx else "",
    )
    _measure(plan, _out(out, plan), wait, json)


def _own_models(onnx: Path | None, shapes: list[str]) -> list[ModelCard]:
    """The card of the person's own model, if there is one; raises RefusedInput or UsageError."""
    from bench import own_model
    from bench.errors import UsageError

    if onnx is None:
        if shapes:
            raise UsageError("--shape belongs to --onnx; name the ONNX file too")
        return []
    return [own_model.inspect(onnx, shapes)]


def _targets(wanted: Sequence[str], found: Sequence[Found]) -> list[Resolved]:
    """The named targets, or every real one; raises UsageError when there is none."""
    from bench import discover
    from bench.errors import UsageError

    names = list(wanted) or discover.defaults(found)
    if not names:
        raise UsageError("no target was found here; 'hetbench devices' says why")
    resolved = [discover.resolve(name, found) for name in names]
    return list({one.target: one for one in resolved}.values())


def _print_cases(cases: Sequence[Case], json: bool) -> None:
    if json:
        common.print_json([{"id": case.id, "version": case.version} for case in cases])
        return
    common.print_table([tr("case"), tr("version")], [(case.id, case.version) for case in cases])


def _out(out: Path | None, plan: Plan) -> Path:
    """Where the results file goes: results/DATE-SUITE.json unless the person said."""
    if out is not None:
        return out
    stamp = plan.started_at.split("+")[0].replace(":", "").replace("-", "")
    return Path("results") / f"{stamp}-{plan.suite.name}.json"


def _resume(path: Path, wait: float, json: bool) -> None:
    """Continue the run of a journal, on the same devices as before."""
    from bench.runner import state
    from bench.runner.journal import Journal

    journal, plan, entries = Journal.reopen(path)
    with journal:
        states = state.restore(plan, entries)
        _check_devices(plan)
        out = path.with_name(path.name.removesuffix(".journal"))
        _carry_out(plan, states, journal, out, wait, json, resumed=1)


def _check_devices(plan: Plan) -> None:
    """Refuse to mix two machines in one results file."""
    from bench import discover
    from bench.errors import UsageError
    from bench.probe import Candidate

    found = discover.discover(
        [
            Candidate(one.backend, one.adapter, one.options)
            for one in {(t.backend, t.adapter.name): t for t in plan.targets}.values()
        ]
    )
    for before in plan.targets:
        now = discover.resolve(before.target, found)
        if (now.device.name, now.device.uuid) != (before.device.name, before.device.uuid):
            raise UsageError(
                f"the run was started on {before.device.name}, but {before.target} is now "
                f"{now.device.name}; resume it on the machine it was started on"
            )


def _measure(plan: Plan, out: Path, wait: float, json: bool) -> None:
    from bench.runner import journal, state

    with journal.Journal.create(journal.path_for(out), plan) as log:
        _carry_out(plan, state.fresh(plan), log, out, wait, json, resumed=0)


def _carry_out(
    plan: Plan,
    states: dict[str, CaseState],
    journal: Journal,
    out: Path,
    wait: float,
    json: bool,
    resumed: int,
) -> None:
    """Hold the devices, run, write the results file, print it."""
    from bench import lock, results_file
    from bench.report import table
    from bench.report.progress import Progress
    from bench.runner import assemble, execute
    from bench.runner.meter import Meter

    keys = [key for target in plan.targets for key in target.device.locks or (target.device.id,)]
    with (
        Progress(common.console(stderr=True)) as progress,
        lock.DeviceLocks(keys, "hetbench run", wait, progress.note),
    ):
        meters = {target.target: Meter(target) for target in plan.targets}
        complete = execute.execute(plan, states, meters, journal, progress)
    results = assemble.results(plan, states, meters, complete, resumed)
    results_file.write(out, results)
    if complete:
        journal.remove()
    if json:
        common.print_json(results.model_dump(mode="json"))
    else:
        common.show(table.render(results))
        common.console().print(tr(f"results file: {out}"), soft_wrap=True)
        if not complete:
            common.console().print(
                tr(f"stopped early; go on with: hetbench run --resume {journal.path}"),
                soft_wrap=True,
            )
    raise typer.Exit(_exit_code(results))


def _exit_code(results: Results) -> int:
    """0 all ran and valid, 1 outputs were wrong, 3 some case did not run."""
    statuses = {case.status for case in results.cases}
    if statuses - {"ok", "invalid"}:
        return 3
    return 1 if "invalid" in statuses else 0
