"""decade-qemu: boots real kernels through real boot loaders, breaks them, and looks at what comes up.

How the parts know each other, from below (an arrow means "imports"):

    errors, clock_text
      ↑
    host_command, apt_root, elf_needed, cpio_archive, disk_image, uboot_env, web_server
      ↑
    sysroot, cross_build, guest_rootfs, guest_initramfs          building a guest
      ↑
    machine (the interface) ← machine_uboot, …                   one module a kind of machine
                             grub_install, fat_reader            what those of x86_64 need
      ↑
    release_images, release_line                                 images of releases, and signed repositories of them
      ↑
    qemu_process, guest_link                                     one boot: QEMU, its console, the guest's words
      ↑
    bench                                                        a device under test: its disk, its server, its boots
      ↑
    scenario (the registry) ← scenarios_*                        what is asserted
                              replay ← write_log, crash_disks    power cuts made from a log of writes
                              nbd_server ← volatile_cache        power cuts of a disk that forgets
      ↑
    runner, soak, certify, report, command_line                  what a person calls
"""
