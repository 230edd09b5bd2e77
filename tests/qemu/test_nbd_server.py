#!/usr/bin/env python3
"""The NBD disk whose power can be cut: the protocol, against QEMU's client and byte by byte; and what a cut leaves."""
import socket
import struct
import unittest

from crash_lab import HAVE_QEMU_IO, SECTOR, Lab, NbdClient

from decade_qemu.nbd_server import Cut, NbdServer
from decade_qemu.volatile_cache import ALL, LAST, NONE, SUBSET, TORN

SIZE = 1 << 20


def sectors(value, count=1):
    return bytes([value]) * (SECTOR * count)


class Served(Lab):
    def setUp(self):
        super().setUp()
        self.disk = self.image("disk.img", SIZE)
        self.path = str(self.folder / "nbd.sock")
        self.server = NbdServer(self.disk, self.path)
        self.addCleanup(lambda: self.server.close() if self.server else None)

    def client(self, option=7):
        client = NbdClient(self.path, option)
        self.addCleanup(client.close)
        return client

    def stop(self):
        self.server.close()
        self.server = None
        return self.disk.read_bytes()

    def cut_after(self, cut, *writes):
        """The medium after a client that did these writes met this cut at the last of them."""
        client = self.client()
        for offset, data in writes[:-1]:
            self.assertEqual(client.write(offset, data), 0)
        self.server.arm(cut)
        client.socket.settimeout(0.2)
        with self.assertRaises(socket.timeout):
            client.write(*writes[-1])
        self.assertTrue(self.server.cut_happened.wait(5))
        client.close()
        return self.disk.read_bytes()


class Protocol(Served):
    def test_the_handshake_is_fixed_newstyle_and_gives_size_and_flags(self):
        for option in (7, 1):
            client = self.client(option)
            self.assertEqual(client.greeting, (b"NBDMAGIC", b"IHAVEOPT", 3))
            self.assertEqual(client.size, SIZE)
            self.assertEqual(client.flags & 0b1111, 0b1101)  # has flags, not read-only, flush, FUA
            client.close()

    def test_an_unknown_option_is_refused_and_the_handshake_goes_on(self):
        client = self.client(option=None)
        self.assertEqual(client.ask(8)[0], 0x80000001)
        self.assertEqual(client.ask(77, b"what")[0], 0x80000001)
        client._go()
        self.assertEqual(client.read(0, 512), bytes(512))

    def test_options_that_lie_about_their_length_are_refused(self):
        client = self.client(option=None)
        self.assertEqual(client.ask(7, struct.pack(">I", 1000) + b"ab")[0], 0x80000003)
        self.assertEqual(client.ask(7, b"")[0], 0x80000003)

    def test_what_lies_outside_the_disk_is_an_error_and_the_disk_stays(self):
        client = self.client()
        for offset, length in ((SIZE, 512), (SIZE - 512, 1024), (1 << 63, 512), (100, 512), (0, 100)):
            self.assertEqual(client.request(0, offset, length)[0], 22, (offset, length))
        self.assertEqual(client.write(SIZE - 512, sectors(1, 2)), 22)
        self.assertEqual(client.request(99)[0], 22)
        self.assertEqual(client.write(SIZE - 512, sectors(1)), 0)
        self.assertEqual(client.read(SIZE - 512, 512), sectors(1))

    @unittest.skipUnless(HAVE_QEMU_IO, "qemu-io (package qemu-utils) is not there")
    def test_qemus_own_client_reads_what_it_wrote(self):
        target = "driver=nbd,server.type=unix,server.path=%s" % self.path
        out = self.qemu_io(target, ["write -P 0x5a 4096 65536", "flush", "read -P 0x5a 4096 65536", "write -f -P 0x11 0 512", "length"],
                           "--image-opts")
        self.assertNotIn("Pattern verification failed", out)
        self.assertIn("1 MiB", out)
        self.assertIsNone(self.server.error)
        left = self.stop()
        self.assertEqual((left[:512], left[4096:4096 + 65536]), (sectors(0x11), sectors(0x5A, 128)))


class Cuts(Served):
    def test_an_unflushed_write_is_read_back_but_not_on_the_medium(self):
        client = self.client()
        client.write(0, sectors(1))
        self.assertEqual(client.read(0, 512), sectors(1))
        self.assertEqual(self.disk.read_bytes()[:512], bytes(512))
        client.flush()
        self.assertEqual(self.disk.read_bytes()[:512], sectors(1))
        client.write(512, sectors(2), fua=True)
        self.assertEqual(self.disk.read_bytes()[512:1024], sectors(2))

    def test_a_cut_without_a_flush_loses_and_a_flushed_write_stays(self):
        client = self.client()
        client.write(0, sectors(1))
        client.flush()
        client.close()
        left = self.cut_after(Cut(1, NONE), (4096, sectors(2)), (8192, sectors(3)))
        self.assertEqual((left[:512], left[4096:4608], left[8192:8704]), (sectors(1), bytes(512), bytes(512)))
        self.assertEqual(self.server.at_stake, 2)

    def test_the_newest_write_can_be_all_that_is_left(self):
        left = self.cut_after(Cut(1, LAST), (0, sectors(1)), (4096, sectors(2)))
        self.assertEqual((left[:512], left[4096:4608]), (bytes(512), sectors(2)))

    def test_a_cut_tears_at_sectors(self):
        left = self.cut_after(Cut(1, TORN, seed=1), (0, sectors(9, 64)))[:64 * SECTOR]
        there = [left[at:at + SECTOR] for at in range(0, len(left), SECTOR)]
        self.assertEqual(set(there), {bytes(SECTOR), sectors(9)})

    def test_seeds_keep_different_subsets(self):
        found = set()
        for seed in range(6):
            found.add(self.cut_after(Cut(1, SUBSET, seed), *((4096 * at, sectors(seed + 1)) for at in range(8))))
            self.server.power_on()
        self.assertEqual(len(found), 6)

    def test_the_fua_write_that_the_cut_falls_on_is_not_safe_yet(self):
        client = self.client()
        self.server.arm(Cut(1, NONE))
        client.socket.settimeout(0.2)
        with self.assertRaises(socket.timeout):
            client.write(0, sectors(1), fua=True)
        self.assertEqual(self.disk.read_bytes()[:512], bytes(512))

    def test_the_cut_waits_for_its_write_and_its_region(self):
        client = self.client()
        self.server.arm(Cut(2, ALL, region=(4096, 8192)))
        for offset in (0, 4096, 8192, 0):
            self.assertEqual(client.write(offset, sectors(1)), 0)
        self.assertFalse(self.server.cut_happened.is_set())
        client.socket.settimeout(0.2)
        with self.assertRaises(socket.timeout):
            client.write(7680, sectors(2, 2))
        self.assertTrue(self.server.cut_happened.is_set())

    def test_after_the_cut_nothing_is_answered_and_nothing_reaches_the_medium(self):
        left = self.cut_after(Cut(1, ALL), (0, sectors(1)))
        client = self.client()
        client.socket.settimeout(0.2)
        with self.assertRaises(socket.timeout):
            client.write(512, sectors(2), fua=True)
        self.assertEqual(self.disk.read_bytes(), left)

    def test_after_power_on_the_disk_is_what_the_cut_left(self):
        left = self.cut_after(Cut(1, SUBSET, 3), *((512 * at, sectors(at + 1)) for at in range(20)))
        self.server.power_on()
        client = self.client()
        self.assertEqual(client.read(0, 512 * 20), left[:512 * 20])
        self.assertEqual(client.write(0, sectors(0x77)), 0)
        self.assertEqual(client.read(0, 512), sectors(0x77))

    def test_a_reboot_is_no_power_cut(self):
        client = self.client()
        client.write(0, sectors(1))
        client.close()
        self.assertEqual(self.client().read(0, 512), sectors(1))
        self.assertEqual(self.stop()[:512], sectors(1))


if __name__ == "__main__":
    unittest.main(verbosity=2)
