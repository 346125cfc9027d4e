"""`hetbench adapter`: list, show, begin and check adapters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bench.cli import common
from bench.language.translate import listing, tr

if TYPE_CHECKING:
    from bench.adapter import Adapter
    from bench.target import Found

adapter = typer.Typer(
    help=tr("List, show, begin and check what teaches hetbench a kind of device."),
    no_args_is_help=True,
)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(adapter, name="adapter")


@adapter.command("list", help=tr("List the adapters: available, or why not."))
def list_adapters(
    names: list[str] | None = common.NAMES,
    every: bool = common.ALL,
    json: bool = common.JSON,
    adapter: list[str] = common.ADAPTER,
    trust_adapter: bool = common.TRUST,
) -> None:
    """One row for each way an adapter names to its devices: those that are here, or with --all
    every one. JSON holds all of them either way."""
    found = common.find(adapter, trust_adapter, names or [])
    shown = found if every or names else common.present(found)
    if json:
        common.print_json(
            [
                {
                    "adapter": answer.candidate.adapter.name,
                    "vendor": answer.candidate.adapter.vendor,
                    "backend": answer.candidate.way.backend,
                    "options": dict(answer.candidate.options),
                    "available": answer.reason is None,
                    "reason": answer.reason,
                    "targets": [answer.target(device.id) for device in answer.devices],
                }
                for answer in found
            ]
        )
        return
    common.print_table(
        [tr("adapter"), tr("backend"), tr("available"), tr("targets, or why not")],
        (
            (
                answer.candidate.adapter.name,
                "+".join([answer.candidate.way.backend, *answer.candidate.options]),
                tr("yes") if answer.reason is None else tr("no"),
                _targets(answer),
            )
            for answer in shown
        ),
    )
    if shown is not found:
        common.say("")
        more = sum(one.reason is not None for one in found)
        common.say(
            "1 more is known; 'hetbench adapter list --all' tells why it is not here"
            if more == 1
            else f"{more} more are known; 'hetbench adapter list --all' tells why each is not here"
        )


def _targets(found: Found) -> str:
    if found.reason is not None:
        return tr(found.reason)
    return listing(found.target(device.id) for device in found.devices)


@adapter.command(
    help=tr("Print exactly what an adapter would import and run; does neither. Trust is not asked.")
)
def show(
    name: str = typer.Argument(
        metavar="NAME|FILE", help=tr("An installed adapter, or the path of a TOML file.")
    ),
    json: bool = common.JSON,
) -> None:
    """Read, validate and describe; nothing named in it is touched."""
    from dataclasses import asdict

    from bench.adapters import trust

    found = _read(name)
    does = trust.describe(found)
    if json:
        common.print_json({"does": does, "adapter": asdict(found)})
        return
    title = found.title or found.vendor
    common.print_table([f"{found.name}: {title}"], [(f"  {tr(line)}",) for line in does])


def _read(name: str) -> Adapter:
    """The adapter of that name, or in that file; raises UsageError or RefusedInput."""
    from bench import registry
    from bench.adapter import Adapter
    from bench.settings import toml

    if name in registry.adapters():
        return registry.adapters()[name]
    if name.endswith(".toml") or "/" in name:
        return toml.load(Adapter, Path(name))
    raise registry.unknown("adapter", name, registry.adapters())


@adapter.command(help=tr("Write the beginning of an adapter: a commented TOML file."))
def new(
    name: str = typer.Argument(metavar="NAME", help=tr("Small letters, digits, - and _.")),
    python: bool = typer.Option(
        False, "--python", help=tr("A Python package with a backend and its test instead.")
    ),
    folder: Path = typer.Option(Path(), "--folder", help=tr("Where it is written.")),
    json: bool = common.JSON,
) -> None:
    """Print the paths of the files written."""
    from bench.adapters import scaffold

    written = [str(path) for path in scaffold.new_adapter(name, folder, python)]
    if json:
        common.print_json({"files": written})
        return
    for path in written:
        common.say(path)


@adapter.command(
    help=tr(
        "Check that a device does what its adapter says: right outputs, a synchronize that waits, "
        "sensors that move. Exit code 0 all passed, 1 some check failed, 2 usage, 3 it could "
        "not be checked, 5 it is not available or in use."
    )
)
def check(
    target: str = typer.Argument(metavar="TARGET", help=tr("Such as torch@cuda:0.")),
    adapter: list[str] = common.ADAPTER,
    trust_adapter: bool = common.TRUST,
    out: Path | None = typer.Option(
        None, "--out", "-o", metavar="FILE.md", help=tr("Write a one-page report in Markdown.")
    ),
    force: bool = common.FORCE,
    wait: float = common.WAIT,
    json: bool = common.JSON,
) -> None:
    """Resolve the target, hold its device, check, print."""
    from dataclasses import asdict

    from rich.text import Text

    from bench.conformance.check import check as conform
    from bench.devices import discover
    from bench.report import conformance
    from bench.runner.execute import stoppable
    from bench.system import files, lock
    from bench.target import Target

    if out is not None:
        files.check_target(out, force)
    adapters = common.adapters(adapter, trust_adapter)
    (resolved,) = discover.resolve([Target.parse(target)], adapters)
    console = common.console(stderr=True)

    def tell(text: str) -> None:
        status.update(Text(tr(text)))  # a str would be read as markup

    keys = resolved.device.locks or (resolved.device.id,)
    with (
        stoppable(),
        console.status(Text(tr("starting"))) as status,
        lock.DeviceLocks(keys, "hetbench adapter check", wait, tell),
    ):
        report = conform(resolved, tell)
    if out is not None:  # before it is printed, which may fail
        path = files.write_beside(out, conformance.markdown(report), force)
        if path != out:
            common.complain(f"{out} is there meanwhile and stays; the report is {path}")
    if json:
        common.print_json({"passed": report.passed, **asdict(report)})
    else:
        common.show(conformance.render(report))
    raise typer.Exit(0 if report.passed else 1)
