/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * descriptors.h - open files that descriptions of devices name
 *
 * On the command line a name is the number of a descriptor that was inherited; a monitor's
 * client sends one and gives it a name that does not begin with a digit. A device that is made
 * takes those that its description names. In a description they are members called "fd" or
 * "fds", or whose names end in "-fd".
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

typedef struct DescriptorTable DescriptorTable;

DescriptorTable *descriptor_table_new(void);

/* Closes those that nobody has taken. */
void descriptor_table_free(DescriptorTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DescriptorTable, descriptor_table_free)

/* @fd is the table's from then on; one that has the name is closed. */
void descriptor_table_add(DescriptorTable *table, const char *name, int fd);

/*
 * descriptor_table_offer - the same for a client's, who cannot have them heap up
 *
 * Return: FALSE with @error set, and @fd closed, where there are as many as there can be.
 */
gboolean descriptor_table_offer(DescriptorTable *table, const char *name, int fd, GError **error);

gboolean descriptor_table_has(const DescriptorTable *table, const char *name);

/* Closes one. Return: whether it was there. */
gboolean descriptor_table_close(DescriptorTable *table, const char *name);

/*
 * descriptor_table_take - what a device's description names
 * @owner, @member: who says so, for the message
 *
 * Return: the descriptor, the caller's from then on, or -1 with @error set: there is none.
 */
int descriptor_table_take(DescriptorTable *table, const char *owner, const char *member,
			  const char *name, GError **error);

/* Calls @function for each that is still there. */
void descriptor_table_foreach(const DescriptorTable *table, void (*function)(int fd, void *opaque),
			      void *opaque);

/* Return: the names that a description has of descriptors, however deep, for g_ptr_array_unref().
 */
GPtrArray *descriptor_names(JsonObject *description);
