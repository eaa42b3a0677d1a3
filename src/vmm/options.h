/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * options.h - the command line of gmem-vmm
 *
 * docs/man/gmem-vmm.rst describes each option. Everything is checked here, so that what
 * follows works with open descriptors and numbers in range.
 */
#pragma once

#include <glib.h>

#include "vmm/machine/machine.h"
#include "vmm/sandbox/sandbox.h"

typedef struct {
	MachineConfig machine;
	char *command_line;	 /* owner of machine.command_line */
	char *firmware_names[3]; /* owners of what machine has of that kind */
	/* Owners of what machine points to by the same names, or by cpu.features. */
	GArray *cpu_features;
	GPtrArray *smbios;
	GArray *numa_cells;
	GPtrArray *devices;
	DescriptorTable *descriptors; /* closes at the end what no device has taken */
	char *name;		      /* or NULL */
	int monitor_fd;		      /* a listening socket, or -1 */
	char *monitor_path;	      /* to unlink at the end, or NULL */
	gboolean is_paused;
	gboolean console_is_terminal; /* standard input and output, to be made raw */
	guint traces;		      /* LogTrace bits */
	SandboxConfig sandbox;
} Options;

/*
 * options_parse - read and check the command line; open what it names
 * @arguments: NULL-terminated, argv[0] first
 *
 * Return: FALSE with @error set, or with @error unset where --help or --version has been
 * answered and the program is done.
 */
gboolean options_parse(Options *options, char **arguments, GError **error);

/* Return: an array of int for g_array_unref(): all that is open for the options. */
GArray *options_descriptors(const Options *options);

/* Closes what was opened. */
void options_clear(Options *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

/*
 * options_parse_size - a number of bytes: digits and K, M or G; without a letter, MiB
 *
 * Exposed for the tests.
 */
gboolean options_parse_size(const char *text, guint64 *bytes, GError **error);
