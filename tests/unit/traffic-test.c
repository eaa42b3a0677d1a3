/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * traffic-test.c - limits of network cards that change, and that a kernel refuses to change
 *
 * The kernel is made up: it has one interface, knows of each direction whether it is limited and
 * how fast, and refuses what the test says.
 */
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>

#include "driver/error.h"
#include "driver/network/link.h"
#include "driver/network/netlink.h"

typedef struct {
	guint32 sent, received; /* bytes a second; 0: as many as can be */
	guint16 refused;	/* the kind of requests that it refuses */
	guint turns;		/* so many more */
} Kernel;

static Kernel kernel;

/* The linker has traffic.c call this in place of the real one. */
int __wrap_netlink_send(const NetlinkRequest *request);

static const void *find(const void *attributes, gsize size, guint16 type, gsize *found_size)
{
	const struct rtattr *attribute = attributes;

	for (int left = (int)size; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		if (attribute->rta_type != type)
			continue;
		*found_size = RTA_PAYLOAD(attribute);
		return RTA_DATA(attribute);
	}
	g_assert_not_reached();
}

/* Its second part, of a structure within two more. */
static const void *find_option(const NetlinkRequest *request, guint16 type)
{
	const guint8 *attributes = (const guint8 *)NLMSG_DATA(&request->header) +
				   NLMSG_ALIGN(sizeof(struct tcmsg));
	gsize size = request->header.nlmsg_len - (gsize)(attributes - request->bytes);
	const void *options = find(attributes, size, TCA_OPTIONS, &size);

	return find(options, size, type, &size);
}

static guint32 policed_rate(const NetlinkRequest *request)
{
	const struct rtattr *nested = find_option(request, TCA_U32_POLICE);
	const struct tc_police *police;
	gsize size = 0;

	police = find(nested, RTA_ALIGN(nested->rta_len) + sizeof(*nested), TCA_POLICE_TBF, &size);
	return police->rate.rate;
}

int __wrap_netlink_send(const NetlinkRequest *request)
{
	const struct tcmsg *message = NLMSG_DATA(&request->header);

	if (request->header.nlmsg_type == kernel.refused && kernel.turns > 0) {
		kernel.turns--;
		return ENOENT;
	}
	switch (request->header.nlmsg_type) {
	case RTM_DELQDISC:
		if (message->tcm_parent == TC_H_ROOT)
			kernel.sent = 0;
		else
			kernel.received = 0;
		break;
	case RTM_NEWTCLASS:
		kernel.sent =
			((const struct tc_htb_opt *)find_option(request, TCA_HTB_PARMS))->rate.rate;
		break;
	case RTM_NEWTFILTER:
		kernel.received = policed_rate(request);
		break;
	default:
		break;
	}
	return 0;
}

static DomainInterface make_card(guint inbound, guint outbound)
{
	return (DomainInterface){
		.type = DOMAIN_INTERFACE_ETHERNET,
		.target = (char *)"wire",
		.bandwidth = { .inbound = { .average = inbound },
			       .outbound = { .average = outbound } },
	};
}

static void begin(const DomainInterface *card)
{
	kernel = (Kernel){ 0 };
	g_assert_true(network_link_limit(card, NULL));
}

static void test_changed(void)
{
	const DomainInterface was = make_card(1000, 2000), card = make_card(3000, 0);

	begin(&was);
	g_assert_cmpuint(kernel.sent, ==, 1000000);
	g_assert_cmpuint(kernel.received, ==, 2000000);
	g_assert_true(network_link_change_limit(&was, &card, NULL));
	g_assert_cmpuint(kernel.sent, ==, 3000000);
	g_assert_cmpuint(kernel.received, ==, 0);
}

/* What was there is there again, whichever half of the new is refused. */
static void test_refused(void)
{
	static const guint16 requests[] = { RTM_NEWQDISC, RTM_NEWTCLASS, RTM_NEWTFILTER };
	const DomainInterface was = make_card(1000, 2000), card = make_card(3000, 4000);

	for (gsize i = 0; i < G_N_ELEMENTS(requests); i++) {
		g_autoptr(GError) error = NULL;

		begin(&was);
		kernel.refused = requests[i];
		kernel.turns = 1;
		g_assert_false(network_link_change_limit(&was, &card, &error));
		g_assert_error(error, DRIVER_ERROR, VIR_ERR_SYSTEM_ERROR);
		g_assert_nonnull(strstr(error->message, "'wire' cannot be limited"));
		g_assert_null(strstr(error->message, "put back"));
		g_assert_cmpuint(kernel.sent, ==, 1000000);
		g_assert_cmpuint(kernel.received, ==, 2000000);
	}
}

static void test_refused_twice(void)
{
	const DomainInterface was = make_card(1000, 0), card = make_card(3000, 0);
	g_autoptr(GError) error = NULL;

	begin(&was);
	kernel.refused = RTM_NEWTCLASS;
	kernel.turns = 2;
	g_assert_false(network_link_change_limit(&was, &card, &error));
	g_assert_nonnull(strstr(error->message, "could not be put back"));
	g_assert_cmpuint(kernel.sent, ==, 0);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/traffic/changed", test_changed);
	g_test_add_func("/traffic/refused", test_refused);
	g_test_add_func("/traffic/refused-twice", test_refused_twice);
	return g_test_run();
}
