#!/bin/sh
# Runs once, before the second.
date > /var/lib/first-boot
