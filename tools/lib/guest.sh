# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The guest of the demo and of the tests: Debian's cloud kernel as its package has it, and an
# initramfs of busybox, the modules that make a power button work, and those of virtio's devices.

# shellcheck source=tools/lib/packages.sh
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

# Where the guest's files are: vmlinuz and initrd, and memtest.
GMEM_GUEST=$GMEM_CACHE/guest
export GMEM_GUEST

# Loaded in this order: each needs some of those before it.
GUEST_MODULES=(button evdev virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci
	virtio-rng virtio_blk failover net_failover virtio_net virtio_console)

# Whether the modules are there, and are those.
has_guest_modules() {
	[ "$(cat "$GMEM_GUEST/modules/order" 2>/dev/null)" = "$(printf '%s\n' "${GUEST_MODULES[@]}")" ]
}

# Unpacks what is needed of the kernel's package: GMEM_GUEST/vmlinuz and the modules.
fetch_guest_kernel() {
	local package work=$GMEM_GUEST/work module
	package=$(metapackage_target linux-image-cloud-amd64)
	if [ -z "$package" ]; then
		update_lists
		package=$(metapackage_target linux-image-cloud-amd64)
	fi
	[ -n "$package" ] || fail "Debian's linux-image-cloud-amd64 is not in the package lists" || return
	progress "downloading $package"
	rm -rf "$work"
	mkdir -p "$work/tree"
	(cd "$work" && download_package "$package") || fail "$package cannot be downloaded" || return
	dpkg-deb -x "$work"/linux-image-*.deb "$work/tree"
	rm -rf "$GMEM_GUEST/modules"
	mkdir -p "$GMEM_GUEST/modules"
	for module in "${GUEST_MODULES[@]}"; do
		find "$work/tree" -name "$module.ko*" -exec cp {} "$GMEM_GUEST/modules/" \;
	done
	# Debian 13 compresses its modules; insmod of busybox wants them plain.
	find "$GMEM_GUEST/modules" -name '*.xz' -exec xz -d {} +
	printf '%s\n' "${GUEST_MODULES[@]}" >"$GMEM_GUEST/modules/order"
	install -m 644 "$work"/tree/boot/vmlinuz-* "$GMEM_GUEST/vmlinuz.new"
	mv "$GMEM_GUEST/vmlinuz.new" "$GMEM_GUEST/vmlinuz"
	rm -rf "$work"
}

# Unpacks memtest86+, a kernel that is no Linux: GMEM_GUEST/memtest.
fetch_memtest() {
	local work=$GMEM_GUEST/work-memtest program
	[ ! -e "$GMEM_GUEST/memtest" ] || return 0
	progress "downloading memtest86+"
	rm -rf "$work"
	mkdir -p "$work/tree"
	(cd "$work" && download_package memtest86+) || fail "memtest86+ cannot be downloaded" || return
	dpkg-deb -x "$work"/memtest86+_*.deb "$work/tree" || return
	program=$(find "$work/tree/boot" -name '*x64*' ! -name '*.efi' -print -quit)
	[ -n "$program" ] || fail "memtest86+ has no program of 64 bits where it is expected" || return
	mv "$program" "$GMEM_GUEST/memtest"
	rm -rf "$work"
}

make_guest_initramfs() {
	local tree=$GMEM_GUEST/tree parts=$GMEM_SOURCE/tools/guest.d
	rm -rf "$tree"
	# acpid writes its log and its process id.
	mkdir -p "$tree"/{bin,dev,proc,sys,modules,etc/acpi/PWRF,var/log,var/run}
	install -m 755 /bin/busybox "$tree/bin/busybox"
	ln -s busybox "$tree/bin/sh"
	install -m 755 "$parts/init" "$tree/init"
	install -m 755 "$parts/power-button" "$tree/etc/acpi/PWRF/00000080"
	cp "$GMEM_GUEST"/modules/* "$tree/modules/"
	(cd "$tree" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet | gzip -9n) \
		>"$GMEM_GUEST/initrd.new"
	mv "$GMEM_GUEST/initrd.new" "$GMEM_GUEST/initrd"
	rm -rf "$tree"
}

# Unpacks the firmware of one Debian release to a folder of GMEM_GUEST: OVMF's code and
# variables.
fetch_ovmf() {
	local suite=$1 folder=$GMEM_GUEST/ovmf-$1 work=$GMEM_GUEST/work-$1
	[ ! -e "$folder" ] || return 0
	progress "downloading OVMF of $suite"
	rm -rf "$work"
	mkdir -p "$work/tree" "$work/files"
	(cd "$work" && download_from "$suite" ovmf) || fail "ovmf of $suite cannot be downloaded" || return
	dpkg-deb -x "$work"/ovmf_*.deb "$work/tree" || return
	cp "$work"/tree/usr/share/OVMF/OVMF_{CODE,VARS}_4M.fd "$work/files/" ||
		fail "ovmf of $suite has no build of 4 MiB without SMM where it is expected" || return
	mv "$work/files" "$folder"
	rm -rf "$work"
}

# Makes ready what firmware tests boot: two releases' OVMF, and SeaBIOS with the option ROM
# by which it starts a kernel.
prepare_firmware() {
	install_packages ovmf seabios qemu-system-data || return
	mkdir -p "$GMEM_GUEST"
	fetch_ovmf bookworm && fetch_ovmf trixie
}

# Makes the guest's files, once, also where several tools want them at the same time.
prepare_guest() {
	install_packages busybox-static cpio xz-utils
	mkdir -p "$GMEM_GUEST"
	{ flock 8 && make_guest; } 8>"$GMEM_GUEST.lock"
}

# The same; the initramfs anew when what it is made of has changed.
make_guest() {
	local parts=$GMEM_SOURCE/tools/guest.d
	[ -e "$GMEM_GUEST/vmlinuz" ] && has_guest_modules || fetch_guest_kernel || return
	fetch_memtest || return
	if [ ! -e "$GMEM_GUEST/initrd" ] || [ "$parts/init" -nt "$GMEM_GUEST/initrd" ] ||
		[ "$parts/power-button" -nt "$GMEM_GUEST/initrd" ] ||
		[ "$GMEM_SOURCE/tools/lib/guest.sh" -nt "$GMEM_GUEST/initrd" ]; then
		make_guest_initramfs
	fi
}
