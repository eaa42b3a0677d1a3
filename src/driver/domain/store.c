/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store.c - what of a domain is in files */
#include "driver/domain/store.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "driver/domain/replace-file.h"
#include "driver/error.h"

#define CONFIG_SUFFIX ".xml"
#define STATUS_SUFFIX ".status"
#define STATUS_GROUP  "domain"

/*
 * Files larger than these were not written here. A key file has two characters for a line break,
 * a tab or a backslash. Beside the document there is a path of a file, and numbers.
 */
#define CONFIG_SIZE_MAX DOMAIN_XML_MAX_BYTES
#define STATUS_SIZE_MAX (2 * DOMAIN_XML_MAX_BYTES + 2 * PATH_MAX + 4096)

static char *file_path(const char *folder, const char *name, const char *suffix)
{
	g_autofree char *file = g_strconcat(name, suffix, NULL);

	return g_build_filename(folder, file, NULL);
}

char *store_log_path(const Driver *driver, const char *name)
{
	return file_path(driver->paths.log, name, ".log");
}

/* Addresses of UNIX sockets are short and names of domains may be long: hence the UUID. */
char *store_monitor_path(const Driver *driver, const guint8 *uuid)
{
	char text[VIR_UUID_STRING_BUFLEN];

	uuid_format(uuid, text);
	return file_path(driver->paths.state, text, ".mon");
}

char *store_storage_path(const Driver *driver, const guint8 *uuid)
{
	char text[VIR_UUID_STRING_BUFLEN];

	uuid_format(uuid, text);
	return file_path(driver->paths.state, text, "");
}

/* Bytes of a domain's name: the rest of a socket's path is for its channels' names. */
#define SHORT_NAME_BYTES 20

/* Cut off where a character begins. */
static char *shorten(const char *name)
{
	gsize length = MIN(strlen(name), SHORT_NAME_BYTES);

	while (length > 0 && ((guint8)name[length] & 0xc0) == 0x80)
		length--;
	return g_strndup(name, length);
}

char *store_channel_folder(const Driver *driver, const DomainDef *def)
{
	g_autofree char *name = shorten(def->name);
	g_autofree char *run = g_strdup_printf(DOMAIN_CHANNEL_FOLDER "%d-%s", def->id, name);

	return g_build_filename(driver->paths.state, run, NULL);
}

static gboolean remove_file(const char *path, GError **error)
{
	if (unlink(path) == 0 || errno == ENOENT)
		return TRUE;
	return driver_error(error, VIR_ERR_SYSTEM_ERROR, _("removing '%s': %s"), path,
			    g_strerror(errno));
}

gboolean store_save_config(const Driver *driver, const DomainDef *def, GError **error)
{
	g_autofree char *path = file_path(driver->paths.config, def->name, CONFIG_SUFFIX);
	g_autofree char *text = domain_def_format(def,
						  DOMAIN_FORMAT_INACTIVE | DOMAIN_FORMAT_SECURE);

	return replace_file(path, text, TRUE, error);
}

gboolean store_delete_config(const Driver *driver, const char *name, GError **error)
{
	g_autofree char *link = file_path(driver->paths.autostart, name, CONFIG_SUFFIX);
	g_autofree char *path = file_path(driver->paths.config, name, CONFIG_SUFFIX);

	return remove_file(link, error) && remove_file(path, error);
}

gboolean store_set_autostart(const Driver *driver, const char *name, gboolean autostart,
			     GError **error)
{
	g_autofree char *link = file_path(driver->paths.autostart, name, CONFIG_SUFFIX);
	g_autofree char *path = file_path(driver->paths.config, name, CONFIG_SUFFIX);

	if (!remove_file(link, error))
		return FALSE;
	if (!autostart || symlink(path, link) == 0)
		return TRUE;
	return driver_error(error, VIR_ERR_SYSTEM_ERROR, _("linking '%s' to '%s': %s"), link, path,
			    g_strerror(errno));
}

static char *read_file(const char *path, gint64 size_max)
{
	g_autoptr(GError) error = NULL;
	char *text = NULL;
	GStatBuf status;

	if (g_stat(path, &status) == 0 && status.st_size > size_max)
		g_warning(_("'%s' is too large to be a domain's"), path);
	else if (!g_file_get_contents(path, &text, NULL, &error))
		g_warning(_("reading a domain: %s"), error->message);
	return text;
}

/* Calls @each with the path and the name before @suffix of the files that end in it. */
static void for_each_file(const char *folder, const char *suffix,
			  void (*each)(const char *path, const char *name, gpointer data),
			  gpointer data)
{
	g_autoptr(GError) error = NULL;
	GDir *directory = g_dir_open(folder, 0, &error);
	const char *file;

	if (!directory) {
		g_warning("%s", error->message);
		return;
	}
	while ((file = g_dir_read_name(directory))) {
		g_autofree char *path = g_build_filename(folder, file, NULL);
		g_autofree char *name = NULL;

		if (!g_str_has_suffix(file, suffix) || strlen(file) == strlen(suffix) ||
		    g_file_test(path, G_FILE_TEST_IS_DIR))
			continue;
		name = g_strndup(file, strlen(file) - strlen(suffix));
		each(path, name, data);
	}
	g_dir_close(directory);
}

typedef struct {
	const Driver *driver;
	void (*found_config)(DomainDef *def, gboolean is_autostart, gpointer data);
	void (*found_status)(StoreStatus *status, gpointer data);
	gpointer data;
} Loader;

static DomainDef *parse_def(const char *path, const char *name, const char *text,
			    DomainParseFlags flags)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(DomainDef) def = domain_def_parse(text, flags, &error);

	if (!def) {
		g_warning(_("'%s' is left alone: %s"), path, error->message);
		return NULL;
	}
	if (strcmp(def->name, name) != 0) {
		g_warning(_("'%s' is left alone: it holds domain '%s'"), path, def->name);
		return NULL;
	}
	return g_steal_pointer(&def);
}

static void load_config(const char *path, const char *name, gpointer data)
{
	const Loader *loader = data;
	g_autofree char *link = file_path(loader->driver->paths.autostart, name, CONFIG_SUFFIX);
	g_autofree char *text = read_file(path, CONFIG_SIZE_MAX);
	DomainDef *def = text ? parse_def(path, name, text, DOMAIN_PARSE_INACTIVE) : NULL;

	if (def)
		loader->found_config(def, g_file_test(link, G_FILE_TEST_IS_SYMLINK), loader->data);
}

void store_load_configs(const Driver *driver,
			void (*found)(DomainDef *def, gboolean is_autostart, gpointer data),
			gpointer data)
{
	Loader loader = { .driver = driver, .found_config = found, .data = data };

	for_each_file(driver->paths.config, CONFIG_SUFFIX, load_config, &loader);
}

void store_status_clear(StoreStatus *status)
{
	g_clear_pointer(&status->def, domain_def_free);
	g_clear_pointer(&status->identity, identity_free);
}

/*
 * What the run has of the host. A file's owner is five numbers, as format_owner() has them.
 */

#define OWNER_NUMBERS 5

static char *format_owner(const FileOwner *owner)
{
	return g_strdup_printf("%" PRIu64 " %" PRIu64 " %u %u %u", owner->device, owner->inode,
			       (guint)owner->uid, (guint)owner->gid, (guint)owner->mode);
}

/* Return: NULL where the text is none of format_owner(). */
static FileOwner *parse_owner(const char *path, const char *text)
{
	g_auto(GStrv) parts = g_strsplit(text, " ", -1);
	guint64 numbers[OWNER_NUMBERS];
	FileOwner *owner;

	if (g_strv_length(parts) != OWNER_NUMBERS)
		return NULL;
	for (guint i = 0; i < OWNER_NUMBERS; i++)
		if (!g_ascii_string_to_unsigned(parts[i], 10, 0, i < 2 ? G_MAXUINT64 : G_MAXUINT32,
						&numbers[i], NULL))
			return NULL;
	owner = g_new0(FileOwner, 1);
	owner->path = g_strdup(path);
	owner->device = numbers[0];
	owner->inode = numbers[1];
	owner->uid = (uid_t)numbers[2];
	owner->gid = (gid_t)numbers[3];
	owner->mode = (mode_t)numbers[4];
	return owner;
}

static void put_identity(GKeyFile *file, const DomainIdentity *identity)
{
	g_autofree const char **paths = NULL;
	g_auto(GStrv) owners = NULL;

	if (!identity)
		return;
	g_key_file_set_uint64(file, STATUS_GROUP, "user", identity->uid);
	g_key_file_set_uint64(file, STATUS_GROUP, "user-group", identity->gid);
	g_key_file_set_boolean(file, STATUS_GROUP, "user-is-own", identity->is_claimed);
	if (identity->cgroup)
		g_key_file_set_string(file, STATUS_GROUP, "cgroup", identity->cgroup);
	if (identity->scope)
		g_key_file_set_string(file, STATUS_GROUP, "scope", identity->scope);
	paths = g_new0(const char *, identity->files->len + 1);
	owners = g_new0(char *, identity->files->len + 1);
	for (guint i = 0; i < identity->files->len; i++) {
		const FileOwner *owner = identity->files->pdata[i];

		paths[i] = owner->path;
		owners[i] = format_owner(owner);
	}
	g_key_file_set_string_list(file, STATUS_GROUP, "files", paths, identity->files->len);
	g_key_file_set_string_list(file, STATUS_GROUP, "file-owners", (const char *const *)owners,
				   identity->files->len);
}

static void get_files(GKeyFile *file, DomainIdentity *identity)
{
	g_auto(GStrv) paths = g_key_file_get_string_list(file, STATUS_GROUP, "files", NULL, NULL);
	g_auto(GStrv)
		owners = g_key_file_get_string_list(file, STATUS_GROUP, "file-owners", NULL, NULL);

	for (guint i = 0; paths && owners && paths[i] && owners[i]; i++) {
		FileOwner *owner = parse_owner(paths[i], owners[i]);

		if (owner)
			g_ptr_array_add(identity->files, owner);
	}
}

/* A file that has none is of a version whose domains ran as the daemon does. */
static DomainIdentity *get_identity(GKeyFile *file)
{
	g_autoptr(GError) error = NULL;
	const guint64 uid = g_key_file_get_uint64(file, STATUS_GROUP, "user", &error);
	const guint64 gid = g_key_file_get_uint64(file, STATUS_GROUP, "user-group", NULL);
	DomainIdentity *identity;

	if (error || uid >= G_MAXUINT32 || gid >= G_MAXUINT32)
		return identity_new(geteuid(), getegid(), FALSE);
	identity = identity_new((uid_t)uid, (gid_t)gid,
				g_key_file_get_boolean(file, STATUS_GROUP, "user-is-own", NULL));
	identity->cgroup = g_key_file_get_string(file, STATUS_GROUP, "cgroup", NULL);
	identity->scope = g_key_file_get_string(file, STATUS_GROUP, "scope", NULL);
	get_files(file, identity);
	return identity;
}

gboolean store_save_status(const Driver *driver, const StoreStatus *status, GError **error)
{
	g_autoptr(GKeyFile) file = g_key_file_new();
	g_autofree char *path = file_path(driver->paths.state, status->def->name, STATUS_SUFFIX);
	g_autofree char *xml = domain_def_format(status->def,
						 DOMAIN_FORMAT_STATUS | DOMAIN_FORMAT_SECURE);
	g_autofree char *text = NULL;

	g_key_file_set_int64(file, STATUS_GROUP, "pid", status->pid);
	g_key_file_set_uint64(file, STATUS_GROUP, "start-time", status->start_time);
	g_key_file_set_int64(file, STATUS_GROUP, "logger-pid", status->logger_pid);
	g_key_file_set_uint64(file, STATUS_GROUP, "logger-start-time", status->logger_start_time);
	if (status->storage_pid > 0) {
		g_key_file_set_int64(file, STATUS_GROUP, "storage-pid", status->storage_pid);
		g_key_file_set_uint64(file, STATUS_GROUP, "storage-start-time",
				      status->storage_start_time);
	}
	g_key_file_set_int64(file, STATUS_GROUP, "log-start", status->log_mark.offset);
	g_key_file_set_uint64(file, STATUS_GROUP, "log-inode", status->log_mark.inode);
	g_key_file_set_boolean(file, STATUS_GROUP, "is-tainted", status->is_tainted);
	g_key_file_set_boolean(file, STATUS_GROUP, "is-starting", status->is_starting);
	put_identity(file, status->identity);
	g_key_file_set_integer(file, STATUS_GROUP, "state", status->state);
	g_key_file_set_integer(file, STATUS_GROUP, "reason", status->reason);
	g_key_file_set_string(file, STATUS_GROUP, "xml", xml);
	text = g_key_file_to_data(file, NULL, NULL);
	/* The state folder does not outlive the host's run, so nothing has to reach a disk. */
	return replace_file(path, text, FALSE, error);
}

void store_delete_status(const Driver *driver, const char *name)
{
	g_autofree char *path = file_path(driver->paths.state, name, STATUS_SUFFIX);
	g_autoptr(GError) error = NULL;

	if (!remove_file(path, &error))
		g_warning("%s", error->message);
}

/* Numbers are 0 where the file has none; no process has number 0. */
static void load_status(const char *path, const char *name, gpointer data)
{
	const Loader *loader = data;
	g_autoptr(GKeyFile) file = g_key_file_new();
	g_autofree char *text = read_file(path, STATUS_SIZE_MAX);
	g_autofree char *xml = NULL;
	g_autoptr(GError) error = NULL;
	StoreStatus status = { 0 };

	if (!text)
		return;
	if (!g_key_file_load_from_data(file, text, strlen(text), G_KEY_FILE_NONE, &error) ||
	    !(xml = g_key_file_get_string(file, STATUS_GROUP, "xml", &error))) {
		g_warning(_("'%s' is left alone: %s"), path, error->message);
		return;
	}
	status.pid = (pid_t)g_key_file_get_int64(file, STATUS_GROUP, "pid", NULL);
	status.start_time = g_key_file_get_uint64(file, STATUS_GROUP, "start-time", NULL);
	status.logger_pid = (pid_t)g_key_file_get_int64(file, STATUS_GROUP, "logger-pid", NULL);
	status.storage_pid = (pid_t)g_key_file_get_int64(file, STATUS_GROUP, "storage-pid", NULL);
	status.storage_start_time = g_key_file_get_uint64(file, STATUS_GROUP, "storage-start-time",
							  NULL);
	status.logger_start_time = g_key_file_get_uint64(file, STATUS_GROUP, "logger-start-time",
							 NULL);
	status.log_mark.offset = g_key_file_get_int64(file, STATUS_GROUP, "log-start", NULL);
	status.log_mark.inode = g_key_file_get_uint64(file, STATUS_GROUP, "log-inode", NULL);
	status.is_tainted = g_key_file_get_boolean(file, STATUS_GROUP, "is-tainted", NULL);
	status.is_starting = g_key_file_get_boolean(file, STATUS_GROUP, "is-starting", NULL);
	status.identity = get_identity(file);
	status.state = g_key_file_get_integer(file, STATUS_GROUP, "state", NULL);
	status.reason = g_key_file_get_integer(file, STATUS_GROUP, "reason", NULL);
	status.def = parse_def(path, name, xml, 0);
	if (status.def)
		loader->found_status(&status, loader->data);
	store_status_clear(&status);
}

void store_load_statuses(const Driver *driver, void (*found)(StoreStatus *status, gpointer data),
			 gpointer data)
{
	Loader loader = { .driver = driver, .found_status = found, .data = data };

	for_each_file(driver->paths.state, STATUS_SUFFIX, load_status, &loader);
}

gboolean store_take_autostart_turn(const Driver *driver)
{
	g_autofree char *path = g_build_filename(driver->paths.state, "autostarted", NULL);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return FALSE;
	close(fd);
	return TRUE;
}
