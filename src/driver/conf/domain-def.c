/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-def.c - the life of a domain's configuration
 */
#include "driver/conf/domain-private.h"

static void free_sysinfo_entry(gpointer data)
{
	DomainSysinfoEntry *entry = data;

	g_free(entry->value);
	g_free(entry->name);
	g_free(entry->block);
	g_free(entry);
}

static gpointer copy_sysinfo_entry(gconstpointer data, gpointer user_data G_GNUC_UNUSED)
{
	const DomainSysinfoEntry *entry = data;
	DomainSysinfoEntry *copy = g_memdup2(entry, sizeof(*entry));

	copy->block = g_strdup(entry->block);
	copy->name = g_strdup(entry->name);
	copy->value = g_strdup(entry->value);
	return copy;
}

GPtrArray *domain_sysinfo_new(void)
{
	return g_ptr_array_new_with_free_func(free_sysinfo_entry);
}

static void free_cpu_feature(gpointer data)
{
	DomainCpuFeature *feature = data;

	g_free(feature->policy);
	g_free(feature->name);
	g_free(feature);
}

static gpointer copy_cpu_feature(gconstpointer data, gpointer user_data G_GNUC_UNUSED)
{
	const DomainCpuFeature *feature = data;
	DomainCpuFeature *copy = g_memdup2(feature, sizeof(*feature));

	copy->name = g_strdup(feature->name);
	copy->policy = g_strdup(feature->policy);
	return copy;
}

GPtrArray *domain_cpu_features_new(void)
{
	return g_ptr_array_new_with_free_func(free_cpu_feature);
}

static gpointer copy_numa_cell(gconstpointer data, gpointer user_data G_GNUC_UNUSED)
{
	return g_memdup2(data, sizeof(DomainNumaCell));
}

/* A parse that failed leaves cells out: NULL. */
GPtrArray *domain_numa_cells_new(void)
{
	return g_ptr_array_new_with_free_func(g_free);
}

static void free_pci_controller(gpointer data)
{
	DomainPciController *controller = data;

	g_free(controller->model_name);
	g_free(controller);
}

static gpointer copy_pci_controller(gconstpointer data, gpointer user_data G_GNUC_UNUSED)
{
	const DomainPciController *controller = data;
	DomainPciController *copy = g_memdup2(controller, sizeof(*controller));

	copy->model_name = g_strdup(controller->model_name);
	return copy;
}

GPtrArray *domain_pci_controllers_new(void)
{
	return g_ptr_array_new_with_free_func(free_pci_controller);
}

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

void domain_serial_clear(DomainSerial *serial)
{
	g_free(serial->path);
	g_free(serial->log_path);
	g_free(serial->alias);
}

static DomainSerial *copy_serials(const DomainSerial *serials, guint count)
{
	DomainSerial *copy = g_memdup2(serials, count * sizeof(*serials));

	for (guint i = 0; i < count; i++) {
		copy[i].path = g_strdup(serials[i].path);
		copy[i].log_path = g_strdup(serials[i].log_path);
		copy[i].alias = g_strdup(serials[i].alias);
	}
	return copy;
}

static void free_serials(DomainSerial *serials, guint count)
{
	for (guint i = 0; i < count; i++)
		domain_serial_clear(&serials[i]);
	g_free(serials);
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
	copy->sysinfo = copy_array(def->sysinfo, copy_sysinfo_entry);
	copy->kernel = g_strdup(def->kernel);
	copy->initrd = g_strdup(def->initrd);
	copy->cmdline = g_strdup(def->cmdline);
	copy->cpu_features = copy_array(def->cpu_features, copy_cpu_feature);
	copy->numa_cells = copy_array(def->numa_cells, copy_numa_cell);
	copy->clock_timezone = g_strdup(def->clock_timezone);
	copy->timer_rtc_tickpolicy = g_strdup(def->timer_rtc_tickpolicy);
	copy->timer_pit_tickpolicy = g_strdup(def->timer_pit_tickpolicy);
	copy->pci_controllers = copy_array(def->pci_controllers, copy_pci_controller);
	copy->seclabel_label = g_strdup(def->seclabel_label);
	copy->emulator = g_strdup(def->emulator);

	copy->serials = copy_serials(def->serials, def->n_serials);
	copy->debug_console = copy_serials(def->debug_console, def->debug_console ? 1 : 0);

	return copy;
}

void domain_def_free(DomainDef *def)
{
	if (!def)
		return;

	free_serials(def->debug_console, def->debug_console ? 1 : 0);
	free_serials(def->serials, def->n_serials);
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

gboolean domain_def_memory_kind(const DomainDef *def, KvmMemoryKind *kind)
{
	*kind = def->sw_protected ? KVM_MEMORY_TWO_SIDED : KVM_MEMORY_WINDOWS;
	return def->sw_protected || def->memory_private;
}

void domain_def_set_memory_kind(DomainDef *def, KvmMemoryKind kind)
{
	def->sw_protected = kind == KVM_MEMORY_TWO_SIDED;
	def->memory_private = TRUE;
}

const char *domain_memory_kind_element(KvmMemoryKind kind)
{
	return kind == KVM_MEMORY_TWO_SIDED ? "launchSecurity" : "memoryBacking/private";
}
