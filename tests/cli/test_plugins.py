"""Installed packages that are broken: each is named with its reason and takes nothing else down."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import ROOT, Cli


class Site:
    """A folder of installed packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.env = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])}

    def add(self, name: str, entry_points: str | bytes, **files: str) -> Path:
        """Install a package: its entry points and files, `x__y` for `x/y`."""
        info = self.folder / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_bytes(b"Name: \xff\xfe\n")
        text = entry_points.encode() if isinstance(entry_points, str) else entry_points
        (info / "entry_points.txt").write_bytes(text)
        for file, content in files.items():
            path = self.folder / file.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(path.suffix or ".py").write_text(content)
        return info


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


MARK = "import pathlib; pathlib.Path('imported').touch(); raise RuntimeError('no driver')"


def test_broken_packages_are_named_and_the_others_work(cli: Cli, site: Site) -> None:
    site.add("acme-bytes", b"[hetbench.backends]\nx = \xff\xfe\n")
    site.add("acme-value", "[hetbench.backends]\nacme = not a module!\n")
    site.add("acme-line", "[hetbench.sensors]\nno equals sign\n")
    site.add("acme-absent", "[hetbench.models]\nacme = no_such_package\n")
    site.add("acme-parent", "[hetbench.adapters]\nacme = acme.adapters\n", acme__init=MARK)
    (site.folder / "acme" / "init.py").rename(site.folder / "acme" / "__init__.py")
    (site.folder / "acme" / "adapters").mkdir()
    (site.folder / "acme" / "adapters" / "bad.toml").write_text("name = 3\n")
    os.mkfifo(site.folder / "acme" / "adapters" / "pipe.toml")
    (site.folder / "acme" / "adapters" / "fine.toml").write_text(
        'name = "fine"\nvendor = "Acme"\nkind = "npu"\nbackend = "acme"\n'
    )
    pipe = site.add("acme-pipe", "")
    (pipe / "entry_points.txt").unlink()
    os.mkfifo(pipe / "entry_points.txt")
    for shape in ("model = 3", "model = [3]", "[[model]]\nname = 3"):
        number = len(list(site.folder.glob("zoo*.dist-info")))
        site.add(f"zoo{number}", f"[hetbench.models]\nzoo = zoo{number}\n")
        (site.folder / f"zoo{number}").mkdir()
        (site.folder / f"zoo{number}" / "x.toml").write_text(shape)
    for args in (["models"], ["adapter", "list", "fine", "simulated"], ["devices", "simulated"]):
        done = cli(*args, env=site.env)
        assert done.returncode == 0, done.stderr
        assert "resnet8" in done.stdout or "simulated" in done.stdout
        said = done.stderr.splitlines()
        assert all(line.startswith("hetbench: ") for line in said)
        for name, reason in (
            ("acme-bytes", "is not UTF-8 text"),
            ("acme-value", "'not a module!' is not usable as the name of a module"),
            ("acme-line", "is not usable as the name of an entry point"),
            ("acme-absent", "'no_such_package', which is no installed package"),
            ("acme-parent", "bad.toml:1: "),
            ("acme-parent", "is not a regular file"),
            ("acme-pipe", "is not a regular file"),
            ("zoo0", "it is not a list of tables"),
            ("zoo1", "it is not a list of tables"),
            ("zoo2", "model.0"),
        ):
            assert any(name in line and reason in line for line in said), (name, done.stderr)
    assert not (cli.folder / "imported").exists()
    assert "fine" in cli("adapter", "list", "fine", env=site.env).stdout


def test_a_backend_that_raises_when_it_is_imported(cli: Cli, site: Site) -> None:
    site.add("acme", "[hetbench.backends]\nacme = acme_backend\n", acme_backend=MARK)
    adapter = cli.folder / "acme.toml"
    adapter.write_text('name = "acme"\nvendor = "Acme"\nkind = "npu"\nbackend = "acme"\n')
    args = ("--adapter", str(adapter), "--trust-adapter")
    done = cli("devices", "acme", *args, env=site.env)
    assert done.returncode == 0, done.stderr
    assert "RuntimeError: no driver" in done.stdout


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (MARK, "RuntimeError: no driver"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("", "has no attribute 'SENSOR'"),
        ("SENSOR = lambda device, spec: 3", "SENSOR made a int, which is no Sensor"),
    ],
)
def test_a_sensor_that_does_not_load(cli: Cli, site: Site, module: str, reason: str) -> None:
    site.add("acme", "[hetbench.sensors]\nacme = acme_sensor\n", acme_sensor=module)
    adapter = cli.folder / "acme.toml"
    adapter.write_text(
        'name = "simulated"\nvendor = "X"\nkind = "sim"\nbackend = "simulated"\n'
        '[[sensors]]\nkind = "acme"\n'
    )
    args = ("--adapter", str(adapter), "--trust-adapter", "-t", "simulated@sim:0")
    done = cli.json("run", "smoke", "-m", "resnet8", "-s", "single-stream", *args, env=site.env)
    assert reason in done["targets"][0]["power_reason"]
