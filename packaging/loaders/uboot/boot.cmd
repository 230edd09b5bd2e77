# Decade: chooses the slot to boot, counts its try, boots it. README.md beside this file says how it gets onto a board;
# docs/boot.md is the rule. Compile with: mkimage -A arm -T script -d boot.cmd boot.scr
#
# The state: BOOT_ORDER, the bootable slots from most to least wanted; BOOT_<slot>_GOOD, 1 when confirmed;
# BOOT_<slot>_LEFT, the boots that are left to a slot that isn't.

# ---- The board's settings. What is set when this script starts stays as it is. ----
test -n "${decade_slots}" || setenv decade_slots "A B"
test -n "${decade_tries}" || setenv decade_tries 3
# The disk, in the words of the commands "part" and "<interface> read".
test -n "${decade_iface}" || setenv decade_iface mmc
test -n "${decade_disk}" || setenv decade_disk 0
# The partition of each slot's boot image, a FIT: decade_part_<slot>.
test -n "${decade_part_A}" || setenv decade_part_A boot-a
test -n "${decade_part_B}" || setenv decade_part_B boot-b
# Where it is loaded to, and what the kernel is told beside the slot.
test -n "${decade_addr}" || setenv decade_addr ${loadaddr}
test -n "${decade_args}" || setenv decade_args "panic=-1"
# "env": this U-Boot's own environment, kept by saveenv. "raw": the standard redundant format on a partition, read and written here,
# for a U-Boot that can't save: a scratch address (four copies' worth of RAM), the size of a copy in bytes and in blocks, and
# the blocks from one copy to the other, all hexadecimal.
test -n "${decade_store}" || setenv decade_store env
test -n "${decade_env_part}" || setenv decade_env_part env
test -n "${decade_env_addr}" || setenv decade_env_addr ${scriptaddr}
test -n "${decade_env_size}" || setenv decade_env_size 2000
test -n "${decade_env_blocks}" || setenv decade_env_blocks 10
test -n "${decade_env_step}" || setenv decade_env_step 80
# Names of further variables on that partition that must survive a store.
test -n "${decade_env_keep}" || setenv decade_env_keep ""
# How a slot is loaded and started, from which configuration of the FIT, and what happens before: arm the watchdog here.
test -n "${decade_before}" || setenv decade_before true
test -n "${decade_load}" || setenv decade_load '${decade_iface} read ${decade_addr} ${decade_start} ${decade_length}'
test -n "${decade_conf}" || setenv decade_conf conf
test -n "${decade_start_kernel}" || setenv decade_start_kernel 'bootm ${decade_addr}#${decade_conf} ${decade_addr}#${decade_conf} ${fdtcontroladdr}'

# ---- Reading the state ----
setenv decade_names ${decade_env_keep} BOOT_ORDER
for slot in ${decade_slots}; do
	setenv decade_names ${decade_names} BOOT_${slot}_LEFT BOOT_${slot}_GOOD
done

# A copy is CRC, flag byte, data. "env import -c" takes CRC and data: the flag is moved out of the way, into the byte before.
# decade_copy: address of the copy as read. decade_plain: the same without the flag.
setenv decade_take 'setexpr decade_from ${decade_copy} + 5; setexpr decade_to ${decade_plain} + 4;
	cp.b ${decade_copy} ${decade_plain} 4; cp.b ${decade_from} ${decade_to} ${decade_data};
	env import -c ${decade_plain} ${decade_body} ${decade_names}'

if test "${decade_store}" = raw; then
	test "${decade_iface}" != virtio || virtio scan
	setexpr decade_body ${decade_env_size} - 1
	setexpr decade_data ${decade_env_size} - 5
	setexpr decade_copy_0 ${decade_env_addr} + 0
	setexpr decade_copy_1 ${decade_env_addr} + ${decade_env_size}
	setexpr decade_plain ${decade_copy_1} + ${decade_env_size}
	setexpr decade_flag_0 ${decade_copy_0} + 4
	setexpr decade_flag_1 ${decade_copy_1} + 4
	setenv decade_valid_0 0
	setenv decade_valid_1 0
	${decade_iface} dev ${decade_disk}
	part start ${decade_iface} ${decade_disk} ${decade_env_part} decade_lba_0
	setexpr decade_lba_1 ${decade_lba_0} + ${decade_env_step}
	if ${decade_iface} read ${decade_copy_0} ${decade_lba_0} ${decade_env_blocks}; then
		setenv decade_copy ${decade_copy_0}
		if run decade_take; then setenv decade_valid_0 1; fi
	fi
	if ${decade_iface} read ${decade_copy_1} ${decade_lba_1} ${decade_env_blocks}; then
		setenv decade_copy ${decade_copy_1}
		if run decade_take; then setenv decade_valid_1 1; fi
	fi
	# The next store goes over the copy that doesn't count. Of two valid ones the greater flag counts, and 0 follows 255.
	setenv decade_newest 1
	if test ${decade_valid_0} = 1; then
		if test ${decade_valid_1} = 0; then
			setenv decade_newest 0
		elif itest.b *${decade_flag_0} -eq ff && itest.b *${decade_flag_1} -eq 0; then
			setenv decade_newest 1
		elif itest.b *${decade_flag_1} -eq ff && itest.b *${decade_flag_0} -eq 0; then
			setenv decade_newest 0
		elif itest.b *${decade_flag_1} -gt *${decade_flag_0}; then
			setenv decade_newest 1
		else
			setenv decade_newest 0
		fi
		if test ${decade_newest} = 0; then
			setenv decade_copy ${decade_copy_0}
			run decade_take
		fi
	fi
	if test ${decade_newest} = 0; then
		setenv decade_flag ${decade_flag_0}
		setenv decade_lba ${decade_lba_1}
	else
		setenv decade_flag ${decade_flag_1}
		setenv decade_lba ${decade_lba_0}
	fi
	if test ${decade_valid_0}${decade_valid_1} = 00; then
		echo "decade: both copies of the boot state are damaged"
		setenv BOOT_ORDER
	elif test ${decade_valid_0}${decade_valid_1} != 11; then
		echo "decade: one copy of the boot state is damaged; the other one counts"
	fi
	# The new copy is put together in the scratch area's last part: CRC, flag + 1, data.
	setexpr decade_new ${decade_plain} + ${decade_env_size}
	setenv decade_save 'env export -c -s ${decade_body} ${decade_plain} ${decade_names} &&
		setexpr decade_from ${decade_plain} + 4 && setexpr decade_to ${decade_new} + 5 &&
		cp.b ${decade_plain} ${decade_new} 4 && cp.b ${decade_from} ${decade_to} ${decade_data} &&
		setexpr.b decade_byte *${decade_flag} && setexpr decade_byte ${decade_byte} + 1 &&
		setexpr decade_to ${decade_new} + 4 && mw.b ${decade_to} ${decade_byte} 1 &&
		${decade_iface} write ${decade_new} ${decade_lba} ${decade_env_blocks}'
else
	setenv decade_save saveenv
fi

# A variable whose name holds the slot's is read by a command that is put together: decade_of begins it.
setenv decade_of '${'

# ---- Booting one slot: returns only when that failed ----
setenv decade_boot 'setenv decade_get setenv decade_part ${decade_of}decade_part_${slot}}; run decade_get;
	part start ${decade_iface} ${decade_disk} ${decade_part} decade_start;
	part size ${decade_iface} ${decade_disk} ${decade_part} decade_length;
	setenv bootargs ${decade_args} decade.slot=${slot};
	echo "decade: loading slot ${slot}"; run decade_before;
	if run decade_load; then run decade_start_kernel; fi; echo "decade: slot ${slot} could not be started"'

# The stored order is data from a partition that a running system can write: of its words only those count that are slots of this board, and a
# name that commands are put together with comes from the board's list.
setenv decade_order
for word in ${BOOT_ORDER}; do
	for slot in ${decade_slots}; do
		if test "${word}" = "${slot}"; then setenv decade_order ${decade_order} ${slot}; fi
	done
done

# ---- No state, or no tries left to any slot and none that is confirmed: all get their tries again. Never a dead end. ----
setenv decade_spent 1
for slot in ${decade_order}; do
	setenv decade_get setenv decade_left ${decade_of}BOOT_${slot}_LEFT}; run decade_get
	setenv decade_get setenv decade_good ${decade_of}BOOT_${slot}_GOOD}; run decade_get
	if test "${decade_good}" = 1; then setenv decade_spent 0; fi
	for tries in 1 2 3 4 5 6 7 8 9; do
		if test "${decade_left}" = ${tries}; then setenv decade_spent 0; fi
	done
done
if test ${decade_spent} = 1; then
	echo "decade: no slot has a try left; all get their tries again"
	test -n "${decade_order}" || setenv decade_order ${decade_slots}
	setenv BOOT_ORDER ${decade_order}
	for slot in ${decade_order}; do
		setenv BOOT_${slot}_LEFT ${decade_tries}
		setenv BOOT_${slot}_GOOD 0
	done
fi

# ---- The walk. A try is stored before anything of its slot is loaded; when it can't be stored the slot isn't tried. ----
for slot in ${decade_order}; do
	setenv decade_get setenv decade_left ${decade_of}BOOT_${slot}_LEFT}; run decade_get
	setenv decade_get setenv decade_good ${decade_of}BOOT_${slot}_GOOD}; run decade_get
	if test "${decade_good}" = 1; then
		run decade_boot
	else
		# One less; what isn't 1 to 9 is no try.
		setenv decade_next
		setenv decade_previous 0
		for tries in 1 2 3 4 5 6 7 8 9; do
			if test "${decade_left}" = ${tries}; then setenv decade_next ${decade_previous}; fi
			setenv decade_previous ${tries}
		done
		if test -n "${decade_next}"; then
			setenv BOOT_${slot}_LEFT ${decade_next}
			echo "decade: slot ${slot} on trial, ${decade_next} tries left after this one"
			if run decade_save; then
				run decade_boot
				# A load that fails has used up a try, like a kernel that hangs.
				reset
			fi
			echo "decade: the try could not be stored"
		fi
	fi
done

# ---- The last resort: anything that starts ----
for slot in ${decade_order} ${decade_slots}; do
	run decade_boot
done
echo "decade: nothing could be started"
reset
