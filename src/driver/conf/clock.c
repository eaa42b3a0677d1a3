/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* clock.c - <clock> and its timers */
#include <glib/gi18n.h>
#include <string.h>

#include "driver/conf/domain-parts.h"
#include "driver/conf/values.h"

/* The last second that a real-time clock with four digits for the year can show. */
#define MAX_SECONDS G_GINT64_CONSTANT(253402300799)

static const char *const offset_names[] = {
	[DOMAIN_CLOCK_UTC] = "utc",	      [DOMAIN_CLOCK_LOCALTIME] = "localtime",
	[DOMAIN_CLOCK_TIMEZONE] = "timezone", [DOMAIN_CLOCK_VARIABLE] = "variable",
	[DOMAIN_CLOCK_ABSOLUTE] = "absolute", NULL,
};

/* Reads "+30" as well as "30" and "-30". */
static gint64 parse_seconds(XmlWalk *walk, xmlNode *clock, const char *name, const char *text)
{
	g_autofree char *bare = g_strstrip(g_strdup(text));
	const char *number = *bare == '+' && g_ascii_isdigit(bare[1]) ? bare + 1 : bare;
	gint64 seconds = 0;

	if (!g_ascii_string_to_signed(number, 10, -MAX_SECONDS, MAX_SECONDS, &seconds, NULL))
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is '%s', not a number of seconds "
				 "that a clock can show"),
			       name, xml_walk_path(walk, clock), xml_walk_quote(walk, text));
	return seconds;
}

/*
 * With offset utc or localtime, a number of seconds makes the offset a variable one, as in
 * libvirt; 'reset' says that what the guest sets is forgotten, which it is here anyway.
 */
static void parse_adjustment(XmlWalk *walk, xmlNode *clock, DomainDef *def)
{
	const char *text = xml_walk_attribute(walk, clock, "adjustment");

	if (!text)
		return;
	if (strcmp(text, "reset") == 0 && def->clock_offset != DOMAIN_CLOCK_VARIABLE) {
		def->says |= DOMAIN_SAYS_CLOCK_RESET;
		return;
	}

	def->clock_adjustment = parse_seconds(walk, clock, "adjustment", text);
	if (def->clock_offset != DOMAIN_CLOCK_VARIABLE)
		def->clock_basis_localtime = def->clock_offset == DOMAIN_CLOCK_LOCALTIME;
	def->clock_offset = DOMAIN_CLOCK_VARIABLE;
}

/* A name below the zone information's folder and nowhere else. */
static gboolean is_timezone(const char *name)
{
	g_auto(GStrv) parts = g_strsplit(name, "/", 4);

	for (guint i = 0; i < 4 && parts[i]; i++) {
		if (!g_ascii_isalnum(parts[i][0]))
			return FALSE;
		for (const char *at = parts[i]; *at; at++)
			if (!g_ascii_isalnum(*at) && !strchr("_+-", *at))
				return FALSE;
	}
	return *name != '\0';
}

static void parse_timezone(XmlWalk *walk, xmlNode *clock, DomainDef *def)
{
	const char *name = xml_walk_attribute_required(walk, clock, "timezone");

	if (name && !is_timezone(name))
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is '%s', not a time zone's name, "
				 "as 'Europe/Vienna'"),
			       "timezone", xml_walk_path(walk, clock), xml_walk_quote(walk, name));
	def->clock_timezone = g_strdup(name);
}

static void parse_start(XmlWalk *walk, xmlNode *clock, DomainDef *def)
{
	const char *text = xml_walk_attribute_required(walk, clock, "start");

	if (!text)
		return;
	def->clock_start = parse_seconds(walk, clock, "start", text);
	if (def->clock_start < 0)
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is '%s', not a number of seconds "
				 "since 1970"),
			       "start", xml_walk_path(walk, clock), xml_walk_quote(walk, text));
}

static void parse_offset(XmlWalk *walk, xmlNode *clock, DomainDef *def)
{
	static const char *const bases[] = { "utc", "localtime", NULL };
	const int offset = domain_parse_choice(walk, clock, "offset", offset_names);

	if (offset >= 0)
		def->clock_offset = (DomainClockOffset)offset;

	switch (def->clock_offset) {
	case DOMAIN_CLOCK_UTC:
	case DOMAIN_CLOCK_LOCALTIME:
		parse_adjustment(walk, clock, def);
		break;
	case DOMAIN_CLOCK_VARIABLE:
		parse_adjustment(walk, clock, def);
		def->clock_basis_localtime = domain_parse_choice(walk, clock, "basis", bases) == 1;
		break;
	case DOMAIN_CLOCK_TIMEZONE:
		parse_timezone(walk, clock, def);
		break;
	case DOMAIN_CLOCK_ABSOLUTE:
		parse_start(walk, clock, def);
		break;
	}
}

/* The machine cannot be without this timer. */
static void parse_always_present(XmlWalk *walk, xmlNode *timer, const char *name)
{
	if (domain_parse_switch(walk, timer, "present", "no", "yes") == DOMAIN_SWITCH_NO)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'clock/timer' with name '%s' and present='no': the "
				 "machine always has it"),
			       name);
}

static DomainSwitch parse_presence(XmlWalk *walk, xmlNode *timer)
{
	const DomainSwitch present = domain_parse_switch(walk, timer, "present", "no", "yes");

	return present == DOMAIN_SWITCH_ABSENT ? DOMAIN_SWITCH_YES : present;
}

/* What becomes of ticks that the guest was too late for. */
static char *parse_tick_policy(XmlWalk *walk, xmlNode *timer, const char *name,
			       const char *const *supported)
{
	static const char *const policies[] = { "delay", "catchup", "merge", "discard", NULL };
	const int policy = domain_parse_choice(walk, timer, "tickpolicy", policies);

	if (policy < 0)
		return NULL;
	if (!g_strv_contains(supported, policies[policy]))
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'clock/timer' with name '%s' and tickpolicy '%s': "
				 "supported are '%s' and '%s'"),
			       name, policies[policy], supported[0], supported[1]);
	return g_strdup(policies[policy]);
}

static void parse_rtc(XmlWalk *walk, xmlNode *timer, DomainDef *def)
{
	static const char *const policies[] = { "catchup", "delay", NULL };

	def->says_timer_rtc = TRUE;
	parse_always_present(walk, timer, "rtc");
	def->timer_rtc_tickpolicy = parse_tick_policy(walk, timer, "rtc", policies);
}

static void parse_pit(XmlWalk *walk, xmlNode *timer, DomainDef *def)
{
	static const char *const policies[] = { "delay", "discard", NULL };

	def->says_timer_pit = TRUE;
	parse_always_present(walk, timer, "pit");
	def->timer_pit_tickpolicy = parse_tick_policy(walk, timer, "pit", policies);
}

static void parse_hpet(XmlWalk *walk, xmlNode *timer, DomainDef *def)
{
	def->timer_hpet = parse_presence(walk, timer);
}

static void parse_kvmclock(XmlWalk *walk, xmlNode *timer, DomainDef *def)
{
	def->timer_kvmclock = parse_presence(walk, timer);
}

static void parse_tsc(XmlWalk *walk, xmlNode *timer, DomainDef *def)
{
	const char *text = xml_walk_attribute(walk, timer, "frequency");

	def->says_timer_tsc = TRUE;
	parse_always_present(walk, timer, "tsc");
	if (text &&
	    (!xml_walk_number(text, &def->timer_tsc_frequency) || def->timer_tsc_frequency == 0))
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is '%s', not a frequency in Hz"),
			       "frequency", xml_walk_path(walk, timer), xml_walk_quote(walk, text));
}

typedef struct {
	const char *name;
	void (*parse)(XmlWalk *walk, xmlNode *timer, DomainDef *def);
} TimerParser;

static const TimerParser timers[] = {
	{ "rtc", parse_rtc },		{ "pit", parse_pit }, { "hpet", parse_hpet },
	{ "kvmclock", parse_kvmclock }, { "tsc", parse_tsc },
};

/* @given: a bit for each of the timers that were there before */
static void parse_timer(XmlWalk *walk, xmlNode *timer, guint *given, DomainDef *def)
{
	const char *name = xml_walk_attribute_required(walk, timer, "name");
	guint found = 0;

	if (!name)
		return;
	while (found < G_N_ELEMENTS(timers) && strcmp(name, timers[found].name) != 0)
		found++;

	if (found == G_N_ELEMENTS(timers)) {
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'clock/timer' with name '%s' is not supported yet"),
			       xml_walk_quote(walk, name));
		return;
	}
	if (*given & (1u << found)) {
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("element 'clock/timer' with name '%s' appears more than once"),
			       name);
		return;
	}

	*given |= 1u << found;
	timers[found].parse(walk, timer, def);
}

void domain_parse_clock(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	xmlNode *clock = xml_walk_child(walk, root, "clock");
	xmlNode *timer = NULL;
	guint given = 0;

	if (!clock)
		return;

	parse_offset(walk, clock, def);
	while ((timer = xml_walk_next(walk, clock, timer, "timer")))
		parse_timer(walk, timer, &given, def);
}

static void attribute_signed(XmlWriter *writer, const char *name, gint64 value)
{
	g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, value);

	xml_writer_attribute(writer, name, text);
}

static void format_offset(XmlWriter *writer, const DomainDef *def)
{
	xml_writer_attribute(writer, "offset", offset_names[def->clock_offset]);
	switch (def->clock_offset) {
	case DOMAIN_CLOCK_UTC:
	case DOMAIN_CLOCK_LOCALTIME:
		if (def->says & DOMAIN_SAYS_CLOCK_RESET)
			xml_writer_attribute(writer, "adjustment", "reset");
		return;
	case DOMAIN_CLOCK_TIMEZONE:
		xml_writer_attribute(writer, "timezone", def->clock_timezone);
		return;
	case DOMAIN_CLOCK_VARIABLE:
		attribute_signed(writer, "adjustment", def->clock_adjustment);
		xml_writer_attribute(writer, "basis",
				     def->clock_basis_localtime ? "localtime" : "utc");
		return;
	case DOMAIN_CLOCK_ABSOLUTE:
		attribute_signed(writer, "start", def->clock_start);
		return;
	}
}

static void format_timer(XmlWriter *writer, const char *name, const char *attribute,
			 const char *value)
{
	xml_writer_start(writer, "timer");
	xml_writer_attribute(writer, "name", name);
	xml_writer_attribute(writer, attribute, value);
	xml_writer_end(writer);
}

static void format_presence(XmlWriter *writer, const char *name, DomainSwitch present)
{
	if (present != DOMAIN_SWITCH_ABSENT)
		format_timer(writer, name, "present", present == DOMAIN_SWITCH_YES ? "yes" : "no");
}

void domain_format_clock(XmlWriter *writer, const DomainDef *def)
{
	xml_writer_start(writer, "clock");
	format_offset(writer, def);
	if (def->says_timer_rtc)
		format_timer(writer, "rtc", "tickpolicy", def->timer_rtc_tickpolicy);
	if (def->says_timer_pit)
		format_timer(writer, "pit", "tickpolicy", def->timer_pit_tickpolicy);
	format_presence(writer, "hpet", def->timer_hpet);
	format_presence(writer, "kvmclock", def->timer_kvmclock);
	if (def->says_timer_tsc) {
		xml_writer_start(writer, "timer");
		xml_writer_attribute(writer, "name", "tsc");
		if (def->timer_tsc_frequency)
			xml_writer_attribute_number(writer, "frequency", def->timer_tsc_frequency);
		xml_writer_end(writer);
	}
	xml_writer_end(writer);
}
