# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every file of the collection, whoever wrote it."""

from __future__ import annotations

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LICENCE = (
    "# Copyright (c) 2026, kubenode.network contributors",
    "# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)",
    "# SPDX-License-Identifier: GPL-3.0-or-later",
)
# What a run of the tests may leave in a checkout, and what git keeps there itself.
GENERATED = {
    ".git",
    ".ansible",
    ".hypothesis",
    ".mypy_cache",
    ".nox",
    ".pytest_cache",
    ".ruff_cache",
    "__pycache__",
    "build",
    "output",
}
BINARY = {".gz", ".ico", ".jpg", ".png", ".pyc", ".svg"}


def files(folder: str = "", pattern: str = "*") -> list[pathlib.Path]:
    """The files of the checkout below a folder, as paths relative to it."""
    return sorted(
        path.relative_to(ROOT)
        for path in (ROOT / folder).rglob(pattern)
        if path.is_file() and not GENERATED & set(path.relative_to(ROOT).parts)
    )


def read(path: pathlib.Path | str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def modules() -> list[pathlib.Path]:
    return [path for path in files("plugins/modules", "*.py") if path.name != "__init__.py"]


def assigned(path: pathlib.Path, name: str) -> str | None:
    """The string that a module assigns to a name at its top level."""
    for node in ast.parse(read(path)).body:
        if isinstance(node, ast.Assign) and any(isinstance(x, ast.Name) and x.id == name for x in node.targets):
            return ast.literal_eval(node.value)
    return None


def galaxy(key: str) -> str:
    found = re.search(rf"^{key}: *(.+)$", read("galaxy.yml"), re.MULTILINE)
    assert found, f"galaxy.yml has no {key}"
    return found[1].strip("\"'")


def test_every_plugin_file_names_its_licence() -> None:
    def lacks(path: pathlib.Path) -> bool:
        text = read(path)
        return bool(text) and any(line not in text.splitlines()[:6] for line in LICENCE)

    assert [str(path) for path in files("plugins", "*.py") if lacks(path)] == []


def test_every_script_names_its_licence() -> None:
    scripts = [*files("scripts"), *files(".ci"), *files("tests", "*.py"), *files("benchmarks", "*.py"), *files("lab")]
    assert [
        str(path)
        for path in scripts
        if read(path) and path.suffix in {"", ".py", ".sh"} and LICENCE[2] not in read(path)
    ] == []


def test_what_runs_on_nodes_has_the_syntax_of_python_3_9() -> None:
    node_code = [*files("plugins/module_utils", "*.py"), *files("plugins/modules", "*.py")]
    assert node_code
    for path in node_code:
        tree = ast.parse(read(path), filename=str(path), feature_version=(3, 9))
        assert not read(path) or any(
            isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body
        ), f"{path} lacks `from __future__ import annotations`"


def test_every_module_has_documentation_examples_and_return_values() -> None:
    lacking = [
        f"{path}: {name}"
        for path in modules()
        for name in ("DOCUMENTATION", "EXAMPLES", "RETURN")
        if not (assigned(path, name) or "").strip()
    ]
    assert lacking == []


def test_every_module_uses_its_full_name_in_the_examples() -> None:
    lacking = [
        str(path) for path in modules() if f"kubenode.network.{path.stem}:" not in (assigned(path, "EXAMPLES") or "")
    ]
    assert lacking == []


def test_every_module_that_has_an_owner_is_in_the_action_group() -> None:
    group = re.findall(r"^    - (\w+)$", read("meta/runtime.yml"), re.MULTILINE)
    without = [path.stem for path in modules() if path.stem not in group and not path.stem.endswith("_info")]
    # A checkpoint is about whatever was done since, of a node's kubelet there is one, and the last takes away what no
    # module of ours made.
    assert without == ["kubelet_dns", "network_checkpoint", "nodelocaldns_node"]


def test_every_module_of_the_action_group_exists() -> None:
    group = re.findall(r"^    - (\w+)$", read("meta/runtime.yml"), re.MULTILINE)
    assert sorted(set(group) - {path.stem for path in modules()}) == []


def test_modules_say_the_version_they_came_with() -> None:
    lacking = [
        str(path)
        for path in modules()
        if not re.search(r"^version_added: ", assigned(path, "DOCUMENTATION") or "", re.MULTILINE)
    ]
    assert lacking == []


def test_the_version_is_one_that_galaxy_takes() -> None:
    assert re.fullmatch(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", galaxy("version"))


def test_no_module_was_added_in_a_later_version_than_this_one() -> None:
    def number(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in text.split("."))

    for path in modules():
        for added in re.findall(r"version_added: *[\"']?([\d.]+)", assigned(path, "DOCUMENTATION") or ""):
            assert number(added) <= number(galaxy("version")), f"{path}: version_added {added}"


def test_the_changelog_knows_no_later_version_than_this_one() -> None:
    released = re.findall(r"^  (\d+\.\d+\.\d+):$", read("changelogs/changelog.yaml"), re.MULTILINE)
    assert not released or released[-1] == galaxy("version") or list((ROOT / "changelogs/fragments").glob("*.y*ml"))


def test_the_ansible_that_is_required_is_the_oldest_one_tested() -> None:
    required = re.search(r"^requires_ansible: \">=(\d+\.\d+)\.0\"$", read("meta/runtime.yml"), re.MULTILINE)
    assert required
    tested = sorted(path.stem.removeprefix("core-") for path in (ROOT / "requirements").glob("core-*.txt"))
    assert tested[0] == required[1]


@pytest.mark.parametrize("version", ["2.19", "2.21"])
def test_sanity_ignores_next_to_nothing(version: str) -> None:
    entries = [
        line for line in read(f"tests/sanity/ignore-{version}.txt").splitlines() if line and not line.startswith("#")
    ]
    assert len(entries) <= 5, "ignore a sanity rule only where the rule is wrong"
    assert all((ROOT / line.split()[0]).exists() for line in entries)


def test_nothing_names_a_place_of_one_machine() -> None:
    # In pieces, so that this file does not contain them.
    forbidden = re.compile(
        "|".join(
            [
                "/" + "work/",
                "/tmp" + "/kn",
                "/tmp" + "/wt",
                "/root/" + r"\.(?!ansible|ssh)",
                "files\\.python" + "hosted",
            ]
        )
    )
    hits = [
        f"{path}:{number}: {line.strip()}"
        for path in files()
        if path.suffix not in BINARY and path.name != "COPYING"
        for number, line in enumerate(read(path).splitlines(), 1)
        if forbidden.search(line)
    ]
    assert hits == []


def test_requirements_are_exact_and_name_no_host() -> None:
    for path in files("requirements", "*.txt"):
        for line in read(path).splitlines():
            if line and not line.startswith(("#", "-r ", "-c ")):
                assert re.fullmatch(r"[A-Za-z0-9._-]+==[\w.]+(; python_version (<|>=) \"3\.\d+\")?", line), (
                    f"{path}: {line}"
                )
            assert "://" not in line or line.startswith("# GNU General Public License"), f"{path}: {line}"


def test_nothing_is_left_unfinished() -> None:
    words = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX"]) + r")\b")
    hits = [
        f"{path}:{number}"
        for path in files()
        if path.suffix not in BINARY and path.name != "COPYING"
        for number, line in enumerate(read(path).splitlines(), 1)
        if words.search(line)
    ]
    assert hits == []


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for path in files(pattern="*.md"):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", read(path)):
            if not re.match(r"[a-z]+:", target) and not (ROOT / path.parent / target).exists():
                broken.append(f"{path}: {target}")
    assert broken == []
