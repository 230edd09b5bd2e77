"""The mutants of mutate.py: bricks that others are known for, ordered stores swapped, flushes deleted, checks dropped."""
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", ".."))

ENGINE = "updater/engine/"
# (name, file, text, what it becomes)
SEEDED = [
    ("seed: renamed before flushed", "base/dir.c",
     "err = dir->ops->sync(dir, fresh);\n\t}\n\tif (err == 0) {\n\t\terr = dir->ops->rename(dir, fresh, name);",
     "err = dir->ops->rename(dir, fresh, name);\n\t}\n\tif (err == 0) {\n\t\terr = dir->ops->sync(dir, name);"),
    ("seed: folder synced before the rename", "base/dir.c",
     "err = dir->ops->rename(dir, fresh, name);\n\t}\n\tif (err == 0) {\n\t\terr = dir->ops->sync(dir, name);\n\t}\n\tif (err == 0) {\n\t\terr = dir->ops->sync_dir(dir);",
     "err = dir->ops->sync_dir(dir);\n\t}\n\tif (err == 0) {\n\t\terr = dir->ops->rename(dir, fresh, name);\n\t}\n\tif (err == 0) {\n\t\terr = dir->ops->sync(dir, name);"),
    ("seed: torn magic write (boot state written in place)", "updater/boot/boot_file.c",
     "return dcd_dir_replace(bf->dir, STATE_FILE, text, len, diag);",
     "err = bf->dir->ops->write(bf->dir, STATE_FILE, text, len);\n\tif (err == 0) {\n\t\terr = bf->dir->ops->sync(bf->dir, STATE_FILE);\n\t}\n"
     "\treturn err != 0 ? err : bf->dir->ops->sync_dir(bf->dir);"),
    ("seed: boot state erased, then programmed", "updater/boot/boot_file.c",
     "\tchar text[DCD_BOOT_FILE_MAX];\n\tsize_t len = dcd_boot_file_encode(state,",
     "\tchar text[DCD_BOOT_FILE_MAX];\n\tstruct dcd_boot_state blank = *state;\n\tfor (int i = 0; i < DCD_SLOT_COUNT; i++) {\n"
     "\t\tblank.slot[i] = (struct dcd_boot_slot){ 0 };\n\t}\n\terr = dcd_dir_replace(bf->dir, STATE_FILE, text, dcd_boot_file_encode(&blank, "
     "bf->bootname, text), diag);\n\tif (err != 0) {\n\t\treturn err;\n\t}\n\tsize_t len = dcd_boot_file_encode(state,"),
    ("seed: the flip in two stores, order first", ENGINE + "engine_state.c",
     "\tint err = control->ops->store(control, &session->boot, diag);",
     "\tstruct dcd_boot_state half = session->stored_boot;\n\thalf.order[0] = session->boot.order[0];\n\thalf.order[1] = session->boot.order[1];\n"
     "\tint err = control->ops->store(control, &half, diag);\n\terr = err != 0 ? err : control->ops->store(control, &session->boot, diag);"),
    ("seed: interrupted erase taken for done", ENGINE + "image_install.c",
     "if (err == 0 && segment_is_right(job, &entry, segment, &zero)) {",
     "if (err == 0 && (segment[0] == 0xFF || segment_is_right(job, &entry, segment, &zero))) {"),
    ("seed: a segment that was begun is taken for done", ENGINE + "image_install.c",
     "if (err == 0 && segment_is_right(job, &entry, segment, &zero)) {",
     "if (err == 0 && (segment[0] != 0x3C || segment_is_right(job, &entry, segment, &zero))) {"),
    ("seed: security floor raised before the confirmation", ENGINE + "life.c",
     "\tmake_pending(state, boot, state->target, tries, now);\n\treturn 0;",
     "\tmake_pending(state, boot, state->target, tries, now);\n\tif (state->slot[state->target].security_version > state->security_floor) {\n"
     "\t\tstate->security_floor = state->slot[state->target].security_version;\n\t}\n\treturn 0;"),
    ("seed: fallback overwritten while unconfirmed", ENGINE + "life.c",
     "if (!boot->slot[boot->booted].good) {\n\t\treturn dcd_diag_set(diag, DCD_ERR_NOT_CONFIRMED,",
     "if (0) {\n\t\treturn dcd_diag_set(diag, DCD_ERR_NOT_CONFIRMED,"),
    ("seed: tries not counted", ENGINE + "boot_control.c", "ret_after->slot[chosen].tries_left--;", ";"),
    ("seed: tries not stored before the load", "tests/sim/sim_device.c",
     "err = device->boot->ops->store(device->boot, &after, &device->diag);", "err = 0;"),
    ("seed: the slot is bootable while it is written", ENGINE + "life.c",
     "boot->slot[target] = (struct dcd_boot_slot){ 0 };\n\trecord_of_release", "boot->slot[target].good = false;\n\trecord_of_release"),
    ("seed: the slot being written stays verified in the journal", ENGINE + "life.c",
     "ret->content = DCD_CONTENT_WRITING;", "ret->content = DCD_CONTENT_VERIFIED;"),
    ("seed: one copy of the journal", "updater/journal/journal_file.c",
     "\t\terr = dcd_dir_replace(jf->dir, copy_names[jf->newest], data, len, diag);", "\t\terr = 0;"),
    ("seed: the target's first write before the loader knows", ENGINE + "engine_write.c",
     "\tint err = begin_writing(run, diag);\n\tif (err == 0) {\n\t\terr = write_images(run, diag);\n",
     "\tint err = write_images(run, diag);\n\tif (err == 0) {\n\t\terr = begin_writing(run, diag);\n"),
    ("seed: staged before it is written", ENGINE + "engine_write.c",
     "\tint err = dcd_session_store_boot(&run->session, diag);\n",
     "\tdcd_life_staged(&run->session.state, run->session.now);\n\tint err = dcd_session_store_boot(&run->session, diag);\n"),
    ("seed: not staged in the journal", ENGINE + "engine_install.c",
     "\tdcd_life_staged(&run->session.state, run->session.now);\n\treturn dcd_session_store_journal(&run->session, diag);",
     "\tdcd_life_staged(&run->session.state, run->session.now);\n\treturn 0;"),
    ("seed: bad release forgotten", ENGINE + "life.c",
     "\tremember_bad(state, &state->slot[state->target].manifest_hash);\n\tnote_format(state, DCD_OUTCOME_ROLLED_BACK",
     "\tnote_format(state, DCD_OUTCOME_ROLLED_BACK"),
    # Bricks of boot loaders, for the explorer with that loader.
    ("seed: grub, the flip in two stores", "updater/boot/boot_grub.c",
     "\t\terr = write_sector(grub, dev, block, diag);\n",
     "\t\tstruct dcd_boot_state was = { 0 }, half = *state;\n\t\tuint8_t first[DCD_GRUB_ENV_SIZE];\n"
     "\t\terr = dcd_grub_env_decode(old, &grub->vars, grub->kept.place, &was, diag);\n\t\tfor (int i = 0; i < DCD_SLOT_COUNT; i++) {\n"
     "\t\t\thalf.slot[i].tries_left = was.slot[i].tries_left;\n\t\t}\n"
     "\t\terr = err != 0 ? err : dcd_grub_env_encode(old, &grub->vars, &half, grub->kept.place, first, diag);\n"
     "\t\terr = err != 0 ? err : write_sector(grub, dev, first, diag);\n\t\terr = err != 0 ? err : write_sector(grub, dev, block, diag);\n"),
    ("seed: grub, the block is not flushed", "updater/boot/boot_grub.c", "err = dev->ops->flush(dev);", "err = 0;"),
    ("seed: grub, the block is begun anew before it is written", "updater/boot/boot_grub.c",
     "\tint err = dev->ops->write(dev, 0, sector, DCD_GRUB_ENV_SECTOR);\n",
     "\tstatic const uint8_t blank[DCD_GRUB_ENV_SECTOR];\n\tint err = dev->ops->write(dev, 0, blank, DCD_GRUB_ENV_SECTOR);\n"
     "\terr = err != 0 ? err : dev->ops->write(dev, 0, sector, DCD_GRUB_ENV_SECTOR);\n"),
    ("seed: grub, the try is not saved before a load that fails", "tests/sim/sim_loader_grub.c",
     "static bool save(const struct sim_loader_vars *vars)\n{\n",
     "static bool save(const struct sim_loader_vars *vars)\n{\n\tif (vars != NULL) {\n\t\treturn true;\n\t}\n"),
    ("seed: u-boot, the try is not saved before a load that fails", "tests/sim/sim_loader_uboot.c",
     "static bool save(const struct sim_loader_vars *vars)\n{\n",
     "static bool save(const struct sim_loader_vars *vars)\n{\n\tif (vars != NULL) {\n\t\treturn true;\n\t}\n"),
    ("seed: u-boot, the script saves over the copy that counts", "tests/sim/sim_loader_uboot.c",
     "dev->ops->write(dev, at_of(1 - copy),", "dev->ops->write(dev, at_of(copy),"),
    ("seed: u-boot, the flip in two stores", "updater/boot/boot_uboot.c",
     "\t\terr = write_env(uboot, &values, diag);\n",
     "\t\tstruct dcd_boot_state half = *state;\n\t\tstruct dcd_boot_var_values first;\n\t\tfor (int i = 0; i < DCD_SLOT_COUNT; i++) {\n"
     "\t\t\thalf.slot[i].tries_left = 0;\n\t\t}\n\t\terr = dcd_boot_vars_encode(&uboot->vars, &half, &first, diag);\n"
     "\t\terr = err != 0 ? err : write_env(uboot, &first, diag);\n\t\terr = err != 0 ? err : write_env(uboot, &values, diag);\n"),
    ("seed: systemd-boot, the entry renamed before it is flushed", "updater/boot/boot_systemd.c",
     "err = dcd_dir_replace(dir, plan->name[slot], scan->slot[slot].text, scan->slot[slot].text_len, diag);",
     "err = dir->ops->write(dir, \"decade.new\", scan->slot[slot].text, scan->slot[slot].text_len);\n"
     "\t\t\terr = err != 0 ? err : dir->ops->rename(dir, \"decade.new\", plan->name[slot]);\n"
     "\t\t\terr = err != 0 ? err : dir->ops->sync_dir(dir);\n\t\t\terr = err != 0 ? err : dir->ops->sync(dir, plan->name[slot]);"),
    ("seed: systemd-boot, the old entry stays", "updater/boot/boot_systemd.c",
     "\t\terr = remove_stale(scan, i, plan->name[i], &removed);\n", "\t\terr = 0 && remove_stale(scan, i, plan->name[i], &removed);\n"),
    ("seed: systemd-boot, a removed entry is not synced", "updater/boot/boot_systemd.c",
     "\tif (err == 0 && removed) {\n\t\terr = dir->ops->sync_dir(dir);\n", "\tif (err == 0 && removed) {\n\t\terr = 0;\n"),
    ("seed: efi, the trial is in BootOrder", "updater/boot/boot_efi_format.c",
     "(slot->good || (i > 0 && slot->tries_left > 0))", "(slot->good || slot->tries_left > 0)"),
    ("seed: efi, BootNext is not deleted before the load", "tests/sim/sim_loader_efi.c",
     'if (delete_variable(media, "BootNext") == 0) {', 'if (true || delete_variable(media, "BootNext") == 0) {'),
    ("seed: confirmed floor not raised", ENGINE + "life.c",
     "if (record->content == DCD_CONTENT_VERIFIED && record->security_version > state->security_floor) {\n"
     "\t\tstate->security_floor = record->security_version;", "if (0) {"),
]
SWAPS = [
    ("swap: activate stores the loader first", ENGINE + "engine_boot.c", "store_journal_then_boot(&session, diag);\n}\n\n/*\n * A journal",
     "store_boot_then_journal(&session, diag);\n}\n\n/*\n * A journal"),
    ("swap: mark-good stores the journal first", ENGINE + "engine_boot.c", "\treturn store_boot_then_journal(&session, diag);\n}",
     "\treturn store_journal_then_boot(&session, diag);\n}"),
    ("swap: mark-bad stores the loader first", ENGINE + "engine_boot.c",
     "int err = dcd_session_store_journal(session, diag);\n\tint boot_err = dcd_session_store_boot(session, err == 0 ? diag : NULL);",
     "int boot_err = dcd_session_store_boot(session, diag);\n\tint err = dcd_session_store_journal(session, diag);"),
    ("swap: rollback stores the loader first", ENGINE + "engine_boot.c",
     "return withdraws ? store_boot_then_journal(&session, diag) : store_journal_then_boot(&session, diag);",
     "return store_boot_then_journal(&session, diag);"),
    ("swap: withdrawal stores the journal first", ENGINE + "engine_boot.c",
     "return withdraws ? store_boot_then_journal(&session, diag) : store_journal_then_boot(&session, diag);",
     "return store_journal_then_boot(&session, diag);"),
    ("swap: the journal says writing before the loader forgets the slot", ENGINE + "engine_write.c",
     "\tint err = dcd_session_store_boot(&run->session, diag);\n",
     "\tint err = dcd_session_store_journal(&run->session, diag);\n\terr = err != 0 ? err : dcd_session_store_boot(&run->session, diag);\n"),
    ("swap: install flips before the journal says pending", ENGINE + "engine_install.c",
     "\t\terr = dcd_session_store_journal(session, diag);\n\t}\n\treturn err != 0 ? err : dcd_session_store_boot(session, diag);",
     "\t\terr = dcd_session_store_boot(session, diag);\n\t}\n\treturn err != 0 ? err : dcd_session_store_journal(session, diag);"),
    ("swap: repair stores the loader before the journal", ENGINE + "engine_repair.c",
     "\tint err = dcd_session_store_journal(session, diag);\n\treturn err != 0 ? err : dcd_session_store_boot(session, diag);\n}\n\nstatic int repair",
     "\tint err = dcd_session_store_boot(session, diag);\n\treturn err != 0 ? err : dcd_session_store_journal(session, diag);\n}\n\nstatic int repair"),
    ("swap: read back before the flush", ENGINE + "segment_writer.c", "int err = dev->ops->flush(dev);\n",
     "for (size_t i = 0; i < plain->group_count; i++) {\n\t\t(void)came_back(plain, &plain->group[i]);\n\t}\n\tplain->group_count = 0;\n"
     "\tint err = dev->ops->flush(dev);\n"),
    ("swap: the newer journal copy goes first", "updater/journal/journal_file.c", "int first = COPIES - 1 - jf->newest;", "int first = jf->newest;"),
    ("swap: boot state before booted on the first store", "updater/boot/boot_file.c", "if (err == DCD_ERR_NOT_FOUND) {\n\t\tstruct dcd_boot_state now;",
     "if (0) {\n\t\tstruct dcd_boot_state now;"),
    ("swap: root stored before old metadata is forgotten", "manifest/tuf/tuf_root.c", "err = tuf_store_forget(tuf, diag);", "err = 0;"),
]
FLUSH_FILES = ["base/dir.c", ENGINE + "segment_writer.c", "manifest/tuf/tuf_store.c"] + [
    f"updater/boot/boot_{loader}.c" for loader in ("grub", "systemd", "uboot")]
FLUSH = re.compile(r"(\w+->ops->(?:flush|sync|sync_dir)\([^;()]*(?:\([^()]*\))?[^;()]*\))")
CHECK_FILES = [ENGINE + name for name in ("life.c", "boot_control.c", "segment_writer.c", "engine_boot.c", "engine_state.c", "engine_install.c",
                                         "engine_repair.c", "engine_run.c", "engine_select.c", "engine_write.c", "image_install.c", "policy.c",
                                         "payload_table.c", "engine_verify.c", "engine_examine.c")] + [
    "base/dir.c", "updater/boot/boot_file.c", "updater/boot/boot_file_format.c", "updater/journal/journal_file.c"]
CHECK = re.compile(r"^(\t+(?:\} else )?if \()((?:(?!\) \{$)[\s\S])*?)(\) \{)$", re.M)
# Memory that is short, what is only freed when it is there, and progress are other tests' business; the error of a call is what faults are for.
NOT_A_CHECK = re.compile(
    r"(?:^| )(?:state|run|bf|jf|grown|plain|segment|data|bytes|plain->segment|job->status|table\.bytes|round->(?:frame|writer)|job->(?:target|base)"
    r"|run->engine->source) [!=]= NULL(?! &&)|group_capacity|== \*capacity|progress\.report|options->no_activate|^err == DCD_ERR_NO_MEMORY$")


def generated():
    for path in FLUSH_FILES:
        text = open(os.path.join(ROOT, path), encoding="utf-8").read()
        for number, match in enumerate(FLUSH.finditer(text), 1):
            yield (f"flush: {path} {number}: {match[1]}", path, text[:match.start()] + "0" + text[match.end():])
    for path in CHECK_FILES:
        text = open(os.path.join(ROOT, path), encoding="utf-8").read()
        seen = {}
        for match in CHECK.finditer(text):
            condition = " ".join(match[2].split())
            if NOT_A_CHECK.search(condition):
                continue
            seen[condition] = seen.get(condition, 0) + 1
            name = f"check: {path}: {condition}" + (f" #{seen[condition]}" if seen[condition] > 1 else "")
            # "if all went well so far, do it": dropped, it's done anyway. Else the condition guards something: it never strikes.
            dropped = "1 || (" if condition == "err == 0" else "0 && ("
            yield (name, path, text[:match.start(2)] + dropped + condition + ")" + text[match.end(2):])


def mutants():
    for name, path, old, new in SEEDED + SWAPS:
        text = open(os.path.join(ROOT, path), encoding="utf-8").read()
        if text.count(old) != 1:
            raise SystemExit(f"{name}: {path} has its text {text.count(old)} times; bring the table up to date")
        yield name, path, text.replace(old, new)
    yield from generated()


def equivalents():
    known = {}
    with open(os.path.join(HERE, "mutants_equivalent.txt"), encoding="utf-8") as file:
        name = None
        for line in file:
            if line.startswith("#") or not line.strip():
                continue
            if line.startswith("\t"):
                known[name] = line.strip()
            else:
                name = line.strip()
                known[name] = ""
    return known
