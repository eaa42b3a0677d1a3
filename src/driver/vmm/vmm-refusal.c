/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm-refusal.c - which system call a process has ended by that its filters do not allow */
#include "driver/vmm/vmm-refusal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What each record of audit's has, and then its time. */
#define AUDIT_BEGIN "audit:"
#define AUDIT_TIME  "audit("

/* The type of those about filters, AUDIT_SECCOMP of <linux/audit.h>. */
#define TYPE_SECCOMP 1326

/* More than the kernel gives at a read. */
#define RECORD_SIZE 8192

/* The kernel writes its records by a thread of its own. */
#define WAIT_MS 1000

/* Their time is that of the last tick before them, of which there are 100 a second or more. */
#define TICK_MS 10

/* The host's first PID namespace, whose numbers the records have. */
#define FIRST_PID_NAMESPACE "pid:[4026531836]"

/* Return: what follows " NAME=" in a record, or NULL. */
static const char *find_field(const char *record, const char *name)
{
	g_autofree char *wanted = g_strdup_printf(" %s=", name);
	const char *found = strstr(record, wanted);

	return found ? found + strlen(wanted) : NULL;
}

static gboolean read_number(const char *record, const char *name, gint64 *number)
{
	const char *text = find_field(record, name);

	if (!text || !g_ascii_isdigit(*text))
		return FALSE;
	*number = g_ascii_strtoll(text, NULL, 10);
	return TRUE;
}

/* The next character of a name, which is moved behind it; 0 at its end. */
static char next_character(const char **text, gboolean is_quoted)
{
	const char *at = *text;

	if (is_quoted) {
		*text += *at ? 1 : 0;
		return *at == '"' ? '\0' : *at;
	}
	if (!g_ascii_isxdigit(at[0]) || !g_ascii_isxdigit(at[1]))
		return '\0';
	*text += 2;
	return (char)(g_ascii_xdigit_value(at[0]) << 4 | g_ascii_xdigit_value(at[1]));
}

/* In quotes, or in hexadecimal digits where something in it could be mistaken. */
static void read_name(const char *record, char *name)
{
	const char *text = find_field(record, "comm");
	const gboolean is_quoted = text && *text == '"';
	gsize length = 0;
	char character;

	if (is_quoted)
		text++;
	while (text && length < VMM_REFUSAL_NAME_SIZE - 1 &&
	       (character = next_character(&text, is_quoted)) != '\0')
		name[length++] = g_ascii_isprint(character) && character != '\'' ? character : '?';
	name[length] = '\0';
}

/* "audit(SECONDS.MILLISECONDS:" */
static gint64 read_time_ms(const char *record)
{
	const char *text = strstr(record, AUDIT_TIME);
	char *end;
	gint64 seconds;

	if (!text)
		return -1;
	seconds = g_ascii_strtoll(text + strlen(AUDIT_TIME), &end, 10);
	return seconds * 1000 + (*end == '.' ? g_ascii_strtoll(end + 1, NULL, 10) : 0);
}

/* Whether it is about a filter. @record: without what the kernel's log has in front of it */
static gboolean is_about_filter(const char *record)
{
	gint64 type;

	return g_str_has_prefix(record, AUDIT_BEGIN) && read_number(record, "type", &type) &&
	       type == TYPE_SECCOMP;
}

gboolean vmm_refusal_parse(const char *record, const VmmRefusalOf *of, VmmRefusal *refusal)
{
	const char *text = strchr(record, ';');
	gint64 pid, uid, number;

	if (!text || !is_about_filter(++text) || read_time_ms(text) < of->since_ms ||
	    !read_number(text, "pid", &pid) || !read_number(text, "uid", &uid) ||
	    !read_number(text, "syscall", &number))
		return FALSE;
	if ((of->pid >= 0 && pid != of->pid) || uid != (gint64)of->uid || number > G_MAXINT)
		return FALSE;
	refusal->number = (guint)number;
	read_name(text, refusal->thread);
	return TRUE;
}

/* Reads what there is. Return: whether some of it was about this process. */
static gboolean read_records(int log, const VmmRefusalOf *of, VmmRefusal *refusal)
{
	g_autofree char *record = g_malloc(RECORD_SIZE);
	gboolean is_found = FALSE;

	for (;;) {
		const gssize size = read(log, record, RECORD_SIZE - 1);

		/* Records that were overwritten before they were read. */
		if (size < 0 && (errno == EPIPE || errno == EINTR))
			continue;
		if (size <= 0)
			return is_found;
		record[size] = '\0';
		is_found = vmm_refusal_parse(record, of, refusal) || is_found;
	}
}

gboolean vmm_refusal_find(int log, const VmmRefusalOf *of, guint wait_ms, VmmRefusal *refusal)
{
	const gint64 deadline = g_get_monotonic_time() + wait_ms * G_TIME_SPAN_MILLISECOND;

	while (!read_records(log, of, refusal)) {
		const gint64 left = deadline - g_get_monotonic_time();
		struct pollfd wanted = { .fd = log, .events = POLLIN };

		if (left <= 0 || (poll(&wanted, 1, (int)(left / G_TIME_SPAN_MILLISECOND) + 1) < 0 &&
				  errno != EINTR))
			return FALSE;
	}
	return TRUE;
}

static gboolean is_in_first_pid_namespace(void)
{
	g_autofree char *name = g_file_read_link("/proc/self/ns/pid", NULL);

	return g_strcmp0(name, FIRST_PID_NAMESPACE) == 0;
}

gboolean vmm_refusal_look_up(const VmmRefusalOf *of, VmmRefusal *refusal)
{
	VmmRefusalOf wanted = *of;
	gboolean is_found;
	int log;

	wanted.since_ms -= TICK_MS;
	if (!is_in_first_pid_namespace()) {
		/* Then a user says who it was, if not many may be that. */
		if (of->uid == geteuid())
			return FALSE;
		wanted.pid = -1;
	}
	log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (log < 0)
		return FALSE;
	is_found = vmm_refusal_find(log, &wanted, WAIT_MS, refusal);
	close(log);
	return is_found;
}

char *vmm_refusal_call_name(const VmmRefusal *refusal)
{
	char *found = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, (int)refusal->number);
	char *name = found ? g_strdup(found) : g_strdup_printf("%u", refusal->number);

	free(found);
	return name;
}
