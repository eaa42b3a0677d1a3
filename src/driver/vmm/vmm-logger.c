/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm-logger.c - the gmem-logger beside a VMM, which writes what the VMM prints */
#include "driver/vmm/vmm-logger.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gi18n.h>
#include <unistd.h>

#include "driver/error.h"

/* How long what is left in the pipes may take to its files. */
#define END_SECONDS 5

/* The first number that a descriptor gets in the logger. */
#define FIRST_DESCRIPTOR 3

typedef struct {
	int pipe; /* the end that is read */
	SafeOutput output;
} VmmLoggerStream;

static void clear_stream(gpointer data)
{
	VmmLoggerStream *stream = data;

	if (stream->pipe >= 0)
		close(stream->pipe);
	safe_output_clear(&stream->output);
}

VmmLoggerStreams *vmm_logger_streams_new(void)
{
	VmmLoggerStreams *streams = g_array_new(FALSE, FALSE, sizeof(VmmLoggerStream));

	g_array_set_clear_func(streams, clear_stream);
	return streams;
}

void vmm_logger_streams_free(VmmLoggerStreams *streams)
{
	if (streams)
		g_array_unref(streams);
}

int vmm_logger_add(VmmLoggerStreams *streams, SafeOutput *output, gboolean is_first, GError **error)
{
	VmmLoggerStream stream = { .pipe = -1, .output = *output };
	int fds[2];

	*output = (SafeOutput)SAFE_OUTPUT_INIT;
	/* A VMM must not stand still because a disk does. */
	if (!g_unix_open_pipe(fds, FD_CLOEXEC, NULL) || fcntl(fds[1], F_SETFL, O_NONBLOCK) < 0) {
		driver_error(error, VIR_ERR_SYSTEM_ERROR, _("cannot make a pipe: %s"),
			     g_strerror(errno));
		clear_stream(&stream);
		return -1;
	}
	stream.pipe = fds[0];
	if (is_first)
		g_array_prepend_val(streams, stream);
	else
		g_array_append_val(streams, stream);
	return fds[1];
}

/* Return: the number that the descriptor gets in the logger. */
static int hand_over(GArray *descriptors, int fd)
{
	const JailDescriptor descriptor = {
		.source = fd,
		.target = FIRST_DESCRIPTOR + (int)descriptors->len,
	};

	g_array_append_val(descriptors, descriptor);
	return descriptor.target;
}

static void add_argument(GPtrArray *argv, GArray *descriptors, const VmmLoggerStream *stream)
{
	const int pipe = hand_over(descriptors, stream->pipe);
	const int file = hand_over(descriptors, stream->output.fd);
	const int folder = hand_over(descriptors, stream->output.place.folder);

	g_ptr_array_add(argv, g_strdup_printf("--stream=%d:%d:%d:%s", pipe, file, folder,
					      stream->output.place.name));
}

static VmmProcess *spawn(const GPtrArray *argv, const Jail *jail, const GArray *descriptors,
			 GError **error)
{
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const JailProgram program = {
		.argv = (const char *const *)argv->pdata,
		.descriptors = (const JailDescriptor *)descriptors->data,
		.n_descriptors = descriptors->len,
		/* The daemon's own standard error may be somebody's who waits for its end. */
		.output = null,
	};
	VmmProcess *process;

	if (null < 0) {
		driver_error(error, VIR_ERR_SYSTEM_ERROR, _("cannot open device '/dev/null': %s"),
			     g_strerror(errno));
		return NULL;
	}
	process = vmm_process_spawn(jail, &program, error);
	close(null);
	return process;
}

VmmProcess *vmm_logger_spawn(const char *program, const Jail *jail, const VmmLogLimits *limits,
			     const VmmLoggerStreams *streams, GError **error)
{
	g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GArray) descriptors = g_array_new(FALSE, FALSE, sizeof(JailDescriptor));
	g_autofree char *may_lack = jail_argument(jail);

	g_ptr_array_add(argv, g_strdup(program));
	g_ptr_array_add(argv, g_strdup_printf("--max-size=%" G_GINT64_FORMAT, limits->max_size));
	g_ptr_array_add(argv, g_strdup_printf("--max-backups=%u", limits->max_backups));
	if (may_lack)
		g_ptr_array_add(argv, g_steal_pointer(&may_lack));
	for (guint i = 0; i < streams->len; i++)
		add_argument(argv, descriptors, &g_array_index(streams, VmmLoggerStream, i));
	g_ptr_array_add(argv, NULL);
	return spawn(argv, jail, descriptors, error);
}

void vmm_logger_wait(VmmProcess *logger)
{
	if (!logger)
		return;
	if (!vmm_process_wait(logger, END_SECONDS)) {
		g_warning(_("the logger with process id %d is not done: a log may lack its end"),
			  (int)vmm_process_pid(logger));
		return;
	}
	if (vmm_process_has_failed(logger)) {
		g_autofree char *outcome = vmm_process_outcome(logger);
		g_warning(
			_("the logger with process id %d has failed (%s): a log may lack its end"),
			(int)vmm_process_pid(logger), outcome);
	}
}
