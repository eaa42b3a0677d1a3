/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kick.c - the signal that makes KVM_RUN return */
#include "vmm/kvm/kick.h"

static void ignore_kick(int signal_number)
{
	(void)signal_number;
}

void kick_install_handler(void)
{
	struct sigaction action = { .sa_handler = ignore_kick };

	sigemptyset(&action.sa_mask);
	sigaction(KICK_SIGNAL, &action, NULL);
}
