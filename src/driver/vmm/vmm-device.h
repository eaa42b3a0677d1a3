/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmm-device.h - devices as the VMM is told of them
 *
 * Theory of operation
 *
 * A device is a JSON object with the names that QEMU has for its members, and is the same for a
 * VMM that starts (--device) and for one that runs (device_add). What is behind a device is opened
 * here, and named in the description as the VMM will know the descriptor: by its number, or by the
 * name with which the monitor has sent it. docs/monitor.md describes the members.
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

#include "driver/conf/domain-def.h"

/*
 * vmm_device_open_disk - open what a disk stores its data in
 * @vmm_uid: whom a file that is written to may belong to besides root and the daemon's user
 *
 * A server on the network is connected to, which takes some seconds at most.
 *
 * Return: a descriptor for close(), or -1 with an error that names the disk's target and source.
 */
int vmm_device_open_disk(const DomainDisk *disk, uid_t vmm_uid, GError **error);

/*
 * vmm_device_open_rng - open what random numbers come from
 * @rng: of a device; the kernel's generator needs none
 *
 * Return: a descriptor for close(), or -1 with @error.
 */
int vmm_device_open_rng(const DomainRng *rng, GError **error);

/*
 * Descriptions, for json_object_unref(). The devices have their aliases.
 * An input is one on virtio: those of the chipset are there.
 * @fd: the descriptor's name in the VMM; NULL where an rng has none, and of an empty drive
 * @boot_index: 0 where firmware is not to start from it; see domain_boot_index()
 */
JsonObject *vmm_device_describe_disk(const DomainDisk *disk, const char *fd, guint boot_index);
JsonObject *vmm_device_describe_rng(const DomainRng *rng, const char *fd);
JsonObject *vmm_device_describe_input(const DomainInput *input);
JsonObject *vmm_device_describe_watchdog(const DomainWatchdog *watchdog);
JsonObject *vmm_device_describe_genid(const guint8 *genid);
JsonObject *vmm_device_describe_vmcoreinfo(void);
JsonObject *vmm_device_describe_memballoon(const DomainMemballoon *memballoon);
JsonObject *vmm_device_describe_panic(const DomainPanic *panic);
JsonObject *vmm_device_describe_medium(const DomainDisk *disk, const char *fd);
JsonObject *vmm_device_describe_sata(void);
JsonObject *vmm_device_describe_iothread(guint id);
JsonObject *vmm_device_describe_root_port(const DomainPciController *port);

/* What the VMM knows an I/O thread by, for g_free(), and back: 0 where it is none. */
char *vmm_device_iothread_id(guint id);
guint vmm_device_parse_iothread_id(const char *name);

/*
 * vmm_device_describe_interface - a network card
 * @fds: names up to a NULL: one socket of passt's, or a tap's descriptor for each queue
 */
JsonObject *vmm_device_describe_interface(const DomainInterface *interface, const char *const *fds,
					  guint boot_index);

/*
 * vmm_device_open_rom - what firmware boots by from a network card
 * @fd: -1 where there is none; else the caller's
 *
 * The file that is named. Where none is, QEMU's for the card, if it is installed and of use: the
 * domain's firmware is a BIOS, and to boot from the card; OVMF has a driver. Return: FALSE with
 * @error set where the file that is named cannot be opened.
 */
gboolean vmm_device_open_rom(const DomainDef *def, const DomainInterface *interface, int *fd,
			     GError **error);

/* Adds it to the card's description. @fd: a name */
void vmm_device_describe_rom(JsonObject *description, const char *fd);

/*
 * A controller of consoles and channels, which has to come before them, and one of these.
 * @fd, @log_fd: names, or NULL: none
 */
JsonObject *vmm_device_describe_virtio_serial(const DomainVirtioSerial *controller);
JsonObject *vmm_device_describe_port(const DomainPort *port, const char *fd, const char *log_fd);

/* A description as text, for g_free(). */
char *vmm_device_text(JsonObject *description);
