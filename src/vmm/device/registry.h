/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * registry.h - all devices of a machine, and what is done to each of them in turn
 *
 * Theory of operation
 *
 * A device is added once, by who makes it. From then on its machine knows no more of it than
 * its id and what can be done to it: a reset, a pause, the end, walk the registry. They go in
 * the order of addition, but for the end, which comes in reverse: a device may lean on those
 * that were there before it.
 *
 * Only the main thread changes the registry, with the device lock held; so the main thread may
 * walk it without.
 *
 * Devices that people name have ids that begin with a letter and hold no slash. Those that
 * every machine has are called "chipset/rtc" and the like, and get in nobody's way.
 */
#pragma once

#include <glib.h>

/* What can be done to a device. Each may be NULL but for free. */
typedef struct {
	/*
	 * Back to where it is at power-on; with the device lock held, vCPUs paused. NULL for a
	 * PCI function, which is reset with its bus.
	 */
	void (*reset)(void *device);
	/*
	 * The guest does not run from now on: nothing of the device touches its memory when it
	 * returns, and what it has taken is where it will be found again. Main thread, vCPUs
	 * paused, device lock not held.
	 */
	void (*pause)(void *device);
	/* The end of a pause, before vCPUs run; main thread, device lock not held. */
	void (*resume)(void *device);
	/* It goes: vCPUs have ended, or it is unplugged. */
	void (*free)(void *device);
} DeviceOperations;

typedef struct DeviceRegistry DeviceRegistry;

DeviceRegistry *device_registry_new(void);

/* Frees the devices that are left, the last one first. */
void device_registry_free(DeviceRegistry *registry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DeviceRegistry, device_registry_free)

/*
 * device_registry_add - from now on @registry owns @device
 * @id:         copied; that there is one already is a bug of the caller, and aborts
 * @operations: lent for the device's life
 */
void device_registry_add(DeviceRegistry *registry, const char *id,
			 const DeviceOperations *operations, void *device);

/* The same for a device that is on another one, whose id is @parent: it goes with it. */
void device_registry_add_child(DeviceRegistry *registry, const char *parent, const char *id,
			       const DeviceOperations *operations, void *device);

/* Frees a device that is there, after those that are on it. */
void device_registry_remove(DeviceRegistry *registry, const char *id);

gboolean device_registry_has(const DeviceRegistry *registry, const char *id);

/* Whether a device is on another one. */
gboolean device_registry_is_child(const DeviceRegistry *registry, const char *id);

/* Appends copies of the ids of those that are on @parent. */
void device_registry_list_children(const DeviceRegistry *registry, const char *parent,
				   GPtrArray *ids);

/* Return: the device of that id if it is one with @operations, or else NULL. */
void *device_registry_find(const DeviceRegistry *registry, const char *id,
			   const DeviceOperations *operations);

/* Calls @function for each device that has @operations, or for each one where that is NULL. */
void device_registry_foreach(const DeviceRegistry *registry, const DeviceOperations *operations,
			     void (*function)(const char *id, void *device, void *opaque),
			     void *opaque);

/*
 * device_registry_set_type - what a device that people have named is, as they call it
 * @type: lent for the device's life
 */
void device_registry_set_type(DeviceRegistry *registry, const char *id, const char *type);

/* Calls @function for each device that has a type. */
void device_registry_foreach_named(const DeviceRegistry *registry,
				   void (*function)(const char *id, const char *type, void *opaque),
				   void *opaque);

/* The walks: see DeviceOperations. */
void device_registry_reset(DeviceRegistry *registry);
void device_registry_pause(DeviceRegistry *registry);
void device_registry_resume(DeviceRegistry *registry);

/* For a device that comes in a pause of the others. */
void device_registry_pause_one(DeviceRegistry *registry, const char *id);
