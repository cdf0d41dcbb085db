#!/bin/sh
echo visit >>/srv/shop/visits
