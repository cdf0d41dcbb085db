#!/bin/sh
# Runs once, after the first: what that made is there.
echo "This machine was born on $(cat /var/lib/first-boot)." >> /etc/motd
