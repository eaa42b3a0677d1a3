# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Inputs of domains, and keys that are sent to them, through stock virsh. The guest has no driver for a keyboard, so that
it hears nothing; what does is in test_input.
"""

from xml.etree import ElementTree

from support.daemon import DaemonTest, STDIN, virsh
from support.where import NATIVE, everywhere

KEYBOARD = "<input type='keyboard' bus='virtio'/>"
PS2 = "<input type='mouse' bus='ps2'/><input type='keyboard' bus='ps2'/>"

# As far as a key of a guest without a driver comes.
NOT_HEARD = "device 'input0': the guest has no driver"


def alias_of(node):
    alias = node.find("alias")
    return None if alias is None else alias.get("name")


def inputs(*options):
    """Type, bus and alias of each."""
    document = ElementTree.fromstring(virsh("dumpxml", "test", *options))
    return [(node.get("type"), node.get("bus"), alias_of(node))
            for node in document.iterfind("devices/input")]


class Input(DaemonTest):
    """Domains of 16 MiB."""

    where = NATIVE

    @everywhere
    def test_send_key(self):
        self.define(devices=KEYBOARD)
        self.assertEqual(inputs(), [("keyboard", "virtio", None)])
        self.assert_refused("not running", "send-key", "test", "KEY_A")
        self.run_tiny()
        self.assertEqual(inputs(), [("keyboard", "virtio", "input0")])
        self.assert_refused(NOT_HEARD, "send-key", "test", "KEY_LEFTCTRL", "KEY_C")
        self.assert_refused(NOT_HEARD, "send-key", "test", "--holdtime", "1000", "KEY_A")
        # One key, as each set that is known has it.
        for codeset, code in (("linux", "97"), ("xt", "0xe01d"), ("atset1", "0xe01d"), ("xt_kbd", "0x11d"),
                              ("usb", "228"), ("qnum", "0x9d")):
            with self.subTest(codeset=codeset):
                self.assert_refused(NOT_HEARD, "send-key", "test", "--codeset", codeset, code)
                self.assert_refused(f"no key with the code 65000 of the set '{codeset}'",
                                    "send-key", "test", "--codeset", codeset, code, "65000")
        for codeset in ("atset2", "atset3", "os_x", "win32"):
            with self.subTest(codeset=codeset):
                self.assert_refused(f"'{codeset}' are not supported: use 'linux'",
                                    "send-key", "test", "--codeset", codeset, "1")
        virsh("suspend", "test")
        self.assert_refused("the guest does not run", "send-key", "test", "KEY_A")
        virsh("destroy", "test")

    def test_no_keyboard(self):
        self.define(devices="<input type='tablet' bus='virtio'/>" + PS2)
        self.run_tiny()
        self.assertEqual(inputs(), [("tablet", "virtio", "input0"), ("mouse", "ps2", "input1"),
                                    ("keyboard", "ps2", "input2")])
        self.assert_refused("has no keyboard that takes keys", "send-key", "test", "KEY_A")
        # Those of the chipset are not taken for devices that have gone.
        self.daemon.restart()
        self.assertEqual(len(inputs()), 3)
        virsh("destroy", "test")

    def test_hot_plug(self):
        port = "<controller type='pci' model='pcie-root-port'/>"
        self.define(devices=PS2 + "<memballoon model='none'/>" + port)
        self.run_tiny()
        virsh("attach-device", "test", STDIN, "--live", "--config", text=KEYBOARD)
        self.assertEqual(inputs()[-1], ("keyboard", "virtio", "input2"))
        self.assertEqual(inputs("--inactive")[-1], ("keyboard", "virtio", None))
        self.assert_refused("device 'input2': the guest has no driver", "send-key", "test", "KEY_A")
        events = self.daemon.events()
        virsh("detach-device", "test", STDIN, "--live", text=KEYBOARD)
        events.wait_device("removed", "input2")
        self.assertEqual(len(inputs()), 2)
        for command in ("attach-device", "detach-device"):
            self.assert_refused("it is in the chipset", command, "test", STDIN, "--live",
                                text="<input type='keyboard' bus='ps2'/>")
        virsh("detach-device", "test", STDIN, "--config", text="<input type='mouse' bus='ps2'/>")
        self.assertEqual([node[:2] for node in inputs("--inactive")], [("keyboard", "ps2"), ("keyboard", "virtio")])
        virsh("destroy", "test")

    def test_refused(self):
        for pattern, xml in (("tablet on bus 'usb'", "<input type='tablet' bus='usb'/>"),
                             ("'bus' of element 'devices/input' is 'usb'", "<input type='keyboard' bus='usb'/>")):
            with self.subTest(pattern=pattern):
                self.assert_refused(pattern, "define", STDIN, text=self.xml("test", "o", devices=xml))
