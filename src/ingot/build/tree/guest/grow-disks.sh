#!/bin/sh
# Let what the image marks as growing fill its disk. Does nothing where the disk is no larger than it was.
set -e
cd /usr/lib/ingot/grow
udevadm settle --timeout=60 || true
for definitions in partitions/*; do
    [ -e "/dev/disk/by-partuuid/${definitions#*/}" ] || continue
    partition=$(readlink -f "/dev/disk/by-partuuid/${definitions#*/}")
    disk=/dev/$(basename "$(dirname "$(readlink -f "/sys/class/block/${partition#/dev/}")")")
    systemd-repart --dry-run=no --definitions="$PWD/$definitions" "$disk"
done
if [ -e physical-volumes ]; then
    while read -r volume; do
        device=$(pvs --noheadings --options pv_name --select "pv_uuid=$volume" | tr -d ' ')
        [ -z "$device" ] || pvresize --quiet "$device"
    done <physical-volumes
fi
if [ -e logical-volumes ]; then
    while read -r volume; do
        free=$(vgs --noheadings --options vg_free_count "${volume%/*}" | tr -d ' ')
        [ "${free:-0}" -eq 0 ] || lvextend --quiet --extents +100%FREE "$volume"
    done <logical-volumes
fi
