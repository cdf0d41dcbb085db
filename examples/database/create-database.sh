#!/bin/sh
# Make the shop's database, owned by a user of the same name who has no password yet.
set -eu
runuser -u postgres -- createuser shop
runuser -u postgres -- createdb --owner shop shop
