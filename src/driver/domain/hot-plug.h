/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hot-plug.h - devices of a domain that runs come and go
 *
 * Theory of operation
 *
 * A device that is attached is described to the VMM as at its start; what is behind it is opened
 * here, and sent with the monitor's getfd. It is part of the domain from then on, whether or not
 * the guest does anything with it.
 *
 * A device goes when the guest lets go of it, which it is asked for. That may take time, or never
 * happen: the VMM tells when it is gone, and a worker takes it out of the domain then (follow.h).
 *
 * The domain has a device, in its status file too, before the VMM is asked to make it, and until
 * the VMM says that it is gone. So whoever reaches a VMM after nobody has listened (a connection
 * that was lost, another daemon) has one question: what the domain has and the VMM has not is gone.
 * A VMM that does not answer when a device is attached is asked that, too, once it can be reached.
 */
#pragma once

#include <glib.h>

#include "driver/conf/domain-device.h"
#include "driver/domain/domain.h"

/* Those three are called with the domain's job, without its lock. */
gboolean hot_plug_attach(DomainVmm *vmm, const DomainDevice *device, GError **error);

/*
 * hot_plug_update - change what of a device can change while it is in use
 *
 * That is the link state and the bandwidth of a network card, and the medium of a CD-ROM drive.
 * @is_forced: also where the guest keeps the drive's tray locked
 *
 * Return: FALSE with an error as of domain_def_update_live() and medium_change().
 */
gboolean hot_plug_update(DomainVmm *vmm, const DomainDevice *device, gboolean is_forced,
			 GError **error);

/* Asks the guest to let go of a device. @alias: of one that the domain has */
gboolean hot_plug_detach(DomainVmm *vmm, const char *alias, GError **error);

/* The VMM has said that devices are gone. On a worker, with the job. */
void hot_plug_remove_gone(DomainVmm *vmm);

/*
 * hot_plug_catch_up - take out of the domain what the VMM does not have
 *
 * With the job, without the lock. Return: FALSE where the VMM does not say.
 */
gboolean hot_plug_catch_up(DomainVmm *vmm, GError **error);
