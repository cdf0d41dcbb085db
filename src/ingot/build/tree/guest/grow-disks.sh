#!/bin/sh
# Let what the image marks as growing fill its disk. Does nothing where the disk is no larger than it was.
set -e
cd /usr/lib/ingot/grow
for definitions in partitions/*; do
    link=/dev/disk/by-partuuid/${definitions#*/}
    udevadm wait --timeout=30 "$link" 2>/dev/null || udevadm settle --timeout=60 || true
    [ -e "$link" ] || continue
    partition=$(readlink -f "$link")
    size=/sys/class/block/${partition#/dev/}/size
    before=$(cat "$size")
    disk=/dev/$(basename "$(dirname "$(readlink -f "/sys/class/block/${partition#/dev/}")")")
    systemd-repart --dry-run=no --definitions="$PWD/$definitions" "$disk"
    if [ "$(cat "$size")" != "$before" ]; then
        # udev reads a changed table anew: until it has, the partitions of a disk not in use come and go.
        udevadm settle --timeout=60 || true
        udevadm wait --timeout=30 "$link" 2>/dev/null || true
    fi
done
if [ -e physical-volumes ] || [ -e logical-volumes ]; then
    # A volume group is complete when all disks are there.
    udevadm settle --timeout=60 || true
fi
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
