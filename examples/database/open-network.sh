#!/bin/sh
# Let PostgreSQL listen on every address, to clients that know a password, and let them through the firewall.
set -eu
for directory in /etc/postgresql/*/main; do
  echo "listen_addresses = '*'" > "$directory/conf.d/network.conf"
  echo "host all all all scram-sha-256" >> "$directory/pg_hba.conf"
done
sed -i 's/tcp dport 22 accept/tcp dport { 22, 5432 } accept/' /etc/nftables.conf
systemctl restart nftables postgresql
