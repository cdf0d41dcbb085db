#!/bin/sh
exec cat /etc/shop/shop.conf
