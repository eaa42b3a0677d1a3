/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* firmware-descriptor.c - what the host says about its firmware */
#include "driver/host/firmware-descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glib/gi18n.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/qmp-splitter.h"
#include "config.h"
#include "driver/error.h"

#define SUFFIX ".json"

/* The machine as QEMU's patterns know it: with a version, of which ours has none. */
#define MACHINE "pc-q35-"

static void descriptor_free(FirmwareDescriptor *descriptor)
{
	if (!descriptor)
		return;
	g_free(descriptor->nvram_template);
	g_free(descriptor->executable);
	g_free(descriptor->path);
	g_free(descriptor);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FirmwareDescriptor, descriptor_free)

GStrv firmware_descriptor_folders(gboolean is_system)
{
	g_autoptr(GStrvBuilder) folders = g_strv_builder_new();
	g_autofree char *own = g_build_filename(g_get_user_config_dir(), "qemu/firmware", NULL);

	g_strv_builder_add(folders, "/usr/share/qemu/firmware");
	g_strv_builder_add(folders, SYSCONFDIR "/qemu/firmware");
	if (!is_system)
		g_strv_builder_add(folders, own);
	return g_strv_builder_end(folders);
}

/*
 * The members of a descriptor. Each is looked for by the type that it has to have.
 */

/* @format: with a place for the name */
static gboolean bad_member(const char *name, const char *format, GError **error)
{
	return driver_error(error, VIR_ERR_PARSE_FAILED, format, name);
}

static JsonObject *object_of(JsonObject *parent, const char *name, GError **error)
{
	JsonNode *node = json_object_get_member(parent, name);

	if (node && JSON_NODE_HOLDS_OBJECT(node))
		return json_node_get_object(node);
	bad_member(name, _("'%s' is not an object"), error);
	return NULL;
}

static JsonArray *array_of(JsonObject *parent, const char *name, GError **error)
{
	JsonNode *node = json_object_get_member(parent, name);

	if (node && JSON_NODE_HOLDS_ARRAY(node))
		return json_node_get_array(node);
	bad_member(name, _("'%s' is not an array"), error);
	return NULL;
}

/* Return: NULL where @node is no string. */
static const char *node_string(JsonNode *node)
{
	return node && JSON_NODE_HOLDS_VALUE(node) &&
			       json_node_get_value_type(node) == G_TYPE_STRING ?
		       json_node_get_string(node) :
		       NULL;
}

static const char *string_of(JsonObject *parent, const char *name, GError **error)
{
	const char *string = node_string(json_object_get_member(parent, name));

	if (!string)
		bad_member(name, _("'%s' is not a string"), error);
	return string;
}

/* Calls @each with the strings of an array. */
static gboolean for_each_string(JsonObject *parent, const char *name,
				void (*each)(const char *string, gpointer data), gpointer data,
				GError **error)
{
	JsonArray *array = array_of(parent, name, error);

	for (guint i = 0; array && i < json_array_get_length(array); i++) {
		const char *string = node_string(json_array_get_element(array, i));

		if (!string)
			return bad_member(name, _("'%s' is not an array of strings"), error);
		each(string, data);
	}
	return array != NULL;
}

static void take_interface(const char *string, gpointer data)
{
	FirmwareDescriptor *descriptor = data;

	if (strcmp(string, "bios") == 0)
		descriptor->is_bios = TRUE;
	else if (strcmp(string, "uefi") == 0)
		descriptor->is_uefi = TRUE;
}

static void take_feature(const char *string, gpointer data)
{
	FirmwareDescriptor *descriptor = data;

	if (strcmp(string, "requires-smm") == 0)
		descriptor->requires_smm = TRUE;
	else if (strcmp(string, "secure-boot") == 0)
		descriptor->has_secure_boot = TRUE;
	else if (strcmp(string, "enrolled-keys") == 0)
		descriptor->has_enrolled_keys = TRUE;
}

static void take_machine(const char *pattern, gpointer data)
{
	FirmwareDescriptor *descriptor = data;

	if (fnmatch(pattern, MACHINE, 0) == 0)
		descriptor->is_for_machine = TRUE;
}

static void ignore_string(const char *string, gpointer data)
{
	(void)string;
	(void)data;
}

static gboolean read_targets(FirmwareDescriptor *descriptor, JsonObject *root, GError **error)
{
	JsonArray *targets = array_of(root, "targets", error);

	for (guint i = 0; targets && i < json_array_get_length(targets); i++) {
		JsonNode *node = json_array_get_element(targets, i);
		const char *architecture;

		if (!JSON_NODE_HOLDS_OBJECT(node))
			return bad_member("targets", _("'%s' is not an array of objects"), error);
		architecture = string_of(json_node_get_object(node), "architecture", error);
		if (!architecture ||
		    !for_each_string(json_node_get_object(node), "machines",
				     strcmp(architecture, "x86_64") == 0 ? take_machine :
									   ignore_string,
				     descriptor, error))
			return FALSE;
	}
	return targets != NULL;
}

/* JSON can say what XML cannot; what is chosen has to be read back from a domain's definition. */
static gboolean is_path(const char *text)
{
	/* Half of a surrogate pair, "\ud800", is JSON and no UTF-8. */
	if (!g_utf8_validate(text, -1, NULL))
		return FALSE;
	for (const char *at = text; *at; at = g_utf8_next_char(at))
		if (!g_unichar_isprint(g_utf8_get_char(at)))
			return FALSE;
	return g_path_is_absolute(text);
}

/* Return: the path, for g_free(). */
static char *path_of(JsonObject *parent, GError **error)
{
	const char *path = string_of(parent, "filename", error);

	if (!path)
		return NULL;
	if (is_path(path))
		return g_strdup(path);
	bad_member("filename", _("'%s' is not an absolute path of printable characters"), error);
	return NULL;
}

/* { "filename": ..., "format": ... } */
static gboolean read_flash_file(FirmwareDescriptor *descriptor, JsonObject *mapping,
				const char *name, char **path, GError **error)
{
	JsonObject *file = object_of(mapping, name, error);
	const char *format = file ? string_of(file, "format", error) : NULL;

	if (!format)
		return FALSE;
	if (strcmp(format, "raw") != 0)
		descriptor->is_raw = FALSE;
	*path = path_of(file, error);
	return *path != NULL;
}

/* Since QEMU 7.0 "mode" says which files there are; before, there were always two. */
static gboolean read_flash(FirmwareDescriptor *descriptor, JsonObject *mapping, GError **error)
{
	const char *mode = "split";

	if (json_object_has_member(mapping, "mode"))
		mode = string_of(mapping, "mode", error);
	if (!mode ||
	    !read_flash_file(descriptor, mapping, "executable", &descriptor->executable, error))
		return FALSE;
	if (strcmp(mode, "split") != 0)
		return TRUE;
	descriptor->mapping = FIRMWARE_FLASH;
	return read_flash_file(descriptor, mapping, "nvram-template", &descriptor->nvram_template,
			       error);
}

static gboolean read_mapping(FirmwareDescriptor *descriptor, JsonObject *root, GError **error)
{
	JsonObject *mapping = object_of(root, "mapping", error);
	const char *device = mapping ? string_of(mapping, "device", error) : NULL;

	if (!device)
		return FALSE;
	descriptor->mapping = FIRMWARE_OTHER;
	descriptor->is_raw = TRUE;
	if (strcmp(device, "flash") == 0)
		return read_flash(descriptor, mapping, error);
	if (strcmp(device, "memory") != 0)
		return TRUE;
	descriptor->mapping = FIRMWARE_MEMORY;
	descriptor->executable = path_of(mapping, error);
	return descriptor->executable != NULL;
}

static FirmwareDescriptor *read_descriptor(JsonObject *root, GError **error)
{
	g_autoptr(FirmwareDescriptor) descriptor = g_new0(FirmwareDescriptor, 1);

	if (!for_each_string(root, "interface-types", take_interface, descriptor, error) ||
	    !read_mapping(descriptor, root, error) || !read_targets(descriptor, root, error) ||
	    !for_each_string(root, "features", take_feature, descriptor, error))
		return NULL;
	return g_steal_pointer(&descriptor);
}

/*
 * The files.
 */

/* Return: FALSE where there is more or less in a text than one object within bounds. */
static gboolean check_shape(const char *text, gsize length, GError **error)
{
	g_autoptr(QmpSplitter) splitter = qmp_splitter_new();
	const char *object = NULL;
	gsize used = 0;

	switch (qmp_splitter_feed(splitter, text, length, &used, &object)) {
	case QMP_SPLITTER_OBJECT:
		break;
	case QMP_SPLITTER_TOO_LARGE:
		return driver_error(error, VIR_ERR_PARSE_FAILED,
				    ngettext("it is larger than %u byte or deeper than %u levels",
					     "it is larger than %u bytes or deeper than %u levels",
					     QMP_OBJECT_MAX),
				    QMP_OBJECT_MAX, QMP_DEPTH_MAX);
	case QMP_SPLITTER_MORE:
		return driver_error(error, VIR_ERR_PARSE_FAILED, _("it ends within its object"));
	case QMP_SPLITTER_STRAY:
		return driver_error(error, VIR_ERR_PARSE_FAILED, _("it is no JSON object"));
	}
	while (used < length && g_ascii_isspace(text[used]))
		used++;
	return used == length ||
	       driver_error(error, VIR_ERR_PARSE_FAILED, _("there is more than one JSON object"));
}

static FirmwareDescriptor *parse_descriptor(const char *text, gsize length, GError **error)
{
	g_autoptr(JsonParser) parser = json_parser_new();
	g_autoptr(GError) cause = NULL;

	if (!g_utf8_validate(text, (gssize)length, NULL)) {
		driver_error(error, VIR_ERR_PARSE_FAILED, _("it is not UTF-8"));
		return NULL;
	}
	/* json-glib has no bounds of its own. */
	if (!check_shape(text, length, error))
		return NULL;
	if (!json_parser_load_from_data(parser, text, (gssize)length, &cause)) {
		driver_error_from(error, VIR_ERR_PARSE_FAILED, cause, NULL);
		return NULL;
	}
	return read_descriptor(json_node_get_object(json_parser_get_root(parser)), error);
}

/* Return: what is in a regular file, for g_free(); at most a byte more than a descriptor has. */
static char *read_file(const char *path, gsize *length, GError **error)
{
	const gsize size = QMP_OBJECT_MAX + 1;
	g_autofree char *text = g_malloc(size + 1);
	struct stat status;
	ssize_t got = 1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd >= 0 && fstat(fd, &status) == 0 && !S_ISREG(status.st_mode)) {
		driver_error(error, VIR_ERR_PARSE_FAILED, _("it is not a regular file"));
		close(fd);
		return NULL;
	}
	for (*length = 0; fd >= 0 && got > 0 && *length < size; *length += (gsize)MAX(got, 0))
		got = read(fd, text + *length, size - *length);
	if (fd < 0 || got < 0) {
		driver_error(error, VIR_ERR_PARSE_FAILED, "%s", g_strerror(errno));
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	close(fd);
	text[*length] = '\0';
	return g_steal_pointer(&text);
}

static FirmwareDescriptor *load_descriptor(const char *path)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(FirmwareDescriptor) descriptor = NULL;
	gsize length = 0;
	g_autofree char *text = read_file(path, &length, &error);

	if (text)
		descriptor = parse_descriptor(text, length, &error);
	if (!descriptor) {
		g_autoptr(GError) named = NULL;

		driver_error_from(&named, VIR_ERR_PARSE_FAILED, error, _("'%s': %s"), path,
				  driver_error_detail(error));
		g_warning(_("firmware descriptor skipped: %s"), named->message);
		return NULL;
	}
	descriptor->path = g_strdup(path);
	return g_steal_pointer(&descriptor);
}

/* A file of no length, or a link to /dev/null: there is to be no such descriptor. */
static gboolean is_mask(const char *path)
{
	struct stat status, null;

	if (stat(path, &status) < 0)
		return FALSE;
	if (S_ISREG(status.st_mode))
		return status.st_size == 0;
	return S_ISCHR(status.st_mode) && stat("/dev/null", &null) == 0 &&
	       status.st_rdev == null.st_rdev;
}

/* Notes the paths of a folder's descriptors by their file names. */
static void scan_folder(const char *folder, GTree *paths)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GDir) directory = g_dir_open(folder, 0, &error);
	const char *file;

	if (!directory && !g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
		g_warning(_("firmware descriptors skipped: %s"), error->message);
	while (directory && (file = g_dir_read_name(directory))) {
		g_autofree char *path = g_build_filename(folder, file, NULL);

		if (g_str_has_suffix(file, SUFFIX) && file[0] != '.' &&
		    !g_file_test(path, G_FILE_TEST_IS_DIR))
			g_tree_insert(paths, g_strdup(file), g_steal_pointer(&path));
	}
}

static gboolean load_path(gpointer key, gpointer value, gpointer data)
{
	GPtrArray *descriptors = data;
	FirmwareDescriptor *descriptor = is_mask(value) ? NULL : load_descriptor(value);

	(void)key;
	if (descriptor)
		g_ptr_array_add(descriptors, descriptor);
	return FALSE;
}

static gint compare_names(gconstpointer a, gconstpointer b, gpointer data)
{
	(void)data;
	return strcmp(a, b);
}

GPtrArray *firmware_descriptors_load(const char *const *folders)
{
	GPtrArray *descriptors = g_ptr_array_new_with_free_func((GDestroyNotify)descriptor_free);
	g_autoptr(GTree) paths = g_tree_new_full(compare_names, NULL, g_free, g_free);

	for (; *folders; folders++)
		scan_folder(*folders, paths);
	g_tree_foreach(paths, load_path, descriptors);
	return descriptors;
}
