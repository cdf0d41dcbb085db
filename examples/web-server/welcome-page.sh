#!/bin/sh
echo "<h1>$(hostname) is up</h1>" >/var/www/html/index.html
