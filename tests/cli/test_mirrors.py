"""The signed mirror list: where devices go when the places of their configuration are gone, or in a stranger's hands."""
import json
import shutil
import unittest

import lab_server as faults
from device_lab import DONE, NOT_AUTHENTIC, NOTHING_TO_DO, SEGMENT, UNREACHABLE, USAGE, Device, LabCase, Repo, make_image, next_image, run


class Mirrors(LabCase):
    def setUp(self):
        super().setUp()
        self.old = make_image(6 * SEGMENT, 1)
        self.new = next_image(self.old, 2)
        self.repo = Repo(self.folder)
        self.repo.release("1.0", self.old)
        self.first = self.serve(self.repo.folder)
        self.device = Device(self.folder / "device", self.repo.root, self.first.url, image=self.old)

    def list_mirrors(self, *urls):
        """Signs the list; the device learns of it."""
        self.repo.call("refresh", *(["--no-mirrors"] if not urls else [word for url in urls for word in ("--mirror", url)]))
        self.expect(NOTHING_TO_DO, self.device.run("check"))

    def list_mirrors_only(self, *urls):
        self.repo.call("refresh", *(word for url in urls for word in ("--mirror", url)))
        self.expect(DONE, self.device.run("check"))

    def mirror(self, name="mirror"):
        """A server with a copy of the repository as it is now."""
        shutil.copytree(self.repo.folder, self.folder / name)
        return self.serve(self.folder / name)

    def release_new(self):
        self.repo.release("1.1", self.new)

    def test_decade_repo_signs_keeps_and_shows_the_list(self):
        self.list_mirrors("https://b.example/r", "http://c.example")
        self.release_new()
        self.repo.call("rotate", "--role", "targets")
        shown = json.loads(run("decade-repo", "list", self.repo.folder, "--json").out)
        self.assertEqual(["https://b.example/r", "http://c.example"], shown["mirrors"])
        self.assertIn("mirror https://b.example/r\n", run("decade-repo", "list", self.repo.folder).out)
        self.repo.call("refresh")
        self.repo.call("refresh", "--no-mirrors")
        self.assertEqual([], json.loads(run("decade-repo", "list", self.repo.folder, "--json").out)["mirrors"])

    def test_decade_repo_refuses_what_devices_would_not_take(self):
        for url in ("ftp://a.example", "/srv/www", "https://", "https://a b", "https://ü.example", "https://a/" + "x" * 512):
            self.expect(USAGE, run("decade-repo", "refresh", self.repo.folder, "--keys", self.repo.keys, "--mirror", url), "--mirror")
        many = [word for number in range(9) for word in ("--mirror", "http://%d.example" % number)]
        self.expect(USAGE, run("decade-repo", "refresh", self.repo.folder, "--keys", self.repo.keys, *many), "at most 8")

    def test_a_listed_mirror_serves_when_the_configured_one_is_gone(self):
        mirror = self.mirror()
        self.list_mirrors("http://127.0.0.1:9/nobody", mirror.url)
        self.release_new()
        shutil.rmtree(self.folder / "mirror")
        shutil.copytree(self.repo.folder, self.folder / "mirror")
        self.first.close()
        self.expect(DONE, self.device.run("install"))
        self.assert_slot(self.device, "b", self.new)
        self.assertGreater(mirror.bytes_sent(), 0)

    def test_while_the_configured_one_serves_no_other_is_asked(self):
        mirror = self.mirror()
        self.list_mirrors(mirror.url)
        self.release_new()
        self.expect(DONE, self.device.run("install"))
        self.assertEqual(0, len(mirror.requests()))

    def test_a_payload_that_breaks_off_for_good_goes_on_at_a_listed_mirror(self):
        mirror = self.mirror()
        self.list_mirrors(mirror.url)
        self.release_new()
        shutil.rmtree(self.folder / "mirror")
        shutil.copytree(self.repo.folder, self.folder / "mirror")
        self.first.add_fault(".dcp", faults.status(503))
        self.expect(DONE, self.device.run("install"))
        self.assert_slot(self.device, "b", self.new)
        self.assertEqual(0, mirror.bytes_sent("timestamp.json"))

    def test_a_place_in_a_strangers_hands_is_passed_over(self):
        """A parked domain that answers everything with a page, and one that has nothing."""
        mirror = self.mirror()
        self.list_mirrors(mirror.url)
        self.release_new()
        shutil.rmtree(self.folder / "mirror")
        shutil.copytree(self.repo.folder, self.folder / "mirror")
        page = faults.status(200, body=b"<html>this domain is for sale</html>")
        for what in (page, faults.status(404), faults.status(403)):
            self.first.heal()
            self.first.add_fault("", what)
            self.expect(DONE, self.device.run("check"), "1.1")
        self.first.heal()
        self.first.add_fault("timestamp.json", page)
        self.expect(DONE, self.device.run("install"))

    def test_a_hostile_mirror_gains_nothing(self):
        stranger = Repo(self.folder / "stranger")
        stranger.release("9.0", self.new)
        hostile = self.serve(stranger.folder)
        old, good = self.mirror("old"), self.mirror("good")
        self.repo.call("refresh")
        self.list_mirrors(hostile.url, old.url)
        before = self.device.boots()
        self.first.add_fault("", faults.status(503))
        done = self.expect(NOT_AUTHENTIC, self.device.run("install"))
        self.assertNotIn("9.0", done.out)
        self.assertGreater(len(hostile.requests()), 0)
        self.assertGreater(len(old.requests()), 0)
        self.assertEqual(before, self.device.boots())
        # And it keeps nobody from a good one behind it.
        self.first.heal()
        self.release_new()
        self.list_mirrors_only(hostile.url, old.url, good.url)
        shutil.rmtree(self.folder / "good")
        shutil.copytree(self.repo.folder, self.folder / "good")
        self.first.add_fault("", faults.status(503))
        self.expect(DONE, self.device.run("install"))
        self.assert_slot(self.device, "b", self.new)

    def test_a_list_that_was_changed_in_the_store_is_not_followed(self):
        mirror = self.mirror()
        self.list_mirrors("http://127.0.0.1:9/nobody")
        stored = self.device.state / "metadata" / "targets.json"
        stored.write_text(stored.read_text().replace("http://127.0.0.1:9/nobody", mirror.url))
        self.first.close()
        self.expect(UNREACHABLE, self.device.run("check"))
        self.assertEqual(0, len(mirror.requests()))

    def test_a_stale_list_harms_nothing(self):
        self.list_mirrors("http://127.0.0.1:9/a", "http://127.0.0.1:9/b")
        self.release_new()
        self.expect(DONE, self.device.run("check"), "1.1")
        self.first.close()
        self.expect(UNREACHABLE, self.device.run("check"))

    def test_what_a_person_names_is_meant_alone(self):
        mirror = self.mirror()
        self.list_mirrors(mirror.url)
        self.expect(UNREACHABLE, self.device.run("install", "http://127.0.0.1:9/x"))
        self.assertEqual(0, len(mirror.requests()))


class ObjectStores(LabCase):
    def test_a_server_that_forbids_what_it_lacks_serves_all_the_same(self):
        old = make_image(2 * SEGMENT, 1)
        repo = Repo(self.folder)
        repo.release("1.0", old)
        repo.release("1.1", next_image(old, 2))
        server = self.serve(repo.folder)
        server.add_fault("2.root.json", faults.status(403))
        device = Device(self.folder / "device", repo.root, server.url, image=old)
        self.expect(DONE, device.run("install"))
        server.add_fault("timestamp.json", faults.status(403))
        self.expect(UNREACHABLE, device.run("check"), "credentials")


class Damage(LabCase):
    def test_a_damaged_timestamp_is_reported_and_rolls_nothing_back(self):
        image = make_image(2 * SEGMENT, 1)
        repo = Repo(self.folder)
        repo.release("1.0", image)
        shutil.copytree(repo.folder, self.folder / "past")
        repo.release("1.1", next_image(image, 2))
        device = Device(self.folder / "device", repo.root, repo.folder, image=image)
        self.expect(DONE, device.run("check"))
        stored = device.state / "metadata" / "timestamp.json"
        whole = stored.read_bytes()
        stored.write_bytes(whole[:-20])
        device.configure(url=self.folder / "past")
        self.expect(NOT_AUTHENTIC, device.run("check"), "older than version")
        device.configure(url=repo.folder)
        self.expect(DONE, device.run("check"), "warning", "timestamp.json")
        self.assertNotIn("warning", self.expect(DONE, device.run("check")).err)
        stored.write_bytes(whole[:-20])
        self.assertEqual("timestamp.json", device.run("check", "--json").json["damaged"])


if __name__ == "__main__":
    unittest.main()
