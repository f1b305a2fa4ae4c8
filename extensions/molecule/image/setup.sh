#!/bin/sh
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Makes a Debian root with packages.txt installed a node: run inside of it, as the image is built.
set -eu

# Which of them runs is each scenario's own business.
systemctl disable NetworkManager.service systemd-networkd.service systemd-networkd.socket systemd-resolved.service \
  networking.service
# They would act on their own behind the tests' back, or need what a container does not have.
systemctl mask systemd-udevd.service systemd-logind.service systemd-networkd-wait-online.service \
  NetworkManager-wait-online.service console-getty.service getty.target apt-daily.timer apt-daily-upgrade.timer \
  dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer
rm -f /etc/resolv.conf
echo 'nameserver 10.77.0.1' > /etc/resolv.conf

# They exclude systemd-resolved and each other, so scenarios install them when it is their turn:
# dpkg --force-depends --remove systemd-resolved && dpkg --install /opt/packages/openresolv_*.deb
mkdir -p /opt/packages
cd /opt/packages
apt-get download resolvconf openresolv
