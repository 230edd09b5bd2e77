#!/usr/bin/env python3
"""Bad servers: a clear error with the right code, in bounded time and memory; and the update ends right once they recover."""
import concurrent.futures
import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import lab_server as faults  # noqa: E402
from device_lab import (DONE, NOT_AUTHENTIC, SANITIZED, SEGMENT, UNREACHABLE, Device, LabCase, Repo, make_image,  # noqa: E402
                        next_image)
from lab_server import Server  # noqa: E402

SIZE = 24 * SEGMENT
SECONDS = 15       # one retry, one second to connect, one second without a byte, a few seconds of pauses, and a busy machine
KIBIBYTES = 24_000
WORKERS = 6        # most of the time is waiting

# name: fault, codes that it may end with where it meets the metadata, and where it meets a payload (None: not there).
EITHER = (NOT_AUTHENTIC, UNREACHABLE)
FAULTS = {
    "404": (faults.status(404), (UNREACHABLE,), (UNREACHABLE,)),
    "403": (faults.status(403), (UNREACHABLE,), (UNREACHABLE,)),
    "416": (faults.status(416), (UNREACHABLE,), (UNREACHABLE,)),
    "500": (faults.status(500), (UNREACHABLE,), (UNREACHABLE,)),
    "503 that asks for patience": (faults.status(503, {"Retry-After": "1"}), (UNREACHABLE,), (UNREACHABLE,)),
    "a large error page": (faults.status(404, body=b"<p>" * 3_000_000), (UNREACHABLE,), (UNREACHABLE,)),
    "a status that makes no sense": (faults.status(299), (UNREACHABLE,), (UNREACHABLE,)),
    "a redirect loop": (faults.redirect_loop, (UNREACHABLE,), (UNREACHABLE,)),
    "a redirect to a file": (faults.redirect_to("file:///etc/hostname"), (UNREACHABLE,), (UNREACHABLE,)),
    "a redirect to nowhere": (faults.redirect_to("http://127.0.0.1:1/"), (UNREACHABLE,), (UNREACHABLE,)),
    "silence": (faults.silence, (UNREACHABLE,), (UNREACHABLE,)),
    "a stall before the first byte": (faults.stall(0), (UNREACHABLE,), (UNREACHABLE,)),
    "a stall in the middle": (faults.stall(100), (UNREACHABLE,), (UNREACHABLE,)),
    "a stall before the last byte": (faults.stall(-1), (UNREACHABLE,), (UNREACHABLE,)),
    "a trickle": (faults.trickle(60), (UNREACHABLE,), (UNREACHABLE,)),
    "cut off at once": (faults.truncate(0), (UNREACHABLE,), (UNREACHABLE,)),
    "cut off in the middle": (faults.truncate(100), (UNREACHABLE,), (UNREACHABLE,)),
    "reset in the middle": (faults.reset(100), (UNREACHABLE,), (UNREACHABLE,)),
    "endless data": (faults.endless, EITHER, EITHER),
    "endless chunks": (faults.endless_chunks, EITHER, EITHER),
    "endless headers": (faults.endless_headers, (UNREACHABLE,), (UNREACHABLE,)),
    "another protocol": (faults.not_http, (UNREACHABLE,), (UNREACHABLE,)),
    "a length that is too large": (faults.content_length(10), EITHER, (UNREACHABLE,)),
    "a length that is far too large": (faults.content_length(1 << 40), EITHER, (UNREACHABLE,)),
    "a length that is too small": (faults.content_length(-10), EITHER, (UNREACHABLE,)),
    "another range than was asked for": (faults.content_range(1), None, (UNREACHABLE,)),
    "another size of the file": (faults.content_range(0, 7), None, EITHER),
    "a wrong byte": (faults.other_bytes, (NOT_AUTHENTIC,), (NOT_AUTHENTIC,)),
}


class BadServers(LabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.old = make_image(SIZE, "server")
        cls.new = next_image(cls.old, "server", changes=20)
        cls.repo = Repo(cls.lab)
        cls.repo.release("1.0", cls.old)
        cls.repo.release("2.0", cls.new)
        cls.delta, cls.full = cls.repo.payload("2.0", "1.0"), cls.repo.payload("2.0")

    def device(self, server, name="device", **settings):
        settings = {"retries": 1, "timeout_s": 1, "stall_timeout_s": 1, **settings}
        return Device(self.folder / name, self.repo.root, server.url, image=self.old, slot_size=SIZE, **settings)

    def meet(self, number, fault, part, codes, words=(), skip=0):
        """A device of its own meets a fault, then a server that has recovered. Returns what went wrong."""
        server = Server(self.repo.folder)
        try:
            device = self.device(server, "device-%d" % number)
            if device.run("check").code != DONE:  # it identifies the running slot, which is news to `boots`
                return ["the good server is refused"]
            shutil.rmtree(device.state / "metadata")
            before = device.slot_hash("a"), device.boots()
            server.add_fault(part, fault, skip=skip)
            result = device.run("install", *words, watch_memory=True)
            found = []
            if result.code not in codes:
                found.append("ended with %d, not one of %s" % (result.code, codes))
            if result.seconds > SECONDS:
                found.append("took %.1f s" % result.seconds)
            if result.peak > KIBIBYTES and not SANITIZED:
                found.append("took %d KiB of memory" % result.peak)
            if part not in result.err or not result.err.startswith("decade: "):
                found.append("does not tell which file")
            if before != (device.slot_hash("a"), device.boots()):
                found.append("the running slot or what boots has changed")
            server.heal()
            again = device.run("install", *words)
            if again.code != DONE or device.slot("b", SIZE) != self.new:
                found.append("did not end right on the server that had recovered: %s" % again)
            return ["%s: %s" % (one, result) for one in found]
        finally:
            server.close()

    def meet_all(self, part, column, words=(), skip=0):
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            jobs = {}
            for number, (name, row) in enumerate(FAULTS.items()):
                if row[column] is not None:
                    jobs[name] = pool.submit(self.meet, number, row[0], part, row[column], words, skip)
            for name, job in jobs.items():
                with self.subTest(name):
                    self.assertEqual([], job.result())

    def test_faults_at_the_timestamp(self):
        self.meet_all("timestamp.json", 1)

    def test_faults_at_the_manifest(self):
        self.meet_all("2.0.json", 1)

    def test_faults_at_the_table_of_a_payload(self):
        self.meet_all("payloads/", 2, ("--full",))

    def test_faults_at_the_frames_of_a_payload(self):
        self.meet_all("payloads/", 2, ("--full",), skip=1)

    def test_no_server_at_all_is_code_6(self):
        server = Server(self.repo.folder)
        device = self.device(server)
        server.close()
        self.expect(UNREACHABLE, device.run("install"), "127.0.0.1")
        device.configure(url="http://no-such-host.invalid/")
        self.expect(UNREACHABLE, device.run("check"), "no-such-host.invalid")

    def test_a_server_without_ranges_is_told_from_a_broken_one(self):
        server = self.serve(self.repo.folder)
        server.add_fault("payloads/", faults.ignore_range)
        device = self.device(server)
        self.expect(UNREACHABLE, device.run("install"), "payloads/", "range")
        server.heal()
        self.expect(DONE, device.run("install"))

    def test_faults_that_pass_are_waited_out_in_one_run(self):
        for name, fault in {"500": faults.status(500), "cut off": faults.truncate(50_000), "reset": faults.reset(50_000),
                            "stall": faults.stall(50_000), "busy": faults.status(429, {"Retry-After": "1"})}.items():
            with self.subTest(name):
                server = self.serve(self.repo.folder)
                device = self.device(server, "device-" + name.replace(" ", "-"), retries=3)
                server.add_fault("payloads/", fault, times=2)
                self.expect(DONE, device.run("install", "--full"))
                self.assert_slot(device, "b", self.new)
                twice = server.bytes_sent(self.full.name) - self.full.size
                self.assertLessEqual(twice, 2 * self.full.table_length + 60, "bytes were fetched twice")

    def test_what_arrived_before_the_cut_is_not_fetched_again(self):
        server = self.serve(self.repo.folder)
        device = self.device(server, retries=0)
        for after in (self.full.size // 3, self.full.size // 4):
            server.add_fault("payloads/", faults.truncate(after))
            server.requests()
            self.expect(UNREACHABLE, device.run("install", "--full"), "payloads/")
            server.heal()
        wrong = self.full.wrong_segments(self.new, device.slot("b"))
        self.assertLess(len(wrong), len(self.full.frames) * 2 // 3)
        server.forget()
        self.expect(DONE, device.run("install", "--full"))
        self.assertEqual(self.full.table_length + self.full.bytes_of(wrong), server.bytes_sent("payloads/"))
        self.assert_slot(device, "b", self.new)

    def test_a_redirect_to_another_server_is_followed(self):
        mirror = self.serve(self.repo.folder)
        server = self.serve(self.repo.folder)
        for part in (self.delta.name, "timestamp.json"):
            path = "targets/payloads/" if part == self.delta.name else "metadata/"
            server.add_fault(part, faults.redirect_to("%s/%s%s" % (mirror.url, path, part)))
        device = self.device(server)
        self.expect(DONE, device.run("install"))
        self.assert_slot(device, "b", self.new)
        self.assertGreater(mirror.bytes_sent(self.delta.name), 0)

    def test_credentials_of_the_url_do_not_cross_a_redirect(self):
        mirror, server = self.serve(self.repo.folder), self.serve(self.repo.folder)
        seen = []

        def look(name, then):
            def fault(handler, reply):
                seen.append((name, handler.headers.get("Authorization")))
                then(handler, reply)
            return fault
        server.add_fault("timestamp.json", look("server", faults.redirect_to(mirror.url + "/metadata/timestamp.json")))
        mirror.add_fault("timestamp.json", look("mirror", lambda handler, reply: handler.send(reply)))
        device = self.device(server)
        device.configure(url=server.url.replace("http://", "http://lab:secret@"))
        self.expect(DONE, device.run("check"))
        self.assertEqual(["server", "mirror"], [name for name, _ in seen])
        self.assertTrue(seen[0][1])
        self.assertIsNone(seen[1][1])
        mirror.close()
        failed = self.expect(UNREACHABLE, device.run("check"))
        self.assertNotIn("secret", failed.out + failed.err + device.run("status").out)



if __name__ == "__main__":
    unittest.main(verbosity=2)
