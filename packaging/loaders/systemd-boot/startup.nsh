@echo -off
# An image that the firmware refuses ends systemd-boot. A firmware that then starts its shell gets here, and the next try begins.
reset
