/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * capabilities.h - what virsh capabilities and virsh domcapabilities print
 *
 * Both answers are XML in libvirt's formats, and valid under libvirt's schemas; what those do
 * not know yet is in schemas/domaincaps.rng.
 */
#pragma once

#include <glib.h>

#include "driver/host/firmware.h"
#include "driver/host/host-support.h"

#define HOST_UUID_SIZE 16

/*
 * host_uuid - an identity of the host that does not change
 * @uuid: HOST_UUID_SIZE bytes
 *
 * The firmware's (/sys/class/dmi/id/product_uuid) where it is readable and says anything, else
 * one made from /etc/machine-id by a one-way function, so that the machine id itself does not
 * leave the host.
 *
 * Return: FALSE with DRIVER_ERROR when the host has neither.
 */
gboolean host_uuid(const char *root, guint8 uuid[HOST_UUID_SIZE], GError **error);

/*
 * host_capabilities_xml - virConnectGetCapabilities
 * @support:  decides the guest part: without a usable KVM there is none
 * @emulator: path of gmem-vmm
 * @base_label: of the security model dac; NULL where there are no labels
 *
 * Return: XML for g_free(), or NULL with DRIVER_ERROR.
 */
char *host_capabilities_xml(const HostSupport *support, const char *emulator,
			    const char *base_label, GError **error);

/* The same of a host whose proc, sys and etc are below @root: for tests. */
char *host_capabilities_xml_below(const char *root, const HostSupport *support,
				  const char *emulator, const char *base_label, GError **error);

/*
 * host_domain_capabilities_xml - virConnectGetDomainCapabilities
 * @descriptors: of firmware_descriptors_load()
 * @default_emulator: path of gmem-vmm
 * @emulator, @arch, @machine, @virttype: what the client asks about, each NULL for the default
 *
 * Return: XML for g_free(), or NULL with DRIVER_ERROR (VIR_ERR_INVALID_ARG) that says which of
 * the four this driver does not have.
 */
char *host_domain_capabilities_xml(const HostSupport *support, const GPtrArray *descriptors,
				   const char *default_emulator, const char *emulator,
				   const char *arch, const char *machine, const char *virttype,
				   GError **error);
