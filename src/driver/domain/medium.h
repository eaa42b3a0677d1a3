/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * medium.h - media of CD-ROM drives of a domain that runs come and go
 *
 * Theory of operation
 *
 * A medium is changed in two steps: the one that is in goes, then the next one comes. So there are
 * two answers that may be missing, and each leaves one question, which the VMM answers when it is
 * reached again: is there a medium? The domain has a medium, in its status file too, before the VMM
 * is given it, and until the VMM says that it has gone. A drive that the VMM says is empty is
 * empty.
 *
 * A guest that has locked its tray is asked to open it, and may do so or not; it has a few seconds.
 * What it opens later is its own business: the tray is open then, with the medium in it, and the
 * next change finds it so.
 */
#pragma once

#include <glib.h>

#include "driver/domain/domain.h"

/* How long a guest may take to open a tray that it has locked: as long as in libvirt. */
#define MEDIUM_TRAY_SECONDS 5

/*
 * medium_change - put another medium into a CD-ROM drive, or take out the one that is in it
 * @wanted: the drive by its target, and its medium
 * @is_forced: also where the guest keeps the tray locked
 *
 * With the job, without the lock.
 *
 * Return: FALSE with an error as of domain_def_change_medium(), or of the VMM's. Where the new one
 * cannot be used, the one that was there is put back; where that fails, too, the drive is empty,
 * and the error says so.
 */
gboolean medium_change(DomainVmm *vmm, const DomainDisk *wanted, gboolean is_forced,
		       GError **error);

/*
 * medium_set_tray - the VMM says that the tray of a drive is open, or closed
 *
 * With the lock. Return: whether that is new.
 */
gboolean medium_set_tray(Domain *domain, const char *alias, gboolean is_open);

/*
 * medium_catch_up - what the VMM says of its drives is what is
 *
 * With the job, without the lock. Return: FALSE where the VMM does not say.
 */
gboolean medium_catch_up(DomainVmm *vmm, GError **error);
