/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* traffic.c - how much goes through a network interface of the host's */
#include "driver/network/traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib/gi18n.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>

#include "driver/error.h"
#include "driver/network/netlink.h"

unsigned int if_nametoindex(const char *name);

/* An average and a peak count kilobytes, a burst KiB: what libvirt makes of them. */
#define RATE_UNIT  1000u
#define BURST_UNIT 1024u

/* How long packets may be: those that nobody has cut into segments yet. */
#define PACKET_SIZE 65536u

/* The kernel's unit of time for both, in nanoseconds. */
#define TICK 64u

/* A table of how long packets take has so many entries, for sizes in steps of 2^CELL_LOG. */
#define CELLS	       256u
#define CELL_LOG       8u

#define ROOT_HANDLE    TC_H_MAKE(1u << 16, 0u)
#define CLASS_HANDLE   TC_H_MAKE(1u << 16, 1u)
#define INGRESS_HANDLE TC_H_MAKE(0xffffu << 16, 0u)

/* How long @bytes take. */
static guint32 ticks(guint64 rate, guint64 bytes)
{
	const double result = (double)bytes * 1e9 / (double)rate / TICK;

	return result < G_MAXUINT32 ? (guint32)result : G_MAXUINT32;
}

static struct tc_ratespec rate_of(guint64 rate)
{
	return (struct tc_ratespec){
		.cell_log = CELL_LOG,
		.linklayer = TC_LINKLAYER_ETHERNET,
		.rate = (guint32)MIN(rate, G_MAXUINT32),
	};
}

static struct tcmsg *begin(NetlinkRequest *request, const char *name, guint16 type, guint16 flags)
{
	struct tcmsg *message = netlink_begin(request, type, flags, sizeof(*message));

	message->tcm_ifindex = (int)if_nametoindex(name);
	return message;
}

/* What there is not, cannot be removed. */
static void clear(const char *name)
{
	NetlinkRequest request;

	begin(&request, name, RTM_DELQDISC, 0)->tcm_parent = TC_H_ROOT;
	(void)netlink_send(&request);
	begin(&request, name, RTM_DELQDISC, 0)->tcm_parent = TC_H_INGRESS;
	(void)netlink_send(&request);
}

static int add_queue(const char *name)
{
	const struct tc_htb_glob options = { .version = 3, .rate2quantum = 10, .defcls = 1 };
	NetlinkRequest request;
	struct tcmsg *message = begin(&request, name, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL);
	struct rtattr *nested;

	message->tcm_parent = TC_H_ROOT;
	message->tcm_handle = ROOT_HANDLE;
	netlink_put_text(&request, TCA_KIND, "htb");
	nested = netlink_put(&request, TCA_OPTIONS, NULL, 0);
	netlink_put(&request, TCA_HTB_INIT, &options, sizeof(options));
	netlink_end_nested(&request, nested);
	return netlink_send(&request);
}

static int add_class(const char *name, const DomainBandwidthLimit *limit)
{
	const guint64 rate = (guint64)limit->average * RATE_UNIT;
	const guint64 peak = limit->peak ? (guint64)limit->peak * RATE_UNIT : rate;
	/* Where none is given, what goes in 10 ms, and one packet. */
	const guint64 burst = limit->burst ? (guint64)limit->burst * BURST_UNIT :
					     MAX(rate / 100, PACKET_SIZE);
	const struct tc_htb_opt options = {
		.rate = rate_of(rate),
		.ceil = rate_of(peak),
		.buffer = ticks(rate, burst),
		.cbuffer = ticks(peak, burst),
		.quantum = PACKET_SIZE,
	};
	NetlinkRequest request;
	struct tcmsg *message = begin(&request, name, RTM_NEWTCLASS, NLM_F_CREATE | NLM_F_EXCL);
	struct rtattr *nested;

	message->tcm_parent = ROOT_HANDLE;
	message->tcm_handle = CLASS_HANDLE;
	netlink_put_text(&request, TCA_KIND, "htb");
	nested = netlink_put(&request, TCA_OPTIONS, NULL, 0);
	netlink_put(&request, TCA_HTB_PARMS, &options, sizeof(options));
	if (rate > G_MAXUINT32)
		netlink_put(&request, TCA_HTB_RATE64, &rate, sizeof(rate));
	if (peak > G_MAXUINT32)
		netlink_put(&request, TCA_HTB_CEIL64, &peak, sizeof(peak));
	netlink_end_nested(&request, nested);
	return netlink_send(&request);
}

static int add_ingress(const char *name)
{
	NetlinkRequest request;
	struct tcmsg *message = begin(&request, name, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL);

	message->tcm_parent = TC_H_INGRESS;
	message->tcm_handle = INGRESS_HANDLE;
	netlink_put_text(&request, TCA_KIND, "ingress");
	return netlink_send(&request);
}

static void put_policer(NetlinkRequest *request, const DomainBandwidthLimit *limit)
{
	const guint64 rate = (guint64)limit->average * RATE_UNIT;
	const guint64 burst = (guint64)(limit->burst ? limit->burst : limit->average) * BURST_UNIT;
	const struct tc_police police = {
		.action = TC_POLICE_SHOT,
		.burst = ticks(rate, MAX(burst, PACKET_SIZE)),
		.mtu = PACKET_SIZE,
		.rate = rate_of(rate),
	};
	struct rtattr *nested = netlink_put(request, TCA_U32_POLICE, NULL, 0);
	guint32 cells[CELLS];

	for (guint i = 0; i < CELLS; i++)
		cells[i] = ticks(rate, (guint64)(i + 1) << CELL_LOG);
	netlink_put(request, TCA_POLICE_TBF, &police, sizeof(police));
	netlink_put(request, TCA_POLICE_RATE, cells, sizeof(cells));
	if (rate > G_MAXUINT32)
		netlink_put(request, TCA_POLICE_RATE64, &rate, sizeof(rate));
	netlink_end_nested(request, nested);
}

/* Of every packet: four bytes of which none has to be anything. */
static int add_policer(const char *name, const DomainBandwidthLimit *limit)
{
	const struct {
		struct tc_u32_sel selector;
		struct tc_u32_key key;
	} match = { .selector = { .flags = TC_U32_TERMINAL, .nkeys = 1 } };
	NetlinkRequest request;
	struct tcmsg *message = begin(&request, name, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL);
	struct rtattr *nested;

	message->tcm_parent = INGRESS_HANDLE;
	message->tcm_info = TC_H_MAKE(1u << 16, htons(ETH_P_ALL));
	netlink_put_text(&request, TCA_KIND, "u32");
	nested = netlink_put(&request, TCA_OPTIONS, NULL, 0);
	netlink_put_number(&request, TCA_U32_CLASSID, 1);
	put_policer(&request, limit);
	netlink_put(&request, TCA_U32_SEL, &match, sizeof(match));
	netlink_end_nested(&request, nested);
	return netlink_send(&request);
}

static gboolean explain(const char *name, const char *modules, int code, GError **error)
{
	return driver_error(error, VIR_ERR_SYSTEM_ERROR,
			    _("the traffic of network interface '%s' cannot be limited: %s (the "
			      "kernel needs %s)"),
			    name, g_strerror(code), modules);
}

static gboolean limit_sent(const char *name, const DomainBandwidthLimit *limit, GError **error)
{
	int code = add_queue(name);

	if (code == 0)
		code = add_class(name, limit);
	return code == 0 || explain(name, "sch_htb", code, error);
}

static gboolean limit_received(const char *name, const DomainBandwidthLimit *limit, GError **error)
{
	int code = add_ingress(name);

	if (code == 0)
		code = add_policer(name, limit);
	return code == 0 || explain(name, "sch_ingress,cls_u32,act_police", code, error);
}

gboolean traffic_limit(const char *name, const DomainBandwidthLimit *sent,
		       const DomainBandwidthLimit *received, GError **error)
{
	clear(name);
	if ((sent->average == 0 || limit_sent(name, sent, error)) &&
	    (received->average == 0 || limit_received(name, received, error)))
		return TRUE;
	clear(name);
	return FALSE;
}
