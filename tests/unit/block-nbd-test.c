/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* block-nbd-test.c - disks that are NBD exports, with qemu-nbd; one that is killed, too */
#include <gio/gio.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/unit/block-world.h"
#include "tests/unit/support.h"
#include "vmm/backend/block-nbd.h"

#define SIZE (1u << 20)

typedef struct {
	GMainContext *context;
	char *folder;
	GPid server;
	BlockBackend *backend;
} Fixture;

static gboolean has_program(const char *name)
{
	g_autofree char *path = g_find_program_in_path(name);

	return path != NULL;
}

/* It leaves the foreground when it listens. Return: FALSE where there is none. */
static gboolean start_server(Fixture *fixture, const char *format, gboolean is_readonly)
{
	g_autofree char *image = g_build_filename(fixture->folder, "image", NULL);
	g_autofree char *socket_path = g_build_filename(fixture->folder, "socket", NULL);
	g_autofree char *pid_path = g_build_filename(fixture->folder, "pid", NULL);
	g_autofree char *text = NULL;
	g_autoptr(GError) error = NULL;
	const char *create[] = { "qemu-img", "create", "-q", "-f", format, image, "1M", NULL };
	const char *serve[] = { "qemu-nbd",   "--fork",
				"-k",	      socket_path,
				"--pid-file", pid_path,
				"-f",	      format,
				"-x",	      "disk",
				"--discard",  "unmap",
				image,	      is_readonly ? "-r" : NULL,
				NULL };
	int status;

	if (!has_program("qemu-nbd") || !has_program("qemu-img"))
		return FALSE;
	g_assert_true(g_spawn_sync(NULL, (char **)create, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
				   NULL, NULL, &status, &error));
	g_assert_no_error(error);
	g_assert_cmpint(status, ==, 0);
	g_assert_true(g_spawn_sync(NULL, (char **)serve, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
				   NULL, NULL, &status, &error));
	g_assert_no_error(error);
	g_assert_cmpint(status, ==, 0);
	g_assert_true(g_file_get_contents(pid_path, &text, NULL, &error));
	fixture->server = atoi(text);
	return TRUE;
}

static int connect_to_server(const Fixture *fixture)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", fixture->folder);
	g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
	return fd;
}

static gboolean set_up(Fixture *fixture, const char *format, gboolean is_readonly)
{
	*fixture = (Fixture){
		.context = g_main_context_new(),
		.folder = g_dir_make_tmp("libvirt-gmem-nbd-XXXXXX", NULL),
	};
	g_main_context_push_thread_default(fixture->context);
	if (start_server(fixture, format, is_readonly))
		return TRUE;
	g_test_skip("qemu-nbd is not installed (qemu-utils)");
	return FALSE;
}

static void open_disk(Fixture *fixture, const BlockConfig *config)
{
	g_autoptr(GError) error = NULL;

	fixture->backend = block_nbd_new(connect_to_server(fixture), "disk", config, &error);
	g_assert_no_error(error);
	block_backend_attach(fixture->backend, fixture->context, NULL);
}

static void tear_down(Fixture *fixture)
{
	block_backend_free(fixture->backend);
	if (fixture->server > 0)
		kill(fixture->server, SIGTERM);
	g_main_context_pop_thread_default(fixture->context);
	g_main_context_unref(fixture->context);
	remove_tree(fixture->folder);
	g_free(fixture->folder);
}

static int run(Fixture *fixture, BlockOperation operation, guint64 offset, void *data, guint64 size)
{
	return do_request(fixture->backend, fixture->context, operation, offset, data, size);
}

static const BlockConfig plain = { .name = "test", .discard = BLOCK_DISCARD_UNMAP };

static void check_model(const char *format)
{
	g_autofree guint8 *model = g_malloc0(SIZE);
	g_autofree guint8 *data = g_malloc(SIZE);
	Fixture fixture;

	if (set_up(&fixture, format, FALSE)) {
		open_disk(&fixture, &plain);
		g_assert_cmpuint(block_backend_limits(fixture.backend)->size, ==, SIZE);
		for (guint round = 0; round < 100; round++) {
			const guint64 offset = (guint64)g_test_rand_int_range(0, 1984) * 512;
			const guint64 size = (guint64)g_test_rand_int_range(1, 64) * 512;

			block_backend_set_write_cache(fixture.backend, round % 2);
			memset(data, (int)round + 1, size);
			memset(model + offset, (int)round + 1, size);
			g_assert_cmpint(run(&fixture, BLOCK_WRITE, offset, data, size), ==, 0);
			if (round % 3 == 0) {
				memset(model + offset, 0, size / 2);
				g_assert_cmpint(
					run(&fixture, BLOCK_WRITE_ZEROES, offset, NULL, size / 2),
					==, 0);
			}
		}
		g_assert_cmpint(run(&fixture, BLOCK_FLUSH, 0, NULL, 0), ==, 0);
		g_assert_cmpint(run(&fixture, BLOCK_READ, 0, data, SIZE), ==, 0);
		g_assert_cmpmem(data, SIZE, model, SIZE);
		g_assert_cmpint(run(&fixture, BLOCK_DISCARD, 0, NULL, SIZE), ==, 0);
	}
	tear_down(&fixture);
}

static void test_raw(void)
{
	check_model("raw");
}

static void test_qcow2(void)
{
	check_model("qcow2");
}

static void test_pieces(void)
{
	guint8 data[1024], seen[1024];
	struct iovec pieces[] = { { data, 100 }, { data + 100, 924 } };
	struct iovec others[] = { { seen, 1000 }, { seen + 1000, 24 } };
	TestRequest request;
	Fixture fixture;

	if (set_up(&fixture, "qcow2", FALSE)) {
		open_disk(&fixture, &plain);
		for (guint i = 0; i < sizeof(data); i++)
			data[i] = (guint8)(i * 7);
		test_request_init(&request, BLOCK_WRITE, 512, data, sizeof(data));
		request.request.iovec = pieces;
		request.request.n_iovec = 2;
		block_submit(fixture.backend, &request.request);
		g_assert_cmpint(test_request_wait(&request, fixture.context), ==, 0);
		test_request_init(&request, BLOCK_READ, 512, seen, sizeof(seen));
		request.request.iovec = others;
		request.request.n_iovec = 2;
		block_submit(fixture.backend, &request.request);
		g_assert_cmpint(test_request_wait(&request, fixture.context), ==, 0);
		g_assert_cmpmem(seen, sizeof(seen), data, sizeof(data));
	}
	tear_down(&fixture);
}

/* A server that is killed: what is under way fails, and so does what comes after it. */
static void test_killed(void)
{
	enum { COUNT = 32 };
	g_autofree guint8 *data = g_malloc0(SIZE);
	TestRequest requests[COUNT];
	Fixture fixture;

	if (set_up(&fixture, "qcow2", FALSE)) {
		open_disk(&fixture, &plain);
		g_assert_cmpint(kill(fixture.server, SIGSTOP), ==, 0);
		for (guint i = 0; i < COUNT; i++) {
			test_request_init(&requests[i], i % 2 ? BLOCK_READ : BLOCK_WRITE, 0, data,
					  SIZE);
			block_submit(fixture.backend, &requests[i].request);
		}
		while (g_main_context_iteration(fixture.context, FALSE))
			;
		g_assert_cmpint(kill(fixture.server, SIGKILL), ==, 0);
		fixture.server = 0;
		for (guint i = 0; i < COUNT; i++)
			g_assert_cmpint(test_request_wait(&requests[i], fixture.context), ==, EIO);
		g_assert_cmpint(run(&fixture, BLOCK_READ, 0, data, 512), ==, EIO);
		g_assert_cmpint(run(&fixture, BLOCK_FLUSH, 0, NULL, 0), ==, EIO);
	}
	tear_down(&fixture);
}

/* A server that hangs: who pauses goes on, and what is under way ends when it is let go. */
static void test_hung_for_a_while(void)
{
	g_autofree guint8 *data = g_malloc0(SIZE);
	TestRequest request;
	Fixture fixture;

	if (set_up(&fixture, "raw", FALSE)) {
		open_disk(&fixture, &plain);
		fixture.backend->patience = 400 * G_TIME_SPAN_MILLISECOND;
		g_assert_true(block_backend_finish(fixture.backend, fixture.context));
		g_assert_cmpint(kill(fixture.server, SIGSTOP), ==, 0);
		test_request_init(&request, BLOCK_WRITE, 0, data, SIZE);
		block_submit(fixture.backend, &request.request);
		g_assert_false(block_backend_finish(fixture.backend, fixture.context));
		g_assert_cmpint(kill(fixture.server, SIGCONT), ==, 0);
		fixture.backend->patience = BLOCK_PATIENCE;
		g_assert_true(block_backend_finish(fixture.backend, fixture.context));
		g_assert_true(request.is_done);
		g_assert_cmpint(request.error, ==, 0);
	}
	tear_down(&fixture);
}

/* The same, and it is given up: all fails, what waits to be sent, too, and what comes later. */
static void test_hung(void)
{
	enum { COUNT = 32 };
	g_autofree guint8 *data = g_malloc0(SIZE);
	TestRequest requests[COUNT];
	Fixture fixture;

	if (set_up(&fixture, "raw", FALSE)) {
		open_disk(&fixture, &plain);
		fixture.backend->patience = 40 * G_TIME_SPAN_MILLISECOND;
		g_assert_cmpint(kill(fixture.server, SIGSTOP), ==, 0);
		for (guint i = 0; i < COUNT; i++) {
			test_request_init(&requests[i], i % 2 ? BLOCK_READ : BLOCK_WRITE, 0, data,
					  SIZE);
			block_submit(fixture.backend, &requests[i].request);
		}
		block_backend_finish_for_good(fixture.backend, fixture.context);
		for (guint i = 0; i < COUNT; i++) {
			g_assert_true(requests[i].is_done);
			g_assert_cmpint(requests[i].error, ==, EIO);
		}
		g_assert_cmpint(kill(fixture.server, SIGCONT), ==, 0);
		g_assert_cmpint(run(&fixture, BLOCK_READ, 0, data, 512), ==, EIO);
		block_backend_finish_for_good(fixture.backend, fixture.context);
	}
	tear_down(&fixture);
}

static void test_refused(void)
{
	g_autoptr(GError) error = NULL;
	Fixture fixture;
	int fd;

	if (set_up(&fixture, "raw", TRUE)) {
		fd = connect_to_server(&fixture);
		g_assert_null(block_nbd_new(fd, "disk", &plain, &error));
		g_assert_error(error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED);
		g_assert_cmpint(close(fd), ==, 0);
	}
	tear_down(&fixture);
}

/*
 * A server of the tests' own, which keeps what it is asked and does nothing: NBD's protocol, "fixed
 * newstyle negotiation" and "structured replies". So it says of each read that it is done, and
 * sends no data.
 */

enum {
	EXPORT_HAS_FLAGS = 1 << 0,
	EXPORT_FLUSH = 1 << 2,
	EXPORT_FUA = 1 << 3,
	EXPORT_ZEROES = 1 << 6,

	COMMAND_READ = 0,
	COMMAND_WRITE = 1,
	COMMAND_END = 2,
	COMMAND_FLUSH = 3,
	COMMAND_ZEROES = 6,
	WITH_FUA = 1 << 16, /* above the command's number */

	MAX_COMMANDS = 16,
};

typedef struct {
	GThread *thread;
	int fd;
	guint16 flags; /* of the export */
	guint32 commands[MAX_COMMANDS];
	gint n_commands; /* atomic */
} Server;

static gboolean get(int fd, void *data, gsize size)
{
	return size == 0 || recv(fd, data, size, MSG_WAITALL) == (gssize)size;
}

static void put(int fd, guint64 value, gsize size)
{
	const guint64 bytes = GUINT64_TO_BE(value);

	g_assert_cmpint(write(fd, (const guint8 *)&bytes + sizeof(bytes) - size, size), ==,
			(gssize)size);
}

static void answer_option(int fd, guint32 option, guint32 type, guint32 size)
{
	put(fd, 0x3e889045565a9, 8);
	put(fd, option, 4);
	put(fd, type, 4);
	put(fd, size, 4);
}

/* Return: whether the negotiation goes on. */
static gboolean serve_option(const Server *server)
{
	enum { OPTION_GO = 7, OPTION_STRUCTURED = 8, ACK = 1, INFO = 3, INFO_SIZE = 12 };
	guint32 header[4];
	guint8 data[256];
	guint32 option, size;

	g_assert_true(get(server->fd, header, sizeof(header)));
	option = GUINT32_FROM_BE(header[2]);
	size = GUINT32_FROM_BE(header[3]);
	g_assert_cmpuint(size, <=, sizeof(data));
	g_assert_true(get(server->fd, data, size));
	if (option == OPTION_GO) {
		answer_option(server->fd, option, INFO, INFO_SIZE);
		put(server->fd, 0, 2);
		put(server->fd, SIZE, 8);
		put(server->fd, server->flags, 2);
	}
	answer_option(server->fd, option,
		      option == OPTION_GO || option == OPTION_STRUCTURED ? ACK : 0x80000001, 0);
	return option != OPTION_GO;
}

/* Return: whether the connection goes on. */
static gboolean serve_command(Server *server)
{
	g_autofree guint8 *data = g_malloc(SIZE);
	guint8 request[28];
	guint16 flags, command;
	guint64 cookie;
	guint32 size;
	gint n;

	if (!get(server->fd, request, sizeof(request)))
		return FALSE;
	memcpy(&flags, request + 4, sizeof(flags));
	memcpy(&command, request + 6, sizeof(command));
	memcpy(&cookie, request + 8, sizeof(cookie));
	memcpy(&size, request + 24, sizeof(size));
	flags = GUINT16_FROM_BE(flags);
	command = GUINT16_FROM_BE(command);
	if (command == COMMAND_END)
		return FALSE;
	if (command == COMMAND_WRITE)
		g_assert_true(get(server->fd, data, GUINT32_FROM_BE(size)));
	n = g_atomic_int_get(&server->n_commands);
	g_assert_cmpint(n, <, MAX_COMMANDS);
	server->commands[n] = command | (flags & 1 ? WITH_FUA : 0);
	g_atomic_int_set(&server->n_commands, n + 1);
	put(server->fd, 0x668e33ef, 4);
	put(server->fd, 1, 2); /* the last chunk, */
	put(server->fd, 0, 2); /* which has none of the content */
	put(server->fd, GUINT64_FROM_BE(cookie), 8);
	put(server->fd, 0, 4);
	return TRUE;
}

static gpointer serve(gpointer data)
{
	Server *server = data;
	guint8 flags[4];

	put(server->fd, 0x4e42444d41474943, 8);
	put(server->fd, 0x49484156454f5054, 8);
	put(server->fd, 3, 2);
	g_assert_true(get(server->fd, flags, sizeof(flags)));
	while (serve_option(server))
		;
	while (serve_command(server))
		;
	return NULL;
}

/* A disk at a server whose export has @flags besides. */
static void set_up_own(Fixture *fixture, Server *server, guint16 flags)
{
	g_autoptr(GError) error = NULL;
	int fds[2];

	*fixture = (Fixture){ .context = g_main_context_new() };
	g_main_context_push_thread_default(fixture->context);
	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
	*server = (Server){ .fd = fds[1], .flags = EXPORT_HAS_FLAGS | flags };
	server->thread = g_thread_new("server", serve, server);
	fixture->backend = block_nbd_new(fds[0], "disk", &plain, &error);
	g_assert_no_error(error);
	block_backend_attach(fixture->backend, fixture->context, NULL);
}

static void tear_down_own(Fixture *fixture, Server *server)
{
	block_backend_free(fixture->backend);
	g_thread_join(server->thread);
	close(server->fd);
	g_main_context_pop_thread_default(fixture->context);
	g_main_context_unref(fixture->context);
}

static void assert_commands(Server *server, const guint32 *commands, guint count)
{
	const guint n = (guint)g_atomic_int_get(&server->n_commands);

	g_assert_cmpmem(server->commands, n * sizeof(*commands), commands,
			count * sizeof(*commands));
	g_atomic_int_set(&server->n_commands, 0);
}

#define ASSERT_COMMANDS(server, ...)                                       \
	do {                                                               \
		const guint32 commands[] = { __VA_ARGS__ };                \
                                                                           \
		assert_commands(server, commands, G_N_ELEMENTS(commands)); \
	} while (0)

/* With a write cache what is written stays there until it is flushed; without one it does not. */
static void check_flush(guint16 flags)
{
	const guint32 through = flags & EXPORT_FUA ? WITH_FUA : 0;
	guint8 data[512] = { 0 };
	Server server;
	Fixture fixture;

	set_up_own(&fixture, &server, flags);
	g_assert_cmpint(run(&fixture, BLOCK_WRITE, 0, data, sizeof(data)), ==, 0);
	ASSERT_COMMANDS(&server, COMMAND_WRITE);
	g_assert_cmpint(run(&fixture, BLOCK_FLUSH, 0, NULL, 0), ==, 0);
	ASSERT_COMMANDS(&server, COMMAND_FLUSH);
	block_backend_set_write_cache(fixture.backend, FALSE);
	g_assert_cmpint(run(&fixture, BLOCK_WRITE, 0, data, sizeof(data)), ==, 0);
	if (through)
		ASSERT_COMMANDS(&server, COMMAND_WRITE | through);
	else
		ASSERT_COMMANDS(&server, COMMAND_WRITE, COMMAND_FLUSH);
	g_assert_cmpint(run(&fixture, BLOCK_WRITE_ZEROES, 0, NULL, sizeof(data)), ==, 0);
	if (through)
		ASSERT_COMMANDS(&server, COMMAND_ZEROES | through);
	else
		ASSERT_COMMANDS(&server, COMMAND_ZEROES, COMMAND_FLUSH);
	g_assert_cmpint(run(&fixture, BLOCK_READ, 0, data, sizeof(data)), ==, 0);
	ASSERT_COMMANDS(&server, COMMAND_READ);
	tear_down_own(&fixture, &server);
}

static void test_flush(void)
{
	check_flush(EXPORT_FLUSH | EXPORT_ZEROES);
}

static void test_fua(void)
{
	check_flush(EXPORT_FLUSH | EXPORT_FUA | EXPORT_ZEROES);
}

/* Zeroes that are written, since the server knows no others. */
static void test_fua_of_written_zeroes(void)
{
	Server server;
	Fixture fixture;

	set_up_own(&fixture, &server, EXPORT_FLUSH | EXPORT_FUA);
	block_backend_set_write_cache(fixture.backend, FALSE);
	g_assert_cmpint(run(&fixture, BLOCK_WRITE_ZEROES, 0, NULL, 384 << 10), ==, 0);
	ASSERT_COMMANDS(&server, COMMAND_WRITE | WITH_FUA, COMMAND_WRITE | WITH_FUA);
	tear_down_own(&fixture, &server);
}

/* Nothing is asked of a server that has nothing to flush. */
static void test_no_flush(void)
{
	guint8 data[512] = { 0 };
	Server server;
	Fixture fixture;

	set_up_own(&fixture, &server, 0);
	block_backend_set_write_cache(fixture.backend, FALSE);
	g_assert_cmpint(run(&fixture, BLOCK_WRITE, 0, data, sizeof(data)), ==, 0);
	g_assert_cmpint(run(&fixture, BLOCK_FLUSH, 0, NULL, 0), ==, 0);
	ASSERT_COMMANDS(&server, COMMAND_WRITE);
	tear_down_own(&fixture, &server);
}

/* What is left of others in the buffer is not the guest's to see. */
static void test_nothing_read(void)
{
	guint8 data[512], zeroes[512] = { 0 };
	Server server;
	Fixture fixture;

	set_up_own(&fixture, &server, 0);
	memset(data, 0x5a, sizeof(data));
	g_assert_cmpint(run(&fixture, BLOCK_READ, 0, data, sizeof(data)), ==, 0);
	g_assert_cmpmem(data, sizeof(data), zeroes, sizeof(zeroes));
	tear_down_own(&fixture, &server);
}

/* What answers is no NBD server. */
static void test_no_server(void)
{
	g_autoptr(GError) error = NULL;
	int fds[2];

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
	g_assert_cmpint(write(fds[1], "HTTP/1.1 400 no\r\n\r\nxxxxxxxxxxxxxx", 32), ==, 32);
	g_assert_null(block_nbd_new(fds[0], "disk", &plain, &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_FAILED);
	g_assert_nonnull(strstr(error->message, "test"));
	close(fds[0]);
	close(fds[1]);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/block-nbd/raw", test_raw);
	g_test_add_func("/block-nbd/qcow2", test_qcow2);
	g_test_add_func("/block-nbd/pieces", test_pieces);
	g_test_add_func("/block-nbd/killed", test_killed);
	g_test_add_func("/block-nbd/hung-for-a-while", test_hung_for_a_while);
	g_test_add_func("/block-nbd/hung", test_hung);
	g_test_add_func("/block-nbd/refused", test_refused);
	g_test_add_func("/block-nbd/no-server", test_no_server);
	g_test_add_func("/block-nbd/nothing-read", test_nothing_read);
	g_test_add_func("/block-nbd/flush", test_flush);
	g_test_add_func("/block-nbd/fua", test_fua);
	g_test_add_func("/block-nbd/fua-of-written-zeroes", test_fua_of_written_zeroes);
	g_test_add_func("/block-nbd/no-flush", test_no_flush);
	return g_test_run();
}
