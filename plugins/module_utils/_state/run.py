# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One execution of a module that changes the node: read, plan, carry out, read back; check mode stops after the plan.

Nothing of the changing half is imported before there is something to change.
"""

from __future__ import annotations

import gc
import os
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import NetlinkError
from ansible_collections.kubenode.network.plugins.module_utils._state import owned as records
from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    Desired,
    Owned,
    Plan,
    State,
    StateError,
    Target,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.needs import needs, sysctls
from ansible_collections.kubenode.network.plugins.module_utils._state.observe import Need, observe, read_sysctls
from ansible_collections.kubenode.network.plugins.module_utils._state.options_confirm import Confirm, parse_confirm

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


class Options(t.NamedTuple):
    """What the common options say of how a plan may be made."""

    on_conflict: str = "fail"
    allow_default_override: bool = False
    persist: bool = False
    """Whether what is made is in the configuration of the node's managers too."""
    networkd_keep_foreign: str = "auto"
    confirm: Confirm = Confirm()


# Settings of NICs that are planned as changes of their links.
_PLANNED = frozenset(("mtu", "state", "mac", "parent", "ports"))

DEFAULTS = Options()


def options_of(params: dict[str, t.Any]) -> Options:
    """The common options of a module's parameters. Raises StateError for one that makes no sense."""
    return Options(
        params.get("on_conflict") or "fail",
        bool(params.get("allow_default_override")),
        # What a NIC's manager is told of its servers has no other place than its configuration.
        bool(params.get("persist", params.get("interface") is not None)),
        params.get("networkd_keep_foreign") or "auto",
        parse_confirm(params),
    )


class Form(t.NamedTuple):
    """How a result is shown."""

    diff: bool = False
    document: bool = False
    """``before`` and ``after`` as a desired state, not as options."""


OPTIONS = Form()


class About(t.NamedTuple):
    """Whose run it is, for the journal of its transaction."""

    module: str = ""
    owner: str | None = None
    run: str = ""
    """The controller's name for the run; a second execution with the same name asks for the answer again."""


NOBODY = About()


def run_module(
    module: AnsibleModule, build: t.Callable[[dict[str, t.Any]], Desired], extra: dict[str, t.Any] | None = None
) -> t.NoReturn:
    """Do what the parameters of ``module`` declare and exit with the result.

    ``build`` makes the declaration of them; ``extra`` are further keys of the result, and may be filled by ``build``.
    """
    # The process ends with this run, and ten thousand routes are many objects to look through again and again.
    gc.disable()
    params = module.params
    try:
        options = options_of(params)
        # Core offers no other way to learn of --diff.
        diff = module._diff  # noqa: SLF001
        form = Form(diff, "desired_state" in params)
        about = About(module._name, params.get("owner"), os.environ.get("KUBENODE_NETWORK_RUN", ""))  # noqa: SLF001
        desired = build(params)
        result = _once_more(about, options, module.check_mode) or execute(
            desired, options, module.check_mode, form=form, about=about
        )
    except StateError as error:
        for warning in error.details.pop("warnings", ()):
            module.warn(warning)
        module.fail_json(msg=error.message, **{**(extra or {}), **error.details})
    except NetlinkError as error:
        module.fail_json(msg=f"the kernel's network state could not be read: {error}", **(extra or {}))
    else:
        for warning in result.pop("warnings"):
            module.warn(warning)
        module.exit_json(**{**(extra or {}), **result})
    raise AssertionError("exit_json and fail_json end the process")


def execute(
    desired: Desired, options: Options = DEFAULTS, check_mode: bool = False, root: str = "/", form: Form = OPTIONS,
    about: About = NOBODY,
) -> dict[str, t.Any]:  # fmt: skip
    """The result of a run: ``changed``, ``before``, ``after``, ``plan``, ``warnings`` and, with paths, ``evidence``.

    Files are below ``root``; the kernel is that of the process's network namespace. Where the controller is to confirm
    a change the result has ``transaction``, and the change is yet to be made, by a process of its own. Raises
    StateError; its details have ``rolled_back`` where something had been changed.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        if check_mode:
            return _run(desired, options, True, root, form)
        with records.Lock(root) as lock:
            warnings = _clear_way(options, root)
            try:
                result = _run(desired, options, False, root, form, about, lock)
            except StateError as error:
                error.details["warnings"] = [*warnings, *error.details.get("warnings", ())]
                raise
            result["warnings"] = [*warnings, *result["warnings"]]
            return result
    finally:
        if collecting:
            gc.enable()


def _clear_way(options: Options, root: str) -> list[str]:
    """Undo what dead transactions left; raise for one that is open and is not the one to join."""
    # Without an import: this is on the way of every run.
    if not options.confirm.checkpoint and not _has_transaction(root, "open", "rolling-back"):
        return []
    from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import standing

    return standing.clear_way(options.confirm.checkpoint, root)


def _has_transaction(root: str, *names: str) -> bool:
    """Whether a transaction of the node has a file of one of these names."""
    folder = records.path_of("transactions", root)
    try:
        found = os.listdir(folder)
    except OSError:
        return False
    return any(os.path.exists(f"{folder}/{one}/{name}") for one in found for name in names)


def _once_more(about: About, options: Options, check_mode: bool) -> dict[str, t.Any] | None:
    """The answer of a run that was executed here before and whose answer was lost; None for any other."""
    if check_mode or not about.run.isalnum() or not _has_transaction("/", f"run-{about.run}"):
        return None
    from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import standing

    return standing.once_more(about.run, options.confirm.by)


def _run(
    desired: Desired, options: Options, check_mode: bool, root: str, form: Form, about: About = NOBODY,
    lock: records.Lock | None = None,
) -> dict[str, t.Any]:  # fmt: skip
    owned = known = records.load(root)
    if desired.absent is not None:
        from ansible_collections.kubenode.network.plugins.module_utils._state import removal

        desired, known = removal.spell_out(desired, owned)
        need = removal.need_for(desired, known, needs(desired, known, root))
        state = observe(need, root)
        desired, known = removal.with_marked(desired, known, state)
    else:
        need = needs(desired, owned, root)
        state = observe(need, root)
    keys = sysctls(desired, known, state.links)
    if keys:
        need = need._replace(sysctls=keys)
        state = state._replace(sysctls=read_sysctls(keys, root))
    target, plan, state = _plan(desired, options, state, known, need, root)
    result: dict[str, t.Any] = {
        "changed": bool(plan.changes),
        "runtime": any(change.kind not in ("file", "activate") for change in plan.changes) or _tells(plan, owned),
        "persistent": any(change.kind == "file" for change in plan.changes),
        "before": {}, "after": {}, "plan": [], "warnings": list(plan.warnings),
    }  # fmt: skip
    if plan.changes:
        _show(result, plan, state, form)
        if not check_mode:

            def carry_out() -> None:
                _carry_out(result, desired, target, plan, state, owned, need, root)

            try:
                if options.confirm.by == "none":
                    carry_out()
                    result["confirmed_by"] = "none"
                else:
                    from ansible_collections.kubenode.network.plugins.module_utils._checkpoint.change import make

                    result = make(result, carry_out, plan, owned, state, options.confirm, about, lock, root)
            except StateError as error:
                error.details.setdefault("plan", result["plan"])
                error.details.setdefault("warnings", result["warnings"])
                raise
            # The controller is still to confirm it, and to be told again if the answer is lost.
            if options.confirm.by != "controller":
                _leave(desired, plan, options, root)
        elif desired.paths:
            result["evidence"] = []
            result["warnings"].append(
                "The paths were not asked for: the kernel can only tell them once the changes of the plan are made."
            )
        return result
    if not check_mode:
        _record(plan.owned, owned, root)
        _leave(desired, plan, options, root)
    if desired.paths:
        result["evidence"] = _ask(desired, state)
    return result


def _leave(desired: Desired, plan: Plan, options: Options, root: str) -> None:
    """Where all was taken back for good, nothing of ours stays behind."""
    if desired.absent is not None and not plan.owned and not options.confirm.checkpoint:
        from ansible_collections.kubenode.network.plugins.module_utils._state.removal import forget

        forget(root)


def _plan(
    desired: Desired, options: Options, state: State, owned: Owned, need: Need, root: str
) -> tuple[Target, Plan, State]:
    from ansible_collections.kubenode.network.plugins.module_utils._state.cni import find_networks
    from ansible_collections.kubenode.network.plugins.module_utils._state.plan import plan
    from ansible_collections.kubenode.network.plugins.module_utils._state.resolve import resolve

    target = resolve(desired, state, owned)._replace(persist=options.persist)
    if desired.absent is not None:
        from ansible_collections.kubenode.network.plugins.module_utils._state import removal

        target = removal.complete(desired, target, owned, state)._replace(persist=True)
    cidrs = desired.cluster_cidrs
    if os.path.isdir(os.path.join(root, "etc/cni/net.d")):
        from ansible_collections.kubenode.network.plugins.module_utils._state.cni_files import pod_cidrs

        cidrs += pod_cidrs(root)
    networks = find_networks(state.links, cidrs)
    arguments = (options.on_conflict, options.allow_default_override, desired.protect, _Peers(root))
    made = plan(state, target, owned, networks, *arguments)
    if (need.kernel or need.links) and (made.changes or made.owned != owned or not _configured(owned, state, root)):
        # Only a change needs to know whose the NICs are.
        from ansible_collections.kubenode.network.plugins.module_utils._persist.configure import LEASE, configured

        kernel = made.changes
        made, state = configured(state, target, made, owned, options.on_conflict, options.networkd_keep_foreign, root)
        over = [change for change in made.changes if change.reason == LEASE]
        if over and not options.allow_default_override:
            from ansible_collections.kubenode.network.plugins.module_utils._state import protect

            protect.check(state, [*kernel, *over], _Peers(root), desired.protect)
    if desired.absent is not None:
        made = made._replace(owned=removal.released(desired, made.owned))
    elif made.changes:
        from ansible_collections.kubenode.network.plugins.module_utils._state.removal import remember

        made = made._replace(owned=remember(made.changes, made.owned))
    return target, made, state


def _configured(owned: Owned, state: State, root: str) -> bool:
    """Whether the configuration of the NICs is as the last run left it."""
    if not any(kind == "manager" for kind, _name in owned):
        return True
    from ansible_collections.kubenode.network.plugins.module_utils._persist.standing import stands

    return stands(owned, state.links, root)


def _tells(plan: Plan, owned: Owned) -> bool:
    """Whether a manager hears of something that it does at once and that no change of the kernel is planned for."""
    return any(
        kind == "setting" and key[1] not in _PLANNED and owned.get((kind, key)) != plan.owned.get((kind, key))
        for kind, key in ((*plan.owned, *owned) if any(change.kind == "activate" for change in plan.changes) else ())
    )


class _Peers(t.Sequence[t.Any]):
    """Connections that must stay; looked up when a plan asks, which one without changes does not."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._found: list[tuple[str, str, str | None]] | None = None

    def _look_up(self) -> list[tuple[str, str, str | None]]:
        if self._found is None:
            from ansible_collections.kubenode.network.plugins.module_utils._state.peers import protect_inputs

            self._found = protect_inputs(self._root)
        return self._found

    def __len__(self) -> int:
        return len(self._look_up())

    def __getitem__(self, index: t.Any) -> t.Any:
        return self._look_up()[index]


def _show(result: dict[str, t.Any], plan: Plan, state: State, form: Form) -> None:
    from ansible_collections.kubenode.network.plugins.module_utils._state import render
    from ansible_collections.kubenode.network.plugins.module_utils._state.describe import describe

    result["plan"] = [describe(change, state.tables) for change in plan.changes]
    before, after = render.changes_both_ways(plan.changes)
    if form.document:
        before, after = render.document(before), render.document(after)
    result["before"], result["after"] = before, after
    if form.diff:
        result["diff"] = render.diff(plan.changes, before, after)


def _carry_out(
    result: dict[str, t.Any], desired: Desired, target: Target, plan: Plan, before: State, owned: Owned, need: Need,
    root: str,
) -> None:  # fmt: skip
    from ansible_collections.kubenode.network.plugins.module_utils._state.apply import Interrupts, apply, roll_back
    from ansible_collections.kubenode.network.plugins.module_utils._state.verify import verify

    ahead = records.union(owned, plan.owned)
    written = [change.name for change in plan.changes if change.kind == "file"]
    need = need._replace(files=tuple(dict.fromkeys((*need.files, *written))))
    with Interrupts() as interrupts:
        _record(ahead, owned, root)
        try:
            done = apply(plan.changes, before, root, interrupts.check)
            try:
                after = observe(need, root)
                if any(change.kind == "activate" for change in plan.changes):
                    from ansible_collections.kubenode.network.plugins.module_utils._state.activate import as_read

                    plan = as_read(plan, after)
                problems = verify(target, plan, before, after)
                if problems:
                    text = "; ".join(problems)
                    raise StateError(f"the node does not hold what was planned: {text}")  # noqa: TRY301
                if desired.paths:
                    result["evidence"] = _ask(desired, after)
                _record(plan.owned, ahead, root)
                interrupts.check()
            except (StateError, NetlinkError) as error:
                raised = roll_back(done, before, root, str(error))
                raised.details.update(error.details if isinstance(error, StateError) else {})
                raise raised from error
            except BaseException:
                # A fault of ours is no reason to leave a node half changed.
                roll_back(done, before, root, "")
                raise
        except BaseException as error:
            left = isinstance(error, StateError) and not error.details.get("rolled_back", True)
            records.save(ahead if left else owned, root)
            raise


def _record(owned: Owned, written: Owned, root: str) -> None:
    if owned != written:
        records.save(owned, root)


def _ask(desired: Desired, state: State) -> list[dict[str, t.Any]]:
    from ansible_collections.kubenode.network.plugins.module_utils._state import paths

    evidence = paths.ask(desired.paths, state)
    failed = paths.failures(evidence)
    if failed:
        raise StateError("\n".join(failed), evidence=evidence)
    return evidence
