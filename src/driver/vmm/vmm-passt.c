/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm-passt.c - passt as a process: one for each network card of the type 'user' */
#include "driver/vmm/vmm-passt.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/network/passt.h"

/* How long one that was told to end may take. */
#define END_SECONDS 10

/* How long one may take until it says that it serves. */
#define READY_SECONDS 10

/* What is kept of what it says until then. */
#define WORDS_MAX 4096

/* Its standard error, as a file of its own. */
#define READY_FILE "/proc/self/fd/2"

static void free_passt(gpointer data)
{
	VmmPasstProcess *passt = data;

	vmm_process_free(passt->process);
	g_free(passt->alias);
	g_free(passt);
}

GPtrArray *vmm_passts_new(void)
{
	return g_ptr_array_new_with_free_func(free_passt);
}

static gboolean spawn(GPtrArray *passts, const Jail *jail, const DomainInterface *interface,
		      int socket, int output, const char *ready_file, GError **error)
{
	const JailDescriptor descriptor = { .source = socket, .target = PASST_SOCKET };
	g_auto(GStrv)
		arguments = passt_arguments(PASST_PROGRAM, interface, PASST_SOCKET, ready_file);
	const JailProgram program = {
		.argv = (const char *const *)arguments,
		.descriptors = &descriptor,
		.n_descriptors = 1,
		.output = output,
	};
	VmmProcess *process = vmm_process_spawn(jail, &program, error);
	VmmPasstProcess *passt;

	if (!process)
		return FALSE;
	passt = g_new0(VmmPasstProcess, 1);
	passt->alias = g_strdup(interface->info.alias);
	passt->process = process;
	g_ptr_array_add(passts, passt);
	return TRUE;
}

gboolean vmm_passt_spawn(GPtrArray *passts, const Jail *jail, const DomainInterface *interface,
			 int socket, int output, GError **error)
{
	return spawn(passts, jail, interface, socket, output, NULL, error);
}

/* Whether one of the lines is a process id. */
static gboolean says_ready(const char *words)
{
	g_auto(GStrv) lines = g_strsplit(words, "\n", -1);

	/* What follows the last newline is no line yet. */
	for (guint i = 0; lines[i] && lines[i + 1]; i++)
		if (*lines[i] && strspn(lines[i], "0123456789") == strlen(lines[i]))
			return TRUE;
	return FALSE;
}

/* Return: FALSE where no more comes, or has come in time. */
static gboolean read_more(int fd, gint64 deadline, GString *words)
{
	const gint64 left = (deadline - g_get_monotonic_time()) / 1000;
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	char text[256];
	gssize size;

	if (left <= 0 || words->len >= WORDS_MAX || poll(&poll_fd, 1, (int)left) <= 0)
		return FALSE;
	size = read(fd, text, sizeof(text));
	if (size > 0)
		g_string_append_len(words, text, size);
	return size > 0;
}

/* Return: whether it serves; @words has what it said, without the line's end. */
static gboolean await_ready(int fd, GString *words)
{
	const gint64 deadline = g_get_monotonic_time() + READY_SECONDS * G_TIME_SPAN_SECOND;

	while (!says_ready(words->str))
		if (!read_more(fd, deadline, words)) {
			g_strchomp(words->str);
			return FALSE;
		}
	return TRUE;
}

static gboolean explain(VmmProcess *process, const char *words, GError **error)
{
	g_autofree char *outcome = NULL;

	vmm_process_end(process, 0);
	outcome = vmm_process_outcome(process);
	return driver_error(error, VIR_ERR_INTERNAL_ERROR, _("passt has ended (%s): %s"),
			    outcome ? outcome : _("unknown outcome"), words);
}

gboolean vmm_passt_start(GPtrArray *passts, const Jail *jail, const DomainInterface *interface,
			 int socket, GError **error)
{
	g_autoptr(GString) words = g_string_new(NULL);
	VmmPasstProcess *passt;
	gboolean is_ready = FALSE;
	int ends[2];

	/* The pipe is opened anew by its name, by whom it belongs to. */
	if (pipe2(ends, O_CLOEXEC) < 0)
		return driver_error(error, VIR_ERR_SYSTEM_ERROR, _("cannot make a pipe: %s"),
				    g_strerror(errno));
	if (fchown(ends[1], jail->uid, jail->gid) < 0) {
		driver_error(error, VIR_ERR_SYSTEM_ERROR,
			     _("cannot give a pipe to the domain's user: %s"), g_strerror(errno));
		close(ends[0]);
		close(ends[1]);
		return FALSE;
	}
	if (!spawn(passts, jail, interface, socket, ends[1], READY_FILE, error)) {
		close(ends[0]);
		close(ends[1]);
		return FALSE;
	}
	close(ends[1]);
	passt = passts->pdata[passts->len - 1];
	is_ready = await_ready(ends[0], words);
	close(ends[0]);
	if (is_ready)
		return TRUE;
	explain(passt->process, words->str, error);
	g_ptr_array_remove_index(passts, passts->len - 1);
	return FALSE;
}

void vmm_passt_end(GPtrArray *passts, const char *alias)
{
	for (guint i = 0; passts && i < passts->len; i++) {
		const VmmPasstProcess *passt = passts->pdata[i];

		if (g_strcmp0(passt->alias, alias) != 0)
			continue;
		vmm_process_end(passt->process, END_SECONDS);
		g_ptr_array_remove_index(passts, i);
		return;
	}
}

void vmm_passts_wait(GPtrArray *passts)
{
	for (guint i = 0; passts && i < passts->len; i++)
		vmm_process_end(((VmmPasstProcess *)passts->pdata[i])->process, END_SECONDS);
}
