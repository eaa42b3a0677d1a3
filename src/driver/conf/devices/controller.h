/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * controller.h - <controller>: the PCI root and its ports
 */
#pragma once

#include "driver/conf/devices/device.h"

/* Where on bus 0 the chipset has its SATA controller. */
#define DOMAIN_SATA_SLOT     0x1f
#define DOMAIN_SATA_FUNCTION 2

/* <controller type='pci'>: index 0 is pcie-root, the others are pcie-root-port. */
typedef struct {
	guint index; /* of the bus that it makes */
	gboolean is_root;
	char *model_name; /* <model name='pcie-root-port'/> */
	guint chassis;
	guint port;
	DomainSwitch hotplug;	  /* <target hotplug='on|off'/> */
	DomainPciAddress address; /* of a root port, on bus 0 */
} DomainPciController;

GPtrArray *domain_pci_controllers_new(void);
gpointer domain_copy_pci_controller(gconstpointer data, gpointer user_data);

/* One that stands on its own: @def becomes as if its document had this element. */
void domain_parse_one_controller(XmlWalk *walk, xmlNode *node, DomainParseFlags flags,
				 DomainDef *def);

/* Index, chassis, port and address of a PCI controller may be left unassigned. */
void domain_parse_controllers(XmlWalk *walk, xmlNode *devices, DomainParseFlags flags,
			      DomainDef *def);
void domain_format_controllers(XmlWriter *writer, const DomainDef *def, gboolean live);

/*
 * Changes of a definition by the controller of @part, which has nothing else. One without an index
 * gets the lowest that is free. One that goes is named by its index, or a root port by its address;
 * where something is at it that is VIR_ERR_OPERATION_FAILED, and one that would come again,
 * since there are others behind it, is VIR_ERR_OPERATION_UNSUPPORTED.
 */
gboolean domain_attach_controller(DomainDef *def, const DomainDef *part, GError **error);
gboolean domain_detach_controller(DomainDef *def, const DomainDef *part, GError **error);
