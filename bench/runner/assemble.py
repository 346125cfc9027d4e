"""From a plan and what became of it to the results file's record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bench import __version__
from bench.energy.meter import Meter
from bench.figures.metrics import summarize
from bench.results.records import (
    SCHEMA_VERSION,
    Case,
    DeviceRecord,
    Results,
    Run,
    Suite,
    TargetRecord,
    Warning,
)
from bench.results.trial import Status
from bench.runner import trial
from bench.runner.judge import flops_per_item, items_per_run
from bench.runner.plan import Plan
from bench.runner.state import CaseState
from bench.runner.warn import run_warnings
from bench.suite import Case as PlannedCase
from bench.system.utc import timestamp


def results(
    plan: Plan,
    states: Mapping[str, CaseState],
    meters: Mapping[str, Meter],
    complete: bool,
    resumed: int,
    changed: list[str],
) -> Results:
    """The results file's content; every planned case is in it, run or not. `changed` says what
    was not as before when the run was resumed."""
    planned = Counter(step.case_id for step in plan.order)
    cases = [_case(case, states[case.id], plan, planned[case.id]) for case in plan.cases]
    return Results(
        kind="hetbench-results",
        schema_version=SCHEMA_VERSION,
        hetbench_version=__version__,
        simulated=any(target.simulated for target in plan.targets),
        run=Run(
            id=plan.run_id,
            started_at=plan.started_at,
            finished_at=timestamp(),
            complete=complete,
            resumed=resumed,
            seed=plan.seed,
            order=[str(step) for step in plan.order],
            changed=changed,
            parallel=plan.parallel,
        ),
        suite=Suite(
            name=plan.suite.name,
            version=plan.suite.version,
            digest=plan.suite.digest,
            bounds=dict(plan.suite.bounds),
        ),
        environment=plan.environment,
        targets=[
            TargetRecord(
                target=target.target,
                backend=target.backend,
                adapter=target.adapter.name,
                versions=dict(target.versions),
                device=DeviceRecord(
                    id=target.device.id,
                    kind=target.device.kind,
                    name=target.device.name,
                    vendor=target.device.vendor,
                    uuid=target.device.uuid,
                    memory_bytes=target.device.memory_bytes,
                    cores=list(target.device.cores),
                    scope=target.device.scope,
                    board=target.device.board,
                    properties=dict(target.device.properties),
                ),
                threads=target.threads,
                cores=list(target.device.cores),
                simulated=target.simulated,
                power_reason=meters[target.target].reason,
            )
            for target in plan.targets
        ],
        cases=cases,
        warnings=[
            *(Warning(text=f"the run was continued although {text}") for text in changed),
            *(Warning(text=text, case=case) for text, case in run_warnings(plan, cases)),
        ],
    )


def _case(case: PlannedCase, state: CaseState, plan: Plan, planned: int) -> Case:
    status, reason = _status(state, planned)
    search = state.search
    items = items_per_run(case, state.batch)
    axes = case.card.sizes(items, case.axes)
    good = [one.metrics for one in state.trials.values() if one.status == "ok"]
    return Case(
        id=case.id,
        version=case.version,
        target=case.target,
        model=case.card.name,
        size=case.card.size,
        precision=case.precision,
        scenario=case.scenario,
        scenario_options=dict(case.options),
        batch=state.batch or 1,
        axes=dict(case.axes),
        found=state.found,
        batch_search=search.points if search else [],
        batch_search_end=search.end if search else None,
        batch_search_reason=search.reason if search else None,
        items_per_run=items,
        parameters=case.card.parameters,
        flops_per_item=flops_per_item(case, state.batch),
        bytes_per_item=case.card.bytes_of(axes),
        weight_bytes=case.card.weight_bytes,
        onnx_sha256=state.onnx_sha256,
        settings=case.measure,
        allow_fallback=case.allow_fallback,
        beside=list(case.beside),
        status=status,
        reason=reason,
        trials=[state.trials[index] for index in sorted(state.trials)],
        summary=summarize(good, plan.suite.bounds),
    )


def _status(state: CaseState, planned: int) -> tuple[Status, str | None]:
    """The case's status after all or some of its `planned` trials."""
    status, reason = trial.summarize(state.trials)
    if state.settled is not None and status != "invalid":
        return state.settled
    if len(state.trials) < planned and all(t.status == "ok" for t in state.trials.values()):
        return "interrupted", f"{len(state.trials)} of {planned} trials ran before the run stopped"
    return status, reason
