/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * device.h - what the devices of a domain have in common
 *
 * Theory of operation
 *
 * Each kind of device has a file here, which has all of it: the model, parsing, printing, what is
 * checked, and what domain capabilities say. A device is plain data, like the domain that it is
 * part of, and stands on its own: one that is attached is read and printed by the same functions.
 *
 * A device's alias is its name at the monitor. It is made from the kind and a number, and is in
 * live XML only; one that begins with "ua-" is the user's, and stays.
 */
#pragma once

#include "driver/conf/domain-types.h"
#include "driver/conf/xml-walk.h"
#include "driver/conf/xml-writer.h"

/* Of each device behind a root port. */
typedef struct {
	char *alias;		  /* "virtio-disk0"; NULL where there is none yet */
	guint boot_order;	  /* <boot order='1'/>, or 0 */
	DomainPciAddress address; /* given, or chosen when the domain is defined */
} DomainDeviceInfo;

/* <driver iommu= packed=> of any virtio device. */
typedef struct {
	DomainSwitch iommu;
	DomainSwitch packed;
} DomainVirtioOptions;

void domain_device_info_clear(DomainDeviceInfo *info);
void domain_device_info_copy(DomainDeviceInfo *copy, const DomainDeviceInfo *info);

/* Whether an alias is one that the user has chosen. */
gboolean domain_alias_is_users(const char *alias);

/* <alias>, <boot order=> where @can_boot, and <address type='pci'>. */
void domain_parse_device_info(XmlWalk *walk, xmlNode *node, DomainParseFlags flags,
			      gboolean can_boot, DomainDeviceInfo *info);

/* As libvirt orders them: <boot>, <alias>, <address>. @live: the alias of any kind */
void domain_format_device_info(XmlWriter *writer, const DomainDeviceInfo *info, gboolean live);

void domain_parse_virtio_options(XmlWalk *walk, xmlNode *driver, DomainVirtioOptions *options);
void domain_format_virtio_options(XmlWriter *writer, const DomainVirtioOptions *options);

/* Whether @options asks for anything, so that <driver> has to be printed. */
gboolean domain_virtio_options_are_set(const DomainVirtioOptions *options);
