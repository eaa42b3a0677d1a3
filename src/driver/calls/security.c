/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * security.c - procedures about who domains run as
 *
 * The answers are those of libvirt's QEMU driver where dac is its only security model. A session
 * has no model.
 */
#include "driver/calls/calls.h"

#include <string.h>

#define MODEL "dac"

/* Text as libvirt sends it: an array of numbers, with the zero at its end. */
static int *characters(const char *text, u_int *length)
{
	int *numbers;

	*length = (u_int)strlen(text) + 1;
	numbers = g_new0(int, *length);
	for (u_int i = 0; i < *length; i++)
		numbers[i] = text[i];
	return numbers;
}

/* The label of one that runs, or "". Users are not enforced, as libvirt understands the word. */
static void fill_label(Domain *domain, DomainGetSecurityLabel_ret *ret)
{
	const char *label = NULL;

	g_mutex_lock(&domain->lock);
	if (domain_is_active(domain) && domain->driver->is_system)
		label = domain->live->seclabel_label;
	ret->label.label_val = characters(label ? label : "", &ret->label.label_len);
	g_mutex_unlock(&domain->lock);
	ret->enforcing = 0;
}

static gboolean get_label(RpcCall *call, const void *args, void *result, GError **error)
{
	(void)args;
	(void)error;
	fill_label(call->object, result);
	return TRUE;
}

/* One for each model, of a domain that runs. */
static gboolean get_labels(RpcCall *call, const void *args, void *result, GError **error)
{
	DomainGetSecurityLabelList_ret *ret = result;
	Domain *domain = call->object;
	gboolean has_label;

	(void)args;
	(void)error;
	g_mutex_lock(&domain->lock);
	has_label = domain_is_active(domain) && domain->driver->is_system;
	g_mutex_unlock(&domain->lock);
	if (!has_label)
		return TRUE;
	ret->labels.labels_val = g_new0(DomainGetSecurityLabel_ret, 1);
	ret->labels.labels_len = 1;
	ret->ret = 1;
	fill_label(domain, ret->labels.labels_val);
	return TRUE;
}

static gboolean get_model(RpcCall *call, const void *args, void *result, GError **error)
{
	const Driver *driver = call->driver;
	NodeGetSecurityModel_ret *ret = result;

	(void)args;
	(void)error;
	ret->model.model_val = characters(driver->is_system ? MODEL : "", &ret->model.model_len);
	ret->doi.doi_val = characters(driver->is_system ? "0" : "", &ret->doi.doi_len);
	return TRUE;
}

const RpcProcedure calls_security[] = {
	RPC_PROCEDURE(RPC_DOMAIN_GET_SECURITY_LABEL, RPC_ACCESS_READ, CALLS_DOMAIN,
		      DomainGetSecurityLabel, get_label),
	RPC_PROCEDURE(RPC_DOMAIN_GET_SECURITY_LABEL_LIST, RPC_ACCESS_READ, CALLS_DOMAIN,
		      DomainGetSecurityLabelList, get_labels),
	RPC_PROCEDURE_RET(RPC_NODE_GET_SECURITY_MODEL, RPC_ACCESS_READ, NodeGetSecurityModel,
			  get_model),
	{ .name = NULL },
};
