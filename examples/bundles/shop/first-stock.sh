#!/bin/sh
echo "100 pieces" >/srv/shop/stock
