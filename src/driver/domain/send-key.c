/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * send-key.c - keys that a client has pressed on a domain's keyboard
 *
 * Theory of operation
 *
 * A client says which set its numbers are of; the VMM's monitor has QEMU's. What a keyboard does
 * not have, or is in a set that nothing here knows, is refused before any key is pressed.
 */
#include "driver/domain/send-key.h"

#include <glib/gi18n.h>

#include "common/keys.h"
#include "driver/error.h"

/* By VIR_KEYCODE_SET_*, as virsh calls them. XT is another name of the first scan code set. */
static const struct {
	const char *name;
	gboolean is_known;
	KeySet set;
} sets[] = {
	[VIR_KEYCODE_SET_LINUX] = { "linux", TRUE, KEY_SET_LINUX },
	[VIR_KEYCODE_SET_XT] = { "xt", TRUE, KEY_SET_SCAN_CODE_1 },
	[VIR_KEYCODE_SET_ATSET1] = { "atset1", TRUE, KEY_SET_SCAN_CODE_1 },
	[VIR_KEYCODE_SET_ATSET2] = { "atset2" },
	[VIR_KEYCODE_SET_ATSET3] = { "atset3" },
	[VIR_KEYCODE_SET_OSX] = { "os_x" },
	[VIR_KEYCODE_SET_XT_KBD] = { "xt_kbd", TRUE, KEY_SET_XT_KBD },
	[VIR_KEYCODE_SET_USB] = { "usb", TRUE, KEY_SET_USB },
	[VIR_KEYCODE_SET_WIN32] = { "win32" },
	[VIR_KEYCODE_SET_QNUM] = { "qnum", TRUE, KEY_SET_QEMU },
};

static gboolean check_set(guint set, GError **error)
{
	if (set >= G_N_ELEMENTS(sets))
		return driver_error(error, VIR_ERR_INVALID_ARG,
				    _("there is no set of key codes with the number %u"), set);
	return sets[set].is_known ||
	       driver_error(error, VIR_ERR_ARGUMENT_UNSUPPORTED,
			    _("key codes of the set '%s' are not supported: use '%s'"),
			    sets[set].name, sets[VIR_KEYCODE_SET_LINUX].name);
}

static JsonObject *describe_key(const Key *key)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "type", "number");
	json_object_set_int_member(object, "data", key->qemu);
	return object;
}

/* Return: NULL with @error set where one is not there. */
static JsonArray *describe_keys(guint set, const guint *codes, guint n, GError **error)
{
	g_autoptr(JsonArray) keys = json_array_new();

	for (guint i = 0; i < n; i++) {
		const Key *key = key_find(sets[set].set, codes[i]);

		if (!key) {
			driver_error(error, VIR_ERR_INVALID_ARG,
				     _("the keyboard has no key with the code %u of the set '%s'"),
				     codes[i], sets[set].name);
			return NULL;
		}
		json_array_add_object_element(keys, describe_key(key));
	}
	return g_steal_pointer(&keys);
}

/* With the job. Return: the VMM of a domain that has a keyboard, or NULL with @error set. */
static DomainVmm *find_keyboard(Domain *domain, GError **error)
{
	g_autoptr(DomainVmm) vmm = NULL;
	gboolean has_keyboard = FALSE;

	g_mutex_lock(&domain->lock);
	vmm = domain_get_vmm(domain, error);
	if (vmm)
		has_keyboard = domain_has_keyboard(domain->live);
	g_mutex_unlock(&domain->lock);
	if (vmm && !has_keyboard)
		driver_error(error, VIR_ERR_OPERATION_INVALID,
			     _("domain '%s' has no keyboard that takes keys: it needs an element "
			       "'input' of the type 'keyboard' on the bus 'virtio'"),
			     domain->name);
	return has_keyboard ? g_steal_pointer(&vmm) : NULL;
}

/* @keys: taken */
static gboolean tell(Domain *domain, JsonArray *keys, guint hold, GError **error)
{
	g_autoptr(JsonObject) arguments = json_object_new();
	g_autoptr(DomainVmm) vmm = find_keyboard(domain, error);

	json_object_set_array_member(arguments, "keys", keys);
	if (hold > 0)
		json_object_set_int_member(arguments, "hold-time", hold);
	return vmm && qmp_client_tell_with(vmm->monitor, "send-key", g_steal_pointer(&arguments),
					   -1, error);
}

gboolean send_key(Domain *domain, guint set, const guint *codes, guint n, guint hold,
		  GError **error)
{
	JsonArray *keys;
	gboolean is_done;

	if (n == 0)
		return driver_error(error, VIR_ERR_INVALID_ARG, _("no key is named"));
	if (hold > G_MAXINT32)
		return driver_error(error, VIR_ERR_INVALID_ARG,
				    _("keys cannot be held for %u ms: %d ms are the most"), hold,
				    G_MAXINT32);
	keys = check_set(set, error) ? describe_keys(set, codes, n, error) : NULL;
	if (!keys)
		return FALSE;
	if (!domain_begin_job(domain, N_("sending of keys"), error)) {
		json_array_unref(keys);
		return FALSE;
	}
	is_done = tell(domain, keys, hold, error);
	domain_end_job(domain);
	return is_done;
}
