#!/bin/sh
mkdir -p /srv/shop
