/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* medium.c - media of CD-ROM drives of a domain that runs come and go */
#include "driver/domain/medium.h"

#include <glib/gi18n.h>
#include <string.h>
#include <unistd.h>

#include "driver/conf/domain-device.h"
#include "driver/domain/definition.h"
#include "driver/domain/driver.h"
#include "driver/domain/follow.h"
#include "driver/domain/served-disk.h"
#include "driver/error.h"
#include "driver/vmm/vmm-device.h"

gboolean medium_set_tray(Domain *domain, const char *alias, gboolean is_open)
{
	DomainDisk *disk = domain_find_disk_alias(domain->live, alias);

	if (!disk || !disk->is_cdrom || disk->is_tray_open == is_open)
		return FALSE;
	disk->is_tray_open = is_open;
	g_cond_broadcast(&domain->tray_moved);
	domain_send_tray_change(domain, alias, is_open);
	return TRUE;
}

/*
 * What the VMM says of its drives.
 */

/* Return: QMP's answer, an array; NULL with @error set, also by one of before an upgrade, which
 * does not know the question. */
static JsonNode *ask_drives(const DomainVmm *vmm, GError **error)
{
	return qmp_client_ask_array(vmm->monitor, "query-block", NULL, error);
}

/* The first answer about a drive; or NULL. */
static JsonObject *find_drive(JsonNode *reply, const char *alias)
{
	return follow_find(reply, "qdev", alias);
}

static void empty_drive(DomainVmm *vmm, guint index)
{
	DomainDef *def = definition_copy_live(vmm->domain);
	DomainDisk *disk = def->disks->pdata[index];

	served_disk_detach(vmm, disk);
	domain_disk_empty(disk);
	definition_set_live_anyway(vmm, def);
}

static void take_drive(DomainVmm *vmm, guint index, JsonObject *drive)
{
	Domain *domain = vmm->domain;
	const DomainDisk *disk = domain->live->disks->pdata[index];

	g_mutex_lock(&domain->lock);
	if (medium_set_tray(domain, disk->info.alias, follow_boolean(drive, "tray_open")))
		(void)follow_save_status(domain, NULL);
	g_mutex_unlock(&domain->lock);
	if (!json_object_has_member(drive, "inserted") && !domain_disk_is_empty(disk))
		empty_drive(vmm, index);
}

static gboolean has_drives(const DomainDef *def)
{
	for (guint i = 0; i < def->disks->len; i++)
		if (((const DomainDisk *)def->disks->pdata[i])->is_cdrom)
			return TRUE;
	return FALSE;
}

gboolean medium_catch_up(DomainVmm *vmm, GError **error)
{
	const Domain *domain = vmm->domain;
	g_autoptr(GError) cause = NULL;
	g_autoptr(JsonNode) reply = NULL;

	if (!domain_vmm_is_current(vmm) || !has_drives(domain->live))
		return TRUE;
	reply = ask_drives(vmm, &cause);
	if (qmp_outcome(cause) == QMP_REFUSED)
		return TRUE;
	if (!reply) {
		g_propagate_error(error, g_steal_pointer(&cause));
		return FALSE;
	}
	for (guint i = 0; domain_vmm_is_current(vmm) && i < domain->live->disks->len; i++) {
		const DomainDisk *disk = domain->live->disks->pdata[i];
		JsonObject *drive = disk->is_cdrom ? find_drive(reply, disk->info.alias) : NULL;

		if (drive)
			take_drive(vmm, i, drive);
	}
	return TRUE;
}

/*
 * Trays that the guest has locked.
 */

static gboolean is_tray_open(const Domain *domain, const char *alias)
{
	const DomainDisk *disk = domain_find_disk_alias(domain->live, alias);

	return disk && disk->is_tray_open;
}

static gboolean wait_for_tray(Domain *domain, const char *alias)
{
	const gint64 deadline = g_get_monotonic_time() + MEDIUM_TRAY_SECONDS * G_TIME_SPAN_SECOND;
	gboolean is_open, in_time = TRUE;

	g_mutex_lock(&domain->lock);
	while (!(is_open = is_tray_open(domain, alias)) && in_time)
		in_time = g_cond_wait_until(&domain->tray_moved, &domain->lock, deadline);
	g_mutex_unlock(&domain->lock);
	return is_open;
}

/* The VMM has refused to open a tray. Return: whether the guest has, which is waited for. */
static gboolean is_opened_by_guest(const DomainVmm *vmm, const char *alias)
{
	g_autoptr(JsonNode) reply = ask_drives(vmm, NULL);
	JsonObject *drive = reply ? find_drive(reply, alias) : NULL;

	return drive && (follow_boolean(drive, "tray_open") ||
			 (follow_boolean(drive, "locked") && wait_for_tray(vmm->domain, alias)));
}

/*
 * Changes.
 */

/* The monitor is connected to anew, so that the VMM is asked when it answers again. */
static void leave_open(const DomainVmm *vmm, const DomainDisk *disk, const GError *cause,
		       GError **error)
{
	qmp_client_disconnect(vmm->monitor);
	driver_error(error, VIR_ERR_OPERATION_TIMEOUT,
		     _("the medium of drive '%s' is changed or not, as is seen when the VMM "
		       "answers: %s"),
		     disk->target, cause->message);
}

/* @fd_name: the new medium's; NULL: there is none */
static gboolean tell(const DomainVmm *vmm, const DomainDisk *disk, const char *fd_name,
		     gboolean is_forced, GError **error)
{
	JsonObject *arguments = qmp_argument("id", disk->info.alias);

	if (fd_name)
		json_object_set_object_member(arguments, "blockdev",
					      vmm_device_describe_medium(disk, fd_name));
	json_object_set_boolean_member(arguments, "force", is_forced);
	return qmp_client_tell_with(vmm->monitor, "blockdev-change-medium", arguments, -1, error);
}

/* Also of a drive that is empty, so that its tray is open for what comes. */
static gboolean eject(DomainVmm *vmm, guint index, gboolean is_forced, GError **error)
{
	const DomainDisk *disk = vmm->domain->live->disks->pdata[index];
	g_autoptr(GError) cause = NULL;

	(void)tell(vmm, disk, NULL, is_forced, &cause);
	if (qmp_outcome(cause) == QMP_REFUSED && !is_forced &&
	    is_opened_by_guest(vmm, disk->info.alias)) {
		g_clear_error(&cause);
		(void)tell(vmm, disk, NULL, FALSE, &cause);
	}
	if (qmp_outcome(cause) == QMP_DONE) {
		empty_drive(vmm, index);
		return TRUE;
	}
	if (qmp_outcome(cause) == QMP_UNKNOWN)
		leave_open(vmm, disk, cause, error);
	else
		g_propagate_error(error, g_steal_pointer(&cause));
	return FALSE;
}

static gboolean pass(const DomainVmm *vmm, const char *command, const char *name, int fd,
		     GError **error)
{
	return qmp_client_tell_with(vmm->monitor, command, qmp_argument("fdname", name), fd, error);
}

static QmpOutcome give(const DomainVmm *vmm, const DomainDisk *disk, int fd, gboolean is_forced,
		       GError **error)
{
	g_autofree char *name = g_strconcat("fd-", disk->info.alias, NULL);
	g_autoptr(GError) cause = NULL;
	QmpOutcome result = QMP_REFUSED;

	if (pass(vmm, "getfd", name, fd, &cause)) {
		(void)tell(vmm, disk, name, is_forced, &cause);
		result = qmp_outcome(cause);
	}
	/* What was refused may have been taken, or not. */
	if (result == QMP_REFUSED)
		(void)pass(vmm, "closefd", name, -1, NULL);
	if (result == QMP_UNKNOWN)
		leave_open(vmm, disk, cause, error);
	else if (cause)
		g_propagate_error(error, g_steal_pointer(&cause));
	return result;
}

/* The image, which the storage daemon opens itself where it serves it. */
static int open_image(DomainVmm *vmm, DomainDisk *disk, GError **error)
{
	return vmm_device_open_disk(disk, vmm->domain->identity->uid, error);
}

/*
 * Puts the medium that @def has into a drive that is empty.
 * @image: of open_image(), taken
 */
static QmpOutcome insert(DomainVmm *vmm, const DomainDef *def, guint index, int image,
			 gboolean is_forced, GError **error)
{
	g_autoptr(DomainDef) filled = domain_def_copy(def);
	DomainDisk *disk = filled->disks->pdata[index];
	QmpOutcome result = QMP_REFUSED;
	int fd = image;

	if (domain_disk_is_served(disk)) {
		close(image);
		fd = served_disk_attach(vmm, disk, error);
	}
	if (fd < 0)
		return QMP_REFUSED;
	/* The disk is there for as long as what runs is no other. */
	if (definition_set_live(vmm->domain, g_steal_pointer(&filled), error))
		result = give(vmm, disk, fd, is_forced, error);
	close(fd);
	if (result == QMP_REFUSED)
		empty_drive(vmm, index);
	return result;
}

/* @cause: why another one could not be put in; taken */
static void put_back(DomainVmm *vmm, const DomainDef *before, guint index, gboolean is_forced,
		     GError *cause, GError **error)
{
	DomainDisk *disk = before->disks->pdata[index];
	g_autoptr(GError) why = cause;
	g_autoptr(GError) lost = NULL;
	int image = -1;

	if (!domain_disk_is_empty(disk))
		image = open_image(vmm, disk, &lost);
	if (image >= 0)
		(void)insert(vmm, before, index, image, is_forced, &lost);
	if (lost)
		driver_error(error, VIR_ERR_OPERATION_FAILED,
			     _("%s; drive '%s' is empty now, since what was in it could not be "
			       "put back: %s"),
			     driver_error_detail(why), disk->target, driver_error_detail(lost));
	else
		g_propagate_error(error, g_steal_pointer(&why));
}

gboolean medium_change(DomainVmm *vmm, const DomainDisk *wanted, gboolean is_forced, GError **error)
{
	const gboolean is_filled = !domain_disk_is_empty(wanted);
	g_autoptr(DomainDef) before = definition_copy_live(vmm->domain);
	g_autoptr(DomainDef) def = NULL;
	g_autoptr(GError) cause = NULL;
	QmpOutcome result = QMP_DONE;
	guint index = 0;
	int image = -1;

	def = domain_def_change_medium(before, wanted, &index, error);
	if (!def || !domain_check_disk(def->disks->pdata[index], error))
		return FALSE;
	/* One that is not there leaves all as it was. */
	if (is_filled && (image = open_image(vmm, def->disks->pdata[index], error)) < 0)
		return FALSE;
	if (!eject(vmm, index, is_forced, error)) {
		if (image >= 0)
			close(image);
		return FALSE;
	}
	if (is_filled)
		result = insert(vmm, def, index, image, is_forced, &cause);
	if (result == QMP_REFUSED)
		put_back(vmm, before, index, is_forced, g_steal_pointer(&cause), error);
	else if (cause)
		g_propagate_error(error, g_steal_pointer(&cause));
	return result == QMP_DONE;
}
