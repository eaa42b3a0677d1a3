/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nvram.c - the file that holds a domain's firmware variables */
#include "driver/domain/nvram.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/domain/replace-file.h"
#include "driver/error.h"

/* All flash together lies in the 16 MiB below 4 GiB, so no variables need more. */
#define TEMPLATE_SIZE_MAX (16 << 20)

/* @format: with places for the path and what the system says */
static gboolean system_error(const char *format, const char *path, GError **error)
{
	return driver_error(error, VIR_ERR_SYSTEM_ERROR, format, path, g_strerror(errno));
}

static gboolean read_all(int fd, char *data, gsize size)
{
	for (gsize done = 0; done < size;) {
		const ssize_t got = read(fd, data + done, size - done);

		if (got < 0 && errno != EINTR)
			return FALSE;
		if (got == 0) {
			errno = EIO;
			return FALSE;
		}
		done += (gsize)MAX(got, 0);
	}
	return TRUE;
}

/* Return: the content, for g_free(), or NULL with @error. */
static char *read_template(const char *path, gsize *size, GError **error)
{
	g_autofree char *data = NULL;
	struct stat status;
	int fd = safe_file_open_input(_("nvram template"), path, error);

	if (fd < 0)
		return NULL;
	if (fstat(fd, &status) < 0) {
		system_error(_("cannot open nvram template '%s': %s"), path, error);
	} else if (status.st_size == 0 || status.st_size > TEMPLATE_SIZE_MAX) {
		driver_error(
			error, VIR_ERR_CONFIG_UNSUPPORTED,
			ngettext("nvram template '%s' has %" PRId64 " byte: it can have 1 to %d",
				 "nvram template '%s' has %" PRId64 " bytes: it can have 1 to %d",
				 (gulong)status.st_size),
			path, (gint64)status.st_size, TEMPLATE_SIZE_MAX);
	} else {
		*size = (gsize)status.st_size;
		data = g_malloc(*size);
		if (!read_all(fd, data, *size)) {
			system_error(_("cannot read nvram template '%s': %s"), path, error);
			g_clear_pointer(&data, g_free);
		}
	}
	close(fd);
	return g_steal_pointer(&data);
}

/* Makes a file that nobody has beside the one at a place. Return: -1 with errno. */
static int make_temporary(const SafePlace *place, char **name)
{
	for (guint turn = 0; turn < 100; turn++) {
		g_autofree char *tried = replace_file_new_name();
		const int fd = openat(place->folder, tried, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
				      0600);

		if (fd >= 0) {
			*name = g_steal_pointer(&tried);
			return fd;
		}
		if (errno != EEXIST)
			break;
	}
	return -1;
}

static gboolean write_file(const char *path, const SafePlace *place, const char *data, gsize size,
			   GError **error)
{
	g_autofree char *temporary = NULL;
	int fd = make_temporary(place, &temporary);
	gboolean done;

	if (fd < 0)
		return system_error(_("cannot make nvram '%s': %s"), path, error);
	done = replace_file_write_all(fd, data, size) && fsync(fd) == 0 &&
	       renameat(place->folder, temporary, place->folder, place->name) == 0;
	if (!done) {
		system_error(_("cannot write nvram '%s': %s"), path, error);
		(void)unlinkat(place->folder, temporary, 0);
	} else if (!replace_file_sync_folder(place->folder, ".")) {
		done = system_error(_("cannot bring to the disk nvram '%s': %s"), path, error);
	}
	close(fd);
	return done;
}

gboolean nvram_prepare(const DomainDef *def, gboolean is_reset, const SafeOwners *owners,
		       GError **error)
{
	const char *path = def->nvram;
	g_auto(SafePlace) place = SAFE_PLACE_INIT;
	g_autofree char *data = NULL;
	struct stat status;
	gboolean exists;
	gsize size = 0;

	if (!path)
		return TRUE;
	if (!safe_place_find(_("nvram"), path, &place, error))
		return FALSE;
	exists = fstatat(place.folder, place.name, &status, AT_SYMLINK_NOFOLLOW) == 0;
	if (!exists && errno != ENOENT)
		return system_error(_("cannot look at nvram '%s': %s"), path, error);
	if (exists && !safe_file_check_update(_("nvram"), path, &place, owners, error))
		return FALSE;
	if (exists && !is_reset)
		return TRUE;
	if (!def->nvram_template && exists)
		return driver_error(error, VIR_ERR_OPERATION_FAILED,
				    _("nvram '%s' is to be reset and there is no template to make "
				      "it from: name one by <nvram template='...'>"),
				    path);
	if (!def->nvram_template)
		return driver_error(error, VIR_ERR_OPERATION_FAILED,
				    _("nvram '%s' does not exist and there is no template to make "
				      "it from: name one by <nvram template='...'>"),
				    path);
	data = read_template(def->nvram_template, &size, error);
	return data && write_file(path, &place, data, size, error);
}

gboolean nvram_check_undefine(const DomainDef *def, guint flags, GError **error)
{
	const guint fates = VIR_DOMAIN_UNDEFINE_NVRAM | VIR_DOMAIN_UNDEFINE_KEEP_NVRAM;

	if ((flags & fates) == fates)
		return driver_error(error, VIR_ERR_OPERATION_INVALID,
				    _("cannot both keep and delete nvram"));
	if (def->nvram && !(flags & fates) && g_file_test(def->nvram, G_FILE_TEST_EXISTS))
		return driver_error(error, VIR_ERR_OPERATION_INVALID,
				    _("cannot undefine domain with nvram"));
	return TRUE;
}

gboolean nvram_remove(const DomainDef *def, GError **error)
{
	g_auto(SafePlace) place = SAFE_PLACE_INIT;

	if (!def->nvram || !g_file_test(def->nvram, G_FILE_TEST_EXISTS))
		return TRUE;
	if (!safe_place_find(_("nvram"), def->nvram, &place, error))
		return FALSE;
	return unlinkat(place.folder, place.name, 0) == 0 || errno == ENOENT ||
	       system_error(_("cannot remove nvram '%s': %s"), def->nvram, error);
}

char *nvram_identity(const DomainDef *def)
{
	g_autofree char *folder = NULL;
	g_autofree char *name = NULL;
	char resolved[PATH_MAX];

	if (!def->nvram)
		return NULL;
	if (realpath(def->nvram, resolved))
		return g_strdup(resolved);
	folder = g_path_get_dirname(def->nvram);
	name = g_path_get_basename(def->nvram);
	return g_build_filename(realpath(folder, resolved) ? resolved : folder, name, NULL);
}
