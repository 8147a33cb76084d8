#!/bin/busybox sh
# The first process of the guest: the disc of the host, read-only, with file systems of the guest's own; then what the test does; then off.
/bin/busybox --install -s /bin
mount -t proc proc /proc
say() { echo "lab: $* after $(cut -d ' ' -f 1 /proc/uptime) s"; }
nine() { mount -t 9p -o "trans=virtio,version=9p2000.L,msize=262144,$3" "$1" "$2" || say "cannot mount $1"; }
nine hostroot /host ro,cache=loose
mount -t proc proc /host/proc
mount -t sysfs sysfs /host/sys
mount -t configfs configfs /host/sys/kernel/config
mount -t devtmpfs dev /host/dev
mount -t tmpfs tmpfs /host/run
mkdir /host/run/lab
nine lab /host/run/lab rw,cache=none
ip link set lo up
say "the scenario begins"
chroot /host /bin/sh /run/lab/scenario.sh
say "the scenario is over"
poweroff -f
