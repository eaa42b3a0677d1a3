/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-def.c - the life of a domain's configuration
 */
#include "driver/conf/domain-parts.h"

/* The copy of an array has the free function of the original. */
static GPtrArray *copy_array(GPtrArray *array, GCopyFunc copy_element)
{
	return array ? g_ptr_array_copy(array, copy_element, NULL) : NULL;
}

static void free_array(GPtrArray *array)
{
	if (array)
		g_ptr_array_unref(array);
}

static gpointer copy_disk(gconstpointer data, gpointer user_data G_GNUC_UNUSED)
{
	return domain_disk_copy(data);
}

static gpointer copy_interface(gconstpointer data, gpointer user_data G_GNUC_UNUSED)
{
	return domain_interface_copy(data);
}

static gpointer copy_rng(gconstpointer data, gpointer user_data G_GNUC_UNUSED)
{
	return domain_rng_copy(data);
}

static gpointer copy_virtio_serial(gconstpointer data, gpointer user_data G_GNUC_UNUSED)
{
	return domain_virtio_serial_copy(data);
}

static gpointer copy_port(gconstpointer data, gpointer user_data G_GNUC_UNUSED)
{
	return domain_port_copy(data);
}

static gpointer copy_watchdog(gconstpointer data, gpointer user_data G_GNUC_UNUSED)
{
	return domain_watchdog_copy(data);
}

static gpointer copy_input(gconstpointer data, gpointer user_data G_GNUC_UNUSED)
{
	return domain_input_copy(data);
}

DomainDef *domain_def_new(void)
{
	DomainDef *def = g_new0(DomainDef, 1);

	def->disks = g_ptr_array_new_with_free_func((GDestroyNotify)domain_disk_free);
	def->interfaces = g_ptr_array_new_with_free_func((GDestroyNotify)domain_interface_free);
	def->rngs = g_ptr_array_new_with_free_func((GDestroyNotify)domain_rng_free);
	def->virtio_serials =
		g_ptr_array_new_with_free_func((GDestroyNotify)domain_virtio_serial_free);
	def->consoles = g_ptr_array_new_with_free_func((GDestroyNotify)domain_port_free);
	def->channels = g_ptr_array_new_with_free_func((GDestroyNotify)domain_port_free);
	def->watchdogs = g_ptr_array_new_with_free_func((GDestroyNotify)domain_watchdog_free);
	def->inputs = g_ptr_array_new_with_free_func((GDestroyNotify)domain_input_free);
	def->iothreads = g_array_new(FALSE, FALSE, sizeof(DomainIothread));
	return def;
}

DomainDef *domain_def_copy(const DomainDef *def)
{
	DomainDef *copy = g_memdup2(def, sizeof(*def));

	copy->name = g_strdup(def->name);
	copy->title = g_strdup(def->title);
	copy->description = g_strdup(def->description);
	copy->metadata = g_strdup(def->metadata);
	copy->machine = g_strdup(def->machine);
	copy->loader = g_strdup(def->loader);
	copy->nvram = g_strdup(def->nvram);
	copy->nvram_template = g_strdup(def->nvram_template);
	copy->sysinfo = copy_array(def->sysinfo, domain_copy_sysinfo_entry);
	copy->kernel = g_strdup(def->kernel);
	copy->initrd = g_strdup(def->initrd);
	copy->cmdline = g_strdup(def->cmdline);
	copy->cpu_features = copy_array(def->cpu_features, domain_copy_cpu_feature);
	copy->numa_cells = copy_array(def->numa_cells, domain_copy_numa_cell);
	copy->clock_timezone = g_strdup(def->clock_timezone);
	copy->timer_rtc_tickpolicy = g_strdup(def->timer_rtc_tickpolicy);
	copy->timer_pit_tickpolicy = g_strdup(def->timer_pit_tickpolicy);
	copy->pci_controllers = copy_array(def->pci_controllers, domain_copy_pci_controller);
	copy->seclabel_label = g_strdup(def->seclabel_label);
	copy->emulator = g_strdup(def->emulator);

	copy->disks = g_ptr_array_copy(def->disks, copy_disk, NULL);
	copy->interfaces = g_ptr_array_copy(def->interfaces, copy_interface, NULL);
	copy->rngs = g_ptr_array_copy(def->rngs, copy_rng, NULL);
	copy->watchdogs = g_ptr_array_copy(def->watchdogs, copy_watchdog, NULL);
	copy->inputs = g_ptr_array_copy(def->inputs, copy_input, NULL);
	copy->memballoon = domain_memballoon_copy(def->memballoon);
	copy->panic = domain_panic_copy(def->panic);
	copy->virtio_serials = g_ptr_array_copy(def->virtio_serials, copy_virtio_serial, NULL);
	copy->consoles = g_ptr_array_copy(def->consoles, copy_port, NULL);
	copy->channels = g_ptr_array_copy(def->channels, copy_port, NULL);
	copy->iothreads = g_array_copy(def->iothreads);

	copy->serials = domain_copy_serials(def->serials, def->n_serials);
	copy->debug_console = domain_copy_serials(def->debug_console, def->debug_console ? 1 : 0);

	return copy;
}

guint domain_def_count_working(const DomainDef *def)
{
	return def->iothreads->len + def->disks->len + def->interfaces->len + def->rngs->len +
	       def->virtio_serials->len + domain_count_virtio_inputs(def) + !!def->memballoon;
}

void domain_def_free(DomainDef *def)
{
	if (!def)
		return;

	g_clear_pointer(&def->iothreads, g_array_unref);
	domain_panic_free(def->panic);
	free_array(def->channels);
	free_array(def->consoles);
	free_array(def->virtio_serials);
	free_array(def->inputs);
	free_array(def->watchdogs);
	domain_memballoon_free(def->memballoon);
	free_array(def->rngs);
	free_array(def->interfaces);
	free_array(def->disks);
	domain_free_serials(def->debug_console, def->debug_console ? 1 : 0);
	domain_free_serials(def->serials, def->n_serials);
	g_free(def->emulator);
	g_free(def->seclabel_label);
	free_array(def->pci_controllers);
	g_free(def->timer_pit_tickpolicy);
	g_free(def->timer_rtc_tickpolicy);
	g_free(def->clock_timezone);
	free_array(def->numa_cells);
	free_array(def->cpu_features);
	g_free(def->cmdline);
	g_free(def->initrd);
	g_free(def->kernel);
	free_array(def->sysinfo);
	g_free(def->nvram_template);
	g_free(def->nvram);
	g_free(def->loader);
	g_free(def->machine);
	g_free(def->metadata);
	g_free(def->description);
	g_free(def->title);
	g_free(def->name);
	g_free(def);
}
