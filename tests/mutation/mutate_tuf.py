#!/usr/bin/env python3
"""Takes away the checks of manifest/tuf, and of LMS beside it, one at a time, in a copy of the tree, and demands that a test fails for each.

    mutate_tuf.py [NAME]...     those whose name contains a NAME; all without. "FROM+" means: from the first that contains FROM on
Ends with 1 when a mutant lives, or a check isn't there any more to be taken away.
"""
import os
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
# By the folder of what is changed; those that take long last.
TESTS = {
    "tuf": ["tuf/test_tuf_client", "tuf/test_tuf_delegation", "tuf/test_tuf_clock", "tuf/test_tuf_glob", "tuf/test_tuf_limits",
            "tuf/test_tuf_attacks", "tuf/test_tuf_store", "tuf/test_tuf_mirrors", "tuf/test_tuf_bytes"],
    "lms": ["sign/test_lms", "sign/test_lms_signer"],
}

# name, file of manifest/tuf (or of manifest, with its folder), what stands there (once), what stands there instead
MUTANTS = [
    ("type of the metadata", "tuf_metadata.c", "strcmp(text, type) != 0", "strcmp(text, type) == 1000"),
    ("major version of the specification", "tuf_metadata.c", 'strncmp(text, "1.", 2) != 0', 'strncmp(text, "1.", 2) == 1000'),
    ("two signatures by one key id", "tuf_metadata.c", '"keyid")), keyid) == 0', '"keyid")), keyid) == 1000'),
    ("number of signatures", "tuf_metadata.c", "count > TUF_SIGNATURES_MAX", "count > 10 * TUF_SIGNATURES_MAX"),
    ("canonical spelling", "tuf_metadata.c", "err != 0 || match.at != bytes->len", "err == 1000"),
    ("one key id twice in a role", "tuf_role.c", "strcmp(role->keys[i].keyid, keyid) == 0", "strcmp(role->keys[i].keyid, keyid) == 1000"),
    ("number of keys of a role", "tuf_role.c", "count > TUF_ROLE_KEYS_MAX", "count > 10 * TUF_ROLE_KEYS_MAX"),
    ("a key counts once", "tuf_role.c", "!signers_have(&signers, &role->keys[i].identity)", "true"),
    ("the signature", "tuf_role.c", "dcd_public_key_verify(key->key,", "true | dcd_public_key_verify(key->key,"),
    ("the threshold", "tuf_role.c", "if (signers >= role->threshold)", "if (signers >= 1)"),
    ("fast-forward recovery, timestamp", "tuf_root.c", "!tuf_role_same_keys(&tuf->root->roles[TUF_ROLE_TIMESTAMP]", "false && !tuf_role_same_keys(&tuf->root->roles[TUF_ROLE_TIMESTAMP]"),
    ("fast-forward recovery, snapshot", "tuf_root.c", "!tuf_role_same_keys(&tuf->root->roles[TUF_ROLE_SNAPSHOT]", "false && !tuf_role_same_keys(&tuf->root->roles[TUF_ROLE_SNAPSHOT]"),
    ("the old root's signatures", "tuf_root.c", "tuf_role_verify(&trusted->roles[TUF_ROLE_ROOT]", "0 * tuf_role_verify(&trusted->roles[TUF_ROLE_ROOT]"),
    ("the new root's own signatures", "tuf_root.c", "tuf_role_verify(&next->roles[TUF_ROLE_ROOT]", "0 * tuf_role_verify(&next->roles[TUF_ROLE_ROOT]"),
    ("the very next root", "tuf_root.c", "next->metadata->version != trusted->metadata->version + 1", "next->metadata->version == 0"),
    ("the factory root's own signature", "tuf_root.c", "tuf_role_verify(&root->roles[TUF_ROLE_ROOT]", "0 * tuf_role_verify(&root->roles[TUF_ROLE_ROOT]"),
    ("expiry of the root", "tuf_client.c", "tuf_check_expiry(tuf, tuf_role_name(TUF_ROLE_ROOT)", "0 * tuf_check_expiry(tuf, tuf_role_name(TUF_ROLE_ROOT)"),
    ("the clock's floor", "tuf_timestamp.c", "signing_time(stored) > tuf->start_time", "signing_time(stored) > tuf->start_time * 1000 + 9999999999"),
    ("a signing time after the expiry", "tuf_timestamp.c", "seconds < timestamp->expires", "seconds < timestamp->expires + 1000000000"),
    ("rollback of the timestamp", "tuf_timestamp.c", "fresh->version < trusted->version", "fresh->version == 0"),
    ("rollback of the snapshot in it", "tuf_timestamp.c", "after.version < before.version", "after.version == 0"),
    ("expiry of the timestamp", "tuf_timestamp.c", "err = tuf_check_expiry(", "err = 0 * tuf_check_expiry("),
    ("one version, one content", "tuf_timestamp.c", "trusted->version == fresh->version;", "trusted->version == 0;"),
    ("a file that vanishes from the snapshot", "tuf_snapshot.c", "dcd_json_member(after, name) == NULL", "dcd_json_member(after, name) == before"),
    ("rollback in the snapshot", "tuf_snapshot.c", "seen > 0 && entry.version < (uint64_t)seen", "seen < -1000"),
    ("expiry of a new snapshot", "tuf_snapshot.c", "tuf_check_expiry(tuf, tuf_role_name(TUF_ROLE_SNAPSHOT), fresh", "0 * tuf_check_expiry(tuf, tuf_role_name(TUF_ROLE_SNAPSHOT), fresh"),
    ("expiry of the stored snapshot", "tuf_snapshot.c", "tuf_check_expiry(tuf, tuf_role_name(TUF_ROLE_SNAPSHOT), trusted", "0 * tuf_check_expiry(tuf, tuf_role_name(TUF_ROLE_SNAPSHOT), trusted"),
    ("expiry of new targets", "tuf_targets.c", "tuf_check_expiry(tuf, tuf_role_name(TUF_ROLE_TARGETS), fresh", "0 * tuf_check_expiry(tuf, tuf_role_name(TUF_ROLE_TARGETS), fresh"),
    ("expiry of the stored targets", "tuf_targets.c", "tuf_check_expiry(tuf, tuf_role_name(TUF_ROLE_TARGETS), stored", "0 * tuf_check_expiry(tuf, tuf_role_name(TUF_ROLE_TARGETS), stored"),
    ("a caller's bound on a target", "tuf_targets.c", "target->length > max", "target->length > max + 1000000"),
    ("a target's path", "tuf_targets.c", "!dcd_source_path_ok(target->path)", "target->path == NULL"),
    ("stored targets of another version", "tuf_targets.c", "stored->version != entry.version", "stored->version == 0"),
    ("length", "tuf_file.c", "entry->length != bytes->len", "entry->length == SIZE_MAX"),
    ("SHA-256", "tuf_file.c", "!dcd_hash_equal(&sha256, &hashes->sha256)", "dcd_hash_is_zero(&sha256)"),
    ("SHA-512", "tuf_file.c", "memcmp(sha512, hashes->sha512, sizeof sha512) != 0", "memcmp(sha512, hashes->sha512, sizeof sha512) == 1000"),
    ("the version that was named", "tuf_file.c", "metadata->version != entry->version", "metadata->version == 0"),
    ("the bound on a file", "tuf_file.c", "dcd_source_load(tuf->options.source, path, max,", "dcd_source_load(tuf->options.source, path, max * 4,"),
    ("names of delegated roles", "tuf_delegation.c", "return ok ? 0 :", "return ok || what != NULL ? 0 :"),
    ("paths or prefixes", "tuf_delegation.c", "(paths == NULL) == (prefixes == NULL)", "paths == what_never"),
    ("a role delegated to twice", "tuf_delegation.c", "dcd_json_member(names, name) != NULL", "dcd_json_member(names, name) == names"),
    ("the delegated paths", "tuf_delegation.c", "if (tuf_glob_match(", "if (true || tuf_glob_match("),
    ("the hash prefixes", "tuf_delegation.c", "if (strncmp(hex, prefix, strlen(prefix)) == 0)", "if (strncmp(hex, prefix, strlen(prefix)) < 1000)"),
    ("verified by this delegator", "tuf_delegated.c", "one->delegator == delegator && strcmp(", "strcmp("),
    ("stored over a root", "tuf_delegated.c", "return !is_a_roots_name(name)", "return true"),
    ("expiry of a new delegated role", "tuf_delegated.c", "tuf_check_expiry(tuf, name, fresh", "0 * tuf_check_expiry(tuf, name, fresh"),
    ("expiry of a stored delegated role", "tuf_delegated.c", "tuf_check_expiry(tuf, delegation->name, metadata", "0 * tuf_check_expiry(tuf, delegation->name, metadata"),
    ("the stored delegated role's version", "tuf_delegated.c", "metadata->version == loading->entry.version", "metadata->version > 0"),
    ("one visit a name", "tuf_search.c", "strcmp(search->visited[i], name) == 0", "strcmp(search->visited[i], name) == 1000"),
    ("the end of the search after a terminating role", "tuf_search.c", "search->ended || delegation.terminating", "search->ended"),
    ("listed where a look-up leads", "tuf_search.c", "leads_to(search, tuf, target.path, role)", "(leads_to(search, tuf, target.path, role) || true)"),
    ("cycles when all are loaded", "tuf_search.c", "if (is_above(above, delegation.name))", "if (is_above(above, delegation.name) && loader->count > 1000)"),
    ("the bound when all are loaded", "tuf_search.c", "loader->count++ == DCD_TUF_DELEGATED_MAX", "loader->count++ == 10 * DCD_TUF_DELEGATED_MAX"),
    ("a root that is forbidden is none", "tuf_root.c", "err == DCD_ERR_NOT_FOUND || err == DCD_ERR_FORBIDDEN", "err == DCD_ERR_NOT_FOUND"),
    ("the source's own sentence", "tuf_file.c", "own.text[0] == '\\0' && err == DCD_ERR_SIZE", "err == DCD_ERR_SIZE"),
    ("the snapshot's floor", "tuf_timestamp.c", "entry->version < stored->version", "entry->version == 0"),
    ("the targets' floor", "tuf_targets.c", "stored != NULL && entry.version < stored->version", "stored != NULL && entry.version == 0"),
    ("damage that is noted", "tuf_store.c", "*ret == NULL ? note_damage(", "*ret == NULL && max == 0 ? note_damage("),
    ("new targets keys are no damage", "tuf_store.c", "return role != TUF_ROLE_TARGETS ||", "return true ||"),
    ("recovery of the targets' version", "tuf_store.c", '"snapshot.json", "targets.json" }', '"snapshot.json" }'),
    ("stored roles that nobody delegates to", "tuf_delegated.c", "!delegates_to(next, name)", "false && !delegates_to(next, name)"),
    ("stored roles that somebody delegates to", "tuf_delegated.c", "!delegates_to(next, name)", "(!delegates_to(next, name) || next->version > 0)"),
    ("what a mirror's URL is", "tuf_mirrors.c", "if (url_ok(url))", "if (url_ok(url) || url != NULL)"),
    ("the length of a mirror's URL", "tuf_mirrors.c", "strlen(url) <= DCD_TUF_MIRROR_URL_MAX", "strlen(url) <= DCD_TUF_MIRROR_URL_MAX + 1"),
    ("the number of mirrors", "tuf_mirrors.c", "given < DCD_TUF_MIRRORS_MAX", "given < DCD_TUF_MIRRORS_MAX + 1"),
    ("LMS: the root of the tree", "crypto/lms.c", "return memcmp(node.bytes,", "return 0 * memcmp(node.bytes,"),
    ("LMS: the checksum", "crypto/lms.c", "sum << set->checksum_shift", "(sum << set->checksum_shift) * 0"),
    ("LMS: the length of a signature", "crypto/lms.c", "signature_len != dcd_lms_signature_size(set)", "signature_len < dcd_lms_signature_size(set)"),
    ("LMS: the leaf's type", "crypto/lms.c", "get_u32(signature + 4) != set->ots_type", "set->ots_type == 0"),
    ("LMS: the tree's type", "crypto/lms.c", "get_u32(signature + path_at) != set->type", "set->type == 0"),
    ("LMS: the public key's types", "crypto/lms_key.c", "memcmp(key, types, sizeof types) != 0", "key[0] == 1"),
    ("LMS: reserved before it signs", "sign/lms_signer.c", "err = state_store(self->home, &state, diag);", "err = 0;"),
    ("LMS: a copy", "sign/lms_signer.c", "if (strcmp(state->place, place) != 0) {", "if (strcmp(state->place, place) == 1000) {"),
    ("LMS: an old state", "sign/lms_signer.c", "	if (unused > state->next) {", "	if (unused > state->next + 100000) {"),
    ("LMS: the margin after a move", "sign/lms_signer.c", "+ DCD_LMS_MOVED_MARGIN;", "+ 0;"),
    ("LMS: a key that is used up", "sign/lms_signer.c", "leaf >= dcd_lms_private_leaves(self->key)", "leaf == UINT32_MAX"),
    ("LMS: a state that was torn", "sign/lms_signer.c", "state_write(&read, again) != len || memcmp(again, text, len) != 0", "state_write(&read, again) == 0"),
    ("a '*' stays in its component", "tuf_glob.c", "*tried != '\\0' && *tried != '/'", "*tried != '\\0'"),
    ("a '?' is no '/'", "tuf_glob.c", "return c != '/' && (set", "return (set"),
]
MUTANTS = [(name, file, old, "false && paths == NULL" if new == "paths == what_never" else new) for name, file, old, new in MUTANTS]


def copy_tree(to):
    for name in os.listdir(SOURCE):
        if name in (".git", "build"):
            continue
        path = os.path.join(SOURCE, name)
        (shutil.copytree if os.path.isdir(path) else shutil.copy2)(path, os.path.join(to, name))


def build(folder):
    return subprocess.run(["ninja", "-C", os.path.join(folder, "build"), "-k", "0", *(name.split("/")[1] for names in TESTS.values() for name in names)], capture_output=True, text=True)


def first_failure(folder, tests):
    for test in tests:
        try:
            done = subprocess.run([os.path.join(folder, "build", "manifest", test)], capture_output=True, text=True,
                                  cwd=os.path.join(folder, "tests"), timeout=300)
        except subprocess.TimeoutExpired:
            return f"{test} (did not end)"
        test = test.split("/test_")[1]
        if done.returncode != 0:
            failed = [line.split()[-1] for line in (done.stdout + done.stderr).splitlines() if line.startswith("[  FAILED  ] ") and "test" not in line]
            return f"{test}: {failed[0] if failed else 'ended with %d' % done.returncode}"
    return None


def try_mutant(folder, mutant):
    name, file, old, new = mutant
    path = os.path.join(folder, "manifest", file if "/" in file else os.path.join("tuf", file))
    with open(path, encoding="utf-8") as opened:
        text = opened.read()
    if text.count(old) != 1:
        return False, f"stands {text.count(old)} times in {file}: {old}"
    with open(path, "w", encoding="utf-8") as opened:
        opened.write(text.replace(old, new))
    try:
        built = build(folder)
        if built.returncode != 0:
            return False, "doesn't build: " + " ".join(line for line in built.stdout.splitlines() if "error" in line)[:300]
        failure = first_failure(folder, TESTS["lms" if "/" in file else "tuf"])
        return failure is not None, failure or "every test passed: LIVES"
    finally:
        with open(path, "w", encoding="utf-8") as opened:
            opened.write(text)


def main(wanted):
    chosen = [m for m in MUTANTS if not wanted or any(word in m[0] for word in wanted)]
    if len(wanted) == 1 and wanted[0].endswith("+"):
        chosen = MUTANTS[next(i for i, m in enumerate(MUTANTS) if wanted[0][:-1] in m[0]) :]
    with tempfile.TemporaryDirectory(prefix="decade-mutation-") as folder:
        copy_tree(folder)
        subprocess.run(["cmake", "-S", folder, "-B", os.path.join(folder, "build"), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
                        "-DDECADE_WERROR=OFF"], check=True, stdout=subprocess.DEVNULL)
        if build(folder).returncode != 0 or first_failure(folder, sum(TESTS.values(), [])) is not None:
            print("without a mutation the tests don't pass")
            return 1
        alive = 0
        for mutant in chosen:
            caught, why = try_mutant(folder, mutant)
            alive += not caught
            print(f"{'caught' if caught else 'ALIVE '}  {mutant[0]}: {why}", flush=True)
    print(f"{len(chosen)} mutants, {len(chosen) - alive} caught")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
