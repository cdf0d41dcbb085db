#!/bin/sh
# Runs at every boot.
echo boot >> /var/lib/boots
