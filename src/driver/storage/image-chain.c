/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* image-chain.c - the image of a disk and those behind it, opened */
#include "driver/storage/image-chain.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/safe-file.h"
#include "driver/storage/image-header.h"

static void free_file(gpointer data)
{
	ImageFile *file = data;

	close(file->fd);
	g_free(file->format);
	g_free(file);
}

static void add_file(GPtrArray *chain, DomainDiskType type, const char *format, int fd)
{
	ImageFile *file = g_new0(ImageFile, 1);

	file->type = type;
	file->format = g_strdup(format);
	file->fd = fd;
	g_ptr_array_add(chain, file);
}

/* A disk's image or one behind it, as messages name it. */
typedef struct {
	const char *target;
	const char *path;
} Subject;

static gboolean refuse(const Subject *subject, GError **error, const char *why)
{
	return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED, _("disk %s: image '%s' %s"),
			    subject->target, subject->path, why);
}

/* Return: how many bytes there are, or -1 with errno. */
static gssize read_start(int fd, guint8 *data, gsize size)
{
	gsize done = 0;

	while (done < size) {
		const gssize n = pread(fd, data + done, size - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (gsize)n;
	}
	return (gssize)done;
}

static gboolean read_header(const Subject *subject, const ImageFile *file, ImageHeader *header,
			    GError **error)
{
	g_autofree guint8 *data = g_malloc(IMAGE_HEADER_SIZE);
	const gssize size = read_start(file->fd, data, IMAGE_HEADER_SIZE);
	const char *why;

	if (size < 0)
		return driver_error(error, VIR_ERR_SYSTEM_ERROR,
				    _("disk %s: image '%s' cannot be read: %s"), subject->target,
				    subject->path, g_strerror(errno));
	why = image_header_parse(file->format, data, (gsize)size, header);
	return !why || refuse(subject, error, _(why));
}

char *image_chain_resolve(const char *path, const char *name)
{
	const gsize before_slash = strcspn(name, "/");
	g_autofree char *folder = NULL;

	/* "nbd:", "json:" and whatever QEMU has besides. */
	if (memchr(name, ':', before_slash) || !g_utf8_validate(name, -1, NULL))
		return NULL;
	if (g_path_is_absolute(name))
		return g_strdup(name);
	folder = g_path_get_dirname(path);
	return g_build_filename(folder, name, NULL);
}

/* Return: -1 with @error set. */
static int open_backing(const Subject *subject, DomainDiskType type, GError **error)
{
	g_autofree char *what = g_strdup_printf(_("backing image of disk %s"), subject->target);

	return type == DOMAIN_DISK_BLOCK ?
		       safe_file_open_block_device(what, subject->path, FALSE, error) :
		       safe_file_open_image(what, subject->path, error);
}

/* Return: FALSE, too, where one of the folders cannot be looked at. */
static gboolean are_in_same_folder(const char *a, const char *b)
{
	g_auto(SafePlace) first = SAFE_PLACE_INIT;
	g_auto(SafePlace) second = SAFE_PLACE_INIT;
	struct stat first_status, second_status;

	return safe_place_find("", a, &first, NULL) && safe_place_find("", b, &second, NULL) &&
	       fstat(first.folder, &first_status) == 0 &&
	       fstat(second.folder, &second_status) == 0 &&
	       first_status.st_dev == second_status.st_dev &&
	       first_status.st_ino == second_status.st_ino;
}

/* Whether everybody may read what was opened, by the path that it was opened by. */
static gboolean is_open_to_all(const char *path, int fd)
{
	g_auto(SafePlace) place = SAFE_PLACE_INIT;
	struct stat opened, found;

	return safe_place_find("", path, &place, NULL) && place.is_open_to_all &&
	       fstat(fd, &opened) == 0 && (opened.st_mode & S_IROTH) &&
	       fstatat(place.folder, place.name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
	       opened.st_dev == found.st_dev && opened.st_ino == found.st_ino;
}

/* Whether an image may have a file behind it only because it says so. */
static gboolean may_name(const char *path, const char *backing, int fd)
{
	return geteuid() != 0 || is_open_to_all(backing, fd) || are_in_same_folder(path, backing);
}

/* The format of what a header names. Return: NULL with @error set. */
static const char *format_of_backing(const Subject *subject, const ImageHeader *header,
				     GError **error)
{
	const char *format = header->backing_format;

	if (!format) {
		refuse(subject, error,
		       _("does not say the format of its backing image: add an element "
			 "'backingStore', or see 'qemu-img rebase -u -F'"));
		return NULL;
	}
	/* QEMU's name of it. */
	if (strcmp(format, "parallels") == 0)
		return "ploop";
	if (strcmp(format, "raw") == 0 || g_strv_contains(image_formats(), format))
		return format;
	refuse(subject, error, _("has a backing image of a format that is not supported"));
	return NULL;
}

/* What the header of the last image names becomes the last. */
static gboolean add_named(DomainDisk *disk, const Subject *subject, const ImageHeader *header,
			  GPtrArray *chain, GError **error)
{
	const char *format = format_of_backing(subject, header, error);
	g_autofree char *path = NULL;
	Subject named = { .target = disk->target };
	int fd;

	if (!format)
		return FALSE;
	path = image_chain_resolve(subject->path, header->backing);
	if (!path)
		return refuse(subject, error,
			      _("has something behind it that is no file: add an element "
				"'backingStore'"));
	named.path = path;
	fd = open_backing(&named, DOMAIN_DISK_FILE, error);
	if (fd < 0)
		return FALSE;
	add_file(chain, DOMAIN_DISK_FILE, format, fd);
	if (!may_name(subject->path, path, fd))
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("disk %s: image '%s' has '%s' behind it, which not everybody "
				      "may read: if that is meant, add an element 'backingStore'"),
				    disk->target, subject->path, path);
	domain_disk_add_backing(disk, DOMAIN_DISK_FILE, path, format);
	return TRUE;
}

static const char *path_of(const DomainDisk *disk, guint index)
{
	return index == 0 ? disk->path :
			    ((DomainDiskBacking *)disk->backings->pdata[index - 1])->path;
}

/* Opens those that are known, and finds the others. */
static gboolean extend(DomainDisk *disk, GPtrArray *chain, GError **error)
{
	for (guint i = 0; i < chain->len; i++) {
		const Subject subject = { disk->target, path_of(disk, i) };
		const guint n_backings = disk->backings ? disk->backings->len : 0;
		g_auto(ImageHeader) header = { 0 };

		if (!read_header(&subject, chain->pdata[i], &header, error))
			return FALSE;
		if (i < n_backings) {
			const DomainDiskBacking *backing = disk->backings->pdata[i];
			const Subject next = { disk->target, backing->path };
			const int fd = open_backing(&next, backing->type, error);

			if (fd < 0)
				return FALSE;
			add_file(chain, backing->type, backing->format, fd);
			continue;
		}
		if (disk->is_chain_complete || !header.backing)
			return TRUE;
		if (chain->len > DOMAIN_DISK_MAX_BACKINGS)
			return refuse(&subject, error, _("has too many images behind it"));
		if (!add_named(disk, &subject, &header, chain, error))
			return FALSE;
	}
	return TRUE;
}

GPtrArray *image_chain_open(DomainDisk *disk, int fd, GError **error)
{
	g_autoptr(GPtrArray) chain = g_ptr_array_new_with_free_func(free_file);

	add_file(chain, disk->type, disk->format, fd);
	if (!extend(disk, chain, error))
		return NULL;
	disk->is_chain_complete = TRUE;
	return g_steal_pointer(&chain);
}
