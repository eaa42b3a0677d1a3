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

#include "common/kvm-support.h"
#include "driver/conf/domain-types.h"
#include "driver/conf/xml-walk.h"
#include "driver/conf/xml-writer.h"

/* Of each device. */
typedef struct {
	char *alias;		  /* "virtio-disk0"; NULL where there is none yet */
	guint boot_order;	  /* <boot order='1'/>, or 0 */
	DomainPciAddress address; /* given, or chosen when the domain is defined */
	gboolean is_off_pci;	  /* at a controller or in the chipset, and no PCI device */
} DomainDeviceInfo;

/* <driver iommu= packed=> of any virtio device. */
typedef struct {
	DomainSwitch iommu;
	DomainSwitch packed;
} DomainVirtioOptions;

/* <driver dma=> of disks and network cards: the way to guest memory, which is ours to name. */
typedef enum {
	DOMAIN_DMA_DEFAULT, /* the best that the kind of memory has */
	DOMAIN_DMA_REGISTERED,
	DOMAIN_DMA_WINDOW,
	DOMAIN_DMA_COURIER,
} DomainDma;

void domain_device_info_clear(DomainDeviceInfo *info);
void domain_device_info_copy(DomainDeviceInfo *copy, const DomainDeviceInfo *info);

/* Whether what a document says of a device's alias and place, if anything, is this one's. */
gboolean domain_device_info_may_be(const DomainDeviceInfo *info, const DomainDeviceInfo *wanted);

/* What an update does not say of a device's alias and its place stays. */
void domain_device_info_keep(DomainDeviceInfo *updated, const DomainDeviceInfo *previous);

/* Whether an alias is one that the user has chosen. */
gboolean domain_alias_is_users(const char *alias);

/*
 * domain_parse_pci_address - <address type='pci'> of anything
 *
 * Return: the PCI domain, which is to be 0.
 */
guint domain_parse_pci_address(XmlWalk *walk, xmlNode *node, DomainPciAddress *address);
void domain_format_pci_address(XmlWriter *writer, const DomainPciAddress *address);

/* <alias>. Return: for g_free(), NULL where there is none that is kept. */
char *domain_parse_alias(XmlWalk *walk, xmlNode *node, DomainParseFlags flags);
void domain_format_alias(XmlWriter *writer, const char *alias, gboolean live);

/* <alias>, and <boot order=> where @can_boot. */
void domain_parse_device_name(XmlWalk *walk, xmlNode *node, DomainParseFlags flags,
			      gboolean can_boot, DomainDeviceInfo *info);

/* The same, and <address type='pci'>. */
void domain_parse_device_info(XmlWalk *walk, xmlNode *node, DomainParseFlags flags,
			      gboolean can_boot, DomainDeviceInfo *info);

/* As libvirt orders them: <boot>, <alias>, <address>. @live: the alias of any kind */
void domain_format_device_info(XmlWriter *writer, const DomainDeviceInfo *info, gboolean live);

void domain_parse_virtio_options(XmlWalk *walk, xmlNode *driver, DomainVirtioOptions *options);
void domain_format_virtio_options(XmlWriter *writer, const DomainVirtioOptions *options);

DomainDma domain_parse_dma(XmlWalk *walk, xmlNode *driver);
void domain_format_dma(XmlWriter *writer, DomainDma dma);

/* Return: the name, which is the VMM's too; NULL of the default. */
const char *domain_dma_name(DomainDma dma);

/* Whether devices have that way to memory of that kind. */
gboolean domain_dma_is_with(DomainDma dma, KvmMemoryKind kind);

/* Whether @options asks for anything, so that <driver> has to be printed. */
gboolean domain_virtio_options_are_set(const DomainVirtioOptions *options);

/* One of any kind, as messages name it: "disk" and "vda". */
typedef struct {
	const char *kind;
	char *name;
	DomainDeviceInfo *info;
} DomainDeviceEntry;

typedef struct {
	DomainDeviceEntry *entries;
	guint count;
} DomainDeviceList;

/* All that have an alias, in the order in which libvirt gives them PCI addresses. */
void domain_device_list_init(DomainDeviceList *list, const DomainDef *def);
void domain_device_list_clear(DomainDeviceList *list);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DomainDeviceList, domain_device_list_clear)

/* Gives an alias to each device that has none, for a domain that starts. */
void domain_assign_aliases(DomainDef *def);

/* Whether no two have the same alias or boot order, and whether the order is the only one. */
gboolean domain_check_device_infos(const DomainDef *def, GError **error);

/*
 * domain_boot_index - which place a device has in the order that firmware looks for something to
 * start in
 * @info: of a device of @def's
 *
 * The first disk and the first network card have the place of their kind in <os><boot>, which is
 * there where the devices have no order of their own.
 *
 * Return: from 1 on; 0 where it has none.
 */
guint domain_boot_index(const DomainDef *def, const DomainDeviceInfo *info);
