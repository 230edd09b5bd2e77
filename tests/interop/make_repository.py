#!/usr/bin/env python3
"""Makes a repository with python-tuf, an implementation that shares no code with ours, for tuf_interop.c to verify.

usage: make_repository.py FOLDER     exit code 77: python-tuf is not installed
"""
import os
import sys
from datetime import datetime, timedelta, timezone

try:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from securesystemslib.signer import CryptoSigner
    from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
    from tuf.api.serialization.json import JSONSerializer
except ImportError as missing:
    print(f"skipped: {missing}; install python-tuf and cryptography")
    sys.exit(77)

EXPIRES = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=30)


def ecdsa_signer(curve):
    return CryptoSigner(ec.generate_private_key(curve))


def write(folder, name, metadata, signers):
    for index, signer in enumerate(signers):
        metadata.sign(signer, append=index > 0)
    # Indented on purpose: a spelling that is not canonical must verify as well.
    metadata.to_file(os.path.join(folder, "metadata", name), JSONSerializer(compact=False))
    return os.path.join(folder, "metadata", name)


def meta_file(path, version):
    with open(path, "rb") as file:
        return MetaFile.from_data(version, file.read(), ["sha256"])


def make(folder):
    os.makedirs(os.path.join(folder, "metadata"))
    os.makedirs(os.path.join(folder, "targets", "folder"))
    p256 = [ecdsa_signer(ec.SECP256R1()) for _ in range(5)]
    p384 = ecdsa_signer(ec.SECP384R1())
    # A kind that a client may not know: it must be ignored, not refused.
    other = CryptoSigner(ed25519.Ed25519PrivateKey.generate())

    root = Root(version=1, expires=EXPIRES, consistent_snapshot=True)
    for role, signers, threshold in [("root", [p256[0], p384], 2), ("timestamp", [p256[1], other], 1),
                                     ("snapshot", [p256[2]], 1), ("targets", [p256[3], p384, other], 2)]:
        for signer in signers:
            root.add_key(signer.public_key, role)
        root.roles[role].threshold = threshold
    write(folder, "1.root.json", Metadata(root), [p256[0], p384])
    root.version = 2
    root.revoke_key(p256[0].public_key.keyid, "root")
    root.add_key(p256[4].public_key, "root")
    write(folder, "2.root.json", Metadata(root), [p256[0], p384, p256[4]])

    targets = Targets(version=3, expires=EXPIRES)
    data = "Gr\u00fc\u00dfe\n".encode()
    target = TargetFile.from_data("folder/hello \u00fc.txt", data, ["sha256", "sha512"])
    target.unrecognized_fields["custom"] = {"note": "line\nbreak \"quoted\" \\ \u00e9 \U0001f600", "n": -5, "on": True, "none": None}
    targets.targets[target.path] = target
    digest = target.hashes["sha256"]
    with open(os.path.join(folder, "targets", "folder", f"{digest}.hello \u00fc.txt"), "wb") as file:
        file.write(data)
    path = write(folder, "3.targets.json", Metadata(targets), [other, p384, p256[3]])
    snapshot = Snapshot(version=2, expires=EXPIRES, meta={"targets.json": meta_file(path, 3)})
    path = write(folder, "2.snapshot.json", Metadata(snapshot), [p256[2]])
    timestamp = Timestamp(version=4, expires=EXPIRES, snapshot_meta=meta_file(path, 2))
    write(folder, "timestamp.json", Metadata(timestamp), [other, p256[1]])


make(sys.argv[1])
