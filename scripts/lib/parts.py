# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of scripts/test: which commands each of them is."""

from __future__ import annotations

import argparse
import atexit
import collections
import functools
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import typing as t

from report import SECOND_ATTEMPTS, Report, finish

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENV = str(ROOT / "scripts" / "env")
TREE = pathlib.Path(os.environ["KUBENODE_TREE"])
CACHE = TREE.parents[1]
CORES = ("2.19", "2.21")
OWN_PYTHON = "{}.{}".format(*sys.version_info)
OLDEST_NODE_PYTHON = "3.9"
# What the tests of the kernel and of the lab run; iproute2 takes the names of protocols from netbase.
PROGRAMS = (
    "ip=iproute2",
    "nft=nftables",
    "iptables-legacy=iptables",
    "ping=iputils-ping",
    "ps=procps",
    "/etc/protocols=netbase",
)
FULL: list[str] = []
# The checkout may belong to somebody else.
GIT = ["git", "-c", "safe.directory=*"]

# ansible-test fetches a script that brings pip into the environments it makes. Where that host is out of reach,
# Python's own copy of pip does as well.
GET_PIP = """\
import subprocess
import sys

subprocess.check_call([sys.executable, "-m", "ensurepip"])
wanted = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install"] + wanted))
"""


def lint(report: Report) -> None:
    """What can be said about the files without running them."""
    collection = export("lint")
    report.command("ruff check", ["ruff", "check", "."])
    report.command("ruff format", ["ruff", "format", "--check", "."])
    # From outside the checkout, lest its folders be found twice: as modules of their own and as the collection's.
    mypy = ["mypy", "--config-file", str(ROOT / "pyproject.toml")]
    report.command("mypy plugins", [*mypy, "-p", "ansible_collections.kubenode.network.plugins"], cwd=TREE)
    report.command("mypy scripts", [*mypy, "parts.py", "bench.py"], cwd=ROOT / "scripts/lib", MYPYPATH="")
    report.command("yamllint", ["yamllint", "--strict", "."], cwd=collection)
    report.command("ansible-lint", ["ansible-lint", "--offline", "--nocolor"], cwd=collection)
    report.command("antsibull-changelog", ["antsibull-changelog", "lint"], cwd=collection)
    if report.available("shellcheck", [ENV, "--need", "shellcheck=shellcheck"]):
        scripts = [str(path) for path in _shell_scripts(collection)]
        report.command(
            "shellcheck", ["shellcheck", "--external-sources", "--severity=warning", *scripts], cwd=collection
        )


def unit(report: Report) -> None:
    """Pure code: on both versions of ansible-core, and what runs on nodes on the oldest and the newest Python."""
    for core in CORES:
        brief = ["--brief"] if core != CORES[0] else []
        _pytest(report, "tests/unit", f"ansible-core {core}", ["--core", core], *brief)
    _on_nodes(report, "tests/unit", [], "--ignore=tests/unit/controller")


def kernel(report: Report) -> None:
    """The machine's own kernel, in namespaces of its own."""
    if _programs(report):
        # Once, on the Python that is most likely to be missed by who writes for a newer one.
        if FULL or OLDEST_NODE_PYTHON not in _node_pythons():
            _pytest(report, "tests/kernel", f"Python {OWN_PYTHON}", ["--private"])
        else:
            report.skipped(f"tests/kernel on Python {OWN_PYTHON}", "takes minutes: scripts/test --full")
        _on_nodes(report, "tests/kernel", ["--private"], newest=bool(FULL))


def vm(report: Report) -> None:
    """A User-Mode Linux kernel with every kind of link."""
    guest = str(ROOT / "tests/vm/run")
    if report.available("User-Mode Linux", [ENV, guest, "true"]):
        _pytest(report, "tests/vm", "User-Mode Linux", [], runner=guest)


def lab(report: Report) -> None:
    """Playbooks on the lab's workers."""
    if _programs(report) and report.available("the lab", [str(ROOT / "scripts" / "lab"), "need"]):
        _pytest(report, "tests/lab", "lab", [])


def faults(report: Report) -> None:
    """Changes that are cut short or cut the node off, on the lab's workers over SSH."""
    if _programs(report) and report.available("the lab", [str(ROOT / "scripts" / "lab"), "need"]):
        _pytest(report, "tests/faults", "faults", [])


def molecule(report: Report) -> None:
    """Nodes in containers with the real managers of NICs: each scenario of extensions/molecule counts as one check."""
    if not report.available("scenarios in containers", [ENV, "--containers", "true"]):
        return
    command = [ENV, "--containers", "molecule"]
    scenarios = _scenarios()
    # Not in the checkout, and not by the name of its folder alone, which other checkouts have as well.
    state = TREE / "molecule"
    shutil.rmtree(state, ignore_errors=True)

    def run(what: str, scenario: str, *arguments: str, by: t.Callable[..., bool] = report.command) -> bool:
        options = ["--no-command-borders", "--scenario-name", scenario]
        ephemeral = str(state / scenario)
        return by(what, [*command, *arguments, *options], MOLECULE_EPHEMERAL_DIRECTORY=ephemeral, NO_COLOR="1")

    failed: list[str] = []
    ended = {name: threading.Event() for name in scenarios}

    def test(scenario: str) -> None:
        for other in NODES_OF.get(scenario, ()):
            if other in ended:
                ended[other].wait()
        try:
            attempt(scenario)
        finally:
            ended[scenario].set()

    def attempt(scenario: str) -> None:
        if not run(scenario, scenario, "test", "--destroy=never", by=report.attempt):
            failed.append(scenario)

    # An interrupted run leaves its containers.
    run("no containers before", "default", "destroy")
    try:
        if run("containers", "default", "create"):
            report.together([functools.partial(test, name) for name in scenarios if name != EVERY_NODE], at_once=2)
            if EVERY_NODE in scenarios:
                test(EVERY_NODE)
            # A scenario that failed leaves a node behind that is no start for another attempt.
            if 0 < len(failed) <= SECOND_ATTEMPTS and run("no containers", "default", "destroy"):
                shutil.rmtree(state, ignore_errors=True)
                if run("new containers", "default", "create"):
                    for name in failed:
                        if run(f"{name}, again", name, "test", "--destroy=never"):
                            report.passed_again(name)
                    failed.clear()
            for name in failed:
                report.failed(name, "as told above")
    finally:
        run("no containers after", "default", "destroy")


def cluster(report: Report) -> None:
    """Real servers of a cluster, built from Go modules the first time."""
    if _programs(report) and report.available("servers", [ENV, "python", "tests/cluster/build.py"]):
        _pytest(report, "tests/cluster", "servers", ["--private"])


def sanity(report: Report) -> None:
    """ansible-test sanity on each version of ansible-core, on the collection as users get it."""
    report.available("shellcheck", [ENV, "--need", "shellcheck=shellcheck"])
    for core in CORES:
        what = f"ansible-core {core}"
        if not report.available(what, [ENV, "--core", core, "true"]):
            continue
        collection = _unpacked(f"sanity-{core}", core)
        # ansible-test keeps its environments below HOME; those of a user are none of our business.
        home = CACHE / f"ansible-test-{core}"
        command = [ENV, "--core", core, "ansible-test", "sanity", "--color", "no", "--python"]
        python = _output([ENV, "--core", core, "python", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
        command += [python.strip()]
        environment = {"HOME": str(home), "XDG_CACHE_HOME": str(CACHE.parent), "LC_ALL": "C.UTF-8"}
        _provide_pip([*command, "--test", "yamllint"], collection, home, environment)
        report.command(what, command, cwd=collection, telling="(ERROR|FATAL|Download failed)", **environment)
        for line in report.log(what).read_text(encoding="utf-8", errors="replace").splitlines():
            if re.search(r"[Ss]kipp(ed|ing)", line) and "All targets skipped" not in line:
                print(f"        {line.strip()}")


def docs(report: Report) -> None:
    """The documentation of the modules renders, and says what is so."""
    collection = export("docs")
    searched = str(collection.parents[2])
    site = TREE / "docs"
    shutil.rmtree(site, ignore_errors=True)
    site.mkdir()
    # antsibull-docs logs to a file in HOME, which is the user's.
    home = str(site)
    options = ["--plugin-docs", "--skip-rstcheck", "--validate-collection-refs", "self"]
    report.command(
        "antsibull-docs lint",
        ["antsibull-docs", "lint-collection-docs", *options, "."],
        collection,
        ANSIBLE_COLLECTIONS_PATH=searched,
        HOME=home,
    )
    target = ["--use-current", "--dest-dir", str(site), "--squash-hierarchy", "kubenode.network"]
    make = ["antsibull-docs", "collection", *target]
    if report.command("collection pages", make, ANSIBLE_COLLECTIONS_PATH=searched, HOME=home):
        pages = ["sphinx-build", "-q", "-W", "--keep-going", "-C", "-D", "extensions=sphinx_antsibull_ext"]
        # Labels of Ansible's own pages, which are not here; those of the collection were checked above.
        pages += ["-D", "suppress_warnings=ref.ref"]
        report.command("site", [*pages, str(site), str(site / "html")])


PARTS: dict[str, t.Callable[[Report], None]] = {
    "lint": lint,
    "unit": unit,
    "kernel": kernel,
    "vm": vm,
    "lab": lab,
    "faults": faults,
    "molecule": molecule,
    "cluster": cluster,
    "sanity": sanity,
    "docs": docs,
}
# Scenarios that run on nodes of others, and after which: each of the rest has nodes to itself.
NODES_OF = {
    "netplan_networkmanager": ("netplan",),
    "dhcp": ("netplan", "ifupdown", "networkd", "networkmanager", "unmanaged", "netplan_networkmanager"),
}
# The one that runs on all of them.
EVERY_NODE = "default"
# What has a clock: so many run at a time, as they wait most of the time. The long ones are first.
AT_ONCE = 3
CLOCKED = ("molecule", "kernel", "cluster", "lab", "vm", "faults")
# One by one beside them, in what they leave of the processor.
UNHURRIED = ("lint", "unit", "sanity", "docs")
# Both give way to what is built meanwhile (`_build_ahead`), which cluster and lab wait for.
NICE = {**dict.fromkeys(CLOCKED, 5), **dict.fromkeys(UNHURRIED, 10)}


def export(name: str) -> pathlib.Path:
    """Copies what git knows or would add to a folder of the cache that Ansible's tools accept as a collection.

    They refuse links and what is not below ``ansible_collections``, and they leave files behind.
    """
    destination = TREE / f"export-{name}" / "ansible_collections" / "kubenode" / "network"
    shutil.rmtree(destination, ignore_errors=True)
    listing = _output([*GIT, "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
    for file in filter(None, listing.split("\0")):
        if (ROOT / file).exists():
            (destination / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, destination / file, follow_symlinks=False)
    _track(destination)
    return destination


def _unpacked(name: str, core: str) -> pathlib.Path:
    """Builds the collection and unpacks it: without the workshop, whose files other rules hold for."""
    source = export(name)
    artefacts = TREE / f"built-{name}"
    shutil.rmtree(artefacts, ignore_errors=True)
    _output(
        [ENV, "--core", core, "ansible-galaxy", "collection", "build", "--output-path", str(artefacts), str(source)]
    )
    shutil.rmtree(source)
    source.mkdir()
    [artefact] = artefacts.iterdir()
    _output(["tar", "-xzf", str(artefact), "-C", str(source)])
    _track(source)
    return source


def _track(collection: pathlib.Path) -> None:
    # A repository of its own: the tools ask git which files there are.
    for command in (["init", "--quiet", "."], ["add", "--all"]):
        subprocess.run([*GIT, *command], cwd=collection, check=True, capture_output=True)


def _scenarios() -> list[str]:
    """Names of the scenarios: what others wait for before these, and the rest last, so that nobody waits for long."""
    names = sorted(file.parent.name for file in (ROOT / "extensions/molecule").glob("*/molecule.yml"))
    awaited = [name for name in NODES_OF["dhcp"] if name in names]
    return [
        *awaited,
        *(name for name in NODES_OF if name not in awaited),
        *(name for name in names if name not in awaited and name not in NODES_OF),
    ]


def _programs(report: Report) -> bool:
    """Brings the programs that tests of the kernel and the lab run; none of these goes without `ip`."""
    report.available("tests that need them", [ENV, "--need", *PROGRAMS[1:]])
    return report.available("all of them", [ENV, "--need", PROGRAMS[0]])


def _output(command: list[str]) -> str:
    # Standard error as well: Ansible refuses one that does not block, which ours may be.
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _shell_scripts(collection: pathlib.Path) -> list[pathlib.Path]:
    files = [
        path for path in collection.rglob("*") if path.is_file() and ".git" not in path.relative_to(collection).parts
    ]
    return sorted(
        path for path in files if path.suffix == ".sh" or path.read_bytes()[:20].startswith(b"#!/usr/bin/env bash")
    )


def _provide_pip(command: list[str], collection: pathlib.Path, home: pathlib.Path, environment: dict[str, str]) -> None:
    cache = home / ".ansible/test/cache"
    cache.mkdir(parents=True, exist_ok=True)
    if any(cache.glob("get_pip_*.py")):
        return
    print("  ansible-test makes its first environment", flush=True)
    result = subprocess.run(
        command,
        check=False,
        cwd=collection,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if wanted := re.search(
        r"Download failed.*saved to: (\S+/get_pip_\w+\.py)", result.stdout + result.stderr, re.DOTALL
    ):
        print("  its download of pip failed: Python's own copy takes its place", flush=True)
        pathlib.Path(wanted[1]).write_text(GET_PIP, encoding="utf-8")


def _pytest(report: Report, folder: str, what: str, options: list[str], *arguments: str, runner: str = "") -> None:
    if not any((ROOT / folder).rglob("test_*.py")):
        report.failed(what, f"{folder} has no tests")
        return
    if report.available(what, [ENV, *options, "true"]):
        before = [runner] if runner else []

        def command(tests: list[str]) -> list[str]:
            return [ENV, *options, *before, "python", "-m", "pytest", *tests, *arguments, *FULL]

        # Pure code has no excuse; a kernel, a manager or a server that is busy has one.
        report.pytest(what, command([folder]), None if folder == "tests/unit" else command)


@functools.cache
def _node_pythons() -> list[str]:
    """The oldest and the newest Python of nodes found here, without the one that scripts/env runs on anyway."""
    found = [line.split()[0] for line in _output([ENV, "--pythons"]).splitlines()]
    return [version for version in dict.fromkeys((found[0], found[-1])) if version != OWN_PYTHON] if found else []


def _on_nodes(report: Report, folder: str, options: list[str], *arguments: str, newest: bool = True) -> None:
    versions = _node_pythons()
    if OLDEST_NODE_PYTHON not in versions:
        report.skipped(
            f"{folder} on Python {OLDEST_NODE_PYTHON}",
            f"not found (pyenv install {OLDEST_NODE_PYTHON}); its syntax is checked by tests/unit/test_repository.py",
        )
    for version in versions:
        if not newest and version != OLDEST_NODE_PYTHON:
            report.skipped(f"{folder} on Python {version}", "takes minutes: scripts/test --full")
            continue
        _pytest(report, folder, f"Python {version}", ["--python", version, *options], "--brief", *arguments)


def _build_ahead(names: t.Collection[str]) -> None:
    """Builds what the clusters of tests run while other parts begin: minutes the first time, nothing later.

    Whoever needs a program waits for it and tells what is wrong.
    """
    if not {"cluster", "lab"} & set(names):
        return
    log = TREE / "logs" / "build-ahead.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [ENV, "python", "tests/cluster/build.py"], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    atexit.register(_end, process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    process.wait()


def _run_parts(report: Report, names: collections.deque[str], beside: bool) -> None:
    while True:
        try:
            name = names.popleft()
        except IndexError:
            return
        with report.part(name, beside, NICE[name]):
            try:
                PARTS[name](report)
            except (OSError, subprocess.CalledProcessError) as error:
                output = getattr(error, "stderr", None) or getattr(error, "stdout", None) or ""
                report.failed(f"preparing {name}", f"{error}\n{output}")


def _interrupt(_number: int, _frame: object) -> t.NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Runs the parts named on the command line."""
    parser = argparse.ArgumentParser(prog="scripts/test", description="Runs the tests.")
    parser.add_argument("--full", action="store_true", help="run long series whole, with a new seed")
    parser.add_argument("parts", metavar="PART", nargs="*", help=f"of {' '.join(PARTS)}; default: all")
    options = parser.parse_args()
    if unknown := [name for name in options.parts if name not in PARTS]:
        parser.error(f"unknown part {unknown[0]}: of {' '.join(PARTS)}")
    if options.full:
        FULL.append("--full")
    wanted = options.parts or PARTS
    clocked, unhurried = (collections.deque(name for name in some if name in wanted) for some in (CLOCKED, UNHURRIED))
    report = Report(TREE / "logs", ROOT)
    # What cancels a job of continuous integration says it so.
    signal.signal(signal.SIGTERM, _interrupt)
    _build_ahead(clocked)
    lanes = [
        threading.Thread(target=_run_parts, args=(report, names, True), daemon=True)
        for names in [*[clocked] * (min(AT_ONCE, len(clocked)) - 1), unhurried]
    ]
    try:
        for lane in lanes:
            lane.start()
        _run_parts(report, clocked, False)
        report.alone()
        for lane in lanes:
            lane.join()
    except KeyboardInterrupt:
        report.stop()
        report.failed("scripts/test", "interrupted: not everything ran")
    finish(report)


if __name__ == "__main__":
    main()
