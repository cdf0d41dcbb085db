#!/bin/sh
# Write the image of this medium to a disk, without a question, and switch the machine off.
#   ingot.install=auto      the first disk that is large enough
#   ingot.install=/dev/sdb  that disk
set -eu
image=/run/ingot/image/disk.raw
size=$(stat -c %s "$image")

fail() {
	echo "ingot-install: $1" >&2
	exit 1
}

target=auto
for word in $(cat /proc/cmdline); do
	case "$word" in
	ingot.install=*) target=${word#ingot.install=} ;;
	esac
done
if [ "$target" = auto ]; then
	target=
	for name in $(lsblk --nodeps --noheadings --output NAME --exclude 1,7,11); do
		[ "$(lsblk --nodeps --noheadings --bytes --output TYPE "/dev/$name")" = disk ] || continue
		[ "$(cat "/sys/block/$name/ro")" = 0 ] || continue
		grep -q "^/dev/$name" /proc/mounts && continue
		[ "$(blockdev --getsize64 "/dev/$name")" -ge "$size" ] || continue
		target=/dev/$name
		break
	done
	[ -n "$target" ] || fail "no disk of at least $((size / 1048576)) MB was found"
fi
[ -b "$target" ] || fail "$target is no disk"
[ "$(blockdev --getsize64 "$target")" -ge "$size" ] ||
	fail "$target is too small: it needs at least $((size / 1048576)) MB"

echo "ingot-install: writing $((size / 1048576)) MB to $target"
# Zeros first, where the disk has a quick way: then only what is not zero has to be written.
sparse=
if blkdiscard --force --zeroout --length "$size" "$target" 2>/dev/null; then
	sparse=sparse,
fi
dd if="$image" of="$target" bs=4M conv="${sparse}fsync" status=none
# The second copy of the partition table belongs at the end of the disk, however large that is.
sfdisk --quiet --relocate gpt-bak-std "$target" || true
sync
echo "ingot-install: done; remove the medium and start the machine from its disk"
systemctl poweroff
