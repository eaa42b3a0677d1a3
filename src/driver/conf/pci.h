/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pci.h - indexes, addresses, chassis and ports of the PCI controllers
 */
#pragma once

#include "driver/conf/domain-types.h"

/* Of a PCI controller that is not complete: its index, chassis or port was not given. */
#define DOMAIN_PCI_UNASSIGNED G_MAXUINT

/*
 * domain_pci_complete - number the PCI controllers, and give them and the devices addresses
 *
 * Adds the root where the document has none, and root ports for indexes that were left out, for
 * buses that devices name, and for devices that would have none.
 * Indexes, addresses, chassis and ports that were given stay; see pci.c for the rest.
 *
 * Return: FALSE with VIR_ERR_XML_ERROR or VIR_ERR_CONFIG_UNSUPPORTED, naming both
 * where two want the same.
 */
gboolean domain_pci_complete(DomainDef *def, GError **error);
