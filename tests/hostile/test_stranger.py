# SPDX-License-Identifier: LGPL-2.1-or-later
"""What every user of the machine may do on the read-only socket, and may not."""

import unittest

from support import rpc
from support.daemon import Daemon, SOCKET_READONLY
from support.rpc import Rpc


class Stranger(unittest.TestCase):
    """A client on the read-only socket."""

    def setUp(self):
        self.daemon = self.enterContext(Daemon())

    def test_it_may_not_define_a_domain(self):
        with Rpc(SOCKET_READONLY) as client:
            client.open()
            reply = client.call(rpc.DOMAIN_CREATE_XML, rpc.string("<domain/>") + bytes(4))
            self.assertIn("read-only", reply.error[1])
            self.assertEqual(client.call(rpc.CONNECT_GET_HOSTNAME).status, rpc.OK)
