/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * system-calls.h - which system calls gmem-logger may make
 *
 * What a VMM that has been taken over can do to its logger is to write bytes into pipes, so a
 * mistake in what reads them would have to be found first. After it, this is what is left: the
 * files and folders that are open, to be written, renamed and begun anew.
 */
#pragma once

#include <glib.h>

/*
 * logger_system_calls_confine - end the process at any call but those
 *
 * With one thread, when all files are open. A build with a sanitizer does nothing, and succeeds.
 *
 * Return: FALSE with @error set where the kernel has no such filters.
 */
gboolean logger_system_calls_confine(GError **error);
