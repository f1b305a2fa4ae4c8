# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# What scripts/env, scripts/test and scripts/lab share (`source` it): where the caches are, Debian packages, Pythons
# and virtual environments. Everything is built once, outside the checkout, keyed by what it was built from.
#
#   kn_root     the checkout
#   kn_cache    ${XDG_CACHE_HOME:-~/.cache}/kubenode-network
#   kn_tree     this checkout's own folder in the cache; holds ansible_collections/kubenode/network -> kn_root

# Scripts that cannot run a thing here, with the way out printed, end with this status (automake's "skipped").
KN_UNAVAILABLE=77

kn_say() { printf '[%s] %s\n' "${kn_name:-env}" "$*" >&2; }

kn_die() {
  kn_say "$*"
  exit 1
}

kn_init() {
  kn_root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
  # An ordinary user's PATH lacks ip, nft, modprobe on Debian.
  case ":$PATH:" in *:/usr/sbin:*) ;; *) export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" ;; esac
  if [ -z "${HOME:-}" ]; then HOME=$(getent passwd "$(id -u)" | cut -d: -f6) && export HOME; fi
  case ${XDG_CACHE_HOME:-} in
    /*) kn_cache=$XDG_CACHE_HOME/kubenode-network ;;
    *) kn_cache=$HOME/.cache/kubenode-network ;;
  esac
  local key name=${kn_root##*/}
  key=$(printf '%s' "$kn_root" | sha256sum)
  kn_tree=$kn_cache/checkouts/${name//[^A-Za-z0-9._-]/_}-${key:0:12}
  local link=$kn_tree/ansible_collections/kubenode/network
  if [ ! "$link" -ef "$kn_root" ]; then
    mkdir -p "${link%/*}" || kn_die "cannot write to $kn_cache: set XDG_CACHE_HOME to a folder of yours"
    ln -sfn "$kn_root" "$link"
  fi
}

# kn_need COMMAND=PACKAGE...: installs the Debian packages of commands that are missing (root only).
# An absolute path stands for a file. Returns 1, after saying what an administrator must install, when some stay missing.
kn_need() {
  local pair packages=() commands=()
  for pair in "$@"; do
    if [[ $pair == /* ]] && [ -e "${pair%%=*}" ]; then continue; fi
    command -v -- "${pair%%=*}" >/dev/null && continue
    commands+=("${pair%%=*}")
    packages+=("${pair#*=}")
  done
  [ ${#packages[@]} -gt 0 ] || return 0
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && kn_apt "${packages[@]}"; then return 0; fi
  kn_say "missing: ${commands[*]}. An administrator installs them with: apt-get install ${packages[*]}"
  return 1
}

kn_apt() {
  local log=$kn_cache/apt.log update=0
  mkdir -p "$kn_cache"
  kn_say "installing Debian packages: $*"
  exec 8>"$kn_cache/apt.lock"
  flock 8
  for update in 0 1; do
    if [ $update = 1 ]; then
      kn_say "refreshing Debian's package lists"
      apt-get -o DPkg::Lock::Timeout=300 update </dev/null >>"$log" 2>&1 || true
    fi
    if DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@" \
      </dev/null >>"$log" 2>&1; then
      exec 8>&-
      return 0
    fi
  done
  exec 8>&-
  kn_say "apt-get could not install them, see $log:"
  tail -n 5 "$log" >&2
  return 1
}

# kn_python VERSION: prints the path of a CPython of that version (3.11) that can make virtual environments.
# The real executable, not a pyenv shim: a shim's answer changes with the folder it is called in.
kn_python() {
  local candidate
  for candidate in "python$1" "/usr/bin/python$1" "/usr/local/bin/python$1" \
    "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python \
    "$HOME"/.local/share/uv/python/cpython-"$1".*/bin/python"$1" /opt/python*/bin/python"$1"; do
    command -v -- "$candidate" >/dev/null || continue
    PYTHONPATH='' "$candidate" -c '
import sys, venv, ensurepip, ctypes, ssl, zlib
print(getattr(sys, "_base_executable", None) or sys.executable)
sys.exit("%d.%d" % sys.version_info[:2] != sys.argv[1] or sys.implementation.name != "cpython")' "$1" 2>/dev/null &&
      return 0
  done
  return 1
}

# kn_venv NAME REQUIREMENTS VERSION...: makes the virtual environment once, with the first Python of these that is
# found, and sets kn_venv_path to it. Returns KN_UNAVAILABLE when none is found.
kn_venv() {
  local name=$1 requirements=$2 hash python='' version files
  shift 2
  mapfile -t files < <(cd "$kn_root/requirements" && {
    echo "$requirements"
    sed -nE 's/^-[rc] //p' "$requirements"
  })
  hash=$(cd "$kn_root/requirements" && cat -- "${files[@]}" | sha256sum)
  kn_venv_path=$kn_cache/venvs/$name-${hash:0:12}
  [ -e "$kn_venv_path/.ready" ] && [ -x "$kn_venv_path/bin/python" ] && return 0
  for version in "$@"; do
    python=$(kn_python "$version") && break
  done
  if [ -z "$python" ]; then
    # Debian's python3 comes without the modules that make environments.
    [[ " $* " == *" 3.11 "* ]] || return $KN_UNAVAILABLE
    kn_need /usr/lib/python3.11/ensurepip/__init__.py=python3-venv || return $KN_UNAVAILABLE
    python=$(kn_python 3.11) || return $KN_UNAVAILABLE
  fi
  mkdir -p "$kn_cache/venvs" || kn_die "cannot write to $kn_cache: set XDG_CACHE_HOME to a folder of yours"
  exec 9>"$kn_venv_path.lock"
  flock -n 9 || {
    kn_say "$name: another run is building it, waiting"
    flock 9
  }
  if [ ! -e "$kn_venv_path/.ready" ] || [ ! -x "$kn_venv_path/bin/python" ]; then
    kn_say "$name: making the environment with $python"
    rm -rf "$kn_venv_path"
    env -u PYTHONPATH -u PYTHONHOME "$python" -m venv "$kn_venv_path" || kn_die "$name: venv failed"
    if ! env -u PYTHONPATH -u PYTHONHOME -u PIP_TARGET -u PIP_USER "$kn_venv_path/bin/python" -m pip install \
      --disable-pip-version-check --no-input --progress-bar off -r "$kn_root/requirements/$requirements" \
      </dev/null 2>&1 | tee "$kn_venv_path/pip.log" | kn_pip_progress "$name"; then
      tail -n 20 "$kn_venv_path/pip.log" >&2
      kn_die "$name: pip could not install requirements/$requirements (log: $kn_venv_path/pip.log)"
    fi
    touch "$kn_venv_path/.ready"
  fi
  exec 9>&-
}

kn_pip_progress() {
  awk -v name="[${kn_name:-env}] $1" '
    /^Collecting/ && ++n % 20 == 0 { print name ": " n " packages fetched, now " $2; fflush() }
    /^Installing collected/ { print name ": installing " n " packages"; fflush() }' >&2
}

# kn_controller CORE: the environment with that ansible-core (2.19, 2.21).
kn_controller() {
  case $1 in
    2.19) kn_venv core-2.19 core-2.19.txt 3.11 3.12 3.13 ;;
    2.21) kn_venv core-2.21 core-2.21.txt 3.12 3.13 3.14 ;;
    *) kn_die "ansible-core $1 is not one of those tested: 2.19, 2.21" ;;
  esac
}

# kn_pythons: the Pythons of nodes (3.9 to 3.13) that are found here, a line each.
kn_pythons() {
  local version python
  for version in 3.9 3.10 3.11 3.12 3.13; do
    if python=$(kn_python "$version"); then echo "$version $python"; fi
  done
}

# kn_unshare: sets the array kn_unshare_command to what starts a command in private network and mount namespaces.
kn_unshare() {
  local flags
  for flags in -nm -Urnm; do
    [ "$flags" = -nm ] && [ "$(id -u)" != 0 ] && continue
    kn_unshare_command=(unshare "$flags" --propagation private --)
    "${kn_unshare_command[@]}" true 2>/dev/null && return 0
  done
  kn_say "no private namespaces here: neither root's nor a user's (unshare -Urnm). As an administrator:" \
    "sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=15000" \
    "(Ubuntu: kernel.apparmor_restrict_unprivileged_userns=0), or run as root."
  return $KN_UNAVAILABLE
}
