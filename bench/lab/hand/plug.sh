#!/bin/sh
# On the compute node: plug.sh TARGET PORTAL USER SECRET DOMAIN VOLUME DEVICE
set -eu
target=$1 portal=$2 user=$3 secret=$4 domain=$5 volume=$6 device=$7
record() { iscsiadm -m node -T "$target" -p "$portal" "$@" >/dev/null; }
record -o new
record -o update -n node.session.scan -v manual
record -o update -n node.session.auth.authmethod -v CHAP
record -o update -n node.session.auth.username -v "$user"
record -o update -n node.session.auth.password -v "$secret"
record --login
for session in /sys/class/iscsi_session/session*; do
  [ "$(cat "$session/targetname")" = "$target" ] || continue
  host=$(readlink -f "$session/device" | sed 's|.*/host\([0-9]*\)/.*|\1|')
  echo '0 0 0' >"/sys/class/scsi_host/host$host/scan"
done
path=/dev/disk/by-path/ip-$portal-iscsi-$target-lun-0
until [ -e "$path" ]; do sleep 0.02; done
virsh attach-device "$domain" /dev/stdin --live --config >/dev/null <<XML
<disk type='block' device='disk'>
  <driver name='qemu' type='raw' cache='none' io='native' discard='unmap'/>
  <source dev='$path'/>
  <target dev='$device' bus='virtio'/>
  <iotune><read_iops_sec>60</read_iops_sec><write_iops_sec>80</write_iops_sec></iotune>
  <serial>$volume</serial>
  <alias name='ua-$volume'/>
</disk>
XML
