#include "tools/repo/repo_help.h"

const char repo_help_main[] =
	"decade-repo - keys, releases and the files that devices update from\n"
	"\n"
	"    decade-repo init     REPO --keys KEYS --product NAME\n"
	"    decade-repo release  REPO --keys KEYS --version V --image CLASS=FILE...\n"
	"    decade-repo refresh  REPO --keys KEYS\n"
	"    decade-repo rotate   REPO --keys KEYS --role ROLE\n"
	"    decade-repo delegate REPO --keys KEYS --name NAME --path PATTERN...\n"
	"    decade-repo check    REPO [--deep]\n"
	"    decade-repo list     REPO [--json]\n"
	"    decade-repo bundle   REPO --version V [--base V0]... -o FILE\n"
	"    decade-repo extract  FILE REPO\n"
	"    decade-repo COMMAND --help        more about a command\n"
	"    decade-repo --version\n"
	"\n"
	"REPO is a folder for any static web server; KEYS is a folder outside of it that is never served.\n"
	"\n"
	"Example:\n"
	"    decade-repo init /srv/www/thermostat --keys ~/keys --product thermostat\n"
	"    decade-repo release /srv/www/thermostat --keys ~/keys --version 1.0 --image rootfs=rootfs-1.0.img\n"
	"    decade-repo release /srv/www/thermostat --keys ~/keys --version 1.1 --image rootfs=rootfs-1.1.img\n"
	"    decade-repo check /srv/www/thermostat --deep\n"
	"\n"
	"Exit codes: 0 done, 1 failed, 2 wrong usage, 5 not authentic, 7 storage or space, 8 another decade-repo is writing.\n";

#define HELP_EXPIRES "    --expires ROLE=DAYS     root 7300, targets 3650, snapshot 365, timestamp 30 unless given (repeatable)\n"

#define HELP_SIGN_WITH                                                                                                           \
	"    --sign-with COMMAND     signs for keys that are not in KEYS: message on stdin, signature on stdout "                \
	"(docs/trust.md)\n"                                                                                                      \
	"    --keys-moved            the LMS keys in KEYS were moved here, and no other copy of them will ever sign\n"

const char repo_help_init[] =
	"decade-repo init REPO --keys KEYS --product NAME [--expires ROLE=DAYS]...\n"
	"\n"
	"Makes one ECDSA P-256 key for each role (KEYS/root.pem, targets.pem, snapshot.pem, timestamp.pem; keys that are there "
	"already\n"
	"are used) and version 1 of the metadata. Give REPO/metadata/1.root.json to your devices; keep root.pem offline: the "
	"other\n"
	"commands don't need it.\n"
	"\n"
	"    --keys KEYS             the folder of the private keys, never inside REPO\n"
	"    --product NAME          signed into the repository; devices refuse another product's releases\n" HELP_EXPIRES "\n"
	"Example:\n"
	"    decade-repo init /srv/www/thermostat --keys ~/keys --product thermostat\n";

const char repo_help_release[] =
	"decade-repo release REPO --keys KEYS --version V --image CLASS=FILE... [OPTION]...\n"
	"\n"
	"Adds a release: for every image a full payload and a delta against the image of every earlier release, rebuilt from "
	"the\n"
	"repository itself. A delta that isn't below 90 % of the full payload is dropped. Everything appears at once or, when "
	"this\n"
	"is interrupted at any point, not at all. Needs targets.pem, snapshot.pem and timestamp.pem in KEYS.\n"
	"\n"
	"    --version V             new in this repository: letters, digits or ._+~:-\n"
	"    --image CLASS=FILE      a file or block device for each slot class of the device (repeatable)\n"
	"    --channel C             retail unless given\n"
	"    --compatible BOARD      boards that may install it; any board when none is given (repeatable)\n"
	"    --security-version N    as the channel's newest release unless given; devices never go below what they confirmed\n"
	"    --requires-version V    the release that a device must run first (stepping stone)\n"
	"    --bases all|N|none      deltas against all, the N newest or no earlier releases; all unless given\n"
	"    --notes FILE            text for people\n"
	"    --name ROLE             listed and signed by this delegated role (see `delegate`) instead of targets\n"
	"    --segment-size BYTES    a power of two; 1048576 unless given\n"
	"    --effort 1..9           6 unless given\n"
	"    --threads N             one a core unless given\n" HELP_SIGN_WITH HELP_EXPIRES "\n"
	"Examples:\n"
	"    decade-repo release repo --keys ~/keys --version 1.1 --image rootfs=rootfs.img --image boot=boot.img\n"
	"    decade-repo release repo --keys ~/keys --version 1.2 --image rootfs=rootfs.img --channel beta --bases 3\n";

const char repo_help_refresh[] =
	"decade-repo refresh REPO --keys KEYS [--expires ROLE=DAYS]...\n"
	"\n"
	"Signs timestamp and snapshot anew, so that devices know that nothing newer is being withheld. Run it well before the\n"
	"timestamp expires (see `decade-repo check`), from a timer for example. Needs snapshot.pem and timestamp.pem in KEYS;\n"
	"targets.pem too when the targets metadata would expire before the new snapshot does.\n"
	"\n" HELP_SIGN_WITH HELP_EXPIRES "\n"
	"Example:\n"
	"    decade-repo refresh /srv/www/thermostat --keys ~/online-keys --expires timestamp=14\n";

const char repo_help_rotate[] =
	"decade-repo rotate REPO --keys KEYS --role ROLE [OPTION]...\n"
	"\n"
	"Changes the keys of a role: root, targets, snapshot or timestamp. Writes the next root, signed by enough keys of the "
	"old one\n"
	"and of the new one, and signs anew what the role signs. Without options all its keys are replaced by one new key. New "
	"keys\n"
	"are KEYS/ROLE-ID.pem (.lms for LMS); every such file in KEYS is tried when something is signed.\n"
	"\n"
	"    --role ROLE             root, targets, snapshot or timestamp\n"
	"    --add                   one more new key (repeatable)\n"
	"    --add-key FILE          this key: private or public, PEM, or hex for Ed25519 and LMS (repeatable)\n"
	"    --remove KEYID          takes away the key whose id begins so (repeatable)\n"
	"    --replace               takes away all keys that the role had\n"
	"    --threshold N           how many keys must sign\n"
	"    --algorithm A           of new keys: ecdsa-p256 (default), ecdsa-p384, ed25519, rsa-pss, "
	"rsa-pkcs1v15,\n"
	"                            lms (1,024 signatures in all, for root; docs/trust.md)\n" HELP_SIGN_WITH HELP_EXPIRES "\n"
	"Examples:\n"
	"    decade-repo rotate /srv/www/thermostat --keys ~/keys --role timestamp\n"
	"    decade-repo rotate /srv/www/thermostat --keys ~/keys --role root --add --add --threshold 2 --algorithm ed25519\n";

const char repo_help_delegate[] =
	"decade-repo delegate REPO --keys KEYS --name NAME [--path PATTERN]... [OPTION]...\n"
	"\n"
	"Lets a role of that name, with keys of its own, list the targets whose paths match a pattern: a product's team releases "
	"without\n"
	"the repository's targets key (`release --name NAME`). For a role that is there, changes its keys or paths. Devices look "
	"at a\n"
	"role's releases where a pattern can match releases/VERSION.json.\n"
	"\n"
	"    --path PATTERN          '*' and '?' match inside a path's component (repeatable)\n"
	"    --terminating           what this role doesn't list in its paths isn't looked for in later roles\n"
	"    --add, --add-key FILE, --remove KEYID, --replace, --threshold N, --algorithm A      as for `rotate`\n" HELP_SIGN_WITH
		HELP_EXPIRES "\n"
	"Example:\n"
	"    decade-repo delegate repo --keys ~/keys --name team-a --path 'releases/a-*.json'\n"
	"    decade-repo release repo --keys ~/keys --name team-a --version a-1.0 --image rootfs=rootfs.img\n";

const char repo_help_check[] =
	"decade-repo check REPO [--deep] [--root FILE]\n"
	"\n"
	"Verifies every signature with the code that runs on devices, and every file: lengths, hashes, manifests, payload tables "
	"and\n"
	"frames. Says when each role expires, and warns of files that nothing signed names. Exit code 5 when anything is wrong.\n"
	"\n"
	"    --deep                  rebuilds every image from every payload too (scratch space: $TMPDIR or /var/tmp)\n"
	"    --root FILE             the root that devices have; REPO/metadata/1.root.json unless given\n"
	"\n"
	"Example:\n"
	"    decade-repo check /srv/www/thermostat --deep\n";

const char repo_help_list[] = "decade-repo list REPO [--json] [--root FILE]\n"
			      "\n"
			      "Lists the releases, newest first, with their channels and the sizes of their payloads by base.\n"
			      "\n"
			      "    --json                  for programs\n"
			      "    --root FILE             the root that devices have; REPO/metadata/1.root.json unless given\n"
			      "\n"
			      "Example:\n"
			      "    decade-repo list /srv/www/thermostat --json | jq -r '.releases[0].version'\n";

const char repo_help_bundle[] =
	"decade-repo bundle REPO --version V [--base V0]... [--no-full] [--board B]... -o FILE\n"
	"\n"
	"Writes one release as one file that devices install from a medium, a web server or a pipe (`decade install x.dcb`): "
	"the\n"
	"signed metadata, the manifest and the payloads. The same repository gives the same bytes. FILE appears whole or not at "
	"all.\n"
	"\n"
	"    --version V             the release\n"
	"    --base V0               also the deltas from that release (repeatable); without any, full payloads alone\n"
	"    --no-full               leave the full payload out where every --base has a delta: small, but for those devices "
	"only,\n"
	"                            and a damaged running slot then needs the network\n"
	"    --board B               a check: refuse unless the release is for that board (repeatable)\n"
	"    -o, --output FILE       the bundle; its name ends in .dcb by custom\n"
	"    --root FILE             trust starts from this root metadata; REPO/metadata/1.root.json unless given\n"
	"\n"
	"Examples:\n"
	"    decade-repo bundle repo --version 1.1 -o thermostat-1.1.dcb\n"
	"    decade-repo bundle repo --version 1.1 --base 1.0 --no-full -o thermostat-1.0-to-1.1.dcb\n";

const char repo_help_extract[] =
	"decade-repo extract FILE REPO [--root ROOT.json]\n"
	"\n"
	"Turns a bundle back into a repository folder, for a mirror or a site without a network. Everything is verified as a "
	"device\n"
	"does it, every frame included, before REPO appears. REPO must not exist yet. It holds the bundle's release alone; the "
	"metadata\n"
	"still lists the others, so serve the newest one.\n"
	"\n"
	"    --root FILE             the root metadata that you trust; the bundle's own first root unless given\n"
	"\n"
	"Example:\n"
	"    decade-repo extract thermostat-1.1.dcb /srv/www/thermostat --root root.json\n";
