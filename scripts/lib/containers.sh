# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2154
#
# Containers for extensions/molecule (`source` it after environment.sh): their engine, and its configuration where the
# engine as it is installed does not start any.

# kn_containers: brings podman and exports CONTAINERS_CONF where it needs ours. Returns KN_UNAVAILABLE, after saying why.
kn_containers() {
  if [ "${KUBENODE_ENGINE:-podman}" = docker ]; then
    docker info >/dev/null 2>&1 && return 0
    kn_say "KUBENODE_ENGINE says docker, and no docker daemon answers: start it, or take podman (unset KUBENODE_ENGINE)"
    return $KN_UNAVAILABLE
  fi
  [ "$(id -u)" = 0 ] || {
    kn_say "containers with NICs of ours want root: sudo scripts/test molecule"
    return $KN_UNAVAILABLE
  }
  kn_need podman=podman runc=runc crun=crun conmon=conmon catatonit=catatonit mmdebstrap=mmdebstrap ip=iproute2 nsenter=util-linux ||
    return $KN_UNAVAILABLE
  kn_container_starts && return 0
  # Where root lacks CAP_SYS_RESOURCE (itself in a container or a small virtual machine) podman's default limits cannot be
  # set, and crun does not do with cgroups of both versions beside each other.
  if [ -z "${CONTAINERS_CONF:-}" ]; then
    export CONTAINERS_CONF=$kn_cache/containers.conf
    mkdir -p "$kn_cache"
    cat >"$CONTAINERS_CONF.$$" <<'END'
[containers]
default_ulimits = ["nofile=8192:8192", "nproc=8192:8192"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
END
    mv "$CONTAINERS_CONF.$$" "$CONTAINERS_CONF"
    kn_container_starts && return 0
  fi
  kn_say "podman starts no container here: $kn_container_error"
  return $KN_UNAVAILABLE
}

# The smallest container there is: one static program.
kn_container_starts() {
  local image=localhost/kubenode-start:latest
  kn_container_error=$({
    podman image exists "$image" ||
      tar -C / -chf - usr/bin/catatonit | podman import - "$image" >/dev/null 2>&1 || echo "no image can be imported" >&2
    podman run --rm --network none "$image" /usr/bin/catatonit -V
  } 2>&1 >/dev/null) && return 0
  return 1
}
