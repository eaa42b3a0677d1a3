/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* domain-list.c - the domains of a driver, by name, UUID and id */
#include "driver/domain/domain-list.h"

#include <glib/gi18n.h>
#include <string.h>

#include "driver/error.h"

struct DomainList {
	GMutex lock;	     /* guards what follows */
	GHashTable *by_name; /* of Domain, references */
	GHashTable *by_uuid; /* the same domains, keyed by their bytes */
};

static guint uuid_hash(gconstpointer key)
{
	guint hash;

	memcpy(&hash, key, sizeof(hash));
	return hash;
}

static gboolean uuid_equal(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, VIR_UUID_BUFLEN) == 0;
}

DomainList *domain_list_new(void)
{
	DomainList *list = g_new0(DomainList, 1);

	g_mutex_init(&list->lock);
	list->by_uuid = g_hash_table_new(uuid_hash, uuid_equal);
	list->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
					      (GDestroyNotify)domain_unref);
	return list;
}

void domain_list_free(DomainList *list)
{
	if (!list)
		return;
	g_hash_table_unref(list->by_uuid);
	g_hash_table_unref(list->by_name);
	g_mutex_clear(&list->lock);
	g_free(list);
}

static gboolean is_visible(Domain *domain)
{
	gboolean visible;

	g_mutex_lock(&domain->lock);
	visible = domain_is_visible(domain);
	g_mutex_unlock(&domain->lock);
	return visible;
}

static Domain *find_visible(DomainList *list, GHashTable *table, gconstpointer key)
{
	Domain *domain;

	g_mutex_lock(&list->lock);
	domain = g_hash_table_lookup(table, key);
	if (domain)
		domain = is_visible(domain) ? domain_ref(domain) : NULL;
	g_mutex_unlock(&list->lock);
	return domain;
}

Domain *domain_list_find_name(DomainList *list, const char *name, GError **error)
{
	Domain *domain = find_visible(list, list->by_name, name);

	if (!domain)
		driver_error(error, VIR_ERR_NO_DOMAIN, _("no domain with matching name '%s'"),
			     name);
	return domain;
}

Domain *domain_list_find_uuid(DomainList *list, const guint8 *uuid, GError **error)
{
	Domain *domain = find_visible(list, list->by_uuid, uuid);
	char text[VIR_UUID_STRING_BUFLEN];

	if (!domain) {
		uuid_format(uuid, text);
		driver_error(error, VIR_ERR_NO_DOMAIN, _("no domain with matching uuid '%s'"),
			     text);
	}
	return domain;
}

Domain *domain_list_find_id(DomainList *list, int id, GError **error)
{
	Domain *found = NULL;
	GHashTableIter iter;
	gpointer value;

	g_mutex_lock(&list->lock);
	g_hash_table_iter_init(&iter, list->by_name);
	while (!found && g_hash_table_iter_next(&iter, NULL, &value)) {
		Domain *domain = value;

		g_mutex_lock(&domain->lock);
		if (domain_is_active(domain) && domain_id(domain) == id)
			found = domain_ref(domain);
		g_mutex_unlock(&domain->lock);
	}
	g_mutex_unlock(&list->lock);
	if (!found)
		driver_error(error, VIR_ERR_NO_DOMAIN, _("no domain with matching id %d"), id);
	return found;
}

/* With the lock: refuses a definition that is half of one domain and half of another. */
static gboolean check_identity(const Domain *by_name, const Domain *by_uuid, const DomainDef *def,
			       GError **error)
{
	char text[VIR_UUID_STRING_BUFLEN];

	if (by_name == by_uuid)
		return TRUE;
	if (by_uuid) {
		uuid_format(def->uuid, text);
		return driver_error(error, VIR_ERR_OPERATION_FAILED,
				    _("domain '%s' is already defined with uuid %s"), by_uuid->name,
				    text);
	}
	uuid_format(by_name->uuid, text);
	return driver_error(error, VIR_ERR_OPERATION_FAILED,
			    _("domain '%s' already exists with uuid %s"), by_name->name, text);
}

Domain *domain_list_obtain(DomainList *list, Driver *driver, const DomainDef *def, GError **error)
{
	Domain *domain;
	Domain *by_name;

	g_mutex_lock(&list->lock);
	by_name = g_hash_table_lookup(list->by_name, def->name);
	domain = g_hash_table_lookup(list->by_uuid, def->uuid);
	if (!check_identity(by_name, domain, def, error)) {
		domain = NULL;
	} else if (domain) {
		domain_ref(domain);
	} else {
		domain = domain_new(driver, def);
		g_hash_table_insert(list->by_name, domain->name, domain_ref(domain));
		g_hash_table_insert(list->by_uuid, domain->uuid, domain);
	}
	g_mutex_unlock(&list->lock);
	return domain;
}

void domain_list_drop_invisible(DomainList *list, Domain *domain)
{
	g_mutex_lock(&list->lock);
	g_mutex_lock(&domain->lock);
	if (!domain->is_removed && !domain->live && !domain->config) {
		domain->is_removed = TRUE;
		g_hash_table_remove(list->by_uuid, domain->uuid);
		g_mutex_unlock(&domain->lock);
		g_hash_table_remove(list->by_name, domain->name);
	} else {
		g_mutex_unlock(&domain->lock);
	}
	g_mutex_unlock(&list->lock);
}

/* With the list's lock: who runs with a variable file, but for @self; a reference of the list's. */
static Domain *find_nvram(DomainList *list, const Domain *self, const char *path)
{
	Domain *found = NULL;
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, list->by_name);
	while (!found && g_hash_table_iter_next(&iter, NULL, &value)) {
		Domain *domain = value;

		if (domain == self)
			continue;
		g_mutex_lock(&domain->lock);
		if (g_strcmp0(domain->nvram, path) == 0)
			found = domain;
		g_mutex_unlock(&domain->lock);
	}
	return found;
}

gboolean domain_list_claim_nvram(DomainList *list, Domain *domain, const char *path, GError **error)
{
	const Domain *other;

	g_mutex_lock(&list->lock);
	other = path ? find_nvram(list, domain, path) : NULL;
	if (other) {
		driver_error(error, VIR_ERR_RESOURCE_BUSY, _("nvram '%s' is in use by domain '%s'"),
			     path, other->name);
	} else {
		g_mutex_lock(&domain->lock);
		g_free(domain->nvram);
		domain->nvram = g_strdup(path);
		g_mutex_unlock(&domain->lock);
	}
	g_mutex_unlock(&list->lock);
	return !other;
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
	const Domain *const *first = a;
	const Domain *const *second = b;

	return strcmp((*first)->name, (*second)->name);
}

GPtrArray *domain_list_all(DomainList *list)
{
	GPtrArray *all = g_ptr_array_new_with_free_func((GDestroyNotify)domain_unref);
	GHashTableIter iter;
	gpointer value;

	g_mutex_lock(&list->lock);
	g_hash_table_iter_init(&iter, list->by_name);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		if (is_visible(value))
			g_ptr_array_add(all, domain_ref(value));
	}
	g_mutex_unlock(&list->lock);
	g_ptr_array_sort(all, compare_names);
	return all;
}
