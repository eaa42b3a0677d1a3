/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmm-command.h - the command line of a domain's VMM, and the descriptors that it names
 *
 * Theory of operation
 *
 * Arguments are added one by one. One that is a descriptor gets the next free number of the
 * VMM's, from 3 on, whatever its number is here. docs/man/gmem-vmm.rst describes the options.
 * What the VMM does without being told is not said, so that a simple domain has a short line.
 *
 * Files are opened as safe-file.h says. Those that the VMM would fill are not its own: it gets
 * a pipe, and gmem-logger the file.
 */
#pragma once

#include <glib.h>

#include "driver/conf/domain-def.h"
#include "driver/vmm/vmm-logger.h"
#include "driver/vmm/vmm-process.h"
#include "driver/vmm/vmm-storage.h"

/* A disk that QEMU's storage daemon, which is started before the VMM, is to serve. */
typedef struct {
	const DomainDisk *disk; /* lent */
	GPtrArray *chain;	/* of image_chain_open() */
} VmmServedDisk;

/* A passt that is to be started before the VMM. */
typedef struct {
	const DomainInterface *interface; /* lent */
	int socket;			  /* its end; the command's own */
} VmmPasst;

typedef struct {
	GPtrArray *argv;	   /* of char * */
	GArray *descriptors;	   /* of JailDescriptor; the sources are the command's own */
	VmmLoggerStreams *streams; /* for the logger: what the VMM writes to files */
	GArray *passts;		   /* of VmmPasst */
	const char *storage_path;  /* of VmmStorageDomain; the caller's */
	VmmStorageSockets storage; /* without any where no disk is served */
	GArray *served;		   /* of VmmServedDisk */
	guint n_links;		   /* of the definition's network cards: those with a link */
	guint64 largest_file;	   /* bytes: of those that the VMM itself may write to */
	uid_t vmm_uid; /* whom files that are written to may belong to; the caller's at first */
} VmmCommand;

void vmm_command_init(VmmCommand *command);

/* Closes the descriptors and what the logger's streams have; the arguments stay. */
void vmm_command_close(VmmCommand *command);

void vmm_command_clear(VmmCommand *command);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VmmCommand, vmm_command_clear)

void vmm_command_add(VmmCommand *command, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* --OPTION=NUMBER for a descriptor, which is taken over. */
void vmm_command_add_descriptor(VmmCommand *command, const char *option, int fd);

/*
 * vmm_command_add_device - open a device and add it
 * @path: a device of the host's, not one that a definition names
 * @flags: of open()
 *
 * Return: FALSE with VIR_ERR_SYSTEM_ERROR that names @path.
 */
gboolean vmm_command_add_device(VmmCommand *command, const char *option, const char *path,
				int flags, GError **error);

/*
 * vmm_command_add_machine - all that needs no descriptor
 *
 * Return: FALSE with VIR_ERR_CONFIG_UNSUPPORTED where the clock cannot be as it is wanted: the
 * host does not know its timezone, say.
 */
gboolean vmm_command_add_machine(VmmCommand *command, const DomainDef *def, GError **error);

/*
 * vmm_command_add_boot - what the machine begins with: firmware, kernel, initrd
 * @bios: path of the BIOS of a domain that names neither firmware nor kernel
 * @linuxboot_rom: path of the option ROM with which a BIOS starts a kernel
 *
 * Return: FALSE with DRIVER_ERROR that names the file.
 */
gboolean vmm_command_add_boot(VmmCommand *command, const DomainDef *def, const char *bios,
			      const char *linuxboot_rom, GError **error);

/*
 * vmm_command_add_serials - the serial ports and the debug console
 * @def: alias and, of a terminal, path are filled in
 *
 * Return: FALSE with DRIVER_ERROR that names the file.
 */
gboolean vmm_command_add_serials(VmmCommand *command, DomainDef *def, GError **error);

/*
 * vmm_command_add_devices - I/O threads, network cards, disks, sources of random numbers, consoles
 *	and channels
 * @def: the devices have their aliases, and channels their paths; of network cards, the names of
 *	 the host's devices are filled in, of disks, what is behind their images, and of consoles
 *	 and channels the terminals
 *
 * Return: FALSE with DRIVER_ERROR that names the device and the file.
 */
gboolean vmm_command_add_devices(VmmCommand *command, DomainDef *def, GError **error);
