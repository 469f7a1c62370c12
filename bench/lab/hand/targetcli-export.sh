#!/bin/sh
# The same with targetcli: targetcli-export.sh DEVICE NAME TARGET INITIATOR USER SECRET ADDRESS
set -eu
device=$1 name=$2 target=$3 initiator=$4 user=$5 secret=$6 address=$7
{
  targetcli /backstores/block create "$name" "$device"
  targetcli /iscsi create "$target"
  targetcli "/iscsi/$target/tpg1/luns" create "/backstores/block/$name"
  targetcli "/iscsi/$target/tpg1/portals" create "$address"
  targetcli "/iscsi/$target/tpg1" set attribute authentication=1 generate_node_acls=0
  targetcli "/iscsi/$target/tpg1/acls" create "$initiator"
  targetcli "/iscsi/$target/tpg1/acls/$initiator" set auth "userid=$user" "password=$secret"
} >/dev/null
