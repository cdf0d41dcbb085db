# shellcheck shell=sh disable=SC2154
# A boot script of initramfs-tools (boot=ingot): the root file system is the machine's own disk, read-only inside a
# compressed image on the medium or in the initial RAM disk; what the machine writes stays in memory.
# Without busybox the initial RAM disk has klibc's programs alone: no cp, no rm.

ingot_find_image() {
	if [ -e /ingot/root.squashfs ]; then
		image=/ingot/root.squashfs
		return
	fi
	tries=0
	while [ "$tries" -lt 120 ]; do
		for device in /dev/sr* /dev/vd* /dev/sd* /dev/nvme*n*; do
			[ -b "$device" ] || continue
			/ingot/bin/mount -t iso9660 -o ro "$device" /run/ingot/medium 2>/dev/null || continue
			if [ -e "/run/ingot/medium/ingot/$(cat /ingot/id)" ]; then
				image=/run/ingot/medium/ingot/root.squashfs
				return
			fi
			umount /run/ingot/medium
		done
		sleep 0.5
		tries=$((tries + 1))
	done
	panic "The medium with the image was not found."
}

ingot_find_root() {
	tries=0
	while [ "$tries" -lt 60 ]; do
		for partition in "$disk"p*; do
			[ -b "$partition" ] || continue
			/ingot/bin/mount -o ro,noload "$partition" /run/ingot/system 2>/dev/null ||
				/ingot/bin/mount -o ro "$partition" /run/ingot/system 2>/dev/null || continue
			[ -e /run/ingot/system/etc/os-release ] || [ -L /run/ingot/system/etc/os-release ] && return
			umount /run/ingot/system
		done
		sleep 0.5
		tries=$((tries + 1))
	done
	panic "The image has no root file system."
}

mountroot() {
	for module in loop squashfs overlay isofs sr_mod cdrom ext4 xfs btrfs; do
		modprobe -q "$module" || true
	done
	mkdir -p /run/ingot/medium /run/ingot/image /run/ingot/system /run/ingot/memory
	ingot_find_image
	/ingot/bin/mount -t squashfs -o ro "$(/ingot/bin/losetup --find --show --read-only "$image")" /run/ingot/image
	disk=$(/ingot/bin/losetup --find --show --read-only --partscan /run/ingot/image/disk.raw)
	ingot_find_root
	/ingot/bin/mount -t tmpfs -o mode=0755 memory /run/ingot/memory
	mkdir /run/ingot/memory/changes /run/ingot/memory/work
	/ingot/bin/mount -t overlay -o \
		lowerdir=/run/ingot/system,upperdir=/run/ingot/memory/changes,workdir=/run/ingot/memory/work \
		overlay "$rootmnt"
	# The disk's own partitions are not this machine's.
	echo "# The root file system is in memory." >"$rootmnt/etc/fstab"
	[ ! -e "$rootmnt/etc/repart.d/50-root.conf" ] || ln -sf /dev/null "$rootmnt/etc/repart.d/50-root.conf"
	ln -sf /dev/null "$rootmnt/etc/systemd/system/ingot-grow-disks.service"
	for word in $(cat /proc/cmdline); do
		case "$word" in
		ingot.install=*)
			cat /ingot/install >"$rootmnt/usr/lib/ingot-install"
			cat /ingot/install.service >"$rootmnt/etc/systemd/system/ingot-install.service"
			mkdir -p "$rootmnt/etc/systemd/system/multi-user.target.wants"
			ln -s ../ingot-install.service "$rootmnt/etc/systemd/system/multi-user.target.wants/"
			;;
		esac
	done
}
