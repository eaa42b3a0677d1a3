/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * block-state.h - how a domain's disks are
 *
 * The VMM says that in answer to query-block, as QEMU does.
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

#include "driver/domain/domain.h"

/*
 * block_state_ask - ask the VMM of all disks, with others who do so at the same time
 *
 * Whoever may look may ask. Without the domain's lock.
 *
 * Return: the answer, whatever it is, for json_node_unref(); NULL with the error of
 * qmp_client_ask_shared().
 */
JsonNode *block_state_ask(const DomainVmm *vmm, GError **error);

/*
 * block_state_size - how large the guest sees a disk
 * @reply: of block_state_ask()
 * @alias: of the disk
 * @size: set, in bytes
 *
 * Return: FALSE where the reply does not say it.
 */
gboolean block_state_size(JsonNode *reply, const char *alias, guint64 *size);

/*
 * block_state_error - what a disk's last error was since the machine was reset or went on
 *
 * Return: VIR_DOMAIN_DISK_ERROR_*; NONE also where the reply does not say it.
 */
int block_state_error(JsonNode *reply, const char *alias);
