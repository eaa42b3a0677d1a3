/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* capabilities.c - capabilities(7) of the calling thread, by bare system calls */
#include "common/capabilities.h"

#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* More than any kernel has; it refuses the first that it does not know. */
#define LAST_CAPABILITY 63

/* Root is nobody special, and no change of the user or exec changes what a thread may do. */
#define LOCKED_BITS                                                                              \
	(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |                         \
	 SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | \
	 SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

gboolean capabilities_get(Capabilities *capabilities)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data) < 0)
		return FALSE;
	capabilities->permitted = data[0].permitted | (guint64)data[1].permitted << 32;
	capabilities->effective = data[0].effective | (guint64)data[1].effective << 32;
	capabilities->inheritable = data[0].inheritable | (guint64)data[1].inheritable << 32;
	return TRUE;
}

gboolean capabilities_set(const Capabilities *capabilities)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
		{
			.permitted = (guint32)capabilities->permitted,
			.effective = (guint32)capabilities->effective,
			.inheritable = (guint32)capabilities->inheritable,
		},
		{
			.permitted = (guint32)(capabilities->permitted >> 32),
			.effective = (guint32)(capabilities->effective >> 32),
			.inheritable = (guint32)(capabilities->inheritable >> 32),
		},
	};

	return syscall(SYS_capset, &header, data) == 0;
}

/* Of what is permitted and inheritable; the rest of both sets is still there for what follows. */
static gboolean set_ambient(guint64 kept)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return FALSE;
	for (int i = 0; i <= LAST_CAPABILITY; i++)
		if ((kept & CAPABILITY(i)) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
			return FALSE;
	return TRUE;
}

static gboolean empty_bound(void)
{
	for (int i = 0; i <= LAST_CAPABILITY; i++) {
		const int is_in = prctl(PR_CAPBSET_READ, i, 0, 0, 0);

		if (is_in < 0)
			break;
		if (is_in && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
			return FALSE;
	}
	return TRUE;
}

gboolean capabilities_keep(guint64 kept, gboolean for_exec)
{
	Capabilities capabilities;
	gboolean may_lock;

	if (!capabilities_get(&capabilities))
		return FALSE;
	may_lock = (capabilities.effective & CAPABILITY(CAP_SETPCAP)) != 0;
	kept &= capabilities.permitted;
	/* Nothing can become inheritable that is not in the bounding set, so that comes first. */
	capabilities.inheritable = for_exec ? kept : 0;
	if (!capabilities_set(&capabilities) || !set_ambient(capabilities.inheritable))
		return FALSE;
	if (may_lock && (!empty_bound() || prctl(PR_SET_SECUREBITS, LOCKED_BITS, 0, 0, 0) < 0))
		return FALSE;
	capabilities.permitted = kept;
	capabilities.effective = kept;
	return capabilities_set(&capabilities);
}

gboolean capabilities_are_at_most(guint64 kept)
{
	Capabilities capabilities;

	if (!capabilities_get(&capabilities) ||
	    (capabilities.permitted | capabilities.effective | capabilities.inheritable) & ~kept)
		return FALSE;
	for (int i = 0; i <= LAST_CAPABILITY; i++)
		if (!(kept & CAPABILITY(i)) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) > 0)
			return FALSE;
	return TRUE;
}
