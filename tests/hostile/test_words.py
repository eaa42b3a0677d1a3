# SPDX-License-Identifier: LGPL-2.1-or-later
"""The programs in another language: their words are its, and all else is as it was."""

import os
import re
import subprocess
import tempfile
import unittest

from support.adopted import wait_adopted
from support.daemon import CONFIG_FOLDER, PROGRAM, STDIN, Daemon, domain_xml, run_virsh, virsh
from support.fake_vmm import FakeVmm
from support.vmm import BUILD, EMULATOR, LOGGER

LANGUAGE = "de_DE"
CHARSET = "UTF-8"
LOCALE = f"{LANGUAGE}.{CHARSET}"


class German(unittest.TestCase):
    """Where the environment is German, whatever the machine has of languages."""

    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="gmem-test."))
        subprocess.run(["localedef", "-i", LANGUAGE, "-f", CHARSET, os.path.join(folder, LOCALE)], check=True)
        # newlocale() of the C library's, which libvirt calls, keeps the path that it makes of LOCPATH.
        suppressions = os.path.join(folder, "suppressions")
        with open(suppressions, "w", encoding="ascii") as file:
            file.write("leak:argz_add_sep\n")
        cls.environment = {"LC_ALL": LOCALE, "LANGUAGE": "", "LOCPATH": folder,
                           "LIBVIRT_GMEM_LOCALEDIR": os.path.join(BUILD, "po"),
                           "LSAN_OPTIONS": f"suppressions={suppressions}:print_suppressions=0"}

    def run_program(self, *command, status=0):
        """What it says, on both outputs together."""
        result = subprocess.run(command, env=dict(os.environ, **self.environment), check=False, text=True,
                                encoding="utf-8", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(result.returncode, status, result.stdout)
        return result.stdout


class Programs(German):
    """What each says of its command line."""

    def test_help(self):
        for program, *wanted in [
                (PROGRAM, "Der libvirt-Daemon für softwaregeschützte virtuelle Maschinen",
                 "--config=DATEI", "Die Prozessnummer dorthin schreiben"),
                (LOGGER, "Schreibt, was ein VMM ausgibt", "--max-backups=ANZAHL", "Wie groß eine Datei werden darf"),
                (EMULATOR, "Führt eine virtuelle Maschine aus.", "--memory=GRÖSSE", "Dasselbe als offener Deskriptor")]:
            with self.subTest(program):
                text = self.run_program(program, "--help")
                for words in wanted:
                    self.assertIn(words, text)

    def test_wrong_options(self):
        for program, option, wanted in [
                (PROGRAM, "--timeout=-1", "virtgmemd: Ungültiges Argument: --timeout=-1: darf nicht negativ sein"),
                (PROGRAM, "more", "virtgmemd: Ungültiges Argument: unerwartetes Argument »more«"),
                (LOGGER, "--max-size=0", "gmem-logger: --max-size: nicht unter 1"),
                (LOGGER, "more", "gmem-logger: unerwartetes Argument »more«"),
                (EMULATOR, "more", "gmem-vmm: options: Fehler: unerwartetes Argument »more«"),
                (EMULATOR, "--memory=3P", "--memory=3P: die Einheit muss K, M, G oder T sein"),
                (EMULATOR, "--cpu=host,+vmx", "--cpu=host,+vmx: »vmx«: wird nie angeboten: KVM unterstützt keine")]:
            with self.subTest(option, program=program):
                self.assertIn(wanted, self.run_program(program, option, status=1))

    def test_a_language_that_there_is_not(self):
        environment = dict(self.environment, LC_ALL="no_SUCH.UTF-8")
        result = subprocess.run([PROGRAM, "--help"], env=dict(os.environ, **environment), check=True, text=True,
                                capture_output=True)
        self.assertIn("The libvirt daemon for software-protected virtual machines", result.stdout)

    def test_what_is_in_no_catalogue(self):
        """The system says why in the same language."""
        text = self.run_program(PROGRAM, "--config", "/no/such/file", status=1)
        self.assertIn("virtgmemd: Syntaxfehler in der Konfigurationsdatei: ", text)
        self.assertIn("/no/such/file", text)


class Service(German):
    """What clients and administrators read of the daemon."""

    def assert_says(self, wanted, *command, **arguments):
        result = run_virsh(*command, **arguments)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn(wanted, result.stderr)

    def test_errors(self):
        with Daemon(**self.environment) as daemon:
            for inside, wanted in [
                    ("<bridge/>", "Nicht unterstützte Konfiguration: Element »bridge« wird noch nicht unterstützt"),
                    ("<clock offset='moon'/>", "XML-Fehler: Attribut »offset« des Elements »clock« ist »moon« und nicht "
                                               "eines von 'utc', 'localtime', 'timezone', 'variable', 'absolute'"),
                    ("<cpu><numa><cell memory='1.5'/></numa></cpu>",
                     "XML-Fehler: Attribut »memory« des Elements »cpu/numa/cell« ist »1.5« und nicht eine Zahl unter")]:
                with self.subTest(inside):
                    self.assert_says(wanted, "define", STDIN, text=domain_xml(extra=inside))
            daemon.define(domain_xml(kernel="/boot/vmlinuz", initrd=None))
            self.assert_says("Angeforderte Operation ist nicht gültig: Domain »test« läuft nicht", "suspend", "test")

    def test_warnings(self):
        os.makedirs(CONFIG_FOLDER, exist_ok=True)
        path = os.path.join(CONFIG_FOLDER, "broken.xml")
        with open(path, "w", encoding="ascii") as file:
            file.write("<domain")
        self.addCleanup(os.unlink, path)
        with Daemon(**self.environment) as daemon:
            self.assertIn(f"»{path}« wird nicht angerührt: ", daemon.start_messages)

    def test_what_programs_read_is_the_same(self):
        """Numbers above all: XML has no decimal comma, and statistics have no thousands separators."""
        questions = [("dumpxml", "plain"), ("capabilities",), ("domcapabilities",), ("dominfo", "plain"),
                     ("domstats", "--state", "--vm", "test"), ("domstate", "--reason", "test")]
        plain = domain_xml(name="plain", memory=1536, kernel="/boot/vmlinuz", initrd=None,
                           identity="6a0f3c52-3c6d-4c1b-9a54-1d1d3b1f0c01",
                           extra="<clock offset='utc'><timer name='tsc' frequency='2400000000'/></clock>")
        answers = []
        for environment in [{}, self.environment]:
            with FakeVmm(), Daemon(**environment) as daemon:
                wait_adopted("test")
                daemon.define(plain)
                # Why the host does not offer something is for persons.
                answers.append([re.sub("<gmem:reason>[^<]*<", "<gmem:reason><", virsh(*question))
                                for question in questions])
        for question, english, german in zip(questions, *answers):
            with self.subTest(" ".join(question)):
                self.assertEqual(english, german)
