#!/bin/sh
# The way back on the compute node: unplug.sh TARGET PORTAL DOMAIN VOLUME DEVICE
set -eu
target=$1 portal=$2 domain=$3 volume=$4 device=$5
disk=$(basename "$(readlink -f "/dev/disk/by-path/ip-$portal-iscsi-$target-lun-0")")
virsh detach-device-alias "$domain" "ua-$volume" --live --config >/dev/null
while virsh domblklist "$domain" | grep -q " *$device "; do sleep 0.02; done
blockdev --flushbufs "/dev/$disk"
echo 1 >"/sys/block/$disk/device/delete"
iscsiadm -m node -T "$target" -p "$portal" --logout >/dev/null
iscsiadm -m node -T "$target" -p "$portal" -o delete >/dev/null
