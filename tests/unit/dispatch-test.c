/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dispatch-test.c - what a procedure's table says is seen to before its handler runs */
#include <glib.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "driver/error.h"
#include "driver/rpc/private.h"
#include "driver/rpc/protocol.h"

/* The thing that procedures are about here has one name. */
#define THING 7

typedef struct {
	int name;
} ThingName;

typedef struct {
	int before; /* so that what follows is not at the beginning */
	ThingName thing;
	u_int flags;
} Thing_args;

typedef struct {
	int value;
} Thing_ret;

/* What has been called, of a test. */
static struct {
	guint found, released, handled;
	gpointer driver, object;
} seen;

static int the_thing;

static gpointer find_thing(gpointer driver, const void *wire, GError **error)
{
	const ThingName *name = wire;

	seen.driver = driver;
	if (name->name != THING) {
		driver_error(error, VIR_ERR_NO_DOMAIN, "thing %d", name->name);
		return NULL;
	}
	seen.found++;
	return &the_thing;
}

static void release_thing(gpointer thing)
{
	g_assert_true(thing == &the_thing);
	seen.released++;
}

static const RpcObjectType thing_type = { .find = find_thing, .release = release_thing };
#define A_THING(name_) .object = &thing_type, .object_offset = offsetof(name_##_args, thing)

static bool_t xdr_Thing_args(XDR *xdr, Thing_args *args)
{
	return xdr_int(xdr, &args->before);
}

static bool_t xdr_Thing_ret(XDR *xdr, Thing_ret *ret)
{
	return xdr_int(xdr, &ret->value);
}

static gboolean handle(RpcCall *call, const void *args, void *result, GError **error)
{
	const Thing_args *request = args;
	Thing_ret *ret = result;

	seen.handled++;
	seen.object = call->object;
	ret->value = request->before;
	return request->before >= 0 ||
	       driver_error(error, VIR_ERR_OPERATION_FAILED, "as it should");
}

enum { KNOWN = 1 << 0, SECRET = 1 << 1 };

static const RpcProcedure about_thing = RPC_PROCEDURE_WRITE_FLAGS(
	RPC_DOMAIN_GET_XML_DESC, RPC_ACCESS_READ, A_THING, Thing, handle, KNOWN | SECRET, SECRET);
static const RpcProcedure about_connection = RPC_PROCEDURE_FLAGS(
	RPC_CONNECT_LIST_ALL_DOMAINS, RPC_ACCESS_WRITE, RPC_CONNECTION, Thing, handle, KNOWN);
static const RpcProcedure without_flags = RPC_PROCEDURE(RPC_DOMAIN_GET_OS_TYPE, RPC_ACCESS_READ,
							A_THING, Thing, handle);
static const RpcProcedure for_anyone = RPC_PROCEDURE(RPC_AUTH_LIST, RPC_ACCESS_ANYONE,
						     RPC_CONNECTION, Thing, handle);

static void forget(void)
{
	memset(&seen, 0, sizeof(seen));
}

static gboolean dispatch(const RpcProcedure *procedure, const Thing_args *args, RpcClient *client,
			 GError **error)
{
	RpcCall call = { .client = client, .driver = &seen };
	Thing_ret ret = { 0 };
	gboolean done;

	forget();
	done = rpc_dispatch(procedure, &call, args, &ret, error);
	g_assert_null(call.object);
	g_assert_cmpuint(seen.released, ==, seen.found);
	if (done)
		g_assert_cmpint(ret.value, ==, args->before);
	return done;
}

static void assert_refused(const RpcProcedure *procedure, const Thing_args *args, RpcClient *client,
			   int code, const char *message)
{
	g_autoptr(GError) error = NULL;

	g_assert_false(dispatch(procedure, args, client, &error));
	g_assert_error(error, DRIVER_ERROR, code);
	g_assert_cmpstr(error->message, ==, message);
}

static void test_object_is_looked_up_and_let_go_of(void)
{
	const Thing_args args = { .before = 5, .thing = { THING } };
	g_autoptr(GError) error = NULL;

	g_assert_true(dispatch(&about_thing, &args, NULL, &error));
	g_assert_no_error(error);
	g_assert_true(seen.object == &the_thing);
	g_assert_true(seen.driver == &seen);
	g_assert_cmpuint(seen.released, ==, 1);
}

static void test_object_is_let_go_of_after_a_failure(void)
{
	const Thing_args args = { .before = -1, .thing = { THING } };

	assert_refused(&about_thing, &args, NULL, VIR_ERR_OPERATION_FAILED,
		       "operation failed: as it should");
	g_assert_cmpuint(seen.released, ==, 1);
}

static void test_object_that_is_not_there(void)
{
	const Thing_args args = { .thing = { THING + 1 } };

	assert_refused(&about_thing, &args, NULL, VIR_ERR_NO_DOMAIN, "Domain not found: thing 8");
	g_assert_cmpuint(seen.handled, ==, 0);
}

static void test_connection_has_no_object(void)
{
	const Thing_args args = { .before = 5, .thing = { THING } };
	g_autoptr(GError) error = NULL;

	g_assert_true(dispatch(&about_connection, &args, NULL, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(seen.found, ==, 0);
	g_assert_null(seen.object);
}

static void test_flags_that_are_not_known(void)
{
	const Thing_args args = { .thing = { THING }, .flags = KNOWN | 1 << 4 };

	assert_refused(&about_thing, &args, NULL, VIR_ERR_INVALID_ARG,
		       "invalid argument: unsupported flags (0x10) in virDomainGetXMLDesc");
	assert_refused(&about_connection, &args, NULL, VIR_ERR_INVALID_ARG,
		       "invalid argument: unsupported flags (0x10) in virConnectListAllDomains");
	g_assert_cmpuint(seen.handled, ==, 0);
}

/* Whatever is where flags would be belongs to the handler. */
static void test_procedure_without_flags(void)
{
	const Thing_args args = { .thing = { THING }, .flags = 1 << 4 };
	g_autoptr(GError) error = NULL;

	g_assert_true(dispatch(&without_flags, &args, NULL, &error));
	g_assert_no_error(error);
}

static void test_flags_for_who_may_write(void)
{
	const Thing_args open = { .thing = { THING }, .flags = KNOWN };
	const Thing_args secret = { .thing = { THING }, .flags = KNOWN | SECRET };
	RpcClient writer = { .is_open = TRUE };
	RpcClient reader = { .is_open = TRUE, .is_readonly = TRUE };
	g_autoptr(GError) error = NULL;

	g_assert_true(dispatch(&about_thing, &open, &reader, &error));
	g_assert_no_error(error);
	g_assert_true(dispatch(&about_thing, &secret, &writer, &error));
	g_assert_no_error(error);
	assert_refused(&about_thing, &secret, &reader, VIR_ERR_OPERATION_DENIED,
		       "operation forbidden: flags (0x2) of virDomainGetXMLDesc on a read-only "
		       "connection");
	g_assert_cmpuint(seen.handled, ==, 0);
}

static void assert_access(RpcClient *client, const RpcProcedure *procedure, gint32 number, int code)
{
	g_autoptr(GError) error = NULL;

	if (code == VIR_ERR_OK) {
		g_assert_true(rpc_dispatch_check_access(client, procedure, number, &error));
		g_assert_no_error(error);
	} else {
		g_assert_false(rpc_dispatch_check_access(client, procedure, number, &error));
		g_assert_error(error, DRIVER_ERROR, code);
	}
}

static void test_access(void)
{
	RpcClient stranger = { .is_open = FALSE };
	RpcClient reader = { .is_open = TRUE, .is_readonly = TRUE };
	RpcClient writer = { .is_open = TRUE };

	assert_access(&stranger, &for_anyone, RPC_AUTH_LIST, VIR_ERR_OK);
	assert_access(&stranger, &about_thing, RPC_DOMAIN_GET_XML_DESC, VIR_ERR_OPERATION_INVALID);
	assert_access(&reader, &about_thing, RPC_DOMAIN_GET_XML_DESC, VIR_ERR_OK);
	assert_access(&reader, &about_connection, RPC_CONNECT_LIST_ALL_DOMAINS,
		      VIR_ERR_OPERATION_DENIED);
	assert_access(&writer, &about_connection, RPC_CONNECT_LIST_ALL_DOMAINS, VIR_ERR_OK);
	assert_access(&writer, NULL, 4711, VIR_ERR_NO_SUPPORT);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/dispatch/object/looked-up-and-let-go-of",
			test_object_is_looked_up_and_let_go_of);
	g_test_add_func("/dispatch/object/let-go-of-after-a-failure",
			test_object_is_let_go_of_after_a_failure);
	g_test_add_func("/dispatch/object/not-there", test_object_that_is_not_there);
	g_test_add_func("/dispatch/object/connection", test_connection_has_no_object);
	g_test_add_func("/dispatch/flags/not-known", test_flags_that_are_not_known);
	g_test_add_func("/dispatch/flags/none", test_procedure_without_flags);
	g_test_add_func("/dispatch/flags/for-who-may-write", test_flags_for_who_may_write);
	g_test_add_func("/dispatch/access", test_access);
	return g_test_run();
}
