#!/bin/sh
# One line of JSON on standard output, once the boot has settled.
state=$(systemctl is-system-running --wait)
failed=$(systemctl list-units --failed --plain --no-legend | cut -d' ' -f1)
names='' count=0
for unit in $failed; do
    names="$names${names:+,}\"$unit\""
    count=$((count + 1))
done
firmware=bios
[ -d /sys/firmware/efi ] && firmware=efi
root_size=$(df --block-size=1 --output=size / | tail -n 1 | tr -d ' ')
swap_size=0
for size in $(swapon --bytes --noheadings --show=SIZE); do
    swap_size=$((swap_size + size))
done
mounts=$(findmnt --json --bytes --list --real --output TARGET,FSTYPE,SIZE | tr -d '\n')
seconds=$(cut -d' ' -f1 /proc/uptime)
printf '{"state":"%s","failed_units":%d,"failed":[%s],"hostname":"%s","kernel":"%s","firmware":"%s","root_size":%s,"seconds":%s,"swap_size":%s,"mounts":%s}\n' \
    "$state" "$count" "$names" "$(cat /etc/hostname)" "$(uname -r)" "$firmware" "$root_size" "$seconds" "$swap_size" "${mounts:-null}"
