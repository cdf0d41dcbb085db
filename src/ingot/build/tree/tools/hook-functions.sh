# shellcheck shell=sh disable=SC1091,SC2154
# initramfs-tools' functions with its slowest one replaced, while an image is built. Copying a module takes the
# original some ten processes; with 700 modules that is most of the time of making an initial RAM disk.
. /run/ingot/hook-functions

manual_add_modules()
{
	[ $# -gt 0 ] || return 0
	# With and without --ignore-install, as the original does: only one shows each kind of dependency.
	added=$(
		{
			/sbin/modprobe --all --set-version="${version}" --ignore-install --quiet --show-depends "$@"
			/sbin/modprobe --all --set-version="${version}" --quiet --show-depends "$@"
		} | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u | while read -r module; do
			[ -e "${DESTDIR}${module}" ] || printf '%s\n' "${module}"
		done
	)
	[ -n "${added}" ] || return 0
	# Below usr/, where the original puts it too.
	printf '%s\n' "${added}" | sed 's|^/lib/|usr/lib/|; s|^/||' \
		| (cd / && cpio --pass-through --make-directories --preserve-modification-time --quiet "${DESTDIR}")
	# shellcheck disable=SC2086
	for firmware in $(modinfo -k "${version}" -F firmware ${added} | sort -u); do
		add_firmware "${firmware}" || true
	done
}

# Several threads give the same bytes as one that works in the same jobs.
zstd()
{
	command zstd -T0 "$@"
}
