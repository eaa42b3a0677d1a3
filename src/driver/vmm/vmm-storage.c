/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm-storage.c - QEMU's storage daemon, which reads images that the VMM does not: one a domain */
#include "driver/vmm/vmm-storage.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/handed-file.h"
#include "driver/error.h"
#include "driver/storage/image-chain.h"
#include "driver/storage/storage-nodes.h"
#include "driver/vmm/qmp-client.h"
#include "driver/vmm/send-descriptor.h"

/* Numbers that its other sockets have for it. */
#define MONITOR_SOCKET (HANDED_FILE_SOCKET + 1)
#define SERVER_SOCKET  (HANDED_FILE_SOCKET + 2)
#define LIBRARY	       (HANDED_FILE_SOCKET + 3)

/* How long it may take until it greets, with so many connections of so long each. */
#define GREETING_SECONDS 30
#define ATTEMPT_SECONDS	 5
#define ATTEMPTS_MAX	 8

#define END_SECONDS	 10

/* How long what it does for a disk that is gone may take. */
#define DETACH_SECONDS 10

/* The ends of its sockets' paths. */
#define MONITOR_SUFFIX ".sd"
#define SERVER_SUFFIX  ".nbd"
#define FILES_SUFFIX   ".fd"

struct VmmStorage {
	char *path;
	char *name;
	char *log_path;
	VmmProcess *process;
	QmpClient *monitor;
	gint is_ending; /* atomic */

	GMutex lock; /* guards what follows; innermost */
	GCond deleted;
	GHashTable *exports; /* of target names: those that it is told to end and has not */
};

/*
 * Sockets.
 */

static gboolean set_address(const char *path, const char *suffix, struct sockaddr_un *address,
			    GError **error)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if ((gsize)g_snprintf(address->sun_path, sizeof(address->sun_path), "%s%s", path, suffix) <
	    sizeof(address->sun_path))
		return TRUE;
	return driver_error(error, VIR_ERR_INTERNAL_ERROR, _("socket path '%s%s' is too long"),
			    path, suffix);
}

/* Return: a socket that only this user can connect to, or -1 with @error. */
static int bind_to(const char *path, const char *suffix, int type, GError **error)
{
	struct sockaddr_un address;
	int fd;

	if (!set_address(path, suffix, &address, error))
		return -1;
	(void)unlink(address.sun_path);
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
	    chmod(address.sun_path, 0600) == 0 &&
	    (type != SOCK_STREAM || listen(fd, SOMAXCONN) == 0))
		return fd;
	driver_error(error, VIR_ERR_SYSTEM_ERROR, _("cannot listen on socket '%s': %s"),
		     address.sun_path, g_strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* One that does not take its connections is not waited for. */
static int connect_to(const char *path, const char *suffix, int type, GError **error)
{
	struct sockaddr_un address;
	int fd;

	if (!set_address(path, suffix, &address, error))
		return -1;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
	    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) == 0)
		return fd;
	driver_error(error, VIR_ERR_SYSTEM_ERROR, _("cannot connect to socket '%s': %s"),
		     address.sun_path, g_strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

void vmm_storage_remove_sockets(const char *path)
{
	static const char *const suffixes[] = { MONITOR_SUFFIX, SERVER_SUFFIX, FILES_SUFFIX };

	for (guint i = 0; i < G_N_ELEMENTS(suffixes); i++) {
		g_autofree char *socket = g_strconcat(path, suffixes[i], NULL);

		(void)unlink(socket);
	}
}

gboolean vmm_storage_listen(VmmStorageSockets *sockets, const char *path, GError **error)
{
	if (access(STORAGE_PROGRAM, X_OK) < 0)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("disks of other formats than 'raw' need QEMU's storage "
				      "daemon, and '%s' cannot be started: %s; install the package "
				      "qemu-system-common"),
				    STORAGE_PROGRAM, g_strerror(errno));
	sockets->path = g_strdup(path);
	sockets->files = bind_to(path, FILES_SUFFIX, SOCK_DGRAM, error);
	if (sockets->files >= 0)
		sockets->monitor = bind_to(path, MONITOR_SUFFIX, SOCK_STREAM, error);
	if (sockets->monitor >= 0)
		sockets->server = bind_to(path, SERVER_SUFFIX, SOCK_STREAM, error);
	return sockets->server >= 0;
}

static void close_socket(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void vmm_storage_sockets_clear(VmmStorageSockets *sockets)
{
	close_socket(&sockets->files);
	close_socket(&sockets->monitor);
	close_socket(&sockets->server);
	g_clear_pointer(&sockets->path, g_free);
}

int vmm_storage_connect(const char *path, GError **error)
{
	return connect_to(path, SERVER_SUFFIX, SOCK_STREAM, error);
}

/*
 * What it says by itself, on its monitor's thread.
 */

static void on_event(const char *name, JsonObject *data, gpointer opaque)
{
	VmmStorage *storage = opaque;
	JsonNode *id = data ? json_object_get_member(data, "id") : NULL;

	if (strcmp(name, "BLOCK_EXPORT_DELETED") != 0 || !id || !JSON_NODE_HOLDS_VALUE(id) ||
	    json_node_get_value_type(id) != G_TYPE_STRING)
		return;
	g_mutex_lock(&storage->lock);
	g_hash_table_remove(storage->exports, json_node_get_string(id));
	g_cond_broadcast(&storage->deleted);
	g_mutex_unlock(&storage->lock);
}

/* Its logger writes at the same time, and it is that which puts full files aside. */
static void on_closed(gpointer opaque)
{
	static const VmmLogLimits none = { .max_size = G_MAXINT64 };
	VmmStorage *storage = opaque;
	g_autofree char *outcome = NULL, *text = NULL;

	if (g_atomic_int_get(&storage->is_ending) || !vmm_process_wait(storage->process, 0))
		return;
	outcome = vmm_process_outcome(storage->process);
	text = g_strdup_printf(_("QEMU's storage daemon has ended (%s): its disks fail"),
			       outcome ? outcome : _("unknown outcome"));
	vmm_log_append(storage->log_path, &none, text);
	g_warning(_("domain '%s': %s"), storage->name, text);
}

static const QmpCallbacks callbacks = { .event = on_event, .closed = on_closed };

/*
 * Its process.
 */

static VmmStorage *storage_new(const VmmStorageDomain *domain, VmmProcess *process)
{
	VmmStorage *storage = g_new0(VmmStorage, 1);

	storage->path = g_strdup(domain->path);
	storage->name = g_strdup(domain->name);
	storage->log_path = g_strdup(domain->log_path);
	storage->process = process;
	g_mutex_init(&storage->lock);
	g_cond_init(&storage->deleted);
	storage->exports = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	return storage;
}

void vmm_storage_free(VmmStorage *storage)
{
	if (!storage)
		return;
	g_atomic_int_set(&storage->is_ending, TRUE);
	g_clear_pointer(&storage->monitor, qmp_client_free);
	g_clear_pointer(&storage->process, vmm_process_free);
	g_hash_table_unref(storage->exports);
	g_cond_clear(&storage->deleted);
	g_mutex_clear(&storage->lock);
	g_free(storage->log_path);
	g_free(storage->name);
	g_free(storage->path);
	g_free(storage);
}

void vmm_storage_end(VmmStorage *storage)
{
	if (!storage)
		return;
	g_atomic_int_set(&storage->is_ending, TRUE);
	vmm_process_signal(storage->process, SIGTERM);
	vmm_process_end(storage->process, END_SECONDS);
	vmm_storage_remove_sockets(storage->path);
}

const VmmProcess *vmm_storage_process(const VmmStorage *storage)
{
	return storage->process;
}

/* The kernel counts the threads of a user, in whatever process: it may have as many as the VMM. */
static void init_jail(Jail *jail, const Jail *vmm_jail)
{
	jail_init_companion(jail, vmm_jail->uid, vmm_jail->gid, FALSE, vmm_jail->may_lack);
	jail->cgroup = vmm_jail->cgroup;
	jail_limit(jail, RLIMIT_NPROC, RLIM_INFINITY);
	for (guint i = 0; i < vmm_jail->n_limits; i++)
		if (vmm_jail->limits[i].resource == RLIMIT_NPROC)
			jail_limit(jail, RLIMIT_NPROC, vmm_jail->limits[i].value);
}

/* The library is where a companion may see nothing. */
static VmmProcess *spawn(const VmmStorageSockets *sockets, int library, const Jail *vmm_jail,
			 int output, GError **error)
{
	g_autofree char *preload = g_strdup_printf("LD_PRELOAD=/proc/self/fd/%d", LIBRARY);
	const char *const environment[] = { preload, NULL };
	g_autofree char *chardev = g_strdup_printf("socket,id=monitor,fd=%d,server=on,wait=off",
						   MONITOR_SOCKET);
	g_autofree char *server = g_strdup_printf("addr.type=fd,addr.str=%d", SERVER_SOCKET);
	const char *const argv[] = {
		STORAGE_PROGRAM,   "--chardev",	   chardev, "--monitor",
		"chardev=monitor", "--nbd-server", server,  NULL,
	};
	const JailDescriptor descriptors[] = {
		{ .source = sockets->files, .target = HANDED_FILE_SOCKET },
		{ .source = sockets->monitor, .target = MONITOR_SOCKET },
		{ .source = sockets->server, .target = SERVER_SOCKET },
		{ .source = library, .target = LIBRARY },
	};
	const JailProgram program = {
		.argv = argv,
		.environment = environment,
		.descriptors = descriptors,
		.n_descriptors = G_N_ELEMENTS(descriptors),
		.output = output,
	};
	Jail jail;

	init_jail(&jail, vmm_jail);
	return vmm_process_spawn(&jail, &program, error);
}

/*
 * QEMU makes a monitor on one thread and accepts its clients on another: of one that is there from
 * the start it does not always learn, and then does not greet, or not answer, or greets twice. The
 * next one finds the monitor ready.
 */
static QmpClient *connect_to_monitor(VmmProcess *process, const char *path, GError **error)
{
	const gint64 deadline = g_get_monotonic_time() + GREETING_SECONDS * G_TIME_SPAN_SECOND;
	g_autoptr(GError) cause = NULL;
	QmpClient *monitor = NULL;
	guint attempts = 0;

	do {
		g_clear_error(&cause);
		monitor = qmp_client_connect(path, ATTEMPT_SECONDS, &cause);
		attempts++;
	} while (!monitor && attempts < ATTEMPTS_MAX && g_get_monotonic_time() < deadline &&
		 !vmm_process_wait(process, 0));
	if (!monitor)
		g_propagate_error(error, g_steal_pointer(&cause));
	return monitor;
}

/* Why it does not answer: how it has ended, if it has. */
static void explain(VmmStorage *storage, const GError *cause, GError **error)
{
	g_autofree char *outcome = NULL;

	if (vmm_process_wait(storage->process, 1))
		outcome = vmm_process_outcome(storage->process);
	driver_error(error, VIR_ERR_INTERNAL_ERROR,
		     _("QEMU's storage daemon was started but: %s; the domain's log may say more"),
		     outcome ? outcome : driver_error_detail(cause));
}

VmmStorage *vmm_storage_spawn(const VmmStorageDomain *domain, const VmmStorageSockets *sockets,
			      const char *library, const Jail *jail, int output, GError **error)
{
	g_autofree char *path = g_strconcat(domain->path, MONITOR_SUFFIX, NULL);
	const int library_fd = open(library, O_RDONLY | O_CLOEXEC);
	g_autoptr(GError) cause = NULL;
	VmmProcess *process;
	VmmStorage *storage;

	if (library_fd < 0) {
		driver_error(error, VIR_ERR_SYSTEM_ERROR, _("cannot open '%s': %s"), library,
			     g_strerror(errno));
		return NULL;
	}
	process = spawn(sockets, library_fd, jail, output, error);
	close(library_fd);
	if (!process)
		return NULL;
	storage = storage_new(domain, process);
	storage->monitor = connect_to_monitor(process, path, &cause);
	if (storage->monitor && qmp_client_start(storage->monitor, vmm_process_pidfd(process),
						 &callbacks, storage, &cause))
		return storage;
	explain(storage, cause, error);
	vmm_storage_end(storage);
	vmm_storage_free(storage);
	return NULL;
}

VmmStorage *vmm_storage_adopt(const VmmStorageDomain *domain, pid_t pid, guint64 start_time)
{
	g_autofree char *path = g_strconcat(domain->path, MONITOR_SUFFIX, NULL);
	VmmProcess *process = pid > 0 ? vmm_process_adopt(pid, start_time, NULL) : NULL;
	g_autoptr(GError) error = NULL;
	VmmStorage *storage;

	if (!process)
		return NULL;
	storage = storage_new(domain, process);
	storage->monitor = qmp_client_new(path);
	if (!qmp_client_start(storage->monitor, vmm_process_pidfd(process), &callbacks, storage,
			      &error))
		g_warning(_("domain '%s': %s"), domain->name, error->message);
	return storage;
}

/*
 * Disks.
 */

/* Sends an image to be opened by the name of @file. */
static gboolean hand_over(int socket, const char *file, int fd, GError **error)
{
	return send_with_descriptor(socket, file, strlen(file), fd) >= 0 ||
	       driver_error(error, VIR_ERR_SYSTEM_ERROR, _("handing '%s' over: %s"), file,
			    g_strerror(errno));
}

/* @arguments: taken over; NULL: there is nothing to do */
static gboolean tell(VmmStorage *storage, const char *command, JsonObject *arguments,
		     GError **error)
{
	return !arguments || qmp_client_tell_with(storage->monitor, command, arguments, -1, error);
}

/* Whoever has the image behind comes after it. */
static gboolean add_nodes(VmmStorage *storage, int socket, const DomainDisk *disk,
			  const GPtrArray *chain, GError **error)
{
	for (guint i = chain->len; i-- > 0;) {
		const ImageFile *file = chain->pdata[i];
		g_autofree char *name = storage_node_file(disk, i);

		if (!hand_over(socket, name, file->fd, error) ||
		    !tell(storage, "blockdev-add", storage_describe_file(disk, chain, i), error) ||
		    !tell(storage, "blockdev-add", storage_describe_format(disk, chain, i), error))
			return FALSE;
	}
	return tell(storage, "block-export-add", storage_describe_export(disk), error);
}

/* It has said no, and will answer what comes next. */
static gboolean is_refusal(const GError *error)
{
	return g_error_matches(error, DRIVER_ERROR, VIR_ERR_OPERATION_FAILED);
}

/* Those that are not there are refused; one that does not answer is not asked again and again. */
static void remove_nodes(VmmStorage *storage, const DomainDisk *disk)
{
	g_auto(GStrv) names = storage_node_names(disk);

	for (guint i = 0; names[i]; i++) {
		JsonObject *arguments = json_object_new();
		g_autoptr(GError) error = NULL;

		json_object_set_string_member(arguments, "node-name", names[i]);
		if (!tell(storage, "blockdev-del", arguments, &error) && !is_refusal(error))
			return;
	}
}

gboolean vmm_storage_attach(VmmStorage *storage, const DomainDisk *disk, const GPtrArray *chain,
			    GError **error)
{
	g_autoptr(GError) cause = NULL;
	const int socket = connect_to(storage->path, FILES_SUFFIX, SOCK_DGRAM, &cause);
	const gboolean is_there = socket >= 0 && add_nodes(storage, socket, disk, chain, &cause);

	if (socket >= 0)
		close(socket);
	if (is_there)
		return TRUE;
	remove_nodes(storage, disk);
	driver_error_from(error, VIR_ERR_OPERATION_FAILED, cause,
			  _("disk %s: QEMU's storage daemon: %s"), disk->target,
			  driver_error_detail(cause));
	return FALSE;
}

/*
 * The export goes when the last request that it has is done. Return: FALSE where it has not gone in
 * time, and has its nodes still.
 */
static gboolean remove_export(VmmStorage *storage, const char *target)
{
	const gint64 deadline = g_get_monotonic_time() + DETACH_SECONDS * G_TIME_SPAN_SECOND;
	JsonObject *arguments = json_object_new();
	g_autoptr(GError) error = NULL;
	gboolean in_time = TRUE;
	gboolean is_told;

	json_object_set_string_member(arguments, "id", target);
	json_object_set_string_member(arguments, "mode", "hard");
	g_mutex_lock(&storage->lock);
	g_hash_table_add(storage->exports, g_strdup(target));
	g_mutex_unlock(&storage->lock);
	is_told = tell(storage, "block-export-del", arguments, &error);
	g_mutex_lock(&storage->lock);
	while (is_told && in_time && g_hash_table_contains(storage->exports, target))
		in_time = g_cond_wait_until(&storage->deleted, &storage->lock, deadline);
	g_hash_table_remove(storage->exports, target);
	g_mutex_unlock(&storage->lock);
	return is_told ? in_time : is_refusal(error);
}

void vmm_storage_detach(VmmStorage *storage, const DomainDisk *disk)
{
	if (vmm_process_wait(storage->process, 0))
		return;
	if (remove_export(storage, disk->target))
		remove_nodes(storage, disk);
}
