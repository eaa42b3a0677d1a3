/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* option-serial.h - what gmem-vmm's options connect a serial port to */
#pragma once

#include <glib.h>

#include "vmm/machine/machine.h"

/* The options of one port. */
typedef struct {
	const char *option; /* "console"; the others have "-fd" and "-log-fd" after it */
	const char *where;  /* "stdio", "pty", "null", "file:PATH", or NULL */
	int fd;		    /* or -1 */
	int log_fd;	    /* or -1 */
} SerialOptions;

/*
 * option_open_serial - open what the options of a port say; where or fd has to be given
 * @serial: with descriptors of -1; filled in. What is open after an error stays in it.
 */
gboolean option_open_serial(const SerialOptions *options, MachineSerial *serial, GError **error);
