# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell of the way back: it stands beside the journal, and needs sh, coreutils, grep, sed and iproute2 alone.

``UNDO`` is the same for every transaction; what is to be done says ``steps/NN/undo.sh`` (``script.py``) by calling its
functions. Everything in it may be done from any point of a plan that was carried out in part, and twice.
"""

from __future__ import annotations

import shlex


def undo_script(boot: str, network: str) -> str:
    """``undo.sh`` of a transaction that was opened in this boot (``store.boot``) and network namespace."""
    return f"#!/bin/sh\nBOOT={shlex.quote(boot)}\nNETWORK={shlex.quote(network)}\n{UNDO}"


UNDO = r"""# Puts this node back to what it was before the transaction whose folder this is.
#   sh undo.sh [now]      at once
#   sh undo.sh watchdog   only when its time is up
#   sh undo.sh wait       wait until then (where no systemd has timers)
#   sh undo.sh resume     go on with a way back that was broken off
#   sh undo.sh boot       after a restart of the node: only the files
# Exit status: 0 it is done (problems, if any, are in the file "problems"), 1 somebody else has claimed the transaction,
# 2 this is not the node, the network namespace or the boot that it was written in.
set -uf
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
unset POSIXLY_CORRECT
umask 077
cd -- "${0%/*}" || exit 2
here=$(pwd -P)
mode=${1:-now}
# The node runs on when the shell that asked for this is gone.
trap '' HUP PIPE

# Started by systemd, what is printed is in its journal.
say() {
  printf '%s\n' "$*"
  { printf '%s\n' "$*" >>messages; } 2>/dev/null
}

problem() {
  printf '%s\n' "$*"
  { printf '%s\n' "$*" >>problems; } 2>/dev/null
  [ -e problems ] || failed=1
}

# Whether the process of a file with its number and start time runs; a zombie does not.
alive() {
  pid='' start=''
  { read -r pid start <"$1"; } 2>/dev/null
  [ -n "$start" ] || return 1
  stat=''
  { read -r stat <"/proc/$pid/stat"; } 2>/dev/null
  [ -n "$stat" ] || return 1
  # shellcheck disable=SC2086
  set -- ${stat##*) }
  case $1 in Z | X) return 1 ;; esac
  shift 19
  [ "$1" = "$start" ]
}

# The kernel's boot and the start of process 1, which tells one start of a container from the next.
boot_of() {
  read -r boot </proc/sys/kernel/random/boot_id
  { read -r stat </proc/1/stat; } 2>/dev/null || stat=') 0'
  # shellcheck disable=SC2086
  set -- ${stat##*) }
  [ $# -lt 20 ] || shift 19
  printf '%s %s\n' "$boot" "$1"
}

uptime_of() {
  read -r seconds rest </proc/uptime
  printf '%s\n' "${seconds%.*}"
}

# --- files ---

# Whether $path is as $base.$1 says: a text, a link, or nothing at all.
is_as() {
  if [ -e "$base.$1.link" ]; then
    [ -L "$path" ] && [ "$(readlink -- "$path")" = "$(cat -- "$base.$1.link")" ]
  elif [ -e "$base.$1" ]; then
    [ ! -L "$path" ] && [ -f "$path" ] && [ "$(sha256sum <"$path")" = "$(sha256sum <"$base.$1")" ]
  else
    [ ! -e "$path" ] && [ ! -L "$path" ]
  fi
}

# file_back NUMBER PATH MODE OWNER [any]: with "any" whatever stands there now is overwritten.
file_back() {
  base=$step/files/$1 path=$2
  if is_as before; then
    [ ! -e "$base.before" ] || [ -L "$path" ] || chmod -- "$3" "$path"
    return
  fi
  if [ "${5:-}" != any ] && ! is_as after; then
    say "$path was changed by somebody else after this transaction had written it, and is kept." \
      "As it was before the transaction: $here/$base.before"
    return
  fi
  case $path in */etc/netplan/*) netplan=1 ;; esac
  new=${path%/*}/.${path##*/}.kubenode
  [ -d "${path%/*}" ] || (umask 022 && mkdir -p -- "${path%/*}")
  rm -f -- "$new"
  if [ -e "$base.before.link" ]; then
    ln -s -- "$(cat -- "$base.before.link")" "$new" && mv -f -- "$new" "$path" || problem "$path: could not be put back"
  elif [ -e "$base.before" ]; then
    text_back "$3" "$4" || problem "$path: could not be put back; its text: $here/$base.before"
  else
    rm -f -- "$path" || problem "$path: could not be removed"
  fi
}

text_back() {
  if {
    if [ -f "$path" ] && [ ! -L "$path" ]; then cp -p -- "$path" "$new"; else : >"$new" && chown -- "$2" "$new"; fi
    cat -- "$base.before" >"$new" && chmod -- "$1" "$new" && mv -f -- "$new" "$path"
  } 2>/dev/null; then
    ! command -v restorecon >/dev/null || restorecon "$path"
    return 0
  fi
  rm -f -- "$new"
  # A mount of its own cannot be replaced.
  cat -- "$base.before" >"$path" && chmod -- "$1" "$path"
}

# folder_back PATH: one that was not there before, if nothing is in it.
folder_back() {
  { rmdir -- "$1"; } 2>/dev/null
}

# --- programs ---

# run_back PROGRAM ARGUMENT...
run_back() {
  [ "$mode" != boot ] || return
  limit=''
  ! command -v timeout >/dev/null || limit='timeout 60'
  said=$($limit "$@" </dev/null 2>&1) || problem "$*: failed with $?: $said"
}

# --- the kernel ---

# Lines of ip that change nothing where it is so already.
batch() {
  [ "$mode" != boot ] || return
  [ ! -s "$step/$1.batch" ] || ip -force -batch "$step/$1.batch"
  [ ! -s "$step/$1-6.batch" ] || ip -6 -force -batch "$step/$1-6.batch"
} >/dev/null 2>&1

# restored FILE OBJECT...: what only the kernel's own bytes can say.
raw() {
  [ "$mode" != boot ] || return
  [ ! -s "$step/$1.$2" ] || ip "$2" restore <"$step/$1.$2"
} >/dev/null 2>&1

complaints() {
  {
    [ ! -s "$step/$1.batch" ] || ip -force -batch "$step/$1.batch"
    [ ! -s "$step/$1-6.batch" ] || ip -6 -force -batch "$step/$1-6.batch"
  } 2>&1 >/dev/null | grep -iv -e 'file exists' -e 'already assigned' -e '^Command failed' | sort -u
}

# What was there before is there: it takes a while where a new address is not through with its duplicate detection.
# With "halfway" only where the plan was broken off.
ensure() {
  [ "$mode" != boot ] || return
  [ "${2:-}" != halfway ] || [ ! -e "$step/outcome.json" ] || return
  tries=0
  while left=$(complaints "$1") && [ -n "$left" ]; do
    tries=$((tries + 1))
    [ $tries -lt 12 ] || break
    sleep 0.25 2>/dev/null || sleep 1
  done
  [ -z "$left" ] || problem "ip could not put everything back ($here/$step/$1.batch): $left"
}

kind_of() {
  ip -o -d link show dev "$1" type "$2" 2>/dev/null
}

link_gone() {
  [ "$mode" != boot ] || return
  [ -z "$(kind_of "$1" "$2")" ] || ip link delete dev "$1" || problem "link $1: could not be removed"
} >/dev/null 2>&1

# link_made NAME NUMBER: unless it is there; link_set: it is made what it was.
link_made() {
  [ "$mode" != boot ] || return
  [ -e "/sys/class/net/$1" ] || ip link show dev "$1" >/dev/null 2>&1 || lines "link-$2"
}

link_set() {
  [ "$mode" != boot ] || return
  lines "link-$1"
}

lines() {
  while read -r words; do
    # shellcheck disable=SC2086
    ip $words </dev/null >/dev/null 2>&1
  done <"$step/$1.lines"
}

# sysctl_back NUMBER FILE BEFORE AFTER: unless somebody else has set it to something else since.
sysctl_back() {
  [ "$mode" != boot ] || return
  value=$(cat -- "$2" 2>/dev/null) || return
  # shellcheck disable=SC2086
  set -- "$1" "$2" "$3" "$4" $value
  number=$1 file=$2 before=$3 after=$4
  shift 4
  [ "$*" != "$after" ] || [ "$after" = "$before" ] || {
    : >"$step/sysctl-$number.set"
    printf '%s\n' "$before" >"$file" || problem "$file: could not be set to $before"
  }
}

# follower_back NUMBER FILE VALUE: what the kernel set along with setting NUMBER.
follower_back() {
  [ "$mode" != boot ] && [ -e "$step/sysctl-$1.set" ] && [ -e "$2" ] || return
  printf '%s\n' "$3" >"$2" || problem "$2: could not be set to $3"
}

nft_back() {
  [ "$mode" != boot ] || return
  said=$(nft -f "$step/nft" 2>&1) || problem "nft: $said"
}

# What others have, around steps that make the kernel drop more than is asked. Ours is put back by itself; routes of the
# kernel (2) and of router advertisements (9) come by themselves.
others_saved() {
  [ "$mode" != boot ] || return
  rm -rf -- "$step/others"
  mkdir "$step/others" || return
  for family in 4 6; do
    for protocol in $(ip -N -d -$family route show table all | sed -n 's/.* proto \([0-9]*\).*/\1/p' | sort -u); do
      case $protocol in 2 | 9 | 157) continue ;; esac
      ip -$family route save table all proto "$protocol" >"$step/others/$family-$protocol.route"
    done
  done
  ip -o address show permanent | sed 's/\\.*//' >"$step/others/addresses"
} 2>/dev/null

others_back() {
  [ "$mode" != boot ] && [ -d "$step/others" ] || return
  ip -o address show permanent | sed 's/\\.*//' >"$step/others/now"
  while read -r line; do
    grep -Fqxe "$line" "$step/others/now" || address_back "$line"
  done <"$step/others/addresses"
  set +f
  for saved in "$step"/others/*.route; do
    [ ! -s "$saved" ] || ip route restore <"$saved"
  done
  set -f
} >/dev/null 2>&1

# A line of "ip -o address show" as one of "ip address add"; what this transaction made is left out.
address_back() {
  # shellcheck disable=SC2086
  set -- $1
  [ $# -gt 4 ] || return
  device=${2%%@*} family=$3 words="address add $4"
  ! grep -Fqxe "$device $4" "$step/made-addresses" || return
  case $4 in fe80*) return ;; esac
  shift 4
  while [ $# -gt 0 ]; do
    case $1 in
      peer | brd | scope | metric) words="$words $1 $2" && shift ;;
      proto) shift ;;
      noprefixroute | home | mngtmpaddr | nodad | optimistic | autojoin) words="$words $1" ;;
      secondary | tentative | deprecated | dadfailed | stable-privacy) ;;
      *) [ "$family" != inet ] || words="$words label $1" ;;
    esac
    shift
  done
  # shellcheck disable=SC2086
  ip $words dev "$device"
}

# --- whose it is ---

case $mode in
  boot) [ "$(boot_of)" != "$BOOT" ] || exit 2 ;;
  *)
    [ "$(readlink /proc/self/ns/net)" = "$NETWORK" ] && [ "$(boot_of)" = "$BOOT" ] || {
      echo "$here: was written in another network namespace or boot, nothing was touched" >&2
      exit 2
    }
    ;;
esac
if [ "$mode" = wait ]; then
  while [ -e open ] && left=$(($(cat deadline) - $(uptime_of))) && [ "$left" -gt 0 ]; do
    sleep "$left"
  done
  mode=watchdog
fi
if [ "$mode" = watchdog ]; then
  [ "$(uptime_of)" -ge "$(cat deadline)" ] || exit 1
fi
failed=0
netplan=0
mv open rolling-back 2>/dev/null || {
  case $mode in boot | resume) [ -e rolling-back ] || exit 1 ;; *) exit 1 ;; esac
}
{ read -r stat </proc/$$/stat && set -- ${stat##*) } && shift 19 && echo "$$ $1" >undoing; } 2>/dev/null
echo "undoing $here"
if [ "$mode" = watchdog ]; then
  say "No confirmation came within the time that was given."
fi
steps=$(ls -r steps)

# The one who makes the changes must not go on with them.
for name in $steps; do
  step=steps/$name
  if alive "$step/worker"; then
    kill -9 "$pid"
    tries=0
    while alive "$step/worker" && [ $tries -lt 500 ]; do
      tries=$((tries + 1))
      sleep 0.01 2>/dev/null || sleep 1
    done
  fi
  rm -f -- "$step/reserve"
done

for name in $steps; do
  step=steps/$name
  [ ! -e "$step/undone" ] || continue
  # shellcheck disable=SC1090
  . "./$step/undo.sh"
  : >"$step/undone"
done
if [ "$mode$netplan" = boot1 ]; then
  # netplan's generator has run before this, on the files that were to be undone.
  for generate in /usr/libexec/netplan/generate /lib/netplan/generate; do
    [ ! -x "$generate" ] || { "$generate" && break; }
  done
fi >/dev/null 2>&1
if [ -s boot-unit ]; then
  while read -r path; do
    rm -f -- "$path"
  done <boot-unit
fi
sync
[ "$failed" = 0 ] || echo "the disk is full, and there were problems" >&2
mv rolling-back rolled-back
echo "undone: $here"
exit 0
"""
