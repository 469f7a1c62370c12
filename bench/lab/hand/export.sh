#!/bin/sh
# What a person would type on the storage node: export.sh DEVICE NAME INDEX TARGET INITIATOR USER SECRET PORTAL
set -eu
device=$1 name=$2 index=$3 target=$4 initiator=$5 user=$6 secret=$7 portal=$8
cd /sys/kernel/config/target
mkdir -p "core/iblock_$index/$name"
echo "udev_path=$device" >"core/iblock_$index/$name/control"
echo "$device" >"core/iblock_$index/$name/udev_path"
echo 1 >"core/iblock_$index/$name/enable"
echo "$name" >"core/iblock_$index/$name/wwn/vpd_unit_serial"
echo 1 >"core/iblock_$index/$name/attrib/emulate_tpu"
echo 0 >"core/iblock_$index/$name/attrib/emulate_3pc"
mkdir -p "iscsi/$target/tpgt_1"
cd "iscsi/$target/tpgt_1"
echo 1 >attrib/authentication
echo 0 >attrib/generate_node_acls
mkdir lun/lun_0
ln -s "/sys/kernel/config/target/core/iblock_$index/$name" lun/lun_0/backstore
mkdir "np/$portal"
mkdir "acls/$initiator"
# LIO takes a newline for a part of the name and of the secret.
printf %s "$user" >"acls/$initiator/auth/userid"
printf %s "$secret" >"acls/$initiator/auth/password"
mkdir "acls/$initiator/lun_0"
ln -s "/sys/kernel/config/target/iscsi/$target/tpgt_1/lun/lun_0" "acls/$initiator/lun_0/lun"
echo 1 >enable
