/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * settings.c - virtgmemd's configuration file
 *
 * Theory of operation
 *
 * The file differs from GLib's key files in that it has no groups and quotes its strings. So
 * it is read as the only group of a key file, and the quotes are taken off.
 */
#include "driver/daemon/settings.h"

#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>

#include "common/rotating-file.h"
#include "common/sandbox-parts.h"
#include "driver/error.h"
#include "driver/security/user-database.h"

#define GROUP "virtgmemd"

/* Of one log file: more than anybody reads, and far from where arithmetic ends. */
#define MAX_SIZE_MAX (G_GUINT64_CONSTANT(1) << 40)

static const char *const names[] = {
	"unix_sock_group",
	"unix_sock_rw_perms",
	"unix_sock_ro_perms",
	"user",
	"group",
	"max_size",
	"max_backups",
	"memory_kinds",
	"sandbox_may_lack",
	"user_range",
};

/* Return: FALSE where @value is no string in double quotes; they are taken off. */
static gboolean unquote(char *value)
{
	const gsize length = strlen(value);

	if (length < 2 || value[0] != '"' || value[length - 1] != '"')
		return FALSE;
	memmove(value, value + 1, length - 2);
	value[length - 2] = '\0';
	return !strpbrk(value, "\"\\");
}

/* Reads a setting's string, for g_free(); NULL where it is absent. */
static gboolean get_string(GKeyFile *file, const char *path, const char *name, char **value,
			   GError **error)
{
	g_autofree char *text = g_key_file_get_value(file, GROUP, name, NULL);

	*value = NULL;
	/* The key file keeps what is behind a value. */
	if (text && !unquote(g_strchomp(text)))
		return driver_error(error, VIR_ERR_CONF_SYNTAX,
				    _("%s: '%s' must be a string in double quotes"), path, name);
	*value = g_steal_pointer(&text);
	return TRUE;
}

/* The same, where an empty one says that there is none. */
static gboolean get_name(GKeyFile *file, const char *path, const char *name, char **value,
			 GError **error)
{
	if (!get_string(file, path, name, value, error))
		return FALSE;
	if (*value && !**value)
		g_clear_pointer(value, g_free);
	return TRUE;
}

static gboolean get_mode(GKeyFile *file, const char *path, const char *name, mode_t *mode,
			 GError **error)
{
	g_autofree char *value = NULL;
	guint64 number;

	if (!get_string(file, path, name, &value, error))
		return FALSE;
	if (!value)
		return TRUE;
	if (!g_ascii_string_to_unsigned(value, 8, 0, 0777, &number, NULL))
		return driver_error(error, VIR_ERR_CONF_SYNTAX,
				    _("%s: '%s' must be octal, such as \"0770\""), path, name);
	*mode = (mode_t)number;
	return TRUE;
}

static gboolean get_group(GKeyFile *file, const char *path, const char *name, gid_t *group,
			  GError **error)
{
	g_autofree char *value = NULL;

	if (!get_string(file, path, name, &value, error))
		return FALSE;
	if (!value || !*value)
		return TRUE;
	if (!user_database_find_group(value, group))
		return driver_error(error, VIR_ERR_CONF_SYNTAX, _("%s: '%s': no group '%s'"), path,
				    name, value);
	return TRUE;
}

/* Numbers are without quotes, as in libvirt's own files. */
static gboolean get_number(GKeyFile *file, const char *path, const char *name, guint64 min,
			   guint64 max, guint64 *number, GError **error)
{
	g_autofree char *text = g_key_file_get_value(file, GROUP, name, NULL);

	if (!text || g_ascii_string_to_unsigned(g_strchomp(text), 10, min, max, number, NULL))
		return TRUE;
	return driver_error(
		error, VIR_ERR_CONF_SYNTAX,
		_("%s: '%s' must be a number from %" PRIu64 " to %" PRIu64 ", without quotes"),
		path, name, min, max);
}

static gboolean get_log_limits(GKeyFile *file, const char *path, Settings *settings, GError **error)
{
	guint64 size = ROTATING_FILE_SIZE_DEFAULT;
	guint64 backups = ROTATING_FILE_BACKUPS_DEFAULT;

	if (!get_number(file, path, "max_size", ROTATING_FILE_SIZE_MIN, MAX_SIZE_MAX, &size,
			error) ||
	    !get_number(file, path, "max_backups", 0, ROTATING_FILE_BACKUPS_MAX, &backups, error))
		return FALSE;
	settings->max_size = (gint64)size;
	settings->max_backups = (guint)backups;
	return TRUE;
}

/* To have both would leave open which one holds. */
static gboolean get_user_range(GKeyFile *file, const char *path, Settings *settings, GError **error)
{
	g_autofree char *text = NULL;

	if (!get_string(file, path, "user_range", &text, error))
		return FALSE;
	if (text && settings->vmm_user)
		return driver_error(
			error, VIR_ERR_CONF_SYNTAX,
			_("%s: 'user' has all domains run as one user, and 'user_range' "
			  "each as its own: set one of them"),
			path);
	return !text || user_range_parse(text, &settings->user_range) ||
	       driver_error(error, VIR_ERR_CONF_SYNTAX,
			    _("%s: 'user_range' must be two numbers from %u to %u, such as "
			      "\"70000-79999\""),
			    path, USER_RANGE_MIN, USER_RANGE_MAX);
}

static gboolean add_memory_kind(const char *path, const char *name, KvmMemoryKinds *kinds,
				GError **error)
{
	KvmMemoryKind kind;

	if (!kvm_memory_kind_parse(name, &kind) || kind == KVM_MEMORY_ORDINARY)
		return driver_error(error, VIR_ERR_CONF_SYNTAX,
				    _("%s: 'memory_kinds': there is no kind '%.80s', only "
				      "\"two-sided\" and \"windows\""),
				    path, name);
	if (kvm_memory_kinds_has(kinds, kind))
		return driver_error(error, VIR_ERR_CONF_SYNTAX,
				    _("%s: 'memory_kinds': '%s' is in it twice"), path, name);
	kinds->kinds[kinds->n_kinds++] = kind;
	return TRUE;
}

/* Return: FALSE where @value has no brackets around it; they are taken off. */
static gboolean take_brackets(char *value)
{
	const gsize length = strlen(value);

	if (length < 2 || value[0] != '[' || value[length - 1] != ']')
		return FALSE;
	value[length - 1] = '\0';
	value[0] = ' ';
	return TRUE;
}

/* Reads a list of strings, for g_strfreev(); NULL where it is absent. */
static gboolean get_list(GKeyFile *file, const char *path, const char *name, const char *example,
			 char ***items, GError **error)
{
	g_autofree char *text = g_key_file_get_value(file, GROUP, name, NULL);
	g_auto(GStrv) found = NULL;

	*items = NULL;
	if (!text)
		return TRUE;
	if (!take_brackets(g_strchomp(text)))
		return driver_error(error, VIR_ERR_CONF_SYNTAX,
				    _("%s: '%s' must be a list in one line, such as %s"), path,
				    name, example);
	found = g_strsplit(g_strstrip(text), ",", -1);
	for (guint i = 0; found[i]; i++)
		if (!unquote(g_strstrip(found[i])))
			return driver_error(
				error, VIR_ERR_CONF_SYNTAX,
				_("%s: what is in the list '%s' must be strings in double quotes"),
				path, name);
	*items = g_steal_pointer(&found);
	return TRUE;
}

static gboolean get_memory_kinds(GKeyFile *file, const char *path, KvmMemoryKinds *kinds,
				 GError **error)
{
	g_auto(GStrv) items = NULL;

	if (!get_list(file, path, "memory_kinds", "[ \"windows\" ]", &items, error))
		return FALSE;
	if (!items)
		return TRUE;
	if (!items[0])
		return driver_error(error, VIR_ERR_CONF_SYNTAX,
				    _("%s: 'memory_kinds' is empty: no domain could start"), path);
	kinds->n_kinds = 0;
	for (guint i = 0; items[i]; i++)
		if (!add_memory_kind(path, items[i], kinds, error))
			return FALSE;
	return TRUE;
}

static gboolean get_may_lack(GKeyFile *file, const char *path, guint *parts, GError **error)
{
	g_auto(GStrv) items = NULL;
	SandboxPart part;

	if (!get_list(file, path, "sandbox_may_lack", "[ \"namespaces\" ]", &items, error))
		return FALSE;
	for (guint i = 0; items && items[i]; i++) {
		if (!sandbox_part_parse(items[i], &part))
			return driver_error(error, VIR_ERR_CONF_SYNTAX,
					    _("%s: 'sandbox_may_lack': there is no part '%.80s'"),
					    path, items[i]);
		*parts |= SANDBOX_PART_BIT(part);
	}
	return TRUE;
}

/* A "[group]" would have the settings behind it overlooked. */
static gboolean check_groups(GKeyFile *file, const char *path, GError **error)
{
	g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);

	if (!groups[1])
		return TRUE;
	return driver_error(error, VIR_ERR_CONF_SYNTAX, _("%s: '[%s]': there are no groups"), path,
			    groups[1]);
}

static gboolean check_names(GKeyFile *file, const char *path, GError **error)
{
	g_auto(GStrv) found = g_key_file_get_keys(file, GROUP, NULL, NULL);

	for (guint i = 0; found && found[i]; i++) {
		gboolean is_known = FALSE;

		for (gsize j = 0; j < G_N_ELEMENTS(names); j++)
			is_known |= strcmp(found[i], names[j]) == 0;
		if (!is_known)
			return driver_error(error, VIR_ERR_CONF_SYNTAX,
					    _("%s: there is no setting '%s'"), path, found[i]);
	}
	return TRUE;
}

static gboolean read_settings(Settings *settings, GKeyFile *file, const char *path, GError **error)
{
	return check_groups(file, path, error) && check_names(file, path, error) &&
	       get_group(file, path, "unix_sock_group", &settings->socket_group, error) &&
	       get_mode(file, path, "unix_sock_rw_perms", &settings->socket_mode, error) &&
	       get_mode(file, path, "unix_sock_ro_perms", &settings->readonly_socket_mode, error) &&
	       get_name(file, path, "user", &settings->vmm_user, error) &&
	       get_name(file, path, "group", &settings->vmm_group, error) &&
	       get_user_range(file, path, settings, error) &&
	       get_log_limits(file, path, settings, error) &&
	       get_memory_kinds(file, path, &settings->memory_kinds, error) &&
	       get_may_lack(file, path, &settings->may_lack, error);
}

gboolean settings_load(Settings *settings, const char *path, gboolean must_exist, GError **error)
{
	g_autoptr(GKeyFile) file = g_key_file_new();
	g_autoptr(GError) cause = NULL;
	g_autofree char *text = NULL;
	g_autofree char *grouped = NULL;
	gsize length;

	*settings = (Settings){
		.socket_group = (gid_t)-1,
		.socket_mode = 0700,
		.readonly_socket_mode = 0777,
		.user_range = USER_RANGE_DEFAULT,
		.max_size = ROTATING_FILE_SIZE_DEFAULT,
		.max_backups = ROTATING_FILE_BACKUPS_DEFAULT,
		.memory_kinds = KVM_MEMORY_KINDS_ALL,
	};
	if (!g_file_get_contents(path, &text, &length, &cause)) {
		if (!must_exist && g_error_matches(cause, G_FILE_ERROR, G_FILE_ERROR_NOENT))
			return TRUE;
		return driver_error(error, VIR_ERR_CONF_SYNTAX, "%s", cause->message);
	}
	if (strlen(text) < length)
		return driver_error(error, VIR_ERR_CONF_SYNTAX, _("%s: not a text file"), path);
	grouped = g_strconcat("[" GROUP "]\n", text, NULL);
	if (!g_key_file_load_from_data(file, grouped, -1, G_KEY_FILE_KEEP_TRANSLATIONS, &cause))
		return driver_error(error, VIR_ERR_CONF_SYNTAX, "%s: %s", path, cause->message);
	return read_settings(settings, file, path, error);
}

void settings_clear(Settings *settings)
{
	g_clear_pointer(&settings->vmm_user, g_free);
	g_clear_pointer(&settings->vmm_group, g_free);
}

const char *const *settings_names(gsize *n_names)
{
	*n_names = G_N_ELEMENTS(names);
	return names;
}
